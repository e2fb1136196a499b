//! Plain text lists: one bad line refuses all, what is read says the same when it is written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pushguard::ranges::guard::{Rules, accept};
use pushguard::ranges::list::{Form, read};

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = read(&Form::Text, bytes) else { return };
    assert!(!list.is_empty() && list.iter().all(|net| *net == net.trunc()));
    let text: String = list.iter().map(|net| format!("{net}\n")).collect();
    assert_eq!(read(&Form::Text, text.as_bytes()).as_ref(), Ok(&list));
    let rules = Rules { fetched: true, allow_private: false };
    if let Ok(held) = accept(None, &list, rules, 1, false) {
        let set = held.set(1);
        assert!(!set.is_empty() && list.iter().all(|net| set.contains(net.addr()) && set.contains(net.broadcast())));
        assert!(!set.contains([127, 0, 0, 1].into()) && !set.contains([10, 0, 0, 1].into()));
        assert!(set.coverage().0 <= 1 << 28);
    }
});
