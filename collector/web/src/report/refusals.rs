//! Why a document is not issued, whichever it is.

use ioc_engine::command::CommandError;
use ioc_engine::refusal_reason::{RefusalReason, Word};

/// Texts without which nothing is issued.
pub(super) fn texts_missing(blanks: Vec<String>) -> CommandError {
    let (count, names) = (blanks.len(), blanks.join(", "));
    let english = format!("{count} texts are missing: {names}");
    let args = [("count", Word::count(count)), ("texts", Word::ReportTexts(blanks))];
    RefusalReason::new("report-refused-missing", args, english).conflict()
}

/// Nobody has said who issues documents.
pub(super) fn no_agency() -> CommandError {
    let english = "nobody has said which agency issues reports, and who signs; mend: fill in /reports/settings";
    RefusalReason::new("report-refused-agency", [], english).conflict()
}

/// A signer that settings do not have.
pub(super) fn no_signer() -> CommandError {
    let english = "signer: there is no such signer in the settings";
    RefusalReason::new("report-refused-signer", [], english).invalid()
}
