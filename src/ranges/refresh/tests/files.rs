//! Lists on this machine.

use super::*;
use std::path::Path;

fn office(path: &Path) -> Feed {
    Feed {
        name: "actions".to_owned(),
        origin: Origin::File(path.to_owned()),
        interval: INTERVAL,
        lists: vec![Wanted { name: "actions".to_owned(), form: Form::Text, allow_private: false }],
    }
}

#[tokio::test]
async fn a_file_is_followed_once_it_has_settled() {
    let folder = Arc::new(TempDir::new().unwrap());
    let file = folder.path().join("office.txt");
    std::fs::write(&file, "10.0.0.0/8\n4.0.0.0/24\n").unwrap();
    let clock = ManualClock::default();
    let mut house = House::reopen(vec![office(&file)], folder.clone(), clock, |_| {}).await;
    house.settle().await;
    assert!(house.serves("10.0.0.1") && house.serves("4.0.0.1"), "private addresses too");
    // A change is believed when it is read twice, and holds at once, whatever is lost.
    std::fs::write(&file, "10.0.0.0/24\n").unwrap();
    house.after(Duration::from_secs(5)).await;
    assert!(house.serves("10.9.0.1"), "it may be half written");
    house.after(Duration::from_secs(1)).await;
    assert!(house.serves("10.0.0.1") && !house.serves("10.9.0.1") && !house.serves("4.0.0.1"));
    // What cannot be used changes nothing, and is said once.
    let log = Log::capture();
    for bad in ["", "# nothing\n", "10.0.0.0/24\nx\n", "0.0.0.0/0\n"] {
        std::fs::write(&file, bad).unwrap();
        for _ in 0..5 {
            house.after(Duration::from_secs(6)).await;
        }
        assert!(house.serves("10.0.0.1") && !house.serves("10.9.0.1"), "{bad:?}");
    }
    let refused = log.lines().iter().filter(|line| line.contains("msg=ranges refused")).count();
    assert_eq!(refused, 4, "{:#?}", log.lines());
    std::fs::remove_file(&file).unwrap();
    for _ in 0..5 {
        house.after(Duration::from_secs(6)).await;
    }
    let failed: Vec<String> = log.lines().into_iter().filter(|line| line.contains("refresh failed")).collect();
    assert!(failed.len() == 1 && failed[0].contains("office.txt") && failed[0].contains("kind=file"), "{failed:#?}");
    assert!(house.serves("10.0.0.1"));
    // It comes back; and a restart without it serves what it said last.
    std::fs::write(&file, "10.0.0.0/24\n10.1.0.0/24\n").unwrap();
    house.after(Duration::from_secs(6)).await;
    house.after(Duration::from_secs(6)).await;
    assert!(house.serves("10.1.0.1"));
    std::fs::remove_file(&file).unwrap();
    let mut house = house.restart(vec![office(&file)]).await;
    house.settle().await;
    assert!(house.serves("10.1.0.1"));
}

#[tokio::test]
async fn a_file_without_a_list_makes_no_set() {
    let folder = Arc::new(TempDir::new().unwrap());
    let file = folder.path().join("office.txt");
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, content) in [(&file, None), (&file, Some("")), (&file, Some("<html>")), (&pipe, None)] {
        content.iter().for_each(|content| std::fs::write(path, content).unwrap());
        let mut house = House::reopen(vec![office(path)], folder.clone(), ManualClock::default(), |_| {}).await;
        house.settle().await;
        assert!(house.published.is_empty(), "{path:?} {content:?}");
    }
    std::fs::File::create(&file).unwrap().set_len(3 << 20).unwrap();
    let mut house = House::reopen(vec![office(&file)], folder, ManualClock::default(), |_| {}).await;
    house.settle().await;
    assert!(house.published.is_empty());
}
