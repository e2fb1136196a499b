//! What time does, on a clock that is moved by hand.

use super::*;

/// A server that is there once and never again.
async fn silent(then: PastAge) -> House {
    let fake = Fake::serve(vec![good(100)]).await;
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(1_700_000_000));
    let max_age = MaxAge { then, ..MaxAge::default() };
    let folder = Arc::new(TempDir::new().unwrap());
    let mut house = House::reopen(vec![github(&fake.url)], folder, clock, |s| s.max_age = max_age).await;
    house.settle().await;
    house.serves_exactly(&list(100), "fetched");
    house
}

#[tokio::test]
async fn ages_are_exact_and_past_the_last_day_policy_decides() {
    for (then, served) in [(PastAge::Keep, true), (PastAge::Deny, false)] {
        let mut house = silent(then).await;
        let log = Log::capture();
        let old = |log: &log::Captured| log.lines().iter().filter(|l| l.contains("msg=ranges are old")).count();
        let (mut passed, second) = (Duration::ZERO, Duration::from_secs(1));
        for (at, warnings, still) in [
            (3 * DAY - second, 0, true),
            (3 * DAY, 1, true),
            (4 * DAY - second, 1, true),
            (4 * DAY, 2, true),
            (30 * DAY, 3, true),
            (30 * DAY + second, 4, served),
            (31 * DAY, 5, served),
        ] {
            house.after(at - passed).await;
            passed = at;
            assert_eq!(house.gauge(&house.metrics.age), i64::try_from(at.as_secs()).unwrap());
            assert_eq!(old(&log), warnings, "{then:?} after {at:?}");
            assert_eq!(house.serves("4.0.0.1"), still, "{then:?} after {at:?}");
        }
        let lines = log.lines();
        let last = lines.iter().rfind(|line| line.contains("ranges are old")).unwrap();
        let want = format!("WARN msg=ranges are old set=actions age_seconds=2678400 past_max_age=true served={served}");
        assert_eq!(*last, want);
    }
}

#[tokio::test]
async fn a_list_past_its_age_is_served_again_once_confirmed() {
    let tagged = http("200 OK", "etag: \"a\"\r\n", meta(&list(100)));
    let fake = Fake::serve(vec![tagged, http("500 Oh", "", ""), http("304 Not Modified", "", "")]).await;
    let (clock, folder) = (ManualClock::default(), Arc::new(TempDir::new().unwrap()));
    let max_age = MaxAge { age: DAY, then: PastAge::Deny };
    let mut house = House::reopen(vec![github(&fake.url)], folder, clock, |s| s.max_age = max_age).await;
    house.settle().await;
    house.after(25 * HOUR).await;
    assert!(house.served("actions").is_none(), "past its age");
    assert_eq!(house.gauge(&house.metrics.age), 25 * 3600, "a failure confirms nothing");
    house.after(HOUR).await;
    house.serves_exactly(&list(100), "confirmed");
    assert_eq!(house.gauge(&house.metrics.age), 0);
    assert_eq!(fake.requests().len(), 3);
    let feed = crate::metrics::FeedLabels { feed: "github".to_owned() };
    assert_eq!(house.metrics.not_modified.get_or_create(&feed).get(), 1);
}

#[tokio::test]
async fn removals_take_effect_after_48_hours_even_in_an_outage() {
    let fewer = http("200 OK", "", meta(&list(100)[1..]));
    let fake = Fake::serve(vec![good(100), fewer]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    house.after(7 * HOUR).await;
    assert_eq!(house.gauge(&house.metrics.pending_removals), 1);
    assert!(house.serves("4.0.0.1"));
    house.after(48 * HOUR - Duration::from_secs(1)).await;
    assert!(house.serves("4.0.0.1"));
    let published = house.published.len();
    house.after(Duration::from_secs(1)).await;
    house.serves_exactly(&list(100)[1..], "after its grace");
    assert_eq!((house.published.len(), house.gauge(&house.metrics.pending_removals)), (published + 1, 0));
}

#[tokio::test]
async fn a_list_that_comes_back_does_no_harm() {
    let without = || http("200 OK", "", meta(&list(100)[5..]));
    let fake = Fake::serve(vec![good(100), without(), good(100), without(), good(100)]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    for _ in 0..4 {
        house.after(7 * HOUR).await;
    }
    assert_eq!(house.published.len(), 1, "nothing that anybody noticed");
    assert_eq!(fake.requests().len(), 5);
}

#[tokio::test]
async fn asks_when_it_is_time_and_never_twice_at_once() {
    let limited = http("403 Forbidden", "retry-after: 7200\r\n", "");
    let fake = Fake::serve(vec![good(100), limited, good(100), Reply::Hold(Vec::new())]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    let asked = async |house: &mut House, after: Duration| {
        house.after(after).await;
        fake.requests().len()
    };
    assert_eq!(asked(&mut house, 5 * HOUR).await, 1, "not yet");
    assert_eq!(asked(&mut house, 2 * HOUR).await, 2, "after six hours and a tenth");
    assert_eq!(asked(&mut house, 2 * HOUR - Duration::from_secs(1)).await, 2, "left alone as asked");
    assert_eq!(asked(&mut house, HOUR / 4).await, 3, "and not longer than a tenth more");
    // While one request is on its way, no second begins, however late it is.
    house.clock.advance(7 * HOUR);
    for _ in 0..5 {
        house.round().await;
        house.clock.advance(7 * HOUR);
    }
    house.settle().await;
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn a_clock_that_jumps_loses_nothing() {
    let mut house = silent(PastAge::Keep).await;
    house.after(3650 * DAY).await;
    house.serves_exactly(&list(100), "ten years later");
    // A start with the clock far behind.
    let clock = ManualClock::default();
    let log = Log::capture();
    let feed = github(&"http://127.0.0.1:9/meta".parse().unwrap());
    let House { folder, refresher, .. } = house;
    let kept = Store::new(Some(folder.path())).good("actions").unwrap().unwrap();
    let origin = kept.origin.strip_suffix(" /actions").unwrap();
    drop(refresher);
    let feed = github(&origin.parse().unwrap_or_else(|_| match feed.origin {
        Origin::Url { url, .. } => url,
        Origin::File(_) => unreachable!("a URL"),
    }));
    let mut house = House::reopen(vec![feed], folder, clock, |s| s.max_age.then = PastAge::Deny).await;
    house.settle().await;
    house.serves_exactly(&list(100), "before its time");
    assert_eq!(house.gauge(&house.metrics.age), 0);
    assert!(log.lines().iter().any(|line| line.contains("stored ranges are from the future")), "{:?}", log.lines());
}

#[tokio::test]
async fn a_seed_file_serves_the_first_start_without_network() {
    let folder = Arc::new(TempDir::new().unwrap());
    let seed = folder.path().join("seed.json");
    std::fs::write(&seed, meta(&list(100))).unwrap();
    let written = unix(std::fs::metadata(&seed).unwrap().modified().unwrap());
    let clock = ManualClock::default();
    clock.advance(Duration::from_secs(written) + DAY);
    let dead: Url = "http://127.0.0.1:9/meta".parse().unwrap();
    let open = async |clock: &ManualClock| {
        let mut house =
            House::reopen(vec![github(&dead)], folder.clone(), clock.clone(), |s| s.seed_file = Some(seed.clone()))
                .await;
        house.settle().await;
        house
    };
    let house = open(&clock).await;
    house.serves_exactly(&list(100), "from the seed");
    assert_eq!(house.gauge(&house.metrics.age), 86_400, "as old as the file");
    // What is fetched later is compared with it, and wins over it from then on.
    let fake = Fake::serve(vec![good(10), good(110)]).await;
    let feed = github(&fake.url);
    let mut house =
        House::reopen(vec![feed.clone()], folder.clone(), clock.clone(), |s| s.seed_file = Some(seed.clone())).await;
    house.settle().await;
    house.serves_exactly(&list(100), "a loss against the seed is refused");
    house.after(7 * HOUR).await;
    house.serves_exactly(&list(110), "fetched");
    std::fs::write(&seed, r#"{"actions":["0.0.0.0/0"]}"#).unwrap();
    let log = Log::capture();
    let house = open(&clock).await;
    assert!(house.published.is_empty(), "a seed is guarded too");
    assert!(
        log.lines()
            .iter()
            .any(|line| line.contains("stored ranges not used") && line.contains("0.0.0.0/0 is too broad")),
        "{:?}",
        log.lines()
    );
}
