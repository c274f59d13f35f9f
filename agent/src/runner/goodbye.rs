//! The end of a run: the goodbye, and what has not been committed kept on disk.

use std::path::Path;
use std::time::Duration;

use ioc_common::clock;
use ioc_common::codec;
use ioc_common::report::{Body, Goodbye, GoodbyeReason, Position};
use ioc_common::topic::DownKind;

use super::{Runner, WAKE_MIN_MS, next_event};
use crate::uplink::mqtt::LinkEvent;

/// How long the goodbye may take.
const GOODBYE_MS: u64 = 3000;

impl Runner {
    pub(super) async fn goodbye(&mut self) {
        // systemd writes /run/nologin when the machine goes down (systemd-user-sessions.service).
        let going_down = Path::new("/run/nologin").exists();
        let reason = if going_down { GoodbyeReason::Shutdown } else { GoodbyeReason::Stop };
        let return_within_s = u32::try_from(self.config.return_within.get().as_secs()).unwrap_or(u32::MAX);
        self.report(&Body::Goodbye(Goodbye { reason, return_within_s }));
        let deadline = clock::boottime_ms() + GOODBYE_MS;
        while self.session.is_open() && !self.backlog.is_empty() {
            let now_ms = clock::boottime_ms();
            if now_ms >= deadline {
                break;
            }
            self.send(now_ms);
            let wait = Duration::from_millis((deadline - now_ms).max(WAKE_MIN_MS));
            match tokio::time::timeout(wait, next_event(&mut self.link)).await {
                Ok(LinkEvent::Down(DownKind::Committed, payload)) => {
                    if let Ok(message) = codec::read_message(&payload) {
                        self.committed(message, now_ms);
                    }
                }
                Ok(LinkEvent::Closed(_)) | Err(_) => break,
                Ok(LinkEvent::Down(..) | LinkEvent::Opened) => {}
            }
        }
        self.audit_witness.keep(clock::boottime_ms());
        self.backlog.end(Position { epoch: self.epoch, seq: self.seq });
        if let Some(link) = self.link.take() {
            link.close().await;
        }
        let waiting = self.backlog.size();
        tracing::info!(waiting = waiting.on_disk, "agent stopped");
    }
}
