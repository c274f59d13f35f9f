//! One commit: everything that was decided becomes durable, and only then does anybody outside learn of it.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use ioc_common::clock;
use ioc_common::codec;
use ioc_common::topic::DownKind;

use super::{Engine, HostProbe};
use ioc_store::Change;

/// Between two attempts of a commit that fails.
const RETRY: Duration = Duration::from_millis(500);
/// How long a commit that fails is tried again while the collector is stopping, milliseconds.
const STOP_MS: u64 = 5000;

impl Engine {
    /// Makes everything that was decided durable, however long that takes, and then sends acknowledgements, answers and messages. False when
    /// the collector has to end before the store can be written. From then on nothing is committed any more, since later decisions build on
    /// those that were lost.
    pub(super) fn commit(&mut self) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        if self.given_up {
            Self::log_uncommitted(&batch);
            return false;
        }
        for device in std::mem::take(&mut batch.touched) {
            let Some(known) = self.state.device(&device) else { continue };
            batch.changes.push(Change::Watermark {
                position: known.watermark,
                last_heard: known.last_heard,
                last_sample: known.last_sample,
                clock_error_ms: known.clock_error_ms,
                device,
            });
        }
        if !batch.changes.is_empty() {
            self.add_clock_mark(&mut batch.changes);
            let started_us = clock::boottime_us();
            if !self.commit_until_done(&batch.changes) {
                self.given_up = true;
                Self::log_uncommitted(&batch);
                return false;
            }
            let took_us = clock::boottime_us().saturating_sub(started_us);
            self.health.commit_us.fetch_add(took_us, Relaxed);
            self.health.commit_times.count(took_us);
            self.health.commits.fetch_add(1, Relaxed);
            self.health.reports.fetch_add(batch.reports, Relaxed);
            self.health.values.fetch_add(batch.values, Relaxed);
        }
        // Before whoever asked for it is answered: what they look at next goes by it.
        if let Some(config) = batch.config {
            self.configs.send_replace(config);
        }
        // First what people wait for: with many devices the rest takes a while.
        if batch.notices {
            self.outbox.send_modify(|count| *count += 1);
        }
        for (device, cause) in &batch.disconnects {
            self.connections.disconnect(device, *cause);
        }
        for (device, ask) in batch.asks {
            if let Ok(payload) = codec::write_message(&ask) {
                self.connections.queue(&device, DownKind::Ask, payload);
            }
        }
        self.audit_heads.committed();
        let (state, head) = (&self.state, self.audit_heads.newest().map(|head| (head, self.boot_ms)));
        self.connections.flush(|device| state.device(device).map(|known| known.watermark).unwrap_or_default(), head);
        for device in batch.probes {
            let peer = self.connections.last_peer(&device);
            let address = self.state.device(&device).map(|known| known.info.address.clone()).unwrap_or_default();
            let _ = self.probes.send(HostProbe { device, peer, address });
        }
        for (reply, answer) in batch.answers {
            let _ = reply.send(answer);
        }
        // Samples alone do not wake pages, which read them at their own interval: ten thousand devices would keep every page busy.
        if batch.visible {
            self.pages.send_modify(|count| *count += 1);
        }
        true
    }

    fn commit_until_done(&mut self, changes: &[Change]) -> bool {
        let mut tries = 0_u32;
        loop {
            match self.store.commit(changes) {
                Ok(()) => {
                    if tries > 0 {
                        tracing::info!("the store can be written again");
                        self.health.set_store_write_error(None);
                    }
                    return true;
                }
                Err(error) => {
                    tries += 1;
                    if tries == 1 || tries.is_multiple_of(60) {
                        tracing::error!(%error, no_room = error.is_no_room(), "the store cannot be written; nothing is acknowledged until it can");
                    }
                    self.health.set_store_write_error(Some(error.to_string()));
                    self.health.mark_alive();
                    // What another collector decides now is not committed here, however often it is tried.
                    let is_over = self.health.lease.is_over();
                    if is_over || self.health.stopping_for_ms().is_some_and(|passed| passed > STOP_MS) {
                        return false;
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}
