//! Time stamps of an authority outside (RFC 3161): signed heads of the audit log and exports of records are stamped, so that somebody who is
//! not of the house vouches for when they were there (article 6.3).
//!
//! [`task`] stamps heads, [`stamp`] asks about one digest, [`verify`] checks what is kept. What an answer says is read by [`token`]; whether it
//! is good, openssl says ([`program`]). How anybody checks one by hand is in `docs/records.md`.

mod program;
pub(crate) mod task;
mod token;

use std::path::Path;
use std::time::Duration;

use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::sha256_hex;
use ioc_engine::config::TimestampPlan;
use ioc_engine::http::{self, Request, SendError};

use program::Against;
pub(crate) use program::{Scratch, version as openssl};
pub(crate) use token::Token;

/// By how much the authority's clock and ours may differ, milliseconds.
const CLOCK_MAX_MS: i64 = 300_000;

/// Why there is no stamp, or it is not good.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StampError {
    /// The authority did not answer, or not now.
    #[error("{0}")]
    Away(SendError),
    /// What it answered is not what was asked for, or nobody we know signed it.
    #[error("{0}")]
    Wrong(String),
    /// It could not be asked or checked here.
    #[error("{0}")]
    Local(String),
}

impl StampError {
    /// Whether it does not pass by itself.
    const fn is_for_good(&self) -> bool {
        match self {
            Self::Away(error) => error.is_final(),
            Self::Wrong(_) | Self::Local(_) => true,
        }
    }
}

/// A stamp that was asked for and found good.
#[derive(Debug)]
pub(crate) struct Stamp {
    /// What it says.
    pub(crate) token: Token,
    /// The whole answer, DER.
    pub(crate) reply: Vec<u8>,
    /// By how much the authority's clock is ahead of ours, where that is more than can be, milliseconds with sign.
    pub(crate) ahead_ms: Option<i64>,
}

/// Asks the authority about a digest (SHA-256, hex), and checks what it says: nonce, digest, policy, and the certificates by those that are
/// configured.
///
/// # Errors
/// [`StampError`]; nothing of such an answer is to be kept.
pub(crate) async fn stamp(plan: &TimestampPlan, digest: &str) -> Result<Stamp, StampError> {
    readable(&plan.authority_file)?;
    let authorities = plan.server_authority_file.as_deref().map(readable).transpose()?;
    let query = program::query(digest, &plan.policy).await?;
    let request = Request {
        method: "POST",
        url: &plan.url,
        content_type: "application/timestamp-query",
        headers: vec![("accept".to_owned(), "application/timestamp-reply".to_owned())],
        body: query.clone(),
    };
    let limit = Duration::from_millis(u64::try_from(plan.timeout.as_millis()).unwrap_or(30_000));
    let before = clock::now();
    let reply = http::fetch_within(limit, request, authorities.as_deref()).await.map_err(StampError::Away)?.to_vec();
    let now = clock::now();
    let token = token::read(&reply).map_err(StampError::Wrong)?;
    program::check(&reply, Against::Query(&query), &plan.authority_file).await?;
    if token.digest != digest {
        return Err(StampError::Wrong("the time stamp is of something else".to_owned()));
    }
    // It was made between the question and its answer, by whatever clock.
    let ahead_ms = match (token.at.millis_since(before), token.at.millis_since(now)) {
        (early, _) if early < -CLOCK_MAX_MS => Some(early),
        (_, late) if late > CLOCK_MAX_MS => Some(late),
        _ => None,
    };
    Ok(Stamp { token, reply, ahead_ms })
}

/// Checks a stamp that was kept, of a digest, by the certificates in a file; those that ended since then were good when it was made.
///
/// # Errors
/// Why it is not good, or cannot be checked here.
pub(crate) async fn verify(reply: &[u8], digest: &str, authorities: &Path) -> Result<Token, StampError> {
    let token = token::read(reply).map_err(StampError::Wrong)?;
    if token.digest != digest {
        return Err(StampError::Wrong("it is of something else".to_owned()));
    }
    program::check(reply, Against::Digest(digest, token.at), authorities).await?;
    Ok(token)
}

/// Whether openssl makes queries here, and the files of certificates can be read.
///
/// # Errors
/// Why not.
pub(crate) async fn is_ready(plan: &TimestampPlan) -> Result<(), StampError> {
    readable(&plan.authority_file)?;
    plan.server_authority_file.as_deref().map(readable).transpose()?;
    program::query(&sha256_hex(b"is openssl there?"), &plan.policy).await.map(drop)
}

fn readable(path: &Path) -> Result<String, StampError> {
    std::fs::read_to_string(path).map_err(|error| StampError::Local(format!("{}: {error}", path.display())))
}

/// A span of clocks in words, for people.
fn apart(ahead_ms: i64) -> String {
    format!("{} s {}", ahead_ms.unsigned_abs() / 1000, if ahead_ms > 0 { "ahead of ours" } else { "behind ours" })
}

/// When something was stamped, and by whom, in a line.
pub(crate) fn said(at: Timestamp, authority: &str) -> String {
    format!("at {at} by {}", if authority.is_empty() { "an authority whose name cannot be read" } else { authority })
}

#[cfg(test)]
mod tests;
