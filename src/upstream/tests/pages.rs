//! Pages: what is asked, what is understood, what is tried again and what is given up.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use time::macros::datetime;
use tokio::time::{Instant, advance, pause, resume};

use super::server::{Step, TestServer, answer};
use super::{body, client, hosts, impatient, page, request};
use crate::upstream::{BreakerState, PageAnswer, Phase, SingleFlight, UpstreamError, Validators};

#[tokio::test]
async fn a_page_is_asked_for_with_our_headers_only_and_comes_with_what_it_said_about_itself() {
    let headers = "Content-Type: text/html\r\nETag: \"v1\"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nCache-Control: max-age=600\r\nAge: 60\r\n";
    let server = TestServer::saying(answer("200 OK", headers, "hello")).await;
    let url = server.url("/simple/foo/?x=1#part");
    let PageAnswer::Fresh(page) = page(&client(), &url).await.unwrap() else { panic!("not a page") };
    assert_eq!(page.body, "hello");
    assert_eq!(page.content_type, "text/html");
    assert_eq!(page.validators.etag.as_deref(), Some("\"v1\""));
    assert_eq!(page.date, Some(datetime!(1994-11-06 08:50:37 UTC)));
    assert_eq!(page.fresh_for, Some(Duration::from_mins(9)));
    assert_eq!(page.url, url);
    let seen = server.seen().remove(0);
    let mut lines: Vec<_> = seen.trim_end().lines().collect();
    assert_eq!(lines.remove(0), "get /simple/foo/?x=1 http/1.1");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept-encoding: gzip",
            "accept: application/vnd.pypi.simple.v1+json",
            &format!("host: 127.0.0.1:{}", server.port),
            concat!("user-agent: lazaret/", env!("CARGO_PKG_VERSION")),
            "via: 1.1 lazaret",
        ]
    );
}

#[tokio::test]
async fn an_unchanged_page_is_not_sent_again() {
    let server = TestServer::start(|head, _| {
        let same = head.contains("if-none-match: \"v1\"");
        vec![Step::Send(if same { answer("304 Not Modified", "", "") } else { answer("200 OK", "", "new") })]
    })
    .await;
    let (url, client) = (server.url("/simple/foo/"), client());
    let validators = Validators { etag: Some("\"v1\"".into()), last_modified: None };
    let hosts = hosts(&url);
    let ask = |validators| client.page(crate::upstream::PageRequest { validators, ..request(&url, &hosts) });
    assert!(matches!(ask(Some(&validators)).await.unwrap(), PageAnswer::NotModified { .. }));
    let other = Validators { etag: Some("\"v0\"".into()), last_modified: None };
    assert_eq!(body(ask(Some(&other)).await.unwrap()), b"new");

    let confused = TestServer::saying(answer("304 Not Modified", "", "")).await;
    let unasked = page(&client, &confused.url("/simple/foo/")).await;
    assert!(matches!(unasked, Err(UpstreamError::BadAnswer { .. })), "{unasked:?}");
}

#[tokio::test]
async fn a_miss_is_an_answer_and_a_refusal_is_an_error_and_neither_is_asked_again() {
    for status in ["404 Not Found", "410 Gone"] {
        let server = TestServer::saying(answer(status, "", "nothing here")).await;
        assert!(matches!(page(&client(), &server.url("/simple/foo/")).await.unwrap(), PageAnswer::Missing { .. }));
        assert_eq!(server.seen().len(), 1);
    }
    for (status, short) in
        [("401 Unauthorized", "answered 401"), ("403 No", "answered 403"), ("451 Law", "answered 451")]
    {
        let server = TestServer::saying(answer(status, "", "")).await;
        let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
        assert_eq!(error.short(), format!("127.0.0.1:{} {short}", server.port));
        assert!(!error.is_clean_miss());
        assert_eq!(server.seen().len(), 1);
    }
    let server = TestServer::saying(answer("429 Too Many Requests", "Retry-After: 7\r\n", "")).await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(
        matches!(error, UpstreamError::Throttled { retry_after: Some(wait), .. } if wait.as_secs() == 7),
        "{error:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_passing_failure_is_asked_again_and_a_lasting_one_three_times() {
    let server = TestServer::start(|_, number| {
        vec![Step::Send(if number < 3 { answer("503 Busy", "", "") } else { answer("200 OK", "", "at last") })]
    })
    .await;
    assert_eq!(body(page(&client(), &server.url("/simple/foo/")).await.unwrap()), b"at last");
    let server = TestServer::saying(answer("500 Broken", "", "")).await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Status { status: 500, .. }));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_page_cut_in_the_middle_is_asked_for_again() {
    let whole = answer("200 OK", "", "a whole page");
    let server = TestServer::start(move |_, number| {
        let end = if number == 1 { whole.len() - 4 } else { whole.len() };
        vec![Step::Send(whole[..end].to_vec())]
    })
    .await;
    assert_eq!(body(page(&client(), &server.url("/simple/foo/")).await.unwrap()), b"a whole page");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nhe";
    let server = TestServer::saying(chunked).await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Truncated { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn who_does_not_begin_to_answer_in_time_is_given_up() {
    let server =
        TestServer::start(|_, _| vec![Step::Pause(Duration::from_secs(30)), Step::Send(answer("200 OK", "", "late"))])
            .await;
    let started = Instant::now();
    let error = page(&impatient(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { phase: Phase::FirstByte, .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(server.seen().len(), 1, "slowness is not cured by asking again");
}

#[tokio::test]
async fn a_dripping_page_ends_at_the_deadline() {
    let server = TestServer::start(|_, _| {
        let drops = (0..100).flat_map(|_| [Step::Pause(Duration::from_millis(50)), Step::Send(b"x".to_vec())]);
        std::iter::once(Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n".to_vec())).chain(drops).collect()
    })
    .await;
    let url = server.url("/simple/foo/");
    let started = Instant::now();
    let hosts = hosts(&url);
    let hurried = crate::upstream::PageRequest { deadline: Duration::from_millis(400), ..request(&url, &hosts) };
    let error = client().page(hurried).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { phase: Phase::Body, .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(4));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn packed_pages_are_unpacked_and_bombs_are_not() {
    let packed = "Content-Encoding: gzip\r\n";
    let server = TestServer::saying(answer("200 OK", packed, gzip(b"hello"))).await;
    assert_eq!(body(page(&client(), &server.url("/simple/foo/")).await.unwrap()), b"hello");
    let server = TestServer::saying(answer("200 OK", packed, gzip(&vec![0; 200 << 20]))).await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TooLarge { .. }), "{error:?}");
    let server = TestServer::saying(answer("200 OK", "Content-Encoding: br\r\n", "hello")).await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::BadAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn too_large_a_promise_is_refused_before_a_byte_is_read() {
    let server = TestServer::start(|_, _| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
        vec![Step::Send(head), Step::Pause(Duration::from_secs(30))]
    })
    .await;
    let started = Instant::now();
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TooLarge { limit: 0x10_0000, .. }), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn rubbish_is_no_answer() {
    let endless_head = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "x".repeat(200_000));
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(5000));
    let lengths = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned();
    for rubbish in
        ["SSH-2.0-OpenSSH_9.6\r\n".to_owned(), "\0\u{1}\u{2}\u{3}".repeat(100), endless_head, many_headers, lengths]
    {
        let server = TestServer::saying(rubbish.clone()).await;
        let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
        assert!(matches!(error, UpstreamError::BadAnswer { .. }), "{error:?} for {rubbish:.60}");
    }
    let server = TestServer::saying("").await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Truncated { .. }), "{error:?}");
}

#[tokio::test]
async fn our_own_voice_is_recognised() {
    let server = TestServer::saying(answer("200 OK", "Via: 1.1 cache.example.test (x), 1.1 Lazaret\r\n", "")).await;
    let error = page(&client(), &server.url("/simple/foo/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Ourselves { .. }), "{error:?}");
    let server = TestServer::saying(answer("200 OK", "Via: 1.1 not-lazaret, 1.1 cache (lazaret)\r\n", "fine")).await;
    assert_eq!(body(page(&client(), &server.url("/simple/foo/")).await.unwrap()), b"fine");
}

#[tokio::test]
async fn sixty_four_callers_are_one_request() {
    let server = TestServer::start(|_, _| {
        vec![Step::Pause(Duration::from_millis(100)), Step::Send(answer("200 OK", "", "one for all"))]
    })
    .await;
    let (flights, client, url) = (SingleFlight::new(), client(), server.url("/simple/foo/"));
    let callers = (0..64).map(|_| {
        let (client, url) = (client.clone(), url.clone());
        flights.run("foo", move || async move { page(&client, &url).await.map(body).map(Arc::new) })
    });
    for result in join_all(callers).await {
        assert_eq!(result.unwrap().unwrap().as_slice(), b"one for all");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_host_that_keeps_failing_is_left_alone_and_tried_again_later() {
    let server = TestServer::start(|_, number| {
        vec![Step::Send(if number <= 5 { answer("502 Bad", "", "") } else { answer("200 OK", "", "well again") })]
    })
    .await;
    let (client, url) = (client(), server.url("/simple/foo/"));
    for _ in 0..2 {
        let error = page(&client, &url).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Status { status: 502, .. }), "the reason, not the breaker: {error:?}");
    }
    assert_eq!(server.seen().len(), 5);
    let error = page(&client, &url).await.unwrap_err();
    assert!(matches!(error, UpstreamError::BreakerOpen { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 5, "it was not asked");
    assert!(matches!(client.breakers()[..], [(_, BreakerState::Open { .. })]));
    pause();
    advance(Duration::from_secs(11)).await;
    resume();
    assert_eq!(body(page(&client, &url).await.unwrap()), b"well again");
    assert_eq!(client.breakers(), [(format!("127.0.0.1:{}", server.port), BreakerState::Closed)]);
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url =
        url::Url::parse(&format!("http://user:secret@{}/simple/?token=secret", free.local_addr().unwrap())).unwrap();
    drop(free);
    let error = page(&client(), &url).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unreachable { .. }), "{error:?}");
    assert!(!format!("{error} {error:?} {}", error.short()).contains("secret"));
}

#[test]
fn every_request_is_counted_by_host_and_outcome() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let port = metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let server = TestServer::saying(answer("500 Broken", "", "")).await;
            let (client, url) = (client(), server.url("/simple/foo/"));
            for _ in 0..3 {
                page(&client, &url).await.unwrap_err();
            }
            server.port
        })
    });
    let rendered = recorder.handle().render();
    for (outcome, times) in [("status", 5), ("breaker-open", 2)] {
        let line =
            format!("lazaret_upstream_requests_total{{host=\"127.0.0.1:{port}\",outcome=\"{outcome}\"}} {times}\n");
        assert!(rendered.contains(&line), "{rendered}");
    }
    assert!(rendered.contains("lazaret_upstream_request_seconds_count"), "{rendered}");
}
