//! Text from outside, made fit for a log line or a message.

use std::fmt::Write as _;

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

/// `text` as it may stand in a page, within a tag's quotes too. What cannot be seen is shown.
pub fn markup(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '"' => shown.push_str("&quot;"),
            '\'' => shown.push_str("&#39;"),
            c if is_hidden(c) => {
                // Writing to a string does not fail.
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Controls, zero-width and direction characters, line separators, and what is no character.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            u32::from(c),
            0x061c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xfffe..=0xffff
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_becomes_markup() {
        assert_eq!(markup("<a href='x' b=\"&amp;\">"), "&lt;a href=&#39;x&#39; b=&quot;&amp;amp;&quot;&gt;");
        assert_eq!(markup("a\u{202e}b\n\u{feff}é"), "a\\u{202e}b\\u{a}\\u{feff}é");
    }

    #[test]
    fn escapes_and_cuts() {
        assert_eq!(shown("a\n\"b\"\u{1b}[31m\u{202e}"), "a\\n\\\"b\\\"\\u{1b}[31m\\u{202e}");
        let long = "ä".repeat(65);
        assert_eq!(shown(&long), format!("{}…", "ä".repeat(64)));
        assert_eq!(shown(&"\n".repeat(40)).chars().count(), 65);
    }
}
