//! SECURITY.md names the test behind each sentence; a name that no test has any more is a sentence that nothing shows.

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_test_that_the_security_page_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("SECURITY.md")).expect("SECURITY.md");
    let quoted = page.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> = quoted.filter(|word| word.matches('_').count() >= 3 && !word.contains(' ')).collect();
    assert!(named.len() > 40, "{} tests are named", named.len());
    let mut tests = String::new();
    for folder in ["src", "tests"] {
        read_all(&root.join(folder), &mut tests);
    }
    let missing: Vec<&&str> = named.iter().filter(|name| !tests.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "SECURITY.md names what is no test: {missing:#?}");
}

fn read_all(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read_all(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a source file"));
        }
    }
}
