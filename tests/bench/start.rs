//! Start: how long it takes until the collector answers, with a store of many devices that was made by commits; a tenth are sensors of
//! gateways.

use std::path::Path;

use ioc_common::clock;
use ioc_common::id::DeviceId;
use ioc_common::report::{Body, Position};
use ioc_judge::{DeviceInfo, DeviceKind, Presence};
use ioc_store::{Change, history};
use ioc_tests::harness::Rig;
use ioc_tests::machine::Machine;
use tokio::time::Instant;

/// Devices in one commit.
const AT_ONCE: usize = 500;
/// Of so many devices one is a gateway, and those after it …
const GATEWAY_EVERY: usize = 100;
/// … are its sensors, so many.
const SENSORS: usize = 10;
/// How often it is started.
const TIMES: usize = 3;

pub(super) async fn run(devices: usize) -> anyhow::Result<()> {
    let mut rig = Rig::new("");
    rig.start().await?;
    rig.stop().await?;
    let began = Instant::now();
    fill(&rig.data(), devices)?;
    println!("{devices} devices written in {:.1} s", began.elapsed().as_secs_f64());
    for _ in 0..TIMES {
        let began = Instant::now();
        rig.start().await?;
        let started = began.elapsed();
        let memory_kib = super::field_kib(rig.pid(), "smaps_rollup", "Pss:");
        let began = Instant::now();
        rig.stop().await?;
        println!(
            "it answers after {:.2} s, PSS {} MiB; it stops within {:.2} s",
            started.as_secs_f64(),
            memory_kib / 1024,
            began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

fn fill(data: &Path, devices: usize) -> anyhow::Result<()> {
    let mut store = ioc_store::open(data)?;
    let numbers: Vec<usize> = (0..devices).collect();
    for some in numbers.chunks(AT_ONCE) {
        let mut changes = Vec::new();
        for number in some {
            device(*number, &mut changes)?;
        }
        store.commit(&changes)?;
    }
    store.close()?;
    Ok(())
}

fn device(number: usize, changes: &mut Vec<Change>) -> anyhow::Result<()> {
    let (id, at) = (DeviceId::new(&format!("sim-{number:05}"))?, clock::now());
    let is_sensor = (1..=SENSORS).contains(&(number % GATEWAY_EVERY));
    let mut machine = Machine::new(id.clone(), "server", number as u64, Position::default(), at);
    let Body::Hello(hello) = machine.hello(10, 30) else { anyhow::bail!("a machine says hello") };
    let layout = hello.layout.clone();
    let mut info = DeviceInfo::new(id.clone(), DeviceKind::Server, format!("Sim {number:05}"));
    let mut body = serde_json::to_value(&hello)?;
    if is_sensor {
        info.parent = Some(DeviceId::new(&format!("sim-{:05}", number / GATEWAY_EVERY * GATEWAY_EVERY))?);
        body["sensor"] = serde_json::json!({ "texts": { "ups.model": "a", "ups.serial": "b" } });
    }
    info.place = format!("Tầng {}, phòng {}", number % 20, number % 400);
    changes.push(Change::Device { info, at });
    changes.push(Change::Layout(layout.clone()));
    changes.push(Change::Hello {
        device: id.clone(),
        at,
        boot_id: if is_sensor { String::new() } else { format!("{number:08x}") },
        fingerprint: format!("fingerprint-{number}"),
        interval_s: 10,
        keep_alive_s: 30,
        body: body.to_string(),
    });
    let serial = format!("{number:032x}");
    let expires_at = at.plus_millis(90 * 86_400_000);
    changes.push(Change::Certificate { device: id.clone(), serial, at, expires_at, revoke_previous: false });
    changes.push(Change::Presence { device: id.clone(), presence: Presence::Live { since: at } });
    for seq in 1..=3 {
        let Body::Sample(sample) = machine.sample() else { anyhow::bail!("a machine samples") };
        let (row, layout, device) = (history::pack(&sample.v), layout.id(), id.clone());
        changes.push(Change::Sample { device, position: Position { epoch: 1, seq }, at, layout, row, newest: true });
    }
    let (position, last) = (Position { epoch: 1, seq: 3 }, Some(at));
    let (last_heard, last_sample, clock_error_ms) = (last, last, Some(0));
    changes.push(Change::Watermark { device: id, position, last_heard, last_sample, clock_error_ms });
    Ok(())
}
