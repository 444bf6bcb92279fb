//! The one UDP socket: what it is bound to, and what the kernel shall do for it.
//!
//! With one address it is bound to that. With several it is bound to the wildcard, and the kernel says of each datagram
//! which address it came to: what came to another is not ours, since a server told to listen on 127.0.0.1 must not
//! answer elsewhere. What is sent names its source address in the same way.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use medinova_core::address::Address;

use crate::control::{Family, Name, Said};
use crate::system::{bind, bound_name, receive_drops, set_option, udp_socket};

/// Of each of the kernel's two queues; it grants what its limit allows, unless we may force it.
pub const BUFFER_BYTES: libc::c_int = 4 << 20;
/// Local addresses of one socket; they are searched for each datagram.
pub const MAX_ADDRESSES: usize = 64;

/// What a socket is to do beyond sending and receiving.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Take datagrams of one sender and one size as one message (UDP GRO); ignored where the kernel has none.
    pub gro: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { gro: true }
    }
}

/// What comes in, and how its local address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Only what came to the one address.
    One,
    /// What came to one of several, as the kernel says.
    Several,
    /// Everything, and the kernel says where it came to.
    Any,
}

/// Open from `open` until it is dropped. Never blocks.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    family: Family,
    port: u16,
    locals: Vec<Address>,
    bound: Bound,
    gro: bool,
    gso: bool,
}

impl Socket {
    /// Bind to these local addresses; port 0 takes a free one. 0.0.0.0 or :: among them takes what comes to any address
    /// (:: also of IPv4). Link-local addresses of IPv6 can't be told apart by interface here, so they are refused.
    pub fn open(addresses: &[IpAddr], port: u16, options: Options) -> io::Result<Self> {
        if addresses.is_empty() || addresses.len() > MAX_ADDRESSES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket needs between 1 and 64 local addresses"));
        }
        if addresses.iter().any(|address| matches!(address, IpAddr::V6(six) if six.is_unicast_link_local())) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a link-local address has no meaning without interface",
            ));
        }
        let family = if addresses.iter().any(IpAddr::is_ipv6) { Family::Six } else { Family::Four };
        let bound = match addresses {
            _ if addresses.iter().any(IpAddr::is_unspecified) => Bound::Any,
            [_] => Bound::One,
            _ => Bound::Several,
        };
        let fd = udp_socket(family.number())?;
        set_options(&fd, family, bound, addresses)?;
        let wildcard = match family {
            Family::Four => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::Six => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let at = if bound == Bound::One { addresses[0] } else { wildcard };
        let mut name = Name::default();
        name.write(Address::from((at, port)), family);
        bind(&fd, name.bytes(family))?;
        bound_name(&fd, name.bytes_mut())?;
        let port = name.read(family).port;
        let locals = addresses.iter().map(|&address| Address::from((address, port))).collect();
        let gro = options.gro && set_option(&fd, libc::SOL_UDP, libc::UDP_GRO, 1).is_ok();
        // a kernel that doesn't know the option would send a run as one long datagram, without an error
        let gso = set_option(&fd, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        Ok(Self { fd, family, port, locals, bound, gro, gso })
    }

    /// For polling.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Of its `sockaddr`s.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// What it was told to listen on, each with the port.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.locals
    }

    /// The one port of all addresses.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Datagrams that came faster than they were taken, since `open`: the kernel dropped them. None if it doesn't say.
    #[must_use]
    pub fn drops(&self) -> Option<u32> {
        receive_drops(&self.fd).ok()
    }

    /// Whether several datagrams may come as one message.
    #[must_use]
    pub const fn gro(&self) -> bool {
        self.gro
    }

    /// Whether the kernel can cut a run into datagrams.
    #[must_use]
    pub const fn gso(&self) -> bool {
        self.gso
    }

    /// Whether what is sent must say which address it leaves from.
    #[must_use]
    pub fn names_source(&self) -> bool {
        self.bound != Bound::One
    }

    /// The local address that a datagram came to, if it is one of ours.
    #[must_use]
    pub fn local(&self, said: &Said) -> Option<Address> {
        match (self.bound, said.local) {
            (Bound::One, _) => self.locals.first().copied(),
            (_, None) => None,
            (Bound::Several, Some((ip, _))) => self.locals.iter().find(|local| local.ip == ip).copied(),
            (Bound::Any, Some((ip, _))) => Some(Address { ip, port: self.port, scope: 0 }),
        }
    }
}

fn set_options(fd: &OwnedFd, family: Family, bound: Bound, addresses: &[IpAddr]) -> io::Result<()> {
    for (plain, forced) in [(libc::SO_RCVBUF, libc::SO_RCVBUFFORCE), (libc::SO_SNDBUF, libc::SO_SNDBUFFORCE)] {
        if set_option(fd, libc::SOL_SOCKET, forced, BUFFER_BYTES).is_err() {
            set_option(fd, libc::SOL_SOCKET, plain, BUFFER_BYTES)?;
        }
    }
    // never fragment, and never believe ICMP that a way is narrow: what we send is smaller than any way on which QUIC works,
    // and a forged ICMP message could make everything to one receiver dear. It also spares IPv4 a number for each datagram
    set_option(fd, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE)?;
    set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    if family == Family::Six {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE)?;
        // with IPv6 addresses alone, the port stays free for others on IPv4
        let both = addresses.iter().any(|address| address.is_ipv4() || address.is_unspecified());
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, i32::from(!both))?;
    }
    match (bound, family) {
        (Bound::One, _) => Ok(()),
        (_, Family::Four) => set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        // says it of IPv4 too, in mapped form
        (_, Family::Six) => set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}
