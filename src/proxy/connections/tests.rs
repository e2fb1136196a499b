use super::*;

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// Takes a place where nothing is in the way.
#[track_caller]
fn free(connections: &Arc<Connections>, from: &str) -> Place {
    let (place, met) = connections.enter(address(from));
    assert_eq!(met, None, "{from}");
    place.unwrap()
}

#[test]
fn one_source_cannot_take_all_places_and_places_come_back() {
    let connections = Connections::new(5, 2);
    let (first, second) = (free(&connections, "192.0.2.1"), free(&connections, "192.0.2.1"));
    let refused = |from| {
        let (place, met) = connections.enter(from);
        assert!(place.is_none(), "{from:?}");
        met.unwrap()
    };
    assert_eq!(refused(address("192.0.2.1")), Limit::SourceConnections);
    let other = free(&connections, "2001:db8::1");
    let another = free(&connections, "2001:db8::2");
    assert_eq!(refused(address("2001:db8::3")), Limit::SourceConnections, "a /64 is one source");
    let last = free(&connections, "192.0.2.9");
    assert_eq!(refused(address("192.0.2.10")), Limit::Connections);
    assert_eq!(refused(None), Limit::Connections, "a proxy has no share, but the total counts");
    drop((first, second, other, another, last));
    let open = connections.open.lock();
    assert!(open.all == 0 && open.by_source.is_empty(), "nothing is remembered of who is gone");
}

#[test]
fn each_leaves_as_much_as_it_takes() {
    let connections = Connections::new(512, 128);
    let mut places = Vec::new();
    let mut counts = Vec::new();
    for source in 1..12 {
        let before = places.len();
        places.extend(std::iter::from_fn(|| connections.enter(address(&format!("192.0.2.{source}"))).0));
        counts.push(places.len() - before);
    }
    assert_eq!(counts, [128, 128, 128, 64, 32, 16, 8, 4, 2, 1, 1]);
}

#[test]
fn who_waits_longest_gives_way() {
    let connections = Connections::new(4, 2);
    let places: Vec<Place> = ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"].map(|s| free(&connections, s)).into();
    let [one, two, three, four] = &places[..] else { panic!("four places") };
    let (second, first, served) = (two.waits(), one.waits(), three.waits());
    assert!(served.end(), "a request came");
    let (new, met) = connections.enter(address("192.0.2.4"));
    assert!(new.is_some() && met == Some(Limit::Connections));
    assert!(!second.end(), "the first to wait gave way");
    let again = first;
    let (proxy, met) = connections.enter(None);
    assert!(proxy.is_some() && met == Some(Limit::Connections));
    assert!(!again.end(), "then the next");
    assert!(connections.enter(None).0.is_none(), "nobody else waits");
    drop(four.waits());
    assert!(connections.enter(None).0.is_none(), "who waits no longer is not called");
    drop(places);
    assert_eq!(connections.open.lock().all, 2, "who gave way is not counted out twice");
    drop((new, proxy));
    assert!(connections.open.lock().by_source.is_empty());
}

/// A source that pushes twice at once is served twice, however many silent connections of others hold every place.
#[test]
fn silent_connections_take_nobodys_share() {
    let connections = Connections::new(4, 3);
    let silent = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"].map(|from| free(&connections, from));
    let waiting = silent.each_ref().map(Place::waits);
    let honest: Vec<_> = (0..2).map(|_| connections.enter(address("192.0.2.9")).0).collect();
    assert!(honest.iter().all(Option::is_some));
    assert!(connections.enter(address("192.0.2.9")).0.is_none(), "it leaves as much as it has");
    assert_eq!(waiting.map(Waiting::end), [false, false, true, true], "the first of them gave way");
}

#[test]
fn a_source_gives_way_to_itself() {
    let connections = Connections::new(10, 2);
    let (one, two) = (free(&connections, "192.0.2.1"), free(&connections, "192.0.2.1"));
    let other = free(&connections, "192.0.2.2");
    let (others, first) = (other.waits(), one.waits());
    let _second = two.waits();
    let (new, met) = connections.enter(address("192.0.2.1"));
    assert!(new.is_some() && met == Some(Limit::SourceConnections));
    assert!(!first.end() && others.end(), "only its own");
}

#[test]
fn an_announced_client_has_its_share() {
    let connections = Connections::new(10, 1);
    let client = "203.0.113.7".parse().unwrap();
    let mut first = connections.enter(None).0.unwrap();
    let mut second = connections.enter(None).0.unwrap();
    assert!(first.belongs_to(client) && !second.belongs_to(client));
    drop(first);
    assert!(second.belongs_to(client));
}

#[tokio::test]
async fn a_call_that_came_before_is_heard() {
    let connections = Connections::new(1, 1);
    let place = free(&connections, "192.0.2.1");
    let waiting = place.waits();
    let _new = connections.enter(address("192.0.2.2")).0.unwrap();
    waiting.called().await;
    assert!(!waiting.end());
}
