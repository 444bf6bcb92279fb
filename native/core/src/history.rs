//! The packets of one up stream from the last second, kept once however many receivers may ask for them again.
//!
//! All streams of an engine share one pool of equal chunks, so that keeping a packet allocates nothing and the whole is
//! bounded: `MAX_POOL_BYTES`. When the pool is used up, a stream gives its own oldest packet for its newest; one that has
//! none goes without.

use std::collections::VecDeque;
use std::hint::black_box;

use crate::id::Seq;

/// Older, the receiver has given up on the frame.
pub const MAX_AGE_S: f64 = 1.0;
/// Of one stream: a second at 8 Mbit/s; beyond it the oldest go earlier.
pub const MAX_BYTES: usize = 1 << 20;
/// Of all streams together, whatever they are: 1,200 participants at 1.2 Mbit/s each.
pub const MAX_POOL_BYTES: usize = 256 << 20;

const SWEEP_S: f64 = 0.1; // packets are swept out many at once
const CHUNK: usize = 1536; // a datagram
const BLOCK: usize = 64; // chunks allocated at once
const MIN_INDEX: usize = 64;
const MAX_INDEX: usize = 4096; // packets of one stream

/// The memory of all histories of one engine.
#[derive(Default)]
pub struct Pool {
    blocks: Vec<Box<[u8]>>,
    free: Vec<u32>,
}

impl Pool {
    /// Bytes in use now.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.blocks.len() * BLOCK - self.free.len()) * CHUNK
    }

    fn take(&mut self) -> Option<u32> {
        if self.free.is_empty() {
            if (self.blocks.len() + 1) * BLOCK * CHUNK > MAX_POOL_BYTES {
                return None;
            }
            let first = (self.blocks.len() * BLOCK) as u32;
            self.blocks.push(vec![0; BLOCK * CHUNK].into_boxed_slice());
            self.free.extend((first..first + BLOCK as u32).rev());
        }
        self.free.pop()
    }

    fn chunk(&self, chunk: u32) -> &[u8] {
        let at = chunk as usize % BLOCK * CHUNK;
        &self.blocks[chunk as usize / BLOCK][at..at + CHUNK]
    }

    fn write(&mut self, chunk: u32, data: &[u8]) {
        let at = chunk as usize % BLOCK * CHUNK;
        self.blocks[chunk as usize / BLOCK][at..at + data.len()].copy_from_slice(data);
    }
}

/// What became of a packet offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is held now.
    Held,
    /// It was held already: a repair that came twice.
    Again,
    /// There is no room for it.
    Full,
}

struct Entry {
    seq: Seq,
    arrived: f64,
    chunk: u32,
    size: u16,
}

/// Oldest out at every bound. Its chunks are the pool's: `clear` before it is dropped.
#[derive(Default)]
pub struct History {
    order: VecDeque<Entry>, // by arrival
    base: u32,              // the place of the oldest; places count up, and wrap
    index: Vec<u32>,        // number, cut to the index's size → place
    bytes: usize,
    newest: Seq,
    horizon: f64, // what came before it is held no more, though it may not have been swept out yet
    swept_at: f64,
}

impl History {
    /// Keep a packet; `arrived` never goes back.
    pub fn add(&mut self, pool: &mut Pool, seq: Seq, arrived: f64, data: &[u8]) -> Kept {
        // hardly ever is it not the newest; and where the others are is far from the processor
        if seq <= self.newest && self.find(seq).is_some() {
            return Kept::Again;
        }
        self.newest = self.newest.max(seq);
        self.horizon = arrived - MAX_AGE_S;
        if arrived - self.swept_at >= SWEEP_S {
            self.sweep(pool, arrived);
        }
        while self.bytes + data.len() > MAX_BYTES || self.order.len() >= MAX_INDEX {
            self.drop_oldest(pool);
        }
        if data.len() > CHUNK {
            return Kept::Full;
        }
        let chunk = pool.take().or_else(|| {
            self.drop_oldest(pool);
            pool.free.pop()
        });
        let Some(chunk) = chunk else { return Kept::Full };
        pool.write(chunk, data);
        self.bytes += data.len();
        // numbers may span more than there are packets
        while self.index.len() < MAX_INDEX && (self.order.len() >= self.index.len() || self.is_taken(seq)) {
            self.grow();
        }
        self.order.push_back(Entry { seq, arrived, chunk, size: data.len() as u16 });
        self.point(self.order.len() - 1);
        Kept::Held
    }

    /// The packet of that number and when it came, if it is still held.
    #[must_use]
    pub fn get<'a>(&self, pool: &'a Pool, seq: Seq) -> Option<(&'a [u8], f64)> {
        let entry = self.find(seq)?;
        Some((&pool.chunk(entry.chunk)[..usize::from(entry.size)], entry.arrived))
    }

    /// Read what adding will need.
    pub fn touch(&self) {
        black_box((self.order.back().map(|entry| entry.chunk), self.index.get(self.slot(self.newest + 1))));
    }

    /// Let go of what is too old, for a stream that has fallen silent.
    pub fn expire(&mut self, pool: &mut Pool, now: f64) {
        self.horizon = now - MAX_AGE_S;
        self.sweep(pool, now);
    }

    /// Give everything back.
    pub fn clear(&mut self, pool: &mut Pool) {
        while !self.order.is_empty() {
            self.drop_oldest(pool);
        }
    }

    fn find(&self, seq: Seq) -> Option<&Entry> {
        let place = *self.index.get(self.slot(seq))?;
        self.order
            .get(place.wrapping_sub(self.base) as usize)
            .filter(|entry| entry.seq == seq && entry.arrived >= self.horizon)
    }

    fn sweep(&mut self, pool: &mut Pool, now: f64) {
        self.swept_at = now;
        while self.order.front().is_some_and(|oldest| oldest.arrived < self.horizon) {
            self.drop_oldest(pool);
        }
    }

    fn slot(&self, seq: Seq) -> usize {
        seq.0 as usize & self.index.len().wrapping_sub(1)
    }

    /// Whether this number's place in the index leads to another that is held.
    fn is_taken(&self, seq: Seq) -> bool {
        let place = self.index.get(self.slot(seq)).map(|place| place.wrapping_sub(self.base) as usize);
        let entry = place.and_then(|at| self.order.get(at));
        entry.is_some_and(|entry| entry.seq != seq && entry.arrived >= self.horizon)
    }

    fn point(&mut self, at: usize) {
        let slot = self.slot(self.order[at].seq);
        self.index[slot] = self.base.wrapping_add(at as u32);
    }

    fn grow(&mut self) {
        let size = (self.index.len() * 2).clamp(MIN_INDEX, MAX_INDEX);
        self.index = vec![self.base.wrapping_sub(1); size];
        for at in 0..self.order.len() {
            self.point(at);
        }
    }

    fn drop_oldest(&mut self, pool: &mut Pool) {
        if let Some(entry) = self.order.pop_front() {
            self.base = self.base.wrapping_add(1);
            self.bytes -= usize::from(entry.size);
            pool.free.push(entry.chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(history: &History, pool: &Pool, seq: i64) -> bool {
        history.get(pool, Seq(seq)).is_some()
    }

    #[test]
    fn what_was_added_is_found_and_a_second_copy_is_told() {
        let (mut pool, mut history) = (Pool::default(), History::default());
        for seq in [70_000, 70_002, 70_001] {
            assert_eq!(history.add(&mut pool, Seq(seq), 1.0, &seq.to_be_bytes()), Kept::Held);
        }
        assert_eq!(history.add(&mut pool, Seq(70_002), 1.0, b"again"), Kept::Again);
        assert_eq!(history.get(&pool, Seq(70_001)), Some((&70_001_i64.to_be_bytes()[..], 1.0)));
        assert!(!held(&history, &pool, 69_999));
        assert!(!held(&History::default(), &pool, 1));
    }

    #[test]
    fn numbers_far_apart_are_both_found() {
        let (mut pool, mut history) = (Pool::default(), History::default());
        for seq in [70_000, 70_000 + 64, 70_000 + 1024, 70_001] {
            assert_eq!(history.add(&mut pool, Seq(seq), 1.0, b"a"), Kept::Held);
        }
        for seq in [70_000, 70_000 + 64, 70_000 + 1024, 70_001] {
            assert!(held(&history, &pool, seq), "{seq}");
            assert_eq!(history.add(&mut pool, Seq(seq), 1.0, b"a"), Kept::Again);
        }
    }

    #[test]
    fn the_oldest_go_by_age_by_bytes_and_by_number() {
        let (mut pool, mut history) = (Pool::default(), History::default());
        history.add(&mut pool, Seq(1), 1.0, b"old");
        history.add(&mut pool, Seq(2), 2.5, b"new");
        assert!(!held(&history, &pool, 1) && held(&history, &pool, 2));
        for seq in 3..2000 {
            history.add(&mut pool, Seq(seq), 2.5, &[0; 1000]);
        }
        assert!(!held(&history, &pool, 900) && held(&history, &pool, 1999) && held(&history, &pool, 952));
        for seq in 2000..12_000 {
            history.add(&mut pool, Seq(seq), 2.5, b"small");
        }
        assert_eq!(history.order.len(), MAX_INDEX);
        history.add(&mut pool, Seq(12_000), 3.45, b"later");
        history.add(&mut pool, Seq(12_001), 3.52, b"too soon to sweep again");
        assert!(!held(&history, &pool, 11_999) && held(&history, &pool, 12_000), "not swept out, and not held");
        history.expire(&mut pool, 5.0);
        assert_eq!((history.bytes, pool.bytes()), (0, 0));
    }

    #[test]
    fn a_full_pool_takes_a_streams_own_oldest() {
        let (mut pool, mut one, mut other) = (Pool::default(), History::default(), History::default());
        pool.blocks = (0..MAX_POOL_BYTES / CHUNK / BLOCK).map(|_| Box::from([])).collect();
        pool.blocks[0] = vec![0; BLOCK * CHUNK].into();
        pool.free = vec![0, 1];
        assert_eq!(one.add(&mut pool, Seq(1), 1.0, b"a"), Kept::Held);
        assert_eq!(one.add(&mut pool, Seq(2), 1.0, b"b"), Kept::Held);
        assert_eq!(other.add(&mut pool, Seq(1), 1.0, b"c"), Kept::Full);
        assert_eq!(one.add(&mut pool, Seq(3), 1.0, b"d"), Kept::Held);
        assert!(!held(&one, &pool, 1) && held(&one, &pool, 3));
        one.clear(&mut pool);
        assert_eq!(other.add(&mut pool, Seq(1), 1.0, b"c"), Kept::Held);
    }
}
