//! Time stamps of an authority outside (RFC 3161), with the real collector and 'openssl ts' behind a server.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use ioc_tests::harness::{Rig, binary, eventually, free_port};

fn collector(rig: &Rig, words: &[&str]) -> Output {
    let mut command = Command::new(binary("ioc-collector"));
    command.arg("--config").arg(rig.dir().join("collector.toml")).args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What both verifiers say of an archive; they agree whether it is whole.
fn both(archive: &Path, authority: &Path, stamps_by: &Path) -> (bool, String) {
    let mut command = Command::new(binary("ioc-collector"));
    command.args(["records", "verify"]).arg(archive).arg("--authority").arg(authority);
    let own = command.arg("--stamp-authority").arg(stamps_by).output().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/verify_records.py");
    let other = Command::new("python3").arg(script).args([archive, authority, stamps_by]).output().unwrap();
    let text = format!("{}\n{}", said(&own), said(&other));
    assert_eq!(own.status.success(), other.status.success(), "{text}");
    (own.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_exports_are_stamped_and_what_the_authority_gets_wrong_is_told_and_keeps_nobody_waiting() {
    let (tsa, port) = (tempfile::tempdir().unwrap(), free_port());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/tsa.py");
    let manner = |how: &str| std::fs::write(tsa.path().join("manner"), how).unwrap();
    manner("wrong");
    let mut server = Command::new("python3").arg(script).arg(tsa.path()).arg(port.to_string()).spawn().unwrap();
    let stamps_by = tsa.path().join("ca.pem");
    eventually("the authority", || async { stamps_by.exists() }).await.unwrap();
    let plan =
        format!("[timestamp]\nurl = \"http://127.0.0.1:{port}/tsr\"\nauthority_file = \"{}\"\n", stamps_by.display());
    let mut rig = Rig::new(&plan);
    rig.start().await.unwrap();

    // It answers wrong: nothing of that is kept, people are told, and the log goes on.
    let title = "The audit log is not time-stamped";
    let open = || async {
        let all: Value = rig.get("/api/v1/incidents?limit=100").await.unwrap();
        let all = all["items"].as_array().unwrap().clone();
        all.iter().any(|one| one["title"]["en"] == title && one["resolved_at"].is_null())
    };
    eventually("the fault is told", open).await.unwrap();
    rig.post("/api/v1/devices", json!({ "device": "srv-1", "kind": "server", "name": "Máy 1" })).await.unwrap();
    let stamps = || async { rig.get("/api/v1/audit/stamps").await.unwrap()["items"].as_array().unwrap().clone() };
    assert!(stamps().await.is_empty());

    // It is asked again by itself.
    manner("good");
    eventually("a time stamp", || async { !stamps().await.is_empty() }).await.unwrap();
    eventually("the fault has ended", || async { !open().await }).await.unwrap();
    let first = &stamps().await[0];
    assert!(first["authority"].as_str().unwrap().contains("Stamps"), "{first}");
    assert_eq!(first["head"]["number"], first["number"]);
    for words in [&["audit", "verify"][..], &["audit", "verify", "--stamps"]] {
        let output = collector(&rig, words);
        let text = said(&output);
        let line = format!("up to record {} time-stamped at ", first["number"]);
        assert!(output.status.success() && text.contains(&line) && text.contains("Stamps"), "{text}");
    }

    // Records that prove themselves, and when they were there; the log has grown since it was stamped.
    rig.post("/api/v1/devices/srv-1/remarks", json!({ "text": "ổ đĩa kêu" })).await.unwrap();
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let archive = rig.dir().join("all.tar");
    let to = archive.display().to_string();
    let period =
        ["records", "export", "--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--to-file", &to];
    let made = collector(&rig, &period);
    assert!(made.status.success() && said(&made).contains("time-stamped at"), "{made:?}");
    let authority = rig.data().join("pki/ca.pem");
    let (whole, text) = both(&archive, &authority, &stamps_by);
    assert!(whole && text.contains("the archive: time-stamped at"), "{text}");
    assert!(text.contains(&format!("the log up to record {}: time-stamped at", first["number"])), "{text}");
    // By somebody whom whoever checks does not know; and without the one that they ask for.
    let (whole, text) = both(&archive, &authority, &authority);
    assert!(!whole && text.contains("time stamp is not good"), "{text}");
    let bytes = std::fs::read(&archive).unwrap();
    let spoilt = rig.dir().join("spoilt.tar");
    for name in ["manifest.tsr", "stamps/"] {
        let place = bytes.windows(name.len()).rposition(|part| part == name.as_bytes()).unwrap();
        let mut other = bytes.clone();
        // In the middle of the answer, behind its header.
        other[place + 512 + 300] ^= 1;
        std::fs::write(&spoilt, other).unwrap();
        let (whole, text) = both(&spoilt, &authority, &stamps_by);
        assert!(!whole && text.contains("time stamp is not good"), "{name}: {text}");
    }

    // An export does not fail for it.
    server.kill().unwrap();
    server.wait().unwrap();
    let to = rig.dir().join("without.tar").display().to_string();
    let made = collector(&rig, &[&period[..7], &[to.as_str()]].concat());
    assert!(made.status.success() && said(&made).contains("not time-stamped: "), "{made:?}");
    rig.stop().await.unwrap();
}
