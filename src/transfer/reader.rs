//! Lines on their way in: nothing of a file is believed before all of it was read.

use std::io::{BufRead, Read as _};

use sha2::Digest as _;

use super::TransferError;
use super::line::{Blob, End, FORMAT, Header, Line};
use crate::domain::audit::Head;
use crate::domain::{Project, ProjectName, Sha256, UploadId};
use crate::seal::{LockedKey, PublicKey};
use crate::store::{Fact, record};

/// A row's payload in base64, and what stands around it.
const LONGEST_LINE: u64 = 96 << 20;
/// How the last line begins; no other does.
const END: &[u8] = b"{\"end\":";

/// Reads lines, one in memory at a time.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    hasher: sha2::Sha256,
    lines: u64,
    buffer: Vec<u8>,
    ended: Option<End>,
}

impl<R: BufRead> Reader<R> {
    /// From the beginning.
    pub fn new(input: R) -> Self {
        Self { input, hasher: sha2::Sha256::default(), lines: 0, buffer: Vec::new(), ended: None }
    }

    /// The next line; after the end line, which is checked against all before it, nothing.
    pub fn next_line(&mut self) -> Result<Option<Line>, TransferError> {
        if self.ended.is_some() {
            return Ok(None);
        }
        self.buffer.clear();
        (&mut self.input).take(LONGEST_LINE + 1).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.len() as u64 > LONGEST_LINE {
            return Err(self.wrong("it is too long for a line of an export"));
        }
        if self.buffer.last() != Some(&b'\n') {
            // A file that is something else has, most likely, no line end where ours has one.
            return Err(if self.lines == 0 { TransferError::NoExport } else { TransferError::Half(self.lines) });
        }
        if self.buffer.starts_with(END) {
            let line = self.parsed()?;
            // No digest covers this line, so it is held to its one spelling: hexadecimal has two.
            let mut spelling = Vec::with_capacity(self.buffer.len());
            line.write(&mut spelling)?;
            if self.buffer != spelling {
                return Err(TransferError::Changed("its end is not spelled as an export spells it"));
            }
            let Line::End(end) = line else { return Err(Self::wrong_in(self.lines + 1, "it is no end")) };
            self.check_end(&end)?;
            self.ended = Some(end);
            return Ok(None);
        }
        self.hasher.update(&self.buffer);
        let line = if self.lines == 0 { self.first()? } else { self.parsed()? };
        self.lines += 1;
        match (&line, self.lines) {
            (Line::Export(_), 1) => {}
            (Line::Export(_) | Line::End(_), _) => return Err(self.wrong("it stands in the wrong place")),
            _ => {}
        }
        Ok(Some(line))
    }

    /// How many bytes the line had that was read last.
    pub fn length(&self) -> u64 {
        self.buffer.len() as u64
    }

    /// The end, once it was read.
    pub fn ended(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    fn first(&self) -> Result<Line, TransferError> {
        let Ok(Line::Export(header)) = serde_json::from_slice(&self.buffer) else {
            return Err(TransferError::NoExport);
        };
        if header.format > FORMAT || header.rows > record::VERSION {
            let Header { format, rows, .. } = header;
            return Err(TransferError::TooNew { format, rows, known: record::VERSION });
        }
        Ok(Line::Export(header))
    }

    fn parsed(&self) -> Result<Line, TransferError> {
        serde_json::from_slice(&self.buffer).map_err(|error| Self::wrong_in(self.lines + 1, &error.to_string()))
    }

    fn check_end(&mut self, end: &End) -> Result<(), TransferError> {
        let digest = Sha256::from_bytes(std::mem::take(&mut self.hasher).finalize().into());
        if end.lines != self.lines {
            return Err(TransferError::Changed("it has another number of lines than its end says"));
        }
        if end.sha256 != digest {
            return Err(TransferError::Changed("it has another digest than its end says"));
        }
        if end.verify().is_err() {
            return Err(TransferError::Changed("the signature of its end does not hold"));
        }
        if self.input.fill_buf()?.is_empty() {
            Ok(())
        } else {
            Err(TransferError::Changed("something stands behind its end"))
        }
    }

    /// The line that was read last says what it must not.
    fn wrong(&self, problem: &str) -> TransferError {
        Self::wrong_in(self.lines, problem)
    }

    fn wrong_in(line: u64, problem: &str) -> TransferError {
        // What is quoted from a hostile file is not printed as it is.
        let problem = problem.chars().take(200).map(|letter| if letter.is_control() { '?' } else { letter }).collect();
        TransferError::Line { line, problem }
    }
}

/// What a whole export holds.
#[derive(Debug)]
pub struct Checked {
    /// What it is of.
    pub header: Header,
    /// Where its ledger ends.
    pub head: Head,
    /// The signing key, if it travels along.
    pub key: Option<LockedKey>,
    /// Who signed it.
    pub signer: PublicKey,
    /// Of all but the last line.
    pub sha256: Sha256,
    /// How many lines are before the last.
    pub lines: u64,
    /// How many of them are facts.
    pub facts: u64,
    /// How many files the cellar held.
    pub blobs: u64,
}

/// Reads an export to its end and believes it only then: form, digest, signature, every link of the ledger's chain, and that each
/// fact is what its name says.
pub fn check(input: impl BufRead) -> Result<Checked, TransferError> {
    let mut reader = Reader::new(input);
    let Some(Line::Export(header)) = reader.next_line()? else { return Err(TransferError::NoExport) };
    let promised: Head = header.head.parse().map_err(|_| reader.wrong("its head is no NUMBER:HASH"))?;
    let (mut head, mut key, mut facts, mut blobs) = (Head::EMPTY, None, 0, 0);
    while let Some(line) = reader.next_line()? {
        match line {
            Line::Fact(fact) => {
                facts += 1;
                if let Fact::Event(event) = &fact {
                    let next = head.verify(event);
                    head = next.ok_or_else(|| reader.wrong("the event does not continue the ledger's chain"))?;
                }
                sound(&fact).map_err(|problem| reader.wrong(problem))?;
            }
            Line::Key(locked) if key.is_none() => key = Some(locked),
            Line::Blob(Blob { .. }) => blobs += 1,
            Line::Key(_) | Line::Export(_) | Line::End(_) => return Err(reader.wrong("it is there twice")),
        }
    }
    let Some(end) = reader.ended() else { return Err(TransferError::Half(reader.lines)) };
    if head != promised {
        return Err(TransferError::Changed("its ledger ends elsewhere than its first line says"));
    }
    Ok(Checked { header, head, key, signer: end.key, sha256: end.sha256, lines: end.lines, facts, blobs })
}

/// Whether a fact is what its name says: a key of the store is made of it.
fn sound(fact: &Fact) -> Result<(), &'static str> {
    const LONGEST_WORD: usize = 1_024;
    let named = |project: &Project| match ProjectName::parse(project.ecosystem, project.name.as_str()) {
        Ok(name) if name == project.name => Ok(()),
        _ => Err("the project's name is none"),
    };
    let word = |text: &str| {
        let is_plain = !text.is_empty() && text.len() <= LONGEST_WORD && !text.contains(char::is_control);
        if is_plain { Ok(()) } else { Err("a word in it is empty, too long or not printable") }
    };
    match fact {
        Fact::HighestTime(_) | Fact::Dossier(_) | Fact::Event(_) => Ok(()),
        Fact::Token(token) => word(&token.name),
        Fact::Rule(rule) => named(&rule.project),
        Fact::PrivateName { project, index } => named(project).and_then(|()| word(index)),
        Fact::Project(known) => named(&known.project),
        Fact::Read { project, .. } => named(project),
        Fact::Upload(upload) => {
            named(&upload.project)?;
            let id = UploadId::of(&upload.project, &upload.filename, upload.promise.as_ref());
            if id == upload.id { Ok(()) } else { Err("the upload's id is not made of its project, name and promise") }
        }
        Fact::Snapshot { subject, .. } => word(subject),
        Fact::Download(download) => word(&download.actor).and_then(|()| word(&download.day)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::super::Writer;
    use super::*;
    use crate::domain::{Actor, EventDraft, EventKind};
    use crate::seal::SigningKey;

    const NOON: crate::domain::Timestamp = datetime!(2026-11-22 12:00 UTC);

    fn header(head: Head) -> Line {
        Line::Export(Header {
            format: FORMAT,
            rows: record::VERSION,
            instance: "house".into(),
            made: NOON,
            head: head.to_string(),
            by: "0.1.0".into(),
        })
    }

    /// An export of three events and a file.
    fn export(key: &SigningKey) -> String {
        let mut head = Head::EMPTY;
        let mut events = Vec::new();
        for text in ["one", "two", "three"] {
            let (event, next) = head.seal(EventDraft::new(NOON, Actor::house("test"), EventKind::Alarm, text));
            head = next;
            events.push(Line::Fact(Fact::Event(Box::new(event))));
        }
        written(key, [header(head)].into_iter().chain(events))
    }

    fn written(key: &SigningKey, lines: impl IntoIterator<Item = Line>) -> String {
        let (mut writer, mut out) = (Writer::default(), Vec::new());
        for line in lines {
            writer.line(&line, &mut out).unwrap();
        }
        writer.line(&Line::Blob(Blob { sha256: Sha256::of(b"wheel"), size: 5 }), &mut out).unwrap();
        let end = writer.end(key).unwrap();
        out.extend(serde_json::to_vec(&end).unwrap());
        out.push(b'\n');
        String::from_utf8(out).unwrap()
    }

    fn refused(text: &str) -> String {
        check(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_export_is_believed_and_every_part_of_it_is_refused() {
        let key = SigningKey::generate().unwrap();
        let text = export(&key);
        let checked = check(text.as_bytes()).unwrap();
        assert_eq!((checked.facts, checked.blobs, checked.lines, checked.head.sequence), (3, 1, 5, 3));
        assert_eq!(checked.signer, key.public());
        for length in 0..text.len() {
            assert!(check(&text.as_bytes()[..length]).is_err(), "the first {length} bytes");
        }
        assert!(refused(&text[..text.len() - 10]).contains("half an export"));
        assert!(refused("").contains("no export"));
        assert!(refused("[store]\ndata_dir = \"x\"\n").contains("no export"));
    }

    #[test]
    fn what_was_changed_is_told_for_what_it_is() {
        let key = SigningKey::generate().unwrap();
        let text = export(&key);
        assert!(refused(&text.replace("\"size\":5", "\"size\":6")).contains("another digest"));
        assert!(refused(&text.replace("\"two\"", "\"zwo\"")).contains("does not continue"));
        assert!(refused(&format!("{text}\n")).contains("behind its end"));
        assert!(refused(&text.replace("\"format\":1", "\"format\":2")).contains("use the newer one"));
        assert!(refused(&text.replace("\"rows\":1", "\"rows\":9")).contains("use the newer one"));
        let end = text.rfind("\"signature\":\"").unwrap() + 13;
        let forged = format!("{}{}{}", &text[..end], "0".repeat(128), &text[end + 128..]);
        assert!(refused(&forged).contains("signature"));
        let digest = text.rfind("\"sha256\":\"").unwrap() + 10;
        let shouted =
            format!("{}{}{}", &text[..digest], text[digest..digest + 64].to_uppercase(), &text[digest + 64..]);
        assert!(refused(&shouted).contains("spelled"));
        let without: String =
            text.lines().filter(|line| !line.contains("\"three\"")).flat_map(|line| [line, "\n"]).collect();
        assert!(refused(&without).contains("number of lines"));
    }

    #[test]
    fn what_is_whole_and_nonsense_is_refused_too() {
        let key = SigningKey::generate().unwrap();
        let token = |name: &str| {
            Line::Fact(Fact::Token(crate::store::Token {
                name: name.into(),
                role: crate::domain::Role::Admin,
                digest: Sha256::of(b"x"),
                created: NOON,
                expires: None,
                revoked: None,
                mode: None,
            }))
        };
        let refuse = |lines: Vec<Line>| refused(&written(&key, [header(Head::EMPTY)].into_iter().chain(lines)));
        assert!(check(written(&key, [header(Head::EMPTY), token("ada")]).as_bytes()).is_ok());
        assert!(refuse(vec![token("\u{1b}[2J")]).contains("line 2"));
        assert!(refuse(vec![token("")]).contains("empty"));
        assert!(refuse(vec![header(Head::EMPTY)]).contains("wrong place"));
        assert!(refused(&written(&key, [token("ada")])).contains("no export"));
        let other = Head { sequence: 9, hash: Sha256::of(b"nine") };
        assert!(refused(&written(&key, [header(other)])).contains("ends elsewhere"));
        let deep = format!("{{\"fact\":{{\"event\":{}", "[".repeat(100_000));
        let text = written(&key, [header(Head::EMPTY)]);
        let (first, rest) = text.split_once('\n').unwrap();
        let told = refused(&format!("{first}\n{deep}\n{rest}"));
        assert!(told.starts_with("line 2 "), "{told}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn whatever_is_changed_in_it_nothing_panics_and_nothing_else_is_believed(
            place in 0_usize..2_000, byte in any::<u8>(), cut in 0_usize..2_000,
        ) {
            let key = SigningKey::from_bytes_for_tests();
            let whole = export(&key).into_bytes();
            let mut changed = whole.clone();
            let place = place % changed.len();
            changed[place] = byte;
            prop_assert_eq!(check(&changed[..]).is_ok(), changed == whole);
            changed.truncate(cut);
            let _ = check(&changed[..]);
        }
    }
}
