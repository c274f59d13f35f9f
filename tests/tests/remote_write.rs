//! What comes in, handed on to Debian's own Prometheus and VictoriaMetrics.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use ioc_common::clock;
use ioc_tests::harness::{Rig, eventually, free_port};
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use ioc_tests::prometheus::{self, query_value, quiet};
use tokio::process::{Child, Command};

fn prometheus(dir: &Path, port: u16) -> Child {
    prometheus::start(dir, port, "global: {}\n")
}

fn victoria(dir: &Path, port: u16) -> Child {
    let mut command = Command::new("victoria-metrics");
    command.arg(format!("-storageDataPath={}", dir.join("data").display()));
    command.arg(format!("-httpListenAddr=127.0.0.1:{port}"));
    // It hides the newest half minute from queries unless it is told not to.
    command.arg("-search.latencyOffset=0s");
    quiet(command)
}

/// A machine that reports a sample as taken so long ago.
async fn report(link: &mut Link, machine: &mut Machine, hello: bool, age_ms: u64) {
    let mut bodies = vec![machine.sample()];
    if hello {
        bodies.insert(0, machine.hello(10, 30));
    }
    for body in bodies {
        let (position, kind, payload) = machine.seal(&body, clock::now(), age_ms);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
}

async fn lost(rig: &Rig) -> u64 {
    let output =
        Command::new("curl").args(["-ks", &format!("https://localhost:{}/metrics", rig.web)]).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.starts_with("ioc_remote_write_lost_total ")).unwrap().to_owned();
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_handed_on_and_waits_for_a_receiver_that_is_away() {
    for (name, start, late_is_taken) in
        [("prometheus", prometheus as fn(&Path, u16) -> Child, false), ("victoria", victoria, true)]
    {
        let port = free_port();
        let mut rig = Rig::new(&format!(
            "[prometheus]\nlabels = [\"kind\"]\n[remote_write]\nurl = \"http://127.0.0.1:{port}/api/v1/write\"\n"
        ));
        rig.start().await.unwrap();
        let identity = rig.enrol(1).await.unwrap().remove(0);
        let (mut link, known) = Link::open(&identity, 30).await.unwrap();
        let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
        let position = rig.data().join("remote-write.position");
        eventually("it begins with what comes from now on", || async { position.exists() }).await.unwrap();
        // Nobody is there yet.
        report(&mut link, &mut machine, true, 0).await;
        eventually("it was tried", || async { rig.log().contains("remote write fails; it is tried again") })
            .await
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let _receiver = start(dir.path(), port);
        let query = "count_over_time(iocw_cpu_busy[1h])";
        let count = || async { query_value(port, query).await[0]["value"][1].as_str().map(str::to_owned) };
        eventually(&format!("{name} has what waited"), || async { count().await.as_deref() == Some("1") })
            .await
            .unwrap();
        let disk = query_value(port, "iocw_fs_used_pct{subject=\"/var\"}").await;
        let of = &disk[0]["metric"];
        assert!(of["device"] == identity.device.as_str() && of["kind"] == "server", "{name}: {disk}");
        let known = rig.get(&format!("/api/v1/devices/{}", identity.device)).await.unwrap();
        let value: f64 = disk[0]["value"][1].as_str().unwrap().parse().unwrap();
        assert_eq!(known["values"]["fs.used_pct|/var"].as_f64(), Some(value), "{name}");

        // A restart sends nothing twice and leaves nothing out; what is late is taken or counted, and holds nothing up.
        rig.kill().await.unwrap();
        rig.start().await.unwrap();
        let (mut link, known) = Link::open(&identity, 30).await.unwrap();
        let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
        report(&mut link, &mut machine, true, 0).await;
        report(&mut link, &mut machine, false, 600_000).await;
        report(&mut link, &mut machine, false, 0).await;
        let wanted = if late_is_taken { "4" } else { "3" };
        eventually(&format!("{name} has the rest"), || async { count().await.as_deref() == Some(wanted) })
            .await
            .unwrap();
        assert_eq!(lost(&rig).await, u64::from(!late_is_taken), "{name}");
        rig.stop().await.unwrap();
    }
}
