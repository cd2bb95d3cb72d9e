//! `cpanfile.snapshot`.

use super::*;

const SNAPSHOT: &str = "\
# carton snapshot format: version 1.0
DISTRIBUTIONS
  Class-Method-Modifiers-2.12
    pathname: E/ET/ETHER/Class-Method-Modifiers-2.12.tar.gz
    provides:
      Class::Method::Modifiers 2.12
    requirements:
      B 0
      perl 5.006
  libwww-perl-6.77
    pathname: O/OA/OALDERS/libwww-perl-6.77.tar.gz
    provides:
      Bundle::LWP 6.77
      LWP 6.77
      LWP::Debug undef
    requirements:
      Try::Tiny 0
  Foo-1.0-TRIAL
    pathname: A/AC/ACME/old/Foo-1.0-TRIAL.tar.gz
    provides:
      Foo undef
    requirements:
";

#[test]
fn a_snapshot_is_read() {
    insta::assert_snapshot!(all_told(&read_ok("cpanfile.snapshot", SNAPSHOT)), @r"
    3: cpan:Class-Method-Modifiers 2.12, as Class::Method::Modifiers
       ETHER/Class-Method-Modifiers-2.12.tar.gz ?
    10: cpan:libwww-perl 6.77, as LWP
       OALDERS/libwww-perl-6.77.tar.gz ?
    18: cpan:Foo 1.0-TRIAL
       ACME/old/Foo-1.0-TRIAL.tar.gz ?
    ");
    let empty = read_ok("cpanfile.snapshot", "# carton snapshot format: version 1.0\nDISTRIBUTIONS\n");
    assert_eq!((empty.entries.len(), empty.remarks.len()), (0, 0));
}

#[test]
fn a_strange_snapshot_is_told() {
    let text = "\
# carton snapshot format: version 1.0
    pathname: A/AC/ACME/a.zip
DISTRIBUTIONS
  Foo Bar-1.0
    pathname: A/AC/ACME/../../../etc/passwd
  Evil-1.0
    pathname: A/AC/ACME/../../../etc/passwd
    exec: rm
    provides:
      Evil::\u{1b} 1.0
   odd
  NoVersion
    pathname: A/AC/ACME/NoVersion.tar.gz
";
    insta::assert_snapshot!(all_told(&read_ok("cpanfile.snapshot", text)), @r"
    6: cpan:Evil 1.0
    12: cpan:NoVersion
       ACME/NoVersion.tar.gz ?
    2: ! not understood: pathname: A/AC/ACME/a.zip
    4: ! not checked: Foo Bar-1.0 is no name of a distribution
    6: ! Evil-1.0 does not say which file it is
    8: ! not understood: exec: rm
    11: ! not understood: odd
    12: ! NoVersion has no version: it is known by its file only
    ");
    let refused = |text: &str| read("cpanfile.snapshot", text.as_bytes(), None).unwrap_err().to_string();
    let told = [refused(""), refused("# carton snapshot format: version 2.0\n"), refused("DISTRIBUTIONS\n")];
    insta::assert_snapshot!(told.join("\n"), @r"
    cpanfile.snapshot:1: it does not begin with `# carton snapshot format: version 1.0`: is it the right file? Else let carton write it again
    cpanfile.snapshot:1: this is format 2.0, and known is 1.0: use a newer lazaret, or an older carton
    cpanfile.snapshot:1: it does not begin with `# carton snapshot format: version 1.0`: is it the right file? Else let carton write it again
    ");
}
