//! What reading many Modbus units costs, and what a dead one costs its neighbours.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use ioc_common::clock;
use ioc_tests::harness::binary;
use ioc_tests::modbus;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::{cpu_ns, field_kib};
use crate::figures::{Figure, Figures};

/// Polls `units` units on one TCP gateway every second with the shipped program; the last one is dead when `dead`.
pub(super) async fn sensors(figures: &mut Figures, units: u8, time: Duration) -> anyhow::Result<()> {
    for dead in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let asked = Arc::new(AtomicU64::new(0));
        let last = Arc::new(Mutex::new(BTreeMap::<u8, (u64, u64)>::new()));
        let (counts, moments) = (Arc::clone(&asked), Arc::clone(&last));
        let place = move |unit: u8, function: u8, address: u16| {
            // It is silent, and each request to it costs its whole timeout.
            if dead && unit == units {
                return None;
            }
            if function == 4 && address == 2 {
                counts.fetch_add(1, Relaxed);
                let now = clock::boottime_us();
                if let Ok(mut moments) = moments.lock() {
                    let (at, longest) = moments.entry(unit).or_insert((now, 0));
                    *longest = (*longest).max(now - *at);
                    *at = now;
                }
            }
            Some(250)
        };
        let serving = tokio::spawn(modbus::serve(listener, Arc::new(place)));
        let dir = tempfile::tempdir()?;
        let config = dir.path().join("agent.toml");
        let each = (1..=units)
            .map(|unit| format!("[[modbus.unit]]\nname = \"unit-{unit}\"\nnumber = {unit}\nprofile = \"xy-md02\"\n"));
        std::fs::write(
            &config,
            format!("[[modbus]]\ntcp = \"127.0.0.1:{port}\"\nevery = \"1s\"\n{}", each.collect::<String>()),
        )?;
        let agent = binary("ioc-agent");
        let mut child = Command::new(agent.with_file_name("ioc-agent-survey"))
            .arg("--config")
            .arg(&config)
            .arg("sensors")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().context("no process")?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        figures.measures(&agent);
        let (cpu, count) = (cpu_ns(pid), asked.load(Relaxed));
        if let Ok(mut last) = last.lock() {
            last.values_mut().for_each(|(_, longest)| *longest = 0);
        }
        tokio::time::sleep(time).await;
        let spent = (cpu_ns(pid) - cpu) as f64 / 1e9 / time.as_secs_f64() * 100.0;
        let polls = (asked.load(Relaxed) - count) as f64 / time.as_secs_f64();
        let longest = last.lock().ok().and_then(|last| last.values().map(|(_, longest)| *longest).max()).unwrap_or(0);
        println!("{units} units on one TCP gateway at 1 s{}", if dead { ", one of them dead" } else { "" });
        let what = |what: &str| format!("{units} units{}: {what}", if dead { ", one dead" } else { "" });
        figures.say([
            Figure::new(what("CPU"), spent, "% of a core").most(1.0),
            Figure::new(what("polls"), polls, "/s"),
            Figure::new(what("memory"), field_kib(pid, "smaps_rollup", "Pss:") as f64, "KiB"),
            Figure::new(what("longest between two polls of a unit"), longest as f64 / 1e6, "s").most(1.1),
        ])?;
        child.kill().await?;
        serving.abort();
    }
    Ok(())
}
