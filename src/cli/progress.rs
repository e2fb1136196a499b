//! How far something is, for people who watch: on a terminal only, and gone when it is done.

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _, stderr};

const WIDTH: u64 = 40;

/// A bar on standard error.
pub(super) struct Bar {
    shown: bool,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { shown: stderr().is_terminal() }
    }

    /// Draws it anew; `what` stands behind it. Of an unknown whole it stays empty.
    pub(super) fn show<N: TryInto<u64>>(&self, done: N, all: N, what: impl Display) {
        if self.shown {
            let [done, all] = [done, all].map(|number| number.try_into().unwrap_or(0));
            let filled = done.saturating_mul(WIDTH).checked_div(all).unwrap_or(0).min(WIDTH);
            let bar = |sign: &str, width| sign.repeat(usize::try_from(width).unwrap_or(0));
            draw(format_args!("[{}{}] {what}", bar("#", filled), bar("-", WIDTH - filled)));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.shown {
            draw("");
        }
    }
}

/// In place of what stands in the line. Where nobody sees it, nothing is lost.
fn draw(line: impl Display) {
    let mut out = stderr().lock();
    let _ = write!(out, "\r{line}\u{1b}[K\r").and_then(|()| out.flush());
}
