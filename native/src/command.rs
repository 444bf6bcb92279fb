//! What Python has the engine do, carried from its thread to the engine's.

use std::sync::Arc;

use medinova_core::core::Core;
use medinova_core::counter::Counters;
use medinova_core::id::{DownId, PeerId, UpId};
use medinova_core::parameters::{DownParameters, IceCredentials, SrtpKeys, UpParameters};
use medinova_core::track_counters::TrackCounters;

/// See the method of the same name in `media/engine.py`; ids are given by the caller.
pub enum Command {
    /// The counters are read by the caller while the engine writes them.
    AddPeer(PeerId, Box<IceCredentials>, Arc<Counters>),
    /// Open a second generation beside the first.
    Restart(PeerId, Box<IceCredentials>),
    /// A participant with its lines and slots, or one of those.
    Remove(u64),
    /// Forward what comes of it and goes to it, or hold it back.
    Gate(PeerId, bool),
    /// A handshake datagram for its path.
    SendDtls(PeerId, Vec<u8>),
    /// What the handshake yielded.
    SetKeys(PeerId, Box<SrtpKeys>),
    /// A send line, and its counters likewise.
    AddUp(UpId, PeerId, Box<UpParameters>, Arc<TrackCounters>),
    /// A slot, and its counters likewise.
    AddDown(DownId, PeerId, Box<DownParameters>, Arc<TrackCounters>),
    /// Show a line in a slot, perhaps of one rid only.
    Route(DownId, Option<UpId>, Option<String>),
    /// Ask a sender.
    AskKeyFrame(UpId),
    /// Keep a sender below so many bit/s.
    Cap(PeerId, Option<u64>),
    /// Copy what comes on a line, or stop that.
    Tap(UpId, bool),
}

impl Command {
    /// Do it; what an unknown id is in it for is left undone. `Err` only for keys of the wrong size.
    pub fn carry_out(self, core: &mut Core, now: f64) -> Result<(), &'static str> {
        match self {
            Self::AddPeer(peer, ice, counters) => core.add_peer(peer, *ice, counters),
            Self::Restart(peer, ice) => core.restart(peer, *ice),
            Self::Remove(what) => core.remove(what, now),
            Self::Gate(peer, open) => core.gate(peer, open, now),
            Self::SendDtls(peer, datagram) => core.send_dtls(peer, &datagram),
            Self::SetKeys(peer, keys) => core.set_keys(peer, &keys)?,
            Self::AddUp(up, peer, track, counters) => core.add_up(up, peer, *track, counters),
            Self::AddDown(down, peer, slot, counters) => core.add_down(down, peer, *slot, counters),
            Self::Route(down, up, rid) => core.route(down, up, rid.as_deref(), now),
            Self::AskKeyFrame(up) => core.ask_key_frame(up),
            Self::Cap(peer, bitrate_bps) => core.cap(peer, bitrate_bps),
            Self::Tap(up, on) => core.tap(up, on),
        }
        Ok(())
    }
}
