//! Who speaks, from the audio levels that browsers write beside each Opus packet (RFC 6464).
//!
//! Loudness is followed fast upwards and slowly down, so that a word counts at once and a pause between words doesn't
//! end it. The order changes only when somebody is clearly louder: with equal voices the list stands still.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::id::UpId;

/// Between looks, seconds; more often, nobody could follow.
pub const INTERVAL_S: f64 = 0.2;
/// dBov; a quiet room is at -60 and below.
pub const THRESHOLD_DB: f64 = -50.0;
/// Louder by this to overtake.
pub const MARGIN_DB: f64 = 6.0;
/// Still speaking for that long after the last loud packet.
pub const HANG_S: f64 = 0.8;
/// Of an up never heard.
pub const SILENCE_DB: f64 = -127.0;

// weight of a new level in the average
const RISE: f64 = 0.4;
const FALL: f64 = 0.05;

/// `heard` per packet, `look` now and then; `forget` an up that is gone. As many voices as there are audio ups.
#[derive(Clone, Debug, Default)]
pub struct SpeakerDetector {
    voices: HashMap<UpId, Voice, foldhash::fast::RandomState>,
    speakers: Vec<UpId>,
    ordered: Vec<(UpId, f64)>,        // at work in `look`: who speaks, and how loud
    newcomers: Vec<(UpId, f64, u64)>, // likewise, with `Voice::number`
    heard: u64,
    looks: u64,
}

#[derive(Clone, Debug)]
struct Voice {
    level_db: f64,
    loud_at: f64,
    number: u64,    // in the order of their first packets
    listed_in: u64, // the last look that found it among the speakers of the look before
}

impl SpeakerDetector {
    /// Take in the extension's octet: voice activity in the top bit, -dBov in the other seven.
    pub fn heard(&mut self, up: UpId, level: u8, now: f64) {
        let voice = self.voices.entry(up).or_insert_with(|| {
            self.heard += 1;
            Voice { level_db: SILENCE_DB, loud_at: f64::NEG_INFINITY, number: self.heard, listed_in: 0 }
        });
        let level_db = -f64::from(level & 0x7F);
        voice.level_db += (level_db - voice.level_db) * if level_db > voice.level_db { RISE } else { FALL };
        if voice.level_db > THRESHOLD_DB {
            voice.loud_at = now;
        }
    }

    /// `up` is no more.
    pub fn forget(&mut self, up: UpId) {
        self.voices.remove(&up);
    }

    /// How many are known, silent ones too.
    #[must_use]
    pub fn voices(&self) -> usize {
        self.voices.len()
    }

    /// Return the speakers, loudest first, if the list has changed since the last look.
    pub fn look(&mut self, now: f64) -> Option<Vec<UpId>> {
        self.looks += 1;
        self.stay(now);
        self.join(now);
        // one pass of neighbours: who is clearly louder moves up a place a look
        for at in 1..self.ordered.len() {
            if self.ordered[at].1 > self.ordered[at - 1].1 + MARGIN_DB {
                self.ordered.swap(at - 1, at);
            }
        }
        if self.ordered.iter().map(|(up, _)| up).eq(&self.speakers) {
            return None;
        }
        self.speakers.clear();
        self.speakers.extend(self.ordered.iter().map(|(up, _)| up));
        Some(self.speakers.clone())
    }

    /// Those of the last list who still speak, in its order.
    fn stay(&mut self, now: f64) {
        self.ordered.clear();
        for &up in &self.speakers {
            if let Some(voice) = self.voices.get_mut(&up)
                && voice.speaks(now)
            {
                voice.listed_in = self.looks;
                self.ordered.push((up, voice.level_db));
            }
        }
    }

    /// Behind them those who began, loudest first.
    fn join(&mut self, now: f64) {
        let began = self.voices.iter().filter(|(_, voice)| voice.speaks(now) && voice.listed_in != self.looks);
        self.newcomers.clear();
        self.newcomers.extend(began.map(|(&up, voice)| (up, voice.level_db, voice.number)));
        // equally loud ones in the order of their first packets; levels are never NaN
        self.newcomers.sort_unstable_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal).then(a.2.cmp(&b.2)));
        self.ordered.extend(self.newcomers.iter().map(|&(up, level_db, _)| (up, level_db)));
    }
}

impl Voice {
    fn speaks(&self, now: f64) -> bool {
        now - self.loud_at < HANG_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: UpId = UpId(1);
    const B: UpId = UpId(2);
    const SILENT: u8 = 255; // no packets

    /// Have everyone at their level for a while; return the lists told.
    fn listen(detector: &mut SpeakerDetector, levels: &[(UpId, u8)], start: f64, seconds: f64) -> Vec<Vec<UpId>> {
        let mut lists = Vec::new();
        let mut look_at = start;
        for step in 0..(seconds * 50.0) as u32 {
            let now = start + f64::from(step) / 50.0;
            for &(up, level) in levels.iter().filter(|(_, level)| *level != SILENT) {
                detector.heard(up, level, now);
            }
            if now >= look_at {
                look_at += INTERVAL_S;
                lists.extend(detector.look(now));
            }
        }
        lists
    }

    #[test]
    fn who_speaks() {
        for (levels, lists) in [
            (&[(A, 127), (B, 127)][..], vec![]),
            (&[(A, 60), (B, 70)], vec![]), // a quiet room
            (&[(A, 30), (B, 127)], vec![vec![A]]),
            (&[(A, 30), (B, 20)], vec![vec![B, A]]),
            (&[(A, 30), (B, 32)], vec![vec![A, B]]),
            (&[(B, 30), (A, 30)], vec![vec![B, A]]), // equally loud: as they were first heard
            (&[(A, 0x80 + 30)], vec![vec![A]]),      // the voice activity bit is no level
        ] {
            assert_eq!(listen(&mut SpeakerDetector::default(), levels, 0.4, 2.0), lists, "{levels:?}");
        }
    }

    #[test]
    fn silence_and_dtx_end_it() {
        for silence in [127, SILENT] {
            let mut detector = SpeakerDetector::default();
            assert_eq!(listen(&mut detector, &[(A, 30)], 0.4, 1.0), [[A]]);
            assert_eq!(listen(&mut detector, &[(A, silence), (B, 127)], 1.4, 2.0), [[]; 1]);
        }
    }

    #[test]
    fn a_pause_between_words_does_not() {
        let mut detector = SpeakerDetector::default();
        listen(&mut detector, &[(A, 30)], 0.4, 1.0);
        assert!(listen(&mut detector, &[(A, 127)], 1.4, 0.5).is_empty());
    }

    #[test]
    fn only_a_clearly_louder_voice_moves_ahead() {
        let mut detector = SpeakerDetector::default();
        assert_eq!(listen(&mut detector, &[(A, 30), (B, 32)], 0.4, 1.0), [[A, B]]);
        assert!(listen(&mut detector, &[(A, 30), (B, 27)], 1.4, 2.0).is_empty());
        assert_eq!(listen(&mut detector, &[(A, 30), (B, 15)], 3.4, 2.0), [[B, A]]);
    }

    #[test]
    fn one_who_left_is_forgotten() {
        let mut detector = SpeakerDetector::default();
        listen(&mut detector, &[(A, 30)], 0.4, 1.0);
        detector.forget(A);
        assert_eq!(detector.look(1.5), Some(vec![]));
        assert_eq!(detector.voices(), 0);
    }

    #[test]
    fn one_heard_again_after_leaving_is_listed_once() {
        let mut detector = SpeakerDetector::default();
        assert_eq!(listen(&mut detector, &[(A, 30)], 0.4, 1.0), [[A]]);
        detector.forget(A);
        (0..10).for_each(|_| detector.heard(A, 1, 1.4));
        assert_eq!(detector.look(1.4), None);
    }
}
