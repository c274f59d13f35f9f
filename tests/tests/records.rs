//! Records for an investigation: an archive of the real collector, checked without it by two programs that know nothing of each other.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use ioc_tests::harness::{Rig, binary, eventually};

fn verify(archive: &Path, authority: Option<&Path>) -> Output {
    let mut command = Command::new(binary("ioc-collector"));
    command.args(["records", "verify"]).arg(archive);
    if let Some(authority) = authority {
        command.arg("--authority").arg(authority);
    }
    command.output().unwrap()
}

/// The verifier that was written by docs/records.md alone.
fn python(archive: &Path, authority: Option<&Path>) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/verify_records.py");
    Command::new("python3").arg(script).arg(archive).args(authority).output().unwrap()
}

/// What both say of an archive; they agree whether it is whole.
pub(crate) fn both(archive: &Path, authority: Option<&Path>) -> (bool, String) {
    let (own, other) = (verify(archive, authority), python(archive, authority));
    let text = |output: &Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let said = format!("{}\n{}", text(&own), text(&other));
    assert_eq!(own.status.success(), other.status.success(), "{said}");
    (own.status.success(), said)
}

pub(crate) fn export(rig: &Rig, name: &str, more: &[&str]) -> Output {
    let (config, to) = (rig.dir().join("collector.toml"), rig.dir().join(name));
    let mut command = Command::new(binary("ioc-collector"));
    command.arg("--config").arg(config).args(["records", "export"]).args(more).arg("--to-file").arg(to);
    command.output().unwrap()
}

/// The lines of a file of an archive.
pub(crate) fn lines(archive: &Path, name: &str) -> Vec<Value> {
    let output = Command::new("tar").arg("-xOf").arg(archive).arg(name).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names of the files of an archive, a line each.
pub(crate) fn names(archive: &Path) -> String {
    let output = Command::new("tar").arg("-tf").arg(archive).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Somebody who has a device's key changes an archive and signs it with that.
const FORGE: &str = r#"
import base64, hashlib, io, json, subprocess, sys, tarfile
archive, out, tls = sys.argv[1:]
run = lambda *words, data=None: subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout
read = tarfile.open(archive, "r:")
files = {name: read.extractfile(name).read() for name in read.getnames()}
certificate = open(tls + "/cert.pem", "rb").read()
point = run("pkey", "-pubin", "-outform", "DER", data=run("x509", "-pubkey", "-noout", data=certificate))[-65:]
key = hashlib.sha256(point).hexdigest()[:16]
files["keys/%s.pem" % key] = certificate
files["incidents.jsonl"] = files["incidents.jsonl"].replace(b"critical", b"warning")
about = json.loads(files.pop("manifest.json"))
files.pop("manifest.sig")
about["key"] = key
about["files"] = [{"name": name, "bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()} for name, one in sorted(files.items())]
body = json.dumps(about).encode()
statement = b"ioc-watch records 1\nsha256 %s\n" % hashlib.sha256(body).hexdigest().encode()
signature = base64.b64encode(run("dgst", "-sha256", "-sign", tls + "/key.pem", data=statement))
with open(out, "wb") as to:
    for name, one in {"manifest.json": body, "manifest.sig": signature, **files}.items():
        header = bytearray(512)
        for at, text in ((0, name), (100, "0000600\0"), (108, "0000000\0"), (116, "0000000\0"), (124, "%011o\0" % len(one)),
                         (136, "%011o\0" % 1764000000), (148, " " * 8), (156, "0"), (257, "ustar\x0000")):
            header[at:at + len(text)] = text.encode()
        header[148:156] = b"%06o\0 " % sum(header)
        to.write(bytes(header) + one + bytes(-len(one) % 512))
    to.write(bytes(1024))
"#;

async fn forged_with_the_key_of_a_device_is_found(rig: &Rig, archive: &Path, authority: &Path) {
    // A device has a key that the same authority certified: for itself, and not for records.
    let agent = rig.agent("srv-9", "").await.unwrap();
    let (tls, forged) = (rig.dir().join("srv-9/state/tls/current"), rig.dir().join("forged.tar"));
    let made =
        Command::new("python3").args(["-c", FORGE]).args([archive, forged.as_path(), tls.as_path()]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    drop(agent);
    for given in [None, Some(authority)] {
        let (good, said) = both(&forged, given);
        assert!(!good && said.contains("not one of a key that signs records"), "{said}");
        assert!(said.contains("manifest.json is not signed"), "{said}");
    }
}

pub(crate) const ALWAYS: [&str; 4] = ["--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"];

/// Two devices with a remark each, an incident with a photograph, a backup and an account that somebody vouches for with a file, a review.
async fn filled(rig: &Rig) {
    for device in ["srv-1", "srv-2"] {
        rig.post("/api/v1/devices", json!({ "device": device, "kind": "server", "name": "=máy" })).await.unwrap();
        rig.post(&format!("/api/v1/devices/{device}/remarks"), json!({ "text": "ổ đĩa kêu" })).await.unwrap();
    }
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    let photo = "content of a photograph";
    let path = "/api/v1/incidents/1/files?name=photo.txt";
    ioc_collector::cli::send(&rig.runtime(), "POST", path, "application/octet-stream", photo.to_owned()).await.unwrap();
    let stated = json!({ "devices": ["srv-1"], "kind": "database", "source": { "by": "attestation" }, "every_s": 86_400,
        "grace_s": 3600, "keep_days": 30, "place": "NAS", "copies": 1, "media": 1 });
    rig.post("/api/v1/system-backups", stated).await.unwrap();
    let backup = "/api/v1/system-backups/srv-1/database";
    let word = json!({ "made_at": ioc_common::clock::now(), "good": true, "note": "biên bản 12" });
    rig.post(&format!("{backup}/attestations"), word).await.unwrap();
    let until = ioc_common::clock::now().plus_millis(86_400_000);
    let word = json!({ "area": "patches", "good": true, "note": "ảnh màn hình 7", "valid_until": until });
    rig.post("/api/v1/assets/srv-1/attestations", word).await.unwrap();
    // An account of an appliance, whose name is no plain path.
    let word = json!({ "device": "srv-2", "name": "quản trị/1", "note": "biên bản 9", "valid_until": until });
    rig.post("/api/v1/account-register/attestations", word).await.unwrap();
    let path = "/api/v1/account-register/srv-2/qu%E1%BA%A3n%20tr%E1%BB%8B%2F1/files?name=list.txt";
    let list = "content of the list of accounts".to_owned();
    ioc_collector::cli::send(&rig.runtime(), "POST", path, "application/octet-stream", list).await.unwrap();
    let evidence = "content of the minutes".to_owned();
    let path = format!("{backup}/files?name=minutes.txt");
    ioc_collector::cli::send(&rig.runtime(), "POST", &path, "application/octet-stream", evidence).await.unwrap();
    let word = json!({ "device": "srv-2", "name": "admin", "role": "quản trị", "administrator": true, "holder": "Trần Bình",
        "note": "biên bản 7", "valid_until": until });
    rig.post("/api/v1/account-register/attestations", word).await.unwrap();
    let (path, shown) =
        ("/api/v1/account-register/srv-2/admin/files?name=u.txt", "a screenshot of its users".to_owned());
    ioc_collector::cli::send(&rig.runtime(), "POST", path, "application/octet-stream", shown).await.unwrap();
    rig.post("/api/v1/account-reviews", json!({})).await.unwrap();
}

fn registers_are_in_it(archive: &Path) {
    let accounts = lines(archive, "accounts.jsonl");
    assert!(accounts.len() == 2 && accounts[0]["holder"] == "Trần Bình", "{accounts:?}");
    let reviews = lines(archive, "account-reviews.jsonl");
    assert!(reviews.len() == 1 && !reviews[0]["lines"].as_array().unwrap().is_empty(), "{reviews:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_proves_itself_to_two_programs_and_what_is_changed_in_it_is_found_by_both() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    filled(&rig).await;
    // A stop signs all of it.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let archive = rig.dir().join("all.tar");
    let made = export(&rig, "all.tar", &ALWAYS);
    assert!(made.status.success(), "{made:?}");
    let again = export(&rig, "all.tar", &ALWAYS);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("there already"), "{again:?}");
    assert!(!rig.dir().join("all.tar.parts").exists());

    let authority = rig.data().join("pki/ca.pem");
    for given in [None, Some(authority.as_path())] {
        let (whole, said) = both(&archive, given);
        assert!(whole && said.contains("audit records"), "{said}");
    }
    let actions: Vec<String> =
        lines(&archive, "audit.jsonl").iter().map(|one| one["action"].as_str().unwrap().to_owned()).collect();
    for action in ["account.created", "device.registered", "incident.opened", "incident.attached"] {
        assert!(actions.iter().any(|one| one == action), "{action}: {actions:?}");
    }
    assert_eq!(lines(&archive, "incidents.jsonl").len(), 1);
    assert_eq!(lines(&archive, "events.jsonl").len(), 2, "a remark on each device");
    let names = names(&archive);
    for name in [
        "audit.csv",
        "incidents.csv",
        "faults.csv",
        "events.csv",
        "notices.csv",
        "ca.pem",
        "files/INC-000001/",
        "attestations.csv",
        "asset-attestations.csv",
        "account-attestations.csv",
        "files/evidence/",
        "accounts.csv",
        "account-reviews.csv",
        "issued-reports.csv",
        "asset-imports.csv",
    ] {
        assert!(names.contains(name), "{name}: {names}");
    }
    registers_are_in_it(&archive);
    // Who took it out is in the log.
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(log.contains("records.exported"), "{log}");

    // Of one device, and of one incident.
    let one = export(&rig, "one.tar", &[&ALWAYS[..], &["--device", "srv-1"]].concat());
    assert!(one.status.success(), "{one:?}");
    let one = rig.dir().join("one.tar");
    assert!(both(&one, None).0);
    assert!(lines(&one, "audit.jsonl").iter().all(|record| record["subject"] == "srv-1"));
    assert_eq!(lines(&one, "events.jsonl").len(), 1);
    assert!(lines(&one, "accounts.jsonl").is_empty(), "the account is of the other one");
    let incident = export(&rig, "incident.tar", &[&ALWAYS[..], &["--incident", "INC-000001"]].concat());
    assert!(incident.status.success(), "{incident:?}");
    let incident = rig.dir().join("incident.tar");
    assert!(both(&incident, None).0 && !lines(&incident, "audit.jsonl").is_empty());
    let faulty = export(&rig, "faulty.tar", &[&ALWAYS[..], &["--incident", "fire"]].concat());
    assert!(!faulty.status.success() && String::from_utf8_lossy(&faulty.stderr).contains("INC-000012"), "{faulty:?}");

    // Somebody changes it: each place in turn.
    let whole = std::fs::read(&archive).unwrap();
    let find = |text: &str| whole.windows(text.len()).position(|part| part == text.as_bytes()).unwrap();
    let spoilt = rig.dir().join("spoilt.tar");
    for text in [
        "device.registered",
        "content of a photograph",
        "content of the minutes",
        "a screenshot of its users",
        "content of the list of accounts",
        "\"proof\":[\"",
        "\"root\": \"",
        "Khói",
        "-----BEGIN CERTIFICATE-----\nM",
    ] {
        let mut bytes = whole.clone();
        let place = find(text) + text.len() - 1;
        // Another letter of the same kind, so that it is not merely broken.
        let place = if text.ends_with('"') { place + 1 } else { place };
        bytes[place] = if bytes[place] == b'a' { b'b' } else { b'a' };
        std::fs::write(&spoilt, bytes).unwrap();
        let (good, said) = both(&spoilt, Some(&authority));
        assert!(!good, "{text}: {said}");
    }
    forged_with_the_key_of_a_device_is_found(&rig, &archive, &authority).await;
    // Another authority than the one that whoever checks knows.
    let other = Rig::new("");
    let mut other = other;
    other.start().await.unwrap();
    let (good, said) = both(&archive, Some(&other.data().join("pki/ca.pem")));
    assert!(!good, "{said}");
    other.stop().await.unwrap();
    eventually("ready", || async { rig.get("/readyz").await.is_ok() }).await.unwrap();
    rig.stop().await.unwrap();
}

/// How the centre was run: somebody counts, maintenance is planned and taken back, a shift is handed over.
async fn run(rig: &Rig) {
    rig.post("/api/v1/inventory-counts", json!({ "place": "" })).await.unwrap();
    let count = "/api/v1/inventory-counts/1";
    rig.post(&format!("{count}/ticks"), json!({ "device": "srv-2", "state": "found" })).await.unwrap();
    rig.post(&format!("{count}/finds"), json!({ "what": "Máy in lạ", "place": "Kho" })).await.unwrap();
    let from = ioc_common::clock::now().plus_millis(3_600_000);
    let when = json!({ "kind": "once", "from": from, "until": from.plus_millis(3_600_000) });
    rig.post("/api/v1/windows", json!({ "title": "Thay ắc quy", "when": when })).await.unwrap();
    ioc_collector::cli::ask(&rig.runtime(), "DELETE", "/api/v1/windows/1", None).await.unwrap();
    let book = crate::registers::form(rig, "/duty/book", &[("rota", ""), ("text", "UPS 2 đang sạc lại")]).await;
    assert!(book.ends_with("303"), "{book}");
}

/// What is on record of that, of machines that were taken out since, too.
fn how_it_was_run_is_in_it(archive: &Path) {
    let counts = lines(archive, "inventory-counts.jsonl");
    assert!(counts.len() == 1 && counts[0]["ticks"][0]["device"] == "srv-2", "it was taken out since: {counts:?}");
    assert_eq!(counts[0]["finds"][0]["what"], "Máy in lạ");
    let windows = lines(archive, "maintenance-windows.jsonl");
    assert!(windows.len() == 1 && windows[0]["over_at"].is_string(), "it was taken back: {windows:?}");
    assert_eq!(lines(archive, "duty-book.jsonl")[0]["text"], "UPS 2 đang sạc lại");
    assert_eq!(lines(archive, "legal-holds.jsonl")[0]["reason"], "điều tra");
    assert!(lines(archive, "deletions.jsonl").is_empty() && lines(archive, "stand-ins.jsonl").is_empty());
}

/// What was said of what is gone since, in lists that are longer than a page of them.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_has_what_was_taken_out_withdrawn_and_taken_in_long_ago() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    filled(&rig).await;
    // What some languages take for the end of a line is a letter like any other.
    let text = "một dòng\u{2028}và một dòng\u{2029}nữa";
    rig.post("/api/v1/incidents/1/actions", json!({ "action": "comment", "text": text })).await.unwrap();
    let hold = json!({ "kind": "device", "subject": "srv-1", "reason": "điều tra", "name": "Lê Lan" });
    rig.post("/api/v1/records/holds", hold).await.unwrap();
    for n in 0..22 {
        let table = format!("device,place\nsrv-2,Tầng {n}\n");
        let path = "/api/v1/assets/import";
        ioc_collector::cli::send(&rig.runtime(), "POST", path, "text/csv", table).await.unwrap();
    }
    run(&rig).await;
    let withdrawn = "/api/v1/system-backups/srv-1/database";
    ioc_collector::cli::ask(&rig.runtime(), "DELETE", withdrawn, None).await.unwrap();
    for device in ["srv-1", "srv-2"] {
        rig.post(&format!("/api/v1/devices/{device}/revoke"), json!({})).await.unwrap();
    }
    // A stop signs all of it.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let made = export(&rig, "all.tar", &ALWAYS);
    assert!(made.status.success(), "{made:?}");
    let archive = rig.dir().join("all.tar");
    let (whole, said) = both(&archive, None);
    assert!(whole, "{said}");
    let incident = &lines(&archive, "incidents.jsonl")[0];
    assert!(incident.to_string().contains('\u{2028}'), "it is written as it was said: {incident}");
    assert_eq!(lines(&archive, "events.jsonl").len(), 2, "of machines that were taken out since");
    let attested = lines(&archive, "attestations.jsonl");
    assert!(attested.len() == 1 && attested[0]["kind"] == "database", "{attested:?}");
    let until = |name: &str| lines(&archive, name)[0]["valid_until"].as_str().unwrap().to_owned();
    let now = ioc_common::clock::now().to_string();
    for name in ["asset-attestations.jsonl", "account-attestations.jsonl"] {
        assert!(until(name) > now, "{name}: it is as it was said, whatever became of the machine");
    }
    let imports = lines(&archive, "asset-imports.jsonl");
    assert_eq!(imports.len(), 22);
    assert!(imports.iter().all(|one| one["lines"][0]["device"] == "srv-2"), "{imports:?}");
    assert!(imports[21]["lines"].to_string().contains("Tầng 0"), "{imports:?}");

    how_it_was_run_is_in_it(&archive);

    let made = export(&rig, "one.tar", &[&ALWAYS[..], &["--device", "srv-1"]].concat());
    assert!(made.status.success(), "{made:?}");
    let one = rig.dir().join("one.tar");
    assert!(!names(&one).contains("duty-book"), "the whole centre's is in no archive of one machine");
    let held = lines(&one, "audit.jsonl").into_iter().filter(|record| record["action"] == "records.held");
    assert_eq!(held.map(|record| record["subject"].clone()).collect::<Vec<_>>(), ["srv-1/hold 1"]);
    assert_eq!(lines(&one, "attestations.jsonl").len(), 1);
    // The log names people of machines where they were vouched for: who reads that is in it, too.
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let read = |one: &Value| one["action"] == "personal.read" && one["subject"] == "audit log";
    assert!(log["items"].as_array().unwrap().iter().any(read), "{log}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_a_device_are_in_an_archive_that_asks_for_them() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (mut link, mut machine) = crate::registers::reporting(&rig, "srv-1", "SN-1").await;
    let device = machine.device.to_string();
    for ago in (0..60).rev() {
        let body = machine.sample();
        let (position, kind, payload) = machine.seal(&body, ioc_common::clock::now(), ago * 10_000);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
    let now = ioc_common::clock::now();
    let (from, to) = (now.plus_millis(-3_600_000).to_string(), now.plus_millis(3_600_000).to_string());
    let hour = ["--from", &from, "--to", &to, "--numbers"];
    let refused = export(&rig, "all.tar", &hour);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("--device"), "{refused:?}");
    // A stop signs the log.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let done = export(&rig, "one.tar", &[&hour[..], &["--device", &device]].concat());
    assert!(done.status.success(), "{done:?}");
    let archive = rig.dir().join("one.tar");
    let (whole, said) = both(&archive, None);
    assert!(whole, "{said}");
    let numbers = lines(&archive, "numbers.jsonl");
    assert!(numbers.iter().all(|one| one["device"] == *device && one["at"].is_string() && !one["value"].is_null()));
    let about = lines(&archive, "devices.jsonl");
    assert!(about.len() == 1 && about[0]["id"] == *device && about[0]["authenticity"].is_object(), "{about:?}");
    let documents = lines(&archive, "documents.jsonl");
    assert!(documents.iter().all(|one| one["device"] == *device && one["state"].is_string()), "{documents:?}");
    let busy = numbers.iter().filter(|one| one["series"] == "cpu.busy").count();
    assert_eq!(busy, 60, "each that was reported, once");
    rig.stop().await.unwrap();
}
