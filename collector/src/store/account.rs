//! Who may come in: people's accounts, their sessions and tokens, and the tokens by which devices enrol.

use serde::{Deserialize, Serialize};

use ioc_common::clock::Timestamp;
use ioc_judge::DeviceInfo;

use crate::account::Role;

/// An enrolment token, as it is kept: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// SHA-256 over the secret, hex.
    pub digest: String,
    /// Which device it makes.
    pub info: DeviceInfo,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it can be used.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// Name to sign in with.
    pub name: String,
    /// The person's own name.
    pub full_name: String,
    /// Role.
    pub role: Role,
    /// Argon2id hash, PHC string.
    pub password: String,
    /// Those before it, the newest first: none of them is taken again.
    pub earlier: Vec<String>,
    /// When the password was set (article 13.2).
    pub password_at: Timestamp,
    /// Someone else chose the password: it must be changed at the first sign-in.
    pub must_change: bool,
    /// The account cannot be used.
    pub disabled: bool,
    /// Failed attempts since the last success.
    pub failures: u32,
    /// Locked until then.
    pub locked_until: Option<Timestamp>,
}

/// A signed-in session, or a token of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// SHA-256 over the cookie or the token, hex.
    pub digest: String,
    /// Whose.
    pub account: String,
    /// What a token is for; empty for a session.
    pub label: String,
    /// The role of a token, where that is less than its owner's.
    pub role: Option<Role>,
    /// From where it was made.
    pub peer: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}
