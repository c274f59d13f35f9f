//! What coming in costs: enrolments of machines and sign-ins of people, one after another. Few people: more would meet the limits.

use std::time::Duration;

use ioc_tests::harness::{Rig, binary};
use serde_json::json;
use tokio::time::Instant;

use super::cpu_ns;
use crate::figures::{Figure, Figures};

fn figures_of(what: &str, count: usize, took: Duration, cpu_ns: u64) -> [Figure; 3] {
    let count = count as f64;
    [
        Figure::new(format!("{what} a second"), count / took.as_secs_f64(), "/s"),
        Figure::new(format!("{what}, time each"), took.as_secs_f64() * 1000.0 / count, "ms"),
        Figure::new(format!("{what}, CPU each"), cpu_ns as f64 / 1e6 / count, "ms"),
    ]
}

pub(super) async fn run(figures: &mut Figures, machines: usize, sign_ins: usize) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    figures.measures(&binary("ioc-collector"));
    let (begun, before) = (Instant::now(), cpu_ns(rig.pid()));
    rig.enrol(machines).await?;
    println!("{machines} enrolments, 32 at a time; {sign_ins} sign-ins, one after another");
    figures.say(figures_of("enrolments", machines, begun.elapsed(), cpu_ns(rig.pid()) - before))?;
    let made = rig.post("/api/v1/accounts", json!({ "name": "lan", "role": "viewer" })).await?;
    let password = made["password"].as_str().unwrap_or_default().to_owned();
    let body = json!({ "name": "lan", "password": password });
    let (begun, before) = (Instant::now(), cpu_ns(rig.pid()));
    for _ in 0..sign_ins {
        ioc_collector::cli::ask(&rig.runtime(), "POST", "/api/v1/session", Some(body.clone())).await?;
    }
    figures.say(figures_of("sign-ins", sign_ins, begun.elapsed(), cpu_ns(rig.pid()) - before))
}
