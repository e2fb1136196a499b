//! Requests over time, as bars.

use super::super::report::Report;
use super::super::text::grouped;
use std::time::{Duration, SystemTime};

/// The height of the picture, in its own units.
const HEIGHT: u64 = 1000;
/// A count that is not zero can be seen.
const LEAST: u64 = 8;

/// Stacked bars: refused at the bottom, where changes are seen best.
pub(super) fn chart(report: &Report) -> String {
    let buckets = report.timeline.buckets();
    let Some((start, width)) = report.timeline.scale() else { return String::new() };
    let most = buckets.iter().map(|bucket| bucket.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let bars: String =
        buckets.iter().enumerate().map(|(index, bucket)| bar(index, bucket, most, (start, width))).collect();
    let number = u32::try_from(buckets.len()).unwrap_or(u32::MAX);
    let [first, middle, end] = [0, number / 2, number].map(|index| moment(start, width, index));
    format!(
        "<h2>Over time</h2>\n<div class=\"chart\"><div class=\"scale\"><span>{}</span><span>0</span></div>\
         <svg viewBox=\"0 0 {} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"requests over time\">\
         {bars}</svg><div class=\"times\"><span>{first}</span><span>{middle}</span><span>{end}</span></div></div>\n\
         <p class=\"dim\">{} a bar; point at one for its numbers</p>\n",
        grouped(most),
        buckets.len() * 10,
        humantime::format_duration(width),
    )
}

fn bar(index: usize, bucket: &[u64; 3], most: u64, (start, width): (SystemTime, Duration)) -> String {
    let [allowed, denied, undecided] = *bucket;
    let at = moment(start, width, u32::try_from(index).unwrap_or(u32::MAX));
    let counts = [(allowed, "allowed"), (denied, "denied"), (undecided, "undecided")];
    let said: Vec<String> = counts.iter().map(|(count, name)| format!("{} {name}", grouped(*count))).collect();
    let (mut bottom, mut out, x) = (HEIGHT, String::new(), index * 10);
    for (count, colour) in [(denied, "bad"), (undecided, "open"), (allowed, "good")] {
        if count == 0 {
            continue;
        }
        let height = u128::from(count) * u128::from(HEIGHT) / u128::from(most);
        let height = u64::try_from(height).unwrap_or(HEIGHT).max(LEAST).min(bottom);
        bottom -= height;
        out.push_str(&format!(
            "<rect x=\"{x}\" y=\"{bottom}\" width=\"9\" height=\"{height}\" fill=\"var(--{colour})\">\
             <title>{at}: {}</title></rect>",
            said.join(", "),
        ));
    }
    out
}

/// The beginning of a bucket, without the seconds where buckets are whole minutes.
fn moment(start: SystemTime, width: Duration, index: u32) -> String {
    let Some(time) = width.checked_mul(index).and_then(|since| start.checked_add(since)) else { return String::new() };
    let text = humantime::format_rfc3339_seconds(time).to_string().replace('T', " ");
    let shown = if width.as_secs() < 60 { 19 } else { 16 };
    text.chars().take(shown).collect()
}
