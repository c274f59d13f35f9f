//! The agent's own directory: root follows nobody's links there, and an agent that cannot write it reports all the same.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::json;

use ioc_tests::harness::{Agent, Rig, binary, eventually};

/// The user that owns the state directory in these tests: nobody.
const USER: u32 = 65_534;

async fn token(rig: &Rig, device: &str) -> String {
    let about = json!({ "device": device, "kind": "server", "name": device });
    rig.post("/api/v1/tokens", about).await.unwrap()["token"].as_str().unwrap().to_owned()
}

/// Every file below a directory, with its content and owner.
fn inventory(dir: &Path) -> Vec<(String, Vec<u8>, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let about = entry.metadata().unwrap();
        let content = if about.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        found.push((entry.path().display().to_string(), content, about.uid()));
        if about.is_dir() {
            found.extend(inventory(&entry.path()));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn root_touches_nothing_that_the_services_user_links_to() {
    let mut rig = Rig::new("");
    fs::set_permissions(rig.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    rig.start().await.unwrap();
    let victim = rig.dir().join("victim");
    fs::create_dir_all(victim.join("1/sub")).unwrap();
    fs::create_dir_all(victim.join("2")).unwrap();
    for name in ["1/sub/precious", "2/key.pem", "shadow", "current", "epoch"] {
        fs::write(victim.join(name), format!("precious {name}")).unwrap();
    }
    let before = inventory(&victim);
    let agent = Agent::new(&rig.dir().join("host"), "").unwrap();
    let state = agent.dir().join("state");
    for (round, trap) in [
        "tls",
        "tls/1",
        "identity.json",
        "identity.tmp",
        "spool",
        "tls/current.new",
        "settings.json",
        ".doctor",
        "state",
    ]
    .into_iter()
    .enumerate()
    {
        let _ = fs::remove_dir_all(&state);
        fs::create_dir_all(&state).unwrap();
        chown(&state, Some(USER), Some(USER)).unwrap();
        agent.enrol(&rig.server(), &token(&rig, &format!("host-{round}")).await).await.unwrap();
        assert!(inventory(&state).iter().all(|(_, _, owner)| *owner == USER), "all of it is the owner's");
        // What the service's user can do there, it does.
        let path = state.join(trap);
        let to = if trap.contains('.') { victim.join("shadow") } else { victim.clone() };
        if trap == "state" {
            fs::remove_dir_all(&state).unwrap();
            symlink(&to, &state).unwrap();
            lchown(&state, Some(USER), Some(USER)).unwrap();
        } else {
            let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
            symlink(&to, &path).unwrap();
            lchown(&path, Some(USER), Some(USER)).unwrap();
        }
        let again = token(&rig, &format!("other-{round}")).await;
        let output =
            agent.command().args(["enrol", "--anew", "--server", &rig.server(), &again]).output().await.unwrap();
        assert_eq!(inventory(&victim), before, "{trap}: {output:?}");
        if trap.contains('.') {
            for args in [vec!["doctor"], vec!["check-config"]] {
                let _ = agent.command().args(args).output().await.unwrap();
            }
        }
        assert_eq!(inventory(&victim), before, "{trap}");
        let _ = fs::remove_file(&state);
    }
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn root_follows_no_link_in_the_collectors_directory_either() {
    let mut rig = Rig::new("");
    fs::set_permissions(rig.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    rig.start().await.unwrap();
    // What serves knows a signal, too.
    eventually("ready", || async { rig.get("/readyz").await.is_ok() }).await.unwrap();
    rig.stop().await.unwrap();
    let victim = rig.dir().join("precious");
    fs::write(&victim, "root's").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
    let data = rig.data();
    let given = Command::new("chown").arg("-R").arg(format!("{USER}:{USER}")).arg(&data).status().unwrap();
    assert!(given.success());
    let config = rig.dir().join("collector.toml");
    for args in [&["store", "check"][..], &["doctor"], &["prepare"], &["store", "recover"]] {
        for trap in ["lock", "commit-mark", "ioc-watch.db-wal", "ioc-watch.db-shm", "history.db-wal"] {
            let (path, kept) = (data.join(trap), data.join("kept"));
            let was_there = fs::rename(&path, &kept).is_ok();
            symlink(&victim, &path).unwrap();
            lchown(&path, Some(USER), Some(USER)).unwrap();
            let output =
                Command::new(binary("ioc-collector")).arg("--config").arg(&config).args(args).output().unwrap();
            assert_eq!(fs::read_to_string(&victim).unwrap(), "root's", "{args:?} {trap}: {output:?}");
            assert_eq!(victim.metadata().unwrap().uid(), 0, "{args:?} {trap}");
            let _ = fs::remove_file(&path);
            if was_there {
                fs::rename(&kept, &path).unwrap();
            }
        }
        // Without a trap it does its work, and what it makes is the owner's.
        let output = Command::new(binary("ioc-collector")).arg("--config").arg(&config).args(args).output().unwrap();
        assert!(args == ["doctor"] || output.status.success(), "{args:?}: {output:?}");
        assert!(inventory(&data).iter().all(|(_, _, owner)| *owner == USER), "{args:?}: {output:?}");
    }
}

/// A file system of its own, gone with this.
struct Mount<'d>(&'d Path);

impl Mount<'_> {
    fn remount(&self, how: &str) {
        let done =
            Command::new("mount").args(["-o", &format!("remount,{how}"), &self.0.display().to_string()]).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_disk_takes_nothing_starts_and_says_so() {
    let mut rig = Rig::new("");
    rig.hurry();
    rig.start().await.unwrap();
    let mut agent = rig.agent("broken", "[report]\ninterval = \"1s\"\n").await.unwrap();
    let state = agent.dir().join("state");
    let kept = rig.dir().join("kept");
    fs::rename(&state, &kept).unwrap();
    fs::create_dir(&state).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "none"]).arg(&state).status().unwrap();
    assert!(mounted.success(), "tests run as root");
    let mount = Mount(&state);
    assert!(Command::new("cp").arg("-a").arg(kept.join(".")).arg(&state).status().unwrap().success());
    let epoch = || fs::read_to_string(state.join("epoch")).unwrap_or_default();
    for how in ["full", "read-only"] {
        if how == "full" {
            let _ = Command::new("dd")
                .args(["if=/dev/zero", "bs=4k"])
                .arg(format!("of={}/filler", state.display()))
                .output();
        } else {
            mount.remount("ro");
        }
        let before = epoch();
        agent.start().unwrap();
        // This run, not the one before: an epoch that cannot be kept is the moment at which its run began.
        eventually("it reports", || async {
            agent.status().await.is_ok_and(|status| {
                status.connected && status.committed.epoch == status.taken.epoch && status.committed.seq > 3
            })
        })
        .await
        .unwrap();
        let status = agent.status().await.unwrap();
        assert!(status.state_error.is_some(), "{how}: {status:?}");
        assert_eq!(epoch(), before, "nothing could be kept");
        let epoch = status.taken.epoch;
        eventually("the fault stands", || async {
            let faults = rig.get("/api/v1/faults").await.unwrap();
            faults["items"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["rule"] == "agent-state-broken" && one["state"] == "raised")
        })
        .await
        .unwrap();
        agent.kill().await.unwrap();
        agent.start().unwrap();
        eventually("another epoch", || async {
            agent
                .status()
                .await
                .is_ok_and(|status| status.connected && status.committed.epoch > epoch && status.committed.seq > 2)
        })
        .await
        .unwrap_or_else(|error| panic!("{how}: {error}\n{}", agent.log()));
        agent.stop().await.unwrap();
        if how == "full" {
            fs::remove_file(state.join("filler")).unwrap();
        } else {
            mount.remount("rw");
        }
    }
    agent.start().unwrap();
    eventually("all is well", || async {
        agent.status().await.is_ok_and(|status| status.connected && status.state_error.is_none())
    })
    .await
    .unwrap();
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}
