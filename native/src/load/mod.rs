//! The load generator of `python -m bench`: thousands of fake participants on one thread and one socket.
//!
//! Everybody has an address of their own (127.1.x.y) and one port. Handshakes were made before; here is what comes after
//! them: SRTP that looks like cameras and microphones, consent checks, reports, transport-wide feedback, and an account of
//! what arrives. It must stay cheaper than the server that it measures, and says what it used. Not done: asking again for
//! what is lost.

pub mod feedback;
pub mod flood;
pub mod generator;
pub mod histogram;
pub mod leg;
pub mod peer;
#[cfg(feature = "extension-module")]
pub mod python;
pub mod ring;
pub mod sink;
pub mod source;
pub mod wire;
