//! The text exposition format 0.0.4, checked line by line without building anything from it.
//!
//! What passes here is taken by every supported gateway version. Where versions differ, or where the gateway takes what
//! breaks scrapes or silently drops a value, the stricter reading holds.

pub(super) mod cursor;
mod family;
mod number;

use super::fault::{Fault, Faults, shown};
use super::kind::Kind;
use super::limits::{PayloadShape, Rules};
use super::page;
use super::series::{Clash, Name, SeriesSet};
use super::summary::{Family, Summary, collision};
use cursor::Cursor;
use family::{Families, Resolved};

/// What a body may look like and what is known of the group that it goes to.
pub(super) struct TextCheck<'b> {
    rules: &'b Rules<'b>,
    shape: &'b PayloadShape,
    families: Families<'b>,
    series: SeriesSet<'b>,
    faults: Faults<'b>,
    samples: usize,
    /// Where the line being read begins.
    start: usize,
}

/// Checks a whole body.
///
/// # Errors
/// The first few faults, in the order of the text.
pub(super) fn check<'b>(body: &'b [u8], rules: &'b Rules<'b>) -> Result<Summary, Vec<Fault>> {
    let mut check = TextCheck {
        rules,
        shape: rules.shape,
        families: Families::new(),
        series: SeriesSet::new(rules, body.len()),
        faults: Faults::new(body, rules.report),
        samples: 0,
        start: 0,
    };
    check.body(body);
    check.finish()
}

type Checked<T = ()> = Result<T, (usize, String)>;

impl<'b> TextCheck<'b> {
    fn body(&mut self, body: &'b [u8]) {
        if let Some((at, message)) = unreadable(body) {
            return self.faults.at_byte(at, message);
        }
        while let Some(rest) = body.get(self.start..).filter(|rest| !rest.is_empty()) {
            let Some(length) = memchr::memchr(b'\n', rest) else {
                return self.faults.at_byte(body.len(), NO_LINE_FEED);
            };
            let line = rest.get(..length).unwrap_or_default();
            if line.last() == Some(&b'\r') {
                // Every further line ends so too.
                return self.faults.at_byte(self.start + length - 1, WINDOWS);
            }
            if let Err((column, message)) = self.line(line) {
                self.faults.at_byte(self.start + column, message);
            }
            if self.faults.full() {
                return;
            }
            self.start += length + 1;
        }
    }

    fn finish(mut self) -> Result<Summary, Vec<Fault>> {
        let families: Vec<Family> = self.families.into_sampled().collect();
        if let Some(message) = collision(&families) {
            self.faults.whole(message);
        }
        let (families, would_deny) = self.faults.result(families)?;
        Ok(Summary { series: self.samples, families: families.into(), would_deny })
    }

    fn line(&mut self, line: &'b [u8]) -> Checked {
        if line.len() > self.shape.line_bytes {
            return Err((self.shape.line_bytes, format!("a line has more than {} bytes", self.shape.line_bytes)));
        }
        let mut cursor = Cursor::new(line);
        cursor.blanks();
        match cursor.peek() {
            None => Ok(()),
            Some(b'#') => self.comment(&mut cursor),
            Some(_) => self.sample(&mut cursor),
        }
    }

    /// The policy has something against what stands there.
    fn broken(&mut self, at: usize, message: impl FnOnce() -> String) {
        self.faults.rule(Some(self.start + at), message);
    }

    /// `# HELP name text`, `# TYPE name type`, or a comment that says nothing.
    fn comment(&mut self, cursor: &mut Cursor<'b>) -> Checked {
        cursor.skip(1);
        cursor.blanks();
        let keyword = cursor.word();
        if keyword != b"HELP" && keyword != b"TYPE" {
            return Ok(());
        }
        cursor.blanks();
        if cursor.peek().is_none() {
            return Ok(());
        }
        let at = cursor.at();
        let name = cursor.metric_name(self.families.last());
        if name.is_empty() || !cursor.at_blank_or_end() {
            return Err((at, format!("{} needs a metric name", String::from_utf8_lossy(keyword))));
        }
        if cursor.peek().is_none() {
            return Ok(());
        }
        cursor.blanks();
        let resolved = self.family(at, name)?;
        match keyword {
            b"HELP" => self.help(cursor, resolved),
            _ => self.kind(cursor, resolved),
        }
    }

    fn help(&mut self, cursor: &mut Cursor<'b>, resolved: Resolved) -> Checked {
        let at = cursor.at();
        let text = cursor.take_rest();
        if text.len() > self.shape.help_bytes {
            return Err((at, format!("HELP has more than {} bytes", self.shape.help_bytes)));
        }
        cursor::check_escapes(text, b"\\n")
            .map_err(|offset| (at + offset, "a backslash in HELP stands before a backslash or an n".to_owned()))?;
        let family = self.families.get_mut(resolved.family);
        if std::mem::replace(&mut family.help, true) && !text.is_empty() {
            return Err((at, "a second HELP for the same metric".to_owned()));
        }
        family.bytes += text.len();
        Ok(())
    }

    fn kind(&mut self, cursor: &mut Cursor<'b>, resolved: Resolved) -> Checked {
        let at = cursor.at();
        let text = cursor.take_rest();
        if text.is_empty() {
            return Ok(());
        }
        let kind = Kind::read(text).ok_or_else(|| {
            (at, format!("the type {} is not counter, gauge, histogram, summary or untyped", shown(text, 0)))
        })?;
        let family = self.families.get_mut(resolved.family);
        match (family.kind, family.sampled) {
            (None, false) => family.kind = Some(kind),
            (Some(_), false) => return Err((at, "a second TYPE for the same metric".to_owned())),
            (_, true) => return Err((at, "TYPE must stand before the samples of its metric".to_owned())),
        }
        Ok(())
    }

    fn sample(&mut self, cursor: &mut Cursor<'b>) -> Checked {
        let at = cursor.at();
        let name = cursor.metric_name(self.families.last());
        if name.is_empty() {
            return Err((at, no_name(cursor.peek())));
        }
        if !cursor.at_blank_or_end() && cursor.peek() != Some(b'{') {
            return Err((cursor.at(), "a metric name has letters, digits, _ and : alone".to_owned()));
        }
        let resolved = self.family(at, name)?;
        let kind = self.families.get_mut(resolved.family).begin_sample();
        cursor.blanks();
        self.series.begin();
        let labels = self.labels(cursor, kind)?;
        let value = value(cursor)?;
        if let Some(fault) = resolved.role.fault(kind, labels, value) {
            return Err((at, fault.to_owned()));
        }
        self.samples += 1;
        if self.samples > self.shape.series {
            return Err((at, format!("more than {} series", self.shape.series)));
        }
        let family = self.families.get_mut(resolved.family);
        let named = self.series.named_bytes(family.name);
        let added = match kind.suffixes() {
            [] => self.series.metric(family.name).map(|metric| (metric, page::metric(named))),
            _ => self.series.piece(family.name, resolved.role.number()).map(|(metric, first)| {
                let count = usize::from(resolved.role.is_part());
                (metric, if first { page::metric_of_parts(named, count) } else { page::parts(named, count) })
            }),
        };
        let (metric, bytes) = added.map_err(|clash| match clash {
            Clash::Label(name) => (cursor.place_of(name), clash.to_string()),
            _ => (at, clash.to_string()),
        })?;
        family.add(metric, bytes);
        if let Some(missing) = self.series.missing() {
            self.broken(at, || format!("the label {missing} is needed"));
        }
        Ok(())
    }

    /// Reads `{name="value",…}` where there is one; answers whether the label special to the type was in it.
    fn labels(&mut self, cursor: &mut Cursor<'b>, kind: Kind) -> Checked<bool> {
        if cursor.peek() != Some(b'{') {
            return Ok(false);
        }
        cursor.skip(1);
        let (of_type, mut special) = (kind.special_label(), false);
        loop {
            let from = cursor.at();
            let again = self.series.again(|lead| cursor.skip_text(lead));
            let name = match again {
                Some(name) => name,
                None => match self.label_name(cursor)? {
                    Some(name) => name,
                    None => break,
                },
            };
            let at = from + name.at;
            let (value, escaped) = self.label_value(cursor)?;
            if of_type == Some(name.text) {
                special = true;
                let number = number::float(value).filter(|number| !number.is_nan()).ok_or_else(|| {
                    (at, format!("the value of the label {} is not a number", String::from_utf8_lossy(name.text)))
                })?;
                self.series.number(&name, number);
            } else {
                if let Some(refusal) = self.series.judge(name.text, value, escaped) {
                    self.broken(at, || refusal.told(name.text));
                }
                self.series.label(&name, value, escaped);
            }
        }
        cursor.blanks();
        Ok(special)
    }

    /// The name of a label up to the quote of its value, or none behind the last one.
    fn label_name(&mut self, cursor: &mut Cursor<'b>) -> Checked<Option<Name<'b>>> {
        let from = cursor.at();
        let labels = self.series.labels();
        if labels > 0 {
            comma(cursor)?;
        }
        cursor.blanks();
        if cursor.peek() == Some(b'}') {
            cursor.skip(1);
            return Ok(None);
        }
        let at = cursor.at();
        let name = cursor.label_name();
        if name.is_empty() {
            return Err((at, "expected a label name (letters, digits and _, not starting with a digit)".to_owned()));
        }
        if name.starts_with(b"__") {
            return Err((at, "label names that begin with __ are reserved".to_owned()));
        }
        if name.len() > self.shape.name_bytes {
            return Err((at, format!("a label name has more than {} bytes", self.shape.name_bytes)));
        }
        if labels >= self.rules.own_labels() {
            return Err((at, self.rules.too_many_labels()));
        }
        equals_and_quote(cursor)?;
        let fresh = self.series.name(name, (cursor.since(from), at - from));
        let twice = || (at, format!("the label {} stands twice", String::from_utf8_lossy(name)));
        fresh.map(Some).ok_or_else(twice)
    }

    /// The value of a label as spelled, and whether it has escapes.
    fn label_value(&self, cursor: &mut Cursor<'b>) -> Checked<(&'b [u8], bool)> {
        let at = cursor.at();
        let (value, escaped) = cursor.quoted().map_err(|(column, message)| (column, message.to_owned()))?;
        if value.len() > self.shape.value_bytes {
            return Err((at, format!("a label value has more than {} bytes", self.shape.value_bytes)));
        }
        Ok((value, escaped))
    }

    /// The family of a name; a name is checked where its family begins.
    #[inline]
    fn family(&mut self, at: usize, name: &'b [u8]) -> Checked<Resolved> {
        let known = self.families.len();
        let resolved = self.families.resolve(name);
        if self.families.len() > known {
            self.begin_family(at, name)?;
        }
        Ok(resolved)
    }

    fn begin_family(&mut self, at: usize, name: &'b [u8]) -> Checked {
        if let Some(fault) = self.rules.name_fault(name) {
            self.families.forget_last();
            return Err((at, fault));
        }
        if self.families.len() > self.shape.families {
            return Err((at, format!("more than {} metric families", self.shape.families)));
        }
        if let Some(refusal) = self.rules.metric_refusal(name) {
            self.broken(at, || refusal);
        }
        Ok(())
    }
}

const NO_LINE_FEED: &str =
    "the last line does not end in a line feed; curl -d strips it, --data-binary sends the body as it is";
const WINDOWS: &str =
    "the line ends in a carriage return (Windows line ends); the format ends lines in a line feed alone";

/// What makes a body unreadable as text at all, and where.
fn unreadable(body: &[u8]) -> Option<(usize, &'static str)> {
    const MARKS: [(&[u8], &str); 4] = [
        (b"\xef\xbb\xbf", "a byte order mark; save the file as UTF-8 without one"),
        (b"\xff\xfe", "the body is UTF-16; save the file as UTF-8 (in PowerShell: -Encoding utf8NoBOM)"),
        (b"\xfe\xff", "the body is UTF-16; save the file as UTF-8"),
        (b"\x1f\x8b", "the body is gzip; compress it once, and send Content-Encoding: gzip"),
    ];
    if let Some((_, message)) = MARKS.into_iter().find(|(mark, _)| body.starts_with(mark)) {
        return Some((0, message));
    }
    if body.is_ascii() {
        return None;
    }
    let error = std::str::from_utf8(body).err()?;
    Some((error.valid_up_to(), "these bytes are not UTF-8"))
}

/// What is wrong with a line that begins with that byte.
fn no_name(first: Option<u8>) -> String {
    let what = match first {
        Some(b'{') => "; names in quotes are not taken by every gateway",
        Some(b'0'..=b'9') => "; a metric name does not begin with a digit",
        _ => "",
    };
    format!("a line is a comment (#) or begins with a metric name{what}")
}

/// What stands between a label's value and the next name.
fn comma(cursor: &mut Cursor<'_>) -> Checked {
    cursor.blanks();
    match cursor.peek() {
        Some(b',') => cursor.skip(1),
        Some(b'}') => {}
        _ => return Err((cursor.at(), "expected , or } behind a label".to_owned())),
    }
    Ok(())
}

/// What stands between a label name and its value.
fn equals_and_quote(cursor: &mut Cursor<'_>) -> Checked {
    cursor.blanks();
    if cursor.peek() != Some(b'=') {
        return Err((cursor.at(), "expected = behind a label name, as in {NAME=\"VALUE\"}".to_owned()));
    }
    cursor.skip(1);
    cursor.blanks();
    if cursor.peek() != Some(b'"') {
        return Err((cursor.at(), "a label value stands in double quotes, as in {NAME=\"VALUE\"}".to_owned()));
    }
    cursor.skip(1);
    Ok(())
}

fn value(cursor: &mut Cursor<'_>) -> Checked<f64> {
    let at = cursor.at();
    let word = cursor.word();
    if word.is_empty() {
        return Err((at, "the value is missing".to_owned()));
    }
    let Some(value) = number::float(word) else {
        return Err((at, format!("{} is not a number", shown(word, 0))));
    };
    let behind = cursor.at();
    if cursor.peek().is_none() {
        return Ok(value);
    }
    cursor.blanks();
    match cursor.peek() {
        None => Err((behind, "a blank behind the value".to_owned())),
        Some(b'0'..=b'9' | b'-' | b'+') => Err((
            cursor.at(),
            "a timestamp; the gateway takes none, leave it out: it keeps the time of the push as push_time_seconds"
                .to_owned(),
        )),
        Some(_) => Err((cursor.at(), "nothing may stand behind the value".to_owned())),
    }
}
