//! The API against its own description: schemathesis makes requests out of it, good and bad, and nothing may fall over; and what
//! every answer has to have.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use ioc_tests::harness::{Rig, python};
use ioc_tests::second_factor::set_up_and_show;
use serde_json::{Value, json};
use tokio::process::Command;

/// A token of an administrator whose password is his own, and who has a second factor.
async fn token(rig: &Rig, jar: &str) -> String {
    let curl = async |path: &str, body: Value| {
        let url = format!("https://localhost:{}{path}", rig.web);
        let output = Command::new("curl")
            .args(["-ks", "-b", jar, "-c", jar, "-H", "content-type: application/json", "-d", &body.to_string(), &url])
            .output()
            .await
            .unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default()
    };
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap();
    curl("/api/v1/session", json!({ "name": "admin", "password": password.trim() })).await;
    set_up_and_show(rig, Path::new(jar), password.trim()).await;
    let answer = curl("/api/v1/account/tokens", json!({ "label": "x", "role": "administrator", "days": 1 })).await;
    answer["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Status and head of an answer, and its body.
async fn ask(rig: &Rig, token: &str, more: &[&str], path: &str) -> (String, String) {
    let output = Command::new("curl")
        .args(["-ksi", "-H", &format!("authorization: Bearer {token}")])
        .args(more)
        .arg(format!("https://localhost:{}{path}", rig.web))
        .output()
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_that_the_description_allows_or_forbids_makes_it_fall_over() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    rig.post("/api/v1/incidents", json!({ "title": "Khói", "severity": "critical" })).await.unwrap();
    let device = json!({ "device": "srv-01", "kind": "server", "name": "Máy chủ 1" });
    rig.post("/api/v1/devices", device).await.unwrap();
    let token = token(&rig, rig.dir().join("jar").to_str().unwrap()).await;
    // Where something is known by name, it is asked for by name, too.
    let known = r#"
[[operations]]
include-path-regex = "^/api/v1/devices/[{]id[}]"
parameters = { id = "srv-01" }
[[operations]]
include-path-regex = "^/api/v1/incidents/[{]id[}]"
parameters = { id = 1 }
"#;
    std::fs::write(rig.dir().join("schemathesis.toml"), known).unwrap();
    let checks = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
        "ignored_auth",
    ];
    let output = Command::new(python())
        .args(["-m", "schemathesis.cli"])
        .args(["run", &format!("https://localhost:{}/api/v1/openapi.json", rig.web)])
        .args(["-H", &format!("Authorization: Bearer {token}"), "--tls-verify", "false", "--no-color"])
        .args(["--checks", &checks.join(",")])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--seed", "1"])
        // Its own limit refuses whoever asks faster.
        .args(["--rate-limit", "45/s", "--continue-on-failure"])
        .current_dir(rig.dir())
        .output()
        .await
        .expect("schemathesis is installed (scripts/test does so)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", rig.log());
    assert!(said.contains("Fuzzing") && !rig.log().contains("panicked"), "{said}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_one_form_and_answers_a_tag() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let token = token(&rig, rig.dir().join("jar").to_str().unwrap()).await;
    for (more, path, status) in [
        (&[][..], "/api/v1/nothing", 404),
        (&["-X", "PATCH"][..], "/api/v1/devices", 405),
        (&["-d", "{", "-H", "content-type: application/json"][..], "/api/v1/devices", 400),
        (&["-d", "a=b"][..], "/api/v1/devices", 415),
        (&[][..], "/api/v1/devices?limit=x", 400),
        (&[][..], "/api/v1/incidents/x", 400),
    ] {
        let (head, body) = ask(&rig, &token, more, path).await;
        assert!(head.contains(&format!(" {status} ")) && head.contains("application/problem+json"), "{path}: {head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert!(problem["status"] == status && problem["detail"].as_str().unwrap().len() > 3, "{body}");
    }
    let (head, _) = ask(&rig, &token, &[], "/api/v1/devices").await;
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().to_owned();
    let (head, body) = ask(&rig, &token, &["-H", &format!("if-none-match: {tag}")], "/api/v1/devices").await;
    assert!(head.contains(" 304 ") && body.is_empty(), "{head}");
    let device = json!({ "device": "srv-01", "kind": "server", "name": "Máy chủ 1" });
    rig.post("/api/v1/devices", device).await.unwrap();
    let (head, _) = ask(&rig, &token, &["-H", &format!("if-none-match: {tag}")], "/api/v1/devices").await;
    assert!(head.contains(" 200 ") && !head.contains(&tag), "{head}");

    // Whoever asks without end is told to wait; another session is not.
    let url = format!("https://localhost:{}/api/v1/rooms?n=[1-1500]", rig.web);
    let output = Command::new("curl")
        .args(["-ks", "-o", "/dev/null", "-w", "%{http_code}:%header{retry-after} "])
        .args(["-H", &format!("authorization: Bearer {token}"), &url])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("200: ") && said.contains("429:1 "), "{said}");
    assert!(rig.get("/api/v1/devices").await.is_ok());
    rig.stop().await.unwrap();
}
