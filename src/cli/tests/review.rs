//! Stories of reviewers: commands that ask the admin API.

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value as Json, json};

use super::{Desk, MemoryLedger};

fn upload(id: &str, filename: &str) -> Json {
    json!({
        "id": id, "ecosystem": "pypi", "project": "reqeusts", "version": "2.32.0", "filename": filename,
        "sha256": "ab".repeat(32), "size": 65_536, "state": "held", "examination": {"result": "passed"},
        "published": "2026-11-20T10:00:00Z", "first_seen": "2026-11-20T10:05:00Z", "hold_until": "2026-11-28T14:00:00Z",
        "score": 0.72, "verdict": "review", "reason": "name resembles requests (transposition)",
        "findings": [
            {"signal": "young-project", "severity": "low", "confidence": "high", "points": 10,
             "summary": "The project is two days old.", "evidence": {"first": "2026-11-20"}},
            {"signal": "name-resembles", "severity": "high", "confidence": "medium", "points": 70,
             "summary": "The name is requests with two letters swapped.\u{1b}[2J", "evidence": {"target": "requests"}},
        ],
    })
}

#[tokio::test]
async fn the_queue_is_a_table_and_its_json_is_the_answer() {
    let answer = json!({"items": [upload("a2".repeat(13).as_str(), "reqeusts-2.32.0.tar.gz")], "next": "cursor7"});
    let desk = Desk::beside(StatusCode::OK, answer.clone()).await;
    let said = desk.run(&["queue", "--ecosystem", "pypi", "--project", "a b"]).await;
    assert_snapshot!(format!("{}{}{}", said.code, said.out, said.err), @r#"
    0ID                          SCORE  PACKAGE                FILE                    STATE                       WHY
    a2a2a2a2a2a2a2a2a2a2a2a2a2  0.72   pypi:reqeusts==2.32.0  reqeusts-2.32.0.tar.gz  held, waits for a reviewer  name resembles requests (transposition)
    there are more: --cursor cursor7
    "#);
    assert_snapshot!(desk.asked(), @r#"GET /api/v1/uploads?state=held&limit=100&ecosystem=pypi&project=a+b [Bearer island]"#);
    let said = desk.run(&["queue", "--format", "json"]).await;
    assert_eq!(serde_json::from_str::<Json>(&said.out).unwrap(), answer);
}

#[tokio::test]
async fn an_empty_queue_is_said_in_words() {
    let desk = Desk::beside(StatusCode::OK, json!({"items": [], "next": null})).await;
    assert_eq!(desk.run(&["queue"]).await.out, "nothing is held\n");
}

#[tokio::test]
async fn show_puts_the_heaviest_finding_first_and_obeys_no_terminal_codes() {
    let desk = Desk::beside(StatusCode::OK, upload("abcdefghijklmnopqrstuvwxyz", "reqeusts-2.32.0.tar.gz")).await;
    let said = desk.run(&["show", "pypi:reqeusts==2.32.0", "--evidence"]).await;
    assert_snapshot!(said.out, @r#"
    pypi:reqeusts==2.32.0
      state      held, waits for a reviewer
      verdict    review: name resembles requests (transposition)
      score      0.72 of 1
      published  2026-11-20 10:00 UTC, first seen here 2026-11-20 10:05 UTC
      file       reqeusts-2.32.0.tar.gz, 64.0 KiB
      sha256     abababababababababababababababababababababababababababababababab, examination: passed
      id         abcdefghijklmnopqrstuvwxyz

    findings, heaviest first
       70  name-resembles  (high severity, medium confidence)
           The name is requests with two letters swapped.?[2J
           {
             "target": "requests"
           }
       10  young-project  (low severity, high confidence)
           The project is two days old.
           {
             "first": "2026-11-20"
           }

    decide with
      lazaret approve abcdefghijklmnopqrstuvwxyz --reason "..."
      lazaret reject abcdefghijklmnopqrstuvwxyz --reason "..."
    "#);
    assert_snapshot!(desk.asked(), @r#"GET /api/v1/uploads/pypi:reqeusts==2.32.0 [Bearer island]"#);
}

#[tokio::test]
async fn approving_sends_the_reason_and_names_what_still_waits() {
    let mut released = upload("abcdefghijklmnopqrstuvwxyz", "reqeusts-2.32.0.tar.gz");
    released["state"] = json!("released");
    let also = json!([{"id": "b2".repeat(13), "project": "child", "version": "1.0", "why": "required by reqeusts as child==1.0"}]);
    let desk = Desk::beside(StatusCode::OK, json!({"changed": [released], "also_held": also})).await;
    let said =
        desk.run(&["approve", "a/b?.tar.gz", "--reason", "read it", "--scope", "project", "--expires", "30d"]).await;
    assert_snapshot!(said.out, @r#"
    1 file changed
      released  pypi:reqeusts==2.32.0  reqeusts-2.32.0.tar.gz  abcdefghijklmnopqrstuvwxyz

    still held, and needed by what was released:
      b2b2b2b2b2b2b2b2b2b2b2b2b2  child==1.0  required by reqeusts as child==1.0
    approve them too with `lazaret approve ID --reason ...`
    "#);
    desk.run(&["reject", "six-1.0.zip", "--reason", "malware"]).await;
    desk.run(&["recall", "six-1.0.zip", "--reason", "malware", "--scope", "version"]).await;
    assert_snapshot!(desk.asked(), @r#"
    POST /api/v1/uploads/a%2Fb%3F.tar.gz/approve [Bearer island] {"expires":"2026-12-22T12:00:00Z","reason":"read it","scope":"project"}
    POST /api/v1/uploads/six-1.0.zip/reject [Bearer island] {"reason":"malware"}
    POST /api/v1/uploads/six-1.0.zip/recall [Bearer island] {"reason":"malware","scope":"version"}
    "#);
}

#[tokio::test]
async fn what_the_proxy_refuses_is_said_with_its_reason() {
    let problem = json!({
        "type": "about:blank", "title": "Several files match", "status": 409, "detail": "name one of them by its id",
        "uploads": [{"id": "abc", "filename": "a-1.0.zip"}, {"id": "def", "filename": "a-1.0.whl"}],
    });
    let desk = Desk::beside(StatusCode::CONFLICT, problem).await;
    let said = desk.run(&["reject", "a", "--reason", "no"]).await;
    assert_snapshot!(format!("{} {}", said.code, said.err), @r#"
    1 Several files match: name one of them by its id
      abc  a-1.0.zip
      def  a-1.0.whl
    "#);
    assert_eq!(said.out, "");
}

#[tokio::test]
async fn why_says_what_is_served_what_not_and_until_when() {
    let answer = json!({
        "project": "pypi:boto3", "origin": "public",
        "served": [{"version": "1.44.4", "files": 2}, {"version": "1.44.3", "files": ["a", "b"]}],
        "held": [{"version": "1.44.5", "files": 1, "state": "held", "reason": "new upload",
                  "hold_until": "2026-11-28T14:00:00Z", "id": "abc"}],
        "notes": ["the upstream was last read a minute ago"],
    });
    let desk = Desk::beside(StatusCode::OK, answer).await;
    let said = desk.run(&["why", "pypi:Boto_3==1.44.05"]).await;
    assert_snapshot!(said.out, @r#"
    pypi:boto3 from public

    served: 2 versions
      1.44.4  2 files
      1.44.3  2 files

    not served: 1 version
      1.44.5  1 file  held until 2026-11-28 14:00 UTC  new upload  abc

    note: the upstream was last read a minute ago
    "#);
    assert_snapshot!(desk.asked(), @r#"GET /api/v1/why?target=pypi%3Aboto-3%3D%3D1.44.5 [Bearer island]"#);
}

#[tokio::test]
async fn of_one_version_why_says_only_what_it_is() {
    let held = json!({
        "project": "pypi:boto3", "origin": "public", "served": [], "notes": [],
        "held": [{"version": "1.44.5", "files": 1, "state": "held", "reason": "new upload",
                  "hold_until": "2026-11-28T14:00:00Z", "id": "abc"}],
    });
    let desk = Desk::beside(StatusCode::OK, held).await;
    assert_snapshot!(desk.run(&["why", "pypi:boto3==1.44.5"]).await.out, @r#"
    pypi:boto3 from public

    not served: 1 version
      1.44.5  1 file  held until 2026-11-28 14:00 UTC  new upload  abc
    "#);
    assert!(desk.run(&["why", "pypi:boto3"]).await.out.contains("served: 0 versions"));
}

#[tokio::test]
async fn a_recall_says_whom_it_reached() {
    let answer = json!({
        "changed": [], "also_held": [],
        "reached": [{"filename": "boto3-1.44.5.whl", "actor": "ci", "day": "2026-11-22", "count": 3}],
    });
    let desk = Desk::beside(StatusCode::OK, answer).await;
    let said = desk.run(&["recall", "pypi:boto3==1.44.5", "--reason", "turned bad"]).await;
    assert_snapshot!(said.out, @r#"
    nothing had to be changed

    fetched before by:
      ci  2026-11-22  3 times  boto3-1.44.5.whl
    "#);
}

#[tokio::test]
async fn blocks_and_tokens_go_through_the_api() {
    let desk = Desk::beside(StatusCode::OK, json!({"token": "new-secret"})).await;
    let said = desk.run(&["token", "create", "ci", "--role", "viewer", "--expires", "2027-01-01T00:00:00Z"]).await;
    assert_eq!(said.out, "new-secret\n");
    assert_eq!(desk.run(&["block", "pypi:Evil", "--reason", "bad"]).await.out, "pypi:evil is blocked\n");
    desk.run(&["unblock", "pypi:evil==1.0", "--reason", "fine"]).await;
    desk.run(&["token", "revoke", "ci"]).await;
    assert_snapshot!(desk.asked(), @r#"
    POST /api/v1/tokens [Bearer island] {"expires":"2027-01-01T00:00:00Z","name":"ci","role":"viewer"}
    POST /api/v1/blocks [Bearer island] {"reason":"bad","target":"pypi:evil"}
    DELETE /api/v1/blocks [Bearer island] {"reason":"fine","target":"pypi:evil==1.0"}
    DELETE /api/v1/tokens/ci [Bearer island]
    "#);
}

#[tokio::test]
async fn tokens_and_events_are_listed() {
    let tokens = json!({"items": [
        {"name": "first", "role": "admin", "created": "2026-11-22T12:00:00Z"},
        {"name": "ci", "role": "viewer", "mode": "observe", "created": "2026-11-22T12:00:00Z", "expires": "2027-01-01T00:00:00Z"},
    ]});
    let desk = Desk::beside(StatusCode::OK, tokens).await;
    assert_snapshot!(desk.run(&["token", "list"]).await.out, @r#"
    NAME   ROLE    MODE     CREATED               ENDS
    first  admin   as all   2026-11-22 12:00 UTC  never
    ci     viewer  observe  2026-11-22 12:00 UTC  2027-01-01 00:00 UTC
    "#);

    let events = serde_json::to_value(&MemoryLedger::of(2).events).unwrap();
    let desk = Desk::beside(StatusCode::OK, json!({"items": events, "next": 2})).await;
    let said = desk.run(&["audit", "list", "--limit", "2"]).await;
    assert_snapshot!(format!("{}{}", said.out, said.err), @r#"
    NO  WHEN                  WHAT   WHO             ABOUT
    1   1970-01-01 00:00 UTC  alarm  lazaret (test)  event 0
    2   1970-01-01 00:00 UTC  alarm  lazaret (test)  event 1
    there are more: --cursor 2
    "#);
}
