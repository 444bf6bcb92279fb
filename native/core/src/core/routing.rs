//! Slots and their sources, kept in agreement.

use super::Core;
use crate::tracks::{DownKey, EndpointKey, Tracks};

impl Core {
    /// Its packets, or those to it, were held back until now or are from now on.
    pub(super) fn renew(&mut self, key: EndpointKey, now: f64) {
        let Some(endpoint) = self.endpoints.0.get(key) else { return };
        let mut slots: Vec<DownKey> = endpoint.slots.iter().map(|(_, slot)| *slot).collect();
        for track in endpoint.demux.tracks.iter().filter_map(|up| self.tracks.ups.get(*up)) {
            slots.extend(track.slots.iter().filter(|slot| !slots.contains(slot)).copied().collect::<Vec<_>>());
        }
        for key in slots {
            let Tracks { ups, streams, downs, .. } = &mut self.tracks;
            if let Some(slot) = downs.get_mut(key) {
                slot.renew(ups, streams, now);
                self.attend(key);
            }
        }
    }

    pub(super) fn resettle(&mut self, key: DownKey, now: f64) {
        let Tracks { ups, streams, downs, .. } = &mut self.tracks;
        if let Some(slot) = downs.get_mut(key) {
            slot.settle(ups, streams, now);
            self.attend(key);
        }
    }

    /// Have each source's list of slots agree with the slot's own view, and get the key frame that it waits for.
    pub(super) fn attend(&mut self, key: DownKey) {
        let Tracks { ups, streams, downs, .. } = &mut self.tracks;
        let Some(slot) = downs.get_mut(key) else { return };
        if slot.video
            && let Some(waited_for) = slot.switching.and_then(|stream| streams.get_mut(stream))
            && let Some(owner) = ups.get(waited_for.up).map(|track| track.owner)
            && self.endpoints.0.get(owner).is_some_and(|sender| sender.gate_open)
            && self.endpoints.0.get(slot.owner).is_some_and(|receiver| receiver.gate_open && receiver.sending())
        {
            waited_for.key_frames.ask();
        }
        if slot.sources().all(|up| slot.listed.contains(&up)) && slot.listed.iter().all(|up| slot.sees(*up)) {
            return;
        }
        for up in &slot.listed {
            if !slot.sees(*up)
                && let Some(track) = ups.get_mut(*up)
            {
                track.slots.retain(|known| *known != key);
            }
        }
        let mut listed = Vec::new();
        for up in slot.sources() {
            if listed.contains(&up) {
                continue;
            }
            listed.push(up);
            if !slot.listed.contains(&up)
                && let Some(track) = ups.get_mut(up)
            {
                track.slots.push(key);
            }
        }
        slot.listed = listed;
    }
}
