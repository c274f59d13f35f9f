//! Reports (article 16.6): what the centre says of itself in documents, texts that people write, versions that are issued and registered. What was
//! issued is never changed: another version follows it.

use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_document::wording;
use ioc_store::Change;
use ioc_store::report::{
    CONTENT_MAX_BYTES, DocumentSettings, IssuedReport, Registration, ReportText, Signer, TEXT_MAX_CHARS, TEXTS_MAX,
};
use jiff::civil::Date;
use serde_json::Value;

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Longest name or title in settings, characters: the law allows long names of agencies.
const NAME_MAX_CHARS: usize = 500;
/// Most signers, addressees or recipients.
const LIST_MAX: usize = 50;
/// Longest period in days that settings can name.
const DAYS_MAX: u32 = 366;
/// Longest address of a report, and longest key of a text, characters.
const KEY_MAX_CHARS: usize = 120;
/// As much of an old and a new text stands in the audit log, characters.
const LOGGED_CHARS: usize = 500;
/// The largest number of a document.
const REGISTERED_MAX: u32 = 999_999;

/// Longest reason of a correction, characters.
const REASON_MAX_CHARS: usize = 500;
/// Accounts of whoever sits at the machine begin with this: they are nobody's name.
const LOCAL: &str = "local:";
/// The refusal of a number that another document has: whoever means it says so.
pub const NUMBER_TAKEN: &str = "report-refused-number-taken";

/// How an issued report is to be registered, as the command has it.
pub(super) struct RegistrationAsked {
    pub(super) number: u64,
    pub(super) registered: u32,
    pub(super) date: String,
    pub(super) kind: String,
    pub(super) content: Vec<u8>,
    pub(super) reason: String,
    pub(super) seen: String,
    pub(super) all_the_same: bool,
}

/// A name of the settings, as the page calls it.
fn setting(field: &str) -> (&'static str, Word) {
    ("field", Word::named("reports", field))
}

/// A text of one line, which may be empty.
fn line(field: &str, text: &str) -> Result<String, CommandError> {
    let text = text.trim();
    if text.chars().count() > NAME_MAX_CHARS || text.chars().any(char::is_control) {
        let english = format!("{field}: allowed are up to {NAME_MAX_CHARS} characters in one line");
        let args = [setting(field), ("most", Word::count(NAME_MAX_CHARS))];
        return Err(RefusalReason::new("report-refused-line", args, english).invalid());
    }
    Ok(text.to_owned())
}

fn too_long_list(field: &str, found: usize) -> CommandError {
    let english = format!("{field}: found {found}; allowed are up to {LIST_MAX}");
    let args = [setting(field), ("found", Word::count(found)), ("most", Word::count(LIST_MAX))];
    RefusalReason::new("report-refused-list", args, english).invalid()
}

fn lines(field: &str, all: &[String]) -> Result<Vec<String>, CommandError> {
    let all: Vec<String> = all.iter().map(|one| line(field, one)).collect::<Result<_, _>>()?;
    let all: Vec<String> = all.into_iter().filter(|one| !one.is_empty()).collect();
    if all.len() > LIST_MAX { Err(too_long_list(field, all.len())) } else { Ok(all) }
}

fn checked_signer(signer: &Signer) -> Result<Signer, CommandError> {
    let title = line("signers", &signer.title)?;
    let head = line("signers", &signer.head)?;
    if title.is_empty() {
        let english = "signers: found one without a title; write for example Giám đốc";
        return Err(RefusalReason::new("report-refused-signer-title", [], english).invalid());
    }
    if signer.authority.names_the_head() && head.is_empty() {
        let english = "signers: who signs for the head (KT., TL., TUQ.) needs the head's title, too";
        return Err(RefusalReason::new("report-refused-signer-head", [], english).invalid());
    }
    let (for_body, name) = (line("signers", &signer.for_body)?, line("signers", &signer.name)?);
    Ok(Signer { authority: signer.authority, for_body, head, title, name })
}

fn checked(settings: &DocumentSettings) -> Result<DocumentSettings, CommandError> {
    for (field, days) in [("mend_days", settings.mend_days), ("quarter_due_days", settings.quarter_due_days)] {
        if days > DAYS_MAX {
            let english = format!("{field}: found {days}; allowed are 0 to {DAYS_MAX}");
            let args = [setting(field), ("found", Word::Count(days.into())), ("most", Word::Count(DAYS_MAX.into()))];
            return Err(RefusalReason::new("report-refused-days", args, english).invalid());
        }
    }
    if settings.signers.len() > LIST_MAX {
        return Err(too_long_list("signers", settings.signers.len()));
    }
    Ok(DocumentSettings {
        parent: line("parent", &settings.parent)?,
        agency: line("agency", &settings.agency)?,
        abbreviation: line("abbreviation", &settings.abbreviation)?,
        place: line("place", &settings.place)?,
        contact: line("contact", &settings.contact)?,
        signers: settings.signers.iter().map(checked_signer).collect::<Result<_, _>>()?,
        addressees: lines("addressees", &settings.addressees)?,
        recipients: lines("recipients", &settings.recipients)?,
        unit: line("unit", &settings.unit)?,
        mend_days: settings.mend_days,
        quarter_due_days: settings.quarter_due_days,
    })
}

/// Which fields are others now, each with what it was and what it is.
fn differences(before: &DocumentSettings, after: &DocumentSettings) -> String {
    let (before, after) = (serde_json::to_value(before), serde_json::to_value(after));
    let (Ok(Value::Object(before)), Ok(Value::Object(after))) = (before, after) else { return String::new() };
    let changed = after.iter().filter(|(field, new)| before.get(*field) != Some(*new));
    let said = changed.map(|(field, new)| format!("{field}: {} → {new}", before.get(field).unwrap_or(&Value::Null)));
    said.collect::<Vec<_>>().join("; ")
}

pub(super) fn too_large(bytes: usize) -> CommandError {
    let english = format!("a document has {bytes} bytes; allowed are 1 to {CONTENT_MAX_BYTES}");
    let args = [("found", Word::count(bytes)), ("most", Word::count(CONTENT_MAX_BYTES))];
    RefusalReason::new("report-refused-document", args, english).invalid()
}

/// What is no number of a document.
#[must_use]
pub fn no_registration_number(found: &str) -> CommandError {
    let english = format!("number: found {found:?}; allowed are 1 to {REGISTERED_MAX}");
    let args = [("found", Word::text(found)), ("most", Word::Count(REGISTERED_MAX.into()))];
    RefusalReason::new("report-refused-number", args, english).invalid()
}

/// What is no day of a document.
#[must_use]
pub fn no_day(found: &str) -> CommandError {
    let english = format!("date: found {found:?}; allowed is a day as year-month-day");
    RefusalReason::new("report-refused-day", [("found", Word::text(found))], english).invalid()
}

/// A document gets its number from the day on which it was issued, and not ahead: it is written down once.
fn registered_between(day: Date, first: Date, last: Date) -> Result<(), CommandError> {
    if day >= first && day <= last {
        return Ok(());
    }
    let english = format!("date: found {day}; allowed are days from {first}, on which it was issued, to {last}, today");
    let args = [("found", day), ("first", first), ("last", last)];
    let args = args.map(|(name, day)| (name, Word::text(wording::short_date(day))));
    Err(RefusalReason::new("report-refused-day-range", args, english).invalid())
}

/// There is no such version of a report.
#[must_use]
pub fn no_issued_report(number: u64) -> RefusalReason {
    let english = format!("there is no issued report {number}");
    RefusalReason::new("report-refused-no-issued", [("number", Word::Count(number))], english)
}

/// The address of a report, and the key of a text.
fn key(field: &str, text: &str) -> Result<(), CommandError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '/');
    if text.is_empty() || text.chars().count() > KEY_MAX_CHARS || !text.chars().all(plain) {
        let english = format!("{field}: allowed are 1 to {KEY_MAX_CHARS} lower case letters, digits and . - _ /");
        return Err(RefusalReason::new("report-refused-address", [], english).invalid());
    }
    Ok(())
}

/// A text as it is kept.
fn plain(text: &str) -> String {
    text.trim().chars().filter(|c| !c.is_control() || *c == '\n').collect()
}

fn cut(text: &str) -> String {
    let short: String = text.chars().take(LOGGED_CHARS).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

impl Engine {
    pub(super) fn set_document_settings(
        &mut self,
        settings: &DocumentSettings,
        seen: &str,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let settings = checked(settings)?;
        let of_batch = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::DocumentSettings(settings) => Some((**settings).clone()),
            _ => None,
        });
        let before = match of_batch {
            Some(before) => before,
            None => self.reader.document_settings().map_err(CommandError::unread)?,
        };
        if !seen.is_empty() && seen != before.version() {
            let english = "somebody changed these settings since you looked; look at them again, then save";
            return Err(RefusalReason::new("report-refused-settings-changed", [], english).conflict());
        }
        let said = differences(&before, &settings);
        if !said.is_empty() {
            self.record(now, actor, AuditLogAction::ReportSettingsChanged, "", &said);
            self.batch.changes.push(Change::DocumentSettings(Box::new(settings)));
            self.batch.visible = true;
        }
        Ok(Answer::Done)
    }

    /// What a text of a report says, with what is decided and not committed yet.
    fn report_text(&self, known: &[ReportText], report: &str, key: &str) -> String {
        let of_batch = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::ReportText(text) if text.report == report && text.key == key => Some(text.text.clone()),
            _ => None,
        });
        let stored = || known.iter().find(|text| text.key == key).map(|text| text.text.clone());
        of_batch.or_else(stored).unwrap_or_default()
    }

    /// A person writes texts into a report: all of these, or none.
    pub(super) fn write_report(
        &mut self,
        report: &str,
        (texts, was): (&[(String, String)], &BTreeMap<String, String>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        key("report", report)?;
        let known = self.reader.report_texts(report).map_err(CommandError::unread)?;
        let mut keys: BTreeSet<&str> = known.iter().map(|text| text.key.as_str()).collect();
        keys.extend(texts.iter().map(|(key, _)| key.as_str()));
        if keys.len() > TEXTS_MAX {
            let english = format!("texts: allowed are {TEXTS_MAX} in one report");
            let args = [("most", Word::count(TEXTS_MAX))];
            return Err(RefusalReason::new("report-refused-texts", args, english).invalid());
        }
        let (mut written, mut others) = (Vec::new(), Vec::new());
        for (of, text) in texts {
            key("texts", of)?;
            let text = plain(text);
            if text.chars().count() > TEXT_MAX_CHARS {
                let (length, name) = (text.chars().count(), of.clone());
                let english = format!("{of}: found {length} characters; allowed are up to {TEXT_MAX_CHARS}");
                let (length, most) = (Word::count(length), Word::count(TEXT_MAX_CHARS));
                let args = [("text", Word::ReportTexts(vec![name])), ("found", length), ("most", most)];
                return Err(RefusalReason::new("report-refused-text-long", args, english).invalid());
            }
            let before = self.report_text(&known, report, of);
            if before == text {
                continue;
            }
            // What somebody else wrote meanwhile is seen before it is written over.
            let shown = was.get(of).map(|text| plain(text));
            if shown.is_some_and(|shown| shown != before && !before.is_empty()) {
                others.push(of.clone());
            }
            written.push((of.clone(), before, text));
        }
        if !others.is_empty() {
            let names = others.join(", ");
            let english = format!("somebody wrote these since you looked: {names}; look at them, then save again");
            let args = [("texts", Word::ReportTexts(others))];
            return Err(RefusalReason::new("report-refused-texts-changed", args, english).conflict());
        }
        for (key, before, text) in written {
            let detail = format!("{key}: {:?} → {:?}", cut(&before), cut(&text));
            self.record(now, actor, AuditLogAction::ReportWritten, report, &detail);
            let (report, by) = (report.to_owned(), actor.to_owned());
            self.batch.changes.push(Change::ReportText(ReportText { report, key, text, by, at: now }));
            self.batch.visible = true;
        }
        Ok(Answer::Done)
    }

    /// Issues a version of a report.
    pub(super) fn issue_report(
        &mut self,
        report: &str,
        title: &str,
        (content, source): (Vec<u8>, String),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        key("report", report)?;
        let title = line("title", title)?;
        if content.is_empty() || content.len() > CONTENT_MAX_BYTES || source.len() > CONTENT_MAX_BYTES {
            return Err(too_large(content.len()));
        }
        let newest = self.reader.issued_reports(None, None, 1).map_err(CommandError::unread)?;
        let same = self.reader.issued_reports(Some(report), None, 1).map_err(CommandError::unread)?;
        let (mut number, mut version) =
            (newest.first().map_or(0, |one| one.number), same.first().map_or(0, |one| one.version));
        for change in &self.batch.changes {
            if let Change::ReportIssued { issued, .. } = change {
                number = number.max(issued.number);
                if issued.report == report {
                    version = version.max(issued.version);
                }
            }
        }
        let issued = IssuedReport {
            number: number + 1,
            report: report.to_owned(),
            version: version + 1,
            title,
            at: now,
            by: actor.to_owned(),
            sha256: sha256_hex(&content),
            bytes: content.len() as u64,
            registration: None,
        };
        let detail = format!("{report}, version {}; {} bytes; SHA-256 {}", issued.version, issued.bytes, issued.sha256);
        self.record(now, actor, AuditLogAction::ReportIssued, &issued.number.to_string(), &detail);
        let answer = Answer::Report(issued.number);
        self.batch.changes.push(Change::ReportIssued { issued, content, source });
        self.batch.visible = true;
        // It is due no more.
        self.check_reports(now)?;
        Ok(answer)
    }

    /// Other issued documents of a kind that have a number in a year, with what is decided and not committed yet.
    fn also_registered(&self, number: u64, asked: (&str, Date, u32)) -> Result<Vec<u64>, CommandError> {
        let (kind, day, registered) = asked;
        let kept = self.reader.reports_registered_as(kind, day.year(), registered).map_err(CommandError::unread)?;
        let year = format!("{:04}-", day.year());
        let of_batch = self.batch.changes.iter().filter_map(|change| match change {
            Change::ReportRegistered { number, registration, .. } => {
                let same = registration.kind == kind && registration.number == registered;
                (same && registration.date.starts_with(&year)).then_some(*number)
            }
            _ => None,
        });
        Ok(kept.into_iter().chain(of_batch).filter(|other| *other != number).collect())
    }

    /// Writes down under which number and date an issued report was registered; once it is, a named person corrects that, and says why.
    pub(super) fn register_report(&mut self, asked: RegistrationAsked, actor: &str, now: Timestamp) -> CommandResult {
        let RegistrationAsked { number, registered, date, kind, content, reason, seen, all_the_same } = asked;
        if !(1..=REGISTERED_MAX).contains(&registered) {
            return Err(no_registration_number(&registered.to_string()));
        }
        let day: Date = date.parse().map_err(|_| no_day(&date))?;
        if content.is_empty() || content.len() > CONTENT_MAX_BYTES {
            return Err(too_large(content.len()));
        }
        let known = self.reader.issued_report(number).map_err(CommandError::unread)?;
        let Some(known) = known else {
            return Err(no_issued_report(number).not_found());
        };
        let reason = reason.trim();
        if reason.chars().count() > REASON_MAX_CHARS || reason.chars().any(char::is_control) {
            return Err(Field::Reason.line(0, REASON_MAX_CHARS).invalid());
        }
        let now_registered =
            |change: &Change| matches!(change, Change::ReportRegistered { number: other, .. } if *other == number);
        if known.registration.is_some() && reason.is_empty() || self.batch.changes.iter().any(now_registered) {
            let english = format!("issued report {number} is registered already; to correct that, say why");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("report-refused-registered", args, english).conflict());
        }
        if known.registration.as_ref().is_some_and(|was| !seen.is_empty() && seen != was.as_seen()) {
            let english = "somebody corrected this registration since you looked; look at it, then correct it";
            return Err(RefusalReason::new("report-refused-registration-since", [], english).conflict());
        }
        if known.registration.is_some() && (actor.is_empty() || actor.starts_with(LOCAL)) {
            let english = "a registration is corrected by a named person, who signs in";
            return Err(RefusalReason::new("report-refused-correction-person", [], english).forbidden());
        }
        if let (Some(first), Some(last)) = (self.today(known.at), self.today(now)) {
            registered_between(day, first, last)?;
        }
        let also = self.also_registered(number, (&kind, day, registered))?;
        if !also.is_empty() && !all_the_same {
            let also = also.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            let (year, found) = (day.year(), registered);
            let english = format!(
                "number {found} of {kind} in {year} is that of issued report {also}; say that you mean it all the same"
            );
            let year = ("year", Word::text(year.to_string()));
            let args = [
                ("found", Word::text(found.to_string())),
                ("kind", Word::text(kind)),
                year,
                ("also", Word::text(also)),
            ];
            return Err(RefusalReason::new(NUMBER_TAKEN, args, english).conflict());
        }
        let sha256 = sha256_hex(&content);
        let taken = if also.is_empty() { "" } else { "; the number is given twice, and meant" };
        let (action, was) = match &known.registration {
            None => (AuditLogAction::ReportRegistered, "no number".to_owned()),
            Some(was) => (AuditLogAction::ReportRegistrationCorrected, format!("{}, {}", was.number, was.date)),
        };
        let why = if known.registration.is_some() { format!("; {reason}") } else { String::new() };
        let detail = format!("{was} → {registered}, {date}; SHA-256 {sha256}{taken}{why}");
        self.record(now, actor, action, &number.to_string(), &detail);
        let reason = if known.registration.is_some() { reason.to_owned() } else { String::new() };
        let registration =
            Registration { number: registered, date, by: actor.to_owned(), at: now, sha256, kind, reason };
        self.batch.changes.push(Change::ReportRegistered { number, registration, content });
        self.batch.visible = true;
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests {
    use ioc_store::report::SignAuthority;

    use super::super::time::tests::{Machine, Rig};
    use super::*;
    use crate::command::Command;

    #[test]
    fn settings_are_checked_and_what_changed_is_said_with_old_and_new() {
        let before = DocumentSettings { agency: "Trung tâm A".into(), ..DocumentSettings::default() };
        let after = checked(&DocumentSettings {
            agency: " Trung tâm B ".into(),
            recipients: vec!["Như trên".into(), " ".into(), "Lưu: VT".into()],
            ..before.clone()
        })
        .expect("good");
        assert_eq!(
            differences(&before, &after),
            "agency: \"Trung tâm A\" → \"Trung tâm B\"; recipients: [] → [\"Như trên\",\"Lưu: VT\"]"
        );
        assert_eq!(differences(&after, &after), "");
        let deputy =
            Signer { authority: SignAuthority::Deputy, title: "Phó Giám đốc".into(), ..Signer::default() };
        let refused = |settings: DocumentSettings| checked(&settings).expect_err("refused").to_string();
        let with = |signer: Signer| DocumentSettings { signers: vec![signer], ..DocumentSettings::default() };
        assert!(refused(with(deputy.clone())).contains("KT."), "a deputy signs for a head");
        assert!(checked(&with(Signer { head: "Giám đốc".into(), ..deputy })).is_ok());
        assert!(refused(with(Signer::default())).contains("title"));
        assert!(refused(DocumentSettings { place: "a\nb".into(), ..before.clone() }).starts_with("place:"));
        assert!(refused(DocumentSettings { mend_days: 400, ..before }).starts_with("mend_days:"));
        assert!(key("report", "clause.2026-10-01.2026-12-31").is_ok() && key("texts", "16.1-5/text").is_ok());
        assert!(key("report", "Quý 4").is_err() && key("report", "").is_err());
    }

    #[test]
    fn a_document_is_registered_from_its_issuing_on_and_not_ahead() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        let issue = Command::IssueReport {
            report: "clause.2026-07-01.2026-09-30".into(),
            title: "Báo cáo".into(),
            content: b"PK".to_vec(),
            source: "{}".into(),
            actor: "lan".into(),
        };
        rig.command(issue).expect("issued");
        let now = rig.engine.time.now();
        let today = rig.engine.today(now).expect("a day");
        let register = |rig: &mut Rig, date: String| rig.command(registering(1, 7, &date, ""));
        let yesterday = today.yesterday().expect("a day").to_string();
        for mistyped in ["9999-12-31".to_owned(), today.tomorrow().expect("a day").to_string(), yesterday] {
            let refused = register(&mut rig, mistyped.clone()).expect_err("mistyped").to_string();
            assert!(refused.contains(&mistyped) && refused.contains(&today.to_string()), "{refused}");
        }
        register(&mut rig, today.to_string()).expect("registered");
    }

    fn registering(number: u64, registered: u32, date: &str, reason: &str) -> Command {
        Command::RegisterReport {
            number,
            registered,
            date: date.to_owned(),
            kind: "BC".into(),
            content: b"PK2".to_vec(),
            reason: reason.to_owned(),
            seen: String::new(),
            all_the_same: false,
            actor: "lan".into(),
        }
    }

    #[test]
    fn a_mistyped_registration_is_corrected_with_a_reason_and_a_number_is_given_twice_only_where_that_is_meant() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        for report in ["clause.2026-07-01.2026-09-30", "clause.2026-04-01.2026-06-30"] {
            let (title, content, source) = ("Báo cáo".into(), b"PK".to_vec(), "{}".into());
            let issue = Command::IssueReport { report: report.into(), title, content, source, actor: "lan".into() };
            rig.command(issue).expect("issued");
        }
        let today = rig.engine.today(rig.engine.time.now()).expect("a day").to_string();
        rig.command(registering(1, 7, &today, "what is first needs none")).expect("registered");
        let refused = rig.command(registering(1, 8, &today, " ")).expect_err("nobody says why").to_string();
        assert!(refused.contains("say why"), "{refused}");
        let mut at_the_machine = registering(1, 8, &today, "ghi nhầm");
        if let Command::RegisterReport { actor, .. } = &mut at_the_machine {
            "local:0".clone_into(actor);
        }
        assert!(rig.command(at_the_machine).expect_err("that is nobody's name").to_string().contains("named person"));
        rig.command(registering(1, 8, &today, "ghi nhầm số")).expect("corrected");
        let kept = rig.reader.report_registrations(1).expect("reads");
        let said: Vec<(u32, &str)> = kept.iter().map(|one| (one.number, one.reason.as_str())).collect();
        assert_eq!(said, [(7, ""), (8, "ghi nhầm số")]);
        let last = rig.reader.audit(0, 99).expect("reads").pop().expect("a record");
        assert_eq!(last.action, "report.registration_corrected");
        let expected = format!("7, {today} → 8, {today}");
        assert!(last.detail.starts_with(&expected) && last.detail.ends_with("; ghi nhầm số"), "{}", last.detail);
        let mut unseen = registering(1, 9, &today, "ghi nhầm số");
        if let Command::RegisterReport { seen, .. } = &mut unseen {
            *seen = format!("7 {today}");
        }
        let refused = rig.command(unseen).expect_err("another correction came first").to_string();
        assert!(refused.contains("since you looked"), "{refused}");
        // The number that was wrong is free again; the one that stands is taken, for documents of its kind.
        let refused = rig.command(registering(2, 8, &today, "")).expect_err("it is taken").to_string();
        assert!(refused.contains("issued report 1"), "{refused}");
        rig.command(registering(2, 7, &today, "")).expect("free");
        let mut meant = registering(2, 8, &today, "số của văn thư");
        if let Command::RegisterReport { all_the_same, .. } = &mut meant {
            *all_the_same = true;
        }
        rig.command(meant).expect("meant");
    }

    #[test]
    fn what_somebody_wrote_meanwhile_is_not_written_over_unseen() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        let report = "clause.2026-10-01.2026-12-31";
        let write = |rig: &mut Rig, text: &str, was: &[(&str, &str)]| {
            let texts = vec![("overview".to_owned(), text.to_owned()), ("6.1/gap/x/who".to_owned(), "Tổ 2".to_owned())];
            let was = was.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
            rig.command(Command::WriteReport { report: report.into(), texts, was, actor: "lan".into() })
        };
        // What settings offer for a gap was shown, and is no text that somebody wrote.
        write(&mut rig, "một", &[("overview", ""), ("6.1/gap/x/who", "Tổ 1")]).expect("written");
        let refused = write(&mut rig, "hai", &[("overview", "")]).expect_err("somebody was faster");
        assert!(refused.to_string().contains("since you looked: overview"), "{refused}");
        let kept = rig.reader.report_texts(report).expect("reads");
        assert!(kept.iter().any(|one| one.text == "một") && kept.iter().all(|one| one.text != "hai"));
        write(&mut rig, "hai", &[("overview", "một\r\n")]).expect("seen");
        let set = |rig: &mut Rig, agency: &str, seen: &DocumentSettings| {
            let settings = Box::new(DocumentSettings { agency: agency.into(), ..DocumentSettings::default() });
            rig.command(Command::SetDocumentSettings { settings, seen: seen.version(), actor: "lan".into() })
        };
        let first = DocumentSettings::default();
        set(&mut rig, "Trung tâm A", &first).expect("as it was shown");
        let refused = set(&mut rig, "Trung tâm B", &first).expect_err("somebody was faster");
        assert!(matches!(refused, CommandError::Explained(..)), "{refused}");
        assert_eq!(rig.reader.document_settings().expect("reads").agency, "Trung tâm A");
    }
}
