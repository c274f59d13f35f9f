//! Files that show what a person attested, of a backup, of a machine or of an account: one rule for all. A file is kept once, and what is attested anew has none yet.

use std::collections::BTreeSet;

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_store::{BackupEvidence, EVIDENCE_MAX, EvidenceKind};

use super::incidents::checked_file;
use crate::command::CommandError;
use crate::refusal_reason::{RefusalReason, Word};

/// What is decided of the same thing and not committed yet.
pub(super) enum Decided<'d> {
    /// It is attested anew: what showed the earlier word does not show this one.
    Anew,
    /// A file was added.
    File(&'d BackupEvidence),
}

/// A file that is added to what is kept and what is decided of the same thing, in its order; none where it is there already.
///
/// # Errors
/// A file that may not be added, or one too many.
pub(super) fn added<'d>(
    (name, content): (&str, &[u8]),
    kept: impl IntoIterator<Item = BackupEvidence>,
    decided: impl Iterator<Item = Decided<'d>>,
    (who, at): (&str, Timestamp),
) -> Result<Option<BackupEvidence>, CommandError> {
    let name = checked_file(name, content)?;
    let mut known: BTreeSet<String> = kept.into_iter().map(|file| file.sha256).collect();
    for one in decided {
        match one {
            Decided::Anew => known.clear(),
            Decided::File(file) => drop(known.insert(file.sha256.clone())),
        }
    }
    let sha256 = sha256_hex(content);
    if known.contains(&sha256) {
        return Ok(None);
    }
    if known.len() >= EVIDENCE_MAX {
        let english = format!("allowed are {EVIDENCE_MAX} files for what is attested");
        return Err(RefusalReason::new("refusal-files", [("most", Word::count(EVIDENCE_MAX))], english).conflict());
    }
    let (bytes, kind) = (content.len() as u64, EvidenceKind::of(content));
    Ok(Some(BackupEvidence { name, sha256, bytes, kind, who: who.to_owned(), at }))
}
