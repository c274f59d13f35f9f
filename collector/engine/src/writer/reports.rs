//! Reports (article 16.6): what the centre says of itself in documents, texts that people write, versions that are issued and registered. What was
//! issued is never changed: another version follows it.

use std::collections::BTreeSet;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_store::Change;
use ioc_store::report::{
    CONTENT_MAX_BYTES, DocumentSettings, IssuedReport, Registration, ReportText, Signer, TEXT_MAX_CHARS, TEXTS_MAX,
};
use serde_json::Value;

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};

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

fn unread(error: &ioc_store::StoreError) -> CommandError {
    CommandError::Unavailable(error.to_string())
}

fn invalid(field: &str, why: impl std::fmt::Display) -> CommandError {
    CommandError::Invalid(format!("{field}: {why}"))
}

/// A text of one line, which may be empty.
fn line(field: &str, text: &str) -> Result<String, CommandError> {
    let text = text.trim();
    if text.chars().count() > NAME_MAX_CHARS || text.chars().any(char::is_control) {
        return Err(invalid(field, format_args!("allowed are up to {NAME_MAX_CHARS} characters in one line")));
    }
    Ok(text.to_owned())
}

fn lines(field: &str, all: &[String]) -> Result<Vec<String>, CommandError> {
    let all: Vec<String> = all.iter().map(|one| line(field, one)).collect::<Result<_, _>>()?;
    let all: Vec<String> = all.into_iter().filter(|one| !one.is_empty()).collect();
    if all.len() > LIST_MAX {
        return Err(invalid(field, format_args!("found {}; allowed are up to {LIST_MAX}", all.len())));
    }
    Ok(all)
}

fn checked_signer(signer: &Signer) -> Result<Signer, CommandError> {
    let title = line("signers", &signer.title)?;
    let head = line("signers", &signer.head)?;
    if title.is_empty() {
        return Err(invalid("signers", "found one without a title; write for example Giám đốc"));
    }
    if signer.authority.names_the_head() && head.is_empty() {
        return Err(invalid("signers", "who signs for the head (KT., TL., TUQ.) needs the head's title, too"));
    }
    let (for_body, name) = (line("signers", &signer.for_body)?, line("signers", &signer.name)?);
    Ok(Signer { authority: signer.authority, for_body, head, title, name })
}

fn checked(settings: &DocumentSettings) -> Result<DocumentSettings, CommandError> {
    for (field, days) in [("mend_days", settings.mend_days), ("quarter_due_days", settings.quarter_due_days)] {
        if days > DAYS_MAX {
            return Err(invalid(field, format_args!("found {days}; allowed are 0 to {DAYS_MAX}")));
        }
    }
    if settings.signers.len() > LIST_MAX {
        return Err(invalid("signers", format_args!("allowed are up to {LIST_MAX}")));
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

/// The address of a report, and the key of a text.
fn key(field: &str, text: &str) -> Result<(), CommandError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '/');
    if text.is_empty() || text.chars().count() > KEY_MAX_CHARS || !text.chars().all(plain) {
        let why = format!("allowed are 1 to {KEY_MAX_CHARS} lower case letters, digits and . - _ /");
        return Err(invalid(field, why));
    }
    Ok(())
}

fn cut(text: &str) -> String {
    let short: String = text.chars().take(LOGGED_CHARS).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

impl Engine {
    pub(super) fn set_document_settings(
        &mut self,
        settings: &DocumentSettings,
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
            None => self.reader.document_settings().map_err(|error| unread(&error))?,
        };
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
        texts: &[(String, String)],
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        key("report", report)?;
        let known = self.reader.report_texts(report).map_err(|error| unread(&error))?;
        let mut keys: BTreeSet<&str> = known.iter().map(|text| text.key.as_str()).collect();
        keys.extend(texts.iter().map(|(key, _)| key.as_str()));
        if keys.len() > TEXTS_MAX {
            return Err(invalid("texts", format_args!("allowed are {TEXTS_MAX} in one report")));
        }
        let mut written = Vec::new();
        for (of, text) in texts {
            key("texts", of)?;
            let text: String = text.trim().chars().filter(|c| !c.is_control() || *c == '\n').collect();
            if text.chars().count() > TEXT_MAX_CHARS {
                return Err(invalid(of, format_args!("allowed are up to {TEXT_MAX_CHARS} characters")));
            }
            let before = self.report_text(&known, report, of);
            if before != text {
                written.push((of.clone(), before, text));
            }
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
            let why = format!("a document has {} bytes; allowed are 1 to {CONTENT_MAX_BYTES}", content.len());
            return Err(CommandError::Invalid(why));
        }
        let newest = self.reader.issued_reports(None, None, 1).map_err(|error| unread(&error))?;
        let same = self.reader.issued_reports(Some(report), None, 1).map_err(|error| unread(&error))?;
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

    /// Writes down under which number and date an issued report was registered.
    pub(super) fn register_report(
        &mut self,
        number: u64,
        (registered, date): (u32, &str),
        content: Vec<u8>,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        if !(1..=REGISTERED_MAX).contains(&registered) {
            return Err(invalid("number", format_args!("found {registered}; allowed are 1 to {REGISTERED_MAX}")));
        }
        if date.parse::<jiff::civil::Date>().is_err() {
            return Err(invalid("date", "allowed is a day as year-month-day"));
        }
        if content.is_empty() || content.len() > CONTENT_MAX_BYTES {
            return Err(CommandError::Invalid(format!("the document: allowed are 1 to {CONTENT_MAX_BYTES} bytes")));
        }
        let known = self.reader.issued_report(number).map_err(|error| unread(&error))?;
        let Some(known) = known else {
            return Err(CommandError::NotFound(format!("there is no issued report {number}")));
        };
        let now_registered =
            |change: &Change| matches!(change, Change::ReportRegistered { number: other, .. } if *other == number);
        if known.registration.is_some() || self.batch.changes.iter().any(now_registered) {
            return Err(CommandError::Conflict(format!(
                "issued report {number} is registered already; issue another version where that is wrong"
            )));
        }
        let sha256 = sha256_hex(&content);
        let detail = format!("no number → {registered}, {date}; SHA-256 {sha256}");
        self.record(now, actor, AuditLogAction::ReportRegistered, &number.to_string(), &detail);
        let registration =
            Registration { number: registered, date: date.to_owned(), by: actor.to_owned(), at: now, sha256 };
        self.batch.changes.push(Change::ReportRegistered { number, registration, content });
        self.batch.visible = true;
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests {
    use ioc_store::report::SignAuthority;

    use super::*;

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
}
