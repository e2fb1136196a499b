//! Everybody's scrape is one page of the gateway, and no push makes it longer than it may be.

use crate::common::gateway::Gateway;
use crate::common::guard::{EVERYTHING, Start};
use crate::common::http::Request;
use crate::volume::bodies::{self, PROTOBUF};
use crate::volume::gateways;
use crate::volume::rng::Rng;
use pushguard::groups::{self, Detail};
use pushguard::payload::{Format, PayloadShape, Rules, inspect, page};
use pushguard::request::GroupingKey;

/// What is not of a push.
const OWN: [&str; 5] = ["go_", "process_", "pushgateway_", "push_time_seconds", "push_failure_time_seconds"];

/// Bytes of the page's lines of what was pushed.
fn pushed(page: &str) -> usize {
    let name = |line: &str| {
        let name = line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        OWN.iter().any(|own| name.starts_with(own))
    };
    page.split_inclusive('\n').filter(|line| !name(line)).map(str::len).sum()
}

fn scraped(gateway: &Gateway, accept: &str) -> Vec<u8> {
    Request::get("/metrics").header("Accept", accept).send(gateway.address).is(200, "", "a scrape").body
}

/// Hundreds of bodies, one after the other in a group whose labels need escapes.
#[test]
fn what_is_counted_is_never_less_than_what_the_page_has() {
    for gateway in [gateways::installed(), gateways::newer_own_routing()].into_iter().flatten() {
        let labels = [("x", "a\"b\\c"), ("zone", "<&>é")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let key = GroupingKey::new("page", labels.clone()).unwrap();
        let overwritten: Vec<(&str, &str)> =
            labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain([("job", "page")]).collect();
        let shape = PayloadShape::default();
        let rules = Rules { shape: &shape, overwritten: &overwritten, metric: &|_| true, labels: None, report: false };
        let empty = scraped(&gateway, "application/vnd.google.protobuf").len();
        let (mut compared, mut alike, mut rng) = (0, 0, Rng::new(20_261_130));
        while compared < 150 {
            let (content_type, body) = bodies::body(&mut rng);
            let format = if content_type == Some(PROTOBUF) { Format::Protobuf } else { Format::Text };
            let Ok(summary) = inspect(format, &body, &rules) else { continue };
            let counted: usize = summary.families.iter().map(|family| family.bytes).sum();
            let request = Request::put(key.upstream_path(), body.clone());
            let request = content_type.iter().fold(request, |request, value| request.header("Content-Type", value));
            request.send(gateway.address).is(200, "", body.escape_ascii());
            let text = String::from_utf8(scraped(&gateway, "text/plain")).unwrap();
            let about = format!("{}\n{text}", body.escape_ascii());
            assert!(pushed(&text) <= counted, "{} on the page, {counted} counted: {about}", pushed(&text));
            // What is not counted, and the gateway's own metrics, which change by a few bytes.
            let wire = scraped(&gateway, PROTOBUF).len().saturating_sub(empty + 1024);
            assert!(wire <= 3 * counted, "{wire} as protobuf, {counted} counted: {about}");
            let list = Request::get("/api/v1/metrics").send(gateway.address).is(200, "", "the list").body;
            let mut learned = 0;
            let add = &mut |group: groups::Group| learned += group.families.iter().map(|f| f.bytes).sum::<usize>();
            groups::read(&*list, 1 << 20, Detail::Hashes, add).unwrap();
            assert!(pushed(&text) <= learned, "{} on the page, {learned} learned: {about}", pushed(&text));
            assert!(learned <= counted, "{learned} learned, {counted} counted: {about}");
            alike += usize::from(learned == counted);
            compared += 1;
        }
        // Else what was pushed before would not always fit again.
        assert!(alike > 100, "{alike} of {compared} count the same when they are learned");
        // The times of the group are counted as lines of that name and these labels.
        let named: usize = overwritten.iter().map(|(name, value)| page::label(name.as_bytes(), value.as_bytes())).sum();
        let text = String::from_utf8(scraped(&gateway, "text/plain")).unwrap();
        for name in groups::TIMES {
            let line = text.lines().find(|line| line.starts_with(&format!("{name}{{"))).expect("a time of the group");
            assert!(line.len() < page::metric(name.len() + named), "{line}");
        }
    }
}

/// Without a bound a few pushes would cut everybody's scrape off, since the guard hands on no page beyond its limit.
#[test]
fn a_push_that_would_make_the_page_too_long_is_refused_and_the_scrape_stays_whole() {
    let Some(gateway) = Gateway::start() else { return };
    let start = || {
        Start::new(EVERYTHING, &gateway.url())
            .flag("--upstream.max-page", "256KiB")
            .flag("--upstream.learn-interval", "1h")
    };
    let guard = start().run();
    let body: String = (0..20).map(|n| format!("m{{v=\"{n}{}\"}} 1\n", "<".repeat(400))).collect();
    let push = |job: usize| Request::post(format!("/metrics/job/j{job}"), body.clone());
    let taken = (0..100).take_while(|job| push(*job).send(guard.address()).status == 200).count();
    assert!((4..8).contains(&taken), "{taken} groups of {} bytes", body.len());
    let refused = push(taken).send(guard.address()).is(403, "group_limit_reached", "one too many");
    assert_eq!(
        refused.text(),
        "group_limit_reached: no room is left: the gateway's page, which is everybody's scrape, would be too long; \
         delete groups that nothing pushes to any longer, push less, or shorter label values\n"
    );
    assert_eq!(
        &guard.record(&refused)["detail"],
        "more than 65536 bytes of metrics in all, a quarter of --upstream.max-page"
    );
    let page = Request::get("/metrics").send(guard.address()).is(200, "", "the scrape").text();
    assert!(
        page.ends_with('\n')
            && (0..taken).all(|job| page.contains(&format!("push_time_seconds{{instance=\"\",job=\"j{job}\"}}")))
    );
    // The list of groups spells what was pushed in six times as many bytes.
    let list = Request::get("/api/v1/metrics").send(guard.address()).is(200, "", "the list");
    assert!(list.body.len() > 256 * 1024 && list.json()["data"].as_array().unwrap().len() == taken);
    let used = guard.metric("pushguard_gateway_used_ratio{limit=\"upstream.max-page\"}").expect("how full it is");
    assert!((0.8..=1.0).contains(&used), "{used}");
    // What was pushed before may be pushed again, and after a restart the gateway's own word counts.
    push(0).send(guard.address()).is(200, "", "the same again");
    let again = start().run();
    push(taken).send(again.address()).is(403, "group_limit_reached", "one too many for another guard");
    push(0).send(again.address()).is(200, "", "the same through another guard");
    Request::delete("/metrics/job/j0").send(again.address()).is(202, "", "a delete");
    push(taken).send(again.address()).is(200, "", "in the place of what was deleted");
}
