//! What this machine's package clients are set to use today, for `lazaret init`. Reads their settings and changes none.

mod perl;
mod pip;
mod teacup;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{DiscoverError, Discovered, Listen, discover};

/// Settings are short; what is longer is something else.
const LONGEST_FILE: u64 = 256 * 1024;
/// Nobody sets a client to use more indexes.
const MOST_ADDRESSES: usize = 50;

/// The machine whose clients are looked at.
#[derive(Debug)]
pub struct Machine<'a> {
    variables: &'a BTreeMap<OsString, OsString>,
    root: PathBuf,
}

/// What its clients use. Credentials are kept apart from the addresses.
#[derive(Debug)]
pub struct Clients {
    /// pip's index, or why there is none.
    pub index: Result<Discovered, DiscoverError>,
    /// pip's further indexes.
    pub extra: Vec<Discovered>,
    /// CPAN mirrors, the first is the one that is asked first.
    pub mirrors: Vec<Discovered>,
    /// teapot repositories.
    pub archives: Vec<Discovered>,
    /// PEM certificates that pip trusts.
    pub ca_file: Option<(PathBuf, String)>,
    /// Settings that cannot be taken over, one sentence each, without any value that could hold a password.
    pub remarks: Vec<String>,
}

impl<'a> Machine<'a> {
    /// This machine, with this environment.
    pub fn with(variables: &'a BTreeMap<OsString, OsString>) -> Self {
        Self { variables, root: PathBuf::from("/") }
    }

    /// Asks and reads all clients. Our own addresses are passed over.
    pub async fn clients(&self, listen: &Listen) -> Clients {
        let search_path = self.variables.get(OsStr::new("PATH")).cloned();
        let search_path = search_path.as_deref();
        let mut clients = Clients {
            index: discover::pypi(listen, search_path).await,
            extra: Vec::new(),
            mirrors: Vec::new(),
            archives: Vec::new(),
            ca_file: None,
            remarks: Vec::new(),
        };
        let settings = match discover::answered_settings(search_path).await {
            Some(settings) => settings,
            // Its files are read where it is not there to be asked.
            None => pip::settings_of_files(self),
        };
        pip::take_over(&mut clients, settings, listen);
        perl::take_over(&mut clients, self, listen);
        teacup::take_over(&mut clients, search_path, listen).await;
        clients
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(OsStr::new(name))?.to_str().filter(|value| !value.is_empty())
    }

    fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// A file of the machine as a whole.
    fn shared(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Clients {
    fn remark(&mut self, text: String) {
        if self.remarks.len() < MOST_ADDRESSES {
            self.remarks.push(text);
        }
    }
}

/// Adds an address to those of its kind, once.
fn add(list: &mut Vec<Discovered>, found: Discovered) {
    if list.len() < MOST_ADDRESSES && list.iter().all(|known| known.url != found.url) {
        list.push(found);
    }
}

/// A small text, if it is there and readable.
fn text_of(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(LONGEST_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}
