//! Signals on facts as they were: ordinary releases, and incidents that became known.

mod incidents;
mod ordinary;
mod replay;

/// The policy's room lies below the signals' and has a list of its own.
#[test]
fn a_policy_knows_every_signal_and_they_are_sorted() {
    let known = lazaret::policy::SIGNALS;
    assert!(known.is_sorted());
    for signal in lazaret::signals::ALL {
        assert!(known.contains(&signal.meta().id), "{}", signal.meta().id);
    }
    let readme = include_str!("../../policies/README.md");
    let told = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | name |").map(|(id, _)| id));
    assert!(told.inspect(|id| assert!(known.contains(id), "{id}")).count() > 0);
}
