//! Delimited `io.prometheus.client.MetricFamily` messages, checked in place.
//!
//! The gateway checks nothing of them: names go unread into the scrape, lengths are allocated as claimed. Here lengths
//! are believed only as far as there are bytes, and everything that reaches the scrape follows the rules of the text
//! format.

mod wire;

use super::fault::{Fault, Faults};
use super::kind::Kind;
use super::limits::{PayloadShape, Rules};
use super::page;
use super::series::SeriesSet;
use super::summary::{Family, Summary, collision};
use super::text::cursor::{is_label_name, is_metric_name};
use std::cell::Cell;
use std::collections::HashSet;
use wire::{Field, Fields, Value};

/// Checks a whole body.
///
/// # Errors
/// The first few faults, by message.
pub(super) fn check(body: &[u8], rules: &Rules<'_>) -> Result<Summary, Vec<Fault>> {
    let mut check = Check {
        rules,
        shape: rules.shape,
        names: HashSet::new(),
        families: Vec::new(),
        series: SeriesSet::new(rules, body.len()),
        samples: 0,
        faults: Faults::new(&[], rules.report),
        number: 0,
        unknown: Cell::new(0),
    };
    let mut rest = body;
    while !rest.is_empty() && !check.faults.full() {
        check.number += 1;
        let number = check.number;
        let Some((message, tail)) = wire::delimited(rest) else {
            check.faults.whole(format!("message {number}: its length is malformed, or longer than the body"));
            break;
        };
        if let Err(fault) = check.family(message) {
            check.faults.whole(format!("message {number}: {fault}"));
        }
        rest = tail;
    }
    if let Some(message) = collision(&check.families) {
        check.faults.whole(message);
    }
    let (families, would_deny) = check.faults.result(check.families)?;
    Ok(Summary { series: check.samples, families: families.into(), would_deny })
}

struct Check<'b> {
    rules: &'b Rules<'b>,
    shape: &'b PayloadShape,
    names: HashSet<&'b [u8]>,
    families: Vec<Family>,
    series: SeriesSet<'b>,
    samples: usize,
    faults: Faults<'b>,
    /// Of the message being read, from 1.
    number: usize,
    /// Bytes in fields that the format does not know: the gateway keeps them.
    unknown: Cell<usize>,
}

/// The types of `MetricFamily.type`, by number, with the field of `Metric` that holds their value.
const VALUE_FIELDS: [u32; 5] = [3, 2, 4, 5, 7];

impl<'b> Check<'b> {
    fn family(&mut self, message: &'b [u8]) -> Result<(), String> {
        if message.len() > self.shape.message_bytes {
            return Err(format!("it has more than {} bytes", self.shape.message_bytes));
        }
        let (mut name, mut kind, mut metrics, mut help_bytes): (&[u8], u64, usize, usize) = (b"", 0, 0, 0);
        for field in Fields::new(message) {
            match field? {
                Field { number: 1, value: Value::Bytes(text) } => name = text,
                Field { number: 2, value: Value::Bytes(help) } => {
                    self.help(help)?;
                    help_bytes = page::help(help);
                }
                Field { number: 3, value: Value::Number(number) } => kind = number,
                Field { number: 4, value: Value::Bytes(_) } => metrics += 1,
                Field { number: 1..=4, .. } => return Err("a field has the wrong wire type".to_owned()),
                other => self.foreign(&other)?,
            }
        }
        self.name(name)?;
        let shown = String::from_utf8_lossy(name);
        let of_kind = usize::try_from(kind).ok().and_then(|at| Kind::ALL.get(at).zip(VALUE_FIELDS.get(at)));
        let Some((kind, value_field)) = of_kind else {
            return Err(format!("{shown} has the unknown type {kind}"));
        };
        if metrics == 0 {
            return Err(format!("{shown} holds no metric"));
        }
        if !self.names.insert(name) {
            return Err(format!("a second family {shown}"));
        }
        if self.names.len() > self.shape.families {
            return Err(format!("more than {} metric families", self.shape.families));
        }
        if let Some(refusal) = self.rules.metric_refusal(name) {
            self.broken(b"", || refusal);
        }
        let (mut hashes, mut bytes, mut wire) = (Vec::new(), page::family(name) + help_bytes, 0);
        for field in Fields::new(message) {
            if let Field { number: 4, value: Value::Bytes(metric) } = field? {
                let checked = self.metric(name, *kind, *value_field, metric);
                let (hash, taken) = checked.map_err(|fault| format!("{shown}: {fault}"))?;
                hashes.push(hash);
                bytes += taken;
                wire += metric.len();
            }
        }
        if page::hides_too_much(wire, bytes) {
            return Err(format!("{shown}: its exemplars and unknown fields have more bytes than its metrics"));
        }
        self.families.push(Family::new(name, *kind, hashes, bytes));
        Ok(())
    }

    /// A field that the format does not know. Newer libraries have small ones.
    fn foreign(&self, field: &Field<'_>) -> Result<(), String> {
        const SMALL: usize = 32;
        const MOST: usize = 64 * 1024;
        if let Value::Bytes(bytes) = field.value
            && bytes.len() > SMALL
        {
            self.unknown.set(self.unknown.get().saturating_add(bytes.len()));
        }
        if self.unknown.get() > MOST {
            return Err(format!("more than {MOST} bytes in fields that the format does not know"));
        }
        Ok(())
    }

    /// The policy has something against it.
    fn broken(&mut self, family: &[u8], message: impl FnOnce() -> String) {
        let number = self.number;
        self.faults.rule(None, || match String::from_utf8_lossy(family) {
            family if family.is_empty() => format!("message {number}: {}", message()),
            family => format!("message {number}: {family}: {}", message()),
        });
    }

    fn name(&self, name: &[u8]) -> Result<(), String> {
        if !is_metric_name(name) {
            return Err(
                "its name is not a metric name (letters, digits, _ and :, not starting with a digit)".to_owned()
            );
        }
        self.rules.name_fault(name).map_or(Ok(()), Err)
    }

    fn help(&self, help: &[u8]) -> Result<(), String> {
        if help.len() > self.shape.help_bytes {
            return Err(format!("HELP has more than {} bytes", self.shape.help_bytes));
        }
        std::str::from_utf8(help).map(|_| ()).map_err(|_| "HELP is not UTF-8".to_owned())
    }

    /// Answers the gateway's hash of the metric, and its bytes on the gateway's page.
    fn metric(
        &mut self,
        family: &'b [u8],
        kind: Kind,
        value_field: u32,
        metric: &'b [u8],
    ) -> Result<(u64, usize), String> {
        self.series.begin();
        let (mut labels, mut samples) = (0, 0);
        let mut escapes = 0;
        for field in Fields::new(metric) {
            match field? {
                Field { number: 1, value: Value::Bytes(pair) } => {
                    labels += 1;
                    if labels > self.rules.own_labels() {
                        return Err(self.rules.too_many_labels());
                    }
                    escapes += self.label(family, kind, pair)?;
                }
                Field { number: 6, .. } => return Err("a timestamp; the gateway takes none, leave it out".to_owned()),
                Field { number, value: Value::Bytes(value) } if number == value_field && samples == 0 => {
                    samples = self.value(kind, value)?;
                }
                Field { number: 1..=7, .. } => return Err("its value is not of the family's type".to_owned()),
                other => self.foreign(&other)?,
            }
        }
        if samples == 0 {
            return Err("a metric without a value".to_owned());
        }
        self.samples += samples;
        if self.samples > self.shape.series {
            return Err(format!("more than {} series", self.shape.series));
        }
        let hash = self.series.metric(family).map_err(|clash| clash.to_string())?;
        if let Some(missing) = self.series.missing() {
            self.broken(family, || format!("the label {missing} is needed"));
        }
        let named = self.series.named_bytes(family) + escapes;
        let bytes = match kind.suffixes() {
            [] => page::metric(named),
            // Two are its sum and its count.
            _ => page::metric_of_parts(named, samples.saturating_sub(2)),
        };
        Ok((hash, bytes))
    }

    /// Answers how many escapes its value needs as text.
    fn label(&mut self, family: &[u8], kind: Kind, pair: &'b [u8]) -> Result<usize, String> {
        let (name, value) = self.pair(pair)?;
        if kind.special_label() == Some(name) {
            return Err(format!("the label {} belongs to its type", String::from_utf8_lossy(name)));
        }
        if let Some(refusal) = self.series.judge(name, value, false) {
            self.broken(family, || refusal.told(name));
        }
        let fresh = self.series.name(name, (&[], 0));
        let fresh = fresh.ok_or_else(|| format!("the label {} stands twice", String::from_utf8_lossy(name)))?;
        self.series.label(&fresh, value, false);
        Ok(page::escapes(value))
    }

    fn pair(&self, pair: &'b [u8]) -> Result<(&'b [u8], &'b [u8]), String> {
        let (mut name, mut value): (&[u8], &[u8]) = (b"", b"");
        for field in Fields::new(pair) {
            match field? {
                Field { number: 1, value: Value::Bytes(text) } => name = text,
                Field { number: 2, value: Value::Bytes(text) } => value = text,
                Field { number: 1 | 2, .. } => return Err("a label has the wrong wire type".to_owned()),
                _ => {}
            }
        }
        if !is_label_name(name) || name.starts_with(b"__") {
            return Err("a label name is not letters, digits and _, or begins with a digit or __".to_owned());
        }
        if name.len() > self.shape.name_bytes || value.len() > self.shape.value_bytes {
            let (name, value) = (self.shape.name_bytes, self.shape.value_bytes);
            return Err(format!("a label has a name of more than {name} bytes or a value of more than {value}"));
        }
        let text = std::str::from_utf8(value).map_err(|_| "a label value is not UTF-8".to_owned())?;
        if text.contains(|c: char| c < ' ' && c != '\t' && c != '\n') {
            return Err("a label value has a control character".to_owned());
        }
        Ok((name, value))
    }

    /// The number of series that a value makes in the scrape.
    fn value(&self, kind: Kind, value: &'b [u8]) -> Result<usize, String> {
        match kind {
            Kind::Histogram => self.histogram(value),
            Kind::Summary => {
                let mut quantiles = Bounds::default();
                for field in Fields::new(value) {
                    match field? {
                        Field { number: 3, value: Value::Bytes(quantile) } => {
                            quantiles.add("quantile", bound(quantile, 1)?)?;
                        }
                        Field { number: 4, value: Value::Bytes(time) } => whole(time)?,
                        _ => {}
                    }
                }
                Ok(quantiles.0.len() + 2)
            }
            _ => self.plain(value),
        }
    }

    fn plain(&self, value: &'b [u8]) -> Result<usize, String> {
        for field in Fields::new(value) {
            match field? {
                Field { number: 2, value: Value::Bytes(exemplar) } => self.exemplar(exemplar)?,
                Field { number: 3, value: Value::Bytes(time) } => whole(time)?,
                _ => {}
            }
        }
        Ok(1)
    }

    fn histogram(&self, value: &'b [u8]) -> Result<usize, String> {
        let mut bounds = Bounds::default();
        for field in Fields::new(value) {
            match field? {
                Field { number: 3, value: Value::Bytes(bucket) } => {
                    bounds.add("bucket bound", bound(bucket, 2)?)?;
                    for field in Fields::new(bucket) {
                        if let Field { number: 3, value: Value::Bytes(exemplar) } = field? {
                            self.exemplar(exemplar)?;
                        }
                    }
                }
                Field { number: 15, value: Value::Bytes(time) } => whole(time)?,
                Field { number: 4..=14 | 16, .. } => return Err("native histograms are not taken".to_owned()),
                _ => {}
            }
        }
        // The gateway adds the bucket +Inf where it is missing.
        Ok(bounds.0.len() + 3)
    }

    fn exemplar(&self, exemplar: &'b [u8]) -> Result<(), String> {
        for field in Fields::new(exemplar) {
            match field? {
                Field { number: 1, value: Value::Bytes(pair) } => drop(self.pair(pair)?),
                Field { number: 3, value: Value::Bytes(time) } => whole(time)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A message of which nothing is read: the time of something. Some gateway versions know it and refuse what is none.
fn whole(message: &[u8]) -> Result<(), String> {
    Fields::new(message).try_for_each(|field| field.map(drop))
}

/// Quantiles or bucket bounds of one metric: each makes a series of its own.
#[derive(Default)]
struct Bounds(HashSet<u64>);

impl Bounds {
    fn add(&mut self, what: &str, bound: f64) -> Result<(), String> {
        if bound.is_nan() {
            return Err(format!("a {what} is not a number"));
        }
        // Negative zero is zero.
        let bound = bound + 0.0;
        if self.0.insert(bound.to_bits()) { Ok(()) } else { Err(format!("the {what} {bound} stands twice")) }
    }
}

/// The double of that field; zero where it is absent.
fn bound(message: &[u8], number: u32) -> Result<f64, String> {
    let mut bound = 0.0;
    for field in Fields::new(message) {
        match field? {
            Field { number: found, value: Value::Fixed64(bits) } if found == number => bound = f64::from_bits(bits),
            _ => {}
        }
    }
    Ok(bound)
}
