//! What a client may make us ask an upstream: so many questions a minute. What is ready costs nothing.

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use super::{Meter, QuarantineError};
use crate::domain::Sha256;

tokio::task_local! {
    /// Who pays for what this task asks. A reading or a fetch that others may wait for too runs in a task of its own, where
    /// nobody pays any more: it is paid for at its door, by each who makes it begin or waits for it.
    static TOLL: Toll;
}

/// What all clients have left, by their address and by their token.
#[derive(Debug)]
pub struct Tolls {
    by_address: Meter<IpAddr>,
    by_token: Meter<Sha256>,
}

impl Tolls {
    /// With so many questions a minute for each.
    pub fn per_minute(questions: u32) -> Self {
        Self { by_address: Meter::per_minute(questions), by_token: Meter::per_minute(questions) }
    }

    /// Drops what is known of clients that were not heard of for a minute.
    pub fn forget_the_idle(&self) {
        self.by_address.forget_the_idle();
        self.by_token.forget_the_idle();
    }
}

/// One request's toll: paid once, when it first makes us ask somebody.
#[derive(Debug)]
pub struct Toll {
    tolls: Arc<Tolls>,
    address: IpAddr,
    token: Option<Sha256>,
    paid: Cell<bool>,
}

impl Toll {
    /// For a request from this address, with this token.
    pub fn new(tolls: Arc<Tolls>, address: IpAddr, token: Option<Sha256>) -> Self {
        Self { tolls, address, token, paid: Cell::new(false) }
    }

    /// Does the work; what it makes us ask is paid for.
    pub async fn cover<F: Future>(self, work: F) -> F::Output {
        TOLL.scope(self, work).await
    }

    fn pay(&self) -> Result<(), QuarantineError> {
        if self.paid.get() {
            return Ok(());
        }
        let mut spent = self.tolls.by_address.spend(&neighbourhood(self.address));
        if let Some(token) = self.token.filter(|_| spent.is_ok()) {
            spent = self.tolls.by_token.spend(&token);
        }
        spent.map_err(|wait| {
            metrics::counter!("lazaret_limited_total", "what" => "cold-miss").increment(1);
            QuarantineError::AskedTooMuch { wait }
        })?;
        self.paid.set(true);
        Ok(())
    }
}

/// Pays for a question, if it is asked for a client; called right before it is asked.
pub(super) fn pay() -> Result<(), QuarantineError> {
    TOLL.try_with(Toll::pay).unwrap_or(Ok(()))
}

/// Whose limit an address falls under: who has one IPv6 address has the 2^64 beside it.
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(tolls: &Arc<Tolls>, address: &str, token: Option<&str>) -> Toll {
        Toll::new(tolls.clone(), address.parse().unwrap(), token.map(|token| Sha256::of(token.as_bytes())))
    }

    #[tokio::test]
    async fn a_request_pays_once_and_who_has_nothing_left_waits() {
        let tolls = Arc::new(Tolls::per_minute(2));
        let asks = async { pay().and_then(|()| pay()).and_then(|()| pay()).is_ok() };
        assert!(from(&tolls, "192.0.2.1", None).cover(asks).await, "three questions, one request");
        assert!(from(&tolls, "192.0.2.1", None).cover(async { pay().is_ok() }).await);
        let refused = from(&tolls, "192.0.2.1", None).cover(async { pay() }).await.unwrap_err();
        assert!(refused.retry_after().is_some_and(|wait| wait.as_secs() > 0), "{refused}");
        assert!(from(&tolls, "192.0.2.2", None).cover(async { pay().is_ok() }).await);
        assert!(pay().is_ok(), "the house's own work is free");
    }

    #[tokio::test]
    async fn a_token_has_one_purse_wherever_it_is_used() {
        let tolls = Arc::new(Tolls::per_minute(1));
        assert!(from(&tolls, "192.0.2.1", Some("ci")).cover(async { pay().is_ok() }).await);
        assert!(from(&tolls, "192.0.2.2", Some("ci")).cover(async { pay().is_err() }).await);
        assert!(from(&tolls, "192.0.2.3", Some("other")).cover(async { pay().is_ok() }).await);
        tolls.forget_the_idle();
        assert_eq!(tolls.by_token.len(), 2, "they are not idle yet");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |address: &str| neighbourhood(address.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
