//! What the registers and reports leave on record, in an archive: what people said of accounts, with the files that show it, reviews of accounts,
//! documents that were issued, and tables that were taken in.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use ioc_store::merkle::parse;

use super::parts::{Kind, Parts, Wanted, of_device};
use super::{ACCOUNTS, ISSUED};
use crate::audit_verify::{all, text};
use crate::cli;

/// Where a document that was issued lies, or its copy with number and date. What the collector says becomes no path of its own.
pub(super) fn document_file(sha256: &str) -> anyhow::Result<String> {
    anyhow::ensure!(parse(sha256).is_some(), "an issued report names its document by {sha256:?}, which is no SHA-256");
    Ok(format!("files/documents/{sha256}"))
}

/// The documents that an issued report names, each with the address that gives it back.
fn documents_of(one: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let address = format!("/api/v1/issued-reports/{}/document", one["number"].as_u64().unwrap_or(0));
    let mut named = vec![(text(&one["sha256"])?, format!("{address}?as_issued=true"))];
    if one["registration"].is_object() {
        named.push((text(&one["registration"]["sha256"])?, address.clone()));
    }
    // What was registered wrongly stays on record.
    for (place, earlier) in (1..).zip(one["earlier"].as_array().into_iter().flatten()) {
        named.push((text(&earlier["sha256"])?, format!("{address}?registration={place}")));
    }
    Ok(named)
}

/// Puts into an archive what is of the period. Reviews, documents and tables are the whole centre's: they are in no archive of one device.
pub(super) async fn put(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    accounts(runtime, wanted, parts).await?;
    if wanted.device.is_none() {
        reviews(runtime, wanted, parts).await?;
        issued(runtime, wanted, parts).await?;
        imports(runtime, wanted, parts).await?;
    }
    Ok(())
}

/// Who holds accounts, and what was vouched for of those that nothing can look at: the newest word of each. Its files lie
/// beside all that was vouched for in the period.
async fn accounts(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    let columns =
        &["device", "name", "source", "administrator", "role", "holder", "said_by", "said_at", "valid_until", "note"];
    let mut out = Kind::begin(parts, ACCOUNTS, columns)?;
    for one in all(runtime, "/api/v1/account-register?", &of_device(wanted)).await? {
        if !wanted.holds(&one["said_at"]) {
            continue;
        }
        out.put(&one)?;
    }
    out.end()
}

/// Reviews of accounts that were open in the period, with their lines.
async fn reviews(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    let mut out = Kind::begin(parts, "account-reviews.jsonl", &["number", "opened_at", "opened_by", "accounts"])?;
    for one in numbered(runtime, "/api/v1/account-reviews").await? {
        if wanted.touches(&one["opened_at"], &one["signature"]["at"]) {
            let path = format!("/api/v1/account-reviews/{}", one["number"].as_u64().unwrap_or(0));
            out.put(&cli::ask(runtime, "GET", &path, None).await?)?;
        }
    }
    out.end()
}

/// Reports, filings, forms and minutes that were issued in the period, with their documents.
async fn issued(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    let mut out = Kind::begin(parts, ISSUED, &["number", "report", "version", "title", "at", "by", "sha256"])?;
    for one in all(runtime, "/api/v1/issued-reports?", "").await? {
        if !wanted.holds(&one["at"]) {
            continue;
        }
        for (sha256, path) in documents_of(&one)? {
            parts.write(&document_file(&sha256)?, &cli::bytes(runtime, &path).await?)?;
        }
        out.put(&one)?;
    }
    out.end()
}

/// All of a list that goes by numbers from the newest, which is given in pieces.
async fn numbered(runtime: &Path, path: &str) -> anyhow::Result<Vec<Value>> {
    let (mut whole, mut before) = (Vec::new(), None::<u64>);
    loop {
        let rest = before.map(|number| format!("?before={number}")).unwrap_or_default();
        let Value::Array(found) = cli::ask(runtime, "GET", &format!("{path}{rest}"), None).await? else {
            anyhow::bail!("{path}: the answer is no list");
        };
        let Some(last) = found.last() else { return Ok(whole) };
        let next = last["number"].as_u64().filter(|number| before.is_none_or(|before| *number < before));
        before = Some(next.with_context(|| format!("{path}: the list does not go on"))?);
        whole.extend(found);
    }
}

/// Tables that were taken into the registers of assets, of accounts and of software, with what each changed.
async fn imports(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    for (name, path) in [
        ("asset-imports.jsonl", "/api/v1/assets/imports"),
        ("account-imports.jsonl", "/api/v1/account-register/imports"),
        ("software-imports.jsonl", "/api/v1/software/imports"),
    ] {
        let mut out = Kind::begin(parts, name, &["number", "at", "by", "rows", "undone_at", "undone_by"])?;
        for one in numbered(runtime, path).await? {
            // One that was taken in before and undone in the period changed the register in it.
            if wanted.holds(&one["at"]) || wanted.holds(&one["undone_at"]) {
                let path = format!("{path}/{}", one["number"].as_u64().unwrap_or(0));
                out.put(&cli::ask(runtime, "GET", &path, None).await?)?;
            }
        }
        out.end()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_lies_by_its_digest_and_nowhere_else() {
        let (first, second) = ("a".repeat(64), "b".repeat(64));
        assert_eq!(document_file(&first).expect("a digest"), format!("files/documents/{first}"));
        assert!(document_file("../../etc/passwd").is_err());
        let mut one = json!({ "number": 7, "sha256": first, "registration": null });
        assert_eq!(documents_of(&one).expect("named").len(), 1);
        one["registration"] = json!({ "sha256": second });
        let named = documents_of(&one).expect("named");
        let address = "/api/v1/issued-reports/7/document";
        assert_eq!(named, [(first, format!("{address}?as_issued=true")), (second, address.to_owned())]);
        let third = "c".repeat(64);
        one["earlier"] = json!([{ "sha256": third }]);
        assert_eq!(documents_of(&one).expect("named")[2], (third, format!("{address}?registration=1")));
    }
}
