//! Making an archive: what is asked for is fetched from the running collector, written beside the archive, and put into it.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use ioc_common::audit_head::{AuditHead, signature_text};
use ioc_common::clock::{self, Timestamp};
use ioc_common::encoding::{hex, sha256_hex};
use ioc_common::id::IncidentId;
use ioc_common::owner::as_owner;
use ioc_engine::config::TimestampPlan;
use ioc_engine::pki::record_key::RecordKey;
use ioc_store::audit::GENESIS;
use ioc_store::merkle::{Hash, MISSING, Tree, parse};
use ioc_store::template::percent_encoded;

use super::parts::{Kind, Parts, Wanted, new_file, of_device};
use super::{
    AUDIT, AUTHORITY, FORMAT, INCIDENTS, MANIFEST, Manifest, SIGNATURE, STAMP, attestations, key_file, numbers,
    operations, registers, stamps, statement,
};
use crate::audit_verify::{self, all, items, text};
use crate::cli;
use crate::timestamp;

/// Items of one answer.
const PAGE: usize = 500;

/// Makes an archive of the collector whose control socket lies below `runtime` and whose keys lie in `pki`; says what is in it. With a plan
/// it is time-stamped; where the authority does not answer, it is made without, and that is said.
///
/// # Errors
/// When the collector does not answer or refuses, nothing was signed yet, or a file cannot be written; no archive is left then.
pub async fn run(
    runtime: &Path,
    pki: &Path,
    stamps_by: Option<&TimestampPlan>,
    wanted: &Wanted,
    to_file: &Path,
) -> anyhow::Result<String> {
    anyhow::ensure!(wanted.from < wanted.to, "--from: {} is not before --to {}", wanted.from, wanted.to);
    numbers::check(wanted)?;
    anyhow::ensure!(!to_file.exists(), "{} is there already; mend: name another file", to_file.display());
    let parts = Parts::make(to_file)?;
    let authority = as_owner(pki, || fs::read_to_string(pki.join(AUTHORITY))).and_then(|read| read);
    let authority = authority.with_context(|| format!("cannot read {}", pki.join(AUTHORITY).display()))?;
    let key = as_owner(pki, || RecordKey::existing(pki, &authority, clock::now()))?.with_context(|| {
        format!("{}: there is no key of records yet; mend: start the collector and wait a minute", pki.display())
    })?;
    let incident = wanted.incident_number()?;
    let devices = devices(runtime, wanted, incident).await?;
    let (head, findings) = audit(runtime, &authority, wanted, incident, &parts).await?;
    incidents(runtime, wanted, incident, &parts).await?;
    faults(runtime, wanted, incident, &parts).await?;
    events(runtime, wanted, &devices, &parts).await?;
    changes(runtime, wanted, &devices, &parts).await?;
    described(runtime, &devices, &parts).await?;
    if wanted.device.is_some() || incident.is_some() {
        documents(runtime, wanted, &devices, &parts).await?;
    }
    numbers::put(runtime, wanted, &devices, &parts).await?;
    if incident.is_none() {
        attestations::put(runtime, wanted, &parts).await?;
        attestations::put_of_assets(runtime, wanted, &parts).await?;
        attestations::put_of_accounts(runtime, wanted, &parts).await?;
        registers::put(runtime, wanted, &parts).await?;
        operations::put(runtime, wanted, &parts).await?;
    }
    let certificates = cli::ask(runtime, "GET", "/api/v1/audit/keys", None).await?;
    for one in certificates.as_array().into_iter().flatten() {
        let id = text(&one["id"])?;
        anyhow::ensure!(super::is_key(&id), "a key of the audit log is named {id:?}; allowed are 16 hex digits");
        parts.write(&key_file(&id), text(&one["certificate"])?.as_bytes())?;
    }
    parts.write(&key_file(key.id()), key.certificate().as_bytes())?;
    parts.write(AUTHORITY, authority.as_bytes())?;
    stamps::put_authority(stamps_by, &parts)?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        made_at: clock::now().to_string(),
        from: wanted.from.to_string(),
        to: wanted.to.to_string(),
        device: wanted.device.clone(),
        incident: incident.map(|number| IncidentId(number).to_string()),
        head,
        findings,
        key: key.id().to_owned(),
        files: parts.list()?,
    };
    let body = serde_json::to_vec_pretty(&manifest)?;
    let signature = signature_text(&key.sign_text(&statement(&body))?);
    let stamp = match stamps_by {
        Some(plan) => Some(timestamp::stamp(plan, &sha256_hex(&body)).await),
        None => None,
    };
    let recorded = json!({
        "sha256": sha256_hex(&body), "from": manifest.from, "to": manifest.to,
        "device": manifest.device, "incident": manifest.incident,
    });
    // Before the archive is there: who takes records out stands in the log.
    cli::ask(runtime, "POST", "/api/v1/records/exports", Some(recorded)).await?;
    let reply = stamp.as_ref().and_then(|made| made.as_ref().ok()).map(|made| made.reply.as_slice());
    let front = [(MANIFEST, Some(body.as_slice())), (SIGNATURE, Some(signature.as_bytes())), (STAMP, reply)];
    parts.pack(to_file, &manifest.files, &front)?;
    let mut said = format!("{}: {} files, signed by {}\n", to_file.display(), manifest.files.len(), key.id());
    said += &match stamp {
        Some(Ok(made)) => format!("time-stamped {}\n", timestamp::said(made.token.at, &made.token.authority)),
        Some(Err(error)) => format!("not time-stamped: {error}\n"),
        None => String::new(),
    };
    for finding in &manifest.findings {
        said += &format!("the log is not sound: {finding}\n");
    }
    Ok(said)
}

/// Whom the audit records are about that are asked for; nobody where it is all of them.
struct Subjects(Option<HashSet<String>>);

impl Subjects {
    /// An incident alone, or a device and all incidents that it ever had or was joined to: what was done about one may be long after it began.
    async fn find(runtime: &Path, wanted: &Wanted, incident: Option<u64>) -> anyhow::Result<Self> {
        if let Some(number) = incident {
            return Ok(Self(Some(HashSet::from([IncidentId(number).to_string()]))));
        }
        let Some(device) = &wanted.device else { return Ok(Self(None)) };
        let its = all(runtime, "/api/v1/incidents?", &of_device(wanted)).await?;
        let its = its.iter().filter_map(|one| one["id"].as_u64()).map(|number| IncidentId(number).to_string());
        Ok(Self(Some(its.chain([device.clone()]).collect())))
    }

    /// Whether a record is about one of them, or about something of it: `srv-1/root` is an account of `srv-1`, `srv-1/hold 3` a hold on it.
    fn hold(&self, subject: &str) -> bool {
        let whose = subject.split_once('/').map_or(subject, |(whose, _)| whose);
        self.0.as_ref().is_none_or(|those| those.contains(subject) || those.contains(whose))
    }
}

/// The audit records that are asked for, each with its proof; gives the head that proofs lead to, and what is wrong with the log.
async fn audit(
    runtime: &Path,
    authority: &str,
    wanted: &Wanted,
    incident: Option<u64>,
    parts: &Parts,
) -> anyhow::Result<(AuditHead, Vec<String>)> {
    let about = Subjects::find(runtime, wanted, incident).await?;
    let spool = parts.dir.join("audit.spool");
    let mut chosen = BufWriter::new(new_file(&spool)?);
    let (mut leaves, mut previous, mut failed) = (Vec::<Hash>::new(), GENESIS.to_owned(), None);
    let verified = audit_verify::verify(runtime, authority, &mut |record| {
        let place =
            record.number.checked_sub(1).map_or(usize::MAX, |place| usize::try_from(place).unwrap_or(usize::MAX));
        // A number that is nonsense does not make it allocate; what is missing is found, and said.
        if place < leaves.len().saturating_add(1_000_000) {
            leaves.resize(place.max(leaves.len()), MISSING);
            leaves.push(parse(&record.hash).unwrap_or(MISSING));
        }
        if about.hold(&record.subject) && wanted.from <= record.at && record.at < wanted.to {
            let line = json!({
                "number": record.number, "at": record.at, "at_ms": record.at.as_millis(), "actor": record.actor,
                "action": record.action, "subject": record.subject, "detail": record.detail,
                "previous": previous, "hash": record.hash,
            });
            failed = failed.take().or(writeln!(chosen, "{line}").err());
        }
        previous.clone_from(&record.hash);
    })
    .await?;
    if let Some(error) = failed {
        return Err(error).context("the audit log cannot be written");
    }
    chosen.flush()?;
    let head = verified.newest.context("no head of the audit log was signed yet; mend: wait a minute")?;
    let size = usize::try_from(head.number).unwrap_or(usize::MAX).min(leaves.len());
    let tree = Tree::of(&leaves[..size]);
    let columns = &["number", "at", "actor", "action", "subject", "detail", "hash"];
    let mut out = Kind::begin(parts, AUDIT, columns)?;
    for line in BufReader::new(File::open(&spool)?).lines() {
        let mut record: Value = serde_json::from_str(&line?)?;
        let place = usize::try_from(record["number"].as_u64().unwrap_or(0)).unwrap_or(0);
        // What was written after the head is in the next archive.
        if place == 0 || place > size {
            continue;
        }
        record["proof"] = tree.proof(place - 1).iter().map(|hash| Value::from(hex(hash))).collect();
        out.put(&record)?;
    }
    out.end()?;
    fs::remove_file(&spool)?;
    stamps::put(runtime, wanted, (&head, &tree), parts).await?;
    Ok((head, verified.findings.iter().map(ToString::to_string).chain(verified.keys).collect()))
}

/// Incidents that were open in the period, whole, with their files; and their notices.
async fn incidents(runtime: &Path, wanted: &Wanted, only: Option<u64>, parts: &Parts) -> anyhow::Result<()> {
    let columns = &[
        "id",
        "device",
        "rule",
        "severity",
        "state",
        "title",
        "reason",
        "opened_at",
        "acknowledged_at",
        "acknowledged_by",
        "resolved_at",
    ];
    let mut out = Kind::begin(parts, INCIDENTS, columns)?;
    let columns =
        &["incident", "key", "channel", "person", "state", "attempts", "created_at", "delivered_at", "last_error"];
    let mut notices = Kind::begin(parts, "notices.jsonl", columns)?;
    let found = match only {
        Some(number) => vec![cli::ask(runtime, "GET", &format!("/api/v1/incidents/{number}"), None).await?],
        None => all(runtime, "/api/v1/incidents?", &of_device(wanted)).await?,
    };
    for one in found {
        if only.is_none() && !wanted.touches(&one["opened_at"], end_of(&one)) {
            continue;
        }
        let number = one["id"].as_u64().context("an incident has no number")?;
        let whole = cli::ask(runtime, "GET", &format!("/api/v1/incidents/{number}"), None).await?;
        for notice in whole["notices"].as_array().into_iter().flatten() {
            let mut notice = notice.clone();
            notice["incident"] = json!(IncidentId(number).to_string());
            notices.put(&notice)?;
        }
        for file in whole["record"]["attachments"].as_array().into_iter().flatten() {
            let sha256 = text(&file["sha256"])?;
            let path = format!("/api/v1/incidents/{number}/files/{}", percent_encoded(&sha256));
            let content = cli::bytes(runtime, &path).await?;
            parts.write(&attachment(number, &sha256)?, &content)?;
        }
        out.put(&whole)?;
    }
    notices.end()?;
    out.end()
}

/// Until when an incident went on: until it was closed, which may be long after its fault was gone. One that was joined to another is closed
/// without a remedy of its own.
fn end_of(incident: &Value) -> &Value {
    let closing = &incident["record"]["closing"]["at"];
    match incident["state"].as_str() {
        _ if !closing.is_null() => closing,
        Some("closed") => &incident["resolved_at"],
        _ => &Value::Null,
    }
}

/// Where a file of an incident lies. What the collector says becomes no path of its own.
fn attachment(incident: u64, sha256: &str) -> anyhow::Result<String> {
    anyhow::ensure!(parse(sha256).is_some(), "an incident names a file by {sha256:?}, which is no SHA-256");
    Ok(format!("files/{}/{}", IncidentId(incident), sha256))
}

/// Which faults are asked for: of an incident those of all devices that belong to it, of a device its own.
fn faults_of(wanted: &Wanted, incident: Option<u64>) -> String {
    let incident = incident.map(|number| format!("&incident={number}")).unwrap_or_default();
    format!("{}{incident}", of_device(wanted))
}

async fn faults(runtime: &Path, wanted: &Wanted, only: Option<u64>, parts: &Parts) -> anyhow::Result<()> {
    let columns = &[
        "id",
        "device",
        "rule",
        "series",
        "severity",
        "state",
        "raised_at",
        "cleared_at",
        "value",
        "reason",
        "incident",
    ];
    let mut out = Kind::begin(parts, "faults.jsonl", columns)?;
    for one in all(runtime, "/api/v1/faults?", &faults_of(wanted, only)).await? {
        if wanted.touches(&one["raised_at"], &one["cleared_at"]) {
            out.put(&one)?;
        }
    }
    out.end()
}

/// What happened on devices in the period.
async fn events(runtime: &Path, wanted: &Wanted, devices: &[String], parts: &Parts) -> anyhow::Result<()> {
    let mut out = Kind::begin(parts, "events.jsonl", &["device", "number", "at", "name", "text", "fields"])?;
    for device in devices {
        let mut cursor = String::new();
        loop {
            let path = format!("/api/v1/devices/{}/events?limit={PAGE}{cursor}", percent_encoded(device));
            let page = cli::ask(runtime, "GET", &path, None).await?;
            for one in items(&page).iter().filter(|one| wanted.holds(&one["at"])) {
                let mut one = one.clone();
                one["device"] = json!(device);
                out.put(&one)?;
            }
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={}", percent_encoded(next));
        }
    }
    out.end()
}

/// What changed in documents of devices in the period (`documents/changes`), each as a difference.
async fn changes(runtime: &Path, wanted: &Wanted, devices: &[String], parts: &Parts) -> anyhow::Result<()> {
    let mut out =
        Kind::begin(parts, "changes.jsonl", &["device", "at", "document", "number", "kind", "why", "differences"])?;
    let moment = |name: &str, at: Timestamp| format!("&{name}={}", percent_encoded(&at.to_string()));
    let period = format!("{}{}", moment("from", wanted.from), moment("until", wanted.to));
    for device in devices {
        for mut one in
            all(runtime, &format!("/api/v1/devices/{}/documents/changes?", percent_encoded(device)), &period).await?
        {
            one["device"] = json!(device);
            out.put(&one)?;
        }
    }
    out.end()
}

/// Devices as they are described now, and how far their newest numbers can be believed.
async fn described(runtime: &Path, devices: &[String], parts: &Parts) -> anyhow::Result<()> {
    let columns = &[
        "id",
        "kind",
        "name",
        "label",
        "place",
        "enrolled_at",
        "revoked_at",
        "last_heard",
        "reports_lost",
        "authenticity",
    ];
    let mut out = Kind::begin(parts, "devices.jsonl", columns)?;
    for device in devices {
        out.put(&cli::ask(runtime, "GET", &format!("/api/v1/devices/{}", percent_encoded(device)), None).await?)?;
    }
    out.end()
}

/// What surveys had found of each device at the end of the period, or by now: from there, changes lead back through the period.
async fn documents(runtime: &Path, wanted: &Wanted, devices: &[String], parts: &Parts) -> anyhow::Result<()> {
    let at = percent_encoded(&wanted.to.min(clock::now()).to_string());
    let mut out = Kind::begin(parts, "documents.jsonl", &["device", "name", "state", "since", "until"])?;
    for device in devices {
        let path = format!("/api/v1/devices/{}/documents/as-of?at={at}", percent_encoded(device));
        let Value::Array(found) = cli::ask(runtime, "GET", &path, None).await? else {
            anyhow::bail!("{path}: the answer is no list");
        };
        for mut one in found {
            one["device"] = json!(device);
            out.put(&one)?;
        }
    }
    out.end()
}

/// The devices whose records are asked for: those of an incident are its own and those whose faults belong to it; of everything also those
/// that were taken out since.
async fn devices(runtime: &Path, wanted: &Wanted, incident: Option<u64>) -> anyhow::Result<Vec<String>> {
    let named = |value: &Value| value.as_str().map(str::to_owned);
    let Some(number) = incident else {
        if let Some(device) = &wanted.device {
            return Ok(vec![device.clone()]);
        }
        let found = all(runtime, "/api/v1/devices?", "&revoked=true").await?;
        return Ok(found.iter().filter_map(|one| named(&one["id"]).or_else(|| named(&one["device"]))).collect());
    };
    let whole = cli::ask(runtime, "GET", &format!("/api/v1/incidents/{number}"), None).await?;
    let faults = all(runtime, "/api/v1/faults?", &format!("&incident={number}")).await?;
    let its: BTreeSet<String> =
        std::iter::once(&whole).chain(&faults).filter_map(|one| named(&one["device"])).collect();
    if let Some(asked) = &wanted.device {
        let known = its.iter().cloned().collect::<Vec<_>>().join(", ");
        anyhow::ensure!(its.contains(asked), "--device: found {asked}; the incident is of {known}");
        return Ok(vec![asked.clone()]);
    }
    Ok(its.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_device_are_those_of_its_incidents_too() {
        let of_device = Subjects(Some(HashSet::from(["srv-1".to_owned(), "INC-000012".to_owned()])));
        assert!(of_device.hold("srv-1") && of_device.hold("INC-000012"));
        assert!(of_device.hold("srv-1/root") && of_device.hold("srv-1/hold 3") && of_device.hold("INC-000012/hold 4"));
        assert!(!of_device.hold("srv-2") && !of_device.hold("INC-000001"));
        assert!(!of_device.hold("srv-10/root") && !of_device.hold("root/srv-1"));
        assert!(Subjects(None).hold("anybody"));
    }

    #[test]
    fn an_incident_goes_on_until_it_is_closed() {
        let mut one =
            json!({ "state": "resolved", "resolved_at": "2026-09-29T00:00:00Z", "record": { "closing": null } });
        assert!(end_of(&one).is_null(), "it is still to be closed");
        one["record"]["closing"] = json!({ "at": "2026-10-02T00:00:00Z" });
        one["state"] = json!("closed");
        assert_eq!(end_of(&one), "2026-10-02T00:00:00Z");
        one["record"]["closing"] = Value::Null;
        assert_eq!(end_of(&one), "2026-09-29T00:00:00Z", "joined to another");
        let period = |from: &str, to: &str| Wanted {
            from: from.parse().expect("a moment"),
            to: to.parse().expect("a moment"),
            device: None,
            incident: None,
            numbers: false,
        };
        let october = period("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z");
        one["opened_at"] = json!("2026-09-28T00:00:00Z");
        assert!(!october.touches(&one["opened_at"], end_of(&one)));
        one["record"]["closing"] = json!({ "at": "2026-10-02T00:00:00Z" });
        assert!(october.touches(&one["opened_at"], end_of(&one)));
    }

    #[test]
    fn faults_of_an_incident_are_those_of_all_its_devices() {
        let mut wanted = Wanted {
            from: Timestamp::from_millis(0),
            to: Timestamp::from_millis(1),
            device: None,
            incident: Some("INC-000012".to_owned()),
            numbers: false,
        };
        assert_eq!(faults_of(&wanted, Some(12)), "&incident=12");
        wanted.device = Some("srv-3".to_owned());
        assert_eq!(faults_of(&wanted, Some(12)), "&device=srv-3&incident=12");
    }

    #[test]
    fn a_file_of_an_incident_has_no_path_of_anybody() {
        assert_eq!(attachment(12, &"a".repeat(64)).expect("a digest"), format!("files/INC-000012/{}", "a".repeat(64)));
        assert!(attachment(12, "../../etc/passwd").is_err());
    }
}
