//! One participant as the engine sees it: a path, keys, what it sends and the slots it receives.
//!
//! The endpoint reads what comes (SRTP → packets of streams; RTCP → reports, repairs, requests) and writes what is due. It
//! knows no other endpoint: who is shown to whom is the core's matter.

mod due;
mod receive;

pub use receive::{Received, incoming};

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;

use crate::address::Path;
use crate::arrivals::Arrivals;
use crate::counter::{Counter, Counters};
use crate::demux::Demux;
use crate::downlink::Downlink;
use crate::ice::IceAgent;
use crate::id::{ExtensionId, PeerId, Sequence, Ssrc};
use crate::limit::RateLimit;
use crate::outbox::{Outbox, packet_index};
use crate::parameters::{IceCredentials, SrtpKeys};
use crate::rtcp::{self, Packet};
use crate::rtp;
use crate::srtp::Srtp;
use crate::tracks::{DownKey, EndpointKey, StreamKey, Tracks, UpKey};

/// Who speaks in our RTCP about what we receive.
pub const FEEDBACK_SSRC: Ssrc = Ssrc(1);
const PACKETS: (f64, f64) = (3000.0, 2000.0); // RTP a second and at once; a 1080p screen sends about 500
const REPORTS: (f64, f64) = (200.0, 400.0);
const CHECKS: (f64, f64) = (100.0, 200.0); // STUN; browsers send 2 a second and pair, more while they connect
const DTLS: (f64, f64) = (50.0, 200.0);
const MAX_HELD_DTLS: usize = 16; // our datagrams, before a path is nominated; newest dropped, DTLS repeats its flights
const RELEASES: u8 = 3; // how often "no cap any more" is said, in case it is lost

/// Whatever is refused is counted in `counters`.
pub struct Endpoint {
    /// As Python knows it.
    pub id: PeerId,
    /// Its path and credentials.
    pub agent: IceAgent,
    /// By which its checks are found.
    pub ufrags: Vec<String>,
    /// Authenticated pairs, oldest first.
    pub paths: VecDeque<Path>,
    srtp: Option<Box<Srtp>>, // once the handshake is over
    keys: Option<SrtpKeys>,  // of `srtp`
    tag_bytes: usize,
    /// What it sends.
    pub demux: Demux,
    /// Its slots by SSRC.
    pub slots: Vec<(Ssrc, DownKey)>,
    /// It may be seen and see others.
    pub gate_open: bool,
    /// Read by others at any time.
    pub counters: Arc<Counters>,
    /// Of STUN.
    pub checks: RateLimit,
    /// Of DTLS.
    pub dtls: RateLimit,
    /// A slot has changed its source: its sender report is due.
    pub report_due: bool,
    /// If a slot agreed to transport-wide numbers.
    pub downlink: Option<Box<Downlink>>,
    /// The settling that it last took part in.
    pub settled: u64,
    packets: RateLimit,
    reports: RateLimit,
    held_dtls: Vec<Vec<u8>>,
    arrivals: Arrivals,
    transport_id: ExtensionId,
    feedback_at: f64,
    report_at: f64,
    estimate_at: f64,
    remb_bps: u64,
    heard: bool, // something new for the next estimate
    octets_out: u64,
    octets_before: u64,
    cap_bps: Option<u64>,
    releases: u8,
    intra_numbers: Vec<(Ssrc, u8)>, // slot → the last full intra request's number
}

impl Endpoint {
    /// Begin one behind a closed gate.
    #[must_use]
    pub fn new(id: PeerId, ice: IceCredentials, counters: Arc<Counters>) -> Self {
        Self {
            id,
            ufrags: vec![ice.local_ufrag.clone()],
            agent: IceAgent::new(ice),
            paths: VecDeque::new(),
            srtp: None,
            keys: None,
            tag_bytes: 0,
            demux: Demux::default(),
            slots: Vec::new(),
            gate_open: false,
            counters,
            checks: RateLimit::new(CHECKS.0, CHECKS.1),
            dtls: RateLimit::new(DTLS.0, DTLS.1),
            settled: 0,
            packets: RateLimit::new(PACKETS.0, PACKETS.1),
            reports: RateLimit::new(REPORTS.0, REPORTS.1),
            held_dtls: Vec::new(),
            arrivals: Arrivals::default(),
            transport_id: ExtensionId(0),
            feedback_at: 0.0,
            report_at: 0.0,
            estimate_at: 0.0,
            report_due: false,
            downlink: None,
            remb_bps: 0,
            heard: false,
            octets_out: 0,
            octets_before: 0,
            cap_bps: None,
            releases: 0,
            intra_numbers: Vec::new(),
        }
    }

    /// The handshake is over; `Err` says what is wrong with its keys. Those that it has already change nothing: counting
    /// anew under one key would use numbers twice, and let replays in.
    pub fn set_keys(&mut self, keys: &SrtpKeys) -> Result<(), &'static str> {
        if self.keys.as_ref() == Some(keys) {
            return Ok(());
        }
        self.srtp = Some(Box::new(Srtp::new(keys)?));
        self.keys = Some(keys.clone());
        self.tag_bytes = keys.profile.tag_bytes();
        Ok(())
    }

    /// Its ciphers, if it has them.
    pub fn srtp(&mut self) -> Option<&mut Srtp> {
        self.srtp.as_deref_mut()
    }

    // --- sending ------------------------------------------------------------------------------------------------

    /// Whether media can be sent: there are keys and a path.
    #[must_use]
    pub fn sending(&self) -> bool {
        self.srtp.is_some() && self.agent.path().is_some()
    }

    /// Queue an RTP packet that goes out with `header`, as `write` appends it, with a transport-wide number if its slot
    /// agreed to them. Returns its size, 0 if it was not to be sent.
    pub fn send_rtp(
        &mut self,
        me: EndpointKey,
        header: &rtp::Header,
        numbered: bool,
        now: f64,
        outbox: &mut Outbox<EndpointKey>,
        write: impl FnOnce(Option<Sequence>, &mut Vec<u8>),
    ) -> usize {
        let (Some(srtp), Some(path)) = (&mut self.srtp, self.agent.path()) else { return 0 };
        let index = packet_index(header.seq.0);
        if !srtp.reserve(header.ssrc, index) {
            self.counters.add(Counter::SrtpUnprotectable, 1);
            return 0;
        }
        let downlink = self.downlink.as_deref_mut().filter(|_| numbered);
        let number = downlink.as_ref().map(|downlink| downlink.number());
        let size = outbox.rtp(path, me, index, |out| write(number, out));
        if let Some(downlink) = downlink {
            downlink.sent(size, now);
        }
        self.counters.add(Counter::RtpOut, 1);
        self.octets_out += (size + self.tag_bytes) as u64;
        size
    }

    /// Queue packets as compounds that no network need cut.
    fn send_rtcp(&self, me: EndpointKey, outbox: &mut Outbox<EndpointKey>, packets: &[Packet]) {
        let Some(path) = self.agent.path() else { return };
        if self.srtp.is_none() {
            return;
        }
        for compound in rtcp::compounds(packets) {
            self.counters.add(Counter::RtcpOut, 1);
            outbox.rtcp(path, me, |out| out.extend_from_slice(&compound));
        }
    }

    /// Queue a handshake datagram, or hold it until there is a path.
    pub fn send_dtls(&mut self, datagram: &[u8], outbox: &mut Outbox<EndpointKey>) {
        if let Some(path) = self.agent.path() {
            outbox.plain(path, |out| out.extend_from_slice(datagram));
        } else if self.held_dtls.len() < MAX_HELD_DTLS {
            self.held_dtls.push(datagram.to_vec());
        } else {
            self.counters.add(Counter::DtlsDropped, 1);
        }
    }

    /// There is a path now.
    pub fn flush_dtls(&mut self, outbox: &mut Outbox<EndpointKey>) {
        for datagram in std::mem::take(&mut self.held_dtls) {
            self.send_dtls(&datagram, outbox);
        }
    }

    /// Queue the slot's sender report if its source has made one.
    pub fn send_report(
        &self,
        me: EndpointKey,
        slot: DownKey,
        tracks: &mut Tracks,
        outbox: &mut Outbox<EndpointKey>,
        now: f64,
    ) {
        let Some(slot) = tracks.downs.get_mut(slot) else { return };
        if !self.sending() {
            return;
        }
        if let Some(report) = slot.sender_report(&tracks.streams, now) {
            let names = vec![(report.sender, slot.parameters.cname.clone())];
            self.send_rtcp(me, outbox, &[Packet::SenderReport(report), Packet::SourceDescription(names)]);
        }
    }

    /// Ask it to stay below, until told otherwise.
    pub fn cap(&mut self, bitrate_bps: Option<u64>) {
        self.releases = if bitrate_bps.is_none() && self.cap_bps.is_some() { RELEASES } else { 0 };
        self.cap_bps = bitrate_bps;
        self.report_at = 0.0; // say so at once
    }

    /// Read what receiving from `ssrc` will need, and return its stream.
    #[must_use]
    pub fn touch_receiving(&self, ssrc: Ssrc) -> Option<StreamKey> {
        let ciphers = self.srtp.as_ref().map(|srtp| srtp.touch_receiving(ssrc));
        black_box((ciphers, self.counters.get(Counter::RtpIn), self.arrivals.touch(), self.transport_id));
        self.demux.stream_of(ssrc)
    }

    /// Read what sending will need.
    pub fn touch_sending(&self, ssrc: Ssrc) {
        let ciphers = self.srtp.as_ref().map(|srtp| srtp.touch_sending(ssrc));
        black_box((ciphers, self.counters.get(Counter::RtpOut), self.octets_out, self.agent.path().is_some()));
        if let Some(downlink) = &self.downlink {
            downlink.touch();
        }
    }

    // --- tracks -------------------------------------------------------------------------------------------------

    /// It sends one line more.
    pub fn add_up(&mut self, up: UpKey, transport_sequence: ExtensionId) {
        self.demux.tracks.push(up);
        if transport_sequence.0 != 0 {
            self.transport_id = transport_sequence;
        }
    }

    /// It receives one line more.
    pub fn add_down(&mut self, ssrc: Ssrc, down: DownKey, transport_sequence: ExtensionId) {
        if transport_sequence.0 != 0 {
            self.downlink.get_or_insert_default();
        }
        self.slots.retain(|(known, _)| *known != ssrc);
        self.slots.push((ssrc, down));
    }

    fn slot(&self, ssrc: Ssrc) -> Option<DownKey> {
        self.slots.iter().find(|(known, _)| *known == ssrc).map(|(_, down)| *down)
    }
}
