//! How the fake index writes its pages: JSON and HTML, rich or poor.

use lazaret::domain::Timestamp;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::fake_pypi::{FakeFile, FakeProject, Manner};
use super::wheels::Built;

/// RFC 3339, as an index writes upload times.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.format(&Rfc3339).expect("a time that can be written")
}

/// The page in JSON (PEP 691).
pub(crate) fn json(name: &str, project: &FakeProject, manner: Manner, base: &str) -> String {
    let mut versions: Vec<&str> = Vec::new();
    for file in &project.files {
        if !versions.contains(&file.version.as_str()) {
            versions.push(&file.version);
        }
    }
    let files: Vec<Value> = project.files.iter().map(|file| json_file(name, file, manner, base)).collect();
    let meta = match manner {
        Manner::Rich => json!({"api-version": "1.4", "_last-serial": project.serial}),
        // What stands between the build machines and PyPI writes the serial as text.
        Manner::Poor | Manner::HtmlOnly => json!({"api-version": "1.1", "_last-serial": project.serial.to_string()}),
    };
    let mut page = json!({"meta": meta, "name": name, "versions": versions, "files": files});
    if let Some((status, reason)) = &project.status {
        page["project-status"] = json!({"status": status, "reason": reason});
    }
    if !project.tracks.is_empty() {
        page["meta"]["tracks"] = json!(project.tracks);
    }
    page.to_string()
}

fn json_file(name: &str, file: &FakeFile, manner: Manner, base: &str) -> Value {
    let mut entry = json!({
        "filename": file.built.filename,
        "url": file.url(name, base),
        "hashes": {},
        "requires-python": file.requires_python,
        "yanked": file.yanked.as_ref().map_or(json!(false), |reason| json!(reason)),
    });
    if let Some((algorithm, digest)) = &file.digest {
        entry["hashes"][algorithm] = json!(digest);
    }
    if file.sized {
        entry["size"] = json!(file.listed_size);
    }
    if let Some(uploaded) = &file.uploaded {
        entry["upload-time"] = json!(uploaded);
    }
    if manner == Manner::Rich
        && let Some(digest) = file.metadata_digest()
    {
        entry["core-metadata"] = json!({"sha256": digest.to_string()});
        entry["data-dist-info-metadata"] = json!({"sha256": digest.to_string()});
    }
    if manner == Manner::Rich {
        entry["provenance"] = json!(file.provenance);
    }
    entry
}

/// The page in HTML (PEP 503), which has no upload times.
pub(crate) fn html(name: &str, project: &FakeProject, manner: Manner, base: &str) -> String {
    let mut page = String::from("<!DOCTYPE html>\n<html><head>");
    if manner == Manner::Rich {
        page.push_str("<meta name=\"pypi:repository-version\" content=\"1.4\">");
    }
    page.push_str(&format!("<title>Links for {name}</title></head><body>\n"));
    for file in &project.files {
        let fragment = file.digest.as_ref().map(|(name, hex)| format!("#{name}={hex}")).unwrap_or_default();
        let yanked =
            file.yanked.as_ref().map(|reason| format!(" data-yanked=\"{}\"", escape(reason))).unwrap_or_default();
        let requires = file.requires_python.as_ref();
        let requires = requires.map(|text| format!(" data-requires-python=\"{}\"", escape(text))).unwrap_or_default();
        let metadata = match file.metadata_digest() {
            Some(digest) if manner == Manner::Rich => format!(" data-core-metadata=\"sha256={digest}\""),
            _ => String::new(),
        };
        let (url, filename) = (file.url(name, base), &file.built.filename);
        page.push_str(&format!("<a href=\"{url}{fragment}\"{requires}{yanked}{metadata}>{filename}</a><br/>\n"));
    }
    page.push_str("</body></html>\n");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The root page: all names.
pub(crate) fn root<'a>(names: impl Iterator<Item = &'a String>, as_json: bool) -> String {
    if as_json {
        let projects: Vec<Value> = names.map(|name| json!({"name": name})).collect();
        return json!({"meta": {"api-version": "1.1"}, "projects": projects}).to_string();
    }
    let links: Vec<String> = names.map(|name| format!("<a href=\"/simple/{name}/\">{name}</a>")).collect();
    format!("<!DOCTYPE html><html><body>\n{}\n</body></html>\n", links.join("\n"))
}

/// The JSON API's document of a project, or of one version of it.
pub(crate) fn document(name: &str, project: &FakeProject, version: Option<&str>, base: &str) -> Option<String> {
    let newest = project.files.last().map(|file| file.version.clone())?;
    let version = version.map_or(newest, ToOwned::to_owned);
    let entry = |file: &FakeFile| {
        let mut digests = json!({});
        if let Some((algorithm, digest)) = &file.digest {
            digests[algorithm] = json!(digest);
        }
        json!({
            "filename": file.built.filename, "url": file.url(name, base), "digests": digests,
            "size": file.listed_size, "upload_time_iso_8601": file.uploaded, "yanked": file.yanked.is_some(),
        })
    };
    let mut releases = json!({});
    for file in &project.files {
        if releases.get(&file.version).is_none() {
            releases[&file.version] = json!([]);
        }
        releases[&file.version].as_array_mut()?.push(entry(file));
    }
    let urls = releases.get(&version)?.clone();
    let of_version = project.files.iter().filter(|file| file.version == version);
    let requires: Vec<String> = of_version.flat_map(|file| requirements(&file.built)).collect();
    let requires = if requires.is_empty() { Value::Null } else { json!(requires) };
    let mut info =
        json!({"name": name, "version": version, "summary": format!("{name} for tests"), "requires_dist": requires});
    for file in project.files.iter().filter(|file| file.version == version) {
        for (line, key) in [("Home-page: ", "home_page"), ("Author-email: ", "author_email"), ("Summary: ", "summary")]
        {
            for said in lines(&file.built, line) {
                info[key] = json!(said);
            }
        }
    }
    let somebody = vec![("Owner".to_owned(), "somebody".to_owned())];
    let roles = project.roles.as_ref().unwrap_or(&somebody).iter();
    let roles: Vec<Value> = roles.map(|(role, user)| json!({"role": role, "user": user})).collect();
    let document = json!({
        "info": info, "urls": urls, "releases": releases, "vulnerabilities": project.vulnerabilities,
        "last_serial": project.serial, "ownership": {"organization": null, "roles": roles},
    });
    Some(document.to_string())
}

fn requirements(built: &Built) -> Vec<String> {
    lines(built, "Requires-Dist: ")
}

/// What stands behind this key in METADATA.
fn lines(built: &Built, key: &str) -> Vec<String> {
    let metadata = built.metadata.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    metadata.lines().filter_map(|line| line.strip_prefix(key)).map(ToOwned::to_owned).collect()
}
