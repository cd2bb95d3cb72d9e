//! A password that another program knows: it is asked without a shell, for a while, and for a few words.
#![expect(clippy::disallowed_methods, reason = "this is the room that asks other programs, here for a token")]

use std::process::Stdio;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::Secret;

/// Somebody waits for a page meanwhile.
const TIME_LIMIT: Duration = Duration::from_secs(8);
/// A token has some hundred bytes, some have a few thousand.
const OUTPUT_LIMIT: u64 = 16 * 1024;

/// What it said.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) token: Secret,
    /// Until when it is good, if the second line says so.
    pub(super) until: Option<OffsetDateTime>,
}

/// Runs it. What is wrong is said without a word of its output.
pub(super) async fn ask(command: &[String]) -> Result<Told, String> {
    let (program, arguments) = command.split_first().ok_or("no program is named")?;
    match tokio::time::timeout(TIME_LIMIT, run(program, arguments)).await {
        Ok(told) => told,
        Err(_) => Err(format!("{program} gave no answer in {} s", TIME_LIMIT.as_secs())),
    }
}

async fn run(program: &str, arguments: &[String]) -> Result<Told, String> {
    let mut command = Command::new(program);
    command.args(arguments);
    // It needs its environment, but not our secrets.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LAZARET_") {
            command.env_remove(name);
        }
    }
    // What it says of its troubles may hold what it tried: it is not kept.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("{program} cannot be started: {}", error.kind()))?;
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(OUTPUT_LIMIT + 1).read_to_end(&mut output).await;
        read.map_err(|error| format!("{program} could not be read: {}", error.kind()))?;
    }
    if output.len() as u64 > OUTPUT_LIMIT {
        return Err(format!("{program} said more than {OUTPUT_LIMIT} bytes"));
    }
    let status = child.wait().await.map_err(|error| format!("{program} was lost: {}", error.kind()))?;
    if !status.success() {
        return Err(format!("{program} failed ({status})"));
    }
    read(&output)
        .ok_or_else(|| format!("{program} said no token: one line of printable text, and perhaps one with its end"))
}

/// A line with the token, and perhaps one with the end of its time (RFC 3339).
fn read(output: &[u8]) -> Option<Told> {
    let mut lines = std::str::from_utf8(output).ok()?.lines().map(str::trim).filter(|line| !line.is_empty());
    let token = lines.next().filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()))?;
    let until = match lines.next() {
        Some(line) => Some(OffsetDateTime::parse(line, &Rfc3339).ok()?),
        None => None,
    };
    lines.next().is_none().then(|| Told { token: Secret::new(token), until })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_line_and_its_end_another() {
        assert_eq!(read(b"\n s3cret \r\n").unwrap().token.expose(), "s3cret");
        let told = read(b"s3cret\n2026-11-22T12:00:00Z\n").unwrap();
        assert_eq!(told.until.unwrap().unix_timestamp(), 1_795_348_800);
        for wrong in [&b""[..], b"\n", b"two words", b"a\nb", b"a\n2026-11-22T12:00:00Z\nc", b"\xff\xfe", b"a\x1b[31m"]
        {
            assert!(read(wrong).is_none(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn no_shell_reads_it_and_nothing_of_it_is_repeated() {
        let command = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let told = ask(&command(&["printf", "%s", "$(id)>x"])).await.unwrap();
        assert_eq!(told.token.expose(), "$(id)>x");
        for (words, said) in [
            (&["false"][..], "false failed"),
            (&["/nowhere/at/all"], "cannot be started"),
            (&["yes"], "said more than"),
            (&["printf", "hunter2 hunter2"], "said no token"),
            (&[], "no program"),
        ] {
            let error = ask(&command(words)).await.unwrap_err();
            assert!(error.contains(said) && !error.contains("hunter2"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_not_waited_for_for_ever() {
        let error = ask(&["sleep".to_owned(), "3600".to_owned()]).await.unwrap_err();
        assert!(error.contains("gave no answer"), "{error}");
    }
}
