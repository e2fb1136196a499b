//! Panics as lines of the log.

use std::any::Any;
use std::panic::{self, PanicHookInfo};

/// Tells of panics in the log, and of them no more than may be told.
pub(super) fn install() {
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(msg = "panic", place, detail = told(info.payload()));
    }));
}

/// A text of the program's own. One that was made up at the time may quote what a client sent.
fn told(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("its text is not shown: it may quote what a client sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_of_the_program_are_told() {
        let secret = String::from("canary-7f3a9c51");
        let quoting: Box<dyn Any> = Box::new(format!("byte index 1 is out of bounds of `{secret}`"));
        assert!(!told(&*quoting).contains(&secret));
        let own: Box<dyn Any> = Box::new("attempt to divide by zero");
        assert_eq!(told(&*own), "attempt to divide by zero");
    }
}
