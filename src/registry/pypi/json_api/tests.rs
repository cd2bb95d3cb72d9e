//! Documents rewritten, read for facts, and made.

use proptest::prelude::*;

use super::*;
use crate::domain::CoreMetadata;

const DOCUMENT: &[u8] = include_bytes!("../../../../testdata/pypi/document.json");

fn version(raw: &str) -> Version {
    Version::pypi(raw).unwrap()
}

#[test]
fn a_document_of_many_accounts_and_weaknesses_says_no_more_than_an_ordinary_one() {
    let long = "x".repeat(5_000);
    let role = |number: usize| {
        let role = if number == 900 { "Owner" } else { "Maintainer" };
        serde_json::json!({"role": role, "user": format!("u{number}{long}")})
    };
    let weakness = serde_json::json!({
        "id": "CVE-1", "summary": long, "aliases": vec!["CVE-2"; 5_000], "fixed_in": vec!["1.0"; 5_000],
    });
    let document = serde_json::json!({
        "info": {"version": "1.0"},
        "ownership": {"roles": (0..1_000).map(role).collect::<Vec<_>>()},
        "vulnerabilities": vec![weakness; 500],
    });
    let told = facts(document.to_string().as_bytes()).unwrap();
    let roles = told.roles.as_ref().unwrap();
    assert_eq!((roles.len(), &*roles[0].role), (MOST_ROLES, "Owner"), "owners are not pushed out");
    assert!(serde_json::to_vec(&told).unwrap().len() < 128 << 10);
}

#[test]
fn files_that_are_not_kept_leave_and_the_rest_stays() {
    let keep = |filename: &FileName, sha256: Option<Sha256>| {
        assert!(sha256.is_some());
        (filename.as_str() == "sample-1.0.zip").then(|| "../../files/\"1.0\"".to_owned())
    };
    let outcome = rewrite(DOCUMENT, &keep, Some(&version("1.0"))).unwrap();
    assert!(!outcome.newest_matches);
    let document: serde_json::Value = serde_json::from_slice(&outcome.body).unwrap();
    insta::assert_json_snapshot!(document, @r#"
    {
      "info": {
        "description": "url: \"releases\"",
        "home_page": "",
        "name": "Sample",
        "project_urls": {
          "Homepage": "https://sample.example.test/",
          "Source": "https://code.example.test/sample"
        },
        "requires_dist": [
          "child==2.0",
          "loose>1"
        ],
        "summary": "A sample",
        "version": "2.0"
      },
      "last_serial": 24680,
      "ownership": {
        "organization": null,
        "roles": [
          {
            "role": "Owner",
            "user": "ada"
          },
          {
            "role": "Maintainer",
            "user": "rob"
          },
          {
            "role": "Owner"
          }
        ]
      },
      "releases": {
        "1.0": [
          {
            "digests": {
              "md5": "x",
              "sha256": "1111111111111111111111111111111111111111111111111111111111111111"
            },
            "filename": "sample-1.0.zip",
            "url": "../../files/\"1.0\"",
            "yanked": false
          }
        ]
      },
      "urls": [],
      "vulnerabilities": [
        {
          "fixed_in": [
            "2.0"
          ],
          "id": "EXAMPLE-1"
        }
      ]
    }
    "#);
}

#[test]
fn the_newest_version_is_recognised() {
    let all = |filename: &FileName, _: Option<Sha256>| Some(filename.to_string());
    assert!(rewrite(DOCUMENT, &all, Some(&version("2.0.0"))).unwrap().newest_matches);
    assert!(!rewrite(DOCUMENT, &all, None).unwrap().newest_matches);
}

#[test]
fn facts_know_what_is_unknown() {
    insta::assert_json_snapshot!(facts(DOCUMENT).unwrap(), @r#"
    {
      "version": "2.0",
      "requires_dist": [
        "child==2.0",
        "loose>1"
      ],
      "summary": "A sample",
      "home_page": null,
      "project_urls": [
        [
          "Homepage",
          "https://sample.example.test/"
        ],
        [
          "Source",
          "https://code.example.test/sample"
        ]
      ],
      "author": null,
      "author_email": null,
      "maintainer": null,
      "maintainer_email": null,
      "organization": null,
      "roles": [
        {
          "role": "Owner",
          "user": "ada"
        },
        {
          "role": "Maintainer",
          "user": "rob"
        }
      ],
      "vulnerabilities": [
        {
          "id": "EXAMPLE-1",
          "aliases": [],
          "summary": "",
          "fixed_in": [
            "2.0"
          ]
        }
      ]
    }
    "#);
    let owned = facts(br#"{"info": {}, "ownership": {"organization": "acme", "roles": []}}"#).unwrap();
    assert_eq!((owned.organization.as_deref(), owned.roles), (Some("acme"), None));
    assert_eq!(facts(br#"{"info": {}, "ownership": null}"#).unwrap(), ProjectFacts::default());
}

#[test]
fn what_readers_could_disagree_about_is_refused() {
    let keep = |_: &FileName, _: Option<Sha256>| None;
    let refused = |body: &str| rewrite(body.as_bytes(), &keep, None).is_err();
    assert!(refused(r#"{"info": {}, "urls": [], "urls": [1]}"#));
    assert!(refused(r#"{"info": {}, "urls": [{"url": 1, "url": 2}]}"#));
    assert!(refused(r#"{"message": "no such project"}"#));
    assert!(refused(r#"{"info": {}, "urls": {"a": 1}}"#));
    assert!(!refused(r#"{"info": {}, "urls": null, "releases": null}"#));
}

#[test]
fn a_document_can_be_made_from_what_we_know() {
    let project = ProjectName::pypi("sample").unwrap();
    let listed = ListedFile {
        filename: FileName::parse("sample-1.0.zip").unwrap(),
        version: version("1.0"),
        kind: FileKind::Source,
        url: "https://files.example.test/sample-1.0.zip".into(),
        promise: None,
        size: Some(7),
        uploaded: Some("2024-02-03T04:05:06Z".into()),
        requires_python: None,
        yanked: Yanked::No,
        core_metadata: CoreMetadata::No,
        gpg_signature: None,
        provenance: None,
        provides: Vec::new(),
    };
    let shown = PageFile {
        file: &listed,
        sha256: Sha256::from_bytes([0x11; 32]),
        yanked: Yanked::Because("held".into()),
        core_metadata: CoreMetadata::No,
        provenance: None,
    };
    let metadata = Metadata { name: "Sample".into(), requires_dist: vec!["child".into()], ..Metadata::default() };
    let url_of = |file: &ListedFile, _: &Sha256| format!("../../files/{}", file.filename);
    let body = synthesise(&project, &version("1.0"), Some(&metadata), &[shown], &url_of);
    assert_eq!(facts(&body).unwrap().requires_dist, ["child"]);
    insta::assert_json_snapshot!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), @r#"
    {
      "info": {
        "author": null,
        "author_email": null,
        "dynamic": null,
        "home_page": null,
        "maintainer": null,
        "maintainer_email": null,
        "name": "Sample",
        "project_urls": null,
        "requires_dist": [
          "child"
        ],
        "requires_python": null,
        "summary": null,
        "version": "1.0",
        "yanked": true,
        "yanked_reason": "held"
      },
      "last_serial": 0,
      "releases": {
        "1.0": [
          {
            "digests": {
              "sha256": "1111111111111111111111111111111111111111111111111111111111111111"
            },
            "filename": "sample-1.0.zip",
            "packagetype": "sdist",
            "requires_python": null,
            "size": 7,
            "upload_time_iso_8601": "2024-02-03T04:05:06Z",
            "url": "../../files/sample-1.0.zip",
            "yanked": true,
            "yanked_reason": "held"
          }
        ]
      },
      "urls": [
        {
          "digests": {
            "sha256": "1111111111111111111111111111111111111111111111111111111111111111"
          },
          "filename": "sample-1.0.zip",
          "packagetype": "sdist",
          "requires_python": null,
          "size": 7,
          "upload_time_iso_8601": "2024-02-03T04:05:06Z",
          "url": "../../files/sample-1.0.zip",
          "yanked": true,
          "yanked_reason": "held"
        }
      ],
      "vulnerabilities": []
    }
    "#);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_panics(cut in 0..DOCUMENT.len(), byte in any::<u8>()) {
        let mut body = DOCUMENT.to_vec();
        body[cut] = byte;
        let keep = |filename: &FileName, _: Option<Sha256>| Some(filename.to_string());
        if let Ok(outcome) = rewrite(&body, &keep, None) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&outcome.body).is_ok());
        }
        let _ = facts(&body);
        let _ = rewrite(&body[..cut], &keep, None);
    }
}
