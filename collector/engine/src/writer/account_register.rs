//! The register of accounts (article 13): who holds which account, what a person vouches for of an appliance, reviews that a leader signs; and faults of
//! the centre where a review is overdue or accounts of this collector are not in order. Accounts of hosts are judged by rules, on what their agents find.

use std::collections::BTreeMap;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::DeviceId;
use ioc_document::wording;
use ioc_judge::{Input, NewIncident, Severity, Text};
use ioc_report::review;
use ioc_store::report::{CONTENT_MAX_BYTES, IssuedReport};
use ioc_store::{
    ACCOUNT_REVIEW_REPORT, AccountAttestation, AccountLimits, AccountQuery, AccountReview, AccountVerdict, AccountWord,
    Change, ReviewLine, ReviewSignature, Role, account_of_key, review_digest,
};
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::evidence::{self, Decided};
use super::reports::too_large;
use super::{CommandResult, Engine};
use crate::account::intent::Actor;
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, SeenAccount};
use crate::inventory::asset::check_word;
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// What becomes of accounts and why, by line.
type Verdicts = BTreeMap<u32, (AccountVerdict, String)>;

/// Most accounts in one change.
const CHANGES_MAX: usize = 2000;
/// Most accounts in one review: a list that a person reads and signs.
const LINES_MAX: usize = 20_000;
/// Longest name of an account, and of a role or a holder, characters.
const NAME_MAX_CHARS: usize = 100;
/// Longest note and reason, characters.
const NOTE_MAX_CHARS: usize = 500;
/// A review is reminded of so many days before it is due.
const REVIEW_DAYS: i64 = 14;
/// An administrator has so long after the password was set to set up a second factor, milliseconds.
const SECOND_FACTOR_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// Names of the faults; they stand in the store.
const REVIEW_DUE: &str = "account-review-due";
const OWN_IDLE: &str = "own-accounts-idle";
const OWN_WITHOUT_SECOND: &str = "administrators-without-second-factor";

/// A text of one line, which may be empty.
fn line_of(field: Field, text: &str, most: usize) -> Result<String, CommandError> {
    let text = text.trim();
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(field.line(0, most).invalid());
    }
    Ok(text.to_owned())
}

/// What is not in order, as people are told of it.
struct Trouble {
    title: Text,
    reason: Text,
    advice: Text,
}

/// The next review, where it is due soon or overdue.
fn review_due(due: Date, today: Date) -> Option<Trouble> {
    let from = due.checked_sub(REVIEW_DAYS.days()).unwrap_or(due);
    if today < from {
        return None;
    }
    let late = today > due;
    let word = |late_word: &'static str, soon: &'static str| if late { late_word } else { soon };
    let day = wording::short_date(due);
    Some(Trouble {
        title: Text::new(
            format!("Rà soát tài khoản {} (Điều 13)", word("đã quá hạn", "sắp đến hạn")),
            format!("The review of accounts is {} (article 13)", word("overdue", "due soon")),
        ),
        reason: Text::new(
            format!("Hạn rà soát {day}, chưa có đợt nào được lãnh đạo ký."),
            format!("It is due on {due}, and no leader has signed one."),
        ),
        advice: Text::new(
            "Mở trang Sổ tài khoản, mở đợt rà soát, ghi kết luận cho từng tài khoản rồi trình lãnh đạo ký. Thông báo tự hết khi đã ký.",
            "Open the register of accounts, open a review, say what becomes of each account, and have a leader sign it. This ends once it is signed.",
        ),
    })
}

fn idle(count: usize, days: u32) -> Option<Trouble> {
    (count > 0).then(|| Trouble {
        title: Text::new(
            "Tài khoản của hệ thống giám sát bỏ không (Điều 13)",
            "Accounts of this collector are idle (article 13)",
        ),
        reason: Text::new(
            format!("{count} tài khoản không đăng nhập quá {days} ngày."),
            format!("{count} accounts were not signed in with for more than {days} days."),
        ),
        advice: Text::new(
            "Xem Sổ tài khoản, mục Bỏ không; khoá tài khoản không còn dùng ở trang Tài khoản.",
            "See the register of accounts, Idle; disable on the page Accounts what is not used any more.",
        ),
    })
}

fn without_second(count: usize) -> Option<Trouble> {
    (count > 0).then(|| Trouble {
        title: Text::new(
            "Quản trị hệ thống giám sát chưa có yếu tố thứ hai (Điều 17.2)",
            "Administrators of this collector have no second factor (article 17.2)",
        ),
        reason: Text::new(
            format!("{count} tài khoản quản trị chỉ dùng mật khẩu."),
            format!("{count} accounts of administrators have a password alone."),
        ),
        advice: Text::new(
            "Mỗi người mở trang Tài khoản của tôi, bật yếu tố thứ hai; khoá tài khoản không còn dùng.",
            "Each of them opens My account and sets up a second factor; disable what is not used any more.",
        ),
    })
}

impl Engine {
    pub(super) fn account_limits(&self, now: Timestamp) -> AccountLimits {
        self.today(now).map_or_else(AccountLimits::default, |today| self.config.legal.account_limits(today))
    }

    /// What is said of an account, and not committed yet.
    fn word_of_batch(&self, of: Option<&DeviceId>, account: &str) -> Option<&AccountWord> {
        self.batch.changes.iter().rev().find_map(|change| match change {
            Change::AccountWord { device, name, word } if device.as_ref() == of && name == account => Some(word),
            _ => None,
        })
    }

    /// People say who holds accounts that are found by themselves.
    pub(super) fn describe_accounts(
        &mut self,
        accounts: &[SeenAccount],
        (holder, note): (Option<&str>, Option<&str>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        if accounts.is_empty() || accounts.len() > CHANGES_MAX {
            return Err(Field::Keys.range(accounts.len(), 1, CHANGES_MAX as u64).invalid());
        }
        let holder = holder.map(|text| line_of(Field::Holder, text, NAME_MAX_CHARS)).transpose()?;
        let note = note.map(|text| line_of(Field::Note, text, NOTE_MAX_CHARS)).transpose()?;
        // All of them are looked at before anything is changed.
        let mut words = Vec::new();
        let mut others = Vec::new();
        for SeenAccount { key, said_at } in accounts {
            let of_key = || [("account", Word::text(key.as_str()))];
            let none = || {
                let english = format!("keys: there is no account {key:?} in the register");
                RefusalReason::new("register-refused-no-account", of_key(), english).not_found()
            };
            let (device, name) = account_of_key(key).ok_or_else(none)?;
            let found = self.reader.registered_account(device.as_ref(), name).map_err(CommandError::unread)?;
            let mut account = found.ok_or_else(none)?;
            if let Some(word) = self.word_of_batch(device.as_ref(), name) {
                (account.holder, account.note) = (word.holder.clone(), word.note.clone());
                (account.said_by, account.said_at) = (Some(word.by.clone()), Some(word.at));
            }
            if said_at.is_some_and(|seen| seen != account.said_at) {
                others.push(name);
            }
            if account.valid_until.is_some() {
                let english = format!("keys: {key:?} is known by somebody's word alone; vouch for it anew");
                return Err(RefusalReason::new("register-refused-word-alone", of_key(), english).conflict());
            }
            words.push((key, device, name, account));
        }
        if !others.is_empty() {
            let names = others.join(", ");
            let english =
                format!("somebody has said who holds these since you looked: {names}; look at them, then save again");
            let args = [("names", Word::text(names))];
            return Err(RefusalReason::new("register-refused-accounts-changed", args, english).conflict());
        }
        for (key, device, name, account) in words {
            let (was_holder, was_note) = (account.holder, account.note);
            let is_holder = holder.clone().unwrap_or_else(|| was_holder.clone());
            let is_note = note.clone().unwrap_or_else(|| was_note.clone());
            if (&is_holder, &is_note) == (&was_holder, &was_note) {
                continue;
            }
            let detail = format!("holder: {was_holder:?} -> {is_holder:?}; note: {was_note:?} -> {is_note:?}");
            // The own name of an account here is not written down where nobody said so: it changes there.
            let is_holder = if holder.is_none() && account.said_by.is_none() { String::new() } else { is_holder };
            let word = AccountWord { holder: is_holder, note: is_note, by: actor.to_owned(), at: now };
            self.record(now, actor, AuditLogAction::AccountsDescribed, key, &detail);
            self.batch.changes.push(Change::AccountWord { device, name: name.to_owned(), word });
        }
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// A person vouches for an account of an appliance.
    pub(super) fn attest_account(
        &mut self,
        device: &DeviceId,
        attestation: AccountAttestation,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        if self.state.device(device).is_none() {
            return Err(RefusalReason::no_device(device).not_found());
        }
        let name = line_of(Field::Name, &attestation.name, NAME_MAX_CHARS)?;
        if name.is_empty() {
            return Err(Field::Name.line(1, NAME_MAX_CHARS).invalid());
        }
        if attestation.password_at.is_some_and(|at| at > now) {
            let english = "password_at: found a day that has not come";
            return Err(RefusalReason::new("register-refused-password-day", [], english).invalid());
        }
        check_word(&attestation.note, attestation.valid_until, now).map_err(RefusalReason::invalid)?;
        let attestation = AccountAttestation {
            name,
            role: line_of(Field::Role, &attestation.role, NAME_MAX_CHARS)?,
            holder: line_of(Field::Holder, &attestation.holder, NAME_MAX_CHARS)?,
            by: actor.to_owned(),
            at: now,
            ..attestation
        };
        let documents = self.reader.documents(device).map_err(CommandError::unread)?;
        if documents.iter().any(|one| one.name == "accounts") {
            let english = format!("the agent of {device} tells of its accounts itself; nothing is to be vouched for");
            let args = [("device", Word::text(device.as_str()))];
            return Err(RefusalReason::new("register-refused-agent-tells", args, english).conflict());
        }
        let said = serde_json::to_string(&attestation).unwrap_or_default();
        self.record(now, actor, AuditLogAction::AccountsAttested, device.as_str(), &said);
        self.batch.changes.push(Change::AccountAttested { device: device.clone(), attestation });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// A file shows what was vouched for of an account last.
    pub(super) fn add_account_evidence(
        &mut self,
        (device, account): (&DeviceId, &str),
        (name, content): (&str, Vec<u8>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let found = self.reader.registered_account(Some(device), account).map_err(CommandError::unread)?;
        let vouched = found.filter(|found| found.valid_until.is_some()).ok_or_else(|| {
            let english = format!("nobody has vouched for an account {account:?} of {device}; do that first");
            let args = [("account", Word::text(account)), ("device", Word::text(device.as_str()))];
            RefusalReason::new("register-refused-not-vouched", args, english).not_found()
        })?;
        // With those that are decided and not committed yet.
        let decided = self.batch.changes.iter().filter_map(|change| match change {
            Change::AccountAttested { device: of, attestation } if of == device && attestation.name == account => {
                Some(Decided::Anew)
            }
            Change::AccountEvidence { device: of, name, file, .. } if of == device && name == account => {
                Some(Decided::File(file))
            }
            _ => None,
        });
        let file = evidence::added((name, content.as_slice()), vouched.evidence, decided, (actor, now))?;
        let Some(file) = file else { return Ok(Answer::Done) };
        let detail = format!("{account}: {} sha256 {}", file.name, file.sha256);
        self.record(now, actor, AuditLogAction::AccountsEvidenceAdded, device.as_str(), &detail);
        let (device, name) = (device.clone(), account.to_owned());
        self.batch.changes.push(Change::AccountEvidence { device, name, file, content });
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// A review as it stands, with what is decided and not committed yet.
    fn review_now(&self, number: u64) -> Result<(AccountReview, Vec<ReviewLine>), CommandError> {
        let mut found = self.reader.account_review(number).map_err(CommandError::unread)?;
        let mut lines = self.reader.account_review_lines(number).map_err(CommandError::unread)?;
        for change in &self.batch.changes {
            match change {
                Change::AccountReviewOpened { review, lines: all } if review.number == number => {
                    (found, lines) = (Some(review.clone()), all.clone());
                }
                Change::AccountReviewLine { review, line, said } if *review == number => {
                    let place = usize::try_from(*line).ok().and_then(|line| line.checked_sub(1));
                    if let Some(kept) = place.and_then(|place| lines.get_mut(place)) {
                        kept.clone_from(said);
                    }
                }
                Change::AccountReviewSigned { review, signature } if *review == number => {
                    if let Some(review) = &mut found {
                        review.signature = Some(signature.clone());
                    }
                }
                _ => {}
            }
        }
        let found = found.ok_or_else(|| RefusalReason::no_review(number).not_found())?;
        Ok((found, lines))
    }

    /// The same while it is open.
    fn open_review(&self, number: u64) -> Result<Vec<ReviewLine>, CommandError> {
        let (review, lines) = self.review_now(number)?;
        if review.signature.is_some() {
            let english =
                format!("the review of accounts {number} is signed, and not changed from then on; open another");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-review-signed", args, english).conflict());
        }
        Ok(lines)
    }

    /// The number of the newest review, and whether it is open.
    fn newest_review(&self) -> Result<Option<(u64, bool)>, CommandError> {
        let stored = self.reader.account_reviews(1).map_err(CommandError::unread)?;
        let of_batch = self.batch.changes.iter().filter_map(|change| match change {
            Change::AccountReviewOpened { review, .. } => Some(review.number),
            _ => None,
        });
        let newest = stored.first().map(|review| review.number).into_iter().chain(of_batch).max();
        newest.map(|number| Ok((number, self.review_now(number)?.0.signature.is_none()))).transpose()
    }

    /// Opens a review of all accounts, each as it stands, with what is proposed.
    pub(super) fn open_account_review(&mut self, actor: &str, now: Timestamp) -> CommandResult {
        let newest = self.newest_review()?;
        if let Some((number, true)) = newest {
            let english = format!("the review of accounts {number} is open; have it signed first");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-review-open", args, english).conflict());
        }
        let limits = self.account_limits(now);
        let query = AccountQuery { collector: true, limits, now, limit: LINES_MAX + 1, ..AccountQuery::default() };
        let page = self.reader.registered_accounts(&query).map_err(CommandError::unread)?;
        if page.rows.is_empty() || page.rows.len() > LINES_MAX {
            let english = format!("the register has {} accounts; a review has 1 to {LINES_MAX}", page.total);
            let args = [("found", Word::text(page.total.to_string())), ("most", Word::text(LINES_MAX.to_string()))];
            return Err(RefusalReason::new("register-refused-review-lines", args, english).conflict());
        }
        let lines = page.rows.into_iter().map(|(account, findings)| ReviewLine::proposed(account, findings));
        let lines: Vec<ReviewLine> = lines.collect();
        let review = AccountReview {
            number: newest.map_or(0, |(number, _)| number) + 1,
            opened_at: now,
            opened_by: actor.to_owned(),
            count: lines.len() as u64,
            signature: None,
        };
        let (number, detail) = (review.number, format!("{} accounts", review.count));
        self.record(now, actor, AuditLogAction::AccountsReviewOpened, &number.to_string(), &detail);
        self.batch.changes.push(Change::AccountReviewOpened { review, lines });
        self.batch.visible = true;
        Ok(Answer::AccountReview(number))
    }

    /// People say what becomes of accounts in a review that is open.
    pub(super) fn write_account_review(
        &mut self,
        review: u64,
        (said, seen): (&[(u32, AccountVerdict, String)], &Verdicts),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let lines = self.open_review(review)?;
        let (mut changed, mut others) = (Vec::new(), Vec::new());
        for (line, verdict, reason) in said {
            let place = usize::try_from(*line).ok().and_then(|line| line.checked_sub(1));
            let Some(was) = place.and_then(|place| lines.get(place)) else {
                return Err(Field::Lines.range(line, 1, lines.len() as u64).invalid());
            };
            let reason = line_of(Field::Reason, reason, NOTE_MAX_CHARS)?;
            if (was.verdict, &was.reason) != (*verdict, &reason) {
                // What somebody else wrote meanwhile is seen before it is written over.
                if seen.get(line).is_some_and(|(verdict, reason)| (*verdict, reason) != (was.verdict, &was.reason)) {
                    others.push(was.account.name.as_str());
                }
                let is = ReviewLine { verdict: *verdict, reason, said: Some((actor.to_owned(), now)), ..was.clone() };
                let shown = |line: &ReviewLine| format!("{} {:?}", line.verdict.as_str(), line.reason);
                changed.push((*line, format!("{}: {} -> {}", was.account.key(), shown(was), shown(&is)), is));
            }
        }
        if !others.is_empty() {
            let names = others.join(", ");
            let english = format!("somebody wrote of these since you looked: {names}; look at them, then save again");
            let args = [("names", Word::text(names))];
            return Err(RefusalReason::new("register-refused-verdicts-changed", args, english).conflict());
        }
        for (line, detail, said) in changed {
            self.record(now, actor, AuditLogAction::AccountsReviewWritten, &review.to_string(), &detail);
            self.batch.changes.push(Change::AccountReviewLine { review, line, said: Box::new(said) });
            self.batch.visible = true;
        }
        Ok(Answer::Done)
    }

    /// A leader signs a review as they have seen it: its document is issued, and neither is ever changed from then on.
    pub(super) fn sign_account_review(
        &mut self,
        review: u64,
        seen: &str,
        (content, source): (Vec<u8>, String),
        actor: &Actor,
        now: Timestamp,
    ) -> CommandResult {
        self.check_signature(actor, now)?;
        let lines = self.open_review(review)?;
        let lacking = lines.iter().filter(|line| line.lacks_reason()).count();
        if lacking > 0 {
            let english =
                format!("{lacking} accounts that are not kept have no reason; mend: write one for each, then sign");
            let args = [("count", Word::count(lacking))];
            return Err(RefusalReason::new("register-refused-reasons-missing", args, english).conflict());
        }
        let sha256 = review_digest(&lines);
        if sha256 != seen {
            return Err(RefusalReason::review_since().conflict());
        }
        if content.is_empty() || content.len() > CONTENT_MAX_BYTES || source.len() > CONTENT_MAX_BYTES {
            return Err(too_large(content.len()));
        }
        let newest = self.reader.issued_reports(None, None, 1).map_err(CommandError::unread)?;
        let of_batch = self.batch.changes.iter().filter_map(|change| match change {
            Change::ReportIssued { issued, .. } => Some(issued.number),
            _ => None,
        });
        let number = newest.first().map(|one| one.number).into_iter().chain(of_batch).max().unwrap_or(0) + 1;
        let by = actor.name().to_owned();
        let issued = IssuedReport {
            number,
            report: format!("{ACCOUNT_REVIEW_REPORT}{review}"),
            version: 1,
            title: format!("Biên bản rà soát tài khoản, đợt {review}"),
            at: now,
            by: by.clone(),
            sha256: sha256_hex(&content),
            bytes: content.len() as u64,
            registration: None,
        };
        let count = |verdict: AccountVerdict| lines.iter().filter(|line| line.verdict == verdict).count();
        let verdicts = AccountVerdict::ALL.map(|verdict| format!("{} {}", verdict.as_str(), count(verdict)));
        let detail = format!("{}; list SHA-256 {sha256}; document SHA-256 {}", verdicts.join(", "), issued.sha256);
        self.record(now, &by, AuditLogAction::AccountsReviewSigned, &review.to_string(), &detail);
        self.batch.changes.push(Change::ReportIssued { issued, content, source });
        let signature = ReviewSignature { at: now, by, sha256, issued: number };
        self.batch.changes.push(Change::AccountReviewSigned { review, signature });
        self.batch.visible = true;
        // It is due no more.
        self.check_account_register(now)?;
        Ok(Answer::Report(number))
    }

    /// When the next review is due.
    fn next_review(&self, months: u32) -> Result<Option<Date>, CommandError> {
        let of_batch = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::AccountReviewSigned { signature, .. } => Some(signature.at),
            _ => None,
        });
        let last = match of_batch {
            Some(at) => Some(at),
            None => {
                let signed = self.reader.signed_account_review().map_err(CommandError::unread)?;
                signed.and_then(|review| review.signature).map(|signature| signature.at)
            }
        };
        let since = self.reader.audit_since().map_err(CommandError::unread)?;
        Ok(review::review_due(last, since, months, &self.config.timezone))
    }

    /// Looks whether a review is due, and whether the accounts of this collector are in order; has it told while they are not.
    pub(super) fn check_account_register(&mut self, now: Timestamp) -> CommandResult {
        let limits = self.account_limits(now);
        let due = limits.review_months.map(|months| self.next_review(months)).transpose()?.flatten();
        let review = due.zip(self.today(now)).and_then(|(due, today)| review_due(due, today));
        self.tell_of_accounts(REVIEW_DUE, review, now)?;
        let unused = |days: &u32| {
            let most_ms = i64::from(*days) * DAY_MS;
            let since = |account: &ioc_store::AccountRecord| account.last_sign_in_at.max(Some(account.password_at));
            let is_idle = |at: Timestamp| now.millis_since(at) > most_ms + DAY_MS;
            self.active_accounts().filter(|account| since(account).is_some_and(is_idle)).count()
        };
        let own = limits.idle_days.as_ref().and_then(|days| idle(unused(days), *days));
        self.tell_of_accounts(OWN_IDLE, own, now)?;
        let lacks = |account: &&ioc_store::AccountRecord| {
            account.role == Role::Administrator
                && !account.asks_for_code()
                && now.millis_since(account.password_at) > SECOND_FACTOR_MS
        };
        let second = without_second(self.active_accounts().filter(lacks).count());
        self.tell_of_accounts(OWN_WITHOUT_SECOND, second, now)
    }

    fn tell_of_accounts(&mut self, key: &'static str, trouble: Option<Trouble>, now: Timestamp) -> CommandResult {
        if trouble.is_none() && !self.state.has_self_fault(key) {
            return Ok(Answer::Done);
        }
        let (incident, why) = match trouble {
            None => (None, Text::new("Đã xử lý xong.", "It is in order now.")),
            Some(Trouble { title, reason, advice }) => {
                let why = reason.clone();
                let severity = Severity::Warning;
                (Some(NewIncident { device: None, severity, title, reason, advice, report: None }), why)
            }
        };
        self.decide(Input::SelfFault { key, incident, why }, now)?;
        Ok(Answer::Done)
    }
}

#[cfg(test)]
mod tests;
