//! Checking an archive, with nothing but it: whoever gets one need not trust the machine that it came from. `docs/records.md` says how, so
//! that others can do it with other programs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use ioc_common::audit_head::{AuditHead, key_id, verify_text};
use ioc_common::encoding::{hex, sha256_hex};
use ioc_engine::pki::record_key::certified_key;
use ioc_store::audit::{AuditRecord, STAMP_MAX_BYTES, follows};
use ioc_store::merkle::{is_beginning, parse, root_of};

use super::parts::digest;
use super::stamps::{ARCHIVE, Pending, PendingStamps, STAMPS_MAX, stamp_file};
use super::{
    ACCOUNT_ATTESTATIONS, ACCOUNTS, ASSET_ATTESTATIONS, ATTESTATIONS, AUDIT, AUTHORITY, FORMAT, INCIDENTS, ISSUED,
    MANIFEST, Manifest, SIGNATURE, STAMP, STAMP_AUTHORITY, STAMPS, is_key, is_part, key_file, statement,
};
use crate::tar::{TarEntry, list};

/// Largest manifest, certificate or signature, bytes.
const SMALL_MAX_BYTES: u64 = 256 * 1024 * 1024;
/// Longest line: an incident with all that was done about it.
const LINE_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Most findings that are told.
const FINDINGS_MAX: usize = 20;

/// What an archive is, and what is wrong with it.
#[derive(Debug)]
pub struct Checked {
    /// What it holds, for people, a line each.
    pub about: Vec<String>,
    /// What is wrong with it; nothing when it is whole and proves itself.
    pub findings: Vec<String>,
    /// Time stamps that are still to be checked ([`super::stamps::check`]).
    pub stamps: PendingStamps,
}

/// Checks an archive. `authority` is the authority's certificate, PEM, that whoever checks already has; without it the archive's own is
/// believed, and its fingerprint told.
///
/// # Errors
/// When the archive cannot be read as one at all.
pub fn check(archive: &Path, authority: Option<&str>) -> anyhow::Result<Checked> {
    let mut file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    let entries = list(&mut file).with_context(|| archive.display().to_string())?;
    let mut found = Archive { file, entries: BTreeMap::new(), findings: Vec::new() };
    for entry in entries {
        let name = entry.name.clone();
        anyhow::ensure!(is_part(&name, entry.bytes), "{}: {name} is no file of records", archive.display());
        if found.entries.insert(name.clone(), entry).is_some() {
            found.find(format!("{name}: it is there twice"));
        }
    }
    let body = found.small(MANIFEST)?;
    let manifest: Manifest = serde_json::from_slice(&body).with_context(|| format!("{MANIFEST} cannot be read"))?;
    anyhow::ensure!(
        manifest.format == FORMAT,
        "{MANIFEST}: found {:?}; this program reads {FORMAT:?}",
        manifest.format
    );
    let own = String::from_utf8(found.small(AUTHORITY)?).context("ca.pem is no text")?;
    if authority.is_some_and(|given| given.trim() != own.trim()) {
        found.find(format!("{AUTHORITY}: it is another authority than the one that was given"));
    }
    let authority = authority.unwrap_or(&own).to_owned();
    // What nobody signed is not read any further: it may be anything.
    let (records, files, stamps) = if found.signatures(&manifest, &body, &authority)? {
        found.files(&manifest)?;
        (found.audit(&manifest)?, found.attachments()?, found.stamps(&manifest, &body, &authority)?)
    } else {
        (0, 0, Vec::new())
    };
    let has_authority = found.entries.contains_key(STAMP_AUTHORITY);
    let stamp_authority = has_authority.then(|| found.small(STAMP_AUTHORITY)).transpose()?;
    found
        .findings
        .extend(manifest.findings.iter().map(|one| format!("when it was made, the log was not sound: {one}")));
    let fingerprint = rustls_fingerprint(&authority)?;
    let about = vec![
        format!("made at {}, of {} to {}", manifest.made_at, manifest.from, manifest.to),
        format!(
            "{records} audit records, proven by the head of record {}, signed at {}",
            manifest.head.number, manifest.head.at
        ),
        format!(
            "{} files, {files} of them of incidents and attestations; signed by {}",
            manifest.files.len(),
            manifest.key
        ),
        format!("the authority's certificate has the SHA-256 fingerprint {fingerprint}"),
    ];
    let stamps = PendingStamps { all: stamps, authority: stamp_authority };
    Ok(Checked { about, findings: found.findings, stamps })
}

fn rustls_fingerprint(pem: &str) -> anyhow::Result<String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let der =
        CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| anyhow::anyhow!("{AUTHORITY}: {error}"))?;
    Ok(sha256_hex(&der))
}

/// An archive that is being checked.
struct Archive {
    file: File,
    entries: BTreeMap<String, TarEntry>,
    findings: Vec<String>,
}

impl Archive {
    fn find(&mut self, finding: String) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        }
    }

    /// The content of a file that is small.
    fn small(&mut self, name: &str) -> anyhow::Result<Vec<u8>> {
        let entry = self.entries.get(name).with_context(|| format!("{name} is missing"))?;
        anyhow::ensure!(entry.bytes <= SMALL_MAX_BYTES, "{name} has {} bytes", entry.bytes);
        let mut content = Vec::new();
        entry.read(&mut self.file)?.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Every file is the one that the manifest lists, and there are no others.
    fn files(&mut self, manifest: &Manifest) -> anyhow::Result<()> {
        let listed: BTreeMap<&str, _> = manifest.files.iter().map(|file| (file.name.as_str(), file)).collect();
        for (name, entry) in self.entries.clone() {
            if [MANIFEST, SIGNATURE, STAMP].contains(&name.as_str()) {
                continue;
            }
            match listed.get(name.as_str()) {
                None => self.find(format!("{name}: the manifest does not list it")),
                Some(file) => {
                    let (bytes, sha256) = digest(&mut entry.read(&mut self.file)?)?;
                    if (bytes, &sha256) != (file.bytes, &file.sha256) {
                        self.find(format!("{name}: it was changed"));
                    }
                }
            }
        }
        for name in listed.keys().filter(|name| !self.entries.contains_key(**name)).copied().collect::<Vec<_>>() {
            self.find(format!("{name}: it is missing"));
        }
        Ok(())
    }

    /// The manifest and the head are signed by keys that the authority certified for that. Whether the manifest is.
    fn signatures(&mut self, manifest: &Manifest, body: &[u8], authority: &str) -> anyhow::Result<bool> {
        for id in [&manifest.key, &manifest.head.key] {
            anyhow::ensure!(is_key(id), "{MANIFEST}: the key {id:?} is none; allowed are 16 hex digits");
        }
        let signature = String::from_utf8(self.small(SIGNATURE)?).unwrap_or_default();
        let mut key_of = |id: &str| {
            let certificate = String::from_utf8(self.small(&key_file(id))?).unwrap_or_default();
            anyhow::Ok(certified_key(&certificate, authority).and_then(|public| {
                if key_id(&public) == id { Ok(public) } else { Err("its certificate is another key's".to_owned()) }
            }))
        };
        let (signer, of_head) = (key_of(&manifest.key)?, key_of(&manifest.head.key)?);
        let mut is_signed = false;
        match signer {
            Ok(public) if verify_text(&public, &statement(body), signature.trim()) => is_signed = true,
            Ok(_) => self.find(format!("{MANIFEST}: {SIGNATURE} is not its signature")),
            Err(why) => self.find(format!("{}: {why}", key_file(&manifest.key))),
        }
        match of_head {
            Ok(public) if manifest.head.is_signed_by(&public) => {}
            Ok(_) => self.find(format!("the head of record {} is not signed by its key", manifest.head.number)),
            Err(why) => self.find(format!("{}: {why}", key_file(&manifest.head.key))),
        }
        Ok(is_signed)
    }

    /// Every audit record is what its hash says, and its proof leads to the signed root. How many there are.
    fn audit(&mut self, manifest: &Manifest) -> anyhow::Result<u64> {
        let entry = self.entries.get(AUDIT).with_context(|| format!("{AUDIT} is missing"))?.clone();
        let (mut count, mut last, mut findings) = (0, 0, Vec::new());
        let mut lines = Lines::new(AUDIT, entry.read(&mut self.file)?);
        while let Some((place, line)) = lines.next_one()? {
            let (record, previous) = record_of(&line).with_context(|| format!("{AUDIT}, line {place}"))?;
            let number = record.number;
            if number <= last {
                findings.push(format!("{AUDIT}: record {number} is not in its place"));
            }
            if !follows(&previous, &record) {
                findings.push(format!("{AUDIT}: record {number} was changed"));
            }
            let hash = parse(&record.hash);
            let proof = line["proof"].as_array().into_iter().flatten();
            let proof = proof.map(|hash| hash.as_str().and_then(parse)).collect::<Option<Vec<_>>>();
            let root = hash
                .zip(proof)
                .and_then(|(hash, proof)| root_of(&hash, number.checked_sub(1)?, manifest.head.number, &proof));
            if root.is_none_or(|root| hex(&root) != manifest.head.root) {
                findings.push(format!("{AUDIT}: record {number} is not in the log that was signed"));
            }
            (count, last) = (count + 1, number);
        }
        findings.into_iter().for_each(|finding| self.find(finding));
        Ok(count)
    }

    /// What of the archive a time stamping authority is said to have stamped: the manifest, and heads of the log. That the log of such a head is
    /// the beginning of this one is looked at here; whether its time stamp is good, by openssl.
    fn stamps(&mut self, manifest: &Manifest, body: &[u8], authority: &str) -> anyhow::Result<Vec<Pending>> {
        let mut all = Vec::new();
        if let Some(entry) = self.entries.get(STAMPS).cloned() {
            let (mut read, mut findings) = (Vec::new(), Vec::new());
            let mut lines = Lines::new(STAMPS, entry.read(&mut self.file)?);
            while let Some((place, line)) = lines.next_one()? {
                anyhow::ensure!(read.len() < STAMPS_MAX, "{STAMPS}: there are more than {STAMPS_MAX}");
                let head = serde_json::from_value::<AuditHead>(line["head"].clone());
                let head = head.with_context(|| format!("{STAMPS}, line {place}"))?;
                let proof = line["proof"].as_array().into_iter().flatten();
                read.push((head, proof.map(|hash| hash.as_str().and_then(parse)).collect::<Option<Vec<_>>>()));
            }
            let mut last = 0;
            for (head, proof) in read {
                let number = head.number;
                anyhow::ensure!(number > last, "{STAMPS}: the heads are not in the order of their records");
                last = number;
                anyhow::ensure!(is_key(&head.key), "{STAMPS}: the key {:?} is none", head.key);
                let certificate = String::from_utf8(self.small(&key_file(&head.key))?).unwrap_or_default();
                if !certified_key(&certificate, authority).is_ok_and(|public| head.is_signed_by(&public)) {
                    findings.push(format!("{STAMPS}: the head of record {number} is not signed by its key"));
                }
                let shown = proof.zip(parse(&head.root)).zip(parse(&manifest.head.root));
                let is_shown = shown.is_some_and(|((proof, old), new)| {
                    is_beginning((number, &old), (manifest.head.number, &new), &proof)
                });
                if !is_shown {
                    findings.push(format!(
                        "{STAMPS}: the log up to record {number} is no beginning of the one that was signed"
                    ));
                }
                let reply = self.small(&stamp_file(number))?;
                anyhow::ensure!(
                    reply.len() <= STAMP_MAX_BYTES,
                    "{}: allowed are {STAMP_MAX_BYTES} bytes",
                    stamp_file(number)
                );
                all.push(Pending {
                    what: format!("the log up to record {number}"),
                    digest: sha256_hex(head.stamped_text().as_bytes()),
                    reply,
                });
            }
            findings.into_iter().for_each(|finding| self.find(finding));
        }
        if self.entries.contains_key(STAMP) {
            let reply = self.small(STAMP)?;
            all.push(Pending { what: ARCHIVE.to_owned(), digest: sha256_hex(body), reply });
        }
        Ok(all)
    }

    /// Every file of an incident, an attestation or an issued report is the one that is named there. How many there are.
    fn attachments(&mut self) -> anyhow::Result<usize> {
        let entry = self.entries.get(INCIDENTS).with_context(|| format!("{INCIDENTS} is missing"))?.clone();
        let mut named = Vec::new();
        let mut lines = Lines::new(INCIDENTS, entry.read(&mut self.file)?);
        while let Some((_, line)) = lines.next_one()? {
            let incident = ioc_common::id::IncidentId(line["id"].as_u64().unwrap_or(0));
            for file in line["record"]["attachments"].as_array().into_iter().flatten() {
                let sha256 = file["sha256"].as_str().unwrap_or_default();
                named.push((format!("files/{incident}/{sha256}"), sha256.to_owned()));
            }
        }
        for (name, below) in [
            (ATTESTATIONS, "evidence"),
            (ACCOUNT_ATTESTATIONS, "evidence"),
            (ASSET_ATTESTATIONS, "evidence"),
            (ACCOUNTS, "evidence"),
            (ISSUED, "documents"),
        ] {
            // An archive of an earlier version has not all of them.
            let Some(entry) = self.entries.get(name).cloned() else { continue };
            let mut lines = Lines::new(name, entry.read(&mut self.file)?);
            while let Some((_, line)) = lines.next_one()? {
                let files = line["files"].as_array().into_iter().flatten().map(|file| &file["sha256"]);
                // A document that was issued, and its copies with number and date.
                let earlier = line["earlier"].as_array().into_iter().flatten().map(|one| &one["sha256"]);
                let own = [&line["sha256"], &line["registration"]["sha256"]].into_iter().chain(earlier);
                let own = own.filter(|sha256| name == ISSUED && !sha256.is_null());
                for sha256 in files.chain(own) {
                    let sha256 = sha256.as_str().unwrap_or_default();
                    named.push((format!("files/{below}/{sha256}"), sha256.to_owned()));
                }
            }
        }
        for (name, sha256) in &named {
            let Some(entry) = self.entries.get(name).cloned() else {
                self.find(format!("{name}: it is missing"));
                continue;
            };
            if digest(&mut entry.read(&mut self.file)?)?.1 != *sha256 {
                self.find(format!("{name}: it is not the file that is named"));
            }
        }
        Ok(named.len())
    }
}

/// The lines of a file, each JSON, none of them longer than one may be.
struct Lines<R> {
    name: &'static str,
    from: BufReader<R>,
    place: usize,
}

impl<R: std::io::Read> Lines<R> {
    fn new(name: &'static str, from: R) -> Self {
        Self { name, from: BufReader::new(from), place: 0 }
    }

    /// The next one, and which it is, from 1.
    fn next_one(&mut self) -> anyhow::Result<Option<(usize, Value)>> {
        let Self { name, from, place } = self;
        let mut line = Vec::new();
        from.take(LINE_MAX_BYTES + 1).read_until(b'\n', &mut line)?;
        *place += 1;
        anyhow::ensure!(
            line.len() as u64 <= LINE_MAX_BYTES,
            "{name}, line {place}: it is too long; allowed are {LINE_MAX_BYTES} bytes"
        );
        if line.is_empty() {
            return Ok(None);
        }
        let value = serde_json::from_slice(&line).with_context(|| format!("{name}, line {place}"))?;
        Ok(Some((*place, value)))
    }
}

fn record_of(line: &Value) -> anyhow::Result<(AuditRecord, String)> {
    let text = |name: &str| line[name].as_str().map(str::to_owned).with_context(|| format!("{name} is missing"));
    let at_ms = line["at_ms"].as_i64().context("at_ms is missing")?;
    let at = ioc_common::clock::Timestamp::from_millis(at_ms);
    anyhow::ensure!(text("at")?.parse() == Ok(at), "at is not at_ms");
    let record = AuditRecord {
        number: line["number"].as_u64().context("number is missing")?,
        at,
        actor: text("actor")?,
        action: text("action")?,
        subject: text("subject")?,
        detail: text("detail")?,
        hash: text("hash")?,
    };
    Ok((record, text("previous")?))
}
