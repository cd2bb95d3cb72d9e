//! Metrics: any room counts with the `metrics` macros, and the admin listener renders what was counted for Prometheus.

use std::sync::OnceLock;

use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Counted from zero: Prometheus sees no increase where a series begins, and an alert must see the first one.
const FROM_ZERO: [&str; 7] = [
    "lazaret_alarms_total",
    "lazaret_advisories_failed_total",
    "lazaret_page_misses_total",
    "lazaret_refusals_total",
    "lazaret_sign_ins_failed_total",
    "lazaret_stale_pages_total",
    "lazaret_store_snapshots_set_aside_total",
];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// From a hot page to a large file over a slow line, in seconds.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// From an hour to three months, in seconds: what is held is decided about in days.
const HOLDS: [f64; 9] =
    [3_600.0, 21_600.0, 86_400.0, 172_800.0, 259_200.0, 604_800.0, 1_209_600.0, 2_592_000.0, 7_776_000.0];

/// Starts counting, once a process; false if another recorder was installed before, so that nothing will be rendered.
pub fn install() -> bool {
    handle().is_some()
}

/// Everything counted so far, in Prometheus' text format.
pub fn render() -> String {
    handle().map(PrometheusHandle::render).unwrap_or_default()
}

/// Sums up raw observations, which otherwise wait in memory for the next [`render`]; call it every few seconds.
pub fn upkeep() {
    if let Some(handle) = handle() {
        handle.run_upkeep();
    }
}

fn handle() -> Option<&'static PrometheusHandle> {
    RECORDER.get_or_init(start).as_ref()
}

fn start() -> Option<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let holds = Matcher::Full("lazaret_decision_seconds".to_owned());
    let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS).ok()?;
    let recorder = builder.set_buckets_for_metric(holds, &HOLDS).ok()?.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    describe();
    for name in FROM_ZERO {
        metrics::counter!(name).increment(0);
    }
    Some(handle)
}

/// What each name means. A name that is not here is rendered too, without help.
fn describe() {
    describe_counter!("lazaret_upstream_requests_total", "Requests to upstreams, by host and outcome");
    describe_histogram!("lazaret_upstream_request_seconds", "Time until an upstream's answer began, by host");
    describe_counter!(
        "lazaret_upstream_answers_spoiled_total",
        "Answers of upstreams that began well and could not be used, by host and outcome"
    );
    describe_gauge!(
        "lazaret_upstream_breaker",
        "Whether an upstream is asked, by host: 0 yes, 1 one request is on its way to see, 2 not now"
    );
    describe_counter!("lazaret_stale_pages_total", "How often a last good page was served because its index failed");
    describe_counter!("lazaret_store_flushes_total", "How often the store was made durable");
    describe_counter!("lazaret_requests_total", "Requests of clients, by listener, route and status");
    describe_histogram!("lazaret_request_seconds", "Time until our answer began, by listener and route");
    describe_counter!("lazaret_refusals_total", "Files refused to clients");
    describe_counter!(
        "lazaret_would_refuse_total",
        "Files served only because the policy observes, by ecosystem and outcome"
    );
    describe_counter!("lazaret_refusals_not_noted_total", "Requests that the daily report does not count");
    describe_counter!("lazaret_alarms_total", "How often something changed that should never change");
    describe_counter!("lazaret_sign_ins_failed_total", "Requests with a wrong token");
    describe_counter!("lazaret_store_snapshots_set_aside_total", "How often the store set a damaged snapshot aside");
    describe_counter!("lazaret_decisions_total", "Uploads moved, by ecosystem, new state and who decided");
    describe_counter!("lazaret_findings_total", "Findings with weight in verdicts that were made, by signal");
    describe_counter!("lazaret_advisories_failed_total", "How often the advisories could not be read");
    describe_gauge!("lazaret_advisories", "Advisories in force");
    describe_gauge!("lazaret_queue", "Held uploads, by whether a person or time decides about them");
    describe_gauge!("lazaret_queue_oldest_seconds", "Since when the first of them waits");
    describe_histogram!("lazaret_decision_seconds", "From first seen to decided, for what was held, by person or time");
    describe_counter!("lazaret_page_misses_total", "Pages of the Simple API that were not ready when a client asked");
    describe_counter!("lazaret_file_fetches_total", "Files that were not in the cache");
    describe_gauge!("lazaret_uploads", "Known uploads, by state");
    describe_gauge!("lazaret_blob_bytes", "Bytes of cached files");
    describe_gauge!("lazaret_blob_bytes_over_cap", "Bytes above store.max_bytes that may not leave");
    describe_counter!("lazaret_blobs_evicted_total", "Cached files that left because the cache was full");
    describe_counter!("lazaret_blob_bytes_evicted_total", "Bytes of them");
    describe_counter!("lazaret_garbage_bytes_total", "Bytes thrown away because nothing referred to them");
    describe_gauge!("lazaret_disk_refusing", "1 while the disk is full or read-only, so that nothing can be decided");
    describe_counter!("lazaret_store_opened_anew_total", "How often the store was opened anew after a full disk");
    describe_gauge!("lazaret_jobs_waiting", "Jobs that wait for their time or a worker");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_with_its_meaning() {
        assert!(install());
        assert!(install(), "a second start changes nothing");
        metrics::counter!("lazaret_upstream_requests_total", "host" => "a\"b\n", "outcome" => "200").increment(2);
        metrics::histogram!("lazaret_upstream_request_seconds", "host" => "example.test").record(0.02);
        metrics::histogram!("lazaret_decision_seconds", "by" => "person").record(7_000.0);
        upkeep();
        let page = render();
        assert!(page.contains("# HELP lazaret_upstream_requests_total Requests to upstreams"), "{page}");
        assert!(page.contains(r#"lazaret_upstream_requests_total{host="a\"b\n",outcome="200"} 2"#), "{page}");
        assert!(page.contains(r#"lazaret_decision_seconds_bucket{by="person",le="21600"} 1"#), "{page}");
        assert!(
            page.contains(r#"lazaret_upstream_request_seconds_bucket{host="example.test",le="0.025"} 1"#),
            "{page}"
        );
    }
}
