//! Why a document is not issued, whichever it is.

use crate::problem::Problem;
use ioc_engine::command::CommandError;
use ioc_engine::refusal_reason::{RefusalKind, RefusalReason, Word};

/// Texts without which nothing is issued.
pub(super) fn texts_missing(blanks: Vec<String>) -> CommandError {
    let (count, names) = (blanks.len(), blanks.join(", "));
    let english = format!("{count} texts are missing: {names}");
    let args = [("count", Word::count(count)), ("texts", Word::ReportTexts(blanks))];
    RefusalReason::new("report-refused-missing", args, english).conflict()
}

/// Nobody has said who issues documents.
pub(crate) fn no_agency() -> CommandError {
    let english = "nobody has said which agency issues reports, and who signs; mend: fill in /reports/settings";
    RefusalReason::new("report-refused-agency", [], english).conflict()
}

/// A signer that settings do not have.
pub(super) fn no_signer() -> CommandError {
    let english = "signer: there is no such signer in the settings";
    RefusalReason::new("report-refused-signer", [], english).invalid()
}

/// That somebody reads what names people could not be written down: it is not shown.
pub(super) fn not_recorded() -> Problem {
    let english = "it names people, and that it is read could not be recorded; try again";
    Problem::explained(RefusalKind::Unavailable, RefusalReason::new("report-refused-not-recorded", [], english))
}

/// The facts of a report were not gathered to the end.
pub(super) fn broken_off() -> Problem {
    let reason = RefusalReason::new("report-refused-broken-off", [], "gathering was broken off; try again");
    Problem::explained(RefusalKind::Unavailable, reason)
}
