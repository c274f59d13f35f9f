//! Settings that the collector gives to groups of agents: signed, applied or refused, and shown.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::{Rig, binary, eventually, send_signal};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

async fn settings_of(rig: &Rig, device: &str) -> Value {
    let all = rig.get("/api/v1/settings").await.unwrap();
    all["items"].as_array().unwrap().iter().find(|item| item["device"] == device).cloned().unwrap_or_default()
}

async fn stands(rig: &Rig, device: &str, how: &str) -> Value {
    eventually(how, || async { settings_of(rig, device).await["state"] == how }).await.unwrap();
    settings_of(rig, device).await
}

async fn reload(rig: &mut Rig, groups: &str) {
    rig.configure(|text| format!("{}# groups\n{groups}", text.split("# groups\n").next().unwrap()));
    send_signal(rig.pid(), "HUP").await.unwrap();
}

async fn interval(rig: &Rig, device: &str) -> Value {
    rig.get(&format!("/api/v1/devices/{device}")).await.unwrap()["interval_s"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_given_settings_and_each_agent_says_what_became_of_them() {
    let endpoint = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = endpoint.local_addr().unwrap().port();
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut agent = rig.agent("wall", "").await.unwrap();
    let mut closed = rig.agent("own", "[collector]\nsettings = false\n").await.unwrap();
    agent.start().unwrap();
    closed.start().unwrap();
    for device in ["wall", "own"] {
        eventually("it is live", || async {
            rig.get(&format!("/api/v1/devices/{device}")).await.unwrap()["state"] == "live"
        })
        .await
        .unwrap();
        assert_eq!(settings_of(&rig, device).await["state"], "none");
    }

    // A group, by reload: applied by one, refused by the one that takes none.
    let group = format!(
        "[[settings]]\nname = \"tất cả\"\ninterval = \"2s\"\nforbid = [\"usb\"]\nevery = {{ endpoints = \"10s\" }}\n\
         endpoint = [{{ name = \"cổng\", kind = \"tcp\", address = \"127.0.0.1:{port}\" }}]\n"
    );
    reload(&mut rig, &group).await;
    let applied = stands(&rig, "wall", "applied").await;
    assert_eq!((&applied["groups"], &applied["settings"]["interval"]), (&json!(["tất cả"]), &json!("2s")));
    let refused = stands(&rig, "own", "refused").await;
    assert!(refused["reported"]["why"].as_str().unwrap().contains("settings = false"), "{refused}");
    eventually("it samples as told", || async { interval(&rig, "wall").await == 2 }).await.unwrap();
    eventually("and reaches what it was told", || async {
        let documents = rig.get("/api/v1/devices/wall/documents").await.unwrap();
        let reach =
            documents.as_array().unwrap().iter().find(|one| one["name"] == "endpoints").cloned().unwrap_or_default();
        reach["doc"]["endpoints"][0]["name"] == "cổng" && reach["doc"]["endpoints"][0]["up"] == true
    })
    .await
    .unwrap();
    let status = agent.status().await.unwrap();
    assert!(status.settings.applied && !status.probes.iter().any(|one| one.probe == "usb"), "{status:?}");

    // A probe that this agent does not know: refused whole, and what was in use stays.
    reload(&mut rig, &group.replace("\"2s\"", "\"3s\"").replace("\"usb\"", "\"usbb\"")).await;
    let refused = stands(&rig, "wall", "refused").await;
    assert!(refused["reported"]["why"].as_str().unwrap().contains("usbb"), "{refused}");
    let config = rig.dir().join("collector.toml");
    let shown = Command::new(binary("ioc-collector")).arg("--config").arg(config).args(["device", "settings"]).output();
    let shown = String::from_utf8_lossy(&shown.await.unwrap().stdout).into_owned();
    assert!(shown.contains("usbb"), "the command line says why, too: {shown}");
    assert_eq!(interval(&rig, "wall").await, 2);

    // What lies on the agent's disk was changed there: it is not used, and given anew.
    agent.stop().await.unwrap();
    reload(&mut rig, &group).await;
    let kept = agent.dir().join("state/settings.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, text.replace("2s", "1s")).unwrap();
    agent.start().unwrap();
    eventually("it was refused", || async { agent.log().contains("settings of the collector are in use") })
        .await
        .unwrap();
    stands(&rig, "wall", "applied").await;
    let log = rig.get("/api/v1/audit?limit=200").await.unwrap().to_string();
    assert!(log.contains("settings.applied") && log.contains("settings.refused") && log.contains("signature"), "{log}");

    // A restart of both changes nothing; taking the group away does.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    stands(&rig, "wall", "applied").await;
    reload(&mut rig, "").await;
    stands(&rig, "wall", "none").await;
    eventually("it samples as its file says", || async { interval(&rig, "wall").await != 2 }).await.unwrap();
    agent.stop().await.unwrap();
    closed.stop().await.unwrap();
    rig.stop().await.unwrap();
}
