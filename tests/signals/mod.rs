//! Signals on facts as they were: ordinary releases, and incidents that became known.

mod incidents;
mod ordinary;
mod replay;
