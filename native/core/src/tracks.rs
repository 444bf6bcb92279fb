//! Everything that is sent and everything that is shown, by keys that never point at a successor.

use slotmap::{SlotMap, new_key_type};

use crate::downtrack::DownTrack;
use crate::history::Pool;
use crate::uptrack::{UpStream, UpTrack};

new_key_type! {
    /// A participant inside the core.
    pub struct EndpointKey;
    /// A send line inside the core.
    pub struct UpKey;
    /// One SSRC of a send line inside the core.
    pub struct StreamKey;
    /// A slot inside the core.
    pub struct DownKey;
}

/// Send lines by key.
pub type Ups = SlotMap<UpKey, UpTrack>;
/// Streams by key.
pub type Streams = SlotMap<StreamKey, UpStream>;
/// Slots by key.
pub type Downs = SlotMap<DownKey, DownTrack>;

/// All lines, streams and slots of an engine, and the memory that streams keep packets in.
#[derive(Default)]
pub struct Tracks {
    /// Send lines.
    pub ups: Ups,
    /// Their streams, those given up included: late packets and repairs still find them.
    pub streams: Streams,
    /// Slots.
    pub downs: Downs,
    /// Of all histories.
    pub pool: Pool,
}

impl Tracks {
    /// Forget the streams of a line, giving back what they kept.
    pub fn forget_streams(&mut self, keys: &[StreamKey]) {
        for key in keys {
            if let Some(mut stream) = self.streams.remove(*key) {
                stream.history.clear(&mut self.pool);
            }
        }
    }
}
