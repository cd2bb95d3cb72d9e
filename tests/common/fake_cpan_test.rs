//! The fake mirror says what a real one says, in the same words: other tests rely on it.

use http::Method;
use serde_json::Value;

use super::browser::{Answer, Browser};
use super::clock::{DAY, HOUR, MINUTE, START};
use super::fake_cpan::FindLs;
use super::normal;
use super::pause_key::PauseKey;
use super::perl_dists::truncated;
use super::sample_mirror::{COMPASS_NEW, COMPASS_OLD, CORP_PRIVATE, GREET_NEW, GREET_OLD, UNAUTHORISED, greet};
use super::{FakeCpan, Fault, HandClock, PerlDist, Release, SampleMirror};

const PACKAGES: &str = "modules/02packages.details.txt";
const GREETER: &str = "authors/id/G/GR/GREETER";

async fn ask(cpan: &FakeCpan, path: &str, headers: &[(&str, &str)]) -> Answer {
    Browser::new().send(Method::GET, &format!("{}{path}", cpan.root()), headers, None).await
}

async fn text(cpan: &FakeCpan, path: &str) -> String {
    let answer = ask(cpan, path, &[]).await;
    assert_eq!(answer.status, 200, "{path}");
    if path.strip_suffix(".gz").is_none() {
        return answer.text();
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&answer.body[..]), &mut text).expect("gzip");
    text
}

async fn status(cpan: &FakeCpan, path: &str) -> u16 {
    ask(cpan, path, &[]).await.status
}

#[tokio::test]
async fn the_index_is_pause_s() {
    let cpan = SampleMirror::open(&HandClock::new()).await.cpan;
    insta::assert_snapshot!(text(&cpan, PACKAGES).await, @r#"
    File:         02packages.details.txt
    URL:          http://www.example.test/CPAN/modules/02packages.details.txt
    Description:  Package names found in directory $CPAN/authors/id/
    Columns:      package name, version, path
    Intended-For: Automated fetch routines, namespace documentation.
    Written-By:   PAUSE version 1.005
    Line-Count:   6
    Last-Updated: Sun, 22 Nov 2026 12:00:00 GMT

    Acme::Compass                       1.1  D/DR/DRIFTER/Acme-Compass-1.1.tar.gz
    Acme::Corp::Ledger                 99.0  M/MA/MALLORY/Acme-Corp-Ledger-99.0.tar.gz
    Acme::Greet                         1.1  G/GR/GREETER/Acme-Greet-1.1.tar.gz
    Acme::Greet::Helper                 1.1  G/GR/GREETER/Acme-Greet-1.1.tar.gz
    Acme::Greet::Loudly                 2.0  G/GR/GREETER/Acme-Greet-Loudly-2.0.tar.gz
    Acme::Words                         0.5  W/WO/WORDSMITH/Acme-Words-0.5.tar.gz
    "#);
    assert_eq!(text(&cpan, &format!("{PACKAGES}.gz")).await, text(&cpan, PACKAGES).await);
    insta::assert_snapshot!(text(&cpan, "modules/06perms.txt.gz").await, @r#"
    File:        06perms.txt
    Description: CSV file of upload permission to the CPAN per namespace
        best-permission is one of "m" for "modulelist", "f" for
        "first-come", "c" for "co-maint"
    Columns:     package,userid,best-permission
    Line-Count:  7
    Written-By:  PAUSE version 1.005
    Date:        Sun, 22 Nov 2026 12:00:00 GMT

    Acme::Compass,DRIFTER,c
    Acme::Compass,HELM,f
    Acme::Corp::Ledger,MALLORY,f
    Acme::Greet,GREETER,f
    Acme::Greet::Helper,GREETER,f
    Acme::Greet::Loudly,GREETER,f
    Acme::Words,WORDSMITH,f
    "#);
    insta::assert_snapshot!(text(&cpan, "authors/01mailrc.txt.gz").await, @r#"
    alias DRIFTER    "Drew Drifter <CENSORED>"
    alias GREETER    "Greta Greeter <CENSORED>"
    alias HELM       "Henrietta Helm <CENSORED>"
    alias MALLORY    "Mallory M. <CENSORED>"
    alias WORDSMITH  "Walt Smith <CENSORED>"
    "#);
    assert!(text(&cpan, "modules/03modlist.data.gz").await.contains("sub data"));
    assert_eq!(status(&cpan, "indices/find-ls.gz").await, 404);
    assert_eq!(status(&cpan, &format!("authors/id/{UNAUTHORISED}")).await, 200, "on the mirror, though in no index");
    assert_eq!(
        text(&cpan, "v1.0/history/Acme::Compass").await,
        format!("Acme::Compass 1.0 {COMPASS_OLD}\nAcme::Compass 1.1 {COMPASS_NEW}\n")
    );
    assert_eq!(
        text(&cpan, "v1.0/package/Acme::Greet").await,
        format!(
            "---\ndistfile: {GREET_NEW}\nversion: 1.1\nprovides:\n  Acme::Greet: 1.1\n  Acme::Greet::Helper: 1.1\n"
        )
    );
    assert_eq!(status(&cpan, "v1.0/package/Acme::Nothing").await, 404);
}

#[tokio::test]
async fn rows_and_permissions_can_be_anything() {
    let cpan = SampleMirror::open(&HandClock::new()).await.cpan;
    cpan.index("Acme::Stray", "undef", "M/MA/MALLORY/Acme-Stray-0.1.tar.gz");
    cpan.unindex("Acme::Compass");
    cpan.permit("ADOPTME", "Acme::Compass", "f");
    cpan.revoke("HELM", "Acme::Compass");
    let index = text(&cpan, PACKAGES).await;
    assert!(index.contains("Acme::Stray                       undef  M/MA/MALLORY/Acme-Stray-0.1.tar.gz\n"), "{index}");
    assert!(!index.contains("Acme::Compass "), "{index}");
    let permissions = text(&cpan, "modules/06perms.txt").await;
    assert!(permissions.contains("Acme::Compass,ADOPTME,f\nAcme::Compass,DRIFTER,c\nAcme::Corp"), "{permissions}");

    let newest = cpan.upload(Release::of("GREETER", &greet("1.2_01")));
    let bare = cpan.upload(Release::of("GREETER", &greet("1.3").without_meta()));
    let hidden = cpan.upload(Release::of("GREETER", &greet("1.4")).unindexed().in_folder("old"));
    let dist = greet("1.5");
    let broken = cpan.upload(Release::of("GREETER", &dist).with_bytes(truncated(&dist.build())));
    for path in [newest, bare, hidden.clone()] {
        assert_eq!(status(&cpan, &format!("authors/id/{path}")).await, 200);
        assert!(!text(&cpan, PACKAGES).await.contains(&path), "{path}");
    }
    assert_eq!(hidden, "G/GR/GREETER/old/Acme-Greet-1.4.tar.gz");
    assert!(text(&cpan, &format!("{GREETER}/old/CHECKSUMS")).await.contains("'cpan_path' => 'G/GR/GREETER/old'"));
    assert!(text(&cpan, PACKAGES).await.contains(&broken));
    assert_eq!(PerlDist::new("Acme-Name", "1").name(), "Acme-Name");
}

#[tokio::test]
async fn checksums_are_those_of_cpan_checksums() {
    let clock = HandClock::new();
    let cpan = FakeCpan::start(&clock).await;
    let dist = PerlDist::new("Acme-Greet", "1.0");
    cpan.upload(Release::of("GREETER", &dist).at(START - DAY));
    cpan.upload(Release::of("GREETER", &PerlDist::new("Acme-Greet", "0.9")).in_folder("old"));
    let checksums = text(&cpan, &format!("{GREETER}/CHECKSUMS")).await;
    let built = dist.build();
    assert!(checksums.contains(&format!("'sha256' => '{}',\n    'sha256-ungz'", built.sha256())), "{checksums}");
    let sizes = [built.bytes.len(), dist.meta().expect("META.json").len()].map(|size| size.to_string());
    insta::assert_snapshot!(normal::text(&checksums, &[(&sizes[0], "SIZE"), (&sizes[1], "SIZE")]), @r#"
    # CHECKSUMS file written on Sun Nov 22 12:00:00 2026 GMT by CPAN::Checksums (v2.14)
    $cksum = {
      'Acme-Greet-1.0.meta' => {
        'cpan_path' => 'G/GR/GREETER',
        'md5' => 'DIGEST',
        'mtime' => '2026-11-21',
        'sha256' => 'DIGEST',
        'size' => SIZE
      },
      'Acme-Greet-1.0.tar.gz' => {
        'cpan_path' => 'G/GR/GREETER',
        'md5' => 'DIGEST',
        'md5-ungz' => 'DIGEST',
        'mtime' => '2026-11-21',
        'sha256' => 'DIGEST',
        'sha256-ungz' => 'DIGEST',
        'size' => SIZE
      },
      'old' => {
        'isdir' => 1,
        'mtime' => '2026-11-22'
      }
    };
    "#);
    assert_eq!(status(&cpan, "authors/id/N/NO/NOBODY/CHECKSUMS").await, 404);

    let key = PauseKey::new();
    assert!(key.public().contains("BEGIN PGP PUBLIC KEY BLOCK"));
    cpan.sign_with(key);
    let signed = text(&cpan, &format!("{GREETER}/CHECKSUMS")).await;
    let start =
        "0&&<<''; # this PGP-signed message is also valid perl\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n#";
    assert!(signed.starts_with(start), "{signed}");
    assert!(signed.contains("\n};\n__END__\n-----BEGIN PGP SIGNATURE-----\n"), "{signed}");
    assert_eq!(signed, text(&cpan, &format!("{GREETER}/CHECKSUMS")).await, "signed once");

    cpan.checksums_with_code(true);
    assert!(text(&cpan, &format!("{GREETER}/CHECKSUMS")).await.contains("do { print STDERR"));
    cpan.checksums_with_code(false);
    assert!(!text(&cpan, &format!("{GREETER}/CHECKSUMS")).await.contains("do {"));
}

#[tokio::test]
async fn files_are_dated_by_their_upload_and_asked_for_conditionally() {
    let clock = HandClock::new();
    let cpan = SampleMirror::open(&clock).await.cpan;
    let old = ask(&cpan, &format!("authors/id/{GREET_OLD}"), &[]).await;
    assert_eq!(old.header("last-modified"), "Sat, 18 Oct 2025 12:00:00 GMT");
    assert_eq!(old.body, greet("1.0").build().bytes);
    let again = ask(&cpan, &format!("authors/id/{GREET_OLD}"), &[("if-none-match", old.header("etag"))]).await;
    assert_eq!(again.status, 304);
    let meta = text(&cpan, "authors/id/G/GR/GREETER/Acme-Greet-1.0.meta").await;
    assert_eq!(serde_json::from_str::<Value>(&meta).expect("JSON")["name"], "Acme-Greet");
    assert!(text(&cpan, "authors/id/G/GR/GREETER/Acme-Greet-1.0.readme").await.starts_with("Acme-Greet version 1.0"));
    let head = Browser::new().send(Method::HEAD, &format!("{}{PACKAGES}.gz", cpan.root()), &[], None).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.header("content-length").parse::<usize>().expect("a length") > 100);

    let index = ask(&cpan, PACKAGES, &[]).await;
    let date = index.header("last-modified").to_owned();
    assert_eq!(ask(&cpan, PACKAGES, &[("if-modified-since", &date)]).await.status, 304);
    clock.advance(MINUTE);
    cpan.unindex("Acme::Compass");
    assert_eq!(ask(&cpan, PACKAGES, &[("if-modified-since", &date)]).await.status, 200);
}

#[tokio::test]
async fn recent_files_and_find_ls_tell_when_things_happened() {
    let clock = HandClock::new();
    let cpan = SampleMirror::settled(&clock).await.cpan;
    let recent = async |interval: &str| {
        let text = text(&cpan, &format!("authors/RECENT-{interval}.json")).await;
        serde_json::from_str::<Value>(&text).expect("JSON")
    };
    let paths = |document: &Value| -> Vec<String> {
        let entries = document["recent"].as_array().expect("entries").iter();
        entries.map(|entry| format!("{} {}", entry["type"], entry["path"]).replace('"', "")).collect()
    };
    assert_eq!(paths(&recent("1Q").await), Vec::<String>::new());
    let new = cpan.upload(Release::of("GREETER", &greet("1.1")));
    clock.advance(HOUR * 2);
    cpan.delete(GREET_OLD);
    let hour = recent("1h").await;
    assert_eq!(hour["meta"]["interval"], "1h");
    assert_eq!(hour["meta"]["minmax"]["max"], 1_795_356_000.0);
    assert_eq!(
        paths(&hour),
        [
            format!("delete id/{GREET_OLD}"),
            "delete id/G/GR/GREETER/Acme-Greet-1.0.meta".to_owned(),
            "delete id/G/GR/GREETER/Acme-Greet-1.0.readme".to_owned(),
            "new id/G/GR/GREETER/CHECKSUMS".to_owned(),
        ]
    );
    assert_eq!(paths(&recent("6h").await).len(), 7);
    assert!(paths(&recent("6h").await).contains(&format!("new id/{new}")));
    let before = recent("6h").await["meta"]["dirtymark"].clone();
    cpan.change_dirtymark();
    assert_ne!(recent("6h").await["meta"]["dirtymark"], before);
    cpan.serve_recent(false);
    assert_eq!(status(&cpan, "authors/RECENT-1h.json").await, 404);

    cpan.serve_find_ls(Some(FindLs::Compact));
    let list = text(&cpan, "indices/find-ls.gz").await;
    assert!(list.contains("20261122.120000 authors/id/G/GR/GREETER/Acme-Greet-1.1.tar.gz\n"), "{list}");
    cpan.serve_find_ls(Some(FindLs::LikeLs));
    let list = text(&cpan, "indices/find-ls.gz").await;
    assert!(list.contains("Nov 22 12:00 authors/id/G/GR/GREETER/Acme-Greet-1.1.tar.gz\n"), "{list}");
    assert!(list.contains("Nov 18  2023 authors/id/H/HE/HELM/Acme-Compass-1.0.tar.gz\n"), "{list}");
}

#[tokio::test]
async fn whatever_can_go_wrong_goes_wrong_on_order() {
    let clock = HandClock::new();
    let cpan = SampleMirror::open(&clock).await.cpan;
    let path = format!("authors/id/{GREET_NEW}");
    let rows = text(&cpan, PACKAGES).await.lines().count() - 9;
    cpan.set_line_count_wrong(true);
    assert!(text(&cpan, PACKAGES).await.contains(&format!("Line-Count:   {}\n", rows + 1)));
    cpan.set_line_count_wrong(false);
    cpan.truncate_index(true);
    let cut = ask(&cpan, &format!("{PACKAGES}.gz"), &[]).await;
    assert!(!cut.cut, "the transfer itself is whole");
    let read = std::io::copy(&mut flate2::read::GzDecoder::new(&cut.body[..]), &mut std::io::sink());
    assert!(read.is_err());
    cpan.truncate_index(false);

    let promise = text(&cpan, &format!("{GREETER}/CHECKSUMS")).await;
    cpan.tamper(GREET_NEW, &"other bytes".into());
    assert_eq!(ask(&cpan, &path, &[]).await.text(), "other bytes");
    assert_eq!(text(&cpan, &format!("{GREETER}/CHECKSUMS")).await, promise);
    clock.advance(DAY);
    cpan.replace_bytes(GREET_NEW, &"replaced".into());
    assert_eq!(ask(&cpan, &path, &[]).await.header("last-modified"), "Mon, 23 Nov 2026 12:00:00 GMT");
    assert!(text(&cpan, &format!("{GREETER}/CHECKSUMS")).await.contains("'size' => 8\n"));
    cpan.delete(GREET_NEW);
    assert_eq!(status(&cpan, &path).await, 404);
    assert!(!text(&cpan, PACKAGES).await.contains("Acme::Greet "), "an older release does not come back by itself");

    cpan.down();
    assert_eq!(status(&cpan, PACKAGES).await, 0);
    cpan.up();
    cpan.fault("CHECKSUMS", Fault::Garbage);
    assert!(text(&cpan, &format!("{GREETER}/CHECKSUMS")).await.contains("garbage"));
}

#[tokio::test]
async fn a_dark_pan_has_an_index_and_tarballs_and_little_else() {
    let dark = SampleMirror::open(&HandClock::new()).await.dark;
    for path in
        [format!("{PACKAGES}.gz"), format!("authors/id/{CORP_PRIVATE}"), "authors/id/C/CO/CORP/CHECKSUMS".into()]
    {
        assert_eq!(status(&dark, &path).await, 200, "{path}");
    }
    let meta = CORP_PRIVATE.replace(".tar.gz", ".meta");
    for path in [format!("authors/id/{meta}"), "modules/06perms.txt.gz".into(), "authors/RECENT-1h.json".into()] {
        assert_eq!(status(&dark, &path).await, 404, "{path}");
    }
}
