//! Hands an outbox to the kernel, many messages at a time, from memory that is set up once.

use std::io;

use medinova_core::address::Path;
use medinova_core::outbox::{MAX_SEGMENTS, Outbox, Piece};

use crate::control::{Control, Name};
use crate::socket::Socket;
use crate::tally::Tally;

/// Messages in one call.
const MAX_MESSAGES: usize = 256;
/// Pieces in one call; one run's always fit.
const MAX_PIECES: usize = 16 * MAX_SEGMENTS;
/// Runs that the kernel refuses in a row before we send none for a while. One is not enough: a run may be refused for what
/// lies on one receiver's way (a smaller MTU, IPsec), and nobody shall make everyone's packets dear.
const MAX_REFUSALS: u32 = 64;
/// Batches until a run is tried again, a minute or more: whoever was refused may have been alone then.
pub(crate) const PAUSE: u32 = 1 << 16;

/// Of one message that is laid out.
#[derive(Clone, Copy)]
struct Laid {
    datagrams: usize,
    source: usize, // bytes of its control that name the source, before those that ask for GSO
}

/// Made on the thread that uses it, for the socket that it is used with.
pub struct Sender {
    messages: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    names: Vec<Name>,
    controls: Vec<Control>,
    laid: Vec<Laid>,
    pieces: usize,
    gso: bool,
    refusals: u32, // in a row
    pause: u32,    // batches until the next run
    #[cfg(test)]
    refuse: bool,
}

impl Sender {
    /// With `gso`, runs leave as one message where the kernel can cut them.
    #[must_use]
    pub fn new(socket: &Socket, gso: bool) -> Self {
        // SAFETY: all zeros is a valid mmsghdr: numbers and null pointers.
        let blank: libc::mmsghdr = unsafe { std::mem::zeroed() };
        let mut new = Self {
            messages: vec![blank; MAX_MESSAGES],
            vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; MAX_PIECES],
            names: vec![Name::default(); MAX_MESSAGES],
            controls: vec![Control::default(); MAX_MESSAGES],
            laid: Vec::with_capacity(MAX_MESSAGES),
            pieces: 0,
            gso: gso && socket.gso(),
            refusals: 0,
            pause: 0,
            #[cfg(test)]
            refuse: false,
        };
        for ((message, name), control) in new.messages.iter_mut().zip(&mut new.names).zip(&mut new.controls) {
            message.msg_hdr.msg_name = (&raw mut *name).cast();
            message.msg_hdr.msg_namelen = Name::size(socket.family()) as libc::socklen_t;
            message.msg_hdr.msg_control = (&raw mut *control).cast();
        }
        new
    }

    /// Whether to group packets; not while the kernel refuses too much, or if it was not asked for.
    #[must_use]
    pub const fn gso(&self) -> bool {
        self.gso && self.pause == 0
    }

    /// Hand over all runs. What the kernel won't take is counted and gone: waiting would hold up everyone.
    pub fn send<K: Copy + PartialEq>(&mut self, socket: &Socket, outbox: &Outbox<K>, tally: &Tally) {
        let arena = outbox.arena();
        self.pause = self.pause.saturating_sub(1);
        for (run, pieces) in outbox.runs() {
            if self.gso() && pieces.len() > 1 {
                self.lay(socket, arena, run.path, pieces, tally);
            } else {
                for piece in pieces.chunks(1) {
                    self.lay(socket, arena, run.path, piece, tally);
                }
            }
        }
        self.flush(socket, tally);
    }

    /// Write one message. (Pieces never touch in the arena, so each is a vector of its own.)
    fn lay(&mut self, socket: &Socket, arena: &[u8], path: Path, pieces: &[Piece], tally: &Tally) {
        if self.laid.len() == MAX_MESSAGES || self.pieces + pieces.len() > MAX_PIECES {
            self.flush(socket, tally);
        }
        let at = self.laid.len();
        self.names[at].write(path.remote, socket.family());
        let control = &mut self.controls[at];
        let source = if socket.names_source() { control.write_source(path.local, socket.family()) } else { 0 };
        let end = if pieces.len() > 1 { control.write_segment(source, pieces[0].length) } else { source };
        let vectors = &mut self.vectors[self.pieces..self.pieces + pieces.len()];
        for (vector, piece) in vectors.iter_mut().zip(pieces) {
            let bytes = &arena[piece.start..piece.start + piece.length];
            *vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        }
        let header = &mut self.messages[at].msg_hdr;
        header.msg_iov = vectors.as_mut_ptr();
        header.msg_iovlen = pieces.len() as _;
        header.msg_controllen = end as _;
        self.laid.push(Laid { datagrams: pieces.len(), source });
        self.pieces += pieces.len();
    }

    /// Send what is laid out; inside `send` alone, which borrows what the vectors point to.
    fn flush(&mut self, socket: &Socket, tally: &Tally) {
        let mut at = 0;
        while at < self.laid.len() {
            match self.submit(socket, at) {
                Ok(sent) => {
                    for laid in &self.laid[at..at + sent] {
                        tally.datagrams_out.add(laid.datagrams);
                        if laid.datagrams > 1 {
                            tally.gso_runs.add(1);
                            self.refusals = 0;
                        }
                    }
                    tally.messages_out.add(sent);
                    at += sent;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if self.laid[at].datagrams > 1 && is_refusal(&error) {
                        self.send_apart(socket, at, tally);
                    } else {
                        count(&error, self.laid[at].datagrams, tally);
                    }
                    at += 1;
                }
            }
        }
        self.laid.clear();
        self.pieces = 0;
    }

    /// Hand the messages from `at` on to the kernel; returns how many it took, or why not the first.
    fn submit(&mut self, socket: &Socket, at: usize) -> io::Result<usize> {
        let waiting = &mut self.messages[at..self.laid.len()];
        #[cfg(test)]
        if self.refuse {
            let alone = self.laid[at..].iter().take_while(|laid| laid.datagrams == 1).count();
            let refused = io::Error::from_raw_os_error(libc::EIO);
            return if alone == 0 { Err(refused) } else { send_messages(socket, &mut waiting[..alone]) };
        }
        send_messages(socket, waiting)
    }

    /// Send a refused run datagram by datagram.
    fn send_apart(&mut self, socket: &Socket, at: usize, tally: &Tally) {
        let mut alone = self.messages[at];
        let vectors = alone.msg_hdr.msg_iov;
        alone.msg_hdr.msg_controllen = self.laid[at].source as _;
        alone.msg_hdr.msg_iovlen = 1;
        let mut taken = false;
        for place in 0..self.laid[at].datagrams {
            // a message's vectors lie behind each other
            alone.msg_hdr.msg_iov = vectors.wrapping_add(place);
            match send_messages(socket, std::slice::from_mut(&mut alone)) {
                Ok(_) => {
                    taken = true;
                    tally.datagrams_out.add(1);
                    tally.messages_out.add(1);
                }
                Err(error) => count(&error, 1, tally),
            }
        }
        // if single datagrams can't leave either, it was not refused for being a run
        if taken {
            tally.gso_refused.add(1);
            self.refusals += 1;
            if self.refusals >= MAX_REFUSALS {
                self.refusals = MAX_REFUSALS - 1; // the next one refused is enough
                self.pause = PAUSE;
            }
        }
    }

    /// Behave as if the kernel refused every run, or take that back.
    #[cfg(test)]
    pub fn refuse_runs(&mut self, refuse: bool) {
        self.refuse = refuse;
    }
}

/// `messages` are as `Sender::lay` wrote them.
fn send_messages(socket: &Socket, messages: &mut [libc::mmsghdr]) -> io::Result<usize> {
    // SAFETY: names, controls and vectors that the messages point to belong to the sender, which never resizes them; the
    // bytes behind the vectors are the outbox's, borrowed until `Sender::send` returns. The kernel reads them and writes
    // `msg_len` alone.
    let sent = unsafe {
        libc::sendmmsg(socket.fd(), messages.as_mut_ptr(), messages.len() as libc::c_uint, libc::MSG_DONTWAIT)
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

/// Whether the kernel can't cut this run, or not on this way: what it then says depends on its version.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP))
}

fn count(error: &io::Error, datagrams: usize, tally: &Tally) {
    let full = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS));
    if full { &tally.send_dropped } else { &tally.send_errors }.add(datagrams);
}
