//! The register of accounts (article 13): who holds which account, what a person vouches for of an appliance, reviews that a leader signs; and faults of
//! the centre where a review is overdue or accounts of this collector are not in order. Accounts of hosts are judged by rules, on what their agents find.

mod import;
pub(super) mod review;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::DeviceId;
use ioc_document::wording;
use ioc_judge::{Input, NewIncident, Severity, Text};
use ioc_store::{
    AccountAttestation, AccountLimits, AccountWord, BackupEvidence, Change, EVIDENCE_MAX, EvidenceKind,
    RegisteredAccount, Role, account_of_key,
};
use jiff::ToSpan as _;
use jiff::civil::Date;

use super::incidents::checked_file;
use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::inventory::account_table::{NAME_MAX_CHARS, NOTE_MAX_CHARS};
use crate::inventory::asset::check_word;
use crate::refusal_reason::RefusalReason;

/// Most accounts in one change; a table may have more ([`import`]).
const CHANGES_MAX: usize = 2000;
/// Accounts of a table that are looked at, or changed, in one cycle of the engine: of each the account is read.
pub(super) const PIECE: usize = 100;
/// A review is reminded of so many days before it is due.
const REVIEW_DAYS: i64 = 14;
/// An administrator has so long after the password was set to set up a second factor, milliseconds.
const SECOND_FACTOR_MS: i64 = 7 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// Names of the faults; they stand in the store.
const REVIEW_DUE: &str = "account-review-due";
const OWN_IDLE: &str = "own-accounts-idle";
const OWN_WITHOUT_SECOND: &str = "administrators-without-second-factor";

fn unread(error: &ioc_store::StoreError) -> CommandError {
    CommandError::Unavailable(error.to_string())
}

fn invalid(field: &str, why: impl std::fmt::Display) -> CommandError {
    CommandError::Invalid(format!("{field}: {why}"))
}

/// A text of one line, which may be empty.
fn line_of(field: &str, text: &str, most: usize) -> Result<String, CommandError> {
    let text = text.trim();
    if text.chars().count() > most || text.chars().any(char::is_control) {
        return Err(invalid(field, format_args!("allowed are up to {most} characters in one line")));
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

/// Accounts that were read already, by their device.
type Known = BTreeMap<Option<DeviceId>, Vec<RegisteredAccount>>;

/// What a change that is not committed yet does to the accounts of a device, or of this collector.
fn take_undecided(all: &mut Vec<RegisteredAccount>, device: Option<&DeviceId>, change: &Change) {
    match change {
        Change::AccountWord { device: of, name, word } if of.as_ref() == device => {
            if let Some(account) = all.iter_mut().find(|account| account.name == *name) {
                account.take_word(word);
            }
        }
        Change::AccountAttested { device: of, attestation } if Some(of) == device => {
            let name_and_place = all.first().map(|one| (one.device_name.clone(), one.place.clone()));
            all.retain(|account| account.name != attestation.name);
            if !attestation.gone {
                let (device_name, place) = name_and_place.unwrap_or_default();
                let home = (of.clone(), device_name, place);
                all.push(RegisteredAccount::attested(home, attestation.clone(), Vec::new()));
            }
        }
        Change::Account(account) if device.is_none() => {
            let word = all.iter().find(|one| one.name == account.name).cloned();
            all.retain(|one| one.name != account.name);
            let mut account = RegisteredAccount::of_collector(account.clone(), Timestamp::MIN);
            if let Some(said) = word.filter(|one| one.said_by.is_some()) {
                (account.holder, account.note) = (said.holder, said.note);
                (account.said_by, account.said_at) = (said.said_by, said.said_at);
            }
            all.push(account);
        }
        _ => {}
    }
}

impl Engine {
    /// An account as it will be once what is decided and not committed yet is committed. Of each device it is read once.
    fn account_now(
        &self,
        known: &mut Known,
        device: Option<&DeviceId>,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<RegisteredAccount>, CommandError> {
        let of_device = match known.entry(device.cloned()) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread_yet) => {
                let mut all = self.reader.accounts_on(device, now).map_err(|error| unread(&error))?;
                for change in &self.batch.changes {
                    take_undecided(&mut all, device, change);
                }
                unread_yet.insert(all)
            }
        };
        Ok(of_device.iter().find(|account| account.name == name).cloned())
    }

    pub(super) fn account_limits(&self, now: Timestamp) -> AccountLimits {
        self.today(now).map_or_else(AccountLimits::default, |today| self.config.legal.account_limits(today))
    }

    /// People say who holds accounts that are found by themselves.
    pub(super) fn describe_accounts(
        &mut self,
        keys: &[String],
        (holder, note): (Option<&str>, Option<&str>),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        if keys.is_empty() || keys.len() > CHANGES_MAX {
            return Err(invalid("keys", format_args!("found {}; allowed are 1 to {CHANGES_MAX}", keys.len())));
        }
        let holder = holder.map(|text| line_of("holder", text, NAME_MAX_CHARS)).transpose()?;
        let note = note.map(|text| line_of("note", text, NOTE_MAX_CHARS)).transpose()?;
        // All of them are looked at before anything is changed.
        let mut known = Known::default();
        let mut words = Vec::new();
        for key in keys {
            let none = || CommandError::NotFound(format!("keys: there is no account {key:?} in the register"));
            let (device, name) = account_of_key(key).ok_or_else(none)?;
            let account = self.account_now(&mut known, device.as_ref(), name, now)?.ok_or_else(none)?;
            if account.valid_until.is_some() {
                let why = format!("keys: {key:?} is known by somebody's word alone; vouch for it anew");
                return Err(CommandError::Conflict(why));
            }
            words.push((device, account));
        }
        for (device, account) in words {
            self.write_account(device, &account, (holder.as_deref(), note.as_deref()), actor, now);
        }
        self.batch.visible = true;
        Ok(Answer::Done)
    }

    /// Writes down who holds an account, and what there is to say besides, where that is something else than it is known by. Whether it is.
    fn write_account(
        &mut self,
        device: Option<DeviceId>,
        account: &RegisteredAccount,
        (holder, note): (Option<&str>, Option<&str>),
        actor: &str,
        now: Timestamp,
    ) -> bool {
        let (was_holder, was_note) = (account.holder.as_str(), account.note.as_str());
        let (is_holder, is_note) = (holder.unwrap_or(was_holder), note.unwrap_or(was_note));
        if (is_holder, is_note) == (was_holder, was_note) {
            return false;
        }
        let detail = format!("holder: {was_holder:?} -> {is_holder:?}; note: {was_note:?} -> {is_note:?}");
        // The own name of an account here is not written down where nobody said so: it changes there.
        let is_holder = if holder.is_none() && account.said_by.is_none() { "" } else { is_holder };
        let (holder, note, by) = (is_holder.to_owned(), is_note.to_owned(), actor.to_owned());
        let word = AccountWord { holder, note, by, at: now };
        self.record(now, actor, AuditLogAction::AccountsDescribed, &account.key(), &detail);
        self.batch.changes.push(Change::AccountWord { device, name: account.name.clone(), word });
        true
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
            return Err(CommandError::NotFound(format!("there is no device {device}")));
        }
        let name = line_of("name", &attestation.name, NAME_MAX_CHARS)?;
        if name.is_empty() {
            return Err(invalid("name", format_args!("allowed are 1 to {NAME_MAX_CHARS} characters")));
        }
        if attestation.password_at.is_some_and(|at| at > now) {
            return Err(invalid("password_at", "found a day that has not come"));
        }
        check_word(&attestation.note, attestation.valid_until, now).map_err(RefusalReason::invalid)?;
        let attestation = AccountAttestation {
            name,
            role: line_of("role", &attestation.role, NAME_MAX_CHARS)?,
            holder: line_of("holder", &attestation.holder, NAME_MAX_CHARS)?,
            by: actor.to_owned(),
            at: now,
            ..attestation
        };
        let documents = self.reader.documents(device).map_err(|error| unread(&error))?;
        if documents.iter().any(|one| one.name == "accounts") {
            let why = format!("the agent of {device} tells of its accounts itself; nothing is to be vouched for");
            return Err(CommandError::Conflict(why));
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
        let name = checked_file(name, &content)?;
        let found = self.account_now(&mut Known::default(), Some(device), account, now)?;
        let vouched = found.filter(|found| found.valid_until.is_some()).ok_or_else(|| {
            CommandError::NotFound(format!("nobody has vouched for an account {account:?} of {device}; do that first"))
        })?;
        // With those that are decided and not committed yet: vouched for anew since then, it has none.
        let mut known: BTreeSet<String> = vouched.evidence.into_iter().map(|file| file.sha256).collect();
        for change in &self.batch.changes {
            match change {
                Change::AccountAttested { device: of, attestation } if of == device && attestation.name == account => {
                    known.clear();
                }
                Change::AccountEvidence { device: of, name, file, .. } if of == device && name == account => {
                    known.insert(file.sha256.clone());
                }
                _ => {}
            }
        }
        let sha256 = sha256_hex(&content);
        if known.contains(&sha256) {
            return Ok(Answer::Done);
        }
        if known.len() >= EVIDENCE_MAX {
            return Err(CommandError::Conflict(format!("allowed are {EVIDENCE_MAX} files for what is vouched for")));
        }
        let detail = format!("{account}: {name} sha256 {sha256}");
        let (bytes, kind, who) = (content.len() as u64, EvidenceKind::of(&content), actor.to_owned());
        let file = BackupEvidence { name, sha256, bytes, kind, who, at: now };
        self.record(now, actor, AuditLogAction::AccountsEvidenceAdded, device.as_str(), &detail);
        let (device, name) = (device.clone(), account.to_owned());
        self.batch.changes.push(Change::AccountEvidence { device, name, file, content });
        self.batch.visible = true;
        Ok(Answer::Done)
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
                let signed = self.reader.signed_account_review().map_err(|error| unread(&error))?;
                signed.and_then(|review| review.signature).map(|signature| signature.at)
            }
        };
        let since = self.reader.audit_since().map_err(|error| unread(&error))?;
        Ok(ioc_report::review::review_due(last, since, months, &self.config.timezone))
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
