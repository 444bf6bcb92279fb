#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| medinova_fuzz::fuzzing::av1(data));
