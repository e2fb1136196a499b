use super::*;
use std::sync::mpsc::{Receiver, Sender, channel};

type Case = (&'static str, Arc<[PasswordHash]>, Option<usize>);

const LONG: Duration = Duration::from_secs(300);

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn cheap(passwords: &[&str]) -> Arc<[PasswordHash]> {
    passwords.iter().map(|password| PasswordHash::cheap(password.as_bytes(), [1; 16])).collect()
}

fn size(memory_kib: u32, queue: usize) -> Size {
    Size { memory_kib, workers: 1, queue }
}

fn with<F>(queue: usize, compute: F) -> Verifier
where
    F: FnMut(&Job) -> Result<Option<usize>, PhcError> + Send + 'static,
{
    let jobs = Arc::new(Queue::new(queue));
    start(jobs.clone(), compute).unwrap();
    manned(jobs, 1, 1)
}

/// A verifier with that queue, for so many workers, of which some run already.
fn manned(queue: Arc<Queue<Job>>, running: usize, workers: usize) -> Verifier {
    let running = Mutex::new(running);
    Verifier { queue, running, hashes: Arc::default(), arena_kib: Arc::new(8.into()), workers }
}

/// A verifier whose worker waits for a go before each answer; it reports each job that it begins.
pub(crate) fn gated(queue: usize) -> (Verifier, Sender<()>, Receiver<Vec<u8>>) {
    let (go, gate) = channel();
    let (begun, begins) = channel();
    let verifier = with(queue, move |job| {
        begun.send(job.password.expose().to_vec()).unwrap();
        let _ = gate.recv();
        Ok(Some(0))
    });
    (verifier, go, begins)
}

#[tokio::test]
async fn the_answer_is_the_first_match_and_every_hash_is_computed() {
    let verifier = Verifier::new(size(8, 4));
    let decoy = [super::super::phc::decoy(&PasswordHash::cheap(b"a", [1; 16]), [9; 48])];
    let cases: [Case; 8] = [
        ("a", cheap(&["a", "b", "c"]), Some(0)),
        ("b", cheap(&["a", "b", "c"]), Some(1)),
        ("c", cheap(&["a", "b", "c"]), Some(2)),
        ("d", cheap(&["a", "b", "c"]), None),
        ("", cheap(&["a", "b", "c"]), None),
        ("a", cheap(&["b", "a", "a"]), Some(1)),
        ("a", decoy.into(), None),
        ("a", cheap(&[]), None),
    ];
    for (password, hashes, expected) in cases {
        let (before, count) = (verifier.hashes(), hashes.len());
        let answer = verifier.verify("source", hashes, secret(password), LONG).await;
        assert_eq!(answer, Ok(expected), "{password:?}");
        assert_eq!(verifier.hashes() - before, u64::try_from(count).unwrap(), "hashes for {password:?}");
    }
}

#[tokio::test]
async fn hashes_of_real_cost_share_the_arena() {
    let text = super::super::phc::hash(&secret("correct horse"), [1; 16]).unwrap();
    let costly = PasswordHash::parse(&text).unwrap();
    let verifier = Verifier::new(size(costly.memory_kib(), 4));
    let hashes: Arc<[PasswordHash]> = [PasswordHash::cheap(b"other", [2; 16]), costly].into();
    for (password, expected) in [("correct horse", Some(1)), ("other", Some(0)), ("wrong", None)] {
        assert_eq!(
            verifier.verify("source", Arc::clone(&hashes), secret(password), LONG).await,
            Ok(expected),
            "{password}"
        );
    }
}

#[tokio::test]
async fn a_hash_beyond_the_arena_is_no_verdict() {
    let verifier = Verifier::new(size(7, 4));
    assert!(!verifier.fits(&PasswordHash::cheap(b"a", [1; 16])));
    assert_eq!(verifier.verify("source", cheap(&["a"]), secret("a"), LONG).await, Err(Busy::Memory));
    assert_eq!(verifier.hashes(), 0);
    let none = Verifier::new(size(0, 0));
    assert_eq!(none.verify("source", cheap(&["a"]), secret("a"), LONG).await, Err(Busy::Memory));
    assert_eq!(none.verify("source", cheap(&[]), secret("a"), LONG).await, Ok(None));
    assert_eq!(*none.running.lock(), 0, "a verifier without hashes needs no thread");
}

/// Room for a costlier hash is made while logins wait, and fails none of them.
#[tokio::test]
async fn an_arena_grows_between_two_jobs() {
    let text = super::super::phc::hash(&secret("correct horse"), [1; 16]).unwrap();
    let costly: Arc<[PasswordHash]> = [PasswordHash::parse(&text).unwrap()].into();
    let verifier = Verifier::new(Size { workers: 2, ..size(8, 8) });
    let log_in = |hashes, password| verifier.verify("source", hashes, secret(password), LONG);
    assert_eq!(log_in(costly.clone(), "correct horse").await, Err(Busy::Memory));
    let grow = async {
        tokio::task::yield_now().await;
        verifier.make_room(costly[0].memory_kib());
        log_in(costly.clone(), "correct horse").await
    };
    let (a, b, c, grown) =
        tokio::join!(log_in(cheap(&["a"]), "a"), log_in(cheap(&["a"]), "b"), log_in(cheap(&["a"]), "a"), grow);
    assert_eq!((a, b, c, grown), (Ok(Some(0)), Ok(None), Ok(Some(0)), Ok(Some(0))));
    verifier.make_room(8);
    assert_eq!(log_in(costly.clone(), "wrong").await, Ok(None), "it never shrinks");
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let (verifier, go, begins) = gated(1);
    let verifier = Arc::new(verifier);
    let spawn = |name: &'static str| {
        let verifier = Arc::clone(&verifier);
        tokio::spawn(async move { verifier.verify("source", cheap(&["a"]), secret(name), LONG).await })
    };
    let first = spawn("first");
    tokio::task::yield_now().await;
    assert_eq!(begins.recv().unwrap(), b"first");
    let second = spawn("second");
    tokio::task::yield_now().await;
    assert_eq!(verifier.verify("source", cheap(&["a"]), secret("third"), LONG).await, Err(Busy::Queue));
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(Some(0)));
    assert_eq!(second.await.unwrap(), Ok(Some(0)));
}

#[tokio::test]
async fn a_job_whose_caller_left_is_not_begun() {
    let (verifier, go, begins) = gated(4);
    let verifier = Arc::new(verifier);
    let first = tokio::spawn({
        let verifier = Arc::clone(&verifier);
        async move { verifier.verify("source", cheap(&["a"]), secret("first"), LONG).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(begins.recv().unwrap(), b"first");
    let short = Duration::from_millis(20);
    for name in ["left", "left"] {
        assert_eq!(verifier.verify("source", cheap(&["a"]), secret(name), short).await, Err(Busy::Deadline), "{name}");
    }
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(first.await.unwrap(), Ok(Some(0)));
    assert_eq!(verifier.verify("source", cheap(&["a"]), secret("last"), LONG).await, Ok(Some(0)));
    assert_eq!(begins.try_iter().collect::<Vec<_>>(), [b"last".to_vec()]);
}

#[tokio::test]
async fn a_panic_or_an_error_fails_its_job_and_no_other() {
    let verifier = with(4, |job| match job.password.expose() {
        b"panic" => panic!("on purpose"),
        b"error" => Err(PhcError::Compute(argon2::Error::MemoryTooLittle)),
        _ => Ok(None),
    });
    for _ in 0..3 {
        for (password, expected) in [("panic", Err(Busy::Worker)), ("error", Err(Busy::Worker)), ("fine", Ok(None))] {
            assert_eq!(verifier.verify("source", cheap(&["a"]), secret(password), LONG).await, expected, "{password}");
        }
    }
}

#[test]
fn dropping_the_verifier_ends_the_thread() {
    let (alive, ended) = channel::<()>();
    let verifier = with(4, move |_| {
        let _ = &alive;
        Ok(None)
    });
    drop(verifier);
    let outcome = ended.recv_timeout(LONG);
    assert_eq!(outcome, Err(std::sync::mpsc::RecvTimeoutError::Disconnected), "the worker still holds its end");
}

#[tokio::test]
async fn a_worker_that_could_not_be_started_is_started_when_it_is_needed() {
    let verifier = Verifier::new(size(8, 4));
    verifier.queue.close();
    let verifier = manned(Arc::new(Queue::new(4)), 0, 1);
    assert_eq!(verifier.verify("source", cheap(&["a"]), secret("a"), LONG).await, Ok(Some(0)));
}

/// As many at once as there are workers, and no more.
#[tokio::test]
async fn workers_share_one_queue() {
    let (go, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let (begun, begins) = channel();
    let jobs = Arc::new(Queue::new(4));
    for _ in 0..2 {
        let (begun, gate) = (begun.clone(), gate.clone());
        let compute = move |job: &Job| {
            begun.send(job.password.expose().to_vec()).unwrap();
            let _ = gate.lock().recv();
            Ok(None)
        };
        start(jobs.clone(), compute).unwrap();
    }
    let two = Size { memory_kib: 8, workers: 2, queue: 4 };
    let verifier = Arc::new(manned(jobs, 2, 2));
    let all: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let verifier = verifier.clone();
            tokio::spawn(async move { verifier.verify(name, cheap(&["a"]), secret(name), LONG).await })
        })
        .into();
    let mut at_work = 0;
    while at_work < 2 {
        at_work += begins.try_iter().count();
        tokio::task::yield_now().await;
    }
    (0..3).for_each(|_| go.send(()).unwrap());
    for one in all {
        assert_eq!(one.await.unwrap(), Ok(None));
    }
    assert_eq!(Verifier::new(two).verify("a", cheap(&["a"]), secret("a"), LONG).await, Ok(Some(0)));
}
