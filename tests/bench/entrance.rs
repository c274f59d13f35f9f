//! What coming in costs: enrolments of machines and sign-ins of people, one after another. Few people: more would meet the limits.

use std::time::Duration;

use ioc_tests::harness::Rig;
use serde_json::json;
use tokio::time::Instant;

use super::cpu_ns;

fn say(what: &str, count: usize, took: Duration, cpu_ns: u64) {
    println!(
        "{what:<28} {:>8.1} a second  {:>8.2} ms each  {:>8.2} ms CPU each",
        count as f64 / took.as_secs_f64(),
        took.as_secs_f64() * 1000.0 / count as f64,
        cpu_ns as f64 / 1e6 / count as f64,
    );
}

pub(super) async fn run(machines: usize, sign_ins: usize) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    let (begun, before) = (Instant::now(), cpu_ns(rig.pid()));
    rig.enrol(machines).await?;
    say("enrolments", machines, begun.elapsed(), cpu_ns(rig.pid()) - before);
    let made = rig.post("/api/v1/accounts", json!({ "name": "lan", "role": "viewer" })).await?;
    let password = made["password"].as_str().unwrap_or_default().to_owned();
    let body = json!({ "name": "lan", "password": password });
    let (begun, before) = (Instant::now(), cpu_ns(rig.pid()));
    for _ in 0..sign_ins {
        ioc_collector::cli::ask(&rig.runtime(), "POST", "/api/v1/session", Some(body.clone())).await?;
    }
    say("sign-ins", sign_ins, begun.elapsed(), cpu_ns(rig.pid()) - before);
    Ok(())
}
