//! Names to addresses, without those that an index outside must not lead us to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use super::address::Place;

/// Looks a name up; a function, so that tests need no name server.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The machine's own resolver.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        let addresses =
            async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) };
        addresses.boxed()
    })
}

/// How far names may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// To public addresses.
    Public,
    /// To public and inner ones, for an index that is inside.
    Inside,
    /// Anywhere: the administrator's own proxy.
    Anywhere,
}

impl Reach {
    fn admits(self, address: IpAddr) -> bool {
        match self {
            Self::Public => Place::of(address) == Place::Public,
            Self::Inside => Place::of(address) != Place::Special,
            Self::Anywhere => true,
        }
    }
}

/// Every address of the name is one that we must not be led to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads only to addresses that this index may not lead us to")]
pub(super) struct LedInside;

/// The resolver that the connectors use: what is filtered here is what they connect to, so a name that changes between a check and
/// its use (DNS rebinding) gains nothing.
#[derive(Clone)]
pub(super) struct GuardedResolver {
    lookup: Lookup,
    reach: Reach,
}

impl GuardedResolver {
    pub(super) fn new(lookup: Lookup, reach: Reach) -> Self {
        Self { lookup, reach }
    }
}

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (looking_up, reach) = ((self.lookup)(name.as_str().to_owned()), self.reach);
        let admitted = async move {
            let found = looking_up.await?;
            let nothing_found = found.is_empty();
            let admitted: Vec<_> = found.into_iter().filter(|address| reach.admits(*address)).collect();
            if admitted.is_empty() && !nothing_found {
                return Err(io::Error::other(LedInside));
            }
            // The connector fills the port in.
            Ok(admitted.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter())
        };
        admitted.boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;
    use crate::upstream::error::cause_of;

    async fn resolve(addresses: &[&str], reach: Reach) -> io::Result<Vec<String>> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let lookup: Lookup = Arc::new(move |_| std::future::ready(Ok(addresses.clone())).boxed());
        let found = GuardedResolver::new(lookup, reach).call(Name::from_str("files.example.test").unwrap()).await?;
        Ok(found.map(|address| address.ip().to_string()).collect())
    }

    #[tokio::test]
    async fn a_name_leads_no_further_than_its_index_may() {
        let all = ["192.0.2.7", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"];
        assert_eq!(resolve(&all, Reach::Public).await.unwrap(), ["192.0.2.7"]);
        assert_eq!(resolve(&all, Reach::Inside).await.unwrap(), ["192.0.2.7", "127.0.0.1", "::ffff:10.0.0.1"]);
        assert_eq!(resolve(&all, Reach::Anywhere).await.unwrap().len(), 4);
        let refused = resolve(&["169.254.169.254"], Reach::Inside).await.unwrap_err();
        assert!(cause_of::<LedInside>(&refused).is_some());
        assert!(resolve(&[], Reach::Public).await.unwrap().is_empty());
    }
}
