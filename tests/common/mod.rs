//! What the stories need: a clock moved by hand, packages made to order, a fake index with faults, and a house to test.

pub(crate) mod authority;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod cpan_house;
mod cpan_pages;
mod cpan_state;
mod fake_answers;
pub(crate) mod fake_cpan;
mod fake_cpan_test;
pub(crate) mod fake_pypi;
pub(crate) mod fake_teapot;
pub(crate) mod faults;
pub(crate) mod index_pages;
pub(crate) mod loopback;
pub(crate) mod normal;
pub(crate) mod pause_key;
pub(crate) mod perl_dists;
pub(crate) mod program;
mod publication;
pub(crate) mod sample_mirror;
pub(crate) mod sdists;
pub(crate) mod teacup;
pub(crate) mod teapot_house;
pub(crate) mod test_house;
pub(crate) mod wheels;

pub(crate) use clock::HandClock;
pub(crate) use fake_cpan::{FakeCpan, Release};
pub(crate) use fake_pypi::{FakePypi, Manner};
pub(crate) use fake_teapot::FakeTeapot;
pub(crate) use faults::Fault;
pub(crate) use perl_dists::PerlDist;
pub(crate) use sample_mirror::SampleMirror;
pub(crate) use teacup::Teacup;
pub(crate) use teapot_house::TeapotHouse;
pub(crate) use wheels::Wheel;
