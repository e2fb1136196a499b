//! A place in a line.

/// Reads a line from left to right.
pub(super) struct Cursor<'b> {
    line: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(super) fn new(line: &'b [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// Bytes from the start of the line.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes from the start of the line to a text that was read of it.
    pub(super) fn place_of(&self, text: &[u8]) -> usize {
        text.as_ptr().addr().saturating_sub(self.line.as_ptr().addr()).min(self.line.len())
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Skips a text; false where it does not stand there.
    pub(super) fn skip_text(&mut self, text: &[u8]) -> bool {
        let stands = self.rest().starts_with(text);
        self.at += if stands { text.len() } else { 0 };
        stands
    }

    /// Skips spaces and tabs.
    pub(super) fn blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    pub(super) fn at_blank_or_end(&self) -> bool {
        self.peek().is_none_or(is_blank)
    }

    /// Up to the next blank or the end.
    pub(super) fn word(&mut self) -> &'b [u8] {
        self.take_while(|b| !is_blank(b))
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, or nothing. The name that is likely to stand there is found sooner.
    pub(super) fn metric_name(&mut self, likely: &'b [u8]) -> &'b [u8] {
        self.name(likely, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, or nothing.
    pub(super) fn label_name(&mut self) -> &'b [u8] {
        self.name(&[], |b| b.is_ascii_alphanumeric() || b == b'_')
    }

    fn name(&mut self, likely: &'b [u8], of_name: impl Fn(u8) -> bool) -> &'b [u8] {
        let rest = self.rest();
        if !likely.is_empty() && rest.starts_with(likely) && !rest.get(likely.len()).is_some_and(|b| of_name(*b)) {
            self.at += likely.len();
            return likely;
        }
        if self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return &[];
        }
        self.take_while(of_name)
    }

    /// All from that place up to here.
    pub(super) fn since(&self, from: usize) -> &'b [u8] {
        self.line.get(from..self.at).unwrap_or_default()
    }

    /// All up to the end.
    pub(super) fn take_rest(&mut self) -> &'b [u8] {
        let rest = self.rest();
        self.at += rest.len();
        rest
    }

    /// The inside of a quoted value, as spelled, and whether it has escapes; the cursor is behind its opening quote. A
    /// value has one spelling, so equal values are equal bytes.
    pub(super) fn quoted(&mut self) -> Result<(&'b [u8], bool), (usize, &'static str)> {
        let (start, mut escaped) = (self.at, false);
        loop {
            self.at += plain(self.rest());
            match self.rest() {
                [b'"', ..] => {
                    let value = self.since(start);
                    self.skip(1);
                    return Ok((value, escaped));
                }
                [b'\\', b'\\' | b'"' | b'n', ..] => {
                    escaped = true;
                    self.skip(2);
                }
                [b'\\', ..] => return Err((self.at, "a backslash in a label value stands before \\, \" or n")),
                [b'\t', ..] => self.skip(1),
                [] => return Err((start, "the label value has no closing quote")),
                [_, ..] => return Err((self.at, "a control character in a label value")),
            }
        }
    }

    fn rest(&self) -> &'b [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn take_while(&mut self, mut wanted: impl FnMut(u8) -> bool) -> &'b [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|b| !wanted(*b)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }
}

/// Bytes up to the first that is a quote, a backslash or a control character, eight at a time.
fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of each byte below that limit; above the first such byte others may have it too.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let (mut at, mut rest) = (0, text);
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let found = quote | backslash | below(word, u64::from(b' '));
        if found != 0 {
            return at + usize::try_from(found.trailing_zeros() / 8).unwrap_or_default();
        }
        (at, rest) = (at + 8, behind);
    }
    at + rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..b' ')).unwrap_or(rest.len())
}

/// Whether a text is a metric name and nothing else.
pub(in crate::payload) fn is_metric_name(text: &[u8]) -> bool {
    !text.is_empty() && Cursor::new(text).metric_name(&[]).len() == text.len()
}

/// Whether a text is a label name and nothing else.
pub(in crate::payload) fn is_label_name(text: &[u8]) -> bool {
    !text.is_empty() && Cursor::new(text).label_name().len() == text.len()
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

/// Every backslash stands before one of `allowed`; else the offset of the one that does not.
pub(super) fn check_escapes(text: &[u8], allowed: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let backslash = at + found;
        if !text.get(backslash + 1).is_some_and(|b| allowed.contains(b)) {
            return Err(backslash);
        }
        at = backslash + 2;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn eight_at_a_time_find_what_one_by_one_do(text in "[a\"\\\\\\x00\t\n\x1f -~\u{7f}é\u{2028}🦀]{0,40}") {
            let slow = text.bytes().position(|b| b == b'"' || b == b'\\' || b < b' ');
            prop_assert_eq!(plain(text.as_bytes()), slow.unwrap_or(text.len()), "{:?}", text);
        }

        #[test]
        fn a_likely_name_is_taken_only_where_it_stands(name in "[a-c:_1]{0,4}", likely in "[a-c_]{0,3}", behind in "[ ={]?") {
            let line = format!("{name}{behind}");
            let (mut guessing, mut reading) = (Cursor::new(line.as_bytes()), Cursor::new(line.as_bytes()));
            prop_assert_eq!(guessing.metric_name(likely.as_bytes()), reading.metric_name(&[]), "{} {}", line, likely);
            prop_assert_eq!(guessing.at(), reading.at());
        }
    }
}
