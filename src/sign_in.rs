//! What signs in to the configured indexes: names, passwords, tokens, certificates.

use std::path::PathBuf;

use url::Url;

use crate::config::{Config, Password};
use crate::upstream::{ClientIdentity, Credentials, Secret};

/// What signs in to an index.
pub(crate) fn credentials(base: &Url, username: &str, password: Option<&Password>) -> Option<Credentials> {
    match password {
        None if username.is_empty() => None,
        None => Some(Credentials::for_index(base, username, &Secret::new(""))),
        Some(Password::Known(password)) => {
            Some(Credentials::for_index(base, username, &Secret::new(password.expose())))
        }
        Some(Password::Command(command)) => Some(Credentials::from_command(base, username.to_owned(), command.clone())),
        Some(Password::Netrc(file)) => Some(Credentials::from_netrc(base, file.clone())),
    }
}

/// The certificates that we show, each to its index.
pub(crate) fn identities(config: &Config) -> Vec<ClientIdentity> {
    let pypi = &config.pypi;
    let public = pypi.upstream.iter().map(|index| (index, &pypi.client_certificate, &pypi.client_key));
    let private = pypi.private.iter().map(|index| (&index.index, &index.client_certificate, &index.client_key));
    let dark = config.cpan.private.iter().map(|index| (&index.index, &index.client_certificate, &index.client_key));
    let identity = |(index, certificate, key): (&Url, &Option<PathBuf>, &Option<PathBuf>)| {
        let certificate = certificate.clone()?;
        let key = key.clone().unwrap_or_else(|| certificate.clone());
        Some(ClientIdentity { index: index.clone(), certificate, key })
    };
    public.chain(private).chain(dark).filter_map(identity).collect()
}
