//! `ioc-collector store copy`: the whole store of one configuration goes into that of another, from SQLite into PostgreSQL or back, while no collector runs on
//! either. What is copied, and how it is compared, is the store's (`ioc_store::copy_into_postgres`).

use std::fmt::Write as _;

use ioc_common::clock;
use ioc_common::owner::as_owner;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::config::{Config, PostgresPlan};
use ioc_store::{Change, CopiedTable, Store, audit, copy_into_files, copy_into_postgres, follow_audit};

use crate::backup::with_bar;
use crate::first_start::wait_for_lease;

/// Copies the store that `from` names into the one that `to` names, which is empty; gives what to say of it.
///
/// # Errors
/// What keeps one of them from being used, what makes the copy another than what was copied, or that there is nothing to copy between.
pub fn run(from: &Config, to: &Config) -> anyhow::Result<String> {
    let both = (from.store.postgres(), to.store.postgres());
    let copied = match both {
        (None, Some(plan)) => as_owner(&from.data, || into_postgres(from, to, plan))??,
        (Some(plan), None) => as_owner(&to.data, || into_files(plan, to))??,
        (None, None) => anyhow::bail!(
            "both configurations name files (SQLite); mend: name one with [store] kind = \"postgres\", or use a backup and ioc-collector restore"
        ),
        (Some(_), Some(_)) => {
            anyhow::bail!(
                "both configurations name PostgreSQL; mend: copy with its own means (pg_dump, a base backup; docs/scale.md)"
            )
        }
    };
    let mut text = String::new();
    for CopiedTable { table, rows, sha256 } in &copied {
        let _ = writeln!(text, "{table}: {rows} rows, SHA-256 {sha256}");
    }
    let rows: u64 = copied.iter().map(|table| table.rows).sum();
    let _ = writeln!(
        text,
        "copied: {rows} rows of {} tables, the same on both sides; the chain of the audit log follows",
        copied.len()
    );
    if from.data != to.data {
        let (from, to) = (from.data.display(), to.data.display());
        let _ = writeln!(text, "next: copy {from}/pki and {from}/link.key to {to}, where they are not yet");
    }
    text += "next: start the collector with the other configuration, and never again with this one: what devices send from now on is only there\n";
    Ok(text)
}

fn into_postgres(from: &Config, to: &Config, plan: &PostgresPlan) -> anyhow::Result<Vec<CopiedTable>> {
    let candidate = wait_for_lease(plan)?;
    let copied = with_bar(|progress| copy_into_postgres(&from.data, &candidate, progress))?;
    let detail = format!("from {} to {}", from.data.display(), candidate.place());
    keep(candidate.open(&to.data)?.as_mut(), &detail, &copied)?;
    candidate.release();
    Ok(copied)
}

fn into_files(plan: &PostgresPlan, to: &Config) -> anyhow::Result<Vec<CopiedTable>> {
    let candidate = wait_for_lease(plan)?;
    let copied = with_bar(|progress| copy_into_files(&candidate, &to.data, progress))?;
    let detail = format!("from {} to {}", candidate.place(), to.data.display());
    keep(ioc_store::open(&to.data)?.as_mut(), &detail, &copied)?;
    candidate.release();
    Ok(copied)
}

/// Follows the chain of the audit log where it lies now, and writes down there that it came.
fn keep(store: &mut dyn Store, detail: &str, copied: &[CopiedTable]) -> anyhow::Result<()> {
    let (records, hash) = follow_audit(store.reader()?.as_ref(), "the copy".as_ref())?;
    let rows: u64 = copied.iter().map(|table| table.rows).sum();
    let detail = format!(
        "{detail}: {rows} rows of {} tables; {records} records of the audit log, the last {hash}",
        copied.len()
    );
    let (action, subject) = (AuditLogAction::StoreCopied.as_str().to_owned(), "ioc-watch.db".to_owned());
    store.commit(&[Change::Audit(audit::AuditEntry {
        at: clock::now(),
        actor: String::new(),
        action,
        subject,
        detail,
    })])?;
    Ok(store.close()?)
}
