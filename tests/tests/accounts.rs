//! Accounts over the real collector: what a token may never do, and what stands beside wrong sign-ins.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::Rig;
use serde_json::{Value, json};
use tokio::process::Command;

/// Status and body of one request; `from` is the address that it comes from.
async fn ask(rig: &Rig, from: &str, how: &[&str], path: &str, body: Option<Value>) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-ks", "--interface", from, "-w", "\n%{http_code}"]).args(how);
    if let Some(body) = body {
        command.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
    }
    let output = command.arg(format!("https://127.0.0.1:{}{path}", rig.web)).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (text, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), text.to_owned())
}

async fn admin(rig: &Rig) -> (String, String) {
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap().trim().to_owned();
    let jar = rig.dir().join("jar").display().to_string();
    let body = Some(json!({ "name": "admin", "password": password }));
    assert_eq!(ask(rig, "127.0.0.1", &["-c", &jar], "/api/v1/session", body).await.0, 204);
    (jar, password)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaked_token_of_an_administrator_changes_no_account() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (jar, password) = admin(&rig).await;
    let body = Some(json!({ "label": "robot", "role": "administrator", "days": 1 }));
    let (status, text) = ask(&rig, "127.0.0.1", &["-b", &jar], "/api/v1/account/tokens", body).await;
    assert_eq!(status, 201, "{text}");
    let token = serde_json::from_str::<Value>(&text).unwrap()["token"].as_str().unwrap().to_owned();
    let bearer = format!("authorization: Bearer {token}");
    rig.post("/api/v1/accounts", json!({ "name": "lan", "role": "viewer" })).await.unwrap();
    let before = rig.get("/api/v1/accounts").await.unwrap();
    for (method, path, body) in [
        ("POST", "/api/v1/accounts", json!({ "name": "mine", "role": "administrator" })),
        ("PATCH", "/api/v1/accounts/lan", json!({ "role": "administrator" })),
        ("PATCH", "/api/v1/accounts/lan", json!({ "disabled": true })),
        ("POST", "/api/v1/accounts/lan/reset", json!({})),
        ("POST", "/api/v1/account/password", json!({ "present": password, "new": "a new long password" })),
        ("POST", "/api/v1/account/second-factor", json!({ "do": "start" })),
        ("POST", "/api/v1/account/tokens", json!({ "label": "next", "role": "administrator", "days": 300 })),
        ("POST", "/api/v1/session/confirm", json!({ "password": password })),
    ] {
        let (status, text) = ask(&rig, "127.0.0.1", &["-X", method, "-H", &bearer], path, Some(body)).await;
        assert_eq!(status, 403, "{method} {path}: {text}");
    }
    for path in ["/people", "/people/lan", "/account/tokens", "/account/second-factor", "/account/password"] {
        let form = [
            "-H",
            &bearer,
            "-d",
            "do=reset&name=mine&role=administrator&places=&full_name=&label=x&days=9&present=x&new=y",
        ];
        let (status, text) = ask(&rig, "127.0.0.1", &form, path, None).await;
        assert_ne!(status, 303, "{path}: {text}");
    }
    assert_eq!(rig.get("/api/v1/accounts").await.unwrap(), before, "nothing was changed");
    assert_eq!(
        ask(&rig, "127.0.0.1", &["-H", &bearer], "/api/v1/devices", None).await.0,
        200,
        "it is good for the rest"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_sign_ins_beside_it_undo_nothing_and_guesses_are_counted_before_they_are_looked_at() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    rig.post("/api/v1/accounts", json!({ "name": "lan", "role": "technician" })).await.unwrap();
    let guess = |name: &str, from: String| {
        let body = Some(json!({ "name": name, "password": "wrong wrong wrong" }));
        let rig = &rig;
        async move { ask(rig, &from, &[], "/api/v1/session", body).await.0 }
    };
    // From many addresses at once, while an administrator decides.
    let guesses = futures_of((2..40).map(|n| guess("lan", format!("127.0.0.{n}"))));
    let decided = async {
        for body in [json!({ "role": "viewer" }), json!({ "disabled": true })] {
            ioc_collector::cli::ask(&rig.runtime(), "PATCH", "/api/v1/accounts/lan", Some(body)).await.unwrap();
        }
    };
    tokio::join!(guesses, decided);
    let accounts = rig.get("/api/v1/accounts").await.unwrap();
    let lan = accounts.as_array().unwrap().iter().find(|one| one["name"] == "lan").unwrap();
    assert!(lan["disabled"] == true && lan["role"] == "viewer", "{lan}");
    // From one address: five are looked at, for a name that is there and for one that is not.
    for name in ["admin", "nobody"] {
        let all = futures_of((0..20).map(|_| guess(name, "127.0.0.77".to_owned()))).await;
        let looked_at = all.iter().filter(|status| **status == 401).count();
        assert!(looked_at <= 5 && all.iter().all(|status| [401, 429, 503].contains(status)), "{name}: {all:?}");
    }
    admin(&rig).await;
}

async fn futures_of<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures_util::future::join_all(all).await
}
