//! A line of any of the logs that are known.

use super::{LineError, Recorded, caddy, combined, own};
use crate::request::RoutePrefix;

/// Reads a line of our own log, of Caddy's, or one in the combined format of nginx.
///
/// # Errors
/// It is none of them, or no request that a policy would have looked at.
pub fn read_line<'l>(line: &'l str, prefix: &RoutePrefix) -> Result<Recorded<'l>, LineError> {
    match line.as_bytes().first() {
        // Ours begin with it, Caddy's with the level.
        Some(b'{') if line.starts_with("{\"time\":") => own(line),
        Some(b'{') if line.contains("\"request\":{") => caddy(line, prefix),
        Some(b'{') => own(line),
        _ if line.starts_with("time=") => own(line),
        _ => combined(line, prefix),
    }
}
