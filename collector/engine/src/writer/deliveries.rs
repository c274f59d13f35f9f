//! Notices: into the outbox, and what became of them.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_judge::Notice;

use super::Engine;
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::refusal_reason::RefusalReason;
use ioc_store::{Change, Delivery, DeliveryState, OutboxEntry, StoreError};

/// When a notice is tried again whose fallback could not be found, milliseconds.
const AGAIN_MS: i64 = 60_000;
/// A fallback takes over after this many attempts that failed.
const FALLBACK_ATTEMPTS: u32 = 3;

/// What a notice is called in the audit log: its key begins with the number of its incident, and it is among the records about that.
fn subject_of(key: &str) -> String {
    let incident = key.split_once('-').and_then(|(number, _)| number.parse::<u64>().ok()).filter(|number| *number > 0);
    incident.map_or_else(|| key.to_owned(), |number| format!("{}/{key}", IncidentId(number)))
}

impl Engine {
    /// Puts a notice into the outbox: once for every channel that carries all, once for every way to a person.
    pub(super) fn enqueue_notice(&mut self, notice: &Notice, now: Timestamp) {
        let shown = notice.clone().without_names();
        let Ok(text) = ioc_judge::text::kept(|| serde_json::to_string(&shown)) else { return };
        let key = |channel: &str| format!("{}-{}-{channel}", notice.incident.0, notice.step);
        let (severity, step) = (notice.severity, notice.step);
        let entry = |key, channel: &str| OutboxEntry {
            severity,
            step,
            ..OutboxEntry::new(key, notice.incident, channel, &text, now)
        };
        let mut entries = Vec::new();
        let all = self.config.channels.iter().filter(|channel| notice.to_all && channel.always);
        for channel in all.filter(|channel| notice.severity >= channel.min_severity) {
            entries.push(entry(key(&channel.name), &channel.name));
        }
        for (place, to) in notice.to.iter().enumerate() {
            // A person may have two addresses on one channel.
            let key = format!("{}-{}-{place}", key(&to.channel), to.person);
            entries.push(OutboxEntry {
                person: to.person.clone(),
                address: to.address.clone(),
                language: Some(to.language),
                next_attempt_at: to.not_before.unwrap_or(now),
                ..entry(key, &to.channel)
            });
        }
        self.batch.notices |= !entries.is_empty();
        self.batch.changes.extend(entries.into_iter().map(Change::Outbox));
    }

    /// Tries again what was given up.
    pub(super) fn resend(&mut self, key: &str, actor: &str, now: Timestamp) -> super::CommandResult {
        let entry = self.reader.outbox_entry(key).map_err(CommandError::unread)?;
        let none = || RefusalReason::new("refusal-no-notice", [], format!("there is no notice {key:?}")).not_found();
        let entry = entry.ok_or_else(none)?;
        if entry.state != DeliveryState::Dead {
            let english = format!("the notice is {}; only what was given up is sent again", entry.state.as_str());
            return Err(RefusalReason::new("refusal-notice-not-given-up", [], english).conflict());
        }
        self.record(now, actor, AuditLogAction::NoticeResent, &subject_of(key), "");
        let (state, attempts) = (DeliveryState::Waiting, 0);
        let key = key.to_owned();
        let delivery = Delivery { key, at: now, state, attempts, unanswered: 0, next_attempt_at: now, error: None };
        self.batch.changes.push(Change::Delivery(delivery));
        (self.batch.notices, self.batch.visible) = (true, true);
        Ok(Answer::Done)
    }

    /// Keeps what became of deliveries; where one has failed often enough, its fallback takes over.
    pub(super) fn record_deliveries(&mut self, deliveries: Vec<Delivery>, now: Timestamp) {
        self.batch.visible |= !deliveries.is_empty();
        for mut delivery in deliveries {
            let mut given_up = delivery.state == DeliveryState::Dead;
            let failed_often = delivery.state == DeliveryState::Waiting && delivery.attempts >= FALLBACK_ATTEMPTS;
            if (given_up || failed_often)
                && let Err(error) = self.fall_back(&delivery.key, now)
                && given_up
            {
                // Nobody else carries it: it waits until somebody can.
                tracing::warn!(%error, notice = delivery.key, "the fallback of a notice that is given up cannot be found now; it is tried again");
                (delivery.state, delivery.next_attempt_at) = (DeliveryState::Waiting, now.plus_millis(AGAIN_MS));
                given_up = false;
            }
            if given_up {
                self.record(
                    now,
                    "",
                    AuditLogAction::NoticeGivenUp,
                    &subject_of(&delivery.key),
                    delivery.error.as_deref().unwrap_or_default(),
                );
            }
            self.batch.changes.push(Change::Delivery(delivery));
        }
    }

    /// Has the fallback of its channel carry a notice, too. Nothing is said of the channel's own attempt, which may still succeed.
    ///
    /// # Errors
    /// [`StoreError`] when the notice cannot be read now: it is to be asked for again.
    pub(super) fn fall_back(&mut self, key: &str, now: Timestamp) -> Result<(), StoreError> {
        if self.config.channels.iter().all(|channel| channel.fallback.is_none()) {
            return Ok(());
        }
        let Some(entry) = self.reader.outbox_entry(key)? else { return Ok(()) };
        let channel = self.config.channels.iter().find(|channel| channel.name == entry.channel);
        let Some(fallback) = channel.and_then(|channel| channel.fallback.clone()) else { return Ok(()) };
        // The same key is kept once, however often this is asked. It is for everyone there, so it carries no link of one person.
        let key = format!("{key}-via-{fallback}");
        self.batch.changes.push(Change::Outbox(OutboxEntry {
            severity: entry.severity,
            step: entry.step,
            ..OutboxEntry::new(key, entry.incident, &fallback, &entry.notice, now)
        }));
        self.batch.notices = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::subject_of;

    #[test]
    fn a_notice_is_among_the_records_about_its_incident() {
        assert_eq!(subject_of("12-3-sms-lan-0"), "INC-000012/12-3-sms-lan-0");
        assert_eq!((subject_of("0-1-mail"), subject_of("report")), ("0-1-mail".to_owned(), "report".to_owned()));
    }
}
