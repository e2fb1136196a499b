//! Numbers as every gateway version reads them: no hexadecimal, no underscores, nothing too large.

/// A float, or none where the text is not one.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let is = |word: &[u8]| unsigned.eq_ignore_ascii_case(word);
    if is(b"inf") || is(b"infinity") {
        return Some(if text.first() == Some(&b'-') { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if text.eq_ignore_ascii_case(b"nan") {
        return Some(f64::NAN);
    }
    if !unsigned.iter().all(|b| b.is_ascii_digit() || b"+-.eE".contains(b)) {
        return None;
    }
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    value.is_finite().then_some(value)
}
