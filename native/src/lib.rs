//! The native engine of MediNova RT as a Python module: `medinova-core` on one thread with one socket.

pub mod command;
pub mod control;
pub mod desk;
pub mod engine;
pub mod load;
pub mod pace;
pub mod plane;
#[cfg(feature = "extension-module")]
mod python;
#[cfg(feature = "extension-module")]
mod python_core;
#[cfg(feature = "extension-module")]
mod python_engine;
#[cfg(feature = "extension-module")]
mod python_parameters;
pub mod queue;
pub mod receive;
pub mod relay;
pub mod run;
pub mod send;
pub mod socket;
pub mod system;
pub mod tally;
#[cfg(test)]
mod tests;
