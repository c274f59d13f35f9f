//! What a table does to the register of accounts: who holds which account is written down, and put back.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_store::{AccountField, AccountRow, ImportRegister, ImportedAccount, ImportedRow, account_key, account_of_key};

use super::super::{CommandResult, Engine};
use super::Known;
use crate::command::CommandError;
use crate::inventory::account_table::{ROWS_MAX, checked, no_account, vouched};
use crate::inventory::undoing::said_of_account;

impl Engine {
    /// Takes a table in: of each account what is said otherwise is written down.
    pub(in crate::writer) fn import_accounts(&mut self, rows: Vec<AccountRow>, actor: &str) -> CommandResult {
        self.check_import(rows.len(), ROWS_MAX)?;
        let row = |AccountRow { key, fields, row: _ }: AccountRow| {
            let (device, name) = account_of_key(&key).ok_or_else(|| no_account(&key).not_found())?;
            let changes = fields.into_iter().map(|(field, text)| (field, String::new(), text)).collect();
            Ok(ImportedRow::Account(ImportedAccount { device, name: name.to_owned(), changes }))
        };
        let rows = rows.into_iter().map(row).collect::<Result<Vec<_>, CommandError>>()?;
        self.begin_import(ImportRegister::Accounts, rows, actor)
    }

    /// Whether a row of a table can be written down as things stand; what it says that is so already is left out of it.
    pub(in crate::writer) fn look_at_account(
        &self,
        one: &mut ImportedAccount,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let key = account_key(one.device.as_ref(), &one.name);
        let found = self.account_now(&mut Known::default(), one.device.as_ref(), &one.name, now)?;
        let account = found.ok_or_else(|| no_account(&key).not_found())?;
        if account.valid_until.is_some() {
            return Err(vouched(&key).conflict());
        }
        let mut changes = Vec::new();
        for (field, _, text) in std::mem::take(&mut one.changes) {
            let text = checked(field, &text).map_err(|why| why.of(&key).invalid())?;
            if text != field.of(&account) {
                changes.push((field, said_of_account(field, &account).to_owned(), text));
            }
        }
        one.changes = changes;
        Ok(())
    }

    /// Writes down what is to be so of an account, where that is what stands there now. Whether there was something.
    fn replace_of_account<'t>(
        &mut self,
        (device, name): (&Option<DeviceId>, &str),
        changes: impl Iterator<Item = (AccountField, &'t str, &'t str)>,
        actor: &str,
        now: Timestamp,
    ) -> bool {
        let account = match self.account_now(&mut Known::default(), device.as_ref(), name, now) {
            Ok(Some(account)) if account.valid_until.is_none() => account,
            Ok(_) => return false,
            Err(error) => {
                tracing::warn!(%error, "a row of a table cannot be written down any more");
                return false;
            }
        };
        let (mut holder, mut note) = (None, None);
        // What somebody wrote since stays.
        for (field, _, text) in changes.filter(|(field, stands, _)| said_of_account(*field, &account) == *stands) {
            match field {
                AccountField::Holder => holder = Some(text),
                AccountField::Note => note = Some(text),
            }
        }
        self.write_account(device.clone(), &account, (holder, note), actor, now)
    }

    pub(in crate::writer) fn bring_account(&mut self, one: &ImportedAccount, actor: &str, now: Timestamp) -> bool {
        let changes = one.changes.iter().map(|(field, was, is)| (*field, was.as_str(), is.as_str()));
        self.replace_of_account((&one.device, &one.name), changes, actor, now)
    }

    pub(in crate::writer) fn put_account_back(&mut self, one: &ImportedAccount, actor: &str, now: Timestamp) -> bool {
        let changes = one.changes.iter().map(|(field, was, is)| (*field, is.as_str(), was.as_str()));
        self.replace_of_account((&one.device, &one.name), changes, actor, now)
    }
}
