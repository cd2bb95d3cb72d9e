//! A small made-up CPAN with everything that the stories are about, and a company's DarkPAN beside it.
//!
//! | release | by | uploaded | what it is there for |
//! | --- | --- | --- | --- |
//! | Acme-Greet 1.0 | GREETER | 400 days ago | the old release that clients get meanwhile |
//! | Acme-Words 0.5 | WORDSMITH | 300 days ago | what Acme-Greet-Loudly needs |
//! | Acme-Greet-Loudly 2.0 | GREETER | 200 days ago | needs Acme::Greet and Acme::Words |
//! | Acme-Compass 1.0 | HELM | 1100 days ago | dormant for three years |
//! | Acme-Greet 1.1 | GREETER | lately | the fresh upload that is held; ships a helper that 1.0 has not |
//! | Acme-Compass 1.1 | DRIFTER | lately | a new person, whose permission is as fresh |
//! | Acme-Greet 9.9 | MALLORY | lately | unauthorised: on the mirror, in no index |
//! | Acme-Corp-Ledger 99.0 | MALLORY | lately | a public namesake of a private distribution |
//! | Acme-Corp-Ledger 1.0 | CORP | 100 days ago, on the DarkPAN | the private distribution |
//! | Acme-Words 0.6 | WORDSMITH | [`SampleMirror::later`] | appears after the first snapshot |

use std::sync::Arc;

use lazaret::domain::Timestamp;

use super::clock::{DAY, HOUR, HandClock};
use super::fake_cpan::{FakeCpan, FakeDarkPan, Release};
use super::perl_dists::PerlDist;

pub(crate) const GREET_OLD: &str = "G/GR/GREETER/Acme-Greet-1.0.tar.gz";
pub(crate) const GREET_NEW: &str = "G/GR/GREETER/Acme-Greet-1.1.tar.gz";
pub(crate) const LOUDLY: &str = "G/GR/GREETER/Acme-Greet-Loudly-2.0.tar.gz";
pub(crate) const WORDS_OLD: &str = "W/WO/WORDSMITH/Acme-Words-0.5.tar.gz";
pub(crate) const WORDS_NEW: &str = "W/WO/WORDSMITH/Acme-Words-0.6.tar.gz";
pub(crate) const COMPASS_OLD: &str = "H/HE/HELM/Acme-Compass-1.0.tar.gz";
pub(crate) const COMPASS_NEW: &str = "D/DR/DRIFTER/Acme-Compass-1.1.tar.gz";
pub(crate) const UNAUTHORISED: &str = "M/MA/MALLORY/Acme-Greet-9.9.tar.gz";
pub(crate) const CORP_PUBLIC: &str = "M/MA/MALLORY/Acme-Corp-Ledger-99.0.tar.gz";
pub(crate) const CORP_PRIVATE: &str = "C/CO/CORP/Acme-Corp-Ledger-1.0.tar.gz";

/// The two mirrors.
#[derive(Debug)]
pub(crate) struct SampleMirror {
    /// The public one.
    pub(crate) cpan: FakeCpan,
    /// The company's own.
    pub(crate) dark: FakeDarkPan,
}

impl SampleMirror {
    /// Only what was uploaded long ago.
    pub(crate) async fn settled(clock: &Arc<HandClock>) -> Self {
        let cpan = FakeCpan::start(clock).await;
        let dark = FakeDarkPan::start_private(clock).await;
        for (pause_id, name) in [
            ("GREETER", "Greta Greeter"),
            ("WORDSMITH", "Walt Smith"),
            ("HELM", "Henrietta Helm"),
            ("DRIFTER", "Drew Drifter"),
            ("MALLORY", "Mallory M."),
        ] {
            cpan.person(pause_id, name);
        }
        let days_ago = |days: u32| clock.true_time() - DAY * days;
        let loudly = PerlDist::new("Acme-Greet-Loudly", "2.0").requires("Acme::Greet", "1.0");
        let loudly = loudly.requires("Acme::Words", "0.5").leaving_a_mark();
        cpan.upload(Release::of("GREETER", &greet("1.0")).at(days_ago(400)));
        cpan.upload(Release::of("WORDSMITH", &words("0.5")).at(days_ago(300)));
        cpan.upload(Release::of("GREETER", &loudly).at(days_ago(200)));
        cpan.upload(Release::of("HELM", &compass("1.0")).at(days_ago(1100)));
        dark.upload(Release::of("CORP", &PerlDist::new("Acme-Corp-Ledger", "1.0")).at(days_ago(100)));
        Self { cpan, dark }
    }

    /// All but [`Self::later`]; what is fresh was uploaded an hour ago.
    pub(crate) async fn open(clock: &Arc<HandClock>) -> Self {
        let mirror = Self::settled(clock).await;
        mirror.fresh_uploads(clock.true_time() - HOUR);
        mirror
    }

    /// Everything that is fresh is uploaded, then.
    pub(crate) fn fresh_uploads(&self, at: Timestamp) {
        let cpan = &self.cpan;
        let helper = greet("1.1").package("Acme::Greet::Helper", "1.1");
        cpan.upload(Release::of("GREETER", &helper).at(at));
        cpan.permit("DRIFTER", "Acme::Compass", "c");
        cpan.upload(Release::of("DRIFTER", &compass("1.1")).at(at));
        cpan.upload(Release::of("MALLORY", &greet("9.9")).at(at));
        cpan.upload(Release::of("MALLORY", &PerlDist::new("Acme-Corp-Ledger", "99.0").leaving_a_mark()).at(at));
    }

    /// One more upload, now. Returns its path.
    pub(crate) fn later(&self) -> String {
        self.cpan.upload(Release::of("WORDSMITH", &words("0.6")))
    }
}

/// Every version of it leaves a mark where its `Makefile.PL` runs.
pub(crate) fn greet(version: &str) -> PerlDist {
    PerlDist::new("Acme-Greet", version).leaving_a_mark()
}

fn words(version: &str) -> PerlDist {
    PerlDist::new("Acme-Words", version).leaving_a_mark()
}

/// The author whom META names stays the same, whoever uploads it.
fn compass(version: &str) -> PerlDist {
    PerlDist::new("Acme-Compass", version).by("Henrietta Helm <helm@example.test>").leaving_a_mark()
}
