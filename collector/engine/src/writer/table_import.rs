//! Tables that people take into registers, and put back: one table is looked at whole before anything of it is done, is done in pieces, so that no commit
//! waits for a large one, and is undone as one while nobody changed it since. A piece that was not done when the collector stopped is done once it runs
//! again. What a row does to its register is said there (`assets/import.rs`, `account_register/import.rs`,
//! `software_register/import.rs`).

use std::collections::VecDeque;

use tokio::sync::oneshot;

use ioc_common::clock::Timestamp;
use ioc_store::{Change, ImportRegister, ImportedRow, Reader, StoreError, TableImport};

use super::{CommandResult, Engine};
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, Piecework};
use crate::refusal_reason::{RefusalReason, Word};

/// Products that are looked at, and changed, in one cycle of the engine.
const PRODUCTS: usize = 200;

/// An import, or its undoing, that is under way.
#[derive(Debug)]
struct ImportJob {
    number: u64,
    register: ImportRegister,
    actor: String,
    /// What it did is put back.
    undoes: bool,
    /// How many of them were looked at; all of them before anything is done.
    looked_at: usize,
    /// What is still to be done, in its order.
    left: VecDeque<ImportedRow>,
    /// How many rows of the register were changed.
    changed: usize,
    /// Who waits for its end; nobody after a restart.
    reply: Option<oneshot::Sender<CommandResult>>,
}

impl ImportJob {
    /// One that the collector stopped in.
    fn resumed(import: TableImport) -> Self {
        let done = import.rows.len().saturating_sub(usize::try_from(import.left).unwrap_or(usize::MAX));
        let undoes = import.undone.is_some();
        let actor = import.undone.map_or(import.by, |(_, by)| by);
        let (number, register) = (import.number, import.register);
        let left = import.rows.into_iter().skip(done).collect();
        Self { number, register, actor, undoes, looked_at: usize::MAX, left, changed: done, reply: None }
    }

    fn new((number, register): (u64, ImportRegister), actor: &str, undoes: bool, rows: Vec<ImportedRow>) -> Self {
        // What was there before can be put back.
        let looked_at = if undoes { usize::MAX } else { 0 };
        Self {
            number,
            register,
            actor: actor.to_owned(),
            undoes,
            looked_at,
            left: rows.into(),
            changed: 0,
            reply: None,
        }
    }

    /// How many rows are changed in one cycle of the engine, and how many are looked at before anything is changed: about twenty milliseconds of it.
    const fn pieces(&self) -> (usize, usize) {
        match self.register {
            ImportRegister::Assets => (super::assets::PIECE, super::assets::LOOKED_AT),
            ImportRegister::Accounts => (super::account_register::PIECE, super::account_register::PIECE),
            ImportRegister::Software => (PRODUCTS, PRODUCTS),
        }
    }
}

/// Tables that are taken into registers: one at a time.
#[derive(Debug, Default)]
pub(super) struct TableImports {
    /// The number of the last one.
    last: u64,
    job: Option<ImportJob>,
}

impl TableImports {
    /// As they stand in the store.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let job = reader.unfinished_table_import()?.map(ImportJob::resumed);
        Ok(Self { last: reader.last_table_import()?, job })
    }

    /// Whether a table is not done yet.
    pub(super) const fn is_under_way(&self) -> bool {
        self.job.is_some()
    }
}

fn no_import(number: u64) -> CommandError {
    let english = format!("there is no import {number}");
    RefusalReason::new("register-refused-no-import", [("number", Word::Count(number))], english).not_found()
}

impl Engine {
    /// Whether a table of so many rows can be taken in now; more than `most` are refused.
    pub(super) fn check_import(&self, found: usize, most: usize) -> Result<(), CommandError> {
        if found == 0 || found > most {
            let english = format!("rows: found {found}; allowed are 1 to {most}");
            let args = [("found", Word::count(found)), ("most", Word::count(most))];
            return Err(RefusalReason::new("register-refused-many", args, english).invalid());
        }
        self.check_no_import()
    }

    pub(super) fn check_no_import(&self) -> Result<(), CommandError> {
        let Some(job) = &self.piecework.imports.job else { return Ok(()) };
        let english = format!("import {} is under way; try again once it is done", job.number);
        let args = [("number", Word::Count(job.number))];
        Err(RefusalReason::new("register-refused-busy", args, english).conflict())
    }

    /// Begins to take rows into a register; nobody else does.
    pub(super) fn begin_import(
        &mut self,
        register: ImportRegister,
        rows: Vec<ImportedRow>,
        actor: &str,
    ) -> CommandResult {
        if rows.is_empty() {
            return Ok(Answer::Imported(0));
        }
        let number = self.piecework.imports.last + 1;
        self.piecework.imports.job = Some(ImportJob::new((number, register), actor, false, rows));
        Ok(Answer::Begun(Piecework::TableImport))
    }

    /// Looks at the next rows of a table; once all of them can be written down, it is on record, and is written from then on. Whether that is so.
    fn look_at_import(&mut self, job: &mut ImportJob, now: Timestamp) -> Result<bool, CommandError> {
        let (piece, looked_at) = job.pieces();
        let until = job.looked_at.saturating_add(looked_at).min(job.left.len());
        for row in job.left.range_mut(job.looked_at..until) {
            match row {
                ImportedRow::Asset(one) => self.check_imported(one)?,
                ImportedRow::Account(one) => self.look_at_account(one, now)?,
                ImportedRow::Product(one) => self.look_at_product(one)?,
            }
        }
        job.looked_at = until;
        if until < job.left.len() {
            return Ok(false);
        }
        job.left.retain(|row| match row {
            ImportedRow::Asset(_) => true,
            ImportedRow::Account(one) => !one.changes.is_empty(),
            ImportedRow::Product(one) => !one.changes.is_empty(),
        });
        job.looked_at = usize::MAX;
        if job.left.is_empty() {
            return Ok(true);
        }
        let (number, register, count) = (job.number, job.register, job.left.len() as u64);
        self.piecework.imports.last = number;
        let (action, what) = match register {
            ImportRegister::Assets => (AuditLogAction::AssetsImported, "assets"),
            ImportRegister::Accounts => (AuditLogAction::AccountsImported, "accounts"),
            ImportRegister::Software => (AuditLogAction::SoftwareImported, "products"),
        };
        self.record(now, &job.actor, action, &number.to_string(), &format!("{count} {what}"));
        let (by, rows) = (job.actor.clone(), job.left.iter().cloned().collect());
        let import = TableImport { number, register, at: now, by, undone: None, count, left: count, rows };
        self.batch.changes.push(Change::TableImport(Box::new(import)));
        Ok(job.left.len() <= piece)
    }

    /// Puts back what an import changed. What somebody changed since stays, and so does a device that reported since.
    pub(super) fn undo_import(
        &mut self,
        register: ImportRegister,
        number: u64,
        actor: &str,
        now: Timestamp,
    ) -> CommandResult {
        self.check_no_import()?;
        let found = self.reader.table_import(number).map_err(|error| CommandError::Unavailable(error.to_string()))?;
        let import = found.filter(|import| import.register == register).ok_or_else(|| no_import(number))?;
        let undone = |change: &Change| matches!(change, Change::TableImportUndone { number: of, .. } if *of == number);
        if import.undone.is_some() || self.batch.changes.iter().any(undone) {
            let english = format!("import {number} is undone already");
            let args = [("number", Word::Count(number))];
            return Err(RefusalReason::new("register-refused-undone", args, english).conflict());
        }
        let (action, what) = match register {
            ImportRegister::Assets => (AuditLogAction::AssetImportUndone, "assets"),
            ImportRegister::Accounts => (AuditLogAction::AccountsImportUndone, "accounts"),
            ImportRegister::Software => (AuditLogAction::SoftwareImportUndone, "products"),
        };
        let count = import.rows.len();
        self.record(now, actor, action, &number.to_string(), &format!("of {count} {what}"));
        self.batch.changes.push(Change::TableImportUndone { number, at: now, by: actor.to_owned() });
        self.piecework.imports.job = Some(ImportJob::new((number, register), actor, true, import.rows));
        Ok(Answer::Begun(Piecework::TableImport))
    }

    /// Whoever asked for what goes on in pieces is answered at its end.
    pub(super) fn answer_import_at_end(&mut self, reply: oneshot::Sender<CommandResult>) {
        if let Some(job) = &mut self.piecework.imports.job {
            job.reply = Some(reply);
        }
    }

    /// Does the next piece of a table.
    pub(super) fn work_on_import(&mut self, now: Timestamp) {
        let Some(mut job) = self.piecework.imports.job.take() else { return };
        self.batch.urgent = true;
        if job.looked_at < job.left.len() {
            match self.look_at_import(&mut job, now) {
                Ok(true) => {}
                Ok(false) => {
                    self.piecework.imports.job = Some(job);
                    return;
                }
                // Nothing of it was written.
                Err(error) => {
                    self.batch.answers.extend(job.reply.map(|reply| (reply, Err(error))));
                    return;
                }
            }
            if job.left.is_empty() {
                self.batch.answers.extend(job.reply.map(|reply| (reply, Ok(Answer::Imported(0)))));
                return;
            }
        }
        let most = job.pieces().0.min(job.left.len());
        let piece: Vec<ImportedRow> = job.left.drain(..most).collect();
        job.changed += match job.undoes {
            true => self.put_back(piece, &job.actor, now),
            false => piece.iter().filter(|one| self.bring(one, &job.actor, now)).count(),
        };
        let left = job.left.len() as u64;
        self.batch.changes.push(Change::TableImportLeft { number: job.number, left });
        self.batch.visible = true;
        if left > 0 {
            self.piecework.imports.job = Some(job);
        } else if let Some(reply) = job.reply {
            self.batch.answers.push((reply, Ok(Answer::Imported(job.changed))));
        }
    }

    /// Writes down what a table says in a row, where it still stands as it did when the table was looked at. Whether it did.
    fn bring(&mut self, one: &ImportedRow, actor: &str, now: Timestamp) -> bool {
        match one {
            ImportedRow::Asset(one) => self.bring_asset(one, actor, now),
            ImportedRow::Account(one) => self.bring_account(one, actor, now),
            ImportedRow::Product(one) => self.bring_product(one, actor, now),
        }
    }

    /// Puts back what an import did to these. How many of them it changed.
    fn put_back(&mut self, piece: Vec<ImportedRow>, actor: &str, now: Timestamp) -> usize {
        let (mut assets, mut others) = (Vec::new(), 0);
        for one in piece {
            match one {
                ImportedRow::Asset(one) => assets.push(one),
                ImportedRow::Account(one) => others += usize::from(self.put_account_back(&one, actor, now)),
                ImportedRow::Product(one) => others += usize::from(self.put_product_back(&one, actor, now)),
            }
        }
        if assets.is_empty() { others } else { others + self.put_assets_back(assets, actor, now) }
    }
}
