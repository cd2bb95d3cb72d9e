//! Which code of a Perl file runs by itself, and which waits in a subroutine to be called.

use std::collections::HashSet;

use super::tokens::{Kind, Token};
use super::words;

/// Which tokens are inside of a subroutine, and which subroutines decode.
pub(super) struct Scope<'s> {
    /// For each token the number of its subroutine; 0 is none.
    subs: Vec<u32>,
    decoders: HashSet<&'s str>,
}

impl<'s> Scope<'s> {
    pub(super) fn of(tokens: &[Token<'s>]) -> Self {
        let mut scope = Self { subs: Vec::with_capacity(tokens.len()), decoders: HashSet::new() };
        let mut braces: Vec<Option<&'s str>> = Vec::new();
        let mut within = vec![0_u32];
        let mut count = 0;
        let mut next: Option<&'s str> = None;
        for (place, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::Word("sub") => {
                    next = Some(match tokens.get(place + 1).map(|token| token.kind) {
                        Some(Kind::Word(name)) => name,
                        _ => "",
                    });
                }
                Kind::Sign(';') => next = None,
                Kind::Sign('{') => {
                    // BEGIN blocks run when they are read, also where they are written with `sub`.
                    let name = next.take().filter(|name| !words::RUNS_AT_ONCE.contains(name));
                    if name.is_some() {
                        count += 1;
                        within.push(count);
                    }
                    braces.push(name);
                }
                Kind::Sign('}') if braces.pop().flatten().is_some() => {
                    within.pop();
                }
                Kind::Word(word) if words::is_decoder(word) => {
                    // The innermost that has a name.
                    scope.decoders.extend(braces.iter().rev().flatten().next());
                }
                _ => {}
            }
            scope.subs.push(within.last().copied().unwrap_or_default());
        }
        scope.decoders.remove("");
        scope
    }
    /// The number of the subroutine that this token is in; 0 is none.
    pub(super) fn sub(&self, place: usize) -> u32 {
        self.subs.get(place).copied().unwrap_or_default()
    }

    /// Whether a subroutine of this name decodes something.
    pub(super) fn decodes(&self, name: &str) -> bool {
        self.decoders.contains(name)
    }
}
