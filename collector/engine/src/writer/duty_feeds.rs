//! Calendars of the duty plan that people subscribe to: whoever has the token in the address reads that one calendar, and nothing else.

use ioc_common::clock::Timestamp;
use ioc_common::language::Language;
use ioc_common::random;
use ioc_judge::duty::Plan;

use super::Engine;
use crate::account::session_digest;
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::{Change, DutyFeed, FEEDS_MAX};

/// What a calendar is of, as the duty plan has it: a person or a rota, by key.
fn is_planned(plan: &Plan, subject: &str) -> bool {
    match subject.split_once(':') {
        Some(("person", id)) => plan.people.iter().any(|one| one.id == id),
        Some(("rota", id)) => plan.rota(id).is_some(),
        _ => false,
    }
}

impl Engine {
    /// A calendar for `actor` to subscribe to; its token is given back, once.
    pub(super) fn new_duty_feed(
        &mut self,
        subject: &str,
        language: Language,
        actor: &str,
        now: Timestamp,
    ) -> super::CommandResult {
        if !is_planned(self.state.plan(), subject) {
            let english = format!("subject: found {subject:?}; allowed are person:… and rota:… of the duty plan");
            return Err(RefusalReason::new("refusal-feed-subject", [], english).invalid());
        }
        let kept = self.reader.duty_feeds(actor).map_err(CommandError::unread)?;
        let pending = self.batch.changes.iter().fold(kept.len(), |count, change| match change {
            Change::DutyFeed(feed) if feed.account == actor => count + 1,
            _ => count,
        });
        if pending >= FEEDS_MAX {
            let english = format!("allowed are {FEEDS_MAX} calendars of an account; end one first");
            return Err(RefusalReason::new("refusal-feeds", [("most", Word::count(FEEDS_MAX))], english).conflict());
        }
        let token = random::secret_text().map_err(|error| CommandError::Unavailable(error.to_string()))?;
        let feed = DutyFeed {
            digest: session_digest(&token),
            account: actor.to_owned(),
            subject: subject.to_owned(),
            language,
            created_at: now,
            ended_at: None,
        };
        self.record(now, actor, AuditLogAction::DutyFeedMade, subject, "");
        self.batch.visible = true;
        self.batch.changes.push(Change::DutyFeed(feed));
        Ok(Answer::Secret(token))
    }

    /// One that `actor` made is not given out any more.
    pub(super) fn end_duty_feed(&mut self, digest: &str, actor: &str, now: Timestamp) -> super::CommandResult {
        let kept = self.reader.duty_feed(digest).map_err(CommandError::unread)?;
        let feed = kept.filter(|feed| feed.account == actor && feed.ended_at.is_none());
        let none = || RefusalReason::new("refusal-no-feed", [], "there is no such calendar of yours").not_found();
        let feed = feed.ok_or_else(none)?;
        self.record(now, actor, AuditLogAction::DutyFeedEnded, &feed.subject, "");
        self.batch.visible = true;
        self.batch.changes.push(Change::DutyFeedEnded { digest: feed.digest, at: now });
        Ok(Answer::Done)
    }
}
