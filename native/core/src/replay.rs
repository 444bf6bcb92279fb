//! Which packet indices were seen already (RFC 3711 §3.3.2), stream by stream.

use crate::id::Ssrc;

/// The last `64 * WORDS` indices up to the highest seen, a bit for each.
pub struct Window<const WORDS: usize> {
    highest: u64,
    seen: [u64; WORDS], // of an index: the bit at its remainder; all those beyond `highest` are unset
}

impl<const WORDS: usize> Default for Window<WORDS> {
    fn default() -> Self {
        Self { highest: 0, seen: [0; WORDS] }
    }
}

impl<const WORDS: usize> Window<WORDS> {
    const SPAN: u64 = 64 * WORDS as u64;

    /// Of those added; 0 if none was.
    #[must_use]
    pub const fn highest(&self) -> u64 {
        self.highest
    }

    /// Read what adding the next index will need.
    #[must_use]
    pub fn touch(&self) -> u64 {
        self.seen[Self::place(self.highest + 1).0]
    }

    /// Whether this index was not added yet and is not too old to tell.
    #[must_use]
    pub fn is_new(&self, index: u64) -> bool {
        let (word, bit) = Self::place(index);
        index > self.highest || (self.highest - index < Self::SPAN && self.seen[word] & bit == 0)
    }

    /// Note an index that `is_new` let pass.
    pub fn add(&mut self, index: u64) {
        if index > self.highest {
            if index - self.highest >= Self::SPAN {
                self.seen.fill(0);
            } else {
                for skipped in self.highest + 1..index {
                    let (word, bit) = Self::place(skipped);
                    self.seen[word] &= !bit;
                }
            }
            self.highest = index;
        }
        let (word, bit) = Self::place(index);
        self.seen[word] |= bit;
    }

    const fn place(index: u64) -> (usize, u64) {
        ((index / 64 % WORDS as u64) as usize, 1 << (index % 64))
    }
}

/// Of each SSRC its state. Few, and mostly the same again: a short list beats a hash table.
pub struct Streams<T> {
    ssrcs: Vec<Ssrc>,
    states: Vec<T>,
    latest: usize,
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self { ssrcs: Vec::new(), states: Vec::new(), latest: 0 }
    }
}

impl<T: Default> Streams<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ssrcs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ssrcs.is_empty()
    }

    /// The state of an SSRC that has one, to be read.
    #[must_use]
    pub fn peek(&self, ssrc: Ssrc) -> Option<&T> {
        self.states.get(self.ssrcs.iter().position(|&known| known == ssrc)?)
    }

    /// The state of an SSRC that has one.
    pub fn find(&mut self, ssrc: Ssrc) -> Option<&mut T> {
        if self.ssrcs.get(self.latest) != Some(&ssrc) {
            self.latest = self.ssrcs.iter().position(|&known| known == ssrc)?;
        }
        self.states.get_mut(self.latest)
    }

    /// The state of an SSRC, a new one if it has none.
    pub fn find_or_add(&mut self, ssrc: Ssrc) -> &mut T {
        if self.find(ssrc).is_none() {
            self.ssrcs.push(ssrc);
            self.states.reserve_exact(1); // rare, and room for as many again would cost more than moving them
            self.states.push(T::default());
            self.latest = self.ssrcs.len() - 1;
        }
        &mut self.states[self.latest]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_new_from_seen_and_old() {
        let cases: [(&[u64], &[u64], &[u64]); 5] = [
            // added, then new, then not new
            (&[], &[0, 1, 127, 128, 1 << 40], &[]),
            (&[0], &[1, 200], &[0]),
            (&[200], &[73, 199, 201], &[72, 0, 200]),
            (&[200, 73, 300], &[173, 199, 201, 299, 301], &[73, 172, 200, 300]),
            (&[5, 10_000], &[9_999, 9_873], &[5, 9_872, 10_000]),
        ];
        for (added, new, other) in cases {
            let mut window = Window::<2>::default();
            for &index in added {
                assert!(window.is_new(index), "{index} of {added:?}");
                window.add(index);
            }
            for &index in new {
                assert!(window.is_new(index), "{index} after {added:?}");
            }
            for &index in other {
                assert!(!window.is_new(index), "{index} after {added:?}");
            }
        }
    }

    #[test]
    fn streams_are_kept_apart() {
        let mut streams = Streams::<Window<1>>::default();
        assert!(streams.is_empty() && streams.find(Ssrc(1)).is_none());
        streams.find_or_add(Ssrc(1)).add(7);
        streams.find_or_add(Ssrc(2)).add(8);
        assert_eq!(streams.len(), 2);
        assert_eq!(streams.find(Ssrc(1)).map(|window| window.highest()), Some(7));
        assert_eq!(streams.find_or_add(Ssrc(2)).highest(), 8);
        assert!(streams.find(Ssrc(3)).is_none());
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(steps in prop::collection::vec((0u8..4, 0u64..400), 1..200)) {
            let mut window = Window::<2>::default();
            let mut set = BTreeSet::new();
            for (kind, step) in steps {
                let highest = set.last().copied().unwrap_or(0);
                let index = match kind {
                    0 => highest + 1,
                    1 => highest + step,
                    _ => u64::saturating_sub(highest, step),
                };
                let new = !set.contains(&index) && index + 128 > highest;
                prop_assert_eq!(window.is_new(index), new, "{} of {:?}", index, set);
                if new {
                    window.add(index);
                    set.insert(index);
                }
            }
        }
    }
}
