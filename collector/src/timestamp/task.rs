//! Has signed heads stamped: once an hour where the log has grown, and the first of each day. No commit waits for it; where the authority does
//! not answer it is asked again, later each time, and people are told.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;

use ioc_common::audit_head::AuditHead;
use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::sha256_hex;
use ioc_engine::command::{BackgroundTask, Command};
use ioc_engine::config::{Config, TimestampPlan};
use ioc_engine::http;
use ioc_engine::writer::EngineHandle;
use ioc_store::audit::AuditStamp;
use ioc_store::{Reader, StoreError};

use super::{StampError, apart, stamp};
use crate::panics::caught;
use crate::task_watch::TaskWatch;

/// How often it looks whether there is something to stamp.
const LOOK: Duration = Duration::from_secs(1);
/// Longest pause after attempts that failed, milliseconds.
const PAUSE_MAX_MS: u64 = 900_000;

/// What became of a look.
enum Outcome {
    /// There was nothing to do.
    Idle,
    /// A head was stamped.
    Stamped,
    /// It was, and the clocks differ.
    ClockDiffers(String),
    /// It was not.
    Failed(StampError),
}

/// Stamps until the engine ends.
pub(crate) async fn run(engine: EngineHandle, reader: Box<dyn Reader>, config: watch::Receiver<Arc<Config>>) {
    let runtime = runtime::Handle::current();
    let work = move || {
        let mut watch = TaskWatch::new(BackgroundTask::TimeStamps, engine.clone());
        let mut task = StampTask { engine, reader, config, runtime: runtime.clone(), stamped: None, lost_told: false };
        let (mut failures, mut pause) = (0_u32, LOOK);
        while task.sleep(pause) {
            pause = LOOK;
            let Some(plan) = task.config.borrow().timestamp.clone() else {
                failures = 0;
                // Nobody misses it any more.
                runtime.block_on(watch.succeeded());
                continue;
            };
            let outcome = caught(|| task.look(&plan))
                .unwrap_or_else(|panic| Outcome::Failed(StampError::Local(format!("it panicked: {panic}"))));
            match outcome {
                Outcome::Idle => {}
                Outcome::Stamped => {
                    failures = 0;
                    runtime.block_on(watch.succeeded());
                }
                Outcome::ClockDiffers(why) => {
                    failures = 0;
                    tracing::warn!(why, "the time stamping authority's clock and this machine's differ");
                    runtime.block_on(watch.failed_for_good(why));
                }
                Outcome::Failed(error) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        tracing::warn!(url = plan.url, %error, "the audit log is not time-stamped; it is tried again");
                    }
                    let asked = match &error {
                        StampError::Away(error) => error.retry_after(),
                        StampError::Wrong(_) | StampError::Local(_) => None,
                    };
                    let for_good = error.is_for_good();
                    let why = format!("{}: {error}", plan.url);
                    runtime.block_on(async {
                        if for_good { watch.failed_for_good(why).await } else { watch.failed(why).await }
                    });
                    let backoff = Duration::from_millis(http::backoff_ms(failures).min(PAUSE_MAX_MS));
                    pause = backoff.max(asked.unwrap_or_default());
                }
            }
        }
    };
    // On a thread of its own: it reads the store, and sleeps.
    let _ = tokio::task::spawn_blocking(work).await;
}

struct StampTask {
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    config: watch::Receiver<Arc<Config>>,
    runtime: runtime::Handle,
    /// When the last one was kept since the start: boot clock, milliseconds, and our own time.
    stamped: Option<(u64, Timestamp)>,
    /// That the log lost what was stamped was said since the start.
    lost_told: bool,
}

impl StampTask {
    fn look(&mut self, plan: &TimestampPlan) -> Outcome {
        let head = match self.due(plan) {
            Ok(Some(head)) => head,
            Ok(None) => return Outcome::Idle,
            Err(error) => return Outcome::Failed(StampError::Local(error.to_string())),
        };
        let made = match self.runtime.block_on(stamp(plan, &sha256_hex(head.stamped_text().as_bytes()))) {
            Ok(made) => made,
            Err(error) => return Outcome::Failed(error),
        };
        let (at, authority) = (made.token.at, made.token.authority);
        let kept = AuditStamp { number: head.number, at, authority, reply: made.reply };
        if let Err(error) = self.runtime.block_on(self.engine.command(Command::KeepStamp(kept))) {
            return Outcome::Failed(StampError::Local(format!("a time stamp was not kept: {error}")));
        }
        self.stamped = Some((clock::boottime_ms(), clock::now()));
        tracing::debug!(number = head.number, %at, "a signed head of the audit log was time-stamped");
        match made.ahead_ms {
            None => Outcome::Stamped,
            Some(ms) => Outcome::ClockDiffers(format!("{}: the authority's clock is {}", plan.url, apart(ms))),
        }
    }

    /// The head that is to be stamped now.
    fn due(&mut self, plan: &TimestampPlan) -> Result<Option<AuditHead>, StoreError> {
        let every_ms = plan.every.as_millis();
        let now = clock::now();
        let zone = self.config.borrow().timezone.clone();
        let day = |at: Timestamp| {
            let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok();
            moment.map(|moment| moment.to_zoned_datetime(zone.clone()).date())
        };
        if let Some((at_ms, at)) = self.stamped {
            let passed_ms = clock::boottime_ms().saturating_sub(at_ms);
            if i64::try_from(passed_ms).unwrap_or(i64::MAX) < every_ms && day(at) == day(now) {
                return Ok(None);
            }
        }
        let Some(head) = self.reader.last_audit_head_in_log()? else { return Ok(None) };
        // Of the log that is there: one that lost its end goes on below what was stamped of it, and is stamped from there.
        let last = self.reader.last_audit_stamp_in_log()?;
        if let Some(lost) = self.lost_stamp(last.as_ref())? {
            tracing::error!(
                stamped = lost,
                signed = head.number,
                "the audit log ends before what was time-stamped of it; what is there now is stamped anew"
            );
        }
        let Some(last) = last else { return Ok(Some(head)) };
        // By the authority's clock, before this process stamped any.
        let rests =
            self.stamped.is_none() && (0..every_ms).contains(&now.millis_since(last.at)) && day(last.at) == day(now);
        Ok(Some(head).filter(|head| head.number > last.number && !rests))
    }

    /// The record that was stamped last, where the log has lost it: told once.
    fn lost_stamp(&mut self, in_log: Option<&AuditStamp>) -> Result<Option<u64>, StoreError> {
        if self.lost_told {
            return Ok(None);
        }
        let newest = self.reader.last_audit_stamp()?.map(|stamp| stamp.number);
        let lost = newest.filter(|number| in_log.is_none_or(|stamp| *number > stamp.number));
        self.lost_told = lost.is_some();
        Ok(lost)
    }

    /// Sleeps. False when the engine has ended.
    fn sleep(&self, length: Duration) -> bool {
        let gone = self.engine.gone();
        self.runtime.block_on(async { tokio::time::timeout(length, gone).await.is_err() })
    }
}
