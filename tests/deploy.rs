//! What is shipped for operations speaks of what there is: metrics that are counted, runbook sections that exist.

use std::collections::BTreeSet;
use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file")
}

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&std::fs::read_to_string(&path).expect("a source file"));
        }
    }
}

/// The metrics that a text names.
fn metrics(text: &str) -> BTreeSet<String> {
    let is_of_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    let names = text.match_indices("lazaret_").map(|(place, _)| {
        let name: String = text[place..].chars().take_while(|letter| is_of_name(*letter)).collect();
        name.trim_end_matches("_bucket").to_owned()
    });
    names.collect()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_metrics_that_are_counted() {
    let mut code = String::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana.json")).expect("JSON");
    assert!(dashboard["panels"].as_array().is_some_and(|panels| panels.len() >= 10));
    let named = metrics(&format!("{dashboard}{}", read("deploy/alerts.yaml")));
    assert!(named.len() > 12, "{named:?}");
    for name in named {
        let counted =
            ["counter!", "gauge!", "histogram!"].iter().any(|kind| code.contains(&format!("{kind}(\"{name}\"")));
        assert!(counted, "nothing counts {name}");
    }
}

#[test]
fn an_alert_on_an_increase_sees_the_first_one() {
    lazaret::telemetry::metrics::install();
    let rendered = lazaret::telemetry::metrics::render();
    let alerts = read("deploy/alerts.yaml");
    let increases: Vec<&str> = alerts.split("increase(").skip(1).filter_map(|rest| rest.split('[').next()).collect();
    assert!(increases.contains(&"lazaret_alarms_total"), "{increases:?}");
    for name in increases {
        assert!(rendered.lines().any(|line| line.starts_with(&format!("{name} "))), "{name} does not begin at zero");
    }
}

#[test]
fn every_alert_links_a_section_of_the_runbook() {
    let (alerts, runbook) = (read("deploy/alerts.yaml"), read("deploy/RUNBOOK.md"));
    let sections: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(|title| title.to_lowercase().replace(' ', "-"))
        .collect();
    let links: Vec<&str> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook: \"deploy/RUNBOOK.md#")?.strip_suffix('"'))
        .collect();
    assert_eq!(links.len(), alerts.matches("- alert:").count());
    for link in links {
        assert!(sections.contains(link), "RUNBOOK.md has no section {link}");
    }
}

#[test]
fn the_unit_runs_the_program_with_few_rights() {
    let unit = read("deploy/lazaret.service");
    for line in
        ["NoNewPrivileges=true", "ProtectSystem=strict", "CapabilityBoundingSet=", "ExecReload=/bin/kill -HUP $MAINPID"]
    {
        assert!(unit.lines().any(|own| own == line), "{line}");
    }
    let (head, service) = unit.split_once("[Service]").expect("a service");
    assert!(head.contains("StartLimitBurst=") && !service.contains("StartLimit"), "systemd reads it in [Unit] only");
    let container = read("deploy/Containerfile");
    assert!(container.contains("USER 10001") && container.contains("rust:1.95"), "as Cargo.toml's rust-version");
    assert!(read("Cargo.toml").contains("rust-version = \"1.95\""));
}
