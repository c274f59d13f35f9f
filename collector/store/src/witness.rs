//! What a device witnessed of the audit log, held against the log that is here. A log that was rewritten, cut, or replaced by an older copy
//! differs from what any one of the devices kept of it.

use std::collections::BTreeMap;

use ioc_common::audit_head::AuditHead;

use crate::audit::AuditRecord;
use crate::{Reader, StoreError};

/// Among how many first records of a log stands what declares that it was begun anew: the first account is made before it.
const BEGINNING: u64 = 5;

/// How a witnessed head stands to the log.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessVerdict {
    /// The log holds what was witnessed.
    Agrees,
    /// It was of a log that people replaced by a copy, as this record declares.
    Restored { declared: u64 },
    /// The log ends before it.
    Missing { last: u64 },
    /// The log holds another record there, or other ones before it.
    Differs,
    /// It was signed by a key that this log does not know; or the device made it up, which nobody can tell apart.
    UnknownKey,
    /// The key that it names did not sign it: it says nothing of the log.
    Forged,
}

impl WitnessVerdict {
    /// The name used in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Restored { .. } => "restored",
            Self::Missing { .. } => "missing",
            Self::Differs => "differs",
            Self::UnknownKey => "unknown_key",
            Self::Forged => "forged",
        }
    }

    /// Whether the log is not the one that was witnessed, and nobody has said why.
    #[must_use]
    pub const fn is_disagreement(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Differs => true,
            Self::Agrees | Self::Restored { .. } | Self::UnknownKey | Self::Forged => false,
        }
    }
}

/// Holds a head that a device witnessed against the log. `keys` are the public keys of those who sign, by identifier.
///
/// # Errors
/// [`StoreError`] when the log cannot be read.
pub fn compare(
    reader: &dyn Reader,
    keys: &BTreeMap<String, Vec<u8>>,
    head: &AuditHead,
) -> Result<WitnessVerdict, StoreError> {
    let Some(public) = keys.get(&head.key) else {
        return Ok(explained(reader, head)?.unwrap_or(WitnessVerdict::UnknownKey));
    };
    if !head.is_signed_by(public) {
        return Ok(WitnessVerdict::Forged);
    }
    let at = reader.audit(head.number.saturating_sub(1), 1)?.into_iter().find(|record| record.number == head.number);
    // Its hash stands for all that came before it.
    if at.is_some_and(|record| record.hash == head.hash)
        && reader.audit_head(head.number)?.is_none_or(|kept| kept.root == head.root)
    {
        return Ok(WitnessVerdict::Agrees);
    }
    if let Some(explained) = explained(reader, head)? {
        return Ok(explained);
    }
    let last = reader.audit_before(None, "", 1)?.first().map_or(0, |record| record.number);
    Ok(if last < head.number { WitnessVerdict::Missing { last } } else { WitnessVerdict::Differs })
}

fn explained(reader: &dyn Reader, head: &AuditHead) -> Result<Option<WitnessVerdict>, StoreError> {
    Ok(declared_restore(reader, head)?.map(|record| WitnessVerdict::Restored { declared: record.number }))
}

/// The record that declares why a head is not in the log: people put a copy in the store's place (`store.restored`) or began a new one
/// (`store.made_anew`) after it was signed. What stood before a restore is the copy, and must agree with every head; a store that was begun
/// anew has none, so that its declaration is among its first records and means nothing anywhere else.
///
/// # Errors
/// [`StoreError`] when the log cannot be read.
pub fn declared_restore(reader: &dyn Reader, head: &AuditHead) -> Result<Option<AuditRecord>, StoreError> {
    let declared = reader.audit_restores()?;
    let replaced = |record: &AuditRecord| {
        let is_anew = record.action == "store.made_anew";
        if is_anew { record.number <= BEGINNING } else { head.number >= record.number }
    };
    Ok(declared.into_iter().find(|record| replaced(record) && head.at <= record.at))
}
