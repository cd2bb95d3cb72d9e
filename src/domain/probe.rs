//! What the package listener answers under `/probe/`: known on both sides, so that whoever asks through a load balancer sees
//! what it changes. Nothing of it depends on the request or on anything that is stored.

use std::sync::LazyLock;

use bytes::Bytes;

/// Who is refused.
pub const REFUSED: &str = "lazaret-probe 1.0";
/// Why, as the reason phrase must arrive behind the name.
pub const WHY: &str = "held to show that reasons arrive unchanged";
/// A header with the SHA-256 of the body as it was sent.
pub const DIGEST_HEADER: &str = "x-lazaret-probe";
/// What the file's answer says of caches on the way.
pub const CACHE_CONTROL: &str = "private, max-age=0, no-transform";
/// Lines of the file: enough that a range of 16 KB, as uv asks for, is a part of it.
const LINES: usize = 2_000;

static FILE: LazyLock<Bytes> = LazyLock::new(|| {
    let lines: Vec<String> =
        (0..LINES).map(|line| format!("lazaret probe, line {line:05}, easily compressed\n")).collect();
    lines.concat().into()
});

static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let file = |number: usize| {
        format!("{{\"filename\":\"lazaret_probe-{number}.0-py3-none-any.whl\",\"url\":\"x\",\"hashes\":{{}}}}")
    };
    let files: Vec<String> = (0..60).map(file).collect();
    let page =
        format!("{{\"meta\":{{\"api-version\":\"1.1\"}},\"name\":\"lazaret-probe\",\"files\":[{}]}}", files.join(","));
    page.into()
});

/// The bytes of the file.
pub fn file() -> Bytes {
    FILE.clone()
}

/// The page, not packed.
pub fn page() -> Bytes {
    PAGE.clone()
}

/// The reason phrase of the refusal.
pub fn phrase() -> String {
    format!("{REFUSED} {WHY}")
}
