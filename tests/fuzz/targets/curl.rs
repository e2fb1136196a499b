//! No command line ends the program, and what is read of one has a method, a host and a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::dry_run::Curl;

fuzz_target!(|line: &str| {
    if let Ok(curl) = Curl::read(line) {
        assert!(!curl.host.is_empty() && curl.target.starts_with('/'));
    }
});
