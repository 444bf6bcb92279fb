//! What is to be sent, from the time it is written until the shell has handed it to the kernel.
//!
//! Packets of one batch are queued plain, each in one arena with room behind it, and sealed together at the batch's end:
//! only then is it known which of them make one run, that is, one message that the kernel cuts into datagrams of one size
//! (UDP GSO). Browsers split a frame into packets whose sizes differ by a byte; one byte of RTP padding on the shorter
//! ones makes the frame one run. Whoever keeps or counts packets saw them before that.

#[cfg(test)]
mod tests;

use crate::address::Path;
use crate::srtp::{MAX_OVERHEAD, Srtp};

/// Datagrams in one run; Linux takes 64 since 4.18.
pub const MAX_SEGMENTS: usize = 64;
/// Bytes in one run: what fits a UDP datagram, headers aside.
pub const MAX_RUN_BYTES: usize = 65_000;

/// Bytes of memory kept from one batch to the next: more than a full batch takes unless the machine had stood still.
pub const MAX_KEPT_BYTES: usize = 16 << 20;

const PADDING: u8 = 0x20;

/// Finds the keys of those to whom packets go.
pub trait Keys {
    /// Names a receiver.
    type Key: Copy + PartialEq;

    /// A small number of its own for each receiver.
    fn number(key: Self::Key) -> usize;

    /// Its keys, if it has any (any more).
    fn srtp(&mut self, key: Self::Key) -> Option<&mut Srtp>;
}

#[derive(Clone, Copy)]
enum Sealing<K> {
    Plain,
    Open(K),
    Rtcp(K),
    Rtp { to: K, index: u64 },
}

struct Packet<K> {
    path: Path,
    start: usize,
    length: usize,
    sealing: Sealing<K>,
    next: u32, // of the same receiver, in this batch
}

/// One datagram of a run: where it lies in the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its first byte.
    pub start: usize,
    /// Its size.
    pub length: usize,
}

/// Datagrams for one address that leave as one message; all of one size, the last may be shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// From where to where.
    pub path: Path,
    /// Size of all but the last.
    pub segment: usize,
    first: usize,
    count: usize,
}

const NONE: u32 = u32::MAX;

/// `rtp`, `rtcp` and `plain` queue, `seal` encrypts, `runs` are then to be sent, `clear` empties.
pub struct Outbox<K> {
    arena: Vec<u8>,
    packets: Vec<Packet<K>>,
    runs: Vec<Run>,
    pieces: Vec<Piece>,
    heads: Vec<u32>,   // packets that begin a receiver's chain
    tails: Vec<u32>,   // by the receiver's number: the last of its chain
    members: Vec<u32>, // of the run that is being made
}

impl<K> Default for Outbox<K> {
    fn default() -> Self {
        Self {
            arena: Vec::new(),
            packets: Vec::new(),
            runs: Vec::new(),
            pieces: Vec::new(),
            heads: Vec::new(),
            tails: Vec::new(),
            members: Vec::new(),
        }
    }
}

impl<K: Copy + PartialEq> Outbox<K> {
    /// Queue a datagram that leaves as it is: STUN, DTLS.
    pub fn plain(&mut self, path: Path, write: impl FnOnce(&mut Vec<u8>)) {
        self.queue(path, Sealing::Plain, write);
    }

    /// Queue an RTCP compound for a receiver.
    pub fn rtcp(&mut self, path: Path, to: K, write: impl FnOnce(&mut Vec<u8>)) {
        self.queue(path, Sealing::Rtcp(to), write);
    }

    /// Queue an RTP packet for a receiver; `index` (RFC 3711 §3.3.1) was reserved with its keys. Returns its size.
    pub fn rtp(&mut self, path: Path, to: K, index: u64, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        self.queue(path, Sealing::Rtp { to, index }, write)
    }

    /// Queue a datagram that leaves as it is, byte for byte, and may share a run with others for that receiver: what a
    /// relay that looks into nothing does.
    pub fn open(&mut self, path: Path, to: K, write: impl FnOnce(&mut Vec<u8>)) {
        self.queue(path, Sealing::Open(to), write);
    }

    fn queue(&mut self, path: Path, sealing: Sealing<K>, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let start = self.arena.len();
        write(&mut self.arena);
        let length = self.arena.len() - start;
        self.arena.resize(start + length + 1 + MAX_OVERHEAD, 0);
        self.packets.push(Packet { path, start, length, sealing, next: NONE });
        length
    }

    /// Whether nothing was queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Queued since the last `clear`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Encrypt everything queued. With `group`, packets of one receiver become runs, the shorter ones padded; without,
    /// each is a run of its own. Returns how many were padded. What has lost its keys is left out.
    pub fn seal(&mut self, group: bool, keys: &mut impl Keys<Key = K>) -> u64 {
        self.chain(group, keys);
        let mut padded = 0;
        for head in 0..self.heads.len() {
            let mut at = self.heads[head];
            let (mut segment, mut shortest, mut closed, mut soft) = (0, 0, false, true);
            while at != NONE {
                let packet = &self.packets[at as usize];
                let length = packet.length;
                let paddable = self.is_paddable(packet);
                let count = self.members.len();
                let largest = segment.max(length) + MAX_OVERHEAD;
                let fits = count > 0
                    && !closed
                    && count < MAX_SEGMENTS
                    && (count + 1) * largest <= MAX_RUN_BYTES
                    && packet.path == self.packets[self.members[0] as usize].path
                    && (length <= segment || (length == segment + 1 && shortest == segment && soft));
                if fits {
                    // what one byte of padding doesn't bring up to the others can only be the end
                    closed = length + usize::from(paddable) < segment;
                    segment = segment.max(length);
                    shortest = shortest.min(length);
                    soft &= paddable;
                } else {
                    padded += self.finish(segment, keys);
                    (segment, shortest, closed, soft) = (length, length, false, paddable);
                }
                self.members.push(at);
                at = self.packets[at as usize].next;
            }
            padded += self.finish(segment, keys);
        }
        padded
    }

    /// Whether a byte of padding can be put behind it: RTP that has none yet.
    fn is_paddable(&self, packet: &Packet<K>) -> bool {
        let first = self.arena.get(packet.start).copied().unwrap_or(PADDING);
        matches!(packet.sealing, Sealing::Rtp { .. }) && packet.length > 0 && first & PADDING == 0
    }

    /// Link the packets of each receiver; what belongs to nobody, or goes alone, is a chain of one.
    fn chain<T: Keys<Key = K>>(&mut self, group: bool, _keys: &T) {
        for at in 0..self.packets.len() {
            if let Sealing::Rtp { to, .. } | Sealing::Open(to) = self.packets[at].sealing
                && group
            {
                let number = T::number(to);
                if number >= self.tails.len() {
                    self.tails.resize(number + 1, NONE);
                }
                let tail = std::mem::replace(&mut self.tails[number], at as u32);
                // tails are not cleared between batches: one left over points at no packet of this receiver
                if let Some(before) = self.packets[..at].get_mut(tail as usize)
                    && matches!(before.sealing, Sealing::Rtp { to: same, .. } | Sealing::Open(same) if same == to)
                {
                    before.next = at as u32;
                    continue;
                }
            }
            self.heads.push(at as u32);
        }
    }

    /// Encrypt the members of a run and note where they lie.
    fn finish(&mut self, segment: usize, keys: &mut impl Keys<Key = K>) -> u64 {
        let mut padded = 0;
        let first = self.pieces.len();
        let last = self.members.len().saturating_sub(1);
        for (place, &at) in self.members.iter().enumerate() {
            let packet = &self.packets[at as usize];
            let (start, mut length) = (packet.start, packet.length);
            if place < last && length < segment {
                self.arena[start] |= PADDING;
                self.arena[start + length] = 1;
                length += 1;
                padded += 1;
            }
            let room = &mut self.arena[start..start + length + MAX_OVERHEAD];
            let sealed = match packet.sealing {
                Sealing::Plain | Sealing::Open(_) => Some(length),
                Sealing::Rtcp(to) => keys.srtp(to).and_then(|srtp| srtp.protect_rtcp(room, length)),
                Sealing::Rtp { to, index } => keys.srtp(to).and_then(|srtp| srtp.protect(room, length, index)),
            };
            if let Some(length) = sealed {
                self.pieces.push(Piece { start, length });
            }
        }
        let count = self.pieces.len() - first;
        if count > 0 {
            let path = self.packets[self.members[0] as usize].path;
            self.runs.push(Run { path, segment: self.pieces[first].length, first, count });
        }
        self.members.clear();
        padded
    }

    /// What is to be sent, in order, each with its datagrams.
    pub fn runs(&self) -> impl Iterator<Item = (&Run, &[Piece])> {
        self.runs.iter().map(|run| (run, &self.pieces[run.first..run.first + run.count]))
    }

    /// Where the pieces lie.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Forget everything; the memory is kept for the next batch, but not all that a burst has taken.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.arena.shrink_to(MAX_KEPT_BYTES);
        self.packets.clear();
        self.runs.clear();
        self.pieces.clear();
        self.heads.clear();
    }
}

/// The index of a packet: what its number is when cycles are counted from the stream's first packet on.
#[must_use]
pub const fn packet_index(unwrapped: i64) -> u64 {
    (unwrapped - 0x1_0000) as u64
}
