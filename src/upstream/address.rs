//! Where an address is: out in the world, inside the building, or a place that no name may lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The three kinds of addresses, as far as asking them is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Reachable by everyone.
    Public,
    /// Loopback and private networks: only an index that is inside too may lead there.
    Inside,
    /// Link-local (cloud metadata services live there), multicast, reserved: never by name.
    Special,
}

impl Place {
    /// The place of an address; one that wraps an IPv4 address is where that one is.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => embedded_v4(address).map_or_else(|| Self::of_v6(address), Self::of_v4),
        }
    }

    /// The special-purpose blocks of RFC 6890 and its registry.
    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [0 | 10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Self::Inside,
            [169, 254, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [224..=255, ..] => Self::Special,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            // ::, ::1, unique local fc00::/7, and 64:ff9b:1::/48, whose IPv4 part is where the network's own gateway puts it
            [0, 0, 0, 0, 0, 0, 0, 0 | 1] | [0xfc00..=0xfdff, ..] | [0x64, 0xff9b, 1, ..] => Self::Inside,
            // link-local fe80::/10, the old site-local fec0::/10, multicast ff00::/8, discard-only 100::/64
            [0xfe80..=0xffff, ..] | [0x100, 0, 0, 0, ..] => Self::Special,
            _ => Self::Public,
        }
    }
}

/// The IPv4 address inside a mapped, compatible, NAT64 (RFC 6052) or 6to4 (RFC 3056) address.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(join(high, low))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_an_inner_address_looks_public() {
        let inside = [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "::",
            "::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
        ];
        for text in inside {
            assert_eq!(Place::of(text.parse().unwrap()), Place::Inside, "{text}");
        }
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert_eq!(Place::of(text.parse().unwrap()), Place::Special, "{text}");
        }
        for text in ["172.32.0.1", "172.15.0.1", "100.128.0.1", "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7"] {
            assert_eq!(Place::of(text.parse().unwrap()), Place::Public, "{text}");
        }
    }
}
