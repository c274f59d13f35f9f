//! Accounts over the real collector: what a token may never do, nor a session without a second factor, and what stands beside wrong
//! sign-ins.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use ioc_tests::harness::{Rig, binary};
use ioc_tests::second_factor::{self, set_up, set_up_and_show};
use serde_json::{Value, json};
use tokio::process::Command;

/// Status and body of one request; `from` is the address that it comes from.
async fn ask(rig: &Rig, from: &str, how: &[&str], path: &str, body: Option<Value>) -> (u16, String) {
    let mut command = Command::new("curl");
    command.args(["-4ks", "--interface", from, "-w", "\n%{http_code}"]).args(how);
    if let Some(body) = body {
        command.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
    }
    let output = command.arg(format!("https://localhost:{}{path}", rig.web)).output().await.unwrap();
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
    set_up_and_show(&rig, Path::new(&jar), &password).await;
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
        ("DELETE", "/api/v1/accounts/lan/second-factor", json!({})),
        ("POST", "/api/v1/account/password", json!({ "present": password, "new": "a new long password" })),
        ("POST", "/api/v1/account/second-factor", json!({ "action": "start" })),
        ("POST", "/api/v1/account/tokens", json!({ "label": "next", "role": "administrator", "days": 300 })),
        ("POST", "/api/v1/session/confirm", json!({ "password": password })),
    ] {
        let (status, text) = ask(&rig, "127.0.0.1", &["-X", method, "-H", &bearer], path, Some(body)).await;
        assert_eq!(status, 403, "{method} {path}: {text}");
    }
    for path in ["/accounts", "/accounts/lan", "/account/tokens", "/account/second-factor", "/account/password"] {
        let form = [
            "-H",
            &bearer,
            "-d",
            "action=reset&name=mine&role=administrator&places=&full_name=&label=x&days=9&present=x&new=y",
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

/// Every change of accounts that the API and the pages have: what is asked, and what the answer is where it is done.
fn changes(name: &str) -> Vec<(&'static str, String, Value, u16)> {
    let of = |path: &str| format!("/api/v1/accounts/{name}{path}");
    vec![
        ("POST", "/api/v1/accounts".to_owned(), json!({ "name": format!("{name}-too"), "role": "administrator" }), 201),
        ("PATCH", of(""), json!({ "role": "technician" }), 204),
        ("PATCH", of(""), json!({ "places": ["Tầng 2"] }), 204),
        ("PATCH", of(""), json!({ "full_name": "Lan" }), 204),
        ("PATCH", of(""), json!({ "disabled": true }), 204),
        ("PATCH", of(""), json!({ "disabled": false }), 204),
        ("POST", of("/reset"), json!({}), 200),
        ("DELETE", of("/second-factor"), json!({}), 204),
        ("POST", "/api/v1/account/tokens".to_owned(), json!({ "label": "x", "role": "viewer", "days": 1 }), 201),
    ]
}

/// The same by the forms of the pages.
fn forms(name: &str) -> Vec<(String, String)> {
    let of = |fields: &str| (format!("/accounts/{name}"), fields.to_owned());
    vec![
        ("/accounts".to_owned(), format!("name={name}-by-page&full_name=&role=administrator&places=")),
        of("action=role&role=leader&places="),
        of("action=disable"),
        of("action=enable"),
        of("action=reset"),
        of("action=remove-second-factor"),
        ("/account/tokens".to_owned(), "label=x&role=viewer&days=1".to_owned()),
    ]
}

/// Tries every change; each is refused for this reason.
async fn all_refused(rig: &Rig, jar: &str, kind: &str) {
    let before = rig.get("/api/v1/accounts").await.unwrap();
    for (method, path, body, _) in changes("lan") {
        let (status, text) = ask(rig, "127.0.0.1", &["-b", jar, "-X", method], &path, Some(body)).await;
        assert!(status == 403 && text.contains(&format!("urn:ioc-watch:{kind}")), "{method} {path}: {status} {text}");
    }
    for (path, fields) in forms("lan") {
        let (status, page) = ask(rig, "127.0.0.1", &["-b", jar, "-d", &fields], &path, None).await;
        if kind == "confirm" {
            assert_eq!(status, 303, "{path} {fields}: {page}");
        } else {
            assert!(
                status == 409 && page.contains("href=\"/account#second-factor\""),
                "{path} {fields}: {status} {page}"
            );
            assert!(page.contains("Chỉ người đã bật xác thực hai lớp"), "{page}");
        }
    }
    assert_eq!(rig.get("/api/v1/accounts").await.unwrap(), before, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_without_a_second_factor_changes_no_account_and_is_led_to_set_one_up() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    rig.post("/api/v1/accounts", json!({ "name": "lan", "role": "viewer" })).await.unwrap();
    let (jar, password) = admin(&rig).await;
    let (_, page) = ask(&rig, "127.0.0.1", &["-b", &jar], "/", None).await;
    assert!(page.contains("bạn chưa bật") && page.contains("href=\"/account#second-factor\""), "told at once: {page}");
    all_refused(&rig, &jar, "no-second-factor").await;

    // Set up by the password alone; a session from before has to show it, this one and others.
    let other = rig.dir().join("other.jar");
    second_factor::sign_in(&rig, &other, "admin", &password).await;
    let second = set_up(&rig, Path::new(&jar)).await;
    let (_, page) = ask(&rig, "127.0.0.1", &["-b", &jar], "/", None).await;
    assert!(!page.contains("bạn chưa bật"), "{page}");
    for jar in [&jar, &other.display().to_string()] {
        all_refused(&rig, jar, "confirm").await;
        let shown = Some(json!({ "password": password }));
        let (status, text) = ask(&rig, "127.0.0.1", &["-b", jar], "/api/v1/session/confirm", shown).await;
        assert!(status == 401 && text.contains("code"), "the password alone is not enough: {status} {text}");
    }
    let shown = Some(json!({ "password": password, "code": second.recovery[0] }));
    assert_eq!(ask(&rig, "127.0.0.1", &["-b", &jar], "/api/v1/session/confirm", shown).await.0, 204);
    for (method, path, body, done) in changes("lan") {
        let (status, text) = ask(&rig, "127.0.0.1", &["-b", &jar, "-X", method], &path, Some(body)).await;
        assert_eq!(status, done, "{method} {path}: {text}");
    }
    for (path, fields) in forms("lan") {
        let (status, page) = ask(&rig, "127.0.0.1", &["-b", &jar, "-d", &fields], &path, None).await;
        assert!([200, 303].contains(&status) && !page.contains("role=\"alert\""), "{path} {fields}: {status} {page}");
    }
    all_refused(&rig, &other.display().to_string(), "confirm").await;
    // Whoever signs in by both needs not show them again.
    let (status, text) = sign_in_with(&rig, &other, &password, &second.recovery[1]).await;
    assert_eq!(status, 204, "{text}");
    let other = other.display().to_string();
    let (status, text) =
        ask(&rig, "127.0.0.1", &["-b", &other, "-X", "POST"], "/api/v1/accounts/lan/reset", None).await;
    assert_eq!(status, 200, "{text}");
    // A token is made and ended by the same rule; what was shown of a second factor ends with it.
    let (_, page) = ask(&rig, "127.0.0.1", &["-b", &other], "/account", None).await;
    let of_token = page.split("<b>Mã</b>").nth(1).and_then(|rest| rest.split("/account/sessions/").nth(1)).unwrap();
    let end = format!("/account/sessions/{}", of_token.split('"').next().unwrap());
    let body = Some(json!({ "action": "off", "code": second.recovery[2] }));
    assert_eq!(ask(&rig, "127.0.0.1", &["-b", &other], "/api/v1/account/second-factor", body).await.0, 200);
    let (status, page) = ask(&rig, "127.0.0.1", &["-b", &other, "-X", "POST"], &end, None).await;
    assert!(status == 409 && page.contains("#second-factor"), "{status} {page}");
    all_refused(&rig, &other, "no-second-factor").await;
    set_up(&rig, Path::new(&other)).await;
    all_refused(&rig, &other, "confirm").await;
    assert_eq!(ask(&rig, "127.0.0.1", &["-b", &other, "-X", "POST"], &end, None).await.0, 303);
    assert!(ask(&rig, "127.0.0.1", &["-b", &other], "/account", None).await.1.contains(&end), "it is still there");
    rig.stop().await.unwrap();
}

async fn sign_in_with(rig: &Rig, jar: &Path, password: &str, code: &str) -> (u16, String) {
    let body = Some(json!({ "name": "admin", "password": password, "code": code }));
    ask(rig, "127.0.0.1", &["-c", &jar.display().to_string()], "/api/v1/session", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_is_the_way_back_for_who_lost_password_and_second_factor() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (jar, password) = admin(&rig).await;
    set_up(&rig, Path::new(&jar)).await;
    let account = async |words: &[&str]| {
        let config = rig.dir().join("collector.toml");
        let output =
            Command::new(binary("ioc-collector")).arg("--config").arg(config).arg("account").args(words).output();
        let output = output.await.unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(sign_in_with(&rig, Path::new(&jar), &password, "").await.0, 401);
    account(&["remove-second-factor", "admin"]).await;
    assert_eq!(ask(&rig, "127.0.0.1", &["-b", &jar], "/api/v1/devices", None).await.0, 401, "their sessions end");
    let password = account(&["reset", "admin"]).await;
    assert_eq!(sign_in_with(&rig, Path::new(&jar), &password, "").await.0, 204);
    account(&["add", "lan", "--role", "administrator"]).await;
    account(&["disable", "admin"]).await;
    assert_eq!(sign_in_with(&rig, Path::new(&jar), &password, "").await.0, 401);
    account(&["enable", "admin"]).await;
    assert_eq!(sign_in_with(&rig, Path::new(&jar), &password, "").await.0, 204);
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(log.contains("account.second_removed") && log.contains("local:"), "{log}");
    rig.stop().await.unwrap();
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
