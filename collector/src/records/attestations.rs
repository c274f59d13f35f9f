//! What people attested, in an archive: of backups of other systems and of accounts of appliances, with the files that show it, and of machines without
//! an agent.

use std::path::Path;

use serde_json::Value;

use ioc_store::merkle::parse;
use ioc_store::template::percent_encoded;

use super::parts::{Kind, Parts, Wanted, of_device};
use super::{ACCOUNT_ATTESTATIONS, ASSET_ATTESTATIONS, ATTESTATIONS};
use crate::audit_verify::{all, text};
use crate::cli;

/// Where a file that shows something lies. What the collector says becomes no path of its own.
pub(super) fn evidence_file(sha256: &str) -> anyhow::Result<String> {
    anyhow::ensure!(parse(sha256).is_some(), "an attestation names a file by {sha256:?}, which is no SHA-256");
    Ok(format!("files/evidence/{sha256}"))
}

/// Puts those of a period into an archive: of devices that were taken out and of backups that are expected no longer, too.
pub(super) async fn put(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    let columns = &["device", "kind", "number", "at", "by", "good", "made_at", "valid_until", "note"];
    let mut out = Kind::begin(parts, ATTESTATIONS, columns)?;
    for one in all(runtime, "/api/v1/system-backups/attestations?", &of_device(wanted)).await? {
        if wanted.holds(&one["at"]) {
            let (device, kind) = (text(&one["device"])?, text(&one["kind"])?);
            let of = format!("/api/v1/system-backups/{}/{}", percent_encoded(&device), percent_encoded(&kind));
            put_files(runtime, &of, &one, parts).await?;
            out.put(&one)?;
        }
    }
    out.end()
}

/// Puts the files that show what somebody said into an archive; they are had below an address.
async fn put_files(runtime: &Path, of: &str, said: &Value, parts: &Parts) -> anyhow::Result<()> {
    for file in said["files"].as_array().into_iter().flatten() {
        let sha256 = text(&file["sha256"])?;
        let content = cli::bytes(runtime, &format!("{of}/files/{}", percent_encoded(&sha256))).await?;
        parts.write(&evidence_file(&sha256)?, &content)?;
    }
    Ok(())
}

/// Puts into an archive what people vouched for in a period of accounts of appliances, with the files that show it.
pub(super) async fn put_of_accounts(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    let columns = &[
        "number",
        "device",
        "name",
        "role",
        "administrator",
        "holder",
        "password_at",
        "gone",
        "at",
        "by",
        "valid_until",
        "note",
    ];
    let mut out = Kind::begin(parts, ACCOUNT_ATTESTATIONS, columns)?;
    for one in all(runtime, "/api/v1/account-register/attestations?", &of_device(wanted)).await? {
        if wanted.holds(&one["at"]) {
            let (device, name) = (text(&one["device"])?, text(&one["name"])?);
            let of = format!("/api/v1/account-register/{}/{}", percent_encoded(&device), percent_encoded(&name));
            put_files(runtime, &of, &one, parts).await?;
            out.put(&one)?;
        }
    }
    out.end()
}

/// Puts into an archive what people said in a period of the protection of machines that no agent looks at, with the files that show it.
pub(super) async fn put_of_assets(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    let columns = &["number", "device", "area", "at", "by", "good", "valid_until", "note"];
    let mut out = Kind::begin(parts, ASSET_ATTESTATIONS, columns)?;
    for one in all(runtime, "/api/v1/assets/attestations?", &of_device(wanted)).await? {
        if wanted.holds(&one["at"]) {
            let (device, area) = (text(&one["device"])?, text(&one["area"])?);
            let of = format!("/api/v1/assets/{}/attestations/{}", percent_encoded(&device), percent_encoded(&area));
            put_files(runtime, &of, &one, parts).await?;
            out.put(&one)?;
        }
    }
    out.end()
}
