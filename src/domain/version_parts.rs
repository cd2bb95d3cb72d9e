//! Lists of numbers of any length, as the versions of several languages are.

use std::cmp::Ordering;

/// Orders two numbers written in decimal digits, however many.
pub(super) fn compare_digits(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Orders two lists; the shorter goes on with `zero`.
pub(super) fn compare_padded<T>(one: &[T], other: &[T], zero: &T, order: impl Fn(&T, &T) -> Ordering) -> Ordering {
    (0..one.len().max(other.len()))
        .map(|at| order(one.get(at).unwrap_or(zero), other.get(at).unwrap_or(zero)))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}
