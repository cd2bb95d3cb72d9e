//! What can go wrong with an index, made to happen at will.

use std::sync::Arc;

use tokio::sync::watch;

/// One thing that goes wrong with every request whose path contains a text.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status, with an unfriendly HTML body.
    Status(u16),
    /// The connection is taken and closed without a word.
    HangUp,
    /// The connection is taken and nothing is ever said.
    Silence,
    /// Nothing is said until the gate is opened.
    HeldBack(Gate),
    /// The body ends in the middle, after so many bytes of it.
    CutAfter(usize),
    /// Redirects there.
    Redirect(String),
    /// 200 with the right type and a body that is none.
    Garbage,
}

/// Holds requests back until a test lets them go.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// A closed gate.
    pub(crate) fn closed() -> Self {
        Self { open: Arc::new(watch::channel(false).0) }
    }

    /// Lets everything go on, now and later.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until it is open.
    pub(crate) async fn pass(&self) {
        let mut state = self.open.subscribe();
        // The sender lives as long as the gate.
        let _ = state.wait_for(|open| *open).await;
    }
}
