//! Bodies of pushes, most of them good, in both formats.

use super::rng::Rng;

/// The media type of the delimited protobuf format.
pub const PROTOBUF: &str =
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/// A base-128 number.
pub fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Bytes with their length before them.
pub fn delimited(bytes: &[u8]) -> Vec<u8> {
    [varint(u64::try_from(bytes.len()).unwrap()), bytes.to_vec()].concat()
}

/// A field that holds bytes.
pub fn bytes(number: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    [varint(number << 3 | 2), delimited(value.as_ref())].concat()
}

/// A field that holds a whole number.
pub fn whole(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

/// A field that holds a float.
pub fn float(number: u64, value: f64) -> Vec<u8> {
    [varint(number << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

/// A label of a metric.
pub fn label(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    bytes(1, [bytes(1, name), bytes(2, value)].concat())
}

pub const COUNTER: u64 = 0;
pub const GAUGE: u64 = 1;
pub const SUMMARY: u64 = 2;
pub const UNTYPED: u64 = 3;
pub const HISTOGRAM: u64 = 4;

/// A family with these metrics.
pub fn family(name: impl AsRef<[u8]>, help: &[u8], kind: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
    let metrics: Vec<u8> = metrics.iter().flat_map(|metric| bytes(4, metric)).collect();
    delimited(&[bytes(1, name), bytes(2, help), whole(3, kind), metrics].concat())
}

/// A metric with these labels and a plain value, in the field of its type.
pub fn metric(labels: &[Vec<u8>], kind: u64, value: f64) -> Vec<u8> {
    let field = [3, 2, 4, 5, 7][usize::try_from(kind).unwrap().min(4)];
    [labels.concat(), bytes(field, float(1, value))].concat()
}

/// Names with the type that they have nearly always.
const FAMILIES: &[(&str, u64)] = &[
    ("c_total", COUNTER),
    ("g", GAUGE),
    ("g_sum", GAUGE),
    ("h", HISTOGRAM),
    ("h_seconds", HISTOGRAM),
    ("ns:u", UNTYPED),
    ("s", SUMMARY),
    ("u", UNTYPED),
    ("_x", UNTYPED),
];

const ODD_NAMES: &[&str] = &[
    "h_count",
    "h_sum",
    "h_bucket",
    "s_count",
    "s_sum",
    "push_time_seconds",
    "push_failure_time_seconds",
    "labels",
    "last_push_successful",
    "go_goroutines",
    "process_open_fds",
    "pushgateway_http_push_size_bytes",
    "up",
    "9a",
    "a.b",
    "a-b",
    "é",
    "",
    "U__a_2e_b",
    "__name__",
    "scrape_duration_seconds",
    "job",
    "TYPE",
];

/// What only protobuf could carry in a name.
const WIRE_NAMES: &[&[u8]] = &[b"a\nb 1", b"a{", b"\xff", b"a b", b"a\"", b"# TYPE x gauge", b"a\x00", b"a\xc2\xa0b"];

const LABELS: &[&str] = &["a", "b", "code", "job", "instance", "x", "le", "quantile"];
const ODD_LABELS: &[&[u8]] =
    &[b"__name__", b"__x", b"", b"9", b"a-b", b"a\nb", b"\xff", b"U__x", b"\xc3\xa9", b"a=\"1\",b"];

const TEXTS: &[&str] =
    &["", "x", "a b", "é", "日本", "🦀", "{}", "a=\"b\"", "\\", "\\n", "#", "1", "+Inf", "\u{2028}", "\u{feff}", "\t"];
/// Texts that may be in the way of somebody's parser.
const ODD_TEXTS: &[&[u8]] = &[
    b"\n",
    b"a\nb 1\n",
    b"\r",
    b"\r\n",
    b"\x00",
    b"a\x00b",
    b"\x01",
    b"\x1b[2J",
    b"\x7f",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\"",
];

const VALUES: &[&str] =
    &["1", "0", "-1", "2.5", "1e3", "NaN", "+Inf", "-Inf", "1e-300", "9007199254740993", ".5", "5."];
const ODD_VALUES: &[&str] =
    &["", "x", "0x1p3", "1_0", "1e999", "1 2", "1 1700000000000", "1 # {a=\"b\"} 1", "1\r", "--1", "+nan"];

/// A content type, where one is sent, and a body.
pub fn body(rng: &mut Rng) -> (Option<&'static str>, Vec<u8>) {
    if rng.chance(50) {
        let content_type =
            [None, Some("text/plain; version=0.0.4"), Some("application/x-www-form-urlencoded")][rng.below(3)];
        let mut body = text(rng);
        if rng.chance(10) {
            rng.mutate(&mut body, b"\n{}\"\\=, #1a\x00\r\xff_:+");
        }
        (content_type, body)
    } else {
        let mut body = protobuf(rng);
        if rng.chance(10) {
            rng.mutate(&mut body, b"\x00\x01\x08\x0a\x12\x1a\x22\x7f\x80\xff\n\"{");
        }
        (Some(PROTOBUF), body)
    }
}

/// Some families, each once; their types are seldom other than usual.
fn families(rng: &mut Rng, odd: &[&[u8]]) -> Vec<(Vec<u8>, u64)> {
    let first = rng.below(FAMILIES.len());
    let mut chosen = Vec::new();
    for offset in 0..1 + rng.below(3) {
        let (name, kind) = FAMILIES[(first + offset) % FAMILIES.len()];
        let kind = if rng.chance(3) { u64::try_from(rng.below(5)).unwrap() } else { kind };
        let name = if rng.chance(4) { rng.pick(odd).to_vec() } else { name.as_bytes().to_vec() };
        chosen.push((name, kind));
    }
    if rng.chance(3) {
        chosen.push(chosen[0].clone());
    }
    chosen
}

fn text_of(rng: &mut Rng) -> Vec<u8> {
    if rng.chance(4) { rng.pick(ODD_TEXTS).to_vec() } else { rng.pick(TEXTS).as_bytes().to_vec() }
}

/// Label names without repetition, mostly.
fn labels(rng: &mut Rng, kind: u64) -> Vec<Vec<u8>> {
    let first = rng.below(LABELS.len());
    let mut names = Vec::new();
    for offset in 0..rng.below(4) {
        let name = LABELS[(first + offset) % LABELS.len()];
        let own = (kind == HISTOGRAM && name == "le") || (kind == SUMMARY && name == "quantile");
        match rng.below(100) {
            0 => names.push(rng.pick(ODD_LABELS).to_vec()),
            1 => names.extend([name.as_bytes().to_vec(), name.as_bytes().to_vec()]),
            2 => names.push(name.as_bytes().to_vec()),
            _ if !own => names.push(name.as_bytes().to_vec()),
            _ => {}
        }
    }
    names
}

fn text(rng: &mut Rng) -> Vec<u8> {
    let odd: Vec<&[u8]> = ODD_NAMES.iter().map(|name| name.as_bytes()).collect();
    let mut out = Vec::new();
    for (name, kind) in families(rng, &odd) {
        let kinds = ["counter", "gauge", "summary", "untyped", "histogram"];
        if rng.chance(40) {
            out.extend([b"# HELP ", &name[..], b" "].concat());
            out.extend(escaped(rng, false));
            out.push(b'\n');
        }
        let kind_name = if rng.chance(3) { "unknown" } else { kinds[usize::try_from(kind).unwrap()] };
        out.extend([b"# TYPE ", &name[..], b" ", kind_name.as_bytes(), b"\n"].concat());
        for number in 0..1 + rng.below(3) {
            sample(rng, &mut out, &name, kind, number);
        }
    }
    if rng.chance(4) {
        out.pop();
    }
    out
}

fn sample(rng: &mut Rng, out: &mut Vec<u8>, name: &[u8], kind: u64, number: usize) {
    let mut pairs: Vec<Vec<u8>> = vec![format!("n=\"{number}\"").into_bytes()];
    for label in labels(rng, kind) {
        pairs.push([&label[..], b"=\"", &escaped(rng, true), b"\""].concat());
    }
    let mut line = |rng: &mut Rng, suffix: &str, special: Option<String>| {
        let pairs: Vec<Vec<u8>> = pairs.iter().cloned().chain(special.map(String::into_bytes)).collect();
        let value = if rng.chance(1) { rng.pick(ODD_VALUES) } else { rng.pick(VALUES) };
        // Counts below zero are refused; a few will do.
        let counts = kind == HISTOGRAM && suffix != "_sum";
        let value = if counts && value.starts_with('-') && rng.chance(95) { "3" } else { value };
        out.extend([name, suffix.as_bytes(), b"{", &pairs.join(&b','), b"} ", value.as_bytes(), b"\n"].concat());
    };
    match kind {
        HISTOGRAM => {
            for le in ["1", "2.5", "+Inf"].into_iter().take(1 + rng.below(3)) {
                line(rng, "_bucket", Some(format!("le=\"{le}\"")));
            }
            line(rng, "_sum", None);
            line(rng, "_count", None);
        }
        SUMMARY => {
            for quantile in ["0.5", "0.99", "NaN"].into_iter().take(rng.below(4)) {
                line(rng, "", Some(format!("quantile=\"{quantile}\"")));
            }
            line(rng, "_sum", None);
            line(rng, "_count", None);
        }
        _ => line(rng, "", None),
    }
}

/// A text as the text format spells it, or carelessly.
fn escaped(rng: &mut Rng, quoted: bool) -> Vec<u8> {
    let text = text_of(rng);
    if rng.chance(5) {
        return text;
    }
    let mut out = Vec::new();
    for byte in text {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'"' if quoted => out.extend(b"\\\""),
            byte => out.push(byte),
        }
    }
    out
}

fn protobuf(rng: &mut Rng) -> Vec<u8> {
    let odd: Vec<&[u8]> = ODD_NAMES.iter().map(|name| name.as_bytes()).chain(WIRE_NAMES.iter().copied()).collect();
    let mut out = Vec::new();
    for (name, kind) in families(rng, &odd) {
        let metrics: Vec<Vec<u8>> = (0..1 + rng.below(3)).map(|number| wire_metric(rng, kind, number)).collect();
        let metrics = if rng.chance(3) { &[] } else { metrics.as_slice() };
        let kind = if rng.chance(2) { u64::try_from(rng.below(9)).unwrap() } else { kind };
        let help = text_of(rng);
        out.extend(family(name, &help, kind, metrics));
    }
    if rng.chance(2) {
        let claim = varint(1 << rng.below(50));
        out.extend(claim);
    }
    out
}

fn wire_metric(rng: &mut Rng, kind: u64, number: usize) -> Vec<u8> {
    let mut pairs = label("n", number.to_string());
    for name in labels(rng, kind) {
        let value = text_of(rng);
        pairs.extend(label(name, value));
    }
    let numbers = [1.0, 0.0, -1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 1e21];
    let number = |rng: &mut Rng| numbers[rng.below(numbers.len())];
    let value = match kind {
        SUMMARY => {
            let quantiles =
                (0..rng.below(4)).flat_map(|_| bytes(3, [float(1, number(rng)), float(2, number(rng))].concat()));
            let quantiles: Vec<u8> = quantiles.collect();
            [whole(1, rng.next()), float(2, number(rng)), quantiles].concat()
        }
        HISTOGRAM => {
            let buckets =
                (0..rng.below(4)).flat_map(|_| bytes(3, [whole(1, rng.next()), float(2, number(rng))].concat()));
            let buckets: Vec<u8> = buckets.collect();
            let native = if rng.chance(3) { whole(5, 3) } else { Vec::new() };
            [whole(1, rng.next()), float(2, number(rng)), buckets, native].concat()
        }
        _ => float(1, number(rng)),
    };
    let field = [3, 2, 4, 5, 7][usize::try_from(kind).unwrap()];
    let time = if rng.chance(2) { whole(6, 1_700_000_000_000) } else { Vec::new() };
    let unknown = if rng.chance(3) { bytes(99, "?") } else { Vec::new() };
    [pairs, bytes(field, value), time, unknown].concat()
}
