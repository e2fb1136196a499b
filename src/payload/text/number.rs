//! Numbers as every gateway version reads them: no hexadecimal, no underscores, nothing too large.

/// A float, or none where the text is not one.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    if let Some(value) = plain(text) {
        return Some(value);
    }
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

/// A decimal of few digits, without an exponent: digits and power of ten are doubles, so their quotient is the nearest.
fn plain(text: &[u8]) -> Option<f64> {
    const TENS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
    let (sign, unsigned) = match text {
        [b'-', unsigned @ ..] => (-1.0, unsigned),
        _ => (1.0, text),
    };
    let (mut number, mut digits, mut behind) = (0_u32, 0, None);
    for byte in unsigned {
        match byte {
            b'0'..=b'9' if digits < 9 => {
                number = number * 10 + u32::from(byte - b'0');
                digits += 1;
                behind = behind.map(|places: usize| places + 1);
            }
            b'.' if behind.is_none() => behind = Some(0),
            _ => return None,
        }
    }
    // A quotient takes longer than all digits.
    let value = match behind {
        None | Some(0) => f64::from(number),
        Some(places) => f64::from(number) / TENS.get(places)?,
    };
    (digits > 0).then_some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// The short way and the general one agree in every bit, and the short way is taken where it is meant to be.
        #[test]
        fn a_plain_decimal_is_read_exactly(text in "[+-]?[0-9]{0,8}\\.?[0-9]{0,4}") {
            let general = text.parse::<f64>().ok().map(f64::to_bits);
            prop_assert_eq!(float(text.as_bytes()).map(f64::to_bits), general, "{}", text);
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            let short = (1..=9).contains(&digits) && !text.starts_with('+');
            prop_assert_eq!(plain(text.as_bytes()).is_some(), short, "{}", text);
        }
    }
}
