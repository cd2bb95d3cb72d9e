//! The corpora of all ecosystems, as one house uses them.

use std::sync::{Arc, OnceLock};

use super::{Corpus, CorpusError, NameSources, lists};
use crate::domain::{Ecosystem, Sha256};

/// One corpus for each ecosystem.
#[derive(Debug, Clone)]
pub struct Corpora {
    pypi: Arc<Corpus>,
    cpan: Arc<Corpus>,
    teapot: Arc<Corpus>,
}

impl Corpora {
    /// The shipped lists alone. They are built once.
    pub fn embedded() -> Self {
        static SHIPPED: OnceLock<Corpora> = OnceLock::new();
        SHIPPED.get_or_init(|| Self::each(Corpus::embedded)).clone()
    }

    /// One corpus for each ecosystem.
    pub fn each(mut corpus: impl FnMut(Ecosystem) -> Corpus) -> Self {
        Self {
            pypi: Arc::new(corpus(Ecosystem::Pypi)),
            cpan: Arc::new(corpus(Ecosystem::Cpan)),
            teapot: Arc::new(corpus(Ecosystem::Teapot)),
        }
    }

    /// What a site uses: refreshed lists where there are some, its own weights if there are any, and its own names.
    pub fn load(sources: &NameSources) -> Result<Self, CorpusError> {
        let of = |ecosystem| Corpus::load(ecosystem, sources);
        Ok(Self { pypi: of(Ecosystem::Pypi)?, cpan: of(Ecosystem::Cpan)?, teapot: of(Ecosystem::Teapot)? })
    }

    /// The names of one ecosystem.
    pub fn of(&self, ecosystem: Ecosystem) -> &Arc<Corpus> {
        match ecosystem {
            Ecosystem::Pypi => &self.pypi,
            Ecosystem::Cpan => &self.cpan,
            Ecosystem::Teapot => &self.teapot,
        }
    }

    /// SHA-256 of all of them.
    pub fn digest(&self) -> Sha256 {
        let digests = [&self.pypi, &self.cpan, &self.teapot].map(|corpus| corpus.digest().to_string());
        Sha256::of(digests.join("\n").as_bytes())
    }
}

impl Corpus {
    /// The corpus that a site uses for one ecosystem.
    pub fn load(ecosystem: Ecosystem, sources: &NameSources) -> Result<Arc<Self>, CorpusError> {
        if !sources.differ(ecosystem) {
            return Ok(Corpora::embedded().of(ecosystem).clone());
        }
        let (own, weights) = (sources.own.get(&ecosystem).cloned().unwrap_or_default(), sources.weights()?);
        Ok(Arc::new(match sources.refreshed(ecosystem)? {
            Some(names) => Self::with_own(ecosystem, names.iter().map(String::as_str), &own, weights),
            None => Self::with_own(ecosystem, lists::shipped(ecosystem), &own, weights),
        }))
    }
}
