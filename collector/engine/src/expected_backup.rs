//! How a backup that is expected of a system stands, and whether what people say of one can be meant (articles 7.1, 7.2). Pure.

use ioc_common::clock::Timestamp;
use ioc_store::{BackupAttestation, BackupExpectation, BackupKind, BackupSeen, BackupState, ExpectedBackup};

use crate::inventory::device::TEXT_MAX_CHARS;
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Shortest and longest time between two backups, milliseconds: an hour, and four hundred days.
const EVERY_MS: std::ops::RangeInclusive<i64> = 3_600_000..=400 * DAY_MS;
/// Longest grace, milliseconds.
const GRACE_MAX_MS: i64 = 60 * DAY_MS;
/// Longest that a backup is kept, days.
const KEEP_MAX_DAYS: u32 = 36_500;
/// Most copies that are counted.
const COPIES_MAX: u8 = 20;
/// Longest note, characters.
const NOTE_MAX_CHARS: usize = 500;
const DAY_MS: i64 = 86_400_000;
/// How long after a start of the collector nothing is overdue yet, at most, milliseconds: what came meanwhile is heard first.
const AFTER_START_MAX_MS: i64 = 3_600_000;

/// When the next good one is due.
#[must_use]
pub fn due_at(expected: &BackupExpectation, seen: &BackupSeen) -> Timestamp {
    let due = seen.success.unwrap_or(expected.since).plus_millis(expected.every_ms);
    // A person's word ends when they said, however seldom a backup is made.
    seen.valid_until.map_or(due, |until| until.min(due))
}

/// From when on it is overdue: with its grace, and with that once more after a start of the collector, an hour at most.
#[must_use]
pub fn overdue_at(expected: &BackupExpectation, seen: &BackupSeen, started: Timestamp) -> Timestamp {
    let late = due_at(expected, seen).plus_millis(expected.grace_ms);
    late.max(started.plus_millis(expected.grace_ms.min(AFTER_START_MAX_MS)))
}

/// How it stands at a moment, where it stood so far as it says itself. What was never seen is unknown until it is due, and a fault from then
/// on: no proof is no backup. One that is late and may have been seen while the collector was off is unknown, unless it was overdue before.
#[must_use]
pub fn state(backup: &ExpectedBackup, started: Timestamp, now: Timestamp) -> BackupState {
    let (expected, seen) = (&backup.expected, &backup.seen);
    let is_late = now >= due_at(expected, seen).plus_millis(expected.grace_ms);
    if backup.kind == BackupKind::Unneeded {
        BackupState::Unneeded
    } else if seen.failed {
        BackupState::Failed
    } else if is_late && (backup.state == BackupState::Overdue || now >= overdue_at(expected, seen, started)) {
        BackupState::Overdue
    } else if is_late || seen.success.is_none() || !seen.unknown.is_empty() {
        BackupState::Unknown
    } else {
        BackupState::InOrder
    }
}

/// What can be shown of a text: 0 to `most` characters, none of them for control.
fn is_text(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// Checks what is expected.
///
/// # Errors
/// Which field is not good, what was found, and what is allowed.
pub fn check(kind: BackupKind, expected: &BackupExpectation) -> Result<(), RefusalReason> {
    if !is_text(&expected.note, NOTE_MAX_CHARS) {
        return Err(Field::Note.characters(NOTE_MAX_CHARS));
    }
    if kind == BackupKind::Unneeded {
        return match expected.note.trim().is_empty() {
            true => {
                Err(RefusalReason::new("refusal-note-unneeded", [], "note: found none; say why no backup is needed"))
            }
            false => Ok(()),
        };
    }
    if !EVERY_MS.contains(&expected.every_ms) {
        let hours = expected.every_ms / 3_600_000;
        let english = format!("every: found {hours} h; allowed are 1 h to 400 days");
        return Err(RefusalReason::new("refusal-every", [("found", Word::text(hours.to_string()))], english));
    }
    if !(0..=GRACE_MAX_MS).contains(&expected.grace_ms) {
        let hours = expected.grace_ms / 3_600_000;
        let english = format!("grace: found {hours} h; allowed are 0 h to 60 days");
        return Err(RefusalReason::new("refusal-grace", [("found", Word::text(hours.to_string()))], english));
    }
    if !(1..=KEEP_MAX_DAYS).contains(&expected.keep_days) {
        return Err(Field::KeepDays.range(expected.keep_days, 1, KEEP_MAX_DAYS.into()));
    }
    if expected.place.trim().is_empty() || !is_text(&expected.place, TEXT_MAX_CHARS) {
        let english = format!("place: allowed are 1 to {TEXT_MAX_CHARS} characters; say where the backups lie");
        return Err(RefusalReason::new("refusal-backup-place", [("most", Word::count(TEXT_MAX_CHARS))], english));
    }
    if !(1..=COPIES_MAX).contains(&expected.copies) {
        let english =
            format!("copies: found {}; allowed are 1 to {COPIES_MAX}, the original among them", expected.copies);
        let args = [("found", Word::Count(expected.copies.into())), ("most", Word::Count(COPIES_MAX.into()))];
        return Err(RefusalReason::new("refusal-copies", args, english));
    }
    if !(1..=expected.copies).contains(&expected.media) {
        let (media, copies) = (expected.media, expected.copies);
        let english = format!("media: found {media}; allowed are 1 to {copies}, as many as there are copies");
        let args = [("found", Word::Count(media.into())), ("most", Word::Count(copies.into()))];
        return Err(RefusalReason::new("refusal-media", args, english));
    }
    if kind == BackupKind::Other && expected.note.trim().is_empty() {
        return Err(RefusalReason::new("refusal-note-other", [], "note: found none; say what is backed up"));
    }
    Ok(())
}

/// Checks what a person attests.
///
/// # Errors
/// Which field is not good, what was found, and what is allowed.
pub fn check_attestation(attestation: &BackupAttestation, now: Timestamp) -> Result<(), RefusalReason> {
    if attestation.note.trim().is_empty() || !is_text(&attestation.note, NOTE_MAX_CHARS) {
        let english = format!(
            "note: allowed are 1 to {NOTE_MAX_CHARS} characters; say what was looked at, and where the evidence lies"
        );
        return Err(RefusalReason::new("register-refused-note", [("most", Word::count(NOTE_MAX_CHARS))], english));
    }
    if attestation.made_at > now || attestation.made_at < now.plus_millis(-*EVERY_MS.end()) {
        return Err(RefusalReason::new("refusal-made-at", [], "made_at: allowed is a moment of the last 400 days"));
    }
    match attestation.valid_until {
        Some(until) if until <= now => {
            Err(RefusalReason::new("refusal-valid-until", [], "valid_until: allowed is a moment to come"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ioc_store::{BackupSource, CopyRule};

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + hours * HOUR_MS)
    }

    fn nightly() -> BackupExpectation {
        BackupExpectation {
            source: BackupSource::Attestation,
            every_ms: 24 * HOUR_MS,
            grace_ms: 6 * HOUR_MS,
            keep_days: 30,
            place: "NAS".into(),
            copies: 3,
            media: 2,
            off_site: true,
            encrypted: true,
            note: String::new(),
            by: "lan".into(),
            since: at(0),
        }
    }

    fn backup(kind: BackupKind, seen: &BackupSeen, was: BackupState) -> ExpectedBackup {
        let device = ioc_common::id::DeviceId::new("srv-1").expect("valid");
        ExpectedBackup { device, kind, expected: nightly(), seen: seen.clone(), state: was }
    }

    fn stands(seen: &BackupSeen, hours: i64) -> BackupState {
        state(&backup(BackupKind::Files, seen, BackupState::Unknown), at(-100), at(hours))
    }

    #[test]
    fn what_was_never_seen_is_unknown_until_it_is_due_and_overdue_then() {
        let never = BackupSeen::default();
        assert_eq!(
            [0, 29, 30].map(|hours| stands(&never, hours)),
            [BackupState::Unknown, BackupState::Unknown, BackupState::Overdue]
        );
        let unreadable = BackupSeen { unknown: "no answer".into(), success: Some(at(10)), ..never };
        assert_eq!([39, 40].map(|hours| stands(&unreadable, hours)), [BackupState::Unknown, BackupState::Overdue]);
    }

    #[test]
    fn a_good_one_is_good_for_its_time_and_one_that_failed_is_failed() {
        let good = BackupSeen { success: Some(at(10)), ..BackupSeen::default() };
        assert_eq!([39, 40].map(|hours| stands(&good, hours)), [BackupState::InOrder, BackupState::Overdue]);
        let failed = BackupSeen { failed: true, ..good.clone() };
        assert_eq!([11, 99].map(|hours| stands(&failed, hours)), [BackupState::Failed, BackupState::Failed]);
        let unneeded = backup(BackupKind::Unneeded, &failed, BackupState::Unneeded);
        assert_eq!(state(&unneeded, at(-100), at(99)), BackupState::Unneeded, "what needs none is no fault");
        // Within the hour after a start nothing becomes overdue that may have been seen meanwhile; what was overdue stays so.
        let overdue = |was: BackupState, minutes: i64| {
            state(&backup(BackupKind::Files, &good, was), at(41), at(41).plus_millis(minutes * 60_000))
        };
        assert_eq!(
            [0, 59, 60].map(|minutes| overdue(BackupState::InOrder, minutes)),
            [BackupState::Unknown, BackupState::Unknown, BackupState::Overdue]
        );
        assert_eq!(overdue(BackupState::Overdue, 0), BackupState::Overdue);
    }

    #[test]
    fn a_persons_word_ends_when_they_said() {
        let word = BackupSeen { success: Some(at(0)), valid_until: Some(at(5)), ..BackupSeen::default() };
        assert_eq!([10, 11].map(|hours| stands(&word, hours)), [BackupState::InOrder, BackupState::Overdue]);
        let longer = BackupSeen { valid_until: Some(at(500)), ..word };
        assert_eq!(stands(&longer, 30), BackupState::Overdue, "and no later than a backup is due");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let refused = |change: &dyn Fn(&mut BackupExpectation)| {
            let mut expected = nightly();
            change(&mut expected);
            check(BackupKind::Files, &expected).expect_err("refused").to_string()
        };
        assert!(check(BackupKind::Files, &nightly()).is_ok());
        assert!(refused(&|one| one.every_ms = 60_000).starts_with("every: found 0 h"));
        assert!(refused(&|one| one.grace_ms = -1).starts_with("grace:"));
        assert!(refused(&|one| one.keep_days = 0).starts_with("keep_days: found 0"));
        assert!(refused(&|one| one.place = " ".into()).starts_with("place:"));
        assert!(refused(&|one| one.copies = 0).starts_with("copies: found 0"));
        assert!(refused(&|one| one.media = 4).starts_with("media: found 4; allowed are 1 to 3"));
        assert!(refused(&|one| one.note = "a\u{7}".into()).starts_with("note:"));
        assert!(
            check(BackupKind::Unneeded, &nightly()).is_err_and(|why| why.english().contains("why no backup is needed"))
        );
        assert!(check(BackupKind::Other, &nightly()).is_err_and(|why| why.english().contains("what is backed up")));
        let word = BackupAttestation {
            made_at: at(0),
            good: true,
            valid_until: None,
            note: "băng số 7".into(),
            by: "lan".into(),
            at: at(1),
        };
        let says = |word: &BackupAttestation| {
            check_attestation(word, at(1)).err().map(|why| why.to_string()).unwrap_or_default()
        };
        assert_eq!(says(&word), "");
        assert!(says(&BackupAttestation { made_at: at(2), ..word.clone() }).starts_with("made_at:"));
        assert!(says(&BackupAttestation { valid_until: Some(at(1)), ..word.clone() }).starts_with("valid_until:"));
        assert!(says(&BackupAttestation { note: " ".into(), ..word }).starts_with("note:"));
    }

    #[test]
    fn three_copies_on_two_media_one_elsewhere() {
        assert!(nightly().missing_copies().is_empty());
        let poor = BackupExpectation { copies: 2, media: 1, off_site: false, ..nightly() };
        assert_eq!(poor.missing_copies(), [CopyRule::Copies, CopyRule::Media, CopyRule::OffSite]);
    }
}
