//! The edits that turn one name into another, found on what is left when the common beginning and end are taken away.

/// One edit, with places in the letters of the target and of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// The letter of the target at this place became the letter of the name at that place.
    Replaced(usize, usize),
    /// The name has one more letter, before this place of the target.
    Added(usize, usize),
    /// The name lacks this letter of the target.
    Missing(usize, usize),
    /// Two letters side by side changed places.
    Swapped(usize, usize),
}

impl Edit {
    /// Where in the target.
    pub(super) const fn place(self) -> usize {
        let (Self::Replaced(place, _) | Self::Added(place, _) | Self::Missing(place, _) | Self::Swapped(place, _)) =
            self;
        place
    }
}

/// The fewest edits from `target` to `name`, if they are at most `most`: insertions, deletions, replacements and swaps of
/// neighbours ([optimal string alignment](https://en.wikipedia.org/wiki/Damerau%E2%80%93Levenshtein_distance)).
pub(super) fn between(target: &[u8], name: &[u8], most: usize) -> Option<Vec<Edit>> {
    if target.len().abs_diff(name.len()) > most {
        return None;
    }
    let start = target.iter().zip(name).take_while(|(one, two)| one == two).count();
    let (from, to) = (&target[start..], &name[start..]);
    let end = from.iter().rev().zip(to.iter().rev()).take_while(|(one, two)| one == two).count();
    let (from, to) = (&from[..from.len() - end], &to[..to.len() - end]);
    let width = to.len() + 1;
    let at = |row: usize, column: usize| row * width + column;
    let mut costs = vec![0_usize; (from.len() + 1) * width];
    for row in 0..=from.len() {
        let mut least = usize::MAX;
        for column in 0..=to.len() {
            let cost = match (row, column) {
                (0, _) => column,
                (_, 0) => row,
                _ => {
                    let replaced = costs[at(row - 1, column - 1)] + usize::from(from[row - 1] != to[column - 1]);
                    let one = replaced.min(costs[at(row - 1, column)] + 1).min(costs[at(row, column - 1)] + 1);
                    if swaps(from, to, row, column) { one.min(costs[at(row - 2, column - 2)] + 1) } else { one }
                }
            };
            costs[at(row, column)] = cost;
            least = least.min(cost);
        }
        // A swap may come from two rows above, which can be one cheaper.
        if least > most + 1 {
            return None;
        }
    }
    if costs[at(from.len(), to.len())] > most {
        return None;
    }
    let (mut row, mut column, mut edits) = (from.len(), to.len(), Vec::new());
    while row > 0 || column > 0 {
        let cost = costs[at(row, column)];
        if row > 0 && column > 0 && from[row - 1] == to[column - 1] && cost == costs[at(row - 1, column - 1)] {
            (row, column) = (row - 1, column - 1);
        } else if swaps(from, to, row, column) && cost == costs[at(row - 2, column - 2)] + 1 {
            (row, column) = (row - 2, column - 2);
            edits.push(Edit::Swapped(start + row, start + column));
        } else if row > 0 && column > 0 && cost == costs[at(row - 1, column - 1)] + 1 {
            (row, column) = (row - 1, column - 1);
            edits.push(Edit::Replaced(start + row, start + column));
        } else if column > 0 && cost == costs[at(row, column - 1)] + 1 {
            column -= 1;
            edits.push(Edit::Added(start + row, start + column));
        } else {
            row = row.saturating_sub(1);
            edits.push(Edit::Missing(start + row, start + column));
        }
    }
    edits.reverse();
    Some(edits)
}

fn swaps(from: &[u8], to: &[u8], row: usize, column: usize) -> bool {
    row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_edit_is_found_where_it_is() {
        let edits = |target: &str, name: &str| between(target.as_bytes(), name.as_bytes(), 2);
        assert_eq!(edits("requests", "reqeusts"), Some(vec![Edit::Swapped(3, 3)]));
        assert_eq!(edits("flask", "flaask"), Some(vec![Edit::Added(3, 3)]));
        assert_eq!(edits("django", "djago"), Some(vec![Edit::Missing(3, 3)]));
        assert_eq!(edits("boto3", "voto3"), Some(vec![Edit::Replaced(0, 0)]));
        assert_eq!(edits("boto3", "boto3"), Some(vec![]));
        assert_eq!(edits("abc", "xyz"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn their_number_is_the_distance(one in "[abc]{0,9}", two in "[abc]{0,9}") {
            let distance = strsim::osa_distance(&one, &two);
            let found = between(one.as_bytes(), two.as_bytes(), 3).map(|edits| edits.len());
            prop_assert_eq!(found, (distance <= 3).then_some(distance));
        }
    }
}
