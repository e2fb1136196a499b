mod behaviours;
mod files;
mod log;
mod time;

use super::*;
use crate::clock::ManualClock;
use crate::fetch::fake::{Fake, Reply, http};
use crate::fetch::{Timeouts, Url};
use crate::metrics::SetLabels;
use crate::ranges::feed::{Feed, INTERVAL, Origin, Wanted};
use crate::ranges::keeper::PastAge;
use crate::ranges::list::{Form, Pointer};
use ipnet::IpNet;
use log::Log;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `count` /24 networks from `4.0.0.0` on, and a few of IPv6.
fn list(count: u32) -> Vec<String> {
    let v4 = (0..count).map(|block| format!("4.{}.{}.0/24", block / 256, block % 256));
    v4.chain(["2603:1030::/48".to_owned(), "2603:1031::/48".to_owned()]).collect()
}

fn meta(list: &[String]) -> String {
    serde_json::json!({ "ssh_keys": ["ssh-ed25519 AAAA"], "actions": list, "domains": { "x": {} } }).to_string()
}

fn good(count: u32) -> Reply {
    http("200 OK", "", meta(&list(count)))
}

fn nets(list: &[String]) -> Vec<IpNet> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn actions() -> Wanted {
    Wanted { name: "actions".to_owned(), form: Form::Json(Pointer::key("actions")), allow_private: false }
}

fn github(url: &Url) -> Feed {
    let origin = Origin::Url { url: url.clone(), token_file: None };
    Feed { name: github::NAME.to_owned(), origin, interval: INTERVAL, lists: vec![actions()] }
}

/// A refresher on a clock that stands still, and all that it has published.
struct House {
    folder: Arc<TempDir>,
    clock: ManualClock,
    metrics: RangeMetrics,
    refresher: Refresher,
    published: Vec<Arc<RangeSets>>,
}

impl House {
    async fn open(feeds: Vec<Feed>) -> Self {
        let clock = ManualClock::default();
        clock.advance(Duration::from_secs(1_700_000_000));
        Self::reopen(feeds, Arc::new(TempDir::new().unwrap()), clock, |_| {}).await
    }

    /// Another process on the same folder.
    async fn reopen(
        feeds: Vec<Feed>,
        folder: Arc<TempDir>,
        clock: ManualClock,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        log::keep_lines();
        let timeouts = Timeouts { total: Duration::from_secs(3), ..Timeouts::default() };
        let lines = Lines::patient(feeds, None, timeouts).unwrap();
        let metrics = RangeMetrics::default();
        let mut settings = Settings {
            store: Store::new(Some(folder.path())),
            seed_file: None,
            max_age: MaxAge::default(),
            clock: Arc::new(clock.clone()),
            metrics: metrics.clone(),
        };
        change(&mut settings);
        let mut refresher = Refresher::new(lines, settings);
        refresher.load().await;
        Self { folder, clock, metrics, refresher, published: Vec::new() }
    }

    async fn restart(self, feeds: Vec<Feed>) -> Self {
        let Self { folder, clock, refresher, .. } = self;
        drop(refresher);
        Self::reopen(feeds, folder, clock, |_| {}).await
    }

    /// One look at everything.
    async fn round(&mut self) {
        let published = Mutex::new(Vec::new());
        self.refresher.round(&|sets| published.lock().push(sets)).await;
        self.published.extend(published.into_inner());
    }

    /// Looks until every answer that is on its way has been judged.
    async fn settle(&mut self) {
        loop {
            self.round().await;
            if !self.refresher.lines.iter().any(Line::is_busy) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn after(&mut self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    fn served(&self, set: &str) -> Option<Arc<crate::prefix_set::PrefixSet>> {
        self.published.last().and_then(|sets| sets.get(set).cloned())
    }

    /// Whether the addresses of `list` are served, and no others.
    #[track_caller]
    fn serves_exactly(&self, list: &[String], what: &str) {
        let want = crate::prefix_set::PrefixSet::from_prefixes(nets(list));
        assert_eq!(self.served("actions").as_deref().map(|set| *set == want), Some(true), "{what}");
    }

    fn serves(&self, address: &str) -> bool {
        self.served("actions").is_some_and(|set| set.contains(address.parse().unwrap()))
    }

    fn gauge(&self, family: &crate::metrics::SetGauge) -> i64 {
        family.get_or_create(&SetLabels { set: "actions".to_owned() }).get()
    }
}

#[tokio::test]
async fn a_restart_in_an_outage_serves_from_disk() {
    let fake = Fake::serve(vec![good(100)]).await;
    let feed = github(&fake.url);
    let mut house = House::open(vec![feed.clone()]).await;
    house.settle().await;
    house.serves_exactly(&list(100), "fetched");
    drop(fake);
    house.clock.advance(DAY);
    let mut house = house.restart(vec![feed]).await;
    house.settle().await;
    house.serves_exactly(&list(100), "from disk, while nothing answers");
    assert_eq!(house.published.len(), 1);
    assert_eq!(house.gauge(&house.metrics.age), 86_400);
}

#[tokio::test]
async fn what_is_kept_of_elsewhere_or_damaged_is_not_used() {
    let fake = Fake::serve(vec![good(100)]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    let file = house.folder.path().join("ranges/good-actions.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    let dead: Url = "http://127.0.0.1:9/meta".parse().unwrap();
    let log = Log::capture();
    let mut house = house.restart(vec![github(&dead)]).await;
    house.settle().await;
    assert!(house.published.is_empty());
    assert!(log.lines()[0].contains("they came from elsewhere"), "{:?}", log.lines());
    // A single address more, or a format of another time.
    for (old, new, said) in [("4.0.7.0/24", "4.0.0.0/15", "checksum"), ("\"format\":1", "\"format\":9", "format 9")] {
        std::fs::write(&file, kept.replacen(old, new, 1)).unwrap();
        let log = Log::capture();
        house = house.restart(vec![github(&fake.url)]).await;
        house.settle().await;
        assert!(house.published.is_empty(), "{said}");
        let line = &log.lines()[0];
        assert!(
            line.contains("stored ranges not used") && line.contains(said) && line.contains("good-actions.json"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn an_approved_list_is_taken_within_a_round() {
    let fake = Fake::serve(vec![good(100), good(10), good(10), good(10)]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    house.after(7 * HOUR).await;
    house.serves_exactly(&list(100), "refused");
    assert_eq!(house.gauge(&house.metrics.refused_pending), 1);
    let store = Store::new(Some(house.folder.path()));
    let refused = store.refused("actions").unwrap().unwrap();
    assert!(refused.approvable && refused.why.contains("lacks 23040 of the 25600"), "{}", refused.why);
    assert_eq!(refused.prefixes.len(), 12);
    // Of another list, an approval is none.
    let other = crate::ranges::store::RefusedList {
        prefixes: refused.prefixes.iter().copied().skip(1).collect(),
        ..refused.clone()
    };
    store.approve("actions", &other).unwrap();
    house.after(Duration::from_secs(1)).await;
    assert_eq!(house.gauge(&house.metrics.refused_pending), 1);
    store.approve("actions", &refused).unwrap();
    house.after(Duration::from_secs(1)).await;
    assert_eq!(house.gauge(&house.metrics.refused_pending), 0);
    assert_eq!(store.refused("actions").unwrap(), None);
    assert!(store.good("actions").unwrap().unwrap().held.listed.len() == 12, "and is kept");
    house.serves_exactly(&list(100), "what it lacks has its grace");
    // The same again is no loss.
    house.after(7 * HOUR).await;
    assert_eq!(house.gauge(&house.metrics.refused_pending), 0);
    house.after(42 * HOUR).await;
    house.serves_exactly(&list(10), "and is gone after it");
}

#[tokio::test]
async fn an_approval_of_what_may_not_be_approved_is_none() {
    let private = http("200 OK", "", meta(&["10.0.0.0/24".to_owned()]));
    // Too broad may be approved, but behind it stands what may not.
    let broad = http("200 OK", "", meta(&["192.0.0.0/9".to_owned()]));
    for (reply, approvable) in [(private, false), (broad, true)] {
        let fake = Fake::serve(vec![good(100), reply]).await;
        let mut house = House::open(vec![github(&fake.url)]).await;
        house.settle().await;
        house.after(7 * HOUR).await;
        let store = Store::new(Some(house.folder.path()));
        let refused = store.refused("actions").unwrap().unwrap();
        assert_eq!(refused.approvable, approvable);
        store.approve("actions", &refused).unwrap();
        let log = Log::capture();
        for _ in 0..5 {
            house.after(Duration::from_secs(1)).await;
        }
        house.serves_exactly(&list(100), "as before");
        assert_eq!(house.published.len(), 1);
        let refusals = log.lines().iter().filter(|line| line.contains("reason=special")).count();
        assert_eq!(refusals, usize::from(approvable), "said once: {:?}", log.lines());
    }
}

#[tokio::test]
async fn an_approval_outlives_a_restart() {
    let fake = Fake::serve(vec![good(100), good(10)]).await;
    let feed = github(&fake.url);
    let mut house = House::open(vec![feed.clone()]).await;
    house.settle().await;
    house.after(7 * HOUR).await;
    let store = Store::new(Some(house.folder.path()));
    store.approve("actions", &store.refused("actions").unwrap().unwrap()).unwrap();
    drop(fake);
    let mut house = house.restart(vec![feed]).await;
    house.settle().await;
    assert_eq!(store.good("actions").unwrap().unwrap().held.listed.len(), 12);
}

#[tokio::test]
async fn what_cannot_be_written_is_served_all_the_same() {
    let fake = Fake::serve(vec![good(100)]).await;
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("ranges"), "a file where the folder should be").unwrap();
    let clock = ManualClock::default();
    let log = Log::capture();
    let mut house = House::reopen(vec![github(&fake.url)], Arc::new(folder), clock, |_| {}).await;
    house.settle().await;
    house.serves_exactly(&list(100), "served");
    let lines = log.lines();
    assert!(
        lines.iter().any(|line| line.starts_with("WARN msg=ranges not saved") && line.contains("cannot write ")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_changed_policy_keeps_what_stays() {
    let fake = Fake::serve(vec![good(100)]).await;
    let other = Fake::serve(vec![http("200 OK", "", "8.8.8.0/24\n")]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    house.settle().await;
    let text = Feed {
        name: "office".to_owned(),
        origin: Origin::Url { url: other.url.clone(), token_file: None },
        interval: INTERVAL,
        lists: vec![Wanted { name: "office".to_owned(), form: Form::Text, allow_private: false }],
    };
    house.refresher.change(Lines::new(vec![text.clone(), github(&fake.url)], None).unwrap()).await;
    house.settle().await;
    house.serves_exactly(&list(100), "without asking again");
    assert!(house.served("office").unwrap().contains("8.8.8.8".parse().unwrap()));
    assert_eq!((fake.requests().len(), other.requests().len()), (1, 1));
    assert!(other.requests()[0].contains("\r\naccept: text/plain, */*;q=0.1\r\n"), "{:?}", other.requests());
    let published = house.published.len();
    house.refresher.change(Lines::new(vec![text.clone(), github(&fake.url)], None).unwrap()).await;
    house.settle().await;
    assert_eq!(house.published.len(), published, "the same once more");
    // By other rules it is another set, which was dropped; what is kept of it on disk is good by them too.
    let mut private = text.clone();
    private.lists[0].allow_private = true;
    house.refresher.change(Lines::new(vec![private, github(&fake.url)], None).unwrap()).await;
    house.settle().await;
    assert_eq!(house.published.len(), published + 1, "published anew");
    house.refresher.change(Lines::new(vec![text], None).unwrap()).await;
    house.settle().await;
    assert!(house.served("actions").is_none() && house.served("office").is_some());
    assert_eq!(other.requests().len(), 1);
    let mut page = String::new();
    let mut registry = prometheus_client::registry::Registry::default();
    registry.register("entries", "", house.metrics.entries.clone());
    prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
    assert!(page.contains("office") && !page.contains("actions"), "{page}");
}

#[tokio::test]
async fn one_bad_key_does_not_hold_back_the_others() {
    let body =
        |hooks: &str| http("200 OK", "etag: \"a\"\r\n", format!(r#"{{"actions":["4.0.0.0/24"],"hooks":{hooks}}}"#));
    let fake = Fake::serve(vec![body(r#"["5.0.0.0/24"]"#), body("null"), body(r#"["5.0.0.0/24","x"]"#)]).await;
    let hooks = Wanted { name: "hooks".to_owned(), form: Form::Json(Pointer::key("hooks")), allow_private: false };
    let mut house = House::open(vec![Feed { lists: vec![actions(), hooks], ..github(&fake.url) }]).await;
    house.settle().await;
    for _ in 0..2 {
        house.after(7 * HOUR).await;
        assert_eq!(house.gauge(&house.metrics.age), 0, "the good one is confirmed");
        assert!(house.served("hooks").unwrap().contains("5.0.0.1".parse().unwrap()));
    }
    let age = house.metrics.age.get_or_create(&SetLabels { set: "hooks".to_owned() }).get();
    assert_eq!(age, 14 * 3600, "the bad one grows old");
    let asked = fake.requests();
    let tagged: Vec<bool> = asked.iter().map(|request| request.contains("if-none-match")).collect();
    assert_eq!(tagged, [false, true, false], "a refused document is asked for whole again");
}

#[tokio::test]
async fn logs_one_line_for_a_change_with_its_counts() {
    let fake =
        Fake::serve(vec![good(100), good(100), good(101), http("500 Oh", "", ""), http("200 OK", "", "{}")]).await;
    let mut house = House::open(vec![github(&fake.url)]).await;
    let log = Log::capture();
    house.settle().await;
    for _ in 0..4 {
        house.after(7 * HOUR).await;
    }
    let lines: Vec<String> = log.lines().into_iter().filter(|line| !line.starts_with("DEBUG")).collect();
    let retry = |line: &str| {
        line.split_once("retry_seconds=")
            .map(|(before, after)| (before.to_owned(), after.split(' ').next_back().unwrap().to_owned()))
    };
    assert_eq!(
        lines[0],
        "INFO msg=ranges updated set=actions prefixes=102 added=102 removed=0 pending_removals=0 addresses=25600 ipv6_networks=131072 age_seconds=0"
    );
    assert_eq!(
        lines[1],
        "INFO msg=ranges updated set=actions prefixes=103 added=1 removed=0 pending_removals=0 addresses=25856 ipv6_networks=131072 age_seconds=0"
    );
    let (before, after) = retry(&lines[2]).unwrap();
    assert_eq!(
        (before.as_str(), after.as_str()),
        (
            "WARN msg=ranges refresh failed feed=github kind=status error=answered with status 500 failures=1 ",
            "kept=true"
        )
    );
    assert_eq!(
        lines[3],
        "WARN msg=ranges refused set=actions reason=missing error=/actions is missing kept=true approvable=false"
    );
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert_eq!(house.gauge(&house.metrics.entries), 103);
    assert_eq!(house.gauge(&house.metrics.ipv4_addresses), 25_856);
    assert_eq!(house.gauge(&house.metrics.ipv6_networks), 131_072);
}
