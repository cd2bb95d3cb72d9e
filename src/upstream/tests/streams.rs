//! Files: whole, in part, cut, silent, too long.

use std::ops::Range;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use url::Url;

use super::server::{Step, TestServer, answer};
use super::{client, hosts, impatient};
use crate::upstream::{FileRequest, Phase, Upstream, UpstreamError};

async fn fetch(client: &Upstream, url: &Url, range: Option<Range<u64>>) -> Result<Vec<u8>, UpstreamError> {
    let request =
        FileRequest { accept: "*/*", url, range, max_bytes: 100, hosts: &hosts(url), credentials: None, close: false };
    let pieces: Vec<_> = client.file(request).await?.body.try_collect().await?;
    Ok(pieces.concat())
}

#[tokio::test]
async fn a_file_arrives_as_it_is_whatever_it_is_labelled() {
    let server = TestServer::saying(answer("200 OK", "Content-Encoding: x-gzip\r\n", "raw bytes")).await;
    let url = server.url("/files/foo-1.0.tar.gz");
    let request = FileRequest {
        accept: "*/*",
        url: &url,
        range: None,
        max_bytes: 100,
        hosts: &hosts(&url),
        credentials: None,
        close: false,
    };
    let answer = client().file(request).await.unwrap();
    assert_eq!(answer.length, Some(9));
    let pieces: Vec<_> = answer.body.try_collect().await.unwrap();
    assert_eq!(pieces.concat(), b"raw bytes");
    assert!(server.seen()[0].contains("accept-encoding: identity\r\n"));
}

#[tokio::test]
async fn a_part_is_that_part_or_an_error() {
    let server = TestServer::start(|head, _| {
        let part = head.contains("range: bytes=2-4\r\n");
        vec![Step::Send(if part {
            answer("206 Partial Content", "Content-Range: bytes 2-4/9\r\n", "cde")
        } else {
            answer("416 No", "", "")
        })]
    })
    .await;
    let url = server.url("/files/f.whl");
    assert_eq!(fetch(&client(), &url, Some(2..5)).await.unwrap(), b"cde");
    for (answered, range) in [
        (answer("200 OK", "", "abcdefghi"), 2..5),
        (answer("206 Partial Content", "Content-Range: bytes 0-2/9\r\n", "abc"), 2..5),
        (answer("416 No", "", ""), 200..300),
        (answer("200 OK", "", ""), 5..5),
    ] {
        let server = TestServer::saying(answered).await;
        let error = fetch(&client(), &server.url("/f"), Some(range)).await.unwrap_err();
        assert!(matches!(error, UpstreamError::RangeNotHonoured { .. }), "{error:?}");
    }
    let server =
        TestServer::saying(answer("206 Partial Content", "Content-Range: bytes 2-4/9\r\n", "much too much")).await;
    let error = fetch(&client(), &server.url("/f"), Some(2..5)).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TooLarge { .. }), "{error:?}");
}

#[tokio::test]
async fn a_cut_file_is_an_error_and_is_not_asked_for_again() {
    let whole = answer("200 OK", "", "a whole file");
    let server = TestServer::saying(whole[..whole.len() - 4].to_vec()).await;
    let error = fetch(&client(), &server.url("/f"), None).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Truncated { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn silence_in_the_middle_ends_it() {
    let server = TestServer::start(|_, _| {
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
        vec![Step::Send(half), Step::Pause(Duration::from_secs(30))]
    })
    .await;
    let error = fetch(&impatient(), &server.url("/f"), None).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { phase: Phase::Body, .. }), "{error:?}");
}

#[tokio::test]
async fn more_than_allowed_is_refused_with_and_without_a_promise() {
    let server = TestServer::saying(answer("200 OK", "", [b'x'; 101])).await;
    assert!(matches!(fetch(&client(), &server.url("/f"), None).await, Err(UpstreamError::TooLarge { .. })));
    let unpromised = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(101));
    let server = TestServer::saying(unpromised).await;
    assert!(matches!(fetch(&client(), &server.url("/f"), None).await, Err(UpstreamError::TooLarge { limit: 100, .. })));
}

#[tokio::test]
async fn a_missing_file_is_a_clean_miss() {
    let server = TestServer::saying(answer("404 Not Found", "", "")).await;
    assert!(fetch(&client(), &server.url("/f"), None).await.unwrap_err().is_clean_miss());
    let server = TestServer::saying(answer("503 Busy", "", "")).await;
    assert!(!fetch(&client(), &server.url("/f"), None).await.unwrap_err().is_clean_miss());
}
