//! Machines come in: tokens for many, assets that are registered before, and a person's word.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Stdio;
use std::time::Duration;

use ioc_common::clock;
use ioc_tests::harness::{Agent, Rig, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use serde_json::{Value, json};
use tokio::process::Child;

const TABLE: &str = "\u{feff}Tên;Loại;Nhãn tài sản;Nơi đặt;Cán bộ;Nhóm\r\n\
                     Máy chủ hồ sơ;Máy chủ;TS-0001;Phòng máy;Lê Văn Tám;core\r\n\
                     Máy trạm trực ban;Máy trạm;TS-0002;Phòng trực;;\r\n";

/// A host that asks to come in.
fn asking(agent: &Agent, rig: &Rig, token: &str, more: &[&str]) -> Child {
    let mut command = agent.command();
    command.arg("enrol").args(["--server", &rig.server()]).args(more).arg(token);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn came_in(child: Child) -> (bool, String) {
    let output = tokio::time::timeout(Duration::from_secs(120), child.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

async fn token(rig: &Rig, about: Value) -> String {
    rig.post("/api/v1/tokens", about).await.unwrap()["token"].as_str().unwrap().to_owned()
}

fn host(rig: &Rig, name: &str) -> Agent {
    Agent::new(&rig.dir().join(name), "[report]\ninterval = \"1s\"\n").unwrap()
}

async fn waiting(rig: &Rig) -> Vec<Value> {
    rig.get("/api/v1/enrolments").await.unwrap().as_array().unwrap().clone()
}

async fn import(rig: &Rig, table: &str, check: bool) -> Result<Value, String> {
    let path = format!("/api/v1/devices/import?check={check}");
    let answer = ioc_collector::cli::send(&rig.runtime(), "POST", &path, "text/csv", table.to_owned()).await;
    answer.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_machines_come_in_with_one_token_and_assets_are_known_by_their_labels() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    // A faulty table changes nothing and names every line.
    let faults = import(&rig, &TABLE.replace("Máy trạm;TS-0002", "toaster;TS-0001"), false).await.unwrap_err();
    assert!(faults.contains("line 3") && faults.contains("toaster"), "{faults}");
    assert_eq!(import(&rig, TABLE, true).await.unwrap(), json!({ "assets": 2, "changed": null }));
    assert_eq!(rig.get("/api/v1/devices").await.unwrap()["items"], json!([]));
    assert_eq!(import(&rig, TABLE, false).await.unwrap(), json!({ "assets": 2, "changed": 2 }));
    assert_eq!(import(&rig, TABLE, false).await.unwrap()["changed"], 0, "the same table again changes nothing");

    let many = token(&rig, json!({ "group": true, "kind": "server", "uses": 2, "purpose": "Phòng máy" })).await;
    let mut first = host(&rig, "first");
    let (good, said) = came_in(asking(&first, &rig, &many, &["--label", "ts-0001"])).await;
    assert!(good && said.contains("ts-0001"), "{said}");
    first.start().unwrap();
    eventually("the asset reports", || async {
        let device = rig.get("/api/v1/devices/ts-0001").await.unwrap_or_default();
        device["state"] == "live" && device["name"] == "Máy chủ hồ sơ" && device["officer"] == "Lê Văn Tám"
    })
    .await
    .unwrap();
    let (good, said) = came_in(asking(&host(&rig, "wrong"), &rig, &many, &["--label", "TS-9999"])).await;
    assert!(!good && said.contains("TS-9999") && said.contains("register it first"), "{said}");

    // This very machine under its own name: the same hardware as the first, so a person has to say.
    let second = host(&rig, "second");
    let asks = asking(&second, &rig, &many, &[]);
    eventually("it waits", || async { waiting(&rig).await.len() == 1 }).await.unwrap();
    let request = waiting(&rig).await.remove(0);
    assert_eq!(request["reasons"], json!([{ "why": "machine", "device": "ts-0001" }]), "{request}");
    let path = format!("/api/v1/enrolments/{}", request["id"].as_str().unwrap());
    let faulty = json!({ "approve": true, "device": { "device": "a b", "kind": "server", "name": "x" } });
    assert!(rig.post(&path, faulty).await.unwrap_err().to_string().contains("422"));
    let device = json!({ "device": "srv-new", "kind": "server", "name": "Máy chủ mới" });
    rig.post(&path, json!({ "approve": true, "device": device })).await.unwrap();
    let (good, said) = came_in(asks).await;
    assert!(good && said.contains("waits until a person approves") && said.contains("srv-new"), "{said}");
    assert!(waiting(&rig).await.is_empty());

    // It was good for two.
    let (good, said) = came_in(asking(&host(&rig, "third"), &rig, &many, &[])).await;
    assert!(!good && said.contains("has been used"), "{said}");
    let tokens = rig.get("/api/v1/tokens").await.unwrap();
    assert_eq!((&tokens["items"][0]["uses"], &tokens["items"][0]["uses_max"]), (&json!(2), &json!(2)), "{tokens}");
    assert!(!tokens.to_string().contains("iocw1."), "the secret is not kept");
    first.stop().await.unwrap();
    rig.stop().await.unwrap();
}

/// A workbook as a spreadsheet writes it (openpyxl), from lines of cells.
async fn workbook(path: &std::path::Path, lines: &Value) {
    let script = "import sys, json, openpyxl\n\
                  book = openpyxl.Workbook()\n\
                  [book.active.append(line) for line in json.loads(sys.argv[2])]\n\
                  book.save(sys.argv[1])";
    let python = ioc_tests::harness::python();
    let done =
        tokio::process::Command::new(python).args(["-c", script]).arg(path).arg(lines.to_string()).status().await;
    assert!(done.unwrap().success(), "scripts/test installs openpyxl");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_register_comes_in_as_a_workbook() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let bring = |file: &str| {
        let mut command = tokio::process::Command::new(ioc_tests::harness::binary("ioc-collector"));
        command.arg("--config").arg(rig.dir().join("collector.toml"));
        command.args(["device", "import"]).arg(rig.dir().join(file));
        async move {
            let output = command.output().await.unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            (output.status.success(), said)
        }
    };
    let heads = json!(["Tên", "Loại", "Nhãn tài sản", "Nơi đặt"]);
    let lines =
        json!([heads, ["Máy chủ hồ sơ", "Máy chủ", 1001, "Phòng máy/Tủ 1"], ["Máy trạm", "Máy trạm", "TS-2", ""]]);
    workbook(&rig.dir().join("good.xlsx"), &lines).await;
    let (good, said) = bring("good.xlsx").await;
    assert!(good && said.contains("2 assets") && said.contains("2 new"), "{said}");
    let found = rig.get("/api/v1/devices?search=hồ%20sơ").await.unwrap();
    let asset = &found["items"][0];
    assert_eq!((&asset["label"], &asset["place"]), (&json!("1001"), &json!("Phòng máy/Tủ 1")), "{found}");
    workbook(&rig.dir().join("bad.xlsx"), &json!([heads, ["Máy 3", "toaster", "TS-3", ""]])).await;
    let (good, said) = bring("bad.xlsx").await;
    assert!(!good && said.contains("line 2") && said.contains("toaster"), "{said}");
    std::fs::write(rig.dir().join("broken.xlsx"), b"PK\x03\x04nonsense").unwrap();
    let (good, said) = bring("broken.xlsx").await;
    assert!(!good && said.contains("mend: save it as XLSX or CSV"), "{said}");
    assert_eq!(rig.get("/api/v1/devices").await.unwrap()["items"].as_array().unwrap().len(), 2);
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_machine_is_told_and_an_ended_token_is_no_good() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let about = json!({ "group": true, "kind": "workstation", "uses": 5, "approve": true });
    let many = token(&rig, about).await;
    let asks = asking(&host(&rig, "one"), &rig, &many, &[]);
    eventually("it waits", || async { waiting(&rig).await.len() == 1 }).await.unwrap();
    let request = waiting(&rig).await.remove(0);
    assert_eq!(request["reasons"][0]["why"], "asked");
    // A collector that restarts keeps the queue, and the machine its patience.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    assert_eq!(waiting(&rig).await.len(), 1);
    let path = format!("/api/v1/enrolments/{}", request["id"].as_str().unwrap());
    rig.post(&path, json!({ "approve": false })).await.unwrap();
    let (good, said) = came_in(asks).await;
    assert!(!good && said.contains("refused this machine"), "{said}");
    assert!(rig.get("/api/v1/devices").await.unwrap()["items"].as_array().unwrap().is_empty());

    let tokens = rig.get("/api/v1/tokens").await.unwrap();
    let path = format!("/api/v1/tokens/{}", tokens["items"][0]["digest"].as_str().unwrap());
    ioc_collector::cli::ask(&rig.runtime(), "DELETE", &path, None).await.unwrap();
    let (good, said) = came_in(asking(&host(&rig, "two"), &rig, &many, &[])).await;
    assert!(!good && said.contains("was ended"), "{said}");
    let log = rig.get("/api/v1/audit?limit=100").await.unwrap().to_string();
    for action in ["token.created", "enrolment.waits", "enrolment.refused", "token.ended"] {
        assert!(log.contains(action), "{action}");
    }
    rig.stop().await.unwrap();
}

/// A machine comes with an identity, as an agent does that finds that another one was here.
async fn come(identity: &Identity, seed: u64) -> anyhow::Result<()> {
    let (mut link, known) = Link::open(identity, 60).await?;
    let mut machine = Machine::new(identity.device.clone(), "server", seed, known, clock::now());
    let hello = machine.hello(10, 60);
    let (position, kind, payload) = machine.seal(&hello, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await?;
    link.committed(position).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_on_two_machines_is_kept_out_until_it_is_enrolled_anew() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identity = rig.enrol(1).await.unwrap().remove(0);
    for seed in [1, 2, 1] {
        come(&identity, seed).await.unwrap();
    }
    let _ = come(&identity, 2).await;
    assert!(Link::open(&identity, 60).await.is_err(), "two machines take turns");
    let told = rig.get("/api/v1/incidents?limit=10").await.unwrap();
    let told = &told["items"][0];
    assert_eq!(told["title"]["en"], "Identity on two machines", "{told}");
    assert!(told["advice"]["vi"].as_str().unwrap().contains("đăng ký lại"), "{told}");
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    assert!(Link::open(&identity, 60).await.is_err(), "a restart forgets nothing");

    // A person says that the copy is gone; and once more, when it was not.
    let release = format!("/api/v1/devices/{}/release", identity.device);
    rig.post(&release, json!({})).await.unwrap();
    assert!(rig.post(&release, json!({})).await.is_err());
    for seed in [1, 2, 1] {
        come(&identity, seed).await.unwrap();
    }
    let _ = come(&identity, 2).await;
    assert!(Link::open(&identity, 60).await.is_err());

    // Whoever is enrolled anew comes in, whoever has the old certificate does not; nor when another machine takes its place.
    let mut holder = identity;
    for _ in 0..2 {
        let device = holder.device.as_str();
        let known = rig.get(&format!("/api/v1/devices/{device}")).await.unwrap();
        let again = token(&rig, json!({ "device": device, "label": "TS-7" })).await;
        let anew = Identity::enrol_with(&rig.server(), &again, "server").await.unwrap();
        let now = rig.get(&format!("/api/v1/devices/{device}")).await.unwrap();
        assert!(now["label"] == "TS-7" && now["name"] == known["name"] && known["name"].is_string(), "{now}");
        come(&anew, 1).await.unwrap();
        assert!(Link::open(&holder, 60).await.is_err());
        holder = anew;
    }
    assert_eq!(rig.get("/api/v1/incidents?limit=10").await.unwrap()["items"][0]["state"], "resolved");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_agent_takes_its_new_identity_by_itself_and_loses_nothing() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut agent = rig.agent("srv", "[report]\ninterval = \"1s\"\n").await.unwrap();
    agent.start().unwrap();
    let samples = || async { rig.get("/api/v1/devices/srv").await.unwrap()["watermark"]["seq"].as_u64().unwrap_or(0) };
    eventually("it reports", || async { samples().await > 3 }).await.unwrap();
    let again = token(&rig, json!({ "device": "srv" })).await;
    // By mistake a token without --anew changes nothing.
    let (good, said) = came_in(asking(&agent, &rig, &again, &[])).await;
    assert!(!good && said.contains("--anew"), "{said}");
    let (before, pid) = (samples().await, agent.pid());
    let (good, said) = came_in(asking(&agent, &rig, &again, &["--anew"])).await;
    assert!(good && said.contains("enrolled as srv"), "{said}");
    eventually("it reports on, in the same order", || async { samples().await > before + 3 }).await.unwrap();
    assert_eq!(agent.pid(), pid);
    let device = rig.get("/api/v1/devices/srv").await.unwrap();
    assert!(device["state"] == "live" && device["faults"].as_array().unwrap().is_empty(), "{device}");

    // As another device: what waits is not that one's to report, and is put aside.
    agent.stop().await.unwrap();
    let other = token(&rig, json!({ "device": "other", "kind": "server", "name": "Máy khác" })).await;
    std::fs::create_dir_all(agent.dir().join("state/spool")).unwrap();
    let (good, said) = came_in(asking(&agent, &rig, &other, &["--anew"])).await;
    assert!(good && said.contains("enrolled as other"), "{said}");
    assert!(agent.dir().join("state/spool.of-srv").exists() && !agent.dir().join("state/spool").exists());
    agent.start().unwrap();
    eventually("it reports as the other", || async {
        rig.get("/api/v1/devices/other").await.unwrap()["state"] == "live"
    })
    .await
    .unwrap();
    agent.stop().await.unwrap();
    rig.stop().await.unwrap();
}
