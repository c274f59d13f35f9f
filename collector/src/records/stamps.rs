//! Time stamps in an archive (RFC 3161): that of the archive itself, and those of heads of the log that its records stand behind.

use std::path::Path;

use anyhow::Context as _;
use data_encoding::BASE64;
use serde_json::{Value, json};

use ioc_common::audit_head::AuditHead;
use ioc_common::clock::Timestamp;
use ioc_common::encoding::{hex, sha256_hex};
use ioc_engine::config::TimestampPlan;
use ioc_store::merkle::Tree;
use ioc_store::template::percent_encoded;

use super::parts::{Kind, Parts, Wanted};
use super::{STAMP_AUTHORITY, STAMPS};
use crate::audit_verify::{head_of, items, text};
use crate::cli;
use crate::timestamp::{self, StampError};

/// Time stamps of one answer: they have kilobytes.
const PAGE: usize = 100;
/// Most of them in one archive: more than a year of one an hour.
pub(super) const STAMPS_MAX: usize = 10_000;
/// What the archive itself is called where its own stamp is told of.
pub(super) const ARCHIVE: &str = "the archive";

/// Where the answer about the head of a record lies.
pub(super) fn stamp_file(number: u64) -> String {
    format!("stamps/{number}.tsr")
}

/// Puts the time stamps of a period into an archive, and the first one behind it: each with the proof that the log that was stamped is the
/// beginning of the one that records are proven by.
pub(super) async fn put(
    runtime: &Path,
    wanted: &Wanted,
    (head, tree): (&AuditHead, &Tree),
    parts: &Parts,
) -> anyhow::Result<()> {
    let (mut cursor, mut left, mut out) = (String::new(), STAMPS_MAX, None);
    'pages: loop {
        let path = format!("/api/v1/audit/stamps?limit={PAGE}{cursor}");
        let page = cli::ask(runtime, "GET", &path, None).await?;
        for one in items(&page) {
            let number = one["number"].as_u64().context("a time stamp has no number")?;
            let at: Timestamp = text(&one["at"])?.parse()?;
            if at < wanted.from {
                continue;
            }
            // What is gone or no beginning of this log is a finding of the log itself.
            let Ok(stamped) = head_of(&one["head"]) else { continue };
            if number > head.number {
                break 'pages;
            }
            if left == 0 {
                anyhow::bail!("there are more than {STAMPS_MAX} time stamps in the period; mend: export it in parts");
            }
            left -= 1;
            let proof = tree.consistency(usize::try_from(number).unwrap_or(usize::MAX));
            let reply = BASE64.decode(text(&one["reply"])?.as_bytes()).context("a time stamp is no base64")?;
            parts.write(&stamp_file(number), &reply)?;
            let out = match &mut out {
                Some(out) => out,
                none => none.insert(Kind::begin(parts, STAMPS, &["number", "at", "authority"])?),
            };
            out.put(&json!({
                "number": number, "at": at, "authority": one["authority"], "head": stamped,
                "proof": proof.iter().map(|hash| Value::from(hex(hash))).collect::<Vec<_>>(),
            }))?;
            // The first behind the period speaks of the whole of it.
            if at >= wanted.to {
                break 'pages;
            }
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={}", percent_encoded(next));
    }
    out.map_or(Ok(()), Kind::end)
}

/// Puts the certificates by which time stamps are checked into an archive.
pub(super) fn put_authority(plan: Option<&TimestampPlan>, parts: &Parts) -> anyhow::Result<()> {
    let Some(plan) = plan else { return Ok(()) };
    let file = &plan.authority_file;
    let content = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    parts.write(STAMP_AUTHORITY, &content)
}

/// A time stamp that is to be checked.
#[derive(Debug)]
pub(super) struct Pending {
    /// What it is of, for people.
    pub(super) what: String,
    /// SHA-256 of what it is of, hex.
    pub(super) digest: String,
    /// The authority's answer.
    pub(super) reply: Vec<u8>,
}

/// What the time stamps of an archive say.
#[derive(Debug, Default)]
pub struct CheckedStamps {
    /// For people, a line each.
    pub about: Vec<String>,
    /// What is wrong with them.
    pub findings: Vec<String>,
}

/// Time stamps that are still to be checked, and the certificates for it that the archive has.
#[derive(Debug, Default)]
pub struct PendingStamps {
    pub(super) all: Vec<Pending>,
    pub(super) authority: Option<Vec<u8>>,
}

/// Checks the time stamps of an archive that was read, by the certificates that whoever checks already has or, without them, by its own.
///
/// # Errors
/// When the file that was given cannot be read.
pub async fn check(stamps: PendingStamps, given: Option<&Path>) -> anyhow::Result<CheckedStamps> {
    let PendingStamps { all, authority } = stamps;
    let mut checked = CheckedStamps::default();
    if all.is_empty() {
        if given.is_some() {
            checked.findings.push("the archive has no time stamp".to_owned());
        }
        return Ok(checked);
    }
    // Heads prove the log alone: who took the archive's own stamp out may have changed what else is in it.
    if given.is_some() && !all.iter().any(|one| one.what == ARCHIVE) {
        checked.findings.push("the archive has no time stamp of its own, only its log has".to_owned());
    }
    let asked = given.is_some();
    let given = given.map(|path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display())));
    let Some(by) = given.transpose()?.or(authority) else {
        checked
            .about
            .push("time stamps were not checked: the archive has no certificate of their authority".to_owned());
        return Ok(checked);
    };
    let scratch = timestamp::Scratch::make().map_err(|error| anyhow::anyhow!("{error}"))?;
    let authorities = scratch.write("ca.pem", &by).map_err(|error| anyhow::anyhow!("{error}"))?;
    let (mut good, mut said) = (0, Vec::new());
    for Pending { what, digest, reply } in all {
        match timestamp::verify(&reply, &digest, &authorities).await {
            Ok(token) => {
                good += 1;
                said.push(format!("{what}: time-stamped {}", timestamp::said(token.at, &token.authority)));
            }
            Err(StampError::Wrong(why)) => checked.findings.push(format!("{what}: its time stamp is not good: {why}")),
            Err(error) => {
                let why = format!("time stamps were not checked: {error}");
                if asked {
                    checked.findings.push(why);
                } else {
                    checked.about.push(why);
                }
                return Ok(checked);
            }
        }
    }
    // The first and the newest; what lies between is counted.
    let newest = said.pop();
    checked.about.extend(said.into_iter().take(1).chain(newest));
    let digest = sha256_hex(&by);
    checked.about.push(format!("{good} time stamps were checked by certificates whose file has the SHA-256 {digest}"));
    Ok(checked)
}
