//! A second factor as a person sets it up: with an authenticator app that is not ours (Python's own HMAC).

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::Rig;

/// What its owner has of it.
pub struct SecondFactor {
    /// For the app, in letters.
    pub secret: String,
    /// Codes to recover with that are left.
    pub recovery: Vec<String>,
}

/// The code that the app shows so many steps of half a minute from now.
///
/// # Panics
/// When there is no Python.
pub async fn code_of(secret: &str, steps_ahead: i64) -> String {
    let script = "import sys,time,hmac,struct,base64\n\
                  key=base64.b32decode(sys.argv[1])\n\
                  tag=hmac.new(key,struct.pack('>q',int(time.time())//30+int(sys.argv[2])),'sha1').digest()\n\
                  o=tag[-1]&15\n\
                  print('%06d'%((struct.unpack('>I',tag[o:o+4])[0]&0x7fffffff)%10**6))";
    let output = Command::new("python3").args(["-c", script, secret, &steps_ahead.to_string()]).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Asks the API as whoever has these cookies; panics where that is refused.
async fn asked(rig: &Rig, jar: &Path, path: &str, body: Value) -> Value {
    let mut command = Command::new("curl");
    command.args(["-ks", "--fail-with-body", "-H", "content-type: application/json", "-d", &body.to_string()]);
    command.arg("-b").arg(jar).arg("-c").arg(jar).arg(format!("https://localhost:{}{path}", rig.web));
    let output = command.output().await.expect("curl runs");
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// Signs in by the password alone.
///
/// # Panics
/// When the collector refuses.
pub async fn sign_in(rig: &Rig, jar: &Path, name: &str, password: &str) {
    asked(rig, jar, "/api/v1/session", json!({ "name": name, "password": password })).await;
}

/// Sets one up for whoever signed in a moment ago. Their session has not shown it yet.
///
/// # Panics
/// When the collector refuses.
pub async fn set_up(rig: &Rig, jar: &Path) -> SecondFactor {
    let path = "/api/v1/account/second-factor";
    let started = asked(rig, jar, path, json!({ "action": "start" })).await;
    let secret = started["secret"].as_str().expect("a secret").to_owned();
    let codes = asked(rig, jar, path, json!({ "action": "confirm", "code": code_of(&secret, 0).await })).await;
    let recovery = codes["recovery"].as_array().expect("codes").iter().filter_map(Value::as_str).map(str::to_owned);
    SecondFactor { secret, recovery: recovery.collect() }
}

/// Sets one up and shows it, so that accounts can be changed for a quarter of an hour.
///
/// # Panics
/// When the collector refuses.
pub async fn set_up_and_show(rig: &Rig, jar: &Path, password: &str) -> SecondFactor {
    let mut second = set_up(rig, jar).await;
    let code = second.recovery.remove(0);
    asked(rig, jar, "/api/v1/session/confirm", json!({ "password": password, "code": code })).await;
    second
}
