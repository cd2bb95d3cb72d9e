//! The words that scripts are looked through for: modules, commands, paths.

/// Blocks that run as soon as they are read.
pub(super) const RUNS_AT_ONCE: [&str; 5] = ["BEGIN", "UNITCHECK", "CHECK", "INIT", "import"];

/// Functions that take a whole hash and make something of it that can be kept or sent.
pub(super) const SPREADS: [&str; 18] = [
    "Data::Dumper",
    "Dump",
    "Dumper",
    "each",
    "encode_json",
    "freeze",
    "join",
    "keys",
    "map",
    "nfreeze",
    "nstore",
    "print",
    "say",
    "sprintf",
    "store",
    "to_json",
    "uri_escape",
    "values",
];

/// Words of code that only compares and asks.
pub(super) const COMPARES: [&str; 15] =
    ["and", "can", "defined", "eq", "ge", "gt", "import", "isa", "le", "lt", "ne", "not", "or", "qw", "unimport"];

/// Methods that start to talk.
pub(super) const CONNECTS: [&str; 14] = [
    "connect",
    "delete",
    "fetch",
    "get",
    "head",
    "login",
    "mirror",
    "new",
    "patch",
    "post",
    "post_form",
    "put",
    "request",
    "send",
];

/// Functions that reach a file.
pub(super) const OPENS: [&str; 14] = [
    "append_file",
    "copy",
    "glob",
    "move",
    "open",
    "opendir",
    "path",
    "read_file",
    "read_text",
    "rename",
    "slurp",
    "sysopen",
    "tie",
    "write_file",
];

const DECODERS: [&str; 25] = [
    "anyinflate",
    "bunzip2",
    "chr",
    "decode",
    "decode_base64",
    "decode_base64url",
    "decode_hex",
    "decode_json",
    "decode_qp",
    "decompress",
    "decrypt",
    "gunzip",
    "hex",
    "inflate",
    "memBunzip",
    "memGunzip",
    "pack",
    "reverse",
    "rot13",
    "thaw",
    "uncompress",
    "unpack",
    "unrot13",
    "uudecode",
    "vec",
];

const NETWORK: [&str; 18] = [
    "AnyEvent::HTTP",
    "AnyEvent::Socket",
    "File::Fetch",
    "Furl",
    "HTTP::Client",
    "HTTP::Lite",
    "HTTP::Request",
    "HTTP::Tiny",
    "HTTP::Tinyish",
    "IO::Socket",
    "LWP",
    "Mojo::UserAgent",
    "Net",
    "REST::Client",
    "SOAP::Lite",
    "WWW::Curl",
    "WWW::Mechanize",
    "XML::RPC",
];

const NETWORK_COMMANDS: [&str; 18] = [
    "aria2c",
    "curl",
    "dig",
    "ftp",
    "lwp-download",
    "lwp-request",
    "lynx",
    "nc",
    "ncat",
    "nslookup",
    "rsync",
    "scp",
    "sftp",
    "socat",
    "ssh",
    "telnet",
    "tftp",
    "wget",
];

const SOURCE_FILTERS: [&str; 14] = [
    "Acme::Bleach",
    "Acme::Buffy",
    "Acme::DWIM",
    "Acme::Dot",
    "Acme::EyeDrops",
    "Acme::LOLCAT",
    "Acme::Morse",
    "Acme::Octarine",
    "Acme::Pony",
    "Acme::Smirch",
    "Acme::Whitespace",
    "Acme::Unicodify",
    "Filter",
    "PAR",
];

const SECRETS: [&str; 26] = [
    ".aws",
    ".azure",
    ".bash_history",
    ".boto",
    ".docker",
    ".electrum",
    ".git-credentials",
    ".gnupg",
    ".htpasswd",
    ".kube",
    ".mozilla",
    ".my.cnf",
    ".netrc",
    ".npmrc",
    ".pause",
    ".pgpass",
    ".pypirc",
    ".s3cfg",
    ".ssh",
    ".zsh_history",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
    "wallet.dat",
    "shadow",
];

const START_UP: [&str; 20] = [
    ".bash_login",
    ".bash_profile",
    ".bashrc",
    ".cshrc",
    ".kshrc",
    ".profile",
    ".tcshrc",
    ".xinitrc",
    ".xprofile",
    ".zlogin",
    ".zprofile",
    ".zshenv",
    ".zshrc",
    "LaunchAgents",
    "LaunchDaemons",
    "authorized_keys",
    "autostart",
    "cron.d",
    "cron.daily",
    "rc.local",
];

/// Turns text or numbers into another text.
pub(super) fn is_decoder(word: &str) -> bool {
    let last = word.rsplit("::").next().unwrap_or(word);
    DECODERS.contains(&last)
}

/// A module that talks to the network, or one below it.
pub(super) fn is_network(word: &str) -> bool {
    is_below(word, &NETWORK)
}

/// A function of a network module that asks for something: `LWP::Simple::getstore`.
pub(super) fn is_request(word: &str) -> bool {
    const REQUESTS: [&str; 9] = ["connect", "fetch", "get", "head", "mirror", "post", "put", "request", "sslcat"];
    let last = word.rsplit("::").next().unwrap_or(word);
    REQUESTS.iter().any(|request| last.starts_with(request))
}

/// A module that rewrites the source it is loaded in. The tools to write such modules are none.
pub(super) fn is_source_filter(word: &str) -> bool {
    is_below(word, &SOURCE_FILTERS) && !matches!(word, "Filter::Util::Call" | "Filter::Simple" | "PAR::Dist")
}

fn is_below(word: &str, modules: &[&str]) -> bool {
    modules.iter().any(|module| {
        let rest = word.strip_prefix(module);
        // `Net` and `Filter` are only prefixes.
        let alone = !matches!(*module, "Net" | "Filter");
        rest.is_some_and(|rest| rest.starts_with("::") || (alone && rest.is_empty()))
    })
}

/// A command line that talks to the network.
pub(super) fn commands_network(text: &str) -> bool {
    text.contains("http://")
        || text.contains("https://")
        || text.contains("/dev/tcp/")
        || parts(text, |letter| !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.')))
            .any(|part| NETWORK_COMMANDS.contains(&part))
}

/// The path of keys, passwords or a history.
pub(super) fn names_secret(text: &str) -> bool {
    names(text, &SECRETS).any(|name| name != "shadow" || text.contains("/etc/shadow"))
}

/// The path of a file that is run when somebody logs in or a system starts.
pub(super) fn names_start_up(text: &str) -> bool {
    names(text, &START_UP).next().is_some() || text.contains("systemd/") || text.contains("/etc/init.d")
}

/// A command that makes something run later.
pub(super) fn names_timer(text: &str) -> bool {
    let mut words = parts(text, |letter| letter.is_whitespace() || matches!(letter, '|' | ';' | '&' | '/'));
    words.any(|word| matches!(word, "crontab" | "systemctl" | "launchctl" | "schtasks"))
}

fn names<'s>(text: &'s str, known: &[&str]) -> impl Iterator<Item = &'s str> {
    let separates =
        |letter: char| letter.is_whitespace() || matches!(letter, '/' | '\\' | '"' | '\'' | '=' | '~' | ':');
    parts(text, separates).filter(|part| known.contains(part))
}

fn parts(text: &str, separates: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(separates).filter(|part| !part.is_empty())
}

/// Words for people: an explanation that names a path does nothing with it.
pub(super) fn is_prose(text: &str) -> bool {
    let words = text.split_whitespace().filter(|word| {
        word.len() > 1
            && word.trim_end_matches([',', '.', '!', '?', ':']).bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    words.take(3).count() == 3
}

/// Long lines of base64 or hexadecimal digits.
pub(super) fn is_dense(text: &str) -> bool {
    const SHORTEST: usize = 400;
    const LINE: usize = 40;
    if text.len() < SHORTEST {
        return false;
    }
    let mut lines = text.split_whitespace().peekable();
    while let Some(line) = lines.next() {
        let plain =
            line.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'));
        if !plain || (line.len() < LINE && lines.peek().is_some()) {
            return false;
        }
    }
    true
}

/// Letters written as numbers, most of the text long.
pub(super) fn is_escaped(text: &str) -> bool {
    let escapes = text
        .split('\\')
        .skip(1)
        .filter(|after| after.starts_with(|first: char| first == 'x' || first.is_ascii_digit()));
    let escapes = escapes.count();
    escapes >= 25 && escapes * 8 >= text.len()
}
