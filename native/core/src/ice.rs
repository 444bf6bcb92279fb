//! The ICE-lite agent of one participant (RFC 8445 §2.5): it answers checks and never sends any.
//!
//! The path is the pair last nominated with USE-CANDIDATE by an authenticated check, and nothing else moves it. An ICE
//! restart opens a second generation of credentials beside the first: the old one stays good until the new one
//! nominates, and 5 s more, so media never stops (make before break). A lite agent can't ask for consent (RFC 7675), but
//! the other side's checks say the same: none on the path for 15 s, and nothing more is sent to that address until one
//! comes.

use crate::address::Path;
use crate::id::Generation;
use crate::parameters::IceCredentials;
use crate::stun::{Kind, Message, binding_error, binding_success};

/// Without an authenticated check on the path, nothing more is sent.
pub const CONSENT_S: f64 = 15.0;
/// How long the old credentials stay good after the new ones nominated.
pub const OVERLAP_S: f64 = 5.0;

/// What a check meant; its reply was written already, to go back by the pair the check came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The pair of addresses is this participant's.
    pub authenticated: bool,
    /// It brought the path up.
    pub path_up: Option<Generation>,
}

/// The credentials and the path of one participant.
pub struct IceAgent {
    /// One or two: the one in use, and the next.
    opened: Vec<Opened>,
    next: Generation,
    nominated: Option<Path>,
    nominated_by: Option<Generation>,
    checked_at: f64,
    up: bool,
}

struct Opened {
    number: Generation,
    credentials: IceCredentials,
    ends_at: Option<f64>,
}

impl Opened {
    const fn new(number: Generation, credentials: IceCredentials) -> Self {
        Self { number, credentials, ends_at: None }
    }

    /// Whether USERNAME is "ours:theirs".
    fn is_named(&self, username: &str) -> bool {
        let theirs = username.strip_prefix(&self.credentials.local_ufrag).and_then(|rest| rest.strip_prefix(':'));
        theirs == Some(&self.credentials.remote_ufrag)
    }
}

impl IceAgent {
    /// Begin with generation 0.
    #[must_use]
    pub fn new(credentials: IceCredentials) -> Self {
        Self {
            opened: vec![Opened::new(Generation(0), credentials)],
            next: Generation(1),
            nominated: None,
            nominated_by: None,
            checked_at: 0.0,
            up: false,
        }
    }

    /// Where media leaves by; None until nominated and while it is down.
    #[must_use]
    pub fn path(&self) -> Option<Path> {
        self.nominated.filter(|_| self.up)
    }

    /// Open the next generation beside the one in use; another that never nominated gives way to it.
    pub fn restart(&mut self, credentials: IceCredentials) -> Generation {
        let number = self.next;
        self.next = Generation(number.0 + 1);
        let newest = self.opened.last().map(|opened| opened.number);
        let in_use = self.opened.iter().map(|opened| opened.number).find(|number| Some(*number) == self.nominated_by);
        let kept = in_use.or(newest);
        self.opened.retain(|opened| Some(opened.number) == kept);
        self.opened.push(Opened::new(number, credentials));
        number
    }

    /// The local username fragments that are good now.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        self.opened.iter().map(|opened| opened.credentials.local_ufrag.as_str())
    }

    /// Answer a binding request by appending the reply to `reply`; None is silence, for whatever is not signed with our
    /// password.
    pub fn on_check(&mut self, message: &Message<'_>, path: Path, now: f64, reply: &mut Vec<u8>) -> Option<Answer> {
        let username = message.username?;
        let opened = self.opened.iter().find(|opened| opened.is_named(username))?;
        let password = &opened.credentials.local_password;
        if message.kind != Kind::Request || !message.authentic(password) {
            return None;
        }
        let refusal = Answer { authenticated: false, path_up: None };
        if !message.unknown.is_empty() {
            binding_error(reply, message.transaction, 420, "Unknown Attribute", password, &message.unknown);
            return Some(refusal);
        }
        if message.controlled.is_some() {
            // a lite agent is always the controlled one (RFC 8445 §6.1.1): the other side has to change its role
            binding_error(reply, message.transaction, 487, "Role Conflict", password, &[]);
            return Some(refusal);
        }
        binding_success(reply, message.transaction, path.remote, password);
        let path_up = self.note(opened.number, message.use_candidate, path, now);
        Some(Answer { authenticated: true, path_up })
    }

    /// Let old credentials end; return the generation of a path that went down just now.
    pub fn tick(&mut self, now: f64) -> Option<Generation> {
        self.opened.retain(|opened| opened.ends_at.is_none_or(|ends_at| now < ends_at));
        if !self.up || now - self.checked_at < CONSENT_S {
            return None;
        }
        self.up = false;
        self.nominated_by
    }

    /// Take in an authenticated check; return the generation if it brought the path up.
    fn note(&mut self, number: Generation, nominates: bool, path: Path, now: f64) -> Option<Generation> {
        let (was_up, was_by) = (self.up, self.nominated_by);
        if nominates && Some(number) >= was_by {
            if Some(number) > was_by {
                for older in self.opened.iter_mut().filter(|opened| opened.number < number) {
                    older.ends_at.get_or_insert(now + OVERLAP_S);
                }
            }
            (self.nominated, self.nominated_by) = (Some(path), Some(number));
        }
        if self.nominated != Some(path) {
            return None;
        }
        (self.up, self.checked_at) = (true, now);
        self.nominated_by.filter(|_| !was_up || was_by != self.nominated_by)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::stun::{self, Check};

    const TRANSACTION: [u8; 12] = [7; 12];

    fn path(last: u8) -> Path {
        Path {
            local: SocketAddr::from(([192, 0, 2, 1], 7)).into(),
            remote: SocketAddr::from(([198, 51, 100, last], 1)).into(),
        }
    }

    fn credentials(name: &str) -> IceCredentials {
        IceCredentials {
            local_ufrag: format!("local-{name}"),
            local_password: format!("password-{name}"),
            remote_ufrag: format!("remote-{name}"),
        }
    }

    fn agent() -> IceAgent {
        IceAgent::new(credentials("0"))
    }

    /// The answer to a check, and the reply.
    fn sent(lite: &mut IceAgent, data: &[u8], path: Path, now: f64) -> (Option<Answer>, Vec<u8>) {
        let mut reply = Vec::new();
        (lite.on_check(&stun::parse(data).unwrap(), path, now, &mut reply), reply)
    }

    fn request(name: &str, password: &str, nominates: bool, controlled: bool) -> Vec<u8> {
        let check = Check {
            username: &format!("local-{name}:remote-{name}"),
            priority: 1,
            controlling: (!controlled).then_some(1),
            controlled: controlled.then_some(1),
            use_candidate: nominates,
        };
        let mut out = Vec::new();
        stun::binding_request(&mut out, TRANSACTION, &check, password);
        out
    }

    fn check(lite: &mut IceAgent, name: &str, nominates: bool, path: Path, now: f64) -> Option<Answer> {
        sent(lite, &request(name, &format!("password-{name}"), nominates, false), path, now).0
    }

    const fn up(number: u32) -> Answer {
        Answer { authenticated: true, path_up: Some(Generation(number)) }
    }

    const QUIET: Option<Answer> = Some(Answer { authenticated: true, path_up: None });
    const REFUSED: Option<Answer> = Some(Answer { authenticated: false, path_up: None });

    fn ufrags(lite: &IceAgent) -> Vec<&str> {
        lite.ufrags().collect()
    }

    #[test]
    fn a_nomination_makes_the_path() {
        let mut lite = agent();
        let (answer, reply) = sent(&mut lite, &request("0", "password-0", true, false), path(1), 0.0);
        assert_eq!((lite.path(), answer), (Some(path(1)), Some(up(0))));
        let reply = stun::parse(&reply).unwrap();
        assert_eq!((reply.kind, reply.transaction), (Kind::Success, TRANSACTION));
        assert_eq!(reply.mapped_address, Some(path(1).remote));
        assert!(reply.authentic("password-0"));
        assert_eq!(check(&mut lite, "0", true, path(1), 1.0), QUIET);
    }

    #[test]
    fn a_check_without_nomination_makes_none() {
        let mut lite = agent();
        assert_eq!(check(&mut lite, "0", false, path(1), 0.0), QUIET);
        assert_eq!(lite.path(), None);
    }

    #[test]
    fn silence_for_what_is_not_ours() {
        let mut success = Vec::new();
        stun::binding_success(&mut success, TRANSACTION, path(1).remote, "password-0");
        let cases = [
            request("9", "password-9", true, false),
            request("0", "wrong", true, false),
            request("0", "password-9", true, false),
            success,
        ];
        for data in cases {
            let mut lite = agent();
            assert_eq!(sent(&mut lite, &data, path(1), 0.0), (None, Vec::new()));
            assert_eq!(lite.path(), None);
        }
    }

    #[test]
    fn a_username_is_taken_whole() {
        let opened = Opened::new(Generation(0), credentials("0"));
        assert!(opened.is_named("local-0:remote-0"));
        for other in ["local-0:remote-", "local-0:remote-00", "local-0", "local-0remote-0", ":local-0:remote-0", ""] {
            assert!(!opened.is_named(other));
        }
    }

    #[test]
    fn errors_are_signed_and_move_nothing() {
        let mut lite = agent();
        let (answer, reply) = sent(&mut lite, &request("0", "password-0", true, true), path(1), 0.0);
        assert_eq!((answer, lite.path()), (REFUSED, None));
        let reply = stun::parse(&reply).unwrap();
        assert_eq!(reply.error_code, Some(487));
        assert!(reply.authentic("password-0"));
    }

    #[test]
    fn what_is_not_understood_is_named_and_moves_nothing() {
        let mut lite = agent();
        let data = request("0", "password-0", true, false);
        let mut message = stun::parse(&data).unwrap();
        message.unknown = vec![0x7777];
        let mut reply = Vec::new();
        assert_eq!(lite.on_check(&message, path(1), 0.0, &mut reply), REFUSED);
        assert_eq!(lite.path(), None);
        let reply = stun::parse(&reply).unwrap();
        assert_eq!(reply.error_code, Some(420));
    }

    #[test]
    fn the_last_nomination_wins() {
        let mut lite = agent();
        check(&mut lite, "0", true, path(1), 0.0);
        check(&mut lite, "0", false, path(2), 0.1);
        assert_eq!(lite.path(), Some(path(1)));
        check(&mut lite, "0", true, path(2), 0.2);
        assert_eq!(lite.path(), Some(path(2)));
    }

    #[test]
    fn consent_ends_15_s_after_the_last_check_on_the_path() {
        let cases = [
            (&[(0.0, 1, true)][..], 15.0),
            (&[(0.0, 1, true), (10.0, 1, false)], 25.0), // any check on the path will do
            (&[(0.0, 1, true), (10.0, 2, false)], 15.0), // elsewhere it says nothing about this address
            (&[(0.0, 1, true), (10.0, 2, true)], 25.0),
        ];
        for (checks, down_at) in cases {
            let mut lite = agent();
            let mut nominated = 0;
            for (at, last, nominates) in checks {
                check(&mut lite, "0", *nominates, path(*last), *at);
                nominated = if *nominates { *last } else { nominated };
            }
            assert_eq!(lite.tick(down_at - 0.01), None);
            assert_eq!(lite.tick(down_at), Some(Generation(0)));
            assert_eq!(lite.tick(down_at + 1.0), None); // told once
            assert_eq!(lite.path(), None);
            assert_eq!(check(&mut lite, "0", false, path(nominated), down_at + 2.0), Some(up(0)));
            assert_eq!(lite.path(), Some(path(nominated)));
        }
    }

    #[test]
    fn two_generations_hold_until_5_s_after_the_new_one_nominates() {
        let mut lite = agent();
        check(&mut lite, "0", true, path(1), 0.0);
        assert_eq!(lite.restart(credentials("1")), Generation(1));
        assert_eq!(check(&mut lite, "0", true, path(1), 10.0), QUIET);
        assert_eq!(check(&mut lite, "1", false, path(1), 11.0), QUIET);
        assert_eq!(lite.path(), Some(path(1)));
        assert_eq!(check(&mut lite, "1", true, path(1), 12.0), Some(up(1))); // one address, two generations
        assert_eq!(check(&mut lite, "0", true, path(2), 16.0), QUIET); // answered …
        assert_eq!(lite.path(), Some(path(1))); // … and may nominate nothing any more
        lite.tick(16.9);
        assert_eq!(ufrags(&lite), ["local-0", "local-1"]);
        lite.tick(17.0);
        assert_eq!(ufrags(&lite), ["local-1"]);
        assert_eq!(check(&mut lite, "0", true, path(1), 17.1), None);
    }

    #[test]
    fn at_most_two_generations_and_the_one_in_use_stays() {
        let mut lite = agent();
        check(&mut lite, "0", true, path(1), 0.0);
        for number in 1..10 {
            assert_eq!(lite.restart(credentials(&number.to_string())), Generation(number));
            assert_eq!(ufrags(&lite), ["local-0".to_owned(), format!("local-{number}")]);
        }
    }

    #[test]
    fn a_restart_before_any_nomination_keeps_the_one_before() {
        let mut lite = agent();
        lite.restart(credentials("1"));
        lite.restart(credentials("2"));
        assert_eq!(ufrags(&lite), ["local-1", "local-2"]);
    }
}
