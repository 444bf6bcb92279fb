//! One socket on all addresses, by which everybody sends and receives: who sends is said with each message, to whom a
//! datagram came is read from it (`IP_PKTINFO`). A frame leaves as one message that the kernel cuts (`UDP_SEGMENT`), and
//! what comes as one is cut here (`UDP_GRO`).

use std::io;
use std::mem;
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

/// Messages in one system call.
pub const BATCH: usize = 64;
const BUFFER_BYTES: libc::c_int = 32 << 20; // of each direction; whoever isn't root gets what the kernel's limit allows
const STRIDE: usize = 65_536 + 512; // of receive buffers: no two begin in the same cache set
const CONTROL_BYTES: usize = 96; // three control messages

/// Aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

/// Some bytes of an arena for one address: one datagram, or several of `segment` bytes each.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Where it leaves from; the port is the socket's.
    pub from: u32,
    /// Where it goes.
    pub to: SocketAddrV4,
    /// Its first byte in the arena.
    pub start: usize,
    /// Of all its datagrams together.
    pub length: usize,
    /// Of each datagram but the last; 0: there is one.
    pub segment: u16,
}

/// The socket and its receive buffers.
pub struct Wire {
    socket: OwnedFd,
    buffers: Vec<u8>,
    /// Datagrams that the kernel dropped because we didn't read them in time, since the socket was opened.
    pub overflowed: u32,
    /// Messages that the kernel didn't take.
    pub refused: u64,
}

impl Wire {
    /// Bind `port` on all IPv4 addresses.
    pub fn bind(port: u16) -> io::Result<Self> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers are passed; a negative result is checked before it becomes a descriptor.
        let raw = check(unsafe { libc::socket(libc::AF_INET, kind, 0) })?;
        // SAFETY: the kernel just gave us this descriptor and nobody else has it.
        let socket = unsafe { OwnedFd::from_raw_fd(raw) };
        let wire = Self { socket, buffers: vec![0; BATCH * STRIDE], overflowed: 0, refused: 0 };
        wire.set(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        wire.set(libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        wire.set(libc::SOL_UDP, libc::UDP_GRO, 1)?;
        wire.set(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
        // whole packets need no number to be put together by, and counting those is dear
        wire.set(libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
        for (forced, plain) in [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)] {
            if wire.set(libc::SOL_SOCKET, forced, BUFFER_BYTES).is_err() {
                wire.set(libc::SOL_SOCKET, plain, BUFFER_BYTES)?;
            }
        }
        let address = kernel_address(SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, port));
        // SAFETY: `address` lives over the call and its size is given.
        check(unsafe {
            libc::bind(
                wire.socket.as_raw_fd(),
                ptr::from_ref(&address).cast(),
                mem::size_of::<libc::sockaddr_in>() as libc::socklen_t,
            )
        })?;
        Ok(wire)
    }

    fn set(&self, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
        // SAFETY: `value` lives over the call and its size is given.
        check(unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                option,
                ptr::from_ref(&value).cast(),
                mem::size_of::<libc::c_int>() as libc::socklen_t,
            )
        })
        .map(drop)
    }

    /// Send these parts of `arena`; at most `BATCH` messages. What the kernel doesn't take is counted and lost.
    pub fn send(&mut self, arena: &[u8], messages: &[Message]) {
        let count = messages.len().min(BATCH);
        // SAFETY: all of these are plain C structs and bytes, for which zeroes are valid.
        let (mut headers, mut parts, mut names, mut controls): (
            [libc::mmsghdr; BATCH],
            [libc::iovec; BATCH],
            [libc::sockaddr_in; BATCH],
            [Control; BATCH],
        ) = unsafe { mem::zeroed() };
        for (at, message) in messages[..count].iter().enumerate() {
            let bytes = &arena[message.start..message.start + message.length];
            parts[at] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            names[at] = kernel_address(message.to);
            let header = &mut headers[at].msg_hdr;
            header.msg_name = ptr::from_mut(&mut names[at]).cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_iov = &raw mut parts[at];
            header.msg_iovlen = 1;
            header.msg_control = controls[at].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES;
            let source = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: message.from.to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            // SAFETY: the header's control buffer is zeroed, aligned, and has room for both messages.
            header.msg_controllen = unsafe {
                let slot = libc::CMSG_FIRSTHDR(header);
                let mut used = put_control(slot, libc::IPPROTO_IP, libc::IP_PKTINFO, source);
                if message.segment > 0 {
                    let slot = libc::CMSG_NXTHDR(header, slot);
                    used += put_control(slot, libc::SOL_UDP, libc::UDP_SEGMENT, message.segment);
                }
                used
            };
        }
        let mut sent = 0;
        while sent < count {
            // SAFETY: the headers from `sent` to `count` are set up above, and all they point at lives until here.
            let done = unsafe {
                libc::sendmmsg(
                    self.socket.as_raw_fd(),
                    headers.as_mut_ptr().add(sent),
                    (count - sent) as libc::c_uint,
                    0,
                )
            };
            if done > 0 {
                sent += done as usize;
            } else {
                self.refused += 1;
                sent += 1; // that one is lost; the next may do
            }
        }
    }

    /// Read what is there, at most `BATCH` messages, and show each datagram with the address it came to. Returns how
    /// many messages there were.
    pub fn receive(&mut self, mut each: impl FnMut(u32, &mut [u8])) -> usize {
        // SAFETY: all of these are plain C structs and bytes, for which zeroes are valid.
        let (mut headers, mut parts, mut controls): ([libc::mmsghdr; BATCH], [libc::iovec; BATCH], [Control; BATCH]) =
            unsafe { mem::zeroed() };
        for (at, buffer) in self.buffers.chunks_exact_mut(STRIDE).enumerate() {
            parts[at] = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
            let header = &mut headers[at].msg_hdr;
            header.msg_iov = &raw mut parts[at];
            header.msg_iovlen = 1;
            header.msg_control = controls[at].0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES;
        }
        // SAFETY: the headers are set up above, and all they point at lives over the call.
        let count = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let count = count.max(0) as usize;
        for (header, buffer) in headers[..count].iter().zip(self.buffers.chunks_exact_mut(STRIDE)) {
            let length = (header.msg_len as usize).min(buffer.len());
            // SAFETY: the kernel filled this header and its control buffer in, and both are still there.
            let (address, segment, overflowed) = unsafe { read_controls(&header.msg_hdr) };
            self.overflowed = self.overflowed.max(overflowed);
            for datagram in buffer[..length].chunks_mut(if segment > 0 { segment } else { STRIDE }) {
                each(address, datagram);
            }
        }
        count
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn kernel_address(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// Fill one control message in and return the space it takes.
///
/// # Safety
/// `slot` points at a zeroed header with room for `T` behind it.
unsafe fn put_control<T>(slot: *mut libc::cmsghdr, level: libc::c_int, kind: libc::c_int, value: T) -> usize {
    let size = mem::size_of::<T>() as libc::c_uint;
    // SAFETY: as the caller promises.
    unsafe {
        (*slot).cmsg_level = level;
        (*slot).cmsg_type = kind;
        (*slot).cmsg_len = libc::CMSG_LEN(size) as usize;
        ptr::write_unaligned(libc::CMSG_DATA(slot).cast(), value);
        libc::CMSG_SPACE(size) as usize
    }
}

/// The address a message came to, the size of its datagrams (0: there is one), and how many were lost before it.
///
/// # Safety
/// `header` was filled in by the kernel, and its control buffer is still there.
unsafe fn read_controls(header: &libc::msghdr) -> (u32, usize, u32) {
    let (mut address, mut segment, mut overflowed) = (0, 0, 0);
    // SAFETY: as the caller promises, and each control message holds what its level and type say.
    unsafe {
        let mut slot = libc::CMSG_FIRSTHDR(header);
        while !slot.is_null() {
            let data = libc::CMSG_DATA(slot);
            match ((*slot).cmsg_level, (*slot).cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                    address = u32::from_be(info.ipi_addr.s_addr);
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    segment = ptr::read_unaligned(data.cast::<libc::c_int>()).max(0) as usize;
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => overflowed = ptr::read_unaligned(data.cast()),
                _ => {}
            }
            slot = libc::CMSG_NXTHDR(header, slot);
        }
    }
    (address, segment, overflowed)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    /// Without a socket, so that Miri can look on.
    #[test]
    fn controls_are_read_as_they_were_put() {
        let ip = |ip: u32| libc::in_addr { s_addr: ip.to_be() };
        let info = libc::in_pktinfo { ipi_ifindex: 1, ipi_spec_dst: ip(1), ipi_addr: ip(0x7f01_0203) };
        for (many, expected) in [(false, (0x7f01_0203, 0, 0)), (true, (0x7f01_0203, 1200, 7))] {
            let mut control = Control([0; CONTROL_BYTES]);
            // SAFETY: zeroes are valid for this plain C struct.
            let mut header: libc::msghdr = unsafe { mem::zeroed() };
            header.msg_control = control.0.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES;
            // SAFETY: the buffer is zeroed, aligned, and has room for all three.
            header.msg_controllen = unsafe {
                let first = libc::CMSG_FIRSTHDR(&raw const header);
                let mut used = put_control(first, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
                if many {
                    let second = libc::CMSG_NXTHDR(&raw const header, first);
                    used += put_control(second, libc::SOL_UDP, libc::UDP_GRO, 1200 as libc::c_int);
                    let third = libc::CMSG_NXTHDR(&raw const header, second);
                    used += put_control(third, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 7_u32);
                }
                used
            };
            // SAFETY: it was filled in as the kernel does it, and the buffer is still there.
            assert_eq!(unsafe { read_controls(&header) }, expected);
        }
    }

    #[test]
    fn each_datagram_tells_where_it_came_to_and_from() {
        let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let mut wire = Wire::bind(port).expect("a socket");
        let far = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let (here, SocketAddrV4 { .. }) = (0x7f01_0203, SocketAddrV4::new([127, 0, 0, 1].into(), 0));
        let std::net::SocketAddr::V4(to) = far.local_addr().expect("bound") else { unreachable!() };
        let arena = [7_u8; 250];
        wire.send(
            &arena,
            &[
                Message { from: here, to, start: 0, length: 250, segment: 100 },
                Message { from: here + 1, to, start: 10, length: 9, segment: 0 },
            ],
        );
        let mut room = [0; 500];
        for (size, host) in [(100, 3), (100, 3), (50, 3), (9, 4)] {
            let (length, from) = far.recv_from(&mut room).expect("a datagram");
            assert_eq!((length, from.to_string()), (size, format!("127.1.2.{host}:{port}")));
        }
        far.send_to(b"hello", ("127.1.2.4", port)).expect("sent");
        let mut seen = Vec::new();
        while wire.receive(|address, datagram| seen.push((address, datagram.to_vec()))) == 0 {}
        assert_eq!(seen, [(here + 1, b"hello".to_vec())]);
    }
}
