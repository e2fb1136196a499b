//! The trace that a request belongs to (W3C Trace Context, level 1).

/// The trace id of a `traceparent`; none where it is not one, and then nobody is told of it.
pub(super) fn trace_id(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let some = |part: &str| part.bytes().any(|b| b != b'0');
    let well_formed = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    // Later versions may add parts; this one has none.
    let whole = version != "ff" && (version != "00" || parts.next().is_none());
    (well_formed && whole && some(trace) && some(parent)).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn ids_of_well_formed_traces() {
        for (value, traced) in [
            (format!("00-{TRACE}-b7ad6b7169203331-01"), true),
            (format!("00-{TRACE}-b7ad6b7169203331-00"), true),
            (format!("01-{TRACE}-b7ad6b7169203331-01-more"), true),
            (format!("00-{TRACE}-b7ad6b7169203331-01-more"), false),
            (format!("ff-{TRACE}-b7ad6b7169203331-01"), false),
            (format!("00-{TRACE}-0000000000000000-01"), false),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
            (format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()), false),
            (format!("00-{TRACE}-b7ad6b716920333-01"), false),
            (format!("00-{TRACE}-b7ad6b7169203331"), false),
            (format!(" 00-{TRACE}-b7ad6b7169203331-01"), false),
            (format!("00-{TRACE}-b7ad6b7169203331-01\u{e9}"), false),
            (String::new(), false),
        ] {
            assert_eq!(trace_id(value.as_bytes()), traced.then_some(TRACE), "{value:?}");
        }
    }
}
