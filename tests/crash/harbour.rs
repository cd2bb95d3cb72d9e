//! What lies before the gate: three fake upstreams, and every file that was ever put there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lazaret::domain::Sha256;
use tokio::time::Instant;

use crate::common::clock::DAY;
use crate::common::program::ANY_PORTS;
use crate::common::teapot_house::package;
use crate::common::test_house::TestHouse;
use crate::common::{FakeCpan, FakePypi, FakeTeapot, HandClock, Manner, PerlDist, Release, Wheel};

/// Who uploads to CPAN.
const SAILOR: &str = "SAILOR";

/// What may become of a file if nobody decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is old, so it is served.
    Served,
    /// It is young, so it is held.
    Held,
    /// Its bytes are not what the index promises: never served.
    Broken,
}

/// At which listener a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quay {
    Packages,
    Teapot,
}

/// One file.
#[derive(Debug, Clone)]
pub(super) struct Cargo {
    /// How decisions name it: `pypi:oakum==2.0`.
    pub(super) target: String,
    pub(super) quay: Quay,
    /// Where it is served.
    pub(super) path: String,
    /// Of the bytes that may leave.
    pub(super) sha256: Sha256,
    pub(super) fate: Fate,
    /// When it was put there.
    pub(super) since: SystemTime,
}

/// The upstreams. Their names and numbers never repeat.
#[derive(Debug)]
pub(super) struct Harbour {
    clock: Arc<HandClock>,
    opened: Instant,
    moved: Mutex<std::time::Duration>,
    pypi: FakePypi,
    cpan: FakeCpan,
    teapot: FakeTeapot,
    cargo: Mutex<Vec<Cargo>>,
    count: std::sync::atomic::AtomicU32,
}

impl Harbour {
    /// With something old at each.
    pub(super) async fn open() -> Self {
        let clock = HandClock::of_this_machine();
        let harbour = Self {
            opened: Instant::now(),
            moved: Mutex::default(),
            pypi: FakePypi::start(&clock, Manner::Rich).await,
            cpan: FakeCpan::start(&clock).await,
            teapot: FakeTeapot::start().await,
            cargo: Mutex::default(),
            count: std::sync::atomic::AtomicU32::new(0),
            clock,
        };
        harbour.cpan.person(SAILOR, "A. Sailor");
        harbour.distribution("1.0", Fate::Served);
        harbour.tcl_package("1.0", Fate::Served);
        harbour
    }

    /// A configuration in front of it. Pages and indexes are read again as often as that is allowed.
    pub(super) fn settings(&self) -> String {
        format!(
            "{ANY_PORTS}\n[pypi]\nupstream = \"{}\"\nrefresh = \"1s\"\n[cpan]\nupstream = \"{}\"\npoll = \"1s\"\n\
             [teapot]\nupstream = \"{}\"\npoll = \"1s\"\n",
            self.pypi.simple(),
            self.cpan.root(),
            self.teapot.base()
        )
    }

    /// The upstreams' clocks go on; they stand still between calls, and lazaret mistrusts one that is late.
    pub(super) fn tick(&self) {
        let mut moved = locked(&self.moved);
        let elapsed = self.opened.elapsed();
        self.clock.advance(elapsed.saturating_sub(*moved));
        *moved = elapsed;
    }

    /// A number that was never used.
    fn next(&self) -> u32 {
        self.count.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
    }

    /// A project that nobody has asked for: an old version, sometimes with many others, one that is broken, and a young one.
    /// Its name.
    pub(super) fn project(&self, versions: u32, padding: usize) -> String {
        let name = format!("oakum-{}", self.next());
        let old = self.clock.true_time() - DAY * 400;
        // Nobody may ask for it before it is whole: what comes later, however old it says to be, is held.
        let mut cargo = Vec::new();
        for minor in 0..versions {
            let version = format!("1.{minor}");
            let built =
                self.pypi.publish(&name, &version).at(old).file(Wheel::new(&name, &version).padded(padding).build());
            let path = TestHouse::file_path(&name, &built);
            cargo.push((format!("pypi:{name}=={version}"), path, built.sha256(), Fate::Served));
        }
        let broken = self.pypi.publish(&name, "1.9999").at(old).wheel();
        self.pypi
            .serve_other_bytes(&broken.filename, &Wheel::new(&name, "1.9999").file("evil.py", "evil").build().bytes);
        let path = TestHouse::file_path(&name, &broken);
        cargo.push((format!("pypi:{name}==1.9999"), path, broken.sha256(), Fate::Broken));
        self.release(&name, "2.0");
        for (target, path, sha256, fate) in cargo {
            self.put(target, path, sha256, fate);
        }
        name
    }

    /// A young release of a project.
    pub(super) fn release(&self, name: &str, version: &str) {
        let built = self.pypi.publish(name, version).wheel();
        self.put(format!("pypi:{name}=={version}"), TestHouse::file_path(name, &built), built.sha256(), Fate::Held);
    }

    /// A release of the one distribution.
    pub(super) fn distribution(&self, version: &str, fate: Fate) {
        let age = if fate == Fate::Served { DAY * 400 } else { std::time::Duration::ZERO };
        let release = Release::of(SAILOR, &PerlDist::new("Acme-Bowline", version)).at(self.clock.true_time() - age);
        let path = self.cpan.upload(release);
        let sha256 = Sha256::of(&self.cpan.bytes(&path));
        self.put(format!("cpan:Acme-Bowline=={version}"), format!("/cpan/authors/id/{path}"), sha256, fate);
    }

    /// A version of the one Tcl package.
    pub(super) fn tcl_package(&self, version: &str, fate: Fate) {
        let bytes = self.teapot.package("acme::bowline", version, &[]);
        let cargo = Cargo {
            target: format!("teapot:acme::bowline=={version}"),
            quay: Quay::Teapot,
            path: format!("/{}/file", package("acme::bowline", version).address()),
            sha256: Sha256::of(&bytes),
            fate,
            since: SystemTime::now(),
        };
        locked(&self.cargo).push(cargo);
    }

    fn put(&self, target: String, path: String, sha256: Sha256, fate: Fate) {
        let cargo = Cargo { target, quay: Quay::Packages, path, sha256, fate, since: SystemTime::now() };
        locked(&self.cargo).push(cargo);
    }

    /// Everything that was ever put here, in order.
    pub(super) fn cargo(&self) -> Vec<Cargo> {
        locked(&self.cargo).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
