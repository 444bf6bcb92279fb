//! The fuzz targets; what they do stands beside the engine's tests, which run it over the corpus without libFuzzer.

#[path = "../../core/tests/fuzzing/mod.rs"]
pub mod fuzzing;
