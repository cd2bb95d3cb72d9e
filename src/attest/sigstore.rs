//! Sigstore behind one door: who is trusted, and whether an attestation was signed by a publisher and logged in public.

mod identity;
mod trust_root;

pub(super) use self::identity::Identity;
pub use self::trust_root::TrustRoot;
