mod answers;
mod log;

use std::sync::Mutex;
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;
use crate::clock::ManualClock;
use crate::fetch::fake::{Fake, http};
use log::Log;

const OLD: &str = r#"{"actions":["10.0.0.0/8"]}"#;
const GOOD: &str = r#"{"actions":["192.0.2.0/24","2001:db8::/63"],"ssh_keys":["x"]}"#;
const HTML: &str = "<html><body><h1>504 Gateway Time-out</h1></body></html>";

fn keys() -> BTreeSet<String> {
    BTreeSet::from(["actions".to_owned()])
}

fn parsed(body: &str) -> Document {
    super::super::github::parse(body.as_bytes(), &keys()).unwrap()
}

fn settings(url: &Url, store: Store, clock: &ManualClock) -> Settings {
    let _ = rustls::crypto::ring::default_provider().install_default();
    log::keep_lines();
    Settings { url: url.clone(), keys: keys(), interval: DEFAULT_INTERVAL, store, clock: Arc::new(clock.clone()) }
}

fn refresher(url: &Url) -> Refresher {
    Refresher::new(settings(url, Store::new(None), &ManualClock::default())).unwrap()
}

#[test]
fn refuses_unfit_settings() {
    let with = |change: &dyn Fn(&mut Settings)| {
        let url = Url::parse(DEFAULT_URL).unwrap();
        let mut settings = settings(&url, Store::new(None), &ManualClock::default());
        // The machine that runs this may have no CA certificates; plain http needs none.
        settings.url = Url::parse("http://127.0.0.1:9/").unwrap();
        change(&mut settings);
        Refresher::new(settings).map(|_| ())
    };
    let https = |settings: &mut Settings| settings.url = Url::parse(DEFAULT_URL).unwrap();
    assert!(with(&|_| {}).is_ok());
    assert!(matches!(with(&|s| s.url = Url::parse("http://10.0.0.1/").unwrap()), Err(SetupError::Client(_))));
    assert!(matches!(with(&|s| s.keys.clear()), Err(SetupError::NoKeys)));
    assert!(with(&|s| s.interval = MIN_LOCAL_INTERVAL).is_ok());
    assert!(matches!(with(&|s| s.interval = Duration::ZERO), Err(SetupError::Interval(_))));
    let short = |s: &mut Settings| {
        https(s);
        s.interval = MIN_INTERVAL - Duration::from_nanos(1);
    };
    assert!(matches!(with(&short), Err(SetupError::Interval(_))));
}

/// Remembers what was published.
#[derive(Default)]
struct Published(Mutex<Vec<Arc<RangeSets>>>);

impl Published {
    fn add(&self, sets: Arc<RangeSets>) {
        self.0.lock().unwrap().push(sets);
    }

    fn is(&self, bodies: &[&str]) -> bool {
        let want: Vec<_> = bodies.iter().map(|body| Arc::new(compile(&parsed(body)))).collect();
        *self.0.lock().unwrap() == want
    }
}

#[tokio::test]
async fn keeps_the_last_good_set_through_failures() {
    let fake = Fake::serve(vec![
        http("200 OK", "etag: \"one\"\r\n", OLD),
        http("403 Forbidden", "retry-after: 7200\r\n", ""),
        http("200 OK", "etag: \"bad\"\r\n", HTML),
        http("304 Not Modified", "", ""),
        http("500 Internal Server Error", "", ""),
        http("200 OK", "", GOOD),
        http("200 OK", "", GOOD),
    ])
    .await;
    let (folder, clock) = (TempDir::new().unwrap(), ManualClock::default());
    let store = Store::new(Some(folder.path().to_owned()));
    let refresher = Refresher::new(settings(&fake.url, store.clone(), &clock)).unwrap();
    let (mut progress, published) = (Progress::default(), Published::default());
    let hour = Duration::from_secs(3600);
    let success = (hour * 54 / 10, hour * 66 / 10);
    let retry =
        |attempt: u32| (Duration::from_secs(15) * 2u32.pow(attempt), Duration::from_secs(30) * 2u32.pow(attempt));
    let turns: [(_, &[&str], _, _); 7] = [
        (success, &[OLD], OLD, 1),
        ((hour * 2, hour * 22 / 10), &[OLD], OLD, 1),
        (retry(2), &[OLD], OLD, 1),
        (success, &[OLD], OLD, 4),
        (retry(1), &[OLD], OLD, 4),
        (success, &[OLD, GOOD], GOOD, 6),
        (success, &[OLD, GOOD, GOOD], GOOD, 7),
    ];
    for (index, ((least, most), bodies, kept, fetched_at)) in turns.into_iter().enumerate() {
        clock.advance(Duration::from_secs(1));
        let delay = refresher.turn(&mut progress, &|sets| published.add(sets)).await;
        assert!((least..=most).contains(&delay), "turn {index}: {delay:?}");
        assert!(published.is(bodies), "turn {index}");
        let stored = store.load(fake.url.as_str(), &keys()).unwrap().unwrap();
        let want = SystemTime::UNIX_EPOCH + Duration::from_secs(fetched_at);
        assert_eq!((stored.document, stored.fetched_at), (parsed(kept), want), "turn {index}");
    }
    let asked: Vec<_> = fake.requests().iter().map(|request| request.contains("if-none-match: \"one\"")).collect();
    assert_eq!(asked, [false, true, true, true, true, true, false]);
}

#[tokio::test]
async fn a_failed_save_does_not_hold_back_the_sets() {
    let fake = Fake::serve(vec![http("200 OK", "", GOOD)]).await;
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("ranges"), "a file where the folder should be").unwrap();
    let store = Store::new(Some(folder.path().to_owned()));
    let refresher = Refresher::new(settings(&fake.url, store, &ManualClock::default())).unwrap();
    let (mut progress, published) = (Progress::default(), Published::default());
    let log = Log::capture();
    let delay = refresher.turn(&mut progress, &|sets| published.add(sets)).await;
    assert!(delay > DEFAULT_INTERVAL / 2 && progress.failures == 0);
    assert!(published.is(&[GOOD]));
    assert!(log.lines()[1].starts_with("WARN msg=ranges not saved error=cannot write "), "{:?}", log.lines());
}

#[tokio::test]
async fn run_serves_from_disk_then_from_the_network() {
    let fake = Fake::serve(vec![http("200 OK", "", GOOD)]).await;
    let folder = TempDir::new().unwrap();
    let store = Store::new(Some(folder.path().to_owned()));
    store.save(fake.url.as_str(), SystemTime::UNIX_EPOCH, &parsed(OLD)).unwrap();
    let refresher = Refresher::new(settings(&fake.url, store, &ManualClock::default())).unwrap();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let running = tokio::spawn(refresher.run(move |sets| sender.send(sets).unwrap()));
    for body in [OLD, GOOD] {
        assert_eq!(*receiver.recv().await.unwrap(), compile(&parsed(body)), "{body}");
    }
    running.abort();
}

#[tokio::test]
async fn a_damaged_file_is_not_served_and_is_replaced() {
    let fake = Fake::serve(vec![http("200 OK", "", GOOD)]).await;
    let folder = TempDir::new().unwrap();
    let store = Store::new(Some(folder.path().to_owned()));
    store.save(fake.url.as_str(), SystemTime::UNIX_EPOCH, &parsed(OLD)).unwrap();
    let file = folder.path().join("ranges/github.json");
    let damaged = std::fs::read_to_string(&file).unwrap().replace("10.0.0.0/8", "0.0.0.0/0");
    std::fs::write(&file, damaged).unwrap();
    let refresher = Refresher::new(settings(&fake.url, store.clone(), &ManualClock::default())).unwrap();
    let (mut progress, published) = (Progress::default(), Published::default());
    let log = Log::capture();
    refresher.restore(&mut progress, &|sets| published.add(sets)).await;
    assert!(published.is(&[]) && progress.held.is_none());
    assert!(log.lines()[0].starts_with("WARN msg=stored ranges not used error="), "{:?}", log.lines());
    refresher.turn(&mut progress, &|sets| published.add(sets)).await;
    assert!(published.is(&[GOOD]));
    assert_eq!(store.load(fake.url.as_str(), &keys()).unwrap().unwrap().document, parsed(GOOD));
}

#[tokio::test]
async fn logs_what_happened() {
    let fake = Fake::serve(vec![http("200 OK", "etag: \"a\"\r\n", GOOD), http("304 Not Modified", "", "")]).await;
    let folder = TempDir::new().unwrap();
    let store = Store::new(Some(folder.path().to_owned()));
    let clock = ManualClock::default();
    let refresher = Refresher::new(settings(&fake.url, store, &clock)).unwrap();
    let log = Log::capture();
    let mut progress = Progress::default();
    refresher.restore(&mut progress, &|_| {}).await;
    refresher.turn(&mut progress, &|_| {}).await;
    clock.advance(Duration::from_secs(90));
    refresher.restore(&mut Progress::default(), &|_| {}).await;
    refresher.turn(&mut progress, &|_| {}).await;
    let counts = "set=actions prefixes=2 addresses=256 ipv6_networks=2";
    let want = [
        "INFO msg=no stored ranges".to_owned(),
        format!("INFO msg=ranges updated {counts} age_seconds=0"),
        format!("INFO msg=ranges loaded {counts} age_seconds=90"),
        "INFO msg=ranges not modified".to_owned(),
    ];
    assert_eq!(log.lines(), want);
}

#[tokio::test]
async fn a_failure_is_a_warning_with_the_next_attempt() {
    let fake = Fake::serve(vec![http("403 Forbidden", "retry-after: 999999\r\n", "")]).await;
    let log = Log::capture();
    refresher(&fake.url).turn(&mut Progress::default(), &|_| {}).await;
    let line =
        "WARN msg=ranges refresh failed error=answered with status 403 failures=1 retry_seconds=21600 kept=false";
    assert_eq!(log.lines(), [line]);
}
