//! What the program tells about itself: logs for people and collectors, metrics for Prometheus.

pub mod logs;
pub mod metrics;

pub use logs::{LogError, LogFormat, LogSettings};
