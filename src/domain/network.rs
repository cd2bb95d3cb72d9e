//! An IP network, as in `10.0.0.0/8`; one address is a network too.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// All addresses that begin with the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

/// The text is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a network; write an address like \"10.0.0.7\" or a network like \"10.0.0.0/8\"")]
pub struct InvalidNetwork(String);

impl Network {
    /// Whether an address belongs to it. An IPv4 address that came in over IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (first, all) = number(self.first);
        let (other, length) = number(address.to_canonical());
        all == length && (first ^ other).checked_shr(u32::from(all - self.bits)).unwrap_or(0) == 0
    }
}

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidNetwork(text.chars().take(60).collect());
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first = address.parse::<IpAddr>().map_err(|_| invalid())?.to_canonical();
        let (_, all) = number(first);
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| invalid())?;
        if bits > all { Err(invalid()) } else { Ok(Self { first, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, all) = number(self.first);
        if self.bits == all { self.first.fmt(f) } else { write!(f, "{}/{}", self.first, self.bits) }
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.trim().parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_begin_alike() {
        let holds =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.200.3.4"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.0.0.7", "10.0.0.7"));
        assert!(!holds("10.0.0.7", "10.0.0.8"));
        assert!(holds("0.0.0.0/0", "192.0.2.1"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:5::1"));
        assert!(holds("::/0", "2001:db8::1"));
        assert!(holds("127.0.0.0/8", "::ffff:127.0.0.1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "host", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong:?} should be refused");
        }
    }
}
