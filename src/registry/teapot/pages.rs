//! What people see under a result, and what small scripts cut addresses out of: plain tables, as the original server draws them.
//!
//! Links start at the root of the repository; [`super::Answer::under`] moves them under a prefix.

use super::address::encode_for_link;
use super::reference::Reference;
use super::shelf::Item;
use super::{Instance, Scope, Within, encode_segment, tcl_list};

/// Rows of a table of what was found; scripts read the lists, which have them all.
const MOST_FOUND: usize = 1_000;

/// The link to the index at the head of most pages.
const INDEX: &str = "<h1>\n<a href=\"/index\">Index</a>\n | ";
const INSTANCE_TABLE: &str =
    "<table>\n<tr>\n<th>What</th>\n<th>Name</th>\n<th>Version</th>\n<th>Platform</th>\n</tr>\n";

/// Text that cannot become markup, nor the mark at which clients end a result.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// A link whose address was put together by us.
fn link(address: &str, text: &str) -> String {
    format!("<a href=\"{address}\">{}</a>\n", escape(text))
}

/// Where the pages about an instance are.
fn address(instance: &Instance) -> [String; 4] {
    let [name, version, platform] =
        [&instance.name, &instance.version, &instance.platform].map(|word| encode_for_link(word));
    let kind = instance.kind;
    [
        format!("/{kind}/list"),
        format!("/{kind}/name/{name}/list"),
        format!("/{kind}/name/{name}/ver/{version}/list"),
        format!("/{kind}/name/{name}/ver/{version}/arch/{platform}"),
    ]
}

/// An instance's row: its kind, name, version and platform, each leading to more.
pub(super) fn row(instance: &Instance) -> String {
    let [of_kind, of_name, of_version, own] = address(instance);
    let cells = [
        link(&of_kind, instance.kind.as_str()),
        link(&of_name, &instance.name),
        link(&of_version, &instance.version),
        link(&format!("{own}/details"), &instance.platform),
    ];
    format!("<tr>\n{}</tr>\n", cells.map(|cell| format!("<td>\n{cell}</td>\n")).concat())
}

/// A table of what was found: all of it, or of very much the first thousand. The result above it is whole in any case.
pub(super) fn found(title: &str, heading: &str, items: &[&Item]) -> String {
    instances(title, heading, &items[..items.len().min(MOST_FOUND)])
}

/// A table of instances under a title.
pub(super) fn instances(title: &str, heading: &str, items: &[&Item]) -> String {
    let mut sorted = items.to_vec();
    sorted.sort_unstable_by_key(|item| item.rank);
    let rows: usize = sorted.iter().map(|item| item.row.len()).sum();
    let mut page = String::with_capacity(rows + 500);
    page.extend([INDEX, &escape(title), "</h1>\n", heading, INSTANCE_TABLE]);
    page.extend(sorted.iter().map(|item| &*item.row));
    page.push_str("</table>\n");
    page
}

/// The title of a list: `Instances of "packages acme::greet 1.0 for tcl"`.
pub(super) fn list_title(scope: &Scope) -> String {
    let mut words: Vec<String> = scope.kind.iter().map(|kind| format!("{kind}s")).collect();
    match &scope.within {
        Within::Everything => {}
        Within::Name(name) => words.push(name.clone()),
        Within::Version(name, version) => words.extend([name.clone(), version.clone()]),
        Within::Platform(name, version, platform) => {
            words.extend([name.clone(), version.clone(), "for".to_owned(), platform.clone()]);
        }
    }
    format!("Instances of \"{}\"", words.join(" "))
}

/// How pages name what they were asked for: `{1 package acme::greet 1.0}`.
pub(super) fn spec(scope: &Scope) -> String {
    let mut words = vec![if scope.kind.is_some() { "1" } else { "0" }];
    words.extend(scope.kind.map(super::Kind::as_str));
    words.extend(scope.words());
    format!("{{{}}}", tcl_list::write(words))
}

/// The platforms that a search was for.
pub(super) fn platforms(platforms: &[String]) -> String {
    let mut sorted: Vec<&String> = platforms.iter().collect();
    sorted.sort_unstable();
    let items = joined(sorted.iter().map(|platform| format!("<li>{}</li>\n", escape(platform))));
    format!("<h2>Acceptable platforms</h2>\n<ul>\n{items}</ul>\n<h2>Results</h2>\n")
}

/// All names, each leading to its versions.
pub(super) fn names(names: &[&str]) -> String {
    let mut sorted = names.to_vec();
    sorted.sort_by_cached_key(|name| name.to_lowercase());
    let items = sorted.iter().map(|name| item(&format!("/entity/name/{}/index", encode_for_link(name)), name));
    format!("<h1>List of all entities</h1>\n<ul>\n{}</ul>\n", joined(items))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.fold(String::new(), |page, part| page + &part)
}

fn item(address: &str, text: &str) -> String {
    format!("<li>\n{}</li>\n", link(address, text))
}

/// The versions of a name.
pub(super) fn versions(name: &str, versions: &[&str]) -> String {
    if versions.is_empty() {
        return String::new();
    }
    let base = format!("/entity/name/{}/ver", encode_for_link(name));
    let items = versions.iter().map(|version| item(&format!("{base}/{}/index", encode_for_link(version)), version));
    format!("{INDEX}{} <em>Versions</em>\n</h1>\n<ul>\n{}</ul>\n", escape(name), joined(items))
}

/// The instances of a version.
pub(super) fn version(name: &str, version: &str, items: &[&Item]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let rows = items.iter().map(|item| {
        let instance = &item.entry.instance;
        let [of_kind, .., own] = address(instance);
        let own = link(&format!("{own}/details"), &instance.platform);
        format!("<tr>\n<td>\n{}</td>\n<td>\n{own}</td>\n</tr>\n", link(&of_kind, instance.kind.as_str()))
    });
    format!(
        "{INDEX}{} {} > <em>{} Instances</em>\n</h1>\n<table>\n<tr>\n<th>Type</th>\n<th>Platform</th>\n</tr>\n{}</table>\n",
        escape(name),
        link(&format!("/entity/name/{}/index", encode_for_link(name)), "Versions"),
        escape(version),
        joined(rows)
    )
}

/// A table with one column.
pub(super) fn column<'a>(title: &str, head: &str, cells: impl Iterator<Item = &'a str>) -> String {
    let rows = joined(cells.map(|cell| format!("<tr>\n<td>{}</td>\n</tr>\n", escape(cell))));
    format!("<h1>{}</h1>\n<table>\n<tr>\n<th>{head}</th>\n</tr>\n{rows}</table>\n", escape(title))
}

/// A table of keys and values.
pub(super) fn pairs<'a>(title: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let row = |(key, value)| format!("<tr>\n<td>{}</td>\n<td>{}</td>\n</tr>\n", escape(key), escape(value));
    let rows = joined(pairs.map(row));
    format!("<h1>{}</h1>\n<table>\n<tr>\n<th>Key</th>\n<th>Value</th>\n</tr>\n{rows}</table>\n", escape(title))
}

/// A table of references.
pub(super) fn references(title: &str, references: &[String]) -> String {
    let rows = joined(references.iter().map(|reference| {
        let words = tcl_list::read(reference).unwrap_or_else(|_| vec![reference.clone()]);
        let (name, options) = words.split_first().map_or(("", &[][..]), |(name, options)| (&**name, options));
        let option = |wanted: &str| {
            options.chunks(2).find(|pair| pair[0] == wanted).and_then(|pair| pair.get(1)).map_or("", String::as_str)
        };
        let exact = if matches!(option("-exact"), "" | "0") { "" } else { "yes" };
        let named = ["-is", "-version", "-exact"];
        let notes = options.chunks(2).filter(|pair| !named.contains(&&*pair[0])).flatten();
        let cells = [option("-is"), name, option("-version"), exact, &tcl_list::write(notes)];
        format!("<tr>\n{}</tr>\n", cells.map(|cell| format!("<td>{}</td>\n", escape(cell))).concat())
    }));
    let head = ["What", "Name", "Version", "Exact", "Notes"].map(|cell| format!("<th>{cell}</th>\n")).concat();
    format!("<h1>{}</h1>\n<table>\n<tr>\n{head}</tr>\n{rows}</table>\n", escape(title))
}

/// Everything about one instance. `all_platforms` are those a requirement may be looked for on.
pub(super) fn details(item: &Item, all_platforms: &[&str]) -> String {
    let instance = &item.entry.instance;
    let [.., own] = address(instance);
    let name = encode_for_link(&instance.name);
    let platforms = if *instance.platform == *"tcl" {
        tcl_list::write(all_platforms)
    } else {
        tcl_list::write([&*instance.platform, "tcl"])
    };
    let mut rows = String::new();
    for (key, value) in item.entry.meta.iter().filter(|(key, _)| !["name", "version"].contains(&&**key)) {
        let elements = tcl_list::read(value).unwrap_or_else(|_| vec![value.to_string()]);
        let cell = match &**key {
            "require" | "recommend" => lines(elements.iter().map(|written| required(written, &platforms))),
            key if key.contains("origin") => lines(elements.iter().map(|url| origin(url))),
            key if key.contains("author") => lines(elements.iter().map(|person| escape(person))),
            _ => escape(&elements.join(" ")),
        };
        rows.extend(["<tr>\n<td valign=\"top\">", &escape(key), "</td>\n<td valign=\"top\">", &cell, "</td>\n</tr>\n"]);
    }
    [
        &format!("{INDEX}{} ", escape(&instance.name)),
        &*link(&format!("/entity/name/{name}/index"), "Versions"),
        " > ",
        &link(
            &format!("/entity/name/{name}/ver/{}/index", encode_for_link(&instance.version)),
            &format!("{} Instances", instance.version),
        ),
        &format!(" > <em>{} Details</em>\n</h1>\n<h2>\n", escape(&instance.platform)),
        &link(&format!("{own}/file"), "Package archive"),
        &format!("</h2>\n<h2>Details of {}</h2>\n", escape(&instance.to_string())),
        "<table>\n<tr>\n<th>Key</th>\n<th>Value</th>\n</tr>\n",
        &rows,
        "</table>\n",
    ]
    .concat()
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("<br>\n")
}

/// A requirement leads to what would meet it; Tcl and Tk come from elsewhere.
fn required(written: &str, platforms: &str) -> String {
    match written.parse::<Reference>() {
        Ok(reference) if !["Tcl", "Tk"].contains(&&*reference.name) => {
            let address = [&*reference.normal_form(), platforms].map(encode_segment).join("/");
            format!("<a href=\"/find/all/{address}\">{}</a>", escape(written))
        }
        _ => escape(written),
    }
}

/// A home page is a link only where a browser would run nothing for it.
fn origin(url: &str) -> String {
    let shown = escape(url);
    if url.starts_with("http://") || url.starts_with("https://") {
        format!("<a href=\"{shown}\" rel=\"nofollow noreferrer\">{shown}</a>")
    } else {
        shown
    }
}
