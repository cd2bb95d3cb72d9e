//! pip: its environment, and `pip.conf` of the user, of the environment and of the machine.

use std::path::{Path, PathBuf};

use super::{Clients, Machine, add, text_of};
use crate::config::{Listen, discover};

/// Takes over what pip is set to.
pub(super) fn take_over(clients: &mut Clients, settings: Vec<(String, String)>, listen: &Listen) {
    for (key, value) in settings {
        let from = format!("pip's setting {key}");
        match key.rsplit_once('.').map_or(key.as_str(), |(_, option)| option) {
            "extra-index-url" => {
                for address in words(&value) {
                    match discover::read(&address, &from) {
                        Some(found) if listen.is_own(&found.url) => {}
                        Some(found) => add(&mut clients.extra, found),
                        None => clients.remark(format!("{from} names something that is not on the web: left out")),
                    }
                }
            }
            "find-links" => clients.remark(format!(
                "{from} names a folder or page of files, which lazaret cannot stand in for: clients that keep it go around"
            )),
            "no-index" => clients.remark(format!("{from} keeps pip from asking any index: take it out")),
            "proxy" => clients.remark(format!("{from} is not taken over: set HTTPS_PROXY where lazaret runs")),
            "client-cert" => clients.remark(format!("{from} is not taken over: lazaret shows no certificate to indexes")),
            "cert" => clients.ca_file = Some((PathBuf::from(value.trim()), from)),
            _ => {}
        }
    }
    if let Ok(index) = &clients.index {
        let public = index.url.clone();
        clients.extra.retain(|extra| extra.url != public);
    }
}

/// An option's several values: pip separates them by spaces or lines, and prints a line's end as `\n`.
fn words(value: &str) -> Vec<String> {
    value.replace("\\n", " ").split_whitespace().map(str::to_owned).collect()
}

/// As `pip config list` would say them: the weakest first.
pub(super) fn settings_of_files(machine: &Machine<'_>) -> Vec<(String, String)> {
    let mut files = vec![machine.shared("etc/pip.conf"), machine.shared("etc/xdg/pip/pip.conf")];
    if let Some(home) = machine.home() {
        let settings = machine.variable("XDG_CONFIG_HOME").map_or_else(|| home.join(".config"), PathBuf::from);
        files.extend([home.join(".pip/pip.conf"), settings.join("pip/pip.conf")]);
    }
    files.extend(machine.variable("VIRTUAL_ENV").map(|place| Path::new(place).join("pip.conf")));
    match machine.variable("PIP_CONFIG_FILE") {
        Some("/dev/null") => files.clear(),
        Some(file) => files.push(file.into()),
        None => {}
    }
    let mut settings: Vec<(String, String)> =
        files.iter().filter_map(|file| text_of(file)).flat_map(|text| sections(&text)).collect();
    for (name, value) in machine.variables {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        let Some(option) = name.strip_prefix("PIP_") else { continue };
        settings.push((format!(":env:.{}", option.to_ascii_lowercase().replace('_', "-")), value.to_owned()));
    }
    settings
}

/// `[global]`, `index-url = ...`; a line that begins with a space goes on.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut settings: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = settings.last_mut() {
                value.push(' ');
                value.push_str(trimmed);
            }
        } else if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.trim().clone_into(&mut section);
        } else if let Some((key, value)) = trimmed.split_once(['=', ':']) {
            let key = key.trim().to_ascii_lowercase().replace('_', "-");
            settings.push((format!("{section}.{key}"), value.trim().to_owned()));
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn files_of_all_levels_are_read_where_pip_does_not_answer() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("etc/pip.conf", "[global]\nindex-url = https://machine.example.test/simple\n");
        write(
            "home/.config/pip/pip.conf",
            "# mine\n[install]\nextra_index_url =\n    https://one.example.test/simple\n    https://two.example.test/simple\n",
        );
        let home = root.path().join("home").into_os_string();
        let variables = BTreeMap::from([
            ("HOME".into(), home),
            ("PIP_EXTRA_INDEX_URL".into(), "https://three.example.test/simple".into()),
        ]);
        let machine = Machine { variables: &variables, root: root.path().to_path_buf() };
        let text: Vec<String> =
            settings_of_files(&machine).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            text,
            [
                "global.index-url=https://machine.example.test/simple",
                "install.extra-index-url= https://one.example.test/simple https://two.example.test/simple",
                ":env:.extra-index-url=https://three.example.test/simple",
            ]
        );
    }

    #[test]
    fn several_addresses_in_one_setting_are_several() {
        assert_eq!(
            words("\\nhttps://a.example.test\\nhttps://b.example.test"),
            ["https://a.example.test", "https://b.example.test"]
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn whatever_a_file_says_is_survived(text in "[-a-z=:\\[\\]\n #;\u{e9}]{0,200}") {
            let _ = sections(&text);
        }
    }
}
