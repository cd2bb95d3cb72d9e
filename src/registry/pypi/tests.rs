//! Pages as strangers write them, as we write them, and there and back.

use proptest::prelude::*;
use url::Url;

use crate::domain::{CoreMetadata, FileName, ListedFile, Listing, ProjectName, ProjectStatus, Sha256, Version, Yanked};
use crate::registry::ReadError;

use super::read_listing;
use super::render::{Page, PageFile, file_url, write_html, write_json};

const JSON: &str = "application/vnd.pypi.simple.v1+json";
const HTML: &str = "text/html; charset=utf-8";

fn sample() -> ProjectName {
    ProjectName::pypi("sample").unwrap()
}

fn read(content_type: &str, body: &[u8]) -> Result<Listing, ReadError> {
    let page = Url::parse("https://reader:secret@index.example.test/simple/sample/").unwrap();
    read_listing(content_type, body, &page, &sample())
}

/// What a listing says, a line a fact.
fn told(listing: &Listing) -> String {
    let files = listing.files.iter().map(|file| {
        format!(
            "{} {} {:?} {}\n  {} size {:?} at {:?} python {:?} {:?} {:?} gpg {:?} provenance {:?}",
            file.filename,
            file.version,
            file.kind,
            file.url,
            file.promise.as_ref().map_or("no promise".to_owned(), |promise| promise.to_string()[..12].to_owned()),
            file.size,
            file.uploaded,
            file.requires_python,
            file.yanked,
            file.core_metadata,
            file.gpg_signature,
            file.provenance,
        )
    });
    let hidden = listing.hidden.iter().map(|hidden| format!("hidden {:?}: {}", hidden.name, hidden.why));
    let about = format!(
        "{:?} serial {:?} tracks {:?} also at {:?}",
        listing.status, listing.serial, listing.tracks, listing.alternate_locations
    );
    files.chain(hidden).chain([about]).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_rich_page_is_read_whole() {
    let json = read(JSON, include_bytes!("../../../testdata/pypi/rich.json")).unwrap();
    insta::assert_snapshot!(told(&json), @r#"
    sample-1.0-py3-none-any.whl 1.0 Wheel https://files.example.test/packages/aa/sample-1.0-py3-none-any.whl
      sha256:11111 size Some(1234) at Some("2024-02-03T04:05:06.789012Z") python Some(">=3.8,<4") Because("breaks \"everything\" </a>") Digest(Sha256(2222222222222222222222222222222222222222222222222222222222222222)) gpg Some(false) provenance Some("https://index.example.test/integrity/sample/1.0/sample-1.0-py3-none-any.whl/provenance")
    sample-1.1.tar.gz 1.1 Source https://index.example.test/packages/bb/sample-1.1.tar.gz
      blake2b_256: size Some(42) at Some("2024-03-03T04:05:06Z") python None No Yes gpg None provenance None
    sample-2.0rc1-1-cp312-cp312-manylinux_2_17_x86_64.whl 2.0rc1 Wheel https://index.example.test/packages/cc/sample-2.0rc1-1-cp312-cp312-manylinux_2_17_x86_64.whl
      no promise size None at None python None Yes No gpg Some(true) provenance None
    ProjectStatus { status: "archived", reason: Some("replaced by <b>other</b>") } serial Some("24680") tracks ["https://tracked.example.test/simple/sample/"] also at ["https://index.example.test/simple/sample/", "https://other.example.test/simple/sample/"]
    "#);
}

#[test]
fn a_rich_html_page_says_almost_the_same() {
    let html = read(HTML, include_bytes!("../../../testdata/pypi/rich.html")).unwrap();
    insta::assert_snapshot!(told(&html), @r#"
    sample-1.0-py3-none-any.whl 1.0 Wheel https://files.example.test/packages/aa/sample-1.0-py3-none-any.whl
      sha256:11111 size None at None python Some(">=3.8,<4") Because("breaks \"everything\" </a>") Digest(Sha256(2222222222222222222222222222222222222222222222222222222222222222)) gpg Some(false) provenance Some("https://index.example.test/integrity/sample/1.0/sample-1.0-py3-none-any.whl/provenance")
    sample-1.1.tar.gz 1.1 Source https://files.example.test/packages/bb/sample-1.1.tar.gz?download=1
      md5:00000000 size None at None python None No Yes gpg None provenance None
    sample-2.0rc1-1-cp312-cp312-manylinux_2_17_x86_64.whl 2.0rc1 Wheel https://index.example.test/packages/cc/sample-2.0rc1-1-cp312-cp312-manylinux_2_17_x86_64.whl
      no promise size None at None python None Yes No gpg Some(true) provenance None
    ProjectStatus { status: "archived", reason: Some("replaced by <b>other</b>") } serial Some("24680") tracks ["https://tracked.example.test/simple/sample/"] also at ["https://index.example.test/simple/sample/", "https://other.example.test/simple/sample/"]
    "#);
}

#[test]
fn a_poor_page_is_enough() {
    let json = read("", include_bytes!("../../../testdata/pypi/poor.json")).unwrap();
    let html = read("text/html", include_bytes!("../../../testdata/pypi/poor.html")).unwrap();
    insta::assert_snapshot!([told(&json), told(&html)].join("\n\n"), @r#"
    sample-1.0.tar.gz 1.0 Source https://files.example.test/sample-1.0.tar.gz
      sha256:11111 size Some(10) at Some("2024-02-03T04:05:06Z") python None No No gpg None provenance None
    ProjectStatus { status: "", reason: None } serial Some("13579") tracks [] also at []

    sample-1.0.tar.gz 1.0 Source https://index.example.test/files/sample-1.0.tar.gz
      sha256:11111 size None at None python None No No gpg None provenance None
    ProjectStatus { status: "", reason: None } serial None tracks [] also at []
    "#);
}

#[test]
fn hostile_files_are_hidden_one_by_one() {
    let json = read(JSON, include_bytes!("../../../testdata/pypi/hostile.json")).unwrap();
    insta::assert_snapshot!(told(&json), @r#"
    sample-1.0.zip 1.0 Source https://files.example.test/sample-1.0.zip
      no promise size None at None python None No No gpg None provenance None
    sample-1.8.zip 1.8 Source https://files.example.test/sample-1.8.zip
      no promise size None at None python None Because("bell") No gpg None provenance None
    sample-2.0.zip 2.0 Source https://files.example.test/sample-2.0.zip
      no promise size None at None python None No No gpg None provenance None
    hidden "sample-1.0.zip": the page lists this name before: only the first one counts
    hidden "../sample-1.1.zip": its name is not a plain file name
    hidden "sample-1.2.zip  X-Header: 1": its name is not a plain file name
    hidden "simple-1.3.zip": its name says another project
    hidden "sample-latest.zip": its name does not say a valid version
    hidden "sample-1.4.html": its name does not end like a package file's
    hidden "sample-1.5.zip": its address is not an http or https URL
    hidden "sample-1.6.zip": its address has a control character
    hidden "sample-1.7.zip": its Requires-Python has a control character
    hidden "sample-1.9.zip": its address is not an http or https URL
    hidden "": its name is not a plain file name
    ProjectStatus { status: "quarantined", reason: None } serial None tracks [] also at []
    "#);
}

#[test]
fn hostile_html_is_read_like_a_browser_would() {
    let html = read(HTML, include_bytes!("../../../testdata/pypi/hostile.html")).unwrap();
    insta::assert_snapshot!(told(&html), @r#"
    sample-1.0.zip 1.0 Source https://index.example.test/simple/sample/sample-1.0.zip
      no promise size None at None python None No No gpg None provenance None
    sample-1.10.zip 1.10 Source https://index.example.test/simple/sample/sample-1.10.zip
      sha256:11111 size None at None python None No No gpg None provenance None
    sample-1.8.zip 1.8 Source https://index.example.test/simple/sample/sample-1.8.zip
      no promise size None at None python None No No gpg None provenance None
    sample-1.9.zip 1.9 Source https://index.example.test/simple/sample/sample-1.9.zip
      no promise size None at None python None Because("\"><script>alert(1)</script>") No gpg None provenance None
    hidden "javascript:sample-1.2.zip": its name is not a plain file name
    hidden "html,sample-1.3.zip": its name says another project
    hidden "sample-1.4.zip": its Requires-Python has a control character
    hidden "sample/1.5.zip": its name is not a plain file name
    hidden "[::sample-1.6.zip": its name is not a plain file name
    ProjectStatus { status: "", reason: None } serial None tracks [] also at []
    "#);
}

#[test]
fn what_is_no_page_of_this_project_is_an_error() {
    let refused = |content_type, body: &str| read(content_type, body.as_bytes()).unwrap_err().to_string();
    let messages = [
        refused(JSON, r#"{"meta":{"api-version":"2.0"},"files":[]}"#),
        refused("application/vnd.pypi.simple.v2+json", "{}"),
        refused(HTML, r#"<meta name="pypi:repository-version" content="2.0">"#),
        refused(JSON, r#"{"meta":{"api-version":"1.0"},"name":"other","files":[]}"#),
        refused(JSON, r#"{"message":"try later"}"#),
        refused(JSON, r#"{"files":[]"#),
        refused(HTML, "<a href=/help>help</a><form><input type=password></form>"),
        refused("", "not found"),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
    the index speaks Simple API version "2.0", this lazaret reads 1.x: use a newer lazaret
    the index speaks Simple API version "v2+json", this lazaret reads 1.x: use a newer lazaret
    the index speaks Simple API version "2.0", this lazaret reads 1.x: use a newer lazaret
    the page is about "other", another project: check the address of the index
    the index did not answer with the expected JSON (missing field `files` at line 1 column 23): open the address, it may be an error page
    the index did not answer with the expected JSON (EOF while parsing an object at line 1 column 11): open the address, it may be an error page
    the index did not answer with an index page: open the address, it may be a login or error page
    the index did not answer with an index page: open the address, it may be a login or error page
    "#);
    assert!(read(HTML, b"<html><body><form><input type=submit></form></body></html>").unwrap().files.is_empty());
}

#[test]
fn too_many_files_are_refused_while_reading() {
    let many = format!(r#"{{"files":[{}{{}}]}}"#, "{},".repeat(super::MOST_FILES));
    assert!(read(JSON, many.as_bytes()).is_err());
    let many = "<a href=a.zip>".repeat(super::MOST_FILES + 1);
    assert!(matches!(read(HTML, many.as_bytes()), Err(ReadError::TooLarge { .. })));
}

fn listed(name: &str) -> ListedFile {
    let filename = FileName::parse(name).unwrap();
    let (version, kind) = super::file_name::parse(&sample(), &filename).unwrap();
    ListedFile {
        url: file_url(&sample(), &Sha256::of(name.as_bytes()), &filename).into(),
        promise: None,
        size: Some(1),
        uploaded: None,
        requires_python: None,
        yanked: Yanked::No,
        core_metadata: CoreMetadata::No,
        gpg_signature: None,
        provenance: None,
        provides: Vec::new(),
        filename,
        version,
        kind,
    }
}

fn page<'a>(project: &'a ProjectName, files: &'a [ListedFile], status: &'a ProjectStatus) -> Page<'a> {
    let mut versions: Vec<&Version> = files.iter().map(|file| &file.version).collect();
    versions.dedup();
    let shown = |file: &'a ListedFile| PageFile {
        file,
        sha256: Sha256::of(file.filename.as_str().as_bytes()),
        yanked: file.yanked.clone(),
        core_metadata: file.core_metadata,
        provenance: file.provenance.as_deref().map(str::to_owned),
    };
    Page { project, files: files.iter().map(shown).collect(), versions, status, serial: Some("77") }
}

fn evil_files() -> Vec<ListedFile> {
    let mut one = listed("sample-1.0+cpu.1-py3-none-any.whl");
    one.requires_python = Some(">=3.8, '<4'\n\"".into());
    one.yanked = Yanked::Because("held </a><script>alert('&')</script>\r\nSet-Cookie: \"x\" \u{2028}é".into());
    one.core_metadata = CoreMetadata::Digest(Sha256::from_bytes([0x22; 32]));
    one.uploaded = Some("2024-02-03T04:05:06.789012Z".into());
    let mut two = listed("sample-1.1.tar.gz");
    two.size = None;
    two.yanked = Yanked::Yes;
    two.core_metadata = CoreMetadata::Yes;
    two.provenance = Some("https://proxy.example.test/pypi/files/x.provenance?a=1&b=\"".into());
    vec![one, two, listed("sample-1.2.zip")]
}

#[test]
fn json_is_escaped() {
    let (project, files) = (sample(), evil_files());
    let status = ProjectStatus { status: "archived".into(), reason: Some("a \"b\"\n".into()) };
    let json = write_json(&page(&project, &files, &status));
    insta::assert_snapshot!(String::from_utf8(json).unwrap().replace("},{", "},\n{").replace(":[{", ":[\n{"), @r#"
    {"meta":{"api-version":"1.4","_last-serial":77},"name":"sample","project-status":{"status":"archived","reason":"a \"b\" "},"versions":["1.0+cpu.1","1.1","1.2"],"files":[
    {"filename":"sample-1.0+cpu.1-py3-none-any.whl","url":"../../files/sample/7b5b0a51e023d2ef54a0b40979c1f412a7f95e4fc895abde2f14d76d06f33986/sample-1.0+cpu.1-py3-none-any.whl","hashes":{"sha256":"7b5b0a51e023d2ef54a0b40979c1f412a7f95e4fc895abde2f14d76d06f33986"},"size":1,"requires-python":">=3.8, '<4' \"","yanked":"held </a><script>alert('&')</script>  Set-Cookie: \"x\"  é","upload-time":"2024-02-03T04:05:06.789012Z","core-metadata":{"sha256":"2222222222222222222222222222222222222222222222222222222222222222"},"data-dist-info-metadata":{"sha256":"2222222222222222222222222222222222222222222222222222222222222222"}},
    {"filename":"sample-1.1.tar.gz","url":"../../files/sample/ea8543e2340212a965bdeddc4dd3c0c7cc011824aeec044d88ed43358a07d6af/sample-1.1.tar.gz","hashes":{"sha256":"ea8543e2340212a965bdeddc4dd3c0c7cc011824aeec044d88ed43358a07d6af"},"size":0,"yanked":true,"core-metadata":true,"data-dist-info-metadata":true,"provenance":"https://proxy.example.test/pypi/files/x.provenance?a=1&b=\""},
    {"filename":"sample-1.2.zip","url":"../../files/sample/28711f318f168c894b7ff1330c13991c73a6154328f98a8096ff07ca44b58316/sample-1.2.zip","hashes":{"sha256":"28711f318f168c894b7ff1330c13991c73a6154328f98a8096ff07ca44b58316"},"size":1,"yanked":false}]}
    "#);
}

#[test]
fn html_is_escaped() {
    let (project, files) = (sample(), evil_files());
    let status = ProjectStatus { status: "archived".into(), reason: Some("a \"b\"\n<".into()) };
    let html = write_html(&page(&project, &files, &status));
    insta::assert_snapshot!(String::from_utf8(html).unwrap(), @r#"
    <!DOCTYPE html>
    <html>
      <head>
        <meta charset="utf-8">
        <meta name="pypi:repository-version" content="1.4">
        <meta name="pypi:project-status" content="archived">
        <meta name="pypi:project-status-reason" content="a &quot;b&quot; &lt;">
        <title>Links for sample</title>
      </head>
      <body>
        <h1>Links for sample</h1>
        <a href="../../files/sample/7b5b0a51e023d2ef54a0b40979c1f412a7f95e4fc895abde2f14d76d06f33986/sample-1.0+cpu.1-py3-none-any.whl#sha256=7b5b0a51e023d2ef54a0b40979c1f412a7f95e4fc895abde2f14d76d06f33986" data-requires-python="&gt;=3.8, &#39;&lt;4&#39; &quot;" data-yanked="held &lt;/a&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;  Set-Cookie: &quot;x&quot;  é" data-core-metadata="sha256=2222222222222222222222222222222222222222222222222222222222222222" data-dist-info-metadata="sha256=2222222222222222222222222222222222222222222222222222222222222222">sample-1.0+cpu.1-py3-none-any.whl</a><br>
        <a href="../../files/sample/ea8543e2340212a965bdeddc4dd3c0c7cc011824aeec044d88ed43358a07d6af/sample-1.1.tar.gz#sha256=ea8543e2340212a965bdeddc4dd3c0c7cc011824aeec044d88ed43358a07d6af" data-yanked="" data-core-metadata="true" data-dist-info-metadata="true" data-provenance="https://proxy.example.test/pypi/files/x.provenance?a=1&amp;b=&quot;">sample-1.1.tar.gz</a><br>
        <a href="../../files/sample/28711f318f168c894b7ff1330c13991c73a6154328f98a8096ff07ca44b58316/sample-1.2.zip#sha256=28711f318f168c894b7ff1330c13991c73a6154328f98a8096ff07ca44b58316">sample-1.2.zip</a><br>
      </body>
    </html>
    <!--SERIAL 77-->
    "#);
}

#[test]
fn an_empty_page_is_a_page() {
    let (project, status) = (sample(), ProjectStatus::default());
    let mut empty = page(&project, &[], &status);
    empty.serial = Some("--><script>");
    let json = write_json(&empty);
    insta::assert_snapshot!(String::from_utf8_lossy(&json), @r#"
    {"meta":{"api-version":"1.4","_last-serial":"--><script>"},"name":"sample","versions":[],"files":[]}
    "#);
    assert!(read(JSON, &json).unwrap().files.is_empty());
    let html = write_html(&empty);
    assert!(!String::from_utf8_lossy(&html).contains("script"));
    assert!(read(HTML, &html).unwrap().files.is_empty());
}

#[test]
fn addresses_keep_odd_names_whole() {
    let name = FileName::parse("sample-1.0+x[1]^{2}$!~@,;=.zip").unwrap();
    let address = file_url(&sample(), &Sha256::from_bytes([0; 32]), &name);
    assert_eq!(address, format!("../../files/sample/{}/sample-1.0+x%5B1%5D%5E%7B2%7D$!~@,;=.zip", "0".repeat(64)));
    let base = Url::parse("https://proxy.example.test/pypi/simple/sample/").unwrap();
    assert!(base.join(&address).unwrap().path().starts_with("/pypi/files/sample/0000"));
}

/// boto3 has 4,312 files.
#[test]
fn a_page_of_4312_files_goes_there_and_back() {
    let files: Vec<ListedFile> = (0..4_312)
        .map(|number| {
            let mut file = listed(&format!("sample-1.{}.{}-py3-none-any.whl", number / 50, number % 50));
            file.uploaded = Some("2024-02-03T04:05:06.789012Z".into());
            file.requires_python = Some(">= 3.9".into());
            file
        })
        .collect();
    let (project, status) = (sample(), ProjectStatus::default());
    let body = write_json(&page(&project, &files, &status));
    let back = read(JSON, &body).unwrap();
    assert_eq!((back.files.len(), back.hidden.len()), (4_312, 0));
    assert!(
        back.files
            .iter()
            .zip(&files)
            .all(|(back, file)| back.filename == file.filename && back.version == file.version)
    );
    assert!(body.len() < 2_500_000, "{}", body.len());
}

/// A file that a page could list: any text without control characters, any mix of facts.
fn any_file() -> impl Strategy<Value = ListedFile> {
    let text = || "[ -~é\u{202e}]{1,30}";
    let yanked = prop_oneof![Just(Yanked::No), Just(Yanked::Yes), text().prop_map(|text| Yanked::Because(text.into()))];
    let core_metadata = prop_oneof![
        Just(CoreMetadata::No),
        Just(CoreMetadata::Yes),
        any::<[u8; 32]>().prop_map(|bytes| CoreMetadata::Digest(Sha256::from_bytes(bytes)))
    ];
    let name = prop_oneof![
        "sample-[0-9]{1,3}\\.[0-9]\\.tar\\.gz",
        "Sample-[0-9]{1,3}rc1(-1)?-py3-none-any\\.whl",
        "sample-[0-9]{1,3}\\+[a-z]{1,4}\\.zip",
        "sample-[0-9]{1,3}-py2\\.7\\.egg",
    ];
    let time = proptest::option::of("20[0-9]{2}-0[1-9]-1[0-9]T0[0-9]:0[0-9]:0[0-9](\\.[0-9]{1,6})?Z");
    let provenance = proptest::option::of("https://example\\.test/[a-z&\"<>']{0,10}");
    (name, any::<u64>(), time, proptest::option::of(text()), yanked, core_metadata, provenance).prop_map(
        |(name, size, uploaded, requires_python, yanked, core_metadata, provenance)| ListedFile {
            size: Some(size),
            uploaded: uploaded.map(Into::into),
            requires_python: requires_python.map(Into::into),
            yanked,
            core_metadata,
            provenance: provenance.map(Into::into),
            ..listed(&name)
        },
    )
}

/// Pieces of which addresses are made, plain ones and others.
fn any_address() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        Just(""),
        Just("/"),
        Just("//"),
        Just("https://index.example.test"),
        Just("https://files.example.test"),
        Just("https://files.example.test:8080"),
        Just("https://files.example.test.evil.test"),
        Just("http://index.example.test"),
        Just("HTTPS://files.example.test"),
        Just("https://user@files.example.test"),
    ];
    let piece = prop_oneof![
        Just("/"),
        Just("a-b_c.whl"),
        Just("A+1"),
        Just("."),
        Just(".."),
        Just("/.."),
        Just("/./"),
        Just("//"),
        Just("%2e%2e"),
        Just("?q"),
        Just("#sha256=1"),
        Just("@"),
        Just(":"),
        Just("\\"),
        Just("\u{fc}"),
        Just(" "),
    ];
    (start, proptest::collection::vec(piece, 0..5)).prop_map(|(start, pieces)| start.to_owned() + &pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_we_write_says_what_we_know(
        files in proptest::collection::vec(any_file(), 0..12), archived in any::<bool>(), reason in proptest::option::of("[!-~]{1,20}")
    ) {
        let mut files = files;
        files.sort_by(|one, other| one.filename.cmp(&other.filename));
        files.dedup_by(|one, other| one.filename == other.filename);
        let status = if archived {
            ProjectStatus { status: "archived".into(), reason: reason.map(Into::into) }
        } else {
            ProjectStatus::default()
        };
        let project = sample();
        let page = page(&project, &files, &status);
        let json = read(JSON, &write_json(&page)).unwrap();
        let html = read(HTML, &write_html(&page)).unwrap();

        prop_assert_eq!(&json.hidden, &[]);
        prop_assert_eq!(&json.status, &status);
        prop_assert_eq!(json.serial.as_deref(), Some("77"));
        let expected: Vec<ListedFile> = files
            .iter()
            .map(|file| ListedFile {
                promise: Some(Sha256::of(file.filename.as_str().as_bytes()).into()),
                url: format!("https://index.example.test/{}", file.url.trim_start_matches("../")).into(),
                ..file.clone()
            })
            .collect();
        prop_assert_eq!(&json.files, &expected);

        // HTML has no place for these two.
        let mut without = json;
        for file in &mut without.files {
            file.size = None;
            file.uploaded = None;
        }
        prop_assert_eq!(html, without);
    }

    #[test]
    fn no_page_panics(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        html in r#"(<a |href=|data-yanked|sample-1\.0\.zip|<base |<meta name="pypi:tracks" |content=|["'<>&#=/]|&#10;|&quot;|[a-z]){0,60}"#,
        cut in 0..1_000_usize, byte in any::<u8>(),
    ) {
        for content_type in [JSON, HTML, ""] {
            let _ = read(content_type, &bytes);
        }
        let _ = read(HTML, html.as_bytes());
        for good in [&include_bytes!("../../../testdata/pypi/rich.json")[..], include_bytes!("../../../testdata/pypi/hostile.html")] {
            let mut page = good.to_vec();
            let at = cut.min(page.len() - 1);
            let _ = read("", &page[..at]);
            page[at] = byte;
            let _ = read("", &page);
        }
    }

    /// The short way of reading an address gives what the long way gives.
    #[test]
    fn every_address_is_what_a_url_parser_makes_of_it(addresses in proptest::collection::vec(any_address(), 1..8)) {
        let page = Url::parse("https://reader:secret@index.example.test/simple/sample/").unwrap();
        let files: Vec<String> = addresses
            .iter()
            .enumerate()
            .map(|(number, address)| {
                let address = serde_json::to_string(address).unwrap();
                format!(r#"{{"filename":"sample-1.{number}.tar.gz","url":{address}}}"#)
            })
            .collect();
        let body = format!(r#"{{"meta":{{"api-version":"1.0"}},"name":"sample","files":[{}]}}"#, files.join(","));
        let listing = read(JSON, body.as_bytes()).unwrap();
        for file in &listing.files {
            let number: usize = file.version.as_str()[2..].parse().unwrap();
            let mut url = page.join(addresses[number].trim_ascii()).unwrap();
            url.set_username("").unwrap();
            url.set_password(None).unwrap();
            url.set_fragment(None);
            prop_assert_eq!(&*file.url, url.as_str());
        }
    }
}
