//! The packet path without socket, clock and thread: datagrams and `now` go in, transmits and events come out.
//!
//! One file per noun. Each does what its namesake in `media/*.py` does; that is the executable specification, and the
//! same tests run over both. Times are monotonic seconds as `f64`, rates bit/s, `up` is participant → server, `down`
//! server → participant.
#![forbid(unsafe_code)]

pub mod address;
pub mod arrivals;
#[cfg(test)]
mod captures;
pub mod core;
pub mod counter;
pub mod demux;
pub mod downlink;
pub mod downtrack;
pub mod endpoint;
pub mod estimate;
pub mod event;
pub mod feedback;
pub mod history;
pub mod ice;
pub mod id;
pub mod keyframe;
pub mod limit;
pub mod mac;
pub mod nack;
pub mod numbering;
pub mod outbox;
pub mod pacer;
pub mod parameters;
pub mod payload;
pub mod repair;
pub mod replay;
pub mod rtcp;
pub mod rtp;
pub mod speaker;
pub mod srtp;
pub mod srtp_cipher;
pub mod srtp_cm;
pub mod srtp_gcm;
pub mod srtp_keys;
pub mod stint;
pub mod stun;
pub mod tap;
pub mod track_counters;
pub mod tracks;
pub mod uptrack;
