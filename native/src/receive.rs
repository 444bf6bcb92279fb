//! Takes datagrams from the kernel, many at a time, into memory that is set up once.

use std::io;

use medinova_core::address::Path;

use crate::control::{Control, Name};
use crate::socket::Socket;
use crate::system::{monotonic, wall_ns};
use crate::tally::Tally;

/// Of one datagram; a longer one is cut, and longer than any that we take even so.
const DATAGRAM_ROOM: usize = 2048;
/// Of a message of several datagrams: what a UDP length can say.
const GRO_ROOM: usize = 1 << 16;
/// What of a message tells whose it is.
const HEAD: usize = 12;
/// Of a datagram in the kernel's queue; more is a clock that was set.
const MAX_WAIT_NS: i64 = 1_000_000_000;

/// Made on the thread that uses it, for the socket that it is used with.
pub struct Receiver {
    messages: Vec<libc::mmsghdr>,
    _vectors: Vec<libc::iovec>, // the messages point here
    names: Vec<Name>,
    controls: Vec<Control>,
    buffers: Vec<u8>,
    room: usize,
    taken: usize,
    now: f64,
    wall_ns: i64,
}

impl Receiver {
    /// Memory for `batch` messages: 2 KiB each, with GRO 64 KiB.
    #[must_use]
    pub fn new(socket: &Socket, batch: usize) -> Self {
        let room = if socket.gro() { GRO_ROOM } else { DATAGRAM_ROOM };
        let mut buffers = vec![0_u8; room * batch];
        let mut names = vec![Name::default(); batch];
        let mut controls = vec![Control::default(); batch];
        let mut vectors: Vec<_> = buffers
            .chunks_exact_mut(room)
            .map(|place| libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: room })
            .collect();
        // SAFETY: all zeros is a valid mmsghdr: numbers and null pointers.
        let blank: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let mut messages = vec![blank; batch];
        for (((message, vector), name), control) in
            messages.iter_mut().zip(&mut vectors).zip(&mut names).zip(&mut controls)
        {
            message.msg_hdr.msg_iov = &raw mut *vector;
            message.msg_hdr.msg_iovlen = 1;
            message.msg_hdr.msg_name = (&raw mut *name).cast();
            message.msg_hdr.msg_control = (&raw mut *control).cast();
        }
        let mut new =
            Self { messages, _vectors: vectors, names, controls, buffers, room, taken: batch, now: 0.0, wall_ns: 0 };
        new.rearm();
        new
    }

    /// Undo what the kernel wrote into the headers of the last batch.
    fn rearm(&mut self) {
        for message in &mut self.messages[..self.taken] {
            message.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
            message.msg_hdr.msg_controllen = Control::SIZE as _;
        }
        self.taken = 0;
    }

    /// Take what is there and return how many messages it is; 0 when there is nothing. Never waits.
    pub fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        self.rearm();
        // SAFETY: each message points into vectors that this struct owns and never resizes, with their sizes: the kernel
        // writes there and into the headers, for as long as the call lasts. No timeout is passed.
        let taken = unsafe {
            libc::recvmmsg(
                socket.fd(),
                self.messages.as_mut_ptr(),
                self.messages.len() as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        (self.now, self.wall_ns) = (monotonic(), wall_ns());
        if taken < 0 {
            let error = io::Error::last_os_error();
            let nothing = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if nothing { Ok(0) } else { Err(error) };
        }
        self.taken = taken as usize;
        Ok(self.taken)
    }

    /// When `receive` returned, monotonic.
    #[must_use]
    pub const fn now(&self) -> f64 {
        self.now
    }

    /// Whether more may be there than one batch holds.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.taken == self.messages.len()
    }

    /// Where each message came from, and how it begins.
    pub fn heads<'a>(&'a self, socket: &'a Socket) -> impl Iterator<Item = (&'a [u8], Path)> {
        let family = socket.family();
        let headers = self.messages[..self.taken].iter().zip(&self.names).zip(&self.controls);
        headers.zip(self.buffers.chunks_exact(self.room)).filter_map(move |(((message, name), control), place)| {
            #[allow(clippy::unnecessary_cast)] // it is narrower with musl
            let said = control.read(message.msg_hdr.msg_controllen as usize);
            let path = Path { local: socket.local(&said)?, remote: name.read(family) };
            Some((&place[..(message.msg_len as usize).min(HEAD)], path))
        })
    }

    /// Pass on each datagram of the batch with its path and the monotonic time at which the kernel got it.
    pub fn each(&mut self, socket: &Socket, tally: &Tally, mut pass: impl FnMut(&mut [u8], Path, f64)) {
        let family = socket.family();
        let places = self.buffers.chunks_exact_mut(self.room);
        let headers = self.messages[..self.taken].iter().zip(&self.names).zip(&self.controls);
        for (((message, name), control), place) in headers.zip(places) {
            #[allow(clippy::unnecessary_cast)] // it is narrower with musl
            let said = control.read(message.msg_hdr.msg_controllen as usize);
            let length = (message.msg_len as usize).min(place.len());
            let segment = said.segment.unwrap_or(length).max(1);
            let datagrams = length.div_ceil(segment).max(1);
            tally.datagrams_in.add(datagrams);
            let Some(local) = socket.local(&said) else {
                tally.other_address.add(datagrams);
                continue;
            };
            let path = Path { local, remote: name.read(family) };
            let arrived = self.now - waited_s(self.wall_ns, said.stamp_ns);
            if length == 0 {
                pass(&mut [], path, arrived);
            }
            for datagram in place[..length].chunks_mut(segment) {
                pass(datagram, path, arrived);
            }
        }
    }
}

/// How long a datagram waited in the kernel's queue. A stamp of the future, or too old, comes of a clock that was set.
fn waited_s(wall_ns: i64, stamp_ns: Option<i64>) -> f64 {
    let waited = stamp_ns.map_or(0, |stamp| wall_ns.saturating_sub(stamp));
    if (0..MAX_WAIT_NS).contains(&waited) { waited as f64 * 1e-9 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_in_the_kernel_is_believed_within_a_second() {
        let now = 1_700_000_000_000_000_000;
        let cases = [
            (None, 0),
            (Some(now), 0),
            (Some(now - 1_000_000), 1_000),
            (Some(now - 999_999_000), 999_999),
            (Some(now - 1_000_000_000), 0),
            (Some(now + 1), 0),
            (Some(0), 0),
            (Some(i64::MIN), 0),
            (Some(i64::MAX), 0),
        ];
        for (stamp, waited_us) in cases {
            assert_eq!((waited_s(now, stamp) * 1e6).round() as i64, waited_us, "{stamp:?}");
        }
    }
}
