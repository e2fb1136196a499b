//! A sweep at a gateway.

use super::report::Report;
use super::sweep::{Step, Sweep};
use crate::clock::Clock;
use crate::groups::Detail;
use crate::proxy::Upstream;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// How long a group is given to be gone before it is looked for again.
const PAUSE: Duration = Duration::from_millis(200);

/// Does what the sweep says until it is done; `progress` is told how many of how many groups have been dealt with.
///
/// # Errors
/// Where a reading failed: what was done until then, and why it went no further.
pub async fn drive(
    upstream: &Arc<Upstream>,
    sweep: &Arc<Mutex<Sweep>>,
    clock: &Arc<dyn Clock>,
    mut progress: impl FnMut(usize, usize),
) -> Result<Report, (Report, String)> {
    loop {
        let step = sweep.lock().step(clock.tick());
        match step {
            Step::Done => return Ok(sweep.lock().report()),
            Step::Read { pause } => {
                if pause {
                    tokio::time::sleep(PAUSE).await;
                }
                if let Err(why) = read(upstream, sweep, clock).await {
                    return Err((sweep.lock().report(), why));
                }
            }
            Step::Remove(due) => {
                let mut outcome = Ok(true);
                for path in &due.paths {
                    let still = |last| sweep.lock().still_due(&due, last, clock.tick());
                    outcome = upstream.remove(path, still).await;
                    if outcome != Ok(true) {
                        break;
                    }
                }
                match outcome {
                    Ok(false) => {}
                    Ok(true) => sweep.lock().removed(&due.labels, Ok(())),
                    Err(why) => sweep.lock().removed(&due.labels, Err(why)),
                }
                let (all, done) = sweep.lock().progress();
                progress(done, all);
            }
        }
    }
}

async fn read(upstream: &Arc<Upstream>, sweep: &Arc<Mutex<Sweep>>, clock: &Arc<dyn Clock>) -> Result<(), String> {
    let now = clock.tick();
    let wall = clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seeing = sweep.clone();
    let begin = |date: Result<_, String>| date.map(|date| sweep.lock().begin(date, now, wall));
    upstream.groups(Detail::Counts, begin, move |group| seeing.lock().see(&group)).await?;
    sweep.lock().end(clock.tick());
    Ok(())
}
