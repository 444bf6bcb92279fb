//! Where a datagram came from and where it came to.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// An address and port, IPv4 as its mapped form in IPv6, so that comparing is comparing bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// IPv6, or IPv4 in its mapped form.
    pub ip: u128,
    /// UDP port.
    pub port: u16,
    /// The interface of a link-local address, else 0.
    pub scope: u32,
}

impl Address {
    /// As the standard library has it, IPv4 as IPv4.
    #[must_use]
    pub fn socket_address(self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip);
        match ip.to_ipv4_mapped() {
            Some(four) => SocketAddr::from((four, self.port)),
            None => SocketAddr::V6(SocketAddrV6::new(ip, self.port, 0, self.scope)),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let (ip, scope) = match address {
            SocketAddr::V4(four) => (four.ip().to_ipv6_mapped(), 0),
            SocketAddr::V6(six) => (*six.ip(), six.scope_id()),
        };
        Self { ip: ip.into(), port: address.port(), scope }
    }
}

impl From<(IpAddr, u16)> for Address {
    fn from(address: (IpAddr, u16)) -> Self {
        Self::from(SocketAddr::from(address))
    }
}

/// A pair of addresses: ours and theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The local address that a datagram came to, and that what is sent back leaves from.
    pub local: Address,
    /// The participant's address as we see it.
    pub remote: Address,
}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // the local port is the same for all, and so are most scopes
        state.write_u128(self.remote.ip);
        state.write_u128(self.local.ip);
        state.write_u16(self.remote.port);
    }
}
