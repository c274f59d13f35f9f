//! Reads every sensor of the configuration for ever, and tells the agent on standard output: what `ioc-agent-survey sensors` does.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ioc_common::clock;

use super::back_off::back_off;
use super::modbus::{self, items_with_subjects};
use super::publisher::{Poll, Publisher};
use super::settings::{SensorIdentity, SensorSettings};
use super::{nut, pjlink};

/// Reads sensors until nobody listens any more.
///
/// # Errors
/// When standard output is closed: the agent has gone.
pub async fn poll_all<W: Write + Send + 'static>(
    sensors: SensorSettings,
    out: W,
    interval: Duration,
) -> Result<(), std::io::Error> {
    let interval_s = u32::try_from(interval.as_secs()).unwrap_or(u32::MAX).max(1);
    let publisher = Arc::new(Mutex::new(Publisher::new(out, interval_s)));
    let (gone, mut end) = tokio::sync::mpsc::channel::<std::io::Error>(1);
    let check_write = move |result: std::io::Result<()>| {
        if let Err(error) = result {
            let _ = gone.try_send(error);
        }
    };
    {
        let mut publisher = lock(&publisher);
        for unit in sensors.buses.iter().flat_map(|bus| &bus.units) {
            let expected: Vec<(&str, &str)> =
                items_with_subjects(unit).map(|(item, subject)| (item.metric.name, subject)).collect();
            publisher.register(&unit.about, millis(unit.every), &expected);
        }
        for ups in &sensors.nut {
            publisher.register(&ups.about, millis(ups.every), &nut::EXPECTED);
        }
        for projector in &sensors.pjlink {
            publisher.register(&projector.about, millis(projector.every), &pjlink::EXPECTED);
        }
    }
    for bus in sensors.buses {
        let (publisher, check_write) = (Arc::clone(&publisher), check_write.clone());
        let on_poll = move |unit: &super::settings::Unit, result: Result<Poll, (String, bool)>| {
            let now_ms = clock::boottime_ms();
            let mut publisher = lock(&publisher);
            check_write(match result {
                Ok(poll) => publisher.record_poll(&unit.about.name, poll, now_ms),
                Err((why, silent)) => publisher.record_failure(&unit.about.name, &why, silent, now_ms),
            });
        };
        let on_poll: Arc<modbus::PollHandler> = Arc::new(on_poll);
        tokio::spawn(async move {
            loop {
                let line = bus.line.to_string();
                // It never ends by itself; should it fail, its line is taken up again.
                if let Err(error) = tokio::spawn(modbus::supervise(bus.clone(), Arc::clone(&on_poll))).await {
                    tracing::error!(%error, line, "reading this line failed; it begins anew");
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
    }
    for ups in sensors.nut {
        let (publisher, check_write) = (Arc::clone(&publisher), check_write.clone());
        tokio::spawn(async move {
            poll_for_ever(&publisher, &ups.about, ups.every, check_write, || nut::ask(&ups)).await;
        });
    }
    for projector in sensors.pjlink {
        let (publisher, check_write) = (Arc::clone(&publisher), check_write.clone());
        tokio::spawn(async move {
            poll_for_ever(&publisher, &projector.about, projector.every, check_write, || pjlink::ask(&projector)).await;
        });
    }
    let mut ticks = tokio::time::interval(interval.max(Duration::from_secs(1)));
    loop {
        tokio::select! {
            _ = ticks.tick() => check_write(lock(&publisher).tick(clock::boottime_ms())),
            error = end.recv() => return error.map_or(Ok(()), Err),
        }
    }
}

fn lock<W: Write>(publisher: &Mutex<Publisher<W>>) -> std::sync::MutexGuard<'_, Publisher<W>> {
    publisher.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Polls a device that has its own connection.
async fn poll_for_ever<W, F, A>(
    publisher: &Mutex<Publisher<W>>,
    about: &SensorIdentity,
    every: Duration,
    check_write: impl Fn(std::io::Result<()>),
    ask: F,
) where
    W: Write,
    F: Fn() -> A,
    A: Future<Output = Result<Poll, String>>,
{
    let mut failures = 0_u32;
    loop {
        let result = ask().await;
        let now_ms = clock::boottime_ms();
        let wait = match result {
            Ok(poll) => {
                failures = 0;
                check_write(lock(publisher).record_poll(&about.name, poll, now_ms));
                every
            }
            Err(why) => {
                failures = failures.saturating_add(1);
                check_write(lock(publisher).record_failure(&about.name, &why, failures >= 2, now_ms));
                // The second try follows soon: one lost packet is no outage.
                if failures == 1 { every.min(Duration::from_secs(2)) } else { back_off(failures, every) }
            }
        };
        tokio::time::sleep(wait).await;
    }
}
