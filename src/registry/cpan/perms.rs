//! `modules/06perms.txt`: who may upload which package. No installer reads it; a change of hands is seen here first.

use bytes::Bytes;

use super::CatalogError;
use super::author_path::is_pause_id;
use super::hash_index::{Caseless, HashIndex};
use super::table::{Table, differing_rows};

const DOCUMENT: &str = "06perms.txt";

/// Accounts that are no person: whoever gives a package up, or wants help with it, shares it with one of them.
pub const UP_FOR_ADOPTION: [&str; 3] = ["ADOPTME", "HANDOFF", "NEEDHELP"];

/// What an account may do with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// `m`: owner by the old list of modules.
    Modlist,
    /// `f`: owner, because first to upload it, or because it was handed over.
    FirstCome,
    /// `c`: invited by the owner.
    CoMaintainer,
}

impl Permission {
    fn read(letter: &str) -> Option<Self> {
        match letter {
            "m" => Some(Self::Modlist),
            "f" => Some(Self::FirstCome),
            "c" => Some(Self::CoMaintainer),
            _ => None,
        }
    }

    /// Whether it makes the account an owner, who may invite others.
    pub const fn is_owner(self) -> bool {
        matches!(self, Self::Modlist | Self::FirstCome)
    }
}

/// All permissions.
#[derive(Debug)]
pub struct Permissions {
    table: Table,
    by_package: HashIndex,
    by_package_and_id: HashIndex,
}

/// What became of one account's right to one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionChange {
    /// `Foo::Bar`.
    pub package: String,
    /// `ETHER`.
    pub pause_id: String,
    /// Its right before.
    pub before: Option<Permission>,
    /// Its right now.
    pub after: Option<Permission>,
}

/// One row, `package,userid,permission`.
#[derive(Clone, Copy)]
struct Grant<'a> {
    package: &'a str,
    pause_id: &'a str,
    letter: &'a str,
}

impl<'a> Grant<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let grant = Self::again(line);
        let is_clean =
            !grant.package.is_empty() && !grant.package.bytes().any(|byte| byte.is_ascii_control() || byte == b' ');
        (is_clean && is_pause_id(grant.pause_id) && Permission::read(grant.letter).is_some()).then_some(grant)
    }

    fn again(line: &'a str) -> Self {
        let mut fields = line.splitn(3, ',');
        let mut next = || fields.next().unwrap_or_default();
        Self { package: next(), pause_id: next(), letter: next() }
    }

    fn is_about(&self, package: &str) -> bool {
        self.package.eq_ignore_ascii_case(package)
    }

    fn key(&self) -> (Caseless<'a>, &'a str) {
        (Caseless(self.package), self.pause_id)
    }
}

impl Permissions {
    /// Reads the file. One that is cut off is an error; single rows that are none, or say the same again, are skipped.
    pub fn read(text: Bytes) -> Result<Self, CatalogError> {
        let mut table = Table::read(text, DOCUMENT, |line| Grant::read(line).map(|grant| grant.package.len()))?;
        let (mut by_package_and_id, twice) = index_grants(&table);
        if !twice.is_empty() {
            table.drop_rows(&twice);
            (by_package_and_id, _) = index_grants(&table);
        }
        let mut by_package = HashIndex::with_capacity(table.len());
        for number in 0..table.len() {
            by_package.push(Caseless(table.key(number)));
        }
        Ok(Self { table, by_package, by_package_and_id })
    }

    /// Who may upload a package, in the order of the file. The case of letters does not count, as for PAUSE.
    pub fn of(&self, package: &str) -> Vec<(&str, Permission)> {
        let grants = self.by_package.candidates(Caseless(package)).map(|number| self.grant(number as usize));
        let mut found: Vec<_> = grants
            .filter(|grant| grant.is_about(package))
            .filter_map(|grant| Some((grant.pause_id, Permission::read(grant.letter)?)))
            .collect();
        found.reverse();
        found
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many lines were no rows.
    pub fn skipped(&self) -> usize {
        self.table.skipped()
    }

    fn grant(&self, number: usize) -> Grant<'_> {
        Grant::again(self.table.row(number))
    }

    fn number_of(&self, wanted: Grant<'_>) -> Option<usize> {
        let mut numbers = self.by_package_and_id.candidates(wanted.key()).map(|number| number as usize);
        numbers.find(|number| is_same_right(self.grant(*number), wanted))
    }
}

fn is_same_right(one: Grant<'_>, other: Grant<'_>) -> bool {
    one.is_about(other.package) && one.pause_id == other.pause_id
}

/// The index by package and account, and the rows that name both again.
fn index_grants(table: &Table) -> (HashIndex, Vec<usize>) {
    let mut index = HashIndex::with_capacity(table.len());
    let mut twice = Vec::new();
    for (number, line) in table.rows().enumerate() {
        let grant = Grant::again(line);
        let is_known = index
            .candidates(grant.key())
            .any(|earlier| is_same_right(Grant::again(table.row(earlier as usize)), grant));
        if is_known {
            twice.push(number);
        }
        index.push(grant.key());
    }
    (index, twice)
}

/// What changed between two files, by package and account. Takes time linear in their rows, whatever their order.
pub fn diff(before: &Permissions, after: &Permissions) -> Vec<PermissionChange> {
    let differing = differing_rows(
        (&before.table, |table, number| before.number_of(Grant::again(table.row(number)))),
        (&after.table, |table, number| after.number_of(Grant::again(table.row(number)))),
    );
    let mut changes: Vec<PermissionChange> = differing
        .into_iter()
        .filter_map(|(old, new)| {
            let (old, new) = (old.map(|number| before.grant(number)), new.map(|number| after.grant(number)));
            let named = new.or(old)?;
            let (old, new) = (
                old.and_then(|grant| Permission::read(grant.letter)),
                new.and_then(|grant| Permission::read(grant.letter)),
            );
            (old != new).then(|| PermissionChange {
                package: named.package.to_owned(),
                pause_id: named.pause_id.to_owned(),
                before: old,
                after: new,
            })
        })
        .collect();
    changes.sort_by(|one, two| (&one.package, &one.pause_id).cmp(&(&two.package, &two.pause_id)));
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "File:        06perms.txt\nDescription: CSV file of upload permission to the CPAN per namespace\n    best-permission is one of \"m\" for \"modulelist\", \"f\" for\n    \"first-come\", \"c\" for \"co-maint\"\nColumns:     package,userid,best-permission\n";

    fn perms(rows: &str) -> Permissions {
        Permissions::read(text(rows)).unwrap()
    }

    fn text(rows: &str) -> Bytes {
        format!("{HEADER}Line-Count:  {}\nDate:        Sun, 22 Nov 2026 23:29:02 GMT\n\n{rows}", rows.lines().count())
            .into()
    }

    #[test]
    fn a_package_has_owners_and_helpers() {
        let perms = perms("Moo,HAARG,c\nMoo,MSTROUT,f\nTry::Tiny,ADOPTME,c\nTry::Tiny,NUFFIN,m\n");
        assert_eq!(perms.len(), 4);
        assert_eq!(perms.of("moo"), [("HAARG", Permission::CoMaintainer), ("MSTROUT", Permission::FirstCome)]);
        assert_eq!(perms.of("TRY::TINY"), [("ADOPTME", Permission::CoMaintainer), ("NUFFIN", Permission::Modlist)]);
        assert!(perms.of("Try").is_empty() && perms.of("").is_empty());
        assert!(Permission::Modlist.is_owner() && !Permission::CoMaintainer.is_owner());
    }

    #[test]
    fn lines_that_are_no_rows_are_skipped_and_a_cut_file_refused() {
        let rows = "A,AAA,f\na,AAA,c\nB,lower,f\nB,BBB,x\nB,BBB\n,BBB,f\nB b,BBB,f\nC,CCC,f,more\nC,CCC,f\n";
        let perms = perms(rows);
        assert_eq!((perms.len(), perms.skipped()), (2, 7));
        assert_eq!(perms.of("A"), [("AAA", Permission::FirstCome)]);
        let whole = text(rows);
        assert!((whole.len() - rows.len()..whole.len()).all(|end| Permissions::read(whole.slice(..end)).is_err()));
    }

    #[test]
    fn a_change_of_hands_is_seen() {
        let before = perms("Moo,HAARG,c\nMoo,MSTROUT,f\nTry::Tiny,ETHER,c\n");
        let after = perms("Moo,HAARG,f\nMoo,STRANGER,c\nTry::Tiny,ETHER,c\n");
        let change = |pause_id: &str, before, after| PermissionChange {
            package: "Moo".into(),
            pause_id: pause_id.into(),
            before,
            after,
        };
        let expected = [
            change("HAARG", Some(Permission::CoMaintainer), Some(Permission::FirstCome)),
            change("MSTROUT", Some(Permission::FirstCome), None),
            change("STRANGER", None, Some(Permission::CoMaintainer)),
        ];
        assert_eq!(diff(&before, &after), expected);
        assert_eq!(diff(&after, &after), []);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn changes_lead_from_one_file_to_the_other(before in "([A-Ca-c],[AB]{2},[mfc]\n){0,12}", after in "([A-Ca-c],[AB]{2},[mfc]\n){0,12}") {
            let (before, after) = (perms(&before), perms(&after));
            let right = |perms: &Permissions, package: &str, id: &str| {
                perms.of(package).into_iter().find(|(other, _)| *other == id).map(|(_, permission)| permission)
            };
            let changes = diff(&before, &after);
            for change in &changes {
                prop_assert_eq!(right(&before, &change.package, &change.pause_id), change.before);
                prop_assert_eq!(right(&after, &change.package, &change.pause_id), change.after);
                prop_assert_ne!(change.before, change.after);
            }
            for package in ["a", "b", "c"] {
                for id in ["AA", "AB", "BA", "BB"] {
                    let differs = right(&before, package, id) != right(&after, package, id);
                    let told = changes.iter().filter(|change| change.package.eq_ignore_ascii_case(package) && change.pause_id == id);
                    prop_assert_eq!(told.count(), usize::from(differs));
                }
            }
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0usize..4, rows in "[A,mfc\n é]{0,40}") {
            let _ = Permissions::read(bytes.into());
            let _ = Permissions::read(format!("Line-Count: {count}\n\n{rows}").into()).map(|perms| perms.of("A").len());
        }
    }
}
