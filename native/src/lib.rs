//! The native engine of MediNova RT as a Python module: `medinova-core` on one thread with one socket.

pub mod load;
pub mod plane;
#[cfg(feature = "extension-module")]
mod python;
