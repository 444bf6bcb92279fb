//! The kernel's calls that the standard library lacks, each in a safe cover. Linux only.
//!
//! `libc` and no wrapper of it: none takes `recvmmsg` and `sendmmsg` with memory set up once, and the rest is a line each.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Turn a result of -1 into the error behind it.
fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A UDP socket of a family (`AF_INET`, `AF_INET6`) that never blocks.
pub fn udp_socket(family: libc::c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    let fd = checked(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Set a socket option that is an `int`.
pub fn set_option(socket: &OwnedFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes of `value`, which outlives the call.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) })?;
    Ok(())
}

/// Bind to a `sockaddr` in its bytes.
pub fn bind(socket: &OwnedFd, name: &[u8]) -> io::Result<()> {
    let size = name.len() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes of `name`, of any alignment.
    checked(unsafe { libc::bind(socket.as_raw_fd(), name.as_ptr().cast(), size) })?;
    Ok(())
}

/// Fill `name` with the `sockaddr` that a socket is bound to.
pub fn bound_name(socket: &OwnedFd, name: &mut [u8]) -> io::Result<()> {
    let mut size = name.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes to `name`, and the size to `size`.
    checked(unsafe { libc::getsockname(socket.as_raw_fd(), name.as_mut_ptr().cast(), &raw mut size) })?;
    Ok(())
}

/// Datagrams that the kernel dropped for want of room in a socket's queue, since it was opened.
pub fn receive_drops(socket: &OwnedFd) -> io::Result<u32> {
    let mut info = [0_u32; libc::SK_MEMINFO_DROPS as usize + 1];
    let mut size = size_of_val(&info) as libc::socklen_t;
    let place = info.as_mut_ptr().cast();
    // SAFETY: the kernel writes at most `size` bytes to `info`, and the size to `size`.
    checked(unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, place, &raw mut size) })?;
    Ok(info[libc::SK_MEMINFO_DROPS as usize])
}

/// Wakes whoever polls its descriptor.
#[derive(Debug)]
pub struct Bell(OwnedFd);

impl Bell {
    /// An eventfd, silent.
    pub fn new() -> io::Result<Self> {
        // SAFETY: no memory is passed.
        let fd = checked(unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Readable while it rings.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Ring until it is silenced.
    pub fn ring(&self) {
        let one = 1_u64;
        // SAFETY: eight bytes of `one` are read. It fails only when the count would overflow: it rings then already.
        unsafe { libc::write(self.fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    /// Be silent again.
    pub fn silence(&self) {
        let mut count = 0_u64;
        // SAFETY: eight bytes are written to `count`. It fails only when the bell is silent.
        unsafe { libc::read(self.fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

/// Wait until one of two descriptors is readable, or for `limit`. Says which are; an error reads as neither.
#[must_use]
pub fn wait_readable(fds: [RawFd; 2], limit: Duration) -> [bool; 2] {
    let mut polled = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let limit = timespec(limit);
    // SAFETY: both entries and the limit outlive the call; no signal mask is passed.
    let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), 2, &raw const limit, std::ptr::null()) };
    polled.map(|one| ready > 0 && one.revents != 0)
}

/// Sleep; a signal ends it early.
pub fn nap(length: Duration) {
    let length = timespec(length);
    // SAFETY: `length` outlives the call; the time left is not asked for.
    unsafe { libc::nanosleep(&raw const length, std::ptr::null_mut()) };
}

fn timespec(length: Duration) -> libc::timespec {
    let nanoseconds = u64::from(length.subsec_nanos()); // its width here is not the kernel's everywhere
    libc::timespec { tv_sec: length.as_secs() as libc::time_t, tv_nsec: nanoseconds as libc::c_long }
}

fn read_clock(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is written; these clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}

/// Seconds on the clock that never jumps, the one of Python's `time.monotonic()`.
#[must_use]
pub fn monotonic() -> f64 {
    let time = read_clock(libc::CLOCK_MONOTONIC);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Nanoseconds of wall time, as the kernel stamps datagrams with.
#[must_use]
pub fn wall_ns() -> i64 {
    let time = read_clock(libc::CLOCK_REALTIME);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Have this thread's sleeps end on time: by default the kernel may add 50 µs to each.
pub fn sharpen_sleeps() {
    // SAFETY: no memory is passed; 1 ns is the least (0 would mean the default).
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_usize, 0_usize, 0_usize, 0_usize) };
}

/// The kernel's number of this thread, as in `/proc/self/task`.
#[must_use]
pub fn thread_id() -> i32 {
    // SAFETY: no memory is passed.
    unsafe { libc::gettid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_until_it_is_silenced() {
        let (bell, other) = (Bell::new().unwrap(), Bell::new().unwrap());
        let ringing = || wait_readable([bell.fd(), other.fd()], Duration::ZERO);
        assert_eq!(ringing(), [false, false]);
        bell.ring();
        bell.ring();
        assert_eq!(ringing(), [true, false]);
        bell.silence();
        assert_eq!(ringing(), [false, false]);
    }

    #[test]
    fn the_clocks_move_and_a_nap_lasts() {
        let (before, wall) = (monotonic(), wall_ns());
        nap(Duration::from_millis(2));
        assert!(monotonic() - before >= 0.002);
        assert!(wall_ns() - wall >= 1_000_000);
    }
}
