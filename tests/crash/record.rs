//! The calls with which the real program changes files, as `strace` saw them.
//!
//! A line is written when a call is over. If another thread's call came between, there is a line for its beginning
//! (`<unfinished ...>`) and one for its end (`<... resumed>`), so the order of lines is the order in which things began and ended.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What the record is made of: whatever changes names, lengths or bytes, makes them durable, or moves a descriptor's place.
const CALLS: &str = "trace=open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,sendfile,splice,copy_file_range,\
                     truncate,ftruncate,fallocate,fsync,fdatasync,sync_file_range,sync,syncfs,msync,mmap,io_uring_setup,\
                     rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,\
                     lseek,dup,dup2,dup3,fcntl,ioctl";

/// One line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at: SystemTime,
    pub(super) thread: u32,
    pub(super) step: Step,
}

/// A beginning or an end of a call.
#[derive(Debug)]
pub(super) enum Step {
    Begins(Call),
    /// With what it returned; no failed ones.
    Ends(Call, i64),
}

/// A call and its arguments.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    /// The path of the descriptor that it returned.
    pub(super) returned: Option<PathBuf>,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// `5</srv/file>`; the path is empty for what is none (sockets, pipes) and for files that were removed.
    Descriptor(i64, PathBuf),
    /// Text or data.
    Bytes(Vec<u8>),
    /// Anything else, as it is written.
    Word(String),
}

impl Call {
    /// A number among the arguments.
    pub(super) fn number(&self, place: usize) -> u64 {
        match &self.arguments[place] {
            Argument::Word(word) => word.parse().unwrap_or_else(|_| panic!("{word} is no number in {}", self.name)),
            other => panic!("{other:?} is no number in {}", self.name),
        }
    }

    /// A word among the arguments.
    pub(super) fn word(&self, place: usize) -> &str {
        match &self.arguments[place] {
            Argument::Word(word) => word,
            other => panic!("{other:?} is no word in {}", self.name),
        }
    }

    /// Text or data among the arguments.
    pub(super) fn bytes(&self, place: usize) -> &[u8] {
        match &self.arguments[place] {
            Argument::Bytes(bytes) => bytes,
            other => panic!("{other:?} is no data in {}", self.name),
        }
    }

    /// A path among the arguments.
    pub(super) fn path(&self, place: usize) -> &Path {
        use std::os::unix::ffi::OsStrExt as _;
        Path::new(std::ffi::OsStr::from_bytes(self.bytes(place)))
    }

    /// A descriptor among the arguments and its path.
    pub(super) fn descriptor(&self, place: usize) -> (i64, &Path) {
        match &self.arguments[place] {
            Argument::Descriptor(number, path) => (*number, path),
            Argument::Word(word) => (word.parse().unwrap_or(-1), Path::new("")),
            Argument::Bytes(_) => panic!("data is no descriptor in {}", self.name),
        }
    }
}

/// Whether programs can be watched on this machine; if not, why.
pub(super) async fn may_watch() -> Result<(), String> {
    let tried =
        tokio::process::Command::new("strace").args(["--seccomp-bpf", "-f", "-o", "/dev/null", "true"]).output().await;
    match tried {
        Err(error) => Err(format!("strace cannot be run: {error}")),
        Ok(output) if !output.status.success() => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Ok(_) => Ok(()),
    }
}

/// A command that runs `program` and writes its record. It is the program itself that is started, so killing it kills that.
pub(super) fn watched(program: &tokio::process::Command, record: &Path) -> tokio::process::Command {
    let program = program.as_std();
    let mut command = tokio::process::Command::new("strace");
    command
        .args([
            "-D",
            "-f",
            "--seccomp-bpf",
            "-qq",
            "-ttt",
            "-y",
            "-xx",
            "-s",
            "16777216",
            "-e",
            "signal=none",
            "-e",
            CALLS,
            "-o",
        ])
        .arg(record)
        .arg(program.get_program())
        .args(program.get_args())
        .kill_on_drop(true);
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Waits until the whole record of a program that was killed is on disk, and takes it.
pub(super) async fn finished(record: &Path) -> String {
    let mut length = None;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = std::fs::metadata(record).expect("a record").len();
        if length == Some(now) {
            return std::fs::read_to_string(record).expect("a record");
        }
        length = Some(now);
    }
}

/// Calls with data or numbers that name a file only by its descriptor.
const BY_DESCRIPTOR: [&str; 8] = ["write(", "writev(", "pwrite64(", "lseek(", "fcntl(", "ioctl(", "mmap(", "sendfile("];

/// Reads a record, without what was written to sockets and to files outside this folder.
pub(super) fn read(text: &str, folder: &Path) -> Vec<Line> {
    use std::os::unix::ffi::OsStrExt as _;
    let shown: String = folder.as_os_str().as_bytes().iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let mut begun: HashMap<u32, String> = HashMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Ok(thread) = thread.parse::<u32>() else { continue };
        let (time, rest) = rest.trim_start().split_once(' ').expect("a time");
        let (seconds, micros) = time.split_once('.').expect("a time");
        let since = Duration::from_secs(seconds.parse().expect("seconds"));
        let at = SystemTime::UNIX_EPOCH + since + Duration::from_micros(micros.parse().expect("microseconds"));
        if BY_DESCRIPTOR.iter().any(|name| rest.starts_with(name)) && !rest.contains(&shown) {
            continue;
        }
        let mut push = |step| lines.push(Line { at, thread, step });
        if let Some(beginning) = rest.strip_suffix(" <unfinished ...>") {
            push(Step::Begins(call(beginning, None)));
            begun.insert(thread, beginning.to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, rest) = resumed.split_once(" resumed>").expect("resumed");
            let Some(beginning) = begun.remove(&thread) else { continue };
            if let Some((call, result)) = ended(&format!("{beginning}{rest}")) {
                push(Step::Ends(call, result));
            }
        } else if let Some((call, result)) = ended(rest) {
            push(Step::Begins(call.clone()));
            push(Step::Ends(call, result));
        }
    }
    lines
}

/// A whole call, if it did not fail.
fn ended(text: &str) -> Option<(Call, i64)> {
    // The arguments are hexadecimal, so this is the only place with such a text.
    let (arguments, result) = text.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let (number, path) = match result.split_once('<') {
        Some((number, path)) => (number, Some(path.trim_end().trim_end_matches('>'))),
        None => (result.split_whitespace().next()?, None),
    };
    // An address is as good as any number.
    let number = if number.starts_with("0x") { 0 } else { number.parse::<i64>().ok().filter(|number| *number >= 0)? };
    Some((call(arguments, path), number))
}

fn call(text: &str, returned: Option<&str>) -> Call {
    let (name, mut rest) = text.split_once('(').expect("a call");
    let mut arguments = Vec::new();
    while !rest.trim_start_matches([',', ' ']).is_empty() {
        rest = rest.trim_start_matches([',', ' ']);
        let (argument, length) = argument(rest);
        arguments.push(argument);
        rest = &rest[length..];
    }
    Call { name: name.to_owned(), arguments, returned: returned.map(path) }
}

/// The first argument and how long its text is.
fn argument(text: &str) -> (Argument, usize) {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quoted.find('"').expect("the end of a text");
        let after = &text[end + 2..];
        assert!(!after.starts_with("..."), "data was cut off in the record");
        return (Argument::Bytes(bytes(&quoted[..end])), end + 2);
    }
    let mut depth = 0_usize;
    let mut end = text.len();
    for (place, letter) in text.char_indices() {
        match letter {
            '[' | '{' | '<' | '(' => depth += 1,
            ']' | '}' | '>' | ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                end = place;
                break;
            }
            _ => {}
        }
    }
    let word = &text[..end];
    let argument = match word.split_once('<') {
        Some((number, shown)) if number == "AT_FDCWD" || number.parse::<i64>().is_ok() => {
            Argument::Descriptor(number.parse().unwrap_or(-100), path(shown.trim_end_matches('>')))
        }
        _ => Argument::Word(word.to_owned()),
    };
    (argument, end)
}

/// The path of a descriptor; empty if it has none any more.
fn path(shown: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    if shown.ends_with("(deleted)") {
        return PathBuf::new();
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes(shown)))
}

/// Text as `-xx` writes it: each byte as `\x41`. What is not written so is what it is.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4);
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if let (b'\\', [b'x', high, low, after @ ..]) = (first, more) {
            let digit = |digit: &u8| (*digit as char).to_digit(16).expect("a digit");
            bytes.push(u8::try_from(digit(high) * 16 + digit(low)).expect("a byte"));
            rest = after;
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    bytes
}

#[test]
fn a_record_is_read_as_it_is_written() {
    let text = "7 1700000000.000001 openat(AT_FDCWD<\\x2f\\x61>, \"\\x62\", O_RDWR|O_CREAT, 0666) = 5<\\x2f\\x61\\x2f\\x62>\n\
                7 1700000000.000002 pwrite64(5<\\x2f\\x61\\x2f\\x62>, \"\\x00\\xff\", 2, 10 <unfinished ...>\n\
                9 1700000000.000002 write(6<socket:[1]>, \"\\x00\", 1) = 1\n\
                8 1700000000.000003 fsync(5<\\x2f\\x61\\x2f\\x62>) = -1 EIO (Input/output error)\n\
                7 1700000000.000004 <... pwrite64 resumed>) = 2\n";
    let lines = read(text, Path::new("/a"));
    assert_eq!(lines.len(), 4, "{lines:#?}");
    let Step::Ends(opened, 5) = &lines[1].step else { panic!("{:?}", lines[1]) };
    assert_eq!(opened.returned.as_deref(), Some(Path::new("/a/b")));
    assert_eq!((opened.descriptor(0).1, opened.path(1)), (Path::new("/a"), Path::new("b")));
    let Step::Ends(written, 2) = &lines[3].step else { panic!("{:?}", lines[3]) };
    assert_eq!((written.bytes(1), written.number(3)), (&[0, 255][..], 10));
    assert!(lines[2].at < lines[3].at && matches!(lines[2].step, Step::Begins(_)));
}
