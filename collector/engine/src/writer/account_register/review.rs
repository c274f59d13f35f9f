//! Reviews of all accounts that a leader signs (article 13). One is opened in pieces: a large register holds up no report, and the review is there once all
//! of its lines are. Lines are read one by one where a person writes into it, whole only where it is signed.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::DeviceId;
use ioc_store::report::{CONTENT_MAX_BYTES, IssuedReport};
use ioc_store::{
    ACCOUNT_REVIEW_LINES_MAX, ACCOUNT_REVIEW_REPORT, AccountLimits, AccountReview, AccountVerdict, Change, ReviewLine,
    ReviewSignature, ReviewTally, review_digest,
};

use super::super::reports::too_large;
use super::super::{CommandResult, Engine};
use super::{NOTE_MAX_CHARS, line_of};
use crate::account::intent::Actor;
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, Piecework};
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// What was shown of lines to whoever writes of them, by their numbers.
type Verdicts = BTreeMap<u32, (AccountVerdict, String)>;

/// Devices whose accounts are read in one cycle of the engine: about ten milliseconds of it.
pub(super) const PIECE: usize = 100;

/// A review that is being opened.
#[derive(Debug)]
pub(in crate::writer) struct ReviewJob {
    number: u64,
    at: Timestamp,
    actor: String,
    limits: AccountLimits,
    /// Whose accounts are still to be read, by name; this collector's own come first. Empty before the first piece.
    left: VecDeque<Option<DeviceId>>,
    /// Lines so far, and what is proposed for how many.
    lines: usize,
    tally: ReviewTally,
    /// What was decided before it was asked for is committed by now.
    committed: bool,
    /// Who waits for it.
    reply: Option<oneshot::Sender<CommandResult>>,
}

/// The register has too many accounts for a review, or none.
fn of_lines(found: usize) -> CommandError {
    let english = format!("the register has {found} accounts or more; a review has 1 to {ACCOUNT_REVIEW_LINES_MAX}");
    let args = [("found", Word::text(found.to_string())), ("most", Word::text(ACCOUNT_REVIEW_LINES_MAX.to_string()))];
    RefusalReason::new("register-refused-review-lines", args, english).conflict()
}

impl Engine {
    /// Whether a leader has signed a review, and that is not committed yet.
    fn signs(&self, number: u64) -> bool {
        let signs = |change: &Change| matches!(change, Change::AccountReviewSigned { review, .. } if *review == number);
        self.batch.changes.iter().any(signs)
    }

    /// A review that is open.
    fn open_review(&self, number: u64) -> Result<AccountReview, CommandError> {
        let found = self.reader.account_review(number).map_err(CommandError::unread)?;
        let review = found.ok_or_else(|| RefusalReason::no_review(number).not_found())?;
        if review.signature.is_some() || self.signs(number) {
            let english =
                format!("the review of accounts {number} is signed, and not changed from then on; open another");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-review-signed", args, english).conflict());
        }
        Ok(review)
    }

    /// What is said of an account in a review and not committed yet.
    fn undecided_lines(&self, number: u64) -> impl Iterator<Item = (u32, &ReviewLine)> {
        self.batch.changes.iter().filter_map(move |change| match change {
            Change::AccountReviewLine { review, line, said } if *review == number => Some((*line, &**said)),
            _ => None,
        })
    }

    /// A line of a review as it will be, from 1.
    fn review_line(&self, number: u64, line: u32) -> Result<Option<ReviewLine>, CommandError> {
        let Some(after) = line.checked_sub(1) else { return Ok(None) };
        if let Some((_, said)) = self.undecided_lines(number).filter(|(of, _)| *of == line).last() {
            return Ok(Some(said.clone()));
        }
        let found = self.reader.account_review_lines(number, after, 1).map_err(CommandError::unread)?;
        Ok(found.into_iter().next())
    }

    /// All lines of a review as they will be.
    fn review_lines(&self, number: u64) -> Result<Vec<ReviewLine>, CommandError> {
        let all = self.reader.account_review_lines(number, 0, ACCOUNT_REVIEW_LINES_MAX);
        let mut lines = all.map_err(CommandError::unread)?;
        for (line, said) in self.undecided_lines(number) {
            let place = usize::try_from(line).ok().and_then(|line| line.checked_sub(1));
            if let Some(kept) = place.and_then(|place| lines.get_mut(place)) {
                kept.clone_from(said);
            }
        }
        Ok(lines)
    }

    /// The number that the next review gets, while none is open.
    fn next_review_number(&self) -> Result<u64, CommandError> {
        if self.piecework.review.is_some() {
            let english = "a review of accounts is being opened; look at it in a moment";
            return Err(RefusalReason::new("register-refused-review-opening", [], english).conflict());
        }
        let newest = self.reader.account_reviews(None, 1).map_err(CommandError::unread)?.into_iter().next();
        let opened = self.batch.changes.iter().find_map(|change| match change {
            Change::AccountReviewOpened(review) => Some(review.number),
            _ => None,
        });
        let stands_open = newest.as_ref().filter(|review| review.signature.is_none() && !self.signs(review.number));
        if let Some(number) = opened.or_else(|| stands_open.map(|review| review.number)) {
            let english = format!("the review of accounts {number} is open; have it signed first");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-review-open", args, english).conflict());
        }
        Ok(newest.map_or(0, |review| review.number) + 1)
    }

    /// Opens a review of all accounts, each as it stands, with what is proposed.
    pub(in crate::writer) fn open_account_review(&mut self, actor: &str, now: Timestamp) -> CommandResult {
        let number = self.next_review_number()?;
        let (actor, limits, left) = (actor.to_owned(), self.account_limits(now), VecDeque::new());
        let job = ReviewJob {
            number,
            at: now,
            actor,
            limits,
            left,
            lines: 0,
            tally: ReviewTally::default(),
            committed: false,
            reply: None,
        };
        self.piecework.review = Some(job);
        Ok(Answer::Begun(Piecework::AccountReview))
    }

    /// Reads the accounts of the next devices into a review that is being opened.
    pub(in crate::writer) fn work_on_account_review(&mut self, now: Timestamp) {
        let Some(mut job) = self.piecework.review.take() else { return };
        self.batch.urgent = true;
        if !job.committed {
            // What the reader is to find was decided in this cycle, perhaps.
            job.committed = true;
            self.piecework.review = Some(job);
            return;
        }
        let listed = if job.left.is_empty() { self.list_for_review(&mut job) } else { Ok(()) };
        let outcome = match listed.and_then(|()| self.read_into_review(&mut job)) {
            Ok(()) if !job.left.is_empty() => {
                self.piecework.review = Some(job);
                return;
            }
            Ok(()) => self.end_opening(&job, now),
            Err(error) => Err(error),
        };
        self.batch.answers.extend(job.reply.map(|reply| (reply, outcome)));
    }

    /// Whose accounts are to be read, in the order of the register: the store has it in this order, and nothing is sorted here.
    fn list_for_review(&self, job: &mut ReviewJob) -> Result<(), CommandError> {
        let devices = self.reader.devices_with_accounts(ACCOUNT_REVIEW_LINES_MAX + 1).map_err(CommandError::unread)?;
        if devices.len() > ACCOUNT_REVIEW_LINES_MAX {
            return Err(of_lines(devices.len()));
        }
        job.left = std::iter::once(None).chain(devices.into_iter().map(Some)).collect();
        Ok(())
    }

    fn read_into_review(&mut self, job: &mut ReviewJob) -> Result<(), CommandError> {
        let mut lines = Vec::new();
        for device in job.left.drain(..job.left.len().min(PIECE)) {
            let accounts = self.reader.accounts_on(device.as_ref(), job.at).map_err(CommandError::unread)?;
            lines.extend(accounts.into_iter().map(|account| {
                let findings = account.findings(&job.limits, job.at);
                ReviewLine::proposed(account, findings)
            }));
        }
        if lines.is_empty() {
            return Ok(());
        }
        let first = u32::try_from(job.lines + 1).unwrap_or(u32::MAX);
        job.lines += lines.len();
        lines.iter().for_each(|line| job.tally.add(line));
        if job.lines > ACCOUNT_REVIEW_LINES_MAX {
            return Err(of_lines(job.lines));
        }
        self.batch.changes.push(Change::AccountReviewLines { review: job.number, first, lines });
        Ok(())
    }

    /// All lines are there: the review is open.
    fn end_opening(&mut self, job: &ReviewJob, now: Timestamp) -> CommandResult {
        let (number, count) = (job.number, job.lines as u64);
        if count == 0 {
            return Err(of_lines(0));
        }
        let opened_by = job.actor.clone();
        let review = AccountReview { number, opened_at: job.at, opened_by, count, tally: job.tally, signature: None };
        let detail = format!("{count} accounts");
        self.record(now, &job.actor, AuditLogAction::AccountsReviewOpened, &number.to_string(), &detail);
        self.batch.changes.push(Change::AccountReviewOpened(review));
        self.batch.visible = true;
        Ok(Answer::AccountReview(number))
    }

    /// Whoever asked for a review is answered once it is open.
    pub(in crate::writer) fn answer_review_at_end(&mut self, reply: oneshot::Sender<CommandResult>) {
        if let Some(job) = &mut self.piecework.review {
            job.reply = Some(reply);
        }
    }

    /// People say what becomes of accounts in a review that is open.
    pub(in crate::writer) fn write_account_review(
        &mut self,
        review: u64,
        (said, seen): (&[(u32, AccountVerdict, String)], &Verdicts),
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        let count = self.open_review(review)?.count;
        let (mut changed, mut others) = (Vec::new(), Vec::new());
        for (line, verdict, reason) in said {
            let Some(was) = self.review_line(review, *line)? else {
                return Err(Field::Lines.range(line, 1, count).invalid());
            };
            let reason = line_of(Field::Reason, reason, NOTE_MAX_CHARS)?;
            if (was.verdict, &was.reason) != (*verdict, &reason) {
                // What somebody else wrote meanwhile is seen before it is written over.
                if seen.get(line).is_some_and(|(verdict, reason)| (*verdict, reason) != (was.verdict, &was.reason)) {
                    others.push(was.account.name.clone());
                }
                let is = ReviewLine { verdict: *verdict, reason, said: Some((actor.to_owned(), now)), ..was.clone() };
                let shown = |line: &ReviewLine| format!("{} {:?}", line.verdict.as_str(), line.reason);
                changed.push((*line, format!("{}: {} -> {}", was.account.key(), shown(&was), shown(&is)), is));
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
    pub(in crate::writer) fn sign_account_review(
        &mut self,
        review: u64,
        seen: &str,
        (content, source): (Vec<u8>, String),
        actor: &Actor,
        now: Timestamp,
    ) -> CommandResult {
        self.check_signature(actor, now)?;
        self.open_review(review)?;
        let lines = self.review_lines(review)?;
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
}
