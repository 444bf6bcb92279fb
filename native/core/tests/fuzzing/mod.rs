//! What the fuzz targets do, as plain functions over any bytes: `tests/corpus.rs` runs them over a fixed corpus with
//! stable Rust, `native/fuzz` under libFuzzer. Each panics where a promise is broken.

mod cast;
mod checks;
mod feedback;
mod payload;
mod rtcp;
mod rtp;
mod script;
pub mod seeds;
mod srtp;
mod stun;
mod world;

pub use feedback::feedback;
pub use payload::{av1, h264, vp8, vp9};
pub use rtcp::rtcp;
pub use rtp::rtp;
pub use script::{engine, play};
pub use srtp::{srtcp, srtp};
pub use stun::stun;

/// Reads numbers off the front of the input; zeros when it has ended, so that every input means something.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn octet(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    pub fn word(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// At most so many.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// As many as the octet in front says.
    pub fn text(&mut self) -> &'a [u8] {
        let size = self.octet();
        self.bytes(size.into())
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
