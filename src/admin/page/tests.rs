use super::*;
use crate::recent::{Event, Recent};
use std::sync::Arc;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_456_000 + seconds)
}

fn empty() -> Status {
    Status {
        version: "0.0.0",
        now: at(100_000),
        started: at(0),
        ready: false,
        connections: 0,
        policy: PolicyStatus { file: "policy.yaml".to_owned(), generation: 1, ..PolicyStatus::default() },
        sets: Vec::new(),
        gateway: String::new(),
        scrape_broken: false,
        groups: (0, 5000),
        seen: Recent::default().look(50),
    }
}

fn event<'a>(seconds: u64, verdict: Verdict, reason: &'static str, principal: Option<&'a Arc<str>>) -> Event<'a> {
    Event {
        at: at(seconds),
        verdict,
        reason,
        principal,
        operation: "push",
        job: "ci",
        rule: None,
        source: Some("203.0.113.7".parse().unwrap()),
        request_id: "00c0ffee",
        gateway: None,
    }
}

fn full() -> Status {
    let recent = Recent::default();
    let (ci, old): (Arc<str>, Arc<str>) = ("ci".into(), "gone-since".into());
    let took = Some(Duration::from_millis(12));
    for second in 0..5 {
        recent.note(&Event { gateway: took, ..event(99_900 + second, Verdict::Allowed, "", Some(&ci)) });
    }
    let rule: Arc<str> = "ci.quotas[0]".into();
    recent.note(&Event { rule: Some(&rule), ..event(99_950, Verdict::Denied, "quota_exhausted", Some(&ci)) });
    recent.note(&event(99_960, Verdict::Reported, "job_not_granted", Some(&ci)));
    recent.note(&Event { gateway: took, ..event(99_970, Verdict::Failed, "upstream_timeout", Some(&ci)) });
    recent.note(&Event { job: "", source: None, ..event(90_000, Verdict::Denied, "source_unknown", None) });
    recent.note(&event(1000, Verdict::Allowed, "", Some(&old)));
    Status {
        ready: true,
        connections: 3,
        policy: PolicyStatus {
            loaded: Some(at(50_000)),
            generation: 7,
            problems: vec!["policy.yaml:3: principals.a.form: unknown key \"form\"; did you mean \"from\"?".to_owned()],
            warnings: vec!["policy.yaml:9: principals.ci.mode: without an end".to_owned()],
            reporting: vec![("ci.basic".to_owned(), None), ("ci.quotas[1]".to_owned(), Some(at(200_000)))],
            principals: vec![
                ("ci".to_owned(), "password or token".to_owned()),
                ("prometheus".to_owned(), "no credential".to_owned()),
            ],
            ..empty().policy
        },
        sets: vec![
            SetStatus {
                name: "actions".to_owned(),
                prefixes: Some(7280),
                age: Some(Duration::from_secs(4000)),
                refused: false,
            },
            SetStatus { name: "hooks".to_owned(), prefixes: None, age: None, refused: false },
            SetStatus { name: "web".to_owned(), prefixes: Some(9), age: Some(Duration::from_secs(7)), refused: true },
        ],
        gateway: "1.11.2".to_owned(),
        groups: (4711, 5000),
        seen: recent.look(50),
        ..empty()
    }
}

/// The body of the page: the style is looked at by people.
fn body(status: &Status) -> String {
    let html = render(status);
    html.split_once("</style>").unwrap().1.to_owned()
}

#[test]
fn the_page_of_a_start() {
    insta::assert_snapshot!(body(&empty()));
}

#[test]
fn the_page_of_a_busy_day() {
    insta::assert_snapshot!(body(&full()));
}

#[test]
fn the_gateway_is_well_again_once_it_has_answered() {
    let shown = |good: Option<u64>, bad: Option<u64>| {
        let mut status = empty();
        status.seen.gateway.good = good.map(|second| (at(second), Duration::from_millis(1)));
        status.seen.gateway.bad = bad.map(|second| (at(second), "upstream_unavailable"));
        let html = body(&status);
        ["not asked yet", "answers", "upstream_unavailable"].map(|word| html.contains(&format!("\"value\">{word}<")))
    };
    assert_eq!(shown(None, None), [true, false, false]);
    assert_eq!(shown(Some(5), None), [false, true, false]);
    assert_eq!(shown(None, Some(5)), [false, false, true]);
    assert_eq!(shown(Some(6), Some(5)), [false, true, false]);
    assert_eq!(shown(Some(5), Some(6)), [false, false, true]);
    let broken = Status { scrape_broken: true, ..full() };
    assert!(body(&broken).contains("scrape fails"));
}

/// Whoever may push chooses the job, and whoever writes the policy the rest: none of it becomes markup.
#[test]
fn no_text_becomes_markup() {
    const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=a>&lt;\u{202e}\u{0}\n</style>{}";
    let (recent, evil): (Recent, Arc<str>) = (Recent::default(), EVIL.into());
    recent.note(&Event {
        job: EVIL,
        rule: Some(&evil),
        request_id: EVIL,
        operation: EVIL,
        ..event(1, Verdict::Denied, EVIL, Some(&evil))
    });
    let status = Status {
        version: EVIL,
        gateway: EVIL.to_owned(),
        policy: PolicyStatus {
            file: EVIL.to_owned(),
            problems: vec![EVIL.to_owned()],
            warnings: vec![EVIL.to_owned()],
            reporting: vec![(EVIL.to_owned(), None)],
            principals: vec![(EVIL.to_owned(), EVIL.to_owned()), ("other".to_owned(), EVIL.to_owned())],
            ..PolicyStatus::default()
        },
        sets: vec![SetStatus { name: EVIL.to_owned(), prefixes: None, age: None, refused: true }],
        seen: recent.look(50),
        ..empty()
    };
    let html = body(&status);
    for mark in ["<script", "<img", "onerror=a>", "\"'>", "\u{202e}", "\u{0}", "&lt;&lt;"] {
        assert!(!html.contains(mark), "{mark:?} in {html}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;"), "{html}");
    assert!(html.contains("\\u{202e}\\u{0}\\u{a}"), "it is shown all the same: {html}");
}

#[test]
fn what_is_long_is_cut() {
    let many = |count: usize| (0..count).map(|n| format!("problem {n}")).collect();
    let status = Status { policy: PolicyStatus { problems: many(1000), ..empty().policy }, ..empty() };
    let html = body(&status);
    assert!(html.contains("problem 49<") && !html.contains("problem 50<"), "{html}");
    assert!(html.contains("and 950 more: see the log"), "{html}");
}

/// The policy for the page names the style by its digest, and lets in nothing else.
#[test]
fn nothing_but_its_own_style_is_taken() {
    let html = render(&full());
    let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let policy = CONTENT_SECURITY_POLICY.as_str();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    for outside in ["http://", "https://", "src=", "style=", "<script", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
}
