#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| medinova_fuzz::fuzzing::vp8(data));
