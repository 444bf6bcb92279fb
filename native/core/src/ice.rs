//! The ICE-lite agent of one participant (RFC 8445 §2.5): it answers checks and never sends any; see `media/ice.py`.

use crate::address::Path;
use crate::id::Generation;
use crate::parameters::IceCredentials;
use crate::stun::Message;

/// Without an authenticated check on the path, nothing more is sent.
pub const CONSENT_S: f64 = 15.0;
/// How long the old credentials stay good after the new ones nominated.
pub const OVERLAP_S: f64 = 5.0;

/// What a check meant; its reply was written already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The pair of addresses is this participant's.
    pub authenticated: bool,
    /// It brought the path up.
    pub path_up: Option<Generation>,
}

/// The credentials and the path of one participant.
pub struct IceAgent {
    _private: (),
}

impl IceAgent {
    /// Begin with generation 0.
    #[must_use]
    pub fn new(credentials: IceCredentials) -> Self {
        let _ = credentials;
        todo!()
    }

    /// Where media leaves by; None until nominated and while it is down.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        todo!()
    }

    /// Open the next generation beside the one in use; another that never nominated gives way to it.
    pub fn restart(&mut self, credentials: IceCredentials) -> Generation {
        let _ = credentials;
        todo!()
    }

    /// The local username fragments that are good now.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// Answer a binding request by appending the reply to `reply`; None is silence.
    pub fn on_check(&mut self, message: &Message<'_>, path: Path, now: f64, reply: &mut Vec<u8>) -> Option<Answer> {
        let _ = (message, path, now, reply);
        todo!()
    }

    /// Let old credentials end; return the generation of a path that went down just now.
    pub fn tick(&mut self, now: f64) -> Option<Generation> {
        let _ = now;
        todo!()
    }
}
