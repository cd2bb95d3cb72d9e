//! A house as in production, in front of a made-up index on loopback, and a client that does nothing but wait.

pub(crate) mod client;
pub(crate) mod index;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use lazaret::config::Config;
use lazaret::domain::SystemClock;
use lazaret::house::House;
use tokio::runtime::Runtime;

use self::client::Client;
use self::index::Index;

/// Everything that the benchmarks of one program share.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(World::build);

/// An index, a house in front of it, and the runtime of both.
pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) index: Arc<Index>,
    pub(crate) house: House,
    upstream: SocketAddr,
    packages: SocketAddr,
    folder: PathBuf,
    names: AtomicUsize,
}

impl World {
    fn build() -> Self {
        let folder = std::env::temp_dir().join(format!("lazaret-bench-{}", uuid::Uuid::now_v7()));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let index = Arc::new(Index::default());
        let upstream = runtime.block_on(index::serve(index.clone()));
        let mut config = Config::default();
        for address in [&mut config.listen.packages, &mut config.listen.teapot, &mut config.listen.admin] {
            address.set_port(0);
        }
        config.store.data_dir.clone_from(&folder);
        // A hot page stays hot while it is measured.
        config.pypi.refresh = Duration::from_hours(1);
        config.pypi.upstream = Some(format!("http://{upstream}/simple/").parse().unwrap());
        let house = runtime.block_on(House::start(config, Arc::new(SystemClock::new()))).unwrap();
        let packages = house.addresses().packages.strip_prefix("http://").unwrap().parse().unwrap();
        Self { runtime, index, house, upstream, packages, folder, names: AtomicUsize::new(0) }
    }

    /// A client of the house.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.packages)
    }

    /// A client that goes around the house.
    pub(crate) fn direct(&self) -> Client {
        Client::connect(self.upstream)
    }

    /// A name that nobody asked for before.
    pub(crate) fn new_name(&self) -> String {
        format!("marmalade-{:05}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Deletes what the house wrote.
    pub(crate) fn clean_up() {
        if let Some(world) = LazyLock::get(&WORLD) {
            // What stays behind in the temporary folder is a nuisance, no failure.
            drop(std::fs::remove_dir_all(&world.folder));
        }
    }
}
