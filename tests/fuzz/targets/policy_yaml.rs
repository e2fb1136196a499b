//! A policy is either read, the same way every time, or has problems, each with a line of the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::config::{Secrets, read};
use std::path::Path;

fuzz_target!(|text: &str| {
    let once = || read(text, Path::new("/nonexistent"), Secrets::Optional, &mut || [7; 48]);
    match once() {
        Ok((policy, warnings)) => {
            let again = once().map(|(policy, warnings)| (format!("{policy:?}"), warnings));
            assert_eq!(again.ok(), Some((format!("{policy:?}"), warnings)));
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            // Some readers count a line behind the last line end.
            let lines = text.split(['\n', '\r']).count() + 1;
            for problem in &problems {
                assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem:?}");
                assert!(!problem.message.is_empty());
            }
        }
    }
});
