//! When to ask a sender for a key frame: at once, then not again until it had time to answer.
//!
//! A key frame costs several ordinary ones. Everybody who joins, loses packets or is switched wants one; the sender
//! gets one request for all of them. A request or its answer can be lost, so it is repeated until a key frame is seen.

/// Between two requests, seconds.
pub const INTERVAL_S: f64 = 0.5;

/// `ask` whenever one is wanted, `seen` when one begins, `due` on every tick: true means send a request now.
#[derive(Clone, Debug)]
pub struct KeyFrameRequests {
    wanted: bool,
    asked_at: f64,
}

impl Default for KeyFrameRequests {
    fn default() -> Self {
        Self { wanted: false, asked_at: f64::NEG_INFINITY }
    }
}

impl KeyFrameRequests {
    /// Somebody wants one.
    pub fn ask(&mut self) {
        self.wanted = true;
    }

    /// One begins; nobody waits any more.
    pub fn seen(&mut self) {
        self.wanted = false;
    }

    /// Whether somebody waits for one.
    #[must_use]
    pub const fn wanted(&self) -> bool {
        self.wanted
    }

    /// Whether to send a request now; if so, it counts as sent.
    pub fn due(&mut self, now: f64) -> bool {
        if !self.wanted || now - self.asked_at < INTERVAL_S {
            return false;
        }
        self.asked_at = now;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` asks and `s` has seen one, each at a tenth of a second; returned are the tenths when a request went out.
    fn play(story: &str) -> Vec<u32> {
        let mut requests = KeyFrameRequests::default();
        let moves: Vec<(u32, &str)> =
            story.split_whitespace().map(|one| (one[1..].parse().unwrap(), &one[..1])).collect();
        let mut sent = Vec::new();
        for tenth in 0..20 {
            match moves.iter().find(|(at, _)| *at == tenth) {
                Some((_, "a")) => requests.ask(),
                Some(_) => requests.seen(),
                None => {}
            }
            if requests.due(f64::from(tenth) / 10.0) {
                sent.push(tenth);
            }
        }
        sent
    }

    #[test]
    fn one_request_for_many_wishes_and_again_until_it_is_answered() {
        for (story, sent) in [
            ("a0", vec![0, 5, 10, 15]), // never answered
            ("a0 s3", vec![0]),
            ("a0 a1 a2 s3", vec![0]),
            ("a0 s1 a2 s8", vec![0, 5]), // wanted again too soon: later
            ("a0 s1 a9 s10", vec![0, 9]),
            ("s1", vec![]),
        ] {
            assert_eq!(play(story), sent, "{story}");
        }
    }
}
