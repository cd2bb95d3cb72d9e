//! The name and password for one index, wherever they come from, which never leave for another host.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Origin, Url};

use super::error::host_of;
use super::{UpstreamError, netrc, token_command};
use crate::domain::{Clock as _, SystemClock};

/// A password that was fetched this recently is not fetched again, right or wrong: an index that says 401 to everything must
/// not make us start a program for each request.
const AT_LEAST: Duration = Duration::from_secs(10);
/// A token that ends within this time may end on its way.
const MARGIN: time::Duration = time::Duration::seconds(20);

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the wire only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// What signs in to one index: Basic authentication (RFC 7617), or a Bearer token where there is no name. Cheap to clone: the
/// clones share what was fetched.
#[derive(Debug, Clone)]
pub struct Credentials {
    source: Arc<Source>,
    origin: Origin,
    host: Box<str>,
}

#[derive(Debug)]
enum Source {
    /// As configured.
    Fixed(Option<HeaderValue>),
    /// Another place knows it, and may know another one later.
    Elsewhere { place: Place, kept: Mutex<Option<Kept>> },
}

#[derive(Debug)]
enum Place {
    Command { username: String, command: Vec<String> },
    Netrc(PathBuf),
}

/// What was fetched last, or why it was not.
#[derive(Debug, Clone)]
struct Kept {
    header: Result<HeaderValue, String>,
    fetched: Instant,
    until: Option<Instant>,
}

impl Credentials {
    /// Credentials that are sent to this index's scheme, host and port and nowhere else, redirected or not.
    pub fn for_index(index: &Url, username: &str, password: &Secret) -> Self {
        Self::of(index, Source::Fixed(header(username, password)))
    }

    /// Likewise; the password is what this program says, which is asked again when its time is over or the index refuses it.
    pub fn from_command(index: &Url, username: String, command: Vec<String>) -> Self {
        Self::elsewhere(index, Place::Command { username, command })
    }

    /// Likewise; name and password are what this file says of the index's host, read again when the index refuses them.
    pub fn from_netrc(index: &Url, file: PathBuf) -> Self {
        Self::elsewhere(index, Place::Netrc(file))
    }

    fn elsewhere(index: &Url, place: Place) -> Self {
        Self::of(index, Source::Elsewhere { place, kept: Mutex::default() })
    }

    fn of(index: &Url, source: Source) -> Self {
        let host = index.host_str().unwrap_or_default().into();
        Self { source: Arc::new(source), origin: index.origin(), host }
    }

    /// The header to send to this address, if it is the index's.
    pub(super) async fn header_for(&self, url: &Url) -> Result<Option<HeaderValue>, UpstreamError> {
        if url.origin() != self.origin {
            return Ok(None);
        }
        let (place, kept) = match &*self.source {
            Source::Fixed(header) => return Ok(header.clone()),
            Source::Elsewhere { place, kept } => (place, kept),
        };
        // Who comes meanwhile waits for the one answer.
        let mut kept = kept.lock().await;
        let now = Instant::now();
        let good = |kept: &Kept| match &kept.header {
            Ok(_) => kept.until.is_none_or(|until| now < until) || now < kept.fetched + AT_LEAST,
            Err(_) => now < kept.fetched + AT_LEAST,
        };
        let fetched = match kept.as_ref().filter(|kept| good(kept)) {
            Some(kept) => kept.clone(),
            None => kept.insert(place.fetch(&self.host).await).clone(),
        };
        fetched.header.map(Some).map_err(|why| UpstreamError::NoPassword { host: host_of(url), why })
    }

    /// The index refused what was sent: whether there may be another password by now, which is fetched for the next request.
    pub(super) async fn refused(&self, url: &Url) -> bool {
        let Source::Elsewhere { kept, .. } = &*self.source else { return false };
        if url.origin() != self.origin {
            return false;
        }
        let mut kept = kept.lock().await;
        let is_old = kept.as_ref().is_some_and(|kept| kept.fetched.elapsed() >= AT_LEAST);
        if is_old {
            *kept = None;
        }
        is_old
    }
}

impl Place {
    async fn fetch(&self, host: &str) -> Kept {
        let (header, until) = match self.ask(host).await {
            Ok((header, until)) => (Ok(header), until),
            Err(why) => {
                tracing::warn!(host, why, "there is no password for an index");
                (Err(why), None)
            }
        };
        Kept { header, fetched: Instant::now(), until }
    }

    async fn ask(&self, host: &str) -> Result<(HeaderValue, Option<Instant>), String> {
        let unfit = || "it is not fit for a header".to_owned();
        match self {
            Self::Command { username, command } => {
                let told = token_command::ask(command).await?;
                let left = told.until.map(|until| until - MARGIN - SystemClock::new().now());
                let until = left.map(|left| Instant::now() + left.try_into().unwrap_or(Duration::ZERO));
                Ok((header(username, &told.token).ok_or_else(unfit)?, until))
            }
            Self::Netrc(file) => {
                let (path, wanted) = (file.clone(), host.to_owned());
                let reading = tokio::task::spawn_blocking(move || {
                    let text = netrc::read(&path)?;
                    netrc::find(&text, &wanted).ok_or_else(|| format!("{} says nothing of {wanted}", path.display()))
                });
                let (username, password) = reading.await.map_err(|_| "it could not be read".to_owned())??;
                Ok((header(&username, &password).ok_or_else(unfit)?, None))
            }
        }
    }
}

fn header(username: &str, password: &Secret) -> Option<HeaderValue> {
    let text = if username.is_empty() {
        format!("Bearer {}", password.expose())
    } else {
        format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose())))
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Url {
        Url::parse("https://index.example.test/simple/").unwrap()
    }

    const OTHERS: [&str; 3] =
        ["http://index.example.test/", "https://index.example.test:8443/", "https://evil.example.test/"];

    #[tokio::test]
    async fn a_password_goes_to_its_own_index_and_into_no_log() {
        let credentials = Credentials::for_index(&index(), "ada", &Secret::new("hunter2"));
        let header = credentials.header_for(&index().join("foo/").unwrap()).await.unwrap().unwrap();
        assert_eq!(header, "Basic YWRhOmh1bnRlcjI=");
        assert!(!format!("{credentials:?} {header:?}").contains("hunter2"));
        assert!(!format!("{credentials:?} {header:?}").contains("YWRh"));
        for other in OTHERS {
            assert!(credentials.header_for(&Url::parse(other).unwrap()).await.unwrap().is_none(), "{other}");
        }
    }

    #[tokio::test]
    async fn a_command_is_asked_once_and_again_when_what_it_said_is_refused_or_over() {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("asked").display().to_string();
        // Each run writes a line, and says how many there are.
        let script = format!("echo x >> {asked}; wc -l < {asked}; [ -z \"$1\" ] || echo \"$1\"");
        let command = |until: &str| vec!["sh".to_owned(), "-c".into(), script.clone(), "sh".into(), until.to_owned()];
        let credentials = Credentials::from_command(&index(), String::new(), command(""));
        for _ in 0..3 {
            assert_eq!(credentials.header_for(&index()).await.unwrap().unwrap(), "Bearer 1");
        }
        assert!(!credentials.refused(&index()).await, "it is as new as can be");
        for other in OTHERS {
            assert!(credentials.header_for(&Url::parse(other).unwrap()).await.unwrap().is_none(), "{other}");
        }
        tokio::time::pause();
        tokio::time::advance(AT_LEAST).await;
        assert!(credentials.refused(&index()).await);
        tokio::time::resume();
        assert_eq!(credentials.header_for(&index()).await.unwrap().unwrap(), "Bearer 2");
        let short = Credentials::from_command(&index(), "aws".to_owned(), command("2020-01-01T00:00:00Z"));
        let first = short.header_for(&index()).await.unwrap().unwrap();
        assert_eq!(short.header_for(&index()).await.unwrap().unwrap(), first, "not at each request");
        tokio::time::pause();
        tokio::time::advance(AT_LEAST).await;
        tokio::time::resume();
        assert_ne!(short.header_for(&index()).await.unwrap().unwrap(), first, "its time is over");
    }

    #[tokio::test]
    async fn what_cannot_be_had_is_said_without_what_was_tried() {
        let command = vec!["sh".to_owned(), "-c".into(), "echo hunter2; exit 3".into()];
        let error =
            Credentials::from_command(&index(), "ada".to_owned(), command).header_for(&index()).await.unwrap_err();
        let told = format!("{error} {error:?} {}", error.short());
        assert!(told.contains("sh failed") && !told.contains("hunter2"), "{told}");
        let error = Credentials::from_netrc(&index(), "/nowhere/netrc".into()).header_for(&index()).await.unwrap_err();
        assert!(error.to_string().contains("/nowhere/netrc cannot be read"), "{error}");
    }

    #[tokio::test]
    async fn a_netrc_is_read_for_the_indexs_own_host() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("netrc");
        std::fs::write(&file, "machine evil.example.test login eve password wrong\n").unwrap();
        let error = Credentials::from_netrc(&index(), file.clone()).header_for(&index()).await.unwrap_err();
        assert!(error.to_string().contains("says nothing of index.example.test"), "{error}");
        std::fs::write(&file, "machine index.example.test login ada password hunter2\n").unwrap();
        let credentials = Credentials::from_netrc(&index(), file);
        assert_eq!(credentials.header_for(&index()).await.unwrap().unwrap(), "Basic YWRhOmh1bnRlcjI=");
        for other in OTHERS {
            assert!(credentials.header_for(&Url::parse(other).unwrap()).await.unwrap().is_none(), "{other}");
        }
    }
}
