//! teacup: keeps its archives in a database of its own, and prints them.

use std::ffi::OsStr;

use super::{Clients, add};
use crate::config::{Listen, discover};

/// Takes over the repositories that `teacup archive list` shows.
pub(super) async fn take_over(clients: &mut Clients, search_path: Option<&OsStr>, listen: &Listen) {
    // Its own listener is to the teapot side what the packages listener is to the others.
    let own = Listen { packages: listen.teapot, public_url: None, ..listen.clone() };
    let Some(said) = discover::said_by(search_path, &["teacup", "archive", "list"]).await else { return };
    for address in said.split_whitespace().filter(|word| word.starts_with("http://") || word.starts_with("https://")) {
        if let Some(found) = discover::read(address, "teacup archive list")
            && !own.is_own(&found.url)
        {
            add(&mut clients.archives, found);
        }
    }
}
