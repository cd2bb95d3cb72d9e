//! Here-documents: their mark in a line of code, their contents on the lines after it.

use super::tokens::{Kind, Reader, is_name};

/// So many here-documents may start on one line.
const MOST_WAITING: usize = 16;
/// Here-documents without an end are searched for so often.
const MOST_ENDLESS: u32 = 16;

/// A here-document that was announced and begins on the next line.
#[derive(Debug)]
pub(super) struct HereDocument<'s> {
    tag: &'s str,
    indented: bool,
    interpolates: bool,
    command: bool,
    /// Where its token waits for its contents.
    token: usize,
}

impl<'s> Reader<'s, '_> {
    pub(super) fn angle(&mut self) {
        let rest = self.slice(self.at, self.source.len());
        if let Some((document, length)) = self.here_start(rest) {
            let token = self.tokens.len();
            self.push(Kind::Text("", document.interpolates));
            self.waiting.push(HereDocument { token, ..document });
            self.at += length;
            return;
        }
        // `<STDIN>` and `<$file>` are values.
        let name = rest.get(1..).unwrap_or_default().trim_start_matches('$');
        let from = self.source.len() - name.len();
        let length = self.name_length(from);
        if !self.after_operand() && name.get(length..).is_some_and(|after| after.starts_with('>')) {
            self.push(Kind::Number(self.slice(from, from + length)));
            self.at = from + length + 1;
            return;
        }
        self.push(Kind::Sign('<'));
        self.at += 1;
    }

    /// A here-document's mark at this place, and the mark's length.
    fn here_start(&mut self, rest: &'s str) -> Option<(HereDocument<'s>, usize)> {
        let after = rest.strip_prefix("<<")?;
        if self.endless >= MOST_ENDLESS || self.waiting.len() >= MOST_WAITING {
            return None;
        }
        let (indented, after) = after.strip_prefix('~').map_or((false, after), |after| (true, after));
        let spaces = after.len() - after.trim_start_matches([' ', '\t']).len();
        let (tag, quote, length) = match after.as_bytes().get(spaces)? {
            mark @ (b'"' | b'\'' | b'`') => {
                let inside = after.get(spaces + 1..)?;
                let length = inside.find(char::from(*mark))?;
                (inside.get(..length)?, *mark, spaces + length + 2)
            }
            byte if spaces == 0 && is_name(*byte) && !byte.is_ascii_digit() => {
                let length = after.bytes().take_while(|byte| is_name(*byte)).count();
                (after.get(..length)?, b'"', length)
            }
            _ => return None,
        };
        let shifts = match self.last(0) {
            // A value is shifted, unless it is the handle that `print` writes to.
            Some(Kind::Variable(..) | Kind::Sign('}')) => !self.statement_prints(),
            Some(Kind::Word(_)) => false,
            _ => self.after_operand(),
        };
        if shifts || tag.contains('\n') {
            return None;
        }
        if !self.has_line(tag, indented) {
            self.endless += 1;
            return None;
        }
        let document = HereDocument { tag, indented, interpolates: quote != b'\'', command: quote == b'`', token: 0 };
        Some((document, rest.len() - after.len() + length))
    }

    fn statement_prints(&self) -> bool {
        let recent = self.tokens.get(self.first..).unwrap_or_default().iter().rev().take(8);
        recent
            .take_while(|token| token.kind != Kind::Sign(';'))
            .any(|token| matches!(token.kind, Kind::Word("print" | "printf" | "say")))
    }

    fn has_line(&self, tag: &str, indented: bool) -> bool {
        self.slice(self.at, self.source.len()).split('\n').skip(1).any(|line| is_end(line, tag, indented))
    }

    pub(super) fn here_document(&mut self, waiting: &HereDocument<'s>) {
        let (from, first) = (self.at, self.line);
        let mut to = from;
        while to <= self.source.len() {
            let line = self.rest_of_line(to);
            let next = to + line.len() + 1;
            self.line += 1;
            if is_end(line, waiting.tag, waiting.indented) || next > self.source.len() {
                self.at = next.min(self.source.len());
                break;
            }
            to = next;
        }
        let body = self.slice(from, to);
        if let Some(token) = self.tokens.get_mut(waiting.token) {
            token.kind = if waiting.command { Kind::Command(body) } else { Kind::Text(body, waiting.interpolates) };
        }
        if waiting.interpolates {
            self.interpolated(body, first);
        }
    }
}

fn is_end(line: &str, tag: &str, indented: bool) -> bool {
    let line = line.strip_suffix('\r').unwrap_or(line);
    if indented { line.trim_start() == tag } else { line == tag }
}
