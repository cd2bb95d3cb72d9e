//! A key that signs CHECKSUMS as PAUSE does, made by gpg and not by the library that lazaret checks it with.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// A made-up PAUSE key; its secret half is thrown away with it.
#[derive(Debug)]
pub(crate) struct PauseKey {
    home: tempfile::TempDir,
    /// What was signed once stays as it is: two readers of one file get the same bytes.
    signed: Mutex<BTreeMap<String, String>>,
}

impl PauseKey {
    /// A new one, of PAUSE's own kind.
    pub(crate) fn new() -> Self {
        let key = Self { home: tempfile::tempdir().expect("a folder"), signed: Mutex::default() };
        let who = "Made-up Batch Signing Key <pause@example.test>";
        key.gpg(&["--quick-generate-key", who, "rsa2048", "sign", "never"], "");
        key
    }

    /// Its public half, for lazaret's configuration.
    pub(crate) fn public(&self) -> String {
        self.gpg(&["--armor", "--export"], "")
    }

    /// The text of a CHECKSUMS file, signed, and still valid Perl.
    pub(super) fn sign_checksums(&self, text: &str) -> String {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = || {
            let message = self.gpg(&["--clearsign"], &format!("{text}__END__\n"));
            format!("0&&<<''; # this PGP-signed message is also valid perl\n{message}")
        };
        signed.entry(text.to_owned()).or_insert_with(sign).clone()
    }

    fn gpg(&self, arguments: &[&str], input: &str) -> String {
        let mut gpg = Command::new("gpg")
            .arg("--homedir")
            .arg(self.home.path())
            .args(["--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gpg runs: scripts/client-tools installs it");
        gpg.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("gpg reads");
        let output = gpg.wait_with_output().expect("gpg ends");
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for PauseKey {
    fn drop(&mut self) {
        // The agent would find out by itself that its folder is gone, but later.
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "gpg-agent"]).output();
    }
}
