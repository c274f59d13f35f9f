//! Accounts: one's own, and all of them.

pub(crate) mod accounts;
pub(crate) mod my_account;
pub(crate) mod personal_data_of;
