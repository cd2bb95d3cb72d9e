//! What the stories need: a clock moved by hand, packages made to order, a fake index with faults, and a house to test.

pub(crate) mod browser;
pub(crate) mod clock;
mod fake_answers;
pub(crate) mod fake_pypi;
pub(crate) mod faults;
pub(crate) mod index_pages;
pub(crate) mod normal;
pub(crate) mod program;
mod publication;
pub(crate) mod sdists;
pub(crate) mod test_house;
pub(crate) mod wheels;

pub(crate) use clock::HandClock;
pub(crate) use fake_pypi::{FakePypi, Manner};
pub(crate) use faults::Fault;
pub(crate) use wheels::Wheel;
