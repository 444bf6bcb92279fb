//! Who takes part in a script: keys, lines and slots of every kind, from a few bits.

use std::net::Ipv4Addr;

use medinova_core::address::Path;
use medinova_core::id::{ExtensionId, PayloadType, Ssrc};
use medinova_core::parameters::{
    Codec, DownParameters, Extensions, IceCredentials, Kind, SrtpKeys, SrtpProfile, UpParameters,
};

pub const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80, SrtpProfile::AeadAes256Gcm];
pub const RIDS: [&str; 3] = ["q", "h", "f"];
/// With the payload type that senders give them; receivers' are 10 higher, RTX 1 higher than either.
pub const CODECS: [(&str, u8); 5] = [("opus", 80), ("VP8", 96), ("VP9", 98), ("H264", 100), ("AV1", 102)];
pub const ADDRESSES: u8 = 6;

pub const LEVEL: u8 = 1;
pub const SEND_TIME: u8 = 2;
pub const TRANSPORT: u8 = 3;
pub const MID: u8 = 4;
pub const RID: u8 = 10;
pub const REPAIRED_RID: u8 = 11;
pub const ORIENTATION: u8 = 13;

/// No two numbers give the same.
pub fn keys(profile: SrtpProfile, number: u16) -> SrtpKeys {
    let size = match profile {
        SrtpProfile::AeadAes128Gcm => 28,
        SrtpProfile::AeadAes256Gcm => 44,
        SrtpProfile::Aes128CmSha1_80 => 30,
    };
    let key = |way: u8| {
        let [high, low] = number.to_be_bytes();
        [vec![high, low, way], vec![9; size - 3]].concat()
    };
    SrtpKeys { profile, up: key(1), down: key(2) }
}

/// The participant's side of the same.
pub fn swapped(keys: &SrtpKeys) -> SrtpKeys {
    SrtpKeys { profile: keys.profile, up: keys.down.clone(), down: keys.up.clone() }
}

/// Of the generation with this number among all.
pub fn credentials(number: u16) -> IceCredentials {
    IceCredentials {
        local_ufrag: format!("s{number}"),
        local_password: format!("password-of-server-{number}"),
        remote_ufrag: format!("c{number}"),
    }
}

/// One of a few pairs of addresses.
pub fn path(number: u8) -> Path {
    let remote = Ipv4Addr::new(198, 51, 100, number % ADDRESSES);
    Path { local: (Ipv4Addr::LOCALHOST.into(), 5000).into(), remote: (remote.into(), 6000).into() }
}

fn extensions(there: bool, numbered: bool) -> Extensions {
    let id = |id| ExtensionId(if there { id } else { 0 });
    Extensions {
        mid: id(MID),
        rid: id(RID),
        repaired_rid: id(REPAIRED_RID),
        audio_level: id(LEVEL),
        orientation: id(ORIENTATION),
        abs_send_time: id(SEND_TIME),
        transport_sequence: ExtensionId(if numbered { TRANSPORT } else { 0 }),
    }
}

fn codecs(video: bool) -> impl Iterator<Item = (Codec, u8)> {
    let of = if video { &CODECS[1..] } else { &CODECS[..1] };
    of.iter().map(|(name, number)| (Codec { name: (*name).to_owned(), variant: String::new() }, *number))
}

/// Bits: video, simulcast, SSRCs declared, no extensions, no RTX.
pub fn up(id: u64, bits: u8) -> UpParameters {
    let (video, simulcast, declared) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
    let ssrcs: Vec<Ssrc> = (0..if simulcast { 3 } else { 1 }).map(|rank| ssrc(id, rank)).collect();
    let rtx = |video: bool| codecs(video && bits & 16 == 0).filter(move |_| video);
    UpParameters {
        kind: if video { Kind::Video } else { Kind::Audio },
        mid: format!("u{}", id % 1000),
        codecs: codecs(video).map(|(codec, number)| (PayloadType(number), codec)).collect(),
        rtx: rtx(video).map(|(_, number)| (PayloadType(number + 1), PayloadType(number))).collect(),
        extensions: extensions(bits & 8 == 0, bits & 8 == 0),
        rids: if simulcast { RIDS.map(str::to_owned).to_vec() } else { vec![] },
        rtx_ssrcs: if declared { ssrcs.iter().map(|known| (rtx_ssrc(*known), *known)).collect() } else { vec![] },
        ssrcs: if declared { ssrcs } else { vec![] },
        clock_rates: codecs(video)
            .map(|(_, number)| (PayloadType(number), if video { 90_000 } else { 48_000 }))
            .collect(),
    }
}

/// Bits: video, numbered transport-wide, no extensions, no RTX, beginning at the end of a cycle.
pub fn down(id: u64, bits: u8) -> DownParameters {
    let video = bits & 1 != 0;
    let rtx = video && bits & 8 == 0;
    DownParameters {
        kind: if video { Kind::Video } else { Kind::Audio },
        mid: format!("d{}", id % 1000),
        ssrc: slot_ssrc(id),
        rtx_ssrc: rtx.then(|| rtx_ssrc(slot_ssrc(id))),
        cname: format!("name-{id}"),
        codecs: codecs(video).map(|(codec, number)| (codec, PayloadType(number + 10))).collect(),
        rtx: codecs(video).filter(|_| rtx).map(|(_, n)| (PayloadType(n + 10), PayloadType(n + 11))).collect(),
        extensions: extensions(bits & 4 == 0, bits & 2 != 0),
        first_sequence: if bits & 16 != 0 { 65_530 } else { 100 },
        first_timestamp: 7,
        clock_rate: if video { 90_000 } else { 48_000 },
    }
}

/// Of what a line sends.
pub const fn ssrc(up: u64, rank: u8) -> Ssrc {
    Ssrc(0x0001_0000 + up as u32 * 16 + rank as u32)
}

/// Of what a slot gets.
pub const fn slot_ssrc(down: u64) -> Ssrc {
    Ssrc(0x0100_0000 + down as u32)
}

/// Of repairs.
pub const fn rtx_ssrc(repaired: Ssrc) -> Ssrc {
    Ssrc(0x4000_0000 + repaired.0)
}
