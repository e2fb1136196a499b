//! Command lines as people paste them.

use super::*;
use proptest::prelude::*;

fn shown(line: &str) -> String {
    let curl = match Curl::read(line) {
        Ok(curl) => curl,
        Err(error) => return format!("error: {error}"),
    };
    let mut out = format!("{} {} at {}", curl.method, curl.target, curl.host);
    if let Some(user) = &curl.user {
        out.push_str(&format!(", user {user}"));
    }
    for (name, value) in &curl.fields {
        out.push_str(&format!(", {name}: {value}"));
    }
    if let Some(data) = &curl.data {
        out.push_str(&format!(", {data:?}"));
    }
    for warning in &curl.warnings {
        out.push_str(&format!("\n  ! {warning}"));
    }
    out
}

#[test]
fn command_lines() {
    let lines = [
        "curl https://push.example.com/metrics/job/ci",
        "curl -T metrics.txt push.example.com/metrics/job/ci",
        "curl -T metrics.txt https://push.example.com/metrics/job/ci/",
        "echo 'up 1' | curl --data-binary @- http://pushgateway:9091/metrics/job/ci",
        "curl -sSf -u 'ci:pass:word' -X PUT --data-binary @m.txt https://push.example.com/metrics/job/ci > /dev/null",
        "curl -XDELETE -uci:x https://push.example.com/metrics/job/ci && echo done",
        "curl -fsSuci:x -d @m.txt https://push.example.com/metrics/job/ci",
        "curl --fail-with-body --retry 3 --max-time=10 -o /dev/null -w '%{http_code}' \\\n  -H 'X-A: b' -H Accept: \\\n  https://u:p@push.example.com:8443/metrics",
        "curl -d a=1 -d b=2 push.example.com/metrics/job/ci",
        "curl -H 'Content-Type: text/plain' --data-raw @x push.example.com/metrics/job/ci#end",
        "curl push.example.com/metrics/job/a/../b/./c",
        "curl --path-as-is push.example.com/metrics/job/a/../b",
        "curl -I push.example.com",
        "curl -G -d a=1 push.example.com/metrics",
        "curl --data-binary @- ${PUSHGATEWAY_URL}/metrics/job/ci/workflow/Elixir/Phoenix CI",
        "curl --data-binary @- \"https://h/metrics/job/ci/workflow/Elixir CI\"",
        "curl 'https://h/metrics/job/{a,b}'",
        "curl -g 'https://h/metrics/job/{a}'",
        "curl -F file=@x https://h/",
        "curl --data-urlencode a=b https://h/",
        "curl -u",
        "curl -s",
        "curl 'https://h/",
        "wget https://h/",
        "curl https:///metrics",
        "",
    ];
    let text: String = lines.iter().map(|line| format!("$ {line}\n{}\n\n", shown(line))).collect();
    insta::assert_snapshot!(text);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(line in "(curl )?[ -~\\n]{0,120}") {
        let _ = Curl::read(&line);
    }

    /// What curl makes of dots has none left, and is what it was where it had none.
    #[test]
    fn a_path_without_dots_stays(parts in proptest::collection::vec("[a-z.]{0,3}", 0..6)) {
        let path = format!("/{}", parts.join("/"));
        let sent = without_dots(&path);
        prop_assert!(sent.split('/').all(|part| part != "." && part != ".."), "{}", sent);
        prop_assert_eq!(without_dots(&sent), sent.clone());
        if parts.iter().all(|part| part != "." && part != "..") {
            prop_assert_eq!(sent, path);
        }
    }
}
