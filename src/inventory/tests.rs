//! The inventory: who is in whose way, that its sums hold whatever happens, and that nothing grows beyond its bounds.

mod model;
mod reading;

use super::*;
use crate::payload::SeriesHash;

const BOUNDS: Bounds = Bounds {
    groups: 100,
    key_bytes: 8 * 1024 * 1024,
    names: 20_000,
    families: 100_000,
    metrics: 200_000,
    page: 60 * 1024 * 1024,
};

fn key(path: &str) -> GroupingKey {
    GroupingKey::read(path.as_bytes()).unwrap()
}

/// `name kind` or `name kind metric,metric`
fn families(texts: &[&str]) -> Arc<[Family]> {
    let family = |text: &&str| {
        let mut words = text.split(' ');
        let (name, kind) = (words.next().unwrap(), words.next().unwrap());
        let metrics = words.next().into_iter().flat_map(|w| w.split(',')).map(|n| n.parse().unwrap()).collect();
        Family { name: name.into(), kind: Kind::read(kind.as_bytes()).unwrap(), metrics, bytes: 0 }
    };
    texts.iter().map(family).collect()
}

fn write(path: &str, change: Change, texts: &[&str]) -> Reservation {
    let principal = path.split('/').nth(1).unwrap().into();
    Reservation { key: key(path), principal, change, families: families(texts), most_groups: 10 }
}

fn push(path: &str, texts: &[&str]) -> Reservation {
    write(path, Change::Push, texts)
}

/// The same with a body that takes so many bytes of the page.
fn long(reservation: Reservation, bytes: usize) -> Reservation {
    let families = reservation.families.iter().map(|family| Family { bytes, ..family.clone() }).collect();
    Reservation { families, ..reservation }
}

fn inventory() -> Arc<Inventory> {
    Arc::new(Inventory::new(BOUNDS))
}

#[track_caller]
fn applied(inventory: &Arc<Inventory>, reservation: &Reservation) {
    inventory.reserve(reservation).unwrap().settle(Settled::Applied);
}

/// The clash in a few words, or that there is none.
fn found(inventory: &Arc<Inventory>, reservation: &Reservation) -> String {
    let Err(refusal) = inventory.reserve(reservation) else { return "fits".to_owned() };
    let Refusal::Clash(clashes) = refusal else { return format!("{refusal:?}") };
    let words = clashes.iter().map(|clash| {
        let with = match &clash.with {
            With::Type(kind) => kind.to_string(),
            With::Part { name, kind } => format!("{name} {kind}"),
            With::Metric => "metric".to_owned(),
            With::Hash => "hash".to_owned(),
        };
        let holders: Vec<&str> = clash.holders.iter().map(|holder| holder.key.job()).collect();
        format!("{}: {with} in {}", clash.name, holders.join(","))
    });
    words.collect::<Vec<_>>().join("; ")
}

#[test]
fn the_first_owner_of_a_name_says_its_type() {
    let inventory = inventory();
    applied(&inventory, &push("job/a", &["m gauge 1", "h histogram 2", "s summary 3"]));
    for (path, change, pushed, expected) in [
        ("job/b", Change::Push, "m gauge", "fits"),
        ("job/b", Change::Push, "m counter", "m: gauge in a"),
        ("job/b", Change::Replace, "m untyped", "m: gauge in a"),
        ("job/b", Change::Delete, "m counter", "fits"),
        // The whole and its parts, whichever came first.
        ("job/b", Change::Push, "h_bucket counter", "h_bucket: h histogram in a"),
        ("job/b", Change::Push, "h_sum histogram", "h_sum: h histogram in a"),
        ("job/b", Change::Push, "s_count untyped", "s_count: s summary in a"),
        ("job/b", Change::Push, "s_bucket untyped", "fits"),
        ("job/b", Change::Push, "m_sum untyped", "fits"),
        ("job/b", Change::Push, "h_total untyped", "fits"),
        // What is one's own gives way.
        ("job/a", Change::Push, "m counter", "fits"),
        ("job/a", Change::Replace, "h_sum gauge", "fits"),
        ("job/a", Change::Push, "h_sum gauge", "h_sum: h histogram in a"),
    ] {
        assert_eq!(found(&inventory, &write(path, change, &[pushed])), expected, "{path} {change:?} {pushed}");
    }
    // What was looked at and never sent leaves nothing.
    assert_eq!((inventory.groups(), inventory.names()), (1, 3));
    applied(&inventory, &push("job/c", &["x_count gauge", "y_bucket gauge"]));
    for (pushed, expected) in [
        ("x histogram", "x: x_count gauge in c"),
        ("x summary", "x: x_count gauge in c"),
        ("x gauge", "fits"),
        ("y histogram", "y: y_bucket gauge in c"),
        ("y summary", "fits"),
    ] {
        assert_eq!(found(&inventory, &push("job/b", &[pushed])), expected, "{pushed}");
    }
    let all = ["m counter", "h_sum gauge", "x summary", "y histogram"];
    let found = found(&inventory, &push("job/b", &all));
    assert_eq!(found, "m: gauge in a; h_sum: h histogram in a; x: x_count gauge in c", "the first three are told");
}

#[test]
fn what_is_gone_is_in_nobodys_way() {
    let inventory = inventory();
    applied(&inventory, &push("job/a", &["m gauge", "n gauge"]));
    applied(&inventory, &push("job/b", &["m gauge"]));
    let counter = push("job/c", &["m counter"]);
    assert_eq!(found(&inventory, &counter), "m: gauge in a,b");
    applied(&inventory, &write("job/a", Change::Delete, &[]));
    assert_eq!(found(&inventory, &counter), "m: gauge in b");
    applied(&inventory, &write("job/b", Change::Replace, &["o gauge"]));
    assert_eq!(found(&inventory, &counter), "fits");
    assert_eq!((inventory.groups(), inventory.names()), (1, 1));
    applied(&inventory, &write("job/b", Change::Replace, &[]));
    assert_eq!((inventory.groups(), inventory.names()), (1, 0), "an emptied group is still there");
}

/// A body that says what another group's path says would be the same metric twice.
#[test]
fn one_metric_is_in_one_group() {
    let inventory = inventory();
    applied(&inventory, &push("job/a", &["m gauge 1,2"]));
    assert_eq!(found(&inventory, &push("job/a/x/1", &["m gauge 2,3"])), "m: metric in a");
    assert_eq!(found(&inventory, &push("job/a/x/1", &["m gauge 3"])), "fits");
    assert_eq!(found(&inventory, &push("job/a", &["m gauge 2,3"])), "fits");
    applied(&inventory, &push("job/a", &["m gauge 3"]));
    assert_eq!(found(&inventory, &push("job/a/x/1", &["m gauge 2"])), "fits");
    assert_eq!(found(&inventory, &push("job/b", &["n gauge 3"])), "n: hash in a", "another metric with the same hash");
}

/// What cannot be kept could not be told apart from what comes later.
#[test]
fn no_more_metrics_are_taken_than_are_kept() {
    let few = Arc::new(Inventory::new(Bounds { metrics: 3, ..BOUNDS }));
    applied(&few, &push("job/a", &["m gauge 1,2"]));
    assert_eq!(found(&few, &push("job/b", &["m gauge 3,4"])), "Metrics(3)");
    assert_eq!(found(&few, &push("job/b", &["m gauge 3"])), "fits");
    assert_eq!(found(&few, &push("job/a", &["m gauge 5,6,7"])), "fits", "its own give way");
    assert_eq!(found(&few, &push("job/a", &["n gauge 5,6"])), "Metrics(3)", "beside its own");
    assert_eq!(found(&few, &push("job/c", &[])), "fits");
}

/// The gateway keeps two times of each group, also of one that is empty or was refused.
#[test]
fn the_times_of_groups_are_metrics_too() {
    let times = |path: &str| state::times(&push(path, &[]).key).map(|time| time.to_string());
    let [pushed, failed] = times("job/a");
    let inventory = inventory();
    applied(&inventory, &push("job/b", &[&format!("m gauge {pushed}")]));
    assert_eq!(found(&inventory, &push("job/a", &[])), "push_time_seconds: hash in b");
    assert_eq!(found(&inventory, &push("job/a/x/1", &[])), "fits");
    applied(&inventory, &write("job/b", Change::Delete, &[]));
    applied(&inventory, &push("job/a", &[]));
    assert_eq!(found(&inventory, &push("job/b", &[&format!("m gauge {failed}")])), "m: hash in a");
    assert_eq!(found(&inventory, &push("job/a", &[&format!("m gauge {failed}")])), "m: hash in ", "its own time");
    applied(&inventory, &write("job/a", Change::Delete, &[]));
    assert_eq!(found(&inventory, &push("job/b", &[&format!("m gauge {failed}")])), "fits");
    let counted =
        SeriesHash::of_others(b"pushgateway_http_push_size_bytes", std::iter::once((&b"method"[..], &b"put"[..])));
    assert_eq!(found(&inventory, &push("job/b", &[&format!("m gauge {counted}")])), "m: hash in ", "the gateway's own");
}

#[test]
fn a_write_counts_while_it_is_on_its_way_and_as_it_ends() {
    let outcomes = [
        // How it ends, what becomes of another's counter, and how many groups there are.
        (Settled::Applied, "m: gauge in a", 1),
        (Settled::Unknown, "m: gauge in a", 1),
        (Settled::Refused, "fits", 1),
        (Settled::Unsent, "fits", 0),
    ];
    let counter = push("job/b", &["m counter"]);
    for (settled, expected, groups) in outcomes {
        let inventory = inventory();
        let ticket = inventory.reserve(&push("job/a", &["m gauge"])).unwrap();
        assert_eq!(found(&inventory, &counter), "m: gauge in a", "on its way");
        ticket.settle(settled);
        assert_eq!(found(&inventory, &counter), expected, "{settled:?}");
        assert_eq!(inventory.groups(), groups, "{settled:?}");
    }
    // A ticket that is lost was not sent, or nobody knows.
    let inventory = inventory();
    drop(inventory.reserve(&push("job/a", &["m gauge"])).unwrap());
    assert_eq!(inventory.groups(), 0);
    let mut ticket = inventory.reserve(&push("job/a", &["m gauge"])).unwrap();
    ticket.sent();
    drop(ticket);
    assert_eq!(found(&inventory, &counter), "m: gauge in a");
    // After an unknown end it may be the old type or the new.
    let mut ticket = inventory.reserve(&push("job/a", &["m counter"])).unwrap();
    ticket.sent();
    drop(ticket);
    assert_ne!(found(&inventory, &push("job/b", &["m counter"])), "fits");
    assert_ne!(found(&inventory, &push("job/b", &["m gauge"])), "fits");
    applied(&inventory, &push("job/a", &["m counter"]));
    assert_eq!(found(&inventory, &push("job/b", &["m counter"])), "fits");
    // A delete that may have failed is none.
    inventory.reserve(&write("job/a", Change::Delete, &[])).unwrap().settle(Settled::Unknown);
    assert_eq!(found(&inventory, &push("job/b", &["m gauge"])), "m: counter in a");
}

/// Attempts count: the gateway makes a group of a push that it refuses.
#[test]
fn a_hundred_thousand_fresh_names_stay_under_the_cap() {
    let inventory = inventory();
    let mut refused = [0, 0];
    for number in 0..100_000_u32 {
        let path = format!("job/j{}/run/{number}", if number % 3 == 0 { 0 } else { number % 20 });
        let mut reservation = push(&path, &["m gauge"]);
        reservation.families = families(&[&format!("fresh_{number} gauge {number}")]);
        match inventory.reserve(&reservation) {
            Ok(ticket) => ticket.settle(if number % 2 == 0 { Settled::Applied } else { Settled::Refused }),
            Err(Refusal::OwnGroups(10)) => refused[0] += 1,
            Err(Refusal::AllGroups(100)) => refused[1] += 1,
            Err(other) => panic!("{other:?}"),
        }
        assert!(inventory.groups() <= 100 && inventory.names() <= 100);
    }
    assert_eq!((inventory.groups(), refused[0] + refused[1]), (100, 99_900));
    assert!(refused[0] > 0 && refused[1] > 0, "both caps are met: {refused:?}");
    // A group that lives can be pushed to, and one that goes makes room.
    applied(&inventory, &push("job/j0/run/0", &["n gauge"]));
    applied(&inventory, &write("job/j0/run/0", Change::Delete, &[]));
    applied(&inventory, &push("job/j0/run/new", &["m gauge"]));
    assert!(matches!(inventory.reserve(&push("job/j0/run/newer", &[])), Err(Refusal::OwnGroups(10))));
}

/// Everybody's scrape is one page.
#[test]
fn the_page_of_the_gateway_stays_within_its_bound() {
    let times = |path: &str| state::bytes_of_times(&key(path));
    let short = Arc::new(Inventory::new(Bounds { page: 1000 + times("job/a") + times("job/b"), ..BOUNDS }));
    applied(&short, &long(push("job/a", &["m gauge 1"]), 600));
    let page = short.bounds.page;
    let too_long = format!("Page({page})");
    assert_eq!(found(&short, &long(push("job/b", &["m gauge 2"]), 401)), too_long);
    assert_eq!(found(&short, &long(push("job/b", &["m gauge 2"]), 400)), "fits");
    assert_eq!(found(&short, &long(push("job/a", &["n gauge 2"]), 401 + times("job/b"))), too_long, "beside its own");
    assert_eq!(found(&short, &long(push("job/a", &["m gauge 2"]), 1000)), "fits", "its own gives way");
    assert_eq!(
        found(&short, &long(write("job/a", Change::Replace, &["n gauge 2"]), 1000)),
        "fits",
        "all of it gives way"
    );
    assert_eq!(found(&short, &long(push("job/b", &["m gauge 2"]), usize::MAX)), too_long);
    // A write on its way counts, one that was not sent does not.
    let flying = short.reserve(&long(push("job/b", &["m gauge 2"]), 400)).unwrap();
    assert_eq!(found(&short, &push("job/c", &[])), too_long, "the times of a group are on the page");
    flying.settle(Settled::Unsent);
    assert_eq!(found(&short, &push("job/c", &[])), "fits");
    // Of a write that may have been applied the larger of old and new counts, until the gateway is asked.
    short.reserve(&long(push("job/a", &["m gauge 1"]), 1)).unwrap().settle(Settled::Unknown);
    assert_eq!(found(&short, &long(push("job/b", &["m gauge 2"]), 401)), too_long);
    // What the gateway says counts, and what is longer than may be can become shorter.
    let told = LearnedFamily { name: "m".into(), kind: Kind::Gauge, metrics: vec![1], bytes: 5000 };
    short.learn(short.mark(), vec![Learned { key: key("job/a"), families: vec![told] }], |_| None);
    assert_eq!(found(&short, &push("job/b", &[])), too_long);
    assert_eq!(found(&short, &long(push("job/a", &["m gauge 1"]), 4000)), "fits");
    applied(&short, &write("job/a", Change::Delete, &[]));
    assert_eq!(found(&short, &long(push("job/b", &["m gauge 2"]), 1000)), "fits");
}

#[test]
fn every_bound_is_met() {
    let names = Arc::new(Inventory::new(Bounds { names: 2, families: 3, key_bytes: 60, ..BOUNDS }));
    applied(&names, &push("job/a", &["a gauge", "b gauge"]));
    assert_eq!(names.reserve(&push("job/b", &["c gauge"])).unwrap_err(), Refusal::Names);
    applied(&names, &push("job/b", &["a gauge"]));
    assert_eq!(names.reserve(&push("job/c", &["a gauge"])).unwrap_err(), Refusal::Names);
    applied(&names, &push("job/c", &[]));
    let long = format!("job/{}", "x".repeat(40));
    assert_eq!(names.reserve(&push(&long, &[])).unwrap_err(), Refusal::AllGroups(100));
}

#[test]
fn the_gateway_knows_better() {
    let inventory = inventory();
    let learned = |path: &str, texts: &[&str]| Learned {
        key: key(path),
        families: families(texts)
            .iter()
            .map(|f| LearnedFamily {
                name: f.name.as_str().into(),
                kind: f.kind,
                metrics: f.metrics.clone(),
                bytes: f.bytes,
            })
            .collect(),
    };
    let owner = |key: &GroupingKey| (key.job() == "a").then(|| "team".into());
    applied(&inventory, &push("job/gone", &["x gauge"]));
    applied(&inventory, &push("job/a", &["m gauge"]));
    let mark = inventory.mark();
    // Meanwhile somebody pushes, and another push is on its way.
    applied(&inventory, &push("job/fresh", &["n gauge"]));
    let flying = inventory.reserve(&push("job/flying", &["o gauge"])).unwrap();
    let told = vec![learned("job/a", &["m counter 7"]), learned("job/other", &["p gauge"]), learned("job/flying", &[])];
    inventory.learn(mark, told, owner);
    for (pushed, expected) in [
        ("x counter", "fits"),
        ("m gauge", "m: counter in a"),
        ("m counter 7", "m: metric in a"),
        ("n counter", "n: gauge in fresh"),
        ("o counter", "o: gauge in flying"),
        ("p counter", "p: gauge in other"),
    ] {
        assert_eq!(found(&inventory, &push("job/b", &[pushed])), expected, "{pushed}");
    }
    assert_eq!(inventory.groups(), 4);
    flying.settle(Settled::Applied);
    // Learned groups count for those whose they are, and for whoever pushes to one of nobody's.
    let own = |principal: &str, path: &str, most_groups| Reservation {
        principal: principal.into(),
        most_groups,
        ..push(path, &[])
    };
    let all: Vec<Learned> = (0..3).map(|n| learned(&format!("job/a/n/{n}"), &[])).collect();
    inventory.learn(inventory.mark(), all, owner);
    assert_eq!(inventory.reserve(&own("team", "job/a/n/3", 3)).unwrap_err(), Refusal::OwnGroups(3));
    assert!(inventory.reserve(&own("team", "job/a/n/2", 3)).is_ok(), "it is there already");
    inventory.learn(inventory.mark(), vec![learned("job/nobody", &[])], |_| None);
    assert!(inventory.reserve(&own("me", "job/me", 1)).is_ok());
    inventory.reserve(&own("me", "job/nobody", 1)).unwrap().settle(Settled::Applied);
    assert_eq!(inventory.reserve(&own("me", "job/me", 1)).unwrap_err(), Refusal::OwnGroups(1));
}
