//! Request targets from a grammar of what clients send and what attackers try, and from mutations of those.

use super::rng::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

const JOB: &[&[u8]] = &[b"/metrics/job", b"/metrics/job@base64", b"/metrics/job%40base64"];

const ODD_PREFIXES: &[&[u8]] = &[
    b"",
    b"*",
    b"/",
    b"//metrics/job",
    b"/./metrics/job",
    b"/METRICS/JOB",
    b"/api/v1/admin%2Fwipe",
    b"/api/v1/metrics/job",
    b"/metrics",
    b"/metrics%2Fjob",
    b"/metrics%2fjob%2f",
    b"/metrics/%6aob",
    b"/metrics/%6Aob@base64",
    b"/metrics/../metrics/job",
    b"/metrics/./job",
    b"/metrics//job",
    b"/metrics/Job",
    b"/metrics/job%2540base64",
    b"/metrics/job%40Base64",
    b"/metrics/job%2f",
    b"/metrics/job;",
    b"/metrics/job@BASE64",
    b"/metrics/job@base64@base64",
    b"/metrics/jobs",
    b"/metrics\\job",
    b"/pg/metrics/job",
    b"/%6detrics/job",
    b"http://push.test/metrics/job",
    b"metrics/job",
];

const WORDS: &[&str] =
    &["a", "b", "ci", "backup", "node-1", "1", "x.y", "_", "~", "job", "instance", "base64", "metrics"];

/// Values that a strict reader and the gateway agree on, in some spelling.
const VALUES: &[&str] = &[
    "Elixir/Phoenix CI",
    "my job",
    "my+job",
    "100%",
    "%2F",
    "%252F",
    "a=b",
    "a@base64",
    "@base64",
    "a?b",
    "a#b",
    "a&b;c",
    "a:b",
    ":job",
    "*",
    "..",
    ".",
    "...",
    ".hidden",
    "/",
    "//",
    "a/b",
    "/etc/passwd",
    "../../x",
    "a\\b",
    "\"quoted\"",
    "<script>",
    "{x}",
    "|",
    "^",
    "`",
    "é",
    "e\u{301}",
    "Å",
    "A\u{30a}",
    "ﬁ",
    "日本語",
    "日/本",
    "🦀",
    "\u{fffd}",
    "\u{feff}",
    "\u{200b}",
    "\u{202e}abc",
    "\u{2028}",
    "\u{85}",
    "\u{a0}",
    "\u{ff0f}",
    "\u{ff0e}\u{ff0e}",
    "\u{2215}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{10ffff}",
    "=",
    "==",
    "Zm9v",
    "-",
    "U__x",
    "__x",
];

/// Values that nobody may store.
const BAD_VALUES: &[&[u8]] = &[
    b"\x00",
    b"a\x00b",
    b"\n",
    b"a\nb",
    b"a\r\nb",
    b"\r",
    b"\t",
    b"\x1b[31m",
    b"\x7f",
    b"\xff",
    b"\xfe\xff",
    b"\x80",
    b"a\xc3",
    b"\xc0\xaf",
    b"\xc0\xae\xc0\xae",
    b"\xe0\x80\xaf",
    b"\xf0\x80\x80\xaf",
    b"\xc1\xbf",
    b"\xed\xa0\x80",
    b"\xed\xa0\xbd\xed\xb8\x80",
    b"\xf4\x90\x80\x80",
    b"\xf8\x88\x80\x80\x80",
];

const NAMES: &[&str] = &[
    "instance", "a", "b", "x", "x1", "_x", "path", "workflow", "A", "u__x", "jobs", "Job", "metrics", "base64", "l_e",
];

const ODD_NAMES: &[&str] = &[
    "job",
    "le",
    "quantile",
    "__x",
    "__name__",
    "U__x",
    "U__",
    "U___5f__5f_x",
    "1a",
    "a-b",
    "a.b",
    "a b",
    "a:b",
    "é",
    "",
    "@",
    "a@",
    "a@base6",
    "a@Base64",
    "a@base64@base64",
    "@base64",
    "instance@",
    "a@base64=",
    "%",
    "x%00",
    "in%73tance",
    "..",
    ".",
];

const TAILS: &[&[u8]] = &[
    b"/",
    b"/",
    b"/",
    b"/",
    b"//",
    b"///",
    b"/.",
    b"/..",
    b"/%2e",
    b"/%2E%2e",
    b"?",
    b"?x=1",
    b"/?x",
    b"?/a/b",
    b"#",
    b"#x",
    b"%",
    b"%2",
    b"%2F",
    b"%3F",
    b"%23",
    b"/a",
    b"/a/",
    b"/a//",
    b"/a//b/c",
    b"/instance/",
    b"/instance@base64/=",
    b"/a@base64/=",
    b"/a@base64/",
    b"%00",
    b"%0A",
    b"%0d%0a",
    b"=",
    b"%20",
    b" ",
    b"\t",
    b";",
    b"\\",
    b"/..%2f..%2fb",
    b"/./b/c",
];

/// One target.
pub fn target(rng: &mut Rng) -> Vec<u8> {
    let mut target = grammar(rng);
    // Mostly behind what makes it a group at all.
    let from = if rng.chance(12) { 0 } else { b"/metrics/job/".len().min(target.len()) };
    let mut rest = target.split_off(from);
    if rng.chance(25) {
        for _ in 0..=rng.below(3) {
            rng.mutate(&mut rest, b"/%.@=?#+2F2ea40 \\_-AZ09");
        }
    }
    if rng.chance(8) {
        spell_letters(rng, &mut rest);
    }
    target.extend(rest);
    target
}

fn grammar(rng: &mut Rng) -> Vec<u8> {
    let mut target = Vec::new();
    if rng.chance(5) {
        target.extend_from_slice(rng.pick(ODD_PREFIXES));
        target.push(b'/');
        target.extend(plain(rng, b"a"));
    } else {
        let which = rng.below(10).saturating_sub(5).min(2);
        target.extend_from_slice(JOB[which]);
        segment_value(rng, &mut target, which > 0, true);
    }
    let mut names: Vec<&str> = Vec::new();
    for _ in 0..rng.below(10).saturating_sub(4).min(4) {
        let name = match rng.below(40) {
            0 => rng.pick(ODD_NAMES),
            1 if !names.is_empty() => names[0],
            _ => NAMES.iter().copied().cycle().skip(rng.below(NAMES.len())).find(|n| !names.contains(n)).unwrap(),
        };
        names.push(name);
        target.push(b'/');
        target.extend_from_slice(name.as_bytes());
        let base64 = rng.chance(45);
        if base64 {
            let odd = ["%2540base64", "@Base64", "@base64%00", "%40base6%34", "@base64@base64"];
            target.extend_from_slice(match rng.below(40) {
                0 => rng.pick(&odd).as_bytes(),
                1..=8 => b"%40base64",
                _ => b"@base64",
            });
        }
        segment_value(rng, &mut target, base64, false);
    }
    if rng.chance(22) {
        target.extend_from_slice(rng.pick(TAILS));
    }
    target
}

/// Appends `/` and a value in some spelling.
fn segment_value(rng: &mut Rng, target: &mut Vec<u8>, base64: bool, job: bool) {
    target.push(if rng.chance(1) { b'\\' } else { b'/' });
    if rng.chance(2) {
        target.push(b'/');
    }
    if base64 && !job && rng.chance(6) {
        return target.extend_from_slice(rng.pick(&[&b"="[..], b"%3D", b"", b"==", b"====", b"%3d%3D"]));
    }
    let value = value(rng);
    let spelled = if base64 { in_base64(rng, &value) } else { plain(rng, &value) };
    target.extend(spelled);
}

fn value(rng: &mut Rng) -> Vec<u8> {
    match rng.below(100) {
        0..=49 => rng.pick(WORDS).as_bytes().to_vec(),
        50..=81 => rng.pick(VALUES).as_bytes().to_vec(),
        82..=88 => {
            let chars = (0..=rng.below(12)).filter_map(|_| {
                let below = [0x80, 0x800, 0x11_0000][rng.below(3)];
                char::from_u32(u32::try_from(rng.below(below)).unwrap())
            });
            chars.collect::<String>().into_bytes()
        }
        89..=94 => rng.pick(BAD_VALUES).to_vec(),
        95..=97 => (0..=rng.below(6)).map(|_| rng.byte()).collect(),
        98 => rng.pick(VALUES).repeat(1 + rng.below(40)).into_bytes(),
        _ => "v".repeat([200, 1000, 2900, 6000, 8100, 8170, 9000][rng.below(7)] + rng.below(16)).into_bytes(),
    }
}

/// Percent-encoded: by need, eagerly, or carelessly.
fn plain(rng: &mut Rng, value: &[u8]) -> Vec<u8> {
    let style = rng.below(100);
    let mut out = Vec::with_capacity(value.len());
    for byte in value {
        let safe = byte.is_ascii_alphanumeric() || b"_~-.".contains(byte);
        let raw = match style {
            0..=69 => safe,
            70..=79 => false,
            // What is not ASCII goes raw, as some clients send it.
            80..=89 => safe || *byte >= 0x80 || b"\"<>^`{|}!$&'()*+,:;=@[]".contains(byte),
            90..=94 => safe && rng.chance(50),
            _ => true,
        };
        if raw {
            out.push(*byte);
        } else {
            escape(rng, &mut out, *byte, style >= 98);
        }
    }
    out
}

fn escape(rng: &mut Rng, out: &mut Vec<u8>, byte: u8, doubly: bool) {
    let percent = if doubly { "%25" } else { "%" };
    let spelled = if rng.chance(50) { format!("{percent}{byte:02x}") } else { format!("{percent}{byte:02X}") };
    out.extend_from_slice(spelled.as_bytes());
}

fn in_base64(rng: &mut Rng, value: &[u8]) -> Vec<u8> {
    let mut text = URL_SAFE_NO_PAD.encode(value).into_bytes();
    let missing = (4 - text.len() % 4) % 4;
    match rng.below(40) {
        0..=21 => {}
        22..=29 => text.extend(vec![b'='; missing]),
        30 => text.extend(b"%3D".repeat(missing)),
        31 => text.extend(b"=".repeat(missing + 1)),
        32 if missing == 2 => text.push(b'='),
        33 => loosen_last(rng, &mut text),
        34 => text = STANDARD_NO_PAD.encode(value).into_bytes(),
        35 => {
            let at = rng.below(text.len() + 1);
            text.splice(at..at, rng.pick(&[&b"%0A"[..], b"%0D%0A", b"\n", b"%20", b"=", b".", b"%00"]).iter().copied());
        }
        36 => drop(text.pop()),
        37 => text.extend_from_slice(b"/"),
        38 => text = URL_SAFE_NO_PAD.encode(&text).into_bytes(),
        _ => spell_letters(rng, &mut text),
    }
    text
}

/// Sets bits of the last digit that mean nothing.
fn loosen_last(rng: &mut Rng, text: &mut [u8]) {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let Some(last) = text.last_mut() else { return };
    if let Some(digit) = DIGITS.iter().position(|d| d == last) {
        *last = DIGITS[digit | (1 << rng.below(2))];
    }
}

/// Spells some bytes as escapes, in either case.
fn spell_letters(rng: &mut Rng, target: &mut Vec<u8>) {
    let mut out = Vec::with_capacity(target.len());
    for byte in target.iter() {
        if byte.is_ascii_alphanumeric() && rng.chance(15) {
            escape(rng, &mut out, *byte, false);
        } else {
            out.push(*byte);
        }
    }
    *target = out;
}
