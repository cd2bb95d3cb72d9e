//! What we serve: a project's page as JSON and as HTML, from one value, so that both say the same.

use std::borrow::Cow;
use std::io::Write as _;

use crate::domain::{CoreMetadata, FileName, ListedFile, ProjectName, ProjectStatus, Sha256, Version, Yanked};

use super::listing::without_controls;

/// The version of [the Simple API](https://packaging.python.org/en/latest/specifications/simple-repository-api/) that we
/// speak. PEP 708's `tracks` and `alternate-locations` are never passed on (rule 17).
pub const API_VERSION: &str = "1.4";

/// A file as it is shown: the upstream's facts and our decisions.
#[derive(Debug, Clone)]
pub struct PageFile<'a> {
    /// The upstream's facts.
    pub file: &'a ListedFile,
    /// The name of the bytes.
    pub sha256: Sha256,
    /// The last word: the upstream's reason and ours, merged.
    pub yanked: Yanked,
    /// The last word: only what we can serve.
    pub core_metadata: CoreMetadata,
    /// Our own https address of its attestations.
    pub provenance: Option<String>,
}

/// A project's page as it is shown.
#[derive(Debug, Clone)]
pub struct Page<'a> {
    /// Whose page.
    pub project: &'a ProjectName,
    /// In this order.
    pub files: Vec<PageFile<'a>>,
    /// Distinct, in order; every file's version is among them.
    pub versions: Vec<&'a Version>,
    /// The upstream's word on the project.
    pub status: &'a ProjectStatus,
    /// The upstream's `_last-serial`.
    pub serial: Option<&'a str>,
}

/// Where a page of `/pypi/simple/{project}/` finds a file: relative, so that it holds under any host name and prefix. It
/// stays valid for years, because lock files keep it.
pub fn file_url(project: &ProjectName, sha256: &Sha256, filename: &FileName) -> String {
    let mut url = Vec::with_capacity(160);
    push_file_url(&mut url, project, &sha256.to_string(), filename);
    // Pushed as ASCII only.
    String::from_utf8(url).unwrap_or_default()
}

fn push_file_url(out: &mut Vec<u8>, project: &ProjectName, sha256: &str, filename: &FileName) {
    for part in ["../../files/", project.as_str(), "/", sha256, "/"] {
        out.extend_from_slice(part.as_bytes());
    }
    for &byte in filename.as_str().as_bytes() {
        // RFC 3986's pchar, as far as a file name can have it.
        if byte.is_ascii_alphanumeric() || b"-._~!$()+,;=@".contains(&byte) {
            out.push(byte);
        } else {
            let digits = data_encoding::HEXUPPER.encode(&[byte]);
            out.push(b'%');
            out.extend_from_slice(digits.as_bytes());
        }
    }
}

/// The page as JSON: [PEP 691](https://peps.python.org/pep-0691/), 700, 714, 740 and 792.
pub fn write_json(page: &Page<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(400 + 520 * page.files.len() + 16 * page.versions.len());
    push(&mut out, r#"{"meta":{"api-version":""#);
    push(&mut out, API_VERSION);
    push(&mut out, "\"");
    if let Some(serial) = page.serial {
        push(&mut out, r#","_last-serial":"#);
        push_serial(&mut out, serial);
    }
    push(&mut out, r#"},"name":"#);
    quote(&mut out, page.project.as_str());
    if !page.status.status.is_empty() {
        push(&mut out, r#","project-status":{"status":"#);
        quote_line(&mut out, &page.status.status);
        if let Some(reason) = &page.status.reason {
            push(&mut out, r#","reason":"#);
            quote_line(&mut out, reason);
        }
        push(&mut out, "}");
    }
    push(&mut out, r#","versions":["#);
    for (index, version) in page.versions.iter().enumerate() {
        push(&mut out, if index == 0 { "" } else { "," });
        quote(&mut out, version.as_str());
    }
    push(&mut out, r#"],"files":["#);
    for (index, file) in page.files.iter().enumerate() {
        push(&mut out, if index == 0 { "" } else { "," });
        push_json_file(&mut out, page.project, file);
    }
    push(&mut out, "]}");
    out
}

fn push_json_file(out: &mut Vec<u8>, project: &ProjectName, shown: &PageFile<'_>) {
    let file = shown.file;
    let sha256 = shown.sha256.to_string();
    push(out, r#"{"filename":"#);
    quote(out, file.filename.as_str());
    // The address has no character that JSON escapes.
    push(out, r#","url":""#);
    push_file_url(out, project, &sha256, &file.filename);
    push(out, r#"","hashes":{"sha256":""#);
    push(out, &sha256);
    // Mandatory since 1.1; no client minds a zero.
    push(out, r#""},"size":"#);
    push_number(out, file.size.unwrap_or_default());
    if let Some(requires_python) = &file.requires_python {
        push(out, r#","requires-python":"#);
        quote_line(out, requires_python);
    }
    push(out, r#","yanked":"#);
    match &shown.yanked {
        Yanked::No => push(out, "false"),
        Yanked::Because(reason) if !reason.is_empty() => quote_line(out, reason),
        Yanked::Yes | Yanked::Because(_) => push(out, "true"),
    }
    if let Some(uploaded) = &file.uploaded {
        push(out, r#","upload-time":"#);
        quote_line(out, uploaded);
    }
    // PyPI's own pages use the second name, and so do clients that learned from them.
    for key in [r#","core-metadata":"#, r#","data-dist-info-metadata":"#] {
        match shown.core_metadata {
            CoreMetadata::No => {}
            CoreMetadata::Yes => {
                push(out, key);
                push(out, "true");
            }
            CoreMetadata::Digest(digest) => {
                push(out, key);
                push(out, r#"{"sha256":""#);
                push(out, &digest.to_string());
                push(out, r#""}"#);
            }
        }
    }
    if let Some(provenance) = &shown.provenance {
        push(out, r#","provenance":"#);
        quote_line(out, provenance);
    }
    push(out, "}");
}

/// The page as HTML: [PEP 503](https://peps.python.org/pep-0503/), 592, 629, 658, 714, 740 and 792.
pub fn write_html(page: &Page<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(600 + 420 * page.files.len());
    push(&mut out, "<!DOCTYPE html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n");
    push_meta(&mut out, "pypi:repository-version", API_VERSION);
    if !page.status.status.is_empty() {
        push_meta(&mut out, "pypi:project-status", &page.status.status);
        if let Some(reason) = &page.status.reason {
            push_meta(&mut out, "pypi:project-status-reason", reason);
        }
    }
    for part in ["    <title>Links for ", page.project.as_str(), "</title>\n  </head>\n  <body>\n    <h1>Links for "] {
        push(&mut out, part);
    }
    push(&mut out, page.project.as_str());
    push(&mut out, "</h1>\n");
    for file in &page.files {
        push_anchor(&mut out, page.project, file);
    }
    push(&mut out, "  </body>\n</html>\n");
    // PyPI's mark. Only digits can stand in a comment without closing it.
    if let Some(serial) = page.serial.and_then(|serial| serial.parse().ok()) {
        push(&mut out, "<!--SERIAL ");
        push_number(&mut out, serial);
        push(&mut out, "-->\n");
    }
    out
}

fn push_meta(out: &mut Vec<u8>, name: &str, content: &str) {
    for part in ["    <meta name=\"", name, "\""] {
        push(out, part);
    }
    push_attribute(out, "content", content);
    push(out, ">\n");
}

fn push_anchor(out: &mut Vec<u8>, project: &ProjectName, shown: &PageFile<'_>) {
    let file = shown.file;
    let sha256 = shown.sha256.to_string();
    // The address has no character that HTML escapes: its file name could have been none with such.
    push(out, "    <a href=\"");
    push_file_url(out, project, &sha256, &file.filename);
    for part in ["#sha256=", &sha256, "\""] {
        push(out, part);
    }
    if let Some(requires_python) = &file.requires_python {
        push_attribute(out, "data-requires-python", requires_python);
    }
    match &shown.yanked {
        Yanked::No => {}
        Yanked::Yes => push_attribute(out, "data-yanked", ""),
        Yanked::Because(reason) => push_attribute(out, "data-yanked", reason),
    }
    let core_metadata = match shown.core_metadata {
        CoreMetadata::No => None,
        CoreMetadata::Yes => Some(Cow::Borrowed("true")),
        CoreMetadata::Digest(digest) => Some(Cow::Owned(format!("sha256={digest}"))),
    };
    if let Some(value) = core_metadata {
        push_attribute(out, "data-core-metadata", &value);
        push_attribute(out, "data-dist-info-metadata", &value);
    }
    if let Some(provenance) = &shown.provenance {
        push_attribute(out, "data-provenance", provenance);
    }
    push(out, ">");
    escape(out, file.filename.as_str());
    push(out, "</a><br>\n");
}

fn push_attribute(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [" ", name, "=\""] {
        push(out, part);
    }
    escape(out, value);
    push(out, "\"");
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    // Writing to memory cannot fail.
    let _ = write!(out, "{number}");
}

/// A number where it is one, as on PyPI; other indexes may count otherwise.
fn push_serial(out: &mut Vec<u8>, serial: &str) {
    match serial.parse() {
        Ok(number) => push_number(out, number),
        Err(_) => quote_line(out, serial),
    }
}

/// The text as a JSON string.
pub(super) fn quote(out: &mut Vec<u8>, text: &str) {
    // A text always has a JSON form, and writing to memory cannot fail.
    let _ = serde_json::to_writer(out, text);
}

/// A text for people as a JSON string: clients print it, so it stays on its line.
fn quote_line(out: &mut Vec<u8>, text: &str) {
    quote(out, &without_controls(text));
}

/// The text on one line of HTML, fit for an element and for a quoted attribute.
fn escape(out: &mut Vec<u8>, text: &str) {
    for &byte in without_controls(text).as_bytes() {
        match byte {
            b'&' => push(out, "&amp;"),
            b'<' => push(out, "&lt;"),
            b'>' => push(out, "&gt;"),
            b'"' => push(out, "&quot;"),
            b'\'' => push(out, "&#39;"),
            _ => out.push(byte),
        }
    }
}
