//! Text from outside, made fit for a log line or a message.

/// Characters that are repeated of a foreign text, after escaping.
const SHOWN: usize = 64;

/// `text` with everything unprintable escaped, cut to a length that suits a log line.
pub fn shown(text: &str) -> String {
    let mut escaped = text.chars().flat_map(char::escape_debug);
    let mut shown: String = escaped.by_ref().take(SHOWN).collect();
    if escaped.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_cuts() {
        assert_eq!(shown("a\n\"b\"\u{1b}[31m\u{202e}"), "a\\n\\\"b\\\"\\u{1b}[31m\\u{202e}");
        let long = "ä".repeat(65);
        assert_eq!(shown(&long), format!("{}…", "ä".repeat(64)));
        assert_eq!(shown(&"\n".repeat(40)).chars().count(), 65);
    }
}
