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

    pub(super) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Skips spaces and tabs.
    pub(super) fn blanks(&mut self) {
        self.take_while(is_blank);
    }

    pub(super) fn at_blank_or_end(&self) -> bool {
        self.peek().is_none_or(is_blank)
    }

    /// Up to the next blank or the end.
    pub(super) fn word(&mut self) -> &'b [u8] {
        self.take_while(|b| !is_blank(b))
    }

    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`, or nothing.
    pub(super) fn metric_name(&mut self) -> &'b [u8] {
        if self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return &[];
        }
        self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, or nothing.
    pub(super) fn label_name(&mut self) -> &'b [u8] {
        if self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return &[];
        }
        self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_')
    }

    /// All up to the end.
    pub(super) fn rest(&mut self) -> &'b [u8] {
        self.take_while(|_| true)
    }

    /// The inside of a quoted value, as spelled; the cursor is behind its opening quote. A value has one spelling, so
    /// equal values are equal bytes.
    pub(super) fn quoted(&mut self) -> Result<&'b [u8], (usize, &'static str)> {
        let start = self.at;
        loop {
            match self.peek() {
                None => return Err((start, "the label value has no closing quote")),
                Some(b'"') => {
                    let value = self.line.get(start..self.at).unwrap_or_default();
                    self.skip(1);
                    return Ok(value);
                }
                Some(b'\\') => {
                    if !matches!(self.line.get(self.at + 1), Some(b'\\' | b'"' | b'n')) {
                        return Err((self.at, "a backslash in a label value stands before \\, \" or n"));
                    }
                    self.skip(2);
                }
                Some(b) if b < b' ' && b != b'\t' => {
                    return Err((self.at, "a control character in a label value"));
                }
                Some(_) => self.skip(1),
            }
        }
    }

    fn take_while(&mut self, mut wanted: impl FnMut(u8) -> bool) -> &'b [u8] {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| !wanted(*b)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }
}

/// Whether a text is a metric name and nothing else.
pub(in crate::payload) fn is_metric_name(text: &[u8]) -> bool {
    !text.is_empty() && Cursor::new(text).metric_name().len() == text.len()
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
