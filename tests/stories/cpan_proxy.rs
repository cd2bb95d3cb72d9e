//! lazaret as the HTTP proxy of CPAN's clients: what their own defaults ask for is answered from here, and nothing else.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::sample_mirror::{GREET_NEW, GREET_OLD};
use crate::common::test_house::TestHouse;
use crate::common::{HandClock, SampleMirror};

async fn house(proxy: bool) -> (SampleMirror, TestHouse) {
    let clock = HandClock::new();
    let mirror = SampleMirror::open(&clock).await;
    let furnishing = TestHouse::furnish().clock(&clock).cpan(&mirror.cpan);
    let house = furnishing.config(move |config| config.cpan.forward_proxy = proxy).start().await;
    house.polls().await;
    (mirror, house)
}

/// The answer's status line and body, word for word.
async fn through(house: &TestHouse, request: &str, host: &str) -> (String, String) {
    let address = house.packages().trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let text = format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let line = answer.lines().next().unwrap_or_default().to_owned();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (house.quiet(&line), body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cpans_hosts_are_answered_through_the_gates_and_all_others_refused() {
    let (_mirror, house) = house(true).await;
    let get = async |host: &str, path: &str| through(&house, &format!("GET http://{host}{path}"), host).await;
    assert_eq!(get("www.cpan.org", &format!("/authors/id/{GREET_OLD}")).await.0, "HTTP/1.1 200 OK");
    assert_eq!(get("backpan.perl.org", &format!("/authors/id/{GREET_OLD}")).await.0, "HTTP/1.1 200 OK");
    let (refused, _) = get("cpan.metacpan.org", &format!("/authors/id/{GREET_NEW}")).await;
    assert!(refused.starts_with("HTTP/1.1 403 Acme-Greet 1.1 held until 2026-11-25 11:00 UTC"), "{refused}");
    let (found, body) = get("cpanmetadb.plackperl.org", "/v1.0/package/Acme::Greet").await;
    assert_eq!(found, "HTTP/1.1 200 OK");
    assert!(body.contains(GREET_OLD), "{body}");
    assert_eq!(get("www.cpan.org", "/modules/02packages.details.txt.gz").await.0, "HTTP/1.1 200 OK");
    for (host, path) in [("fastapi.metacpan.org", "/v1/download_url/Acme::Greet"), ("www.cpan.org", "/nowhere")] {
        assert!(get(host, path).await.0.starts_with("HTTP/1.1 404 "), "{host}{path}");
    }
    for host in ["example.test", "example.test:8080", "www.cpan.org.example.test", "localhost:1"] {
        let (line, _) = get(host, "/modules/02packages.details.txt.gz").await;
        assert_eq!(line, "HTTP/1.1 403 lazaret stands in for CPAN's hosts only", "{host}");
    }
    let (tunnel, _) = through(&house, "CONNECT www.cpan.org:443", "www.cpan.org:443").await;
    assert!(tunnel.starts_with("HTTP/1.1 403 lazaret tunnels nothing"), "{tunnel}");
    let escape = get("www.cpan.org", "/../pypi/simple/").await.0;
    assert!(escape.starts_with("HTTP/1.1 404 "), "{escape}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switched_off_it_says_how_to_switch_it_on() {
    let (_mirror, house) = house(false).await;
    for host in ["www.cpan.org", "example.test"] {
        let (line, _) = through(&house, &format!("GET http://{host}/authors/id/{GREET_OLD}"), host).await;
        assert_eq!(
            line,
            "HTTP/1.1 403 lazaret is no HTTP proxy here: set cpan.forward_proxy, or point the client at /cpan"
        );
    }
    // A client that sends our own address in full means us.
    let own = house.packages().trim_start_matches("http://").to_owned();
    let (line, _) = through(&house, &format!("GET http://{own}/livez"), &own).await;
    assert_eq!(line, "HTTP/1.1 200 OK");
}
