//! What the next batch will need, brought near the processor before it is needed.
//!
//! A participant's state lies in some forty cache lines, and with hundreds of participants the kernel's own work between
//! two batches has driven most of them away. Met one after the other, the misses add up; looked at beforehand, level by
//! level and for all datagrams of a batch, they overlap. Nothing is changed here, and nothing depends on it.

use std::hint::black_box;

use super::Core;
use crate::address::Path;
use crate::id::{PayloadType, Ssrc};
use crate::tracks::{DownKey, EndpointKey, StreamKey, UpKey};

/// A batch on its way down the levels; the memory is kept for the next.
#[derive(Default)]
pub struct Foreseen {
    senders: Vec<(EndpointKey, Ssrc)>,
    streams: Vec<StreamKey>,
    ups: Vec<UpKey>,
    slots: Vec<DownKey>,
}

impl Core {
    /// Look at what datagrams that begin so and came so will need.
    pub fn foresee<'a>(&mut self, batch: impl Iterator<Item = (&'a [u8], Path)>) {
        let Foreseen { senders, streams, ups, slots } = &mut self.foreseen;
        for (head, path) in batch {
            if let Some(&key) = self.by_path.get(&path)
                && let Some(&ssrc) = head.get(8..).and_then(<[u8]>::first_chunk)
            {
                senders.push((key, Ssrc(u32::from_be_bytes(ssrc))));
            }
        }
        for (key, ssrc) in senders.drain(..) {
            if let Some(endpoint) = self.endpoints.0.get(key) {
                streams.extend(endpoint.touch_receiving(ssrc));
            }
        }
        for key in streams.drain(..) {
            if let Some(stream) = self.tracks.streams.get(key) {
                stream.touch();
                ups.push(stream.up);
            }
        }
        for key in ups.drain(..) {
            if let Some(track) = self.tracks.ups.get(key) {
                black_box(track.line(PayloadType(0)));
                slots.extend(track.slots.first());
            }
        }
        for key in slots.drain(..) {
            if let Some(slot) = self.tracks.downs.get(key) {
                slot.touch();
                if let Some(receiver) = self.endpoints.0.get(slot.owner) {
                    receiver.touch_sending(slot.parameters.ssrc);
                }
            }
        }
    }
}
