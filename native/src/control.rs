//! Addresses and control messages in the bytes that the kernel exchanges with `recvmmsg` and `sendmmsg`.
//!
//! Laid out by hand in safe code: the layouts are part of Linux's ABI (`sockaddr(7)`, `cmsg(3)`).

use medinova_core::address::Address;

/// Which kind of `sockaddr` a socket speaks. Six takes IPv4 too, in mapped form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `sockaddr_in`.
    Four,
    /// `sockaddr_in6`.
    Six,
}

impl Family {
    /// `AF_INET` or `AF_INET6`.
    #[must_use]
    pub const fn number(self) -> libc::c_int {
        match self {
            Self::Four => libc::AF_INET,
            Self::Six => libc::AF_INET6,
        }
    }
}

const NAME_BYTES: usize = 28; // of sockaddr_in6
const MAPPED: u128 = 0xffff_0000_0000;

/// A `sockaddr`.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub struct Name([u8; NAME_BYTES]);

impl Name {
    /// Write an address; an IPv6 one has no meaning on a socket of `Four`.
    pub fn write(&mut self, address: Address, family: Family) {
        self.0[..2].copy_from_slice(&(family.number() as u16).to_ne_bytes());
        self.0[2..4].copy_from_slice(&address.port.to_be_bytes());
        match family {
            Family::Four => self.0[4..8].copy_from_slice(&(address.ip as u32).to_be_bytes()),
            Family::Six => {
                self.0[8..24].copy_from_slice(&address.ip.to_be_bytes());
                self.0[24..28].copy_from_slice(&address.scope.to_ne_bytes());
            }
        }
    }

    /// Read what the kernel wrote.
    #[must_use]
    pub fn read(&self, family: Family) -> Address {
        let port = u16::from_be_bytes(bytes(&self.0, 2));
        match family {
            Family::Four => Address { ip: MAPPED | u128::from(u32::from_be_bytes(bytes(&self.0, 4))), port, scope: 0 },
            Family::Six => Address {
                ip: u128::from_be_bytes(bytes(&self.0, 8)),
                port,
                scope: u32::from_ne_bytes(bytes(&self.0, 24)),
            },
        }
    }

    /// Its bytes, as many as the family has.
    #[must_use]
    pub fn bytes(&self, family: Family) -> &[u8] {
        &self.0[..Self::size(family)]
    }

    /// All its bytes, for the kernel to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Of a `sockaddr` of this family.
    #[must_use]
    pub const fn size(family: Family) -> usize {
        match family {
            Family::Four => 16,
            Family::Six => NAME_BYTES,
        }
    }
}

const CONTROL_BYTES: usize = 128; // what we ask for takes 96
const HEADER: usize = size_of::<usize>() + 2 * size_of::<libc::c_int>();

/// Control messages of one datagram or run.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub struct Control([u8; CONTROL_BYTES]);

impl Default for Control {
    fn default() -> Self {
        Self([0; CONTROL_BYTES])
    }
}

/// What the kernel said of a datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The local address in its header and the interface that it came by.
    pub local: Option<(u128, u32)>,
    /// Wall time of its arrival, in nanoseconds.
    pub stamp_ns: Option<i64>,
    /// Several datagrams of this size came as one (UDP GRO).
    pub segment: Option<usize>,
}

impl Control {
    /// Its size for the kernel to fill.
    pub const SIZE: usize = CONTROL_BYTES;

    /// Ask for `local` as the source. Returns the end of what is written so far.
    pub fn write_source(&mut self, local: Address, family: Family) -> usize {
        match family {
            Family::Four => {
                let mut info = [0; 12]; // in_pktinfo: interface, source, -
                info[4..8].copy_from_slice(&(local.ip as u32).to_be_bytes());
                self.write(0, libc::IPPROTO_IP, libc::IP_PKTINFO, &info)
            }
            // also of IPv4: a socket of `Six` takes the mapped form
            Family::Six => {
                let mut info = [0; 20]; // in6_pktinfo: source, interface
                info[..16].copy_from_slice(&local.ip.to_be_bytes());
                info[16..].copy_from_slice(&local.scope.to_ne_bytes());
                self.write(0, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info)
            }
        }
    }

    /// Behind `at`: cut what is sent into datagrams of this size (UDP GSO). Returns the new end.
    pub fn write_segment(&mut self, at: usize, segment: usize) -> usize {
        self.write(at, libc::SOL_UDP, libc::UDP_SEGMENT, &(segment as u16).to_ne_bytes())
    }

    fn write(&mut self, at: usize, level: libc::c_int, kind: libc::c_int, data: &[u8]) -> usize {
        let place = &mut self.0[at..];
        place[..size_of::<usize>()].copy_from_slice(&(HEADER + data.len()).to_ne_bytes());
        place[HEADER - 8..HEADER - 4].copy_from_slice(&level.to_ne_bytes());
        place[HEADER - 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        place[HEADER..HEADER + data.len()].copy_from_slice(data);
        at + HEADER + data.len().next_multiple_of(size_of::<usize>())
    }

    /// Read the `length` bytes that the kernel wrote.
    #[must_use]
    pub fn read(&self, length: usize) -> Said {
        let mut said = Said::default();
        let mut rest = self.0.get(..length).unwrap_or(&self.0);
        while rest.len() >= HEADER {
            let size = usize::from_ne_bytes(bytes(rest, 0));
            let Some(data) = rest.get(HEADER..size) else { break };
            let level = libc::c_int::from_ne_bytes(bytes(rest, HEADER - 8));
            let kind = libc::c_int::from_ne_bytes(bytes(rest, HEADER - 4));
            match (level, kind, data.len()) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, 16) => {
                    let (seconds, rest) = (i64::from_ne_bytes(bytes(data, 0)), i64::from_ne_bytes(bytes(data, 8)));
                    said.stamp_ns = Some(seconds.wrapping_mul(1_000_000_000).wrapping_add(rest));
                }
                (libc::IPPROTO_IP, libc::IP_PKTINFO, 12) => {
                    let ip = u32::from_be_bytes(bytes(data, 8)); // the header's, not the one to answer from
                    said.local = Some((MAPPED | u128::from(ip), u32::from_ne_bytes(bytes(data, 0))));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20) => {
                    said.local = Some((u128::from_be_bytes(bytes(data, 0)), u32::from_ne_bytes(bytes(data, 16))));
                }
                (libc::SOL_UDP, libc::UDP_GRO, 4) => {
                    said.segment = usize::try_from(i32::from_ne_bytes(bytes(data, 0))).ok().filter(|&size| size > 0);
                }
                _ => {}
            }
            rest = rest.get(size.next_multiple_of(size_of::<usize>())..).unwrap_or(&[]);
        }
        said
    }
}

fn bytes<const N: usize>(from: &[u8], at: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&from[at..at + N]);
    taken
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn names_come_back_as_they_were_written() {
        let cases = [
            ("192.0.2.7:9", Family::Four, 16),
            ("192.0.2.7:9", Family::Six, 28),
            ("[2001:db8::1]:65535", Family::Six, 28),
            ("[fe80::1%3]:1", Family::Six, 28),
        ];
        for (text, family, size) in cases {
            let address = Address::from(text.parse::<SocketAddr>().unwrap());
            let mut name = Name::default();
            name.write(address, family);
            assert_eq!((name.read(family), name.bytes(family).len()), (address, size), "{text}");
        }
    }

    #[test]
    fn control_messages_come_back_as_they_were_written() {
        let address = Address::from("[2001:db8::1]:9".parse::<SocketAddr>().unwrap());
        let mut control = Control::default();
        let at = control.write_source(address, Family::Six);
        let at = control.write(at, libc::SOL_UDP, libc::UDP_GRO, &1200_i32.to_ne_bytes());
        let mut stamp = [0; 16];
        stamp[0] = 7;
        stamp[8] = 9;
        let at = control.write(at, libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &stamp);
        let whole = Said { local: Some((address.ip, 0)), stamp_ns: Some(7_000_000_009), segment: Some(1200) };
        assert_eq!((at, control.read(at)), (96, whole));
        for cut in 0..at {
            let said = control.read(cut);
            assert!(said.stamp_ns.is_none() && (said.local.is_none() || said.local == whole.local));
        }
    }

    #[test]
    fn a_control_message_of_any_size_is_no_trouble() {
        for size in [0, 1, HEADER - 1, HEADER, CONTROL_BYTES + 1, usize::MAX - 3] {
            let mut control = Control::default();
            control.0[..size_of::<usize>()].copy_from_slice(&size.to_ne_bytes());
            assert_eq!(control.read(CONTROL_BYTES), Said::default(), "{size}");
        }
    }
}
