//! Legal holds, and records that are past their time: who may end what, and by which rule what goes (article 6.3). What a hold keeps is asked
//! again in the very commit that deletes, and of numbers within each slice of their deletion; here stands who sets and ends one.

use ioc_common::clock::Timestamp;
use ioc_common::config::Span;
use ioc_judge::{Input, Severity, Text};
use ioc_store::Change;
use ioc_store::retention::{
    Counted, DeletedNumbers, Expiry, Hold, HoldEnd, HoldTarget, LOOKED_MAX, PERSON_MAX_CHARS, PERSON_MIN_CHARS,
    REASON_MAX_CHARS, RecordClass, RetentionRule,
};

use super::store_faults::Bilingual;
use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, DeletionAhead};
use crate::config::ClassEnd;
use crate::local_time::local;
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Most holds in force at once: each is looked at for every record that is to go.
const HOLDS_MAX: usize = 200;
/// The name of the fault that says what new rules will delete; it stands in the store.
const AHEAD: &str = "deletions-ahead";
/// Accounts of whoever sits at the machine begin with this: they are nobody's name.
const LOCAL: &str = "local:";

/// A text of one line.
fn line(what: Field, text: &str, least: usize, most: usize) -> Result<String, CommandError> {
    let text = text.trim();
    let length = text.chars().count();
    if length < least || length > most || text.chars().any(char::is_control) {
        return Err(what.line(least, most).invalid());
    }
    Ok(text.to_owned())
}

/// Who means it: an account, and the name of whoever sits at the machine.
fn named((name, actor): (&str, &str)) -> Result<String, CommandError> {
    if name.trim().is_empty() {
        if actor.is_empty() || actor.starts_with(LOCAL) {
            let english = "name: found none; a legal hold is set and ended by a named person";
            return Err(RefusalReason::new("refusal-hold-name", [], english).invalid());
        }
        return Ok(actor.to_owned());
    }
    Ok(format!("{} ({actor})", line(Field::Name, name, PERSON_MIN_CHARS, PERSON_MAX_CHARS)?))
}

/// What a hold is called in the audit log: one on a device or an incident is among the records about that.
fn hold_subject(target: &HoldTarget, number: u64) -> String {
    match target {
        HoldTarget::Incident(_) | HoldTarget::Device(_) => format!("{}/hold {number}", target.subject()),
        HoldTarget::Person(_) | HoldTarget::Class(_) | HoldTarget::Period => number.to_string(),
    }
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
        let (reason, by) = (line(Field::Reason, reason, 1, REASON_MAX_CHARS)?, named(who)?);
        if from.zip(until).is_some_and(|(from, until)| from > until) {
            return Err(RefusalReason::new("refusal-hold-period", [], "from: it lies behind until").invalid());
        }
        let target = self.checked_target(target, from.is_some() || until.is_some())?;
        let known = self.reader.holds().map_err(CommandError::unread)?;
        let of_batch = self.batch.changes.iter().filter_map(|change| match change {
            Change::Hold(hold) => Some(hold.number),
            _ => None,
        });
        let newest = known.iter().map(|hold| hold.number).chain(of_batch).max().unwrap_or(0);
        if known.iter().filter(|hold| hold.ended.is_none()).count() >= HOLDS_MAX {
            let english = format!("{HOLDS_MAX} holds are in force already; end some, or join them");
            return Err(RefusalReason::new("refusal-holds", [("most", Word::count(HOLDS_MAX))], english).conflict());
        }
        let number = newest + 1;
        let what = format!("{} {}", target.kind(), target.subject());
        let period = |at: Option<Timestamp>| at.map_or_else(|| "…".to_owned(), |at| at.to_string());
        let detail = format!("{}; from {} to {}; by {by}: {reason}", what.trim(), period(from), period(until));
        let subject = hold_subject(&target, number);
        self.batch.changes.push(Change::Hold(Hold { number, target, from, until, reason, at: now, by, ended: None }));
        self.record(now, who.1, AuditLogAction::RecordsHeld, &subject, &detail);
        self.batch.visible = true;
        Ok(Answer::Hold(number))
    }

    /// What a hold is on has to be there: one on a name that was mistyped would keep nothing.
    fn checked_target(&mut self, target: HoldTarget, bounded: bool) -> Result<HoldTarget, CommandError> {
        match target {
            HoldTarget::Incident(id) => {
                self.recall(id)?;
                if self.state.incident(id).is_none() {
                    return Err(CommandError::Refused(ioc_judge::Refusal::Unknown(id)));
                }
                Ok(HoldTarget::Incident(id))
            }
            HoldTarget::Device(id) => {
                // One that was removed, too: its records are still there.
                if self.reader.device(&id).map_err(CommandError::unread)?.is_none() {
                    return Err(RefusalReason::no_device(&id).not_found());
                }
                Ok(HoldTarget::Device(id))
            }
            HoldTarget::Person(name) => {
                Ok(HoldTarget::Person(line(Field::Subject, &name, PERSON_MIN_CHARS, PERSON_MAX_CHARS)?))
            }
            HoldTarget::Class(class) => Ok(HoldTarget::Class(class)),
            HoldTarget::Period if bounded => Ok(HoldTarget::Period),
            HoldTarget::Period => {
                let english = "from: a hold on a period has a beginning, an end, or both";
                Err(RefusalReason::new("refusal-hold-unbounded", [], english).invalid())
            }
        }
    }

    pub(super) fn end_hold(&mut self, number: u64, reason: &str, who: (&str, &str), now: Timestamp) -> CommandResult {
        let (reason, by) = (line(Field::Reason, reason, 1, REASON_MAX_CHARS)?, named(who)?);
        let known = self.reader.holds().map_err(CommandError::unread)?;
        let Some(hold) = known.into_iter().find(|hold| hold.number == number) else {
            let english = format!("there is no legal hold {number}");
            return Err(RefusalReason::new("refusal-no-hold", [("number", Word::Count(number))], english).not_found());
        };
        let ends_now = |change: &Change| matches!(change, Change::HoldEnded { number: other, .. } if *other == number);
        if hold.ended.is_some() || self.batch.changes.iter().any(ends_now) {
            let english = format!("legal hold {number} has ended already");
            return Err(RefusalReason::new("refusal-hold-over", [("number", Word::Count(number))], english).conflict());
        }
        let detail = format!("{} {}; by {by}: {reason}", hold.target.kind(), hold.target.subject());
        let subject = hold_subject(&hold.target, number);
        self.batch.changes.push(Change::HoldEnded { number, end: HoldEnd { at: now, by, reason } });
        self.record(now, who.1, AuditLogAction::RecordsHoldEnded, &subject, &detail);
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Takes the rules of the configuration, and keeps on record which are others than before, and who says so.
    pub(super) fn watch_retention(&mut self, now: Timestamp) {
        for rule in self.config.retention.classes.clone() {
            let told = self.retention_rules.iter().position(|told| told.class == rule.class);
            let before = told.map(|place| self.retention_rules[place].clone());
            let mut new = RetentionRule {
                class: rule.class,
                text: rule.text(),
                keep_ms: rule.keep.map(Span::as_millis),
                exports: rule.end == ClassEnd::Export,
                by: rule.by.clone(),
                reason: rule.reason.clone(),
                since: now,
                grace_from: None,
            };
            let same = |one: &RetentionRule| (&one.text, &one.by, &one.reason) == (&new.text, &new.by, &new.reason);
            if before.as_ref().is_some_and(same) {
                continue;
            }
            new.grace_from = match &before {
                Some(before) if !takes_more(&new, before) => before.grace_from.filter(|_| {
                    self.config.retention.waits_until(std::slice::from_ref(before), rule.class, now).is_some()
                }),
                _ => Some(now),
            };
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

    /// The clock was stepped, and that is followed: the store moves the same with [`Change::ClockStepped`].
    pub(super) fn shift_retention(&mut self, by_ms: i64) {
        for rule in &mut self.retention_rules {
            rule.grace_from = rule.grace_from.map(|at| at.plus_millis(by_ms));
        }
    }

    /// What was decided last may not stand in this store, which was restored or has lost commits: a hold most of all, and a rule that keeps for longer.
    /// So all rules wait as new ones do, until people could decide it once more.
    pub(super) fn wait_with_deletion(&mut self, now: Timestamp) {
        for rule in &mut self.retention_rules {
            rule.grace_from = Some(now);
            self.batch.changes.push(Change::RetentionRule(rule.clone()));
        }
    }

    /// A person knows what a new rule will delete, and has it begin.
    pub(super) fn begin_deletion(
        &mut self,
        class: RecordClass,
        reason: &str,
        who: (&str, &str),
        now: Timestamp,
    ) -> CommandResult {
        let (reason, by) = (line(Field::Reason, reason, 1, REASON_MAX_CHARS)?, named(who)?);
        if self.config.retention.waits_until(&self.retention_rules, class, now).is_none() {
            let english = format!("{}: its rule waits for nothing", class.as_str());
            return Err(RefusalReason::new("refusal-rule-waits-not", [of_class(class)], english).conflict());
        }
        let Some(rule) = self.retention_rules.iter_mut().find(|rule| rule.class == class) else {
            let english = format!("{}: there is no rule of this class", class.as_str());
            return Err(RefusalReason::new("refusal-no-rule", [of_class(class)], english).not_found());
        };
        rule.grace_from = None;
        let rule = rule.clone();
        let detail = format!("{}; by {by}: {reason}", rule.text);
        self.batch.changes.push(Change::RetentionRule(rule));
        self.record(now, who.1, AuditLogAction::RetentionBegun, class.as_str(), &detail);
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// What rules that wait will delete is work for somebody until it is over: a fault of the collector, which says what and when.
    pub(super) fn announce_deletions(&mut self, all: &[DeletionAhead], now: Timestamp) -> CommandResult {
        if all.is_empty() {
            if self.state.has_self_fault(AHEAD) {
                let why = Text::new(
                    "Không còn hồ sơ nào chờ xoá theo quy tắc mới.",
                    "No records wait to be deleted by a new rule any more.",
                );
                self.decide(Input::SelfFault { key: AHEAD, incident: None, why }, now)?;
            }
            return Ok(Answer::Done);
        }
        let said = |one: &DeletionAhead, name: &str, (least, some, from): (&str, &str, &str)| {
            let count = match one.going {
                Counted { count, whole: true } => count.to_string(),
                Counted { count: 0, whole: false } => format!("{some} {LOOKED_MAX}"),
                Counted { count, whole: false } => format!("{least} {count}"),
            };
            format!("{name}: {count} ({from} {})", local(one.at, &self.config))
        };
        let vi = all.iter().map(|one| {
            said(one, class_name(one.class).0, ("ít nhất", "chưa đếm hết, chưa thấy hồ sơ nào trong số đầu tiên", "từ"))
        });
        let vi = vi.collect::<Vec<_>>().join("; ");
        let en = all.iter().map(|one| {
            said(one, class_name(one.class).1, ("at least", "not counted to the end, none among the first", "from"))
        });
        let en = en.collect::<Vec<_>>().join("; ");
        let why = Text::new(
            format!("Quy tắc lưu đang chờ (mới, ngắn hơn, hoặc kho vừa được phục hồi) sẽ xoá: {vi}"),
            format!("A rule that waits (it is new or shorter, or the store was restored) will delete: {en}"),
        );
        let title = (
            "Hồ sơ sắp bị xoá theo quy tắc đang chờ (điều 6.3)",
            "Records are about to be deleted by a rule that waits (article 6.3)",
        );
        let advice = (
            "Xem trang Lưu trữ hồ sơ. Cần giữ thì đặt lệnh giữ lại hoặc sửa thời hạn trong retention.toml trước lúc ấy; không cần chờ thì bấm «Xoá từ bây giờ».",
            "See the page Records. What is still wanted: set a legal hold, or change the span in retention.toml before then. Where nothing is, let deletion begin there.",
        );
        self.raise_self_fault_of(Severity::Warning, AHEAD, (title, advice), why, now);
        Ok(Answer::Done)
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
        (class, records): (RecordClass, Vec<(i64, String)>),
        (holds_seen, commits_seen): (u64, u64),
        (first_alone, exported): (String, String),
        now: Timestamp,
    ) -> CommandResult {
        let keep = self.config.retention.of(class).and_then(|rule| rule.keep);
        let Some(keep) = keep else {
            let english = format!("{}: records of this class are kept for good", class.as_str());
            return Err(RefusalReason::new("refusal-kept-for-good", [of_class(class)], english).forbidden());
        };
        if self.health.clock().unconfirmed_ms().is_some() {
            let english = "the clock is in doubt: nobody knows how old anything is";
            return Err(RefusalReason::new("refusal-clock-doubt", [], english).conflict());
        }
        if let Some(until) = self.config.retention.waits_until(&self.retention_rules, class, now) {
            let english = format!("{}: its rule waits until {until}", class.as_str());
            let args = [of_class(class), ("until", Word::text(local(until, &self.config)))];
            return Err(RefusalReason::new("refusal-rule-waits", args, english).conflict());
        }
        let before = now.plus_millis(-keep.as_millis());
        let rule = self.rule_text(class);
        let expiry = Expiry { class, before, records, holds_seen, commits_seen, first_alone, at: now, rule, exported };
        self.batch.changes.push(Change::Expired(expiry));
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

/// A class of records as a refusal names it.
fn of_class(class: RecordClass) -> (&'static str, Word) {
    ("class", Word::named("records-class", class.as_str()))
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

/// Whether a rule lets more go than the one before, or lets it go without writing it down.
fn takes_more(new: &RetentionRule, before: &RetentionRule) -> bool {
    let shorter = match (new.keep_ms, before.keep_ms) {
        (Some(new), Some(before)) => new < before,
        (Some(_), None) => true,
        (None, _) => false,
    };
    shorter || (before.exports && !new.exports)
}

/// What a class is called.
const fn class_name(class: RecordClass) -> Bilingual {
    match class {
        RecordClass::NumbersRaw => ("số liệu gốc", "numbers as reported"),
        RecordClass::NumbersFiveMinutes => ("số liệu 5 phút", "numbers of five minutes"),
        RecordClass::NumbersHour => ("số liệu theo giờ", "numbers of an hour"),
        RecordClass::Events => ("sự kiện thiết bị", "events of devices"),
        RecordClass::Faults => ("lỗi", "faults"),
        RecordClass::Incidents => ("sự cố", "incidents"),
        RecordClass::Notices => ("thông báo", "notices"),
        RecordClass::Audit => ("nhật ký kiểm toán", "audit records"),
        RecordClass::Reports => ("báo cáo", "reports"),
        RecordClass::Attestations => ("lời xác nhận kèm tệp", "attestations with their files"),
        RecordClass::AssetImports => ("bảng nhập sổ tài sản", "tables of the asset register"),
        RecordClass::Documents => ("thay đổi khảo sát", "changes of documents"),
        RecordClass::Enrolments => ("yêu cầu đăng ký", "requests to come in"),
    }
}

#[cfg(test)]
mod tests;
