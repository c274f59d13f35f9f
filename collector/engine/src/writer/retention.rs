//! Legal holds, and records that are past their time: who may end what, and by which rule what goes (article 6.3). What a hold keeps is asked
//! again in the very commit that deletes; here stands who sets and ends one.

use ioc_common::clock::Timestamp;
use ioc_store::Change;
use ioc_store::retention::{
    DeletedNumbers, Expiry, Hold, HoldEnd, HoldTarget, PERSON_MAX_CHARS, PERSON_MIN_CHARS, REASON_MAX_CHARS,
    RecordClass, RetentionRule,
};

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};

/// Most holds in force at once: each is looked at for every record that is to go.
const HOLDS_MAX: usize = 200;
/// Accounts of whoever sits at the machine begin with this: they are nobody's name.
const LOCAL: &str = "local:";

/// A text of one line.
fn line(what: &str, text: &str, least: usize, most: usize) -> Result<String, CommandError> {
    let text = text.trim();
    let length = text.chars().count();
    if length < least || length > most || text.chars().any(char::is_control) {
        return Err(CommandError::Invalid(format!(
            "{what}: found {length} characters; allowed are {least} to {most} in one line"
        )));
    }
    Ok(text.to_owned())
}

/// Who means it: an account, and the name of whoever sits at the machine.
fn named((name, actor): (&str, &str)) -> Result<String, CommandError> {
    if name.trim().is_empty() {
        if actor.is_empty() || actor.starts_with(LOCAL) {
            return Err(CommandError::Invalid(
                "name: found none; a legal hold is set and ended by a named person".to_owned(),
            ));
        }
        return Ok(actor.to_owned());
    }
    Ok(format!("{} ({actor})", line("name", name, PERSON_MIN_CHARS, PERSON_MAX_CHARS)?))
}

fn unread(error: &ioc_store::StoreError) -> CommandError {
    CommandError::Unavailable(error.to_string())
}

impl Engine {
    pub(super) fn set_hold(
        &mut self,
        target: HoldTarget,
        (from, until): (Option<Timestamp>, Option<Timestamp>),
        reason: &str,
        who: (&str, &str),
        now: Timestamp,
    ) -> CommandResult {
        let (reason, by) = (line("reason", reason, 1, REASON_MAX_CHARS)?, named(who)?);
        if from.zip(until).is_some_and(|(from, until)| from > until) {
            return Err(CommandError::Invalid("from: it lies behind until".to_owned()));
        }
        let target = self.checked_target(target, from.is_some() || until.is_some())?;
        let known = self.reader.holds().map_err(|error| unread(&error))?;
        let of_batch = self.batch.changes.iter().filter_map(|change| match change {
            Change::Hold(hold) => Some(hold.number),
            _ => None,
        });
        let newest = known.iter().map(|hold| hold.number).chain(of_batch).max().unwrap_or(0);
        if known.iter().filter(|hold| hold.ended.is_none()).count() >= HOLDS_MAX {
            return Err(CommandError::Conflict(format!(
                "{HOLDS_MAX} holds are in force already; end some, or join them"
            )));
        }
        let number = newest + 1;
        let what = format!("{} {}", target.kind(), target.subject());
        let period = |at: Option<Timestamp>| at.map_or_else(|| "…".to_owned(), |at| at.to_string());
        let detail = format!("{}; from {} to {}; by {by}: {reason}", what.trim(), period(from), period(until));
        self.batch.changes.push(Change::Hold(Hold { number, target, from, until, reason, at: now, by, ended: None }));
        self.record(now, who.1, AuditLogAction::RecordsHeld, &number.to_string(), &detail);
        self.batch.visible = true;
        Ok(Answer::Hold(number))
    }

    /// What a hold is on has to be there: one on a name that was mistyped would keep nothing.
    fn checked_target(&mut self, target: HoldTarget, bounded: bool) -> Result<HoldTarget, CommandError> {
        match target {
            HoldTarget::Incident(id) => {
                self.recall(id)?;
                if self.state.incident(id).is_none() {
                    return Err(CommandError::NotFound(format!("there is no incident {id}")));
                }
                Ok(HoldTarget::Incident(id))
            }
            HoldTarget::Device(id) => {
                // One that was removed, too: its records are still there.
                if self.reader.device(&id).map_err(|error| unread(&error))?.is_none() {
                    return Err(CommandError::NotFound(format!("there is no device {id}")));
                }
                Ok(HoldTarget::Device(id))
            }
            HoldTarget::Person(name) => {
                Ok(HoldTarget::Person(line("subject", &name, PERSON_MIN_CHARS, PERSON_MAX_CHARS)?))
            }
            HoldTarget::Class(class) => Ok(HoldTarget::Class(class)),
            HoldTarget::Period if bounded => Ok(HoldTarget::Period),
            HoldTarget::Period => {
                Err(CommandError::Invalid("from: a hold on a period has a beginning, an end, or both".to_owned()))
            }
        }
    }

    pub(super) fn end_hold(&mut self, number: u64, reason: &str, who: (&str, &str), now: Timestamp) -> CommandResult {
        let (reason, by) = (line("reason", reason, 1, REASON_MAX_CHARS)?, named(who)?);
        let known = self.reader.holds().map_err(|error| unread(&error))?;
        let Some(hold) = known.into_iter().find(|hold| hold.number == number) else {
            return Err(CommandError::NotFound(format!("there is no legal hold {number}")));
        };
        let ends_now = |change: &Change| matches!(change, Change::HoldEnded { number: other, .. } if *other == number);
        if hold.ended.is_some() || self.batch.changes.iter().any(ends_now) {
            return Err(CommandError::Conflict(format!("legal hold {number} has ended already")));
        }
        let detail = format!("{} {}; by {by}: {reason}", hold.target.kind(), hold.target.subject());
        self.batch.changes.push(Change::HoldEnded { number, end: HoldEnd { at: now, by, reason } });
        self.record(now, who.1, AuditLogAction::RecordsHoldEnded, &number.to_string(), &detail);
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Takes the rules of the configuration, and keeps on record which are others than before, and who says so.
    pub(super) fn watch_retention(&mut self, now: Timestamp) {
        for rule in self.config.retention.classes.clone() {
            let told = self.retention_rules.iter().position(|told| told.class == rule.class);
            let before = told.map(|place| self.retention_rules[place].clone());
            let new = RetentionRule {
                class: rule.class,
                text: rule.text(),
                by: rule.by.clone(),
                reason: rule.reason.clone(),
                since: now,
            };
            let same = |one: &RetentionRule| (&one.text, &one.by, &one.reason) == (&new.text, &new.by, &new.reason);
            if before.as_ref().is_some_and(same) {
                continue;
            }
            // What is there from the beginning is no change, unless somebody decided it.
            if before.is_some() || !new.by.is_empty() {
                let was = before.as_ref().map_or("the default", |one| one.text.as_str());
                let by = by_text(&new);
                let detail = format!("{was} → {}; by {by}{}", new.text, reason_text(&new.reason));
                self.record(now, "", AuditLogAction::RetentionChanged, new.class.as_str(), &detail);
            }
            self.batch.changes.push(Change::RetentionRule(new.clone()));
            match told {
                Some(place) => self.retention_rules[place] = new,
                None => self.retention_rules.push(new),
            }
        }
    }

    /// The rule of a class in the words of its evidence, with who changed it last.
    fn rule_text(&self, class: RecordClass) -> String {
        let Some(rule) = self.retention_rules.iter().find(|rule| rule.class == class) else { return String::new() };
        let by = by_text(rule);
        format!("{}; by {by}{}; since {}", rule.text, reason_text(&rule.reason), rule.since)
    }

    /// Has records deleted that are past their time by the rule that is in force now, whatever whoever asks went by.
    pub(super) fn expire(
        &mut self,
        class: RecordClass,
        records: Vec<(i64, String)>,
        exported: String,
        now: Timestamp,
    ) -> CommandResult {
        let keep = self.config.retention.of(class).and_then(|rule| rule.keep);
        let Some(keep) = keep else {
            return Err(CommandError::Forbidden(format!(
                "{}: records of this class are kept for good",
                class.as_str()
            )));
        };
        if self.health.clock().unconfirmed_ms().is_some() {
            return Err(CommandError::Conflict("the clock is in doubt: nobody knows how old anything is".to_owned()));
        }
        let before = now.plus_millis(-keep.as_millis());
        let rule = self.rule_text(class);
        self.batch.changes.push(Change::Expired(Expiry { class, before, records, at: now, rule, exported }));
        Ok(Answer::Done)
    }

    pub(super) fn numbers_deleted(&mut self, all: Vec<DeletedNumbers>, now: Timestamp) -> CommandResult {
        for deleted in all {
            let rule = self.rule_text(RecordClass::of_tier(deleted.tier));
            self.batch.changes.push(Change::NumbersDeleted { deleted, at: now, rule });
        }
        Ok(Answer::Done)
    }
}

/// Who says so. How long numbers are kept stands in `[history]`, which names nobody.
fn by_text(rule: &RetentionRule) -> &str {
    match (rule.by.as_str(), rule.class.tier()) {
        ("", Some(_)) => "[history] in collector.toml",
        ("", None) => "the default",
        (by, _) => by,
    }
}

fn reason_text(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}
