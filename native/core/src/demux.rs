//! Which stream a packet belongs to: the SSRCs of one participant, latched as they are met (RFC 8843 §9.2, RFC 8853 §5).
//!
//! Browsers write MID and RID beside the first packets and stop once a receiver report shows that they arrived. Later
//! packets are known by their SSRC alone, also when the line itself was taken down and set up anew under its MID. Without
//! the extensions, an SSRC declared in the offer says it; without that, the payload type, if only one line can have sent
//! it. A line that moves on to a new SSRC never returns to an old one, so nobody can make it flap.

use crate::id::Ssrc;
use crate::rtp::Packet;
use crate::tracks::{StreamKey, Streams, UpKey, Ups};
use crate::uptrack::{UpStream, UpTrack};

/// Known at once; as many as may pass SRTP.
pub const MAX_SSRCS: usize = 64;

/// What an SSRC is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A stream.
    Stream(StreamKey),
    /// RTX that repairs a stream.
    Repair(StreamKey),
}

impl Found {
    const fn stream(self) -> StreamKey {
        match self {
            Self::Stream(key) | Self::Repair(key) => key,
        }
    }
}

/// What an SSRC once was; it stays true when its line is set up anew.
struct Name {
    mid: String,
    rid: String, // of the stream it is, or repairs
}

/// One participant's lines and SSRCs.
#[derive(Default)]
pub struct Demux {
    /// Its lines, in the order of the offer.
    pub tracks: Vec<UpKey>,
    ssrcs: Vec<(Ssrc, Found)>, // a handful, 64 at most
    names: Vec<(Ssrc, Name)>,
}

impl Demux {
    /// The stream, or what the packet repairs; None for a packet of nobody.
    pub fn find(&mut self, packet: &Packet, data: &[u8], ups: &mut Ups, streams: &mut Streams) -> Option<Found> {
        let known = self.ssrcs.iter().find(|(ssrc, _)| *ssrc == packet.ssrc);
        known.map(|(_, found)| *found).or_else(|| self.meet(packet, data, ups, streams))
    }

    /// The stream that an SSRC is or repairs.
    #[must_use]
    pub fn stream_of(&self, ssrc: Ssrc) -> Option<StreamKey> {
        self.ssrcs.iter().find(|(known, _)| *known == ssrc).map(|(_, found)| found.stream())
    }

    /// The stream that an SSRC is, repairs excepted.
    #[must_use]
    pub fn of_ssrc(&self, ssrc: Ssrc) -> Option<StreamKey> {
        self.ssrcs.iter().find_map(|(known, found)| match found {
            Found::Stream(key) if *known == ssrc => Some(*key),
            _ => None,
        })
    }

    /// Forget a line and its SSRCs, but not what they were.
    pub fn remove(&mut self, up: UpKey, streams: &Streams) {
        self.tracks.retain(|key| *key != up);
        self.ssrcs.retain(|(_, found)| streams.get(found.stream()).is_some_and(|stream| stream.up != up));
    }

    fn meet(&mut self, packet: &Packet, data: &[u8], ups: &mut Ups, streams: &mut Streams) -> Option<Found> {
        let name = self.names.iter().position(|(ssrc, _)| *ssrc == packet.ssrc);
        if name.is_none() && self.names.len() >= MAX_SSRCS {
            return None;
        }
        let up = self.track_of(packet, data, ups)?;
        let track = ups.get_mut(up)?;
        let found = if track.repairs(packet.payload_type).is_some() {
            Found::Repair(self.repaired_by(packet, data, track, streams)?)
        } else if track.line(packet.payload_type).is_some() {
            let rank = self.rank_of(packet, data, track)?;
            let key = streams.insert(UpStream::new(up, rank, packet.ssrc));
            track.latch(key, rank, streams);
            Found::Stream(key)
        } else {
            return None;
        };
        let rank = streams.get(found.stream())?.rank;
        let mid = track.parameters.mid.clone();
        let rid = track.parameters.rids.get(rank).cloned().unwrap_or_default();
        self.ssrcs.push((packet.ssrc, found));
        match name {
            Some(at) => self.names[at].1 = Name { mid, rid },
            None => self.names.push((packet.ssrc, Name { mid, rid })),
        }
        Some(found)
    }

    fn name(&self, ssrc: Ssrc) -> Option<&Name> {
        self.names.iter().find(|(known, _)| *known == ssrc).map(|(_, name)| name)
    }

    /// By MID, by what the SSRC was before, by declaration, by payload type.
    fn track_of(&self, packet: &Packet, data: &[u8], ups: &Ups) -> Option<UpKey> {
        let known = || self.tracks.iter().filter_map(|key| ups.get(*key).map(|track| (*key, track)));
        // each line may have agreed to another id for MID
        let mids: Vec<&[u8]> =
            known().filter_map(|(_, track)| packet.element(data, track.parameters.extensions.mid)).collect();
        if !mids.is_empty() {
            return known().find(|(_, track)| mids.contains(&track.parameters.mid.as_bytes())).map(|(key, _)| key);
        }
        if let Some(name) = self.name(packet.ssrc) {
            return known().find(|(_, track)| track.parameters.mid == name.mid).map(|(key, _)| key);
        }
        let declared = known().find(|(_, track)| {
            let parameters = &track.parameters;
            parameters.ssrcs.contains(&packet.ssrc) || parameters.rtx_ssrcs.iter().any(|(rtx, _)| *rtx == packet.ssrc)
        });
        if let Some((key, _)) = declared {
            return Some(key);
        }
        let mut fitting = known().filter(|(_, track)| {
            track.line(packet.payload_type).is_some() || track.repairs(packet.payload_type).is_some()
        });
        let (key, _) = fitting.next()?;
        fitting.next().is_none().then_some(key)
    }

    fn rank_of(&self, packet: &Packet, data: &[u8], track: &UpTrack) -> Option<usize> {
        let parameters = &track.parameters;
        if parameters.rids.is_empty() {
            return Some(0);
        }
        if let Some(named) = packet.element(data, parameters.extensions.rid) {
            return parameters.rids.iter().position(|rid| rid.as_bytes() == named);
        }
        if let Some(name) = self.name(packet.ssrc) {
            return parameters.rids.iter().position(|rid| *rid == name.rid);
        }
        if parameters.ssrcs.len() == parameters.rids.len()
            && let Some(at) = parameters.ssrcs.iter().position(|ssrc| *ssrc == packet.ssrc)
        {
            return Some(at);
        }
        // one that can't do simulcast sends one stream: the full one
        track.streams.is_empty().then(|| parameters.rids.len() - 1)
    }

    fn repaired_by(&self, packet: &Packet, data: &[u8], track: &UpTrack, streams: &Streams) -> Option<StreamKey> {
        let parameters = &track.parameters;
        if let Some(named) = packet.element(data, parameters.extensions.repaired_rid) {
            return track.stream(track.rank(str::from_utf8(named).ok()?)?, streams);
        }
        if let Some(name) = self.name(packet.ssrc) {
            return track.stream(track.rank(&name.rid)?, streams);
        }
        if let Some((_, repaired)) = parameters.rtx_ssrcs.iter().find(|(rtx, _)| *rtx == packet.ssrc) {
            return self.of_ssrc(*repaired);
        }
        match track.streams[..] {
            [only] => Some(only),
            _ => None,
        }
    }
}
