//! The registers, on the running collector: assets (article 6.1) and software (9.1).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;

use ioc_collector::cli;
use ioc_common::clock;
use ioc_common::report::{Body, Facts, Hello};
use ioc_common::software::{Item, reports};
use ioc_tests::harness::{Rig, eventually, python};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use serde_json::{Value, json};

async fn patch(rig: &Rig, path: &str, body: Value) -> anyhow::Result<Value> {
    Ok(cli::ask(&rig.runtime(), "PATCH", path, Some(body)).await?)
}

/// A server with an agent that tells this serial number.
pub(crate) async fn reporting(rig: &Rig, device: &str, serial: &str) -> (Link, Machine) {
    let about =
        json!({ "device": device, "kind": "server", "name": "Máy chủ 1", "place": "Phòng máy", "label": "TS-01" });
    let identity = Identity::enrol(&rig.runtime(), &rig.server(), &about).await.unwrap();
    let (mut link, known) = Link::open(&identity, 60).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    let Body::Hello(hello) = machine.hello(10, 60) else { panic!("a hello") };
    let facts = Facts { serial: serial.to_owned(), ..hello.facts.clone() };
    let body = Body::Hello(Box::new(Hello { facts, ..*hello }));
    let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    assert_eq!(link.committed(position).await.unwrap().refused, None);
    (link, machine)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_asset_register_fills_itself_says_what_is_missing_and_what_a_person_answers_for() {
    let mut rig = Rig::new("[register]\ncomplete_within = \"0s\"\n");
    rig.start().await.unwrap();
    let _agent = reporting(&rig, "srv-1", "SN-9").await;
    let windows = json!({ "device": "win-1", "kind": "workstation", "name": "Máy trạm Windows" });
    rig.post("/api/v1/devices", windows).await.unwrap();
    let asset = async |id: &str| rig.get(&format!("/api/v1/assets/{id}")).await.unwrap();
    // What the agent found stands there, and says so.
    let server = asset("srv-1").await;
    assert_eq!(
        (&server["values"]["serial"]["value"], &server["values"]["serial"]["by"]),
        (&json!("SN-9"), &Value::Null)
    );
    assert!(!server["values"]["maker"]["value"].as_str().unwrap().is_empty(), "{server}");
    assert_eq!(server["blanks"], json!(["officer", "leader"]));
    // What is blank is a fault of the device that wakes nobody.
    let fault = async |id: &str| {
        let faults = rig.get("/api/v1/faults?active=true&limit=500").await.unwrap()["items"].clone();
        let all = faults.as_array().unwrap();
        all.iter().find(|one| one["rule"] == "register/blank" && one["device"] == id).cloned()
    };
    let blank = fault("srv-1").await.unwrap();
    assert_eq!(blank["title"]["vi"], "Hồ sơ tài sản còn thiếu (Điều 6.1)", "{blank}");
    assert_eq!((&blank["severity"], &blank["incident"]), (&json!("info"), &Value::Null), "{blank}");
    let fields = json!({ "officer": "Lê Thị Lan", "leader": "Trần Bình", "serial": "SN-7", "warranty_end": "09/02/2027",
        "zone": "DMZ", "switch_port": "sw-1 Gi1/0/12", "supplier": "=HYPERLINK(\"x\")" });
    patch(&rig, "/api/v1/assets/srv-1", json!({ "fields": fields })).await.unwrap();
    eventually("it is filled in", || async { fault("srv-1").await.is_none() }).await.unwrap();
    let server = asset("srv-1").await;
    assert_eq!(server["values"]["warranty_end"]["value"], "2027-02-09");
    let differs = &server["contradictions"][0];
    assert_eq!(
        (&differs["field"], &differs["said"]["value"], &differs["found"]["value"]),
        (&json!("serial"), &json!("SN-7"), &json!("SN-9"))
    );
    let work = async |name: &str| {
        let all = rig.get(&format!("/api/v1/assets?work={name}")).await.unwrap();
        all["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["device"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (work("contradiction").await, work("blank").await),
        (vec!["srv-1".to_owned()], vec!["win-1".to_owned()])
    );
    patch(&rig, "/api/v1/assets/srv-1", json!({ "keep": ["serial"] })).await.unwrap();
    assert!(work("contradiction").await.is_empty());
    // Several at once: all of it, or nothing.
    let both = |day: &str| json!({ "assets": [{ "device": "win-1", "fields": { "label": "TS-02" } }, { "device": "srv-1", "fields": { "bought": day } }] });
    let refused = patch(&rig, "/api/v1/assets", both("hôm qua")).await.unwrap_err().to_string();
    assert!(refused.contains("srv-1: bought: found \"hôm qua\""), "{refused}");
    assert_eq!(asset("win-1").await["values"].get("label"), None);
    patch(&rig, "/api/v1/assets", both("2024-05-06")).await.unwrap();
    // A person answers for the machine that no agent looks at, and that is counted.
    assert_eq!(work("unattested").await, ["win-1"]);
    let until = clock::now().plus_millis(86_400_000);
    for area in ["antivirus", "patches", "backups", "passwords"] {
        let word = json!({ "area": area, "good": true, "note": "biên bản 12, ảnh 3", "valid_until": until });
        rig.post("/api/v1/assets/win-1/attestations", word).await.unwrap();
    }
    assert!(work("unattested").await.is_empty());
    assert_eq!(asset("win-1").await["attestations"].as_array().unwrap().len(), 4);
    let counted = rig.get("/api/v1/assets/coverage").await.unwrap();
    assert_eq!(
        (&counted["assets"], &counted["labelled"], &counted["complete"]),
        (&json!(2), &json!(2), &json!(1)),
        "{counted}"
    );
    // Files: a formula is text in both, and a workbook opens.
    let csv = cli::text(&rig.runtime(), "/api/v1/assets.csv").await.unwrap();
    assert!(
        csv.starts_with('\u{feff}') && csv.contains("\"'=HYPERLINK(\"\"x\"\")\"") && csv.contains("Lê Thị Lan"),
        "{csv}"
    );
    let file = rig.dir().join("assets.xlsx");
    std::fs::write(&file, cli::bytes(&rig.runtime(), "/api/v1/assets.xlsx").await.unwrap()).unwrap();
    let read = read_workbook(&file).await;
    assert_eq!(read.len(), 3, "{read:?}");
    assert!(read[1].contains(&"TS-01".to_owned()) && read[1].contains(&"=HYPERLINK(\"x\")".to_owned()), "{read:?}");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(
        log.contains("asset.described") && log.contains("asset.attested") && log.contains("asset register"),
        "{log}"
    );
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let server = rig.get("/api/v1/assets/srv-1").await.unwrap();
    assert_eq!(server["values"]["zone"]["value"], "DMZ", "it stands over a restart");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_table_says_what_it_would_change_is_taken_in_whole_and_can_be_undone() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    for (device, label) in [("srv-1", "TS-01"), ("srv-2", "TS-02")] {
        let info = json!({ "device": device, "kind": "server", "name": device, "label": label });
        rig.post("/api/v1/devices", info).await.unwrap();
    }
    let import = async |check: bool, table: &str| {
        let path = format!("/api/v1/assets/import?check={check}");
        cli::send(&rig.runtime(), "POST", &path, "text/csv", table.to_owned()).await
    };
    let zone = async |id: &str| {
        rig.get(&format!("/api/v1/assets/{id}")).await.unwrap_or_default()["values"]["zone"]["value"].clone()
    };
    // What the register exports is what it takes: nothing changes.
    let exported = cli::text(&rig.runtime(), "/api/v1/assets.csv").await.unwrap();
    assert_eq!(import(true, &exported).await.unwrap(), json!({ "rows": [], "changed": null }));
    let faulty =
        import(false, "Nhãn tài sản\tNgày mua\nTS-01\t1/1/2024\nTS-02\thôm qua\n").await.unwrap_err().to_string();
    assert!(faulty.contains("row 3, column Ngày mua: bought: found \"hôm qua\""), "{faulty}");
    let table = "Nhãn tài sản\tTên\tLoại\tVùng mạng\nTS-01\t\t\tDMZ\nTS-03\tMáy in\tKhác\tLAN\n";
    let seen = import(true, table).await.unwrap();
    assert_eq!(seen["rows"][0]["changes"][0], json!({ "field": "zone", "old": "", "new": "DMZ" }), "{seen}");
    assert_eq!((&seen["rows"][1]["device"], &seen["rows"][1]["is_new"]), (&json!("ts-03"), &json!(true)), "{seen}");
    assert_eq!(zone("srv-1").await, Value::Null, "it was only looked at");
    assert_eq!(import(false, table).await.unwrap()["changed"], 2);
    assert_eq!((zone("srv-1").await, zone("ts-03").await), (json!("DMZ"), json!("LAN")));
    rig.post("/api/v1/assets/imports/1/undo", json!({})).await.unwrap();
    assert_eq!((zone("srv-1").await, zone("ts-03").await), (Value::Null, Value::Null));
    assert!(rig.get("/api/v1/assets/imports").await.unwrap()[0]["undone_at"].is_string());
    rig.post("/api/v1/assets/imports/1/undo", json!({})).await.unwrap_err();
    // A large one is taken in in pieces while others commit, and undone as one.
    let rows = (0..1_000).map(|n| format!("lon-{n},Máy {n},server,Phòng {},VNPT\n", n % 20));
    let large = std::iter::once("device,name,kind,place,supplier\n".to_owned()).chain(rows).collect::<String>();
    let beside = async {
        for n in 0..5 {
            rig.post("/api/v1/devices/srv-1/remarks", json!({ "text": format!("ghi chú {n}") })).await.unwrap();
        }
    };
    let (taken, ()) = tokio::join!(import(false, &large), beside);
    assert_eq!(taken.unwrap()["changed"], 1_000);
    let listed = async || rig.get("/api/v1/assets/imports").await.unwrap()[0].clone();
    assert_eq!((listed().await["rows"].clone(), listed().await["left"].clone()), (json!(1_000), json!(0)));
    rig.post("/api/v1/assets/imports/2/undo", json!({})).await.unwrap();
    assert_eq!(rig.get("/api/v1/assets/coverage").await.unwrap()["assets"], 2);
    // What a person wrote since of a machine that never reports, or vouched for, does not go with the table.
    let table = "Nhãn tài sản\tTên\tLoại\tVùng mạng\tNhà cung cấp\nTS-04\tTủ mạng 1\tKhác\tLAN\tVNPT\nTS-05\tMáy trạm 2\tMáy trạm\tLAN\tVNPT\nTS-06\tTủ mạng 3\tKhác\tLAN\tVNPT\n";
    assert_eq!(import(false, table).await.unwrap()["changed"], 3);
    patch(&rig, "/api/v1/assets/ts-04", json!({ "fields": { "officer": "Lê Thị Lan", "supplier": "FPT" } }))
        .await
        .unwrap();
    let until = clock::now().plus_millis(86_400_000);
    let word = json!({ "area": "backups", "good": true, "note": "biên bản 12", "valid_until": until });
    rig.post("/api/v1/assets/ts-05/attestations", word).await.unwrap();
    undone_as_it_was_shown(&rig).await;
    assert_eq!((zone("ts-04").await, zone("ts-05").await), (Value::Null, Value::Null));
    for (id, is_there) in [("ts-04", true), ("ts-05", true), ("ts-06", false)] {
        assert_eq!(rig.get(&format!("/api/v1/assets/{id}")).await.is_ok(), is_there, "{id}");
    }
    rig.stop().await.unwrap();
}

/// Undoes the third import by its page, which says before what is put back, what stays and what is taken out, and does nothing where that is other by then.
async fn undone_as_it_was_shown(rig: &Rig) {
    let rows = rig.get("/api/v1/assets/imports/3/undo").await.unwrap()["rows"].clone();
    let out: Vec<bool> = rows.as_array().unwrap().iter().map(|row| row["taken_out"] == true).collect();
    assert_eq!(out, [false, false, true], "{rows}");
    let change = |field: &str| {
        let changes = rows[0]["changes"].as_array().unwrap();
        changes.iter().find(|change| change["field"] == field).cloned().unwrap()
    };
    let (zone, supplier) = (change("zone"), change("supplier"));
    assert_eq!((&zone["now"], &zone["back"]), (&json!("LAN"), &json!("")), "{rows}");
    assert_eq!(
        (&supplier["brought"], &supplier["now"], &supplier["back"]),
        (&json!("VNPT"), &json!("FPT"), &Value::Null),
        "{rows}"
    );
    let path = "/register/assets/import/3/undo";
    let page = cli::text(&rig.runtime(), path).await.unwrap();
    for words in ["2 dòng được đưa về", "2 dòng có mục giữ nguyên", "1 thiết bị mới được gỡ", "FPT", "gỡ khỏi danh mục"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let shown = hidden(&page, path);
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    patch(rig, "/api/v1/assets/ts-05", json!({ "fields": { "supplier": "Viettel" } })).await.unwrap();
    let page = form(rig, path, &shown).await;
    assert!(page.contains("chưa hoàn tác gì") && page.contains("Viettel"), "{page}");
    let shown = hidden(&page[..page.len() - 3], path);
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(form(rig, path, &shown).await.ends_with("303"));
    let stays = async |id: &str| rig.get(&format!("/api/v1/assets/{id}")).await.unwrap()["values"]["supplier"].clone();
    assert_eq!((&stays("ts-04").await["value"], &stays("ts-05").await["value"]), (&json!("FPT"), &json!("Viettel")));
}

pub(crate) type Fields = Vec<(String, String)>;

/// What a form of a page would send: what is hidden in it, and nothing that is typed.
pub(crate) fn hidden(page: &str, action: &str) -> Fields {
    let wanted = format!("action=\"{action}\"");
    let form = page.split("<form ").skip(1).find(|form| form.split('>').next().unwrap().contains(&wanted));
    let form = form.unwrap_or_else(|| panic!("{action}: {page}")).split("</form>").next().unwrap();
    let attribute = |tag: &str, name: &str| {
        let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
        let text = rest.split('"').next()?;
        Some(text.replace("&quot;", "\"").replace("&#34;", "\"").replace("&amp;", "&").replace("&#38;", "&"))
    };
    let inputs = form.split("<input").skip(1).map(|tag| tag.split('>').next().unwrap());
    let kept = inputs.filter(|tag| tag.contains("type=\"hidden\""));
    kept.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))).collect()
}

/// A form as browsers send it, and the page that comes back.
#[allow(clippy::disallowed_methods, reason = "a test")]
pub(crate) async fn form(rig: &Rig, path: &str, fields: &[(&str, &str)]) -> String {
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET);
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-s", "-w", "%{http_code}", "--unix-socket"]).arg(socket);
    for (name, value) in fields {
        curl.args(["--data-urlencode", &format!("{name}={value}")]);
    }
    let output = curl.arg(format!("http://localhost{path}")).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_loses_what_was_typed_or_writes_over_what_somebody_else_wrote() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let info = json!({ "device": "win-1", "kind": "workstation", "name": "Máy trạm" });
    rig.post("/api/v1/devices", info).await.unwrap();
    // The attestation: refused in Vietnamese with the mend, and all of it is still there.
    let typed = [("area", "patches"), ("note", "xem ảnh 7"), ("valid_until", "2020-01-01T10:00"), ("bad", "1")];
    let page = form(&rig, "/register/assets/win-1/attestations", &typed).await;
    for words in ["400 ngày tới", "xem ảnh 7", "2020-01-01T10:00", "value=\"patches\" selected", "value=\"1\" checked"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(page.ends_with("409"), "{page}");
    // One row of the register, by two people.
    patch(&rig, "/api/v1/assets/win-1", json!({ "fields": { "zone": "DMZ" } })).await.unwrap();
    let second = [("zone", "LAN"), ("was-zone", ""), ("supplier", "VNPT"), ("was-supplier", "")];
    let page = form(&rig, "/register/assets/win-1", &second).await;
    for words in ["Người khác vừa ghi mục: Vùng mạng", "value=\"LAN\"", "value=\"VNPT\"", "Hiện nay: DMZ"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    let seen = [("zone", "LAN"), ("was-zone", "DMZ")];
    assert!(form(&rig, "/register/assets/win-1", &seen).await.ends_with("303"), "whoever has seen it may");
    // A report: a text that is too long leaves the other one in its field, also where its facts are not there.
    let report = "/reports/clause.2026-01-01.2026-03-31";
    let long = "á".repeat(20_001);
    let page = form(&rig, report, &[("do", "save"), ("overview", "Nhận xét của tôi"), ("outlook", &long)]).await;
    assert!(page.contains("Nhận xét của tôi") && page.contains(&long) && page.ends_with("409"), "{}", page.len());
    assert!(page.contains("nhiều nhất 20"), "in the reader's language");
    rig.stop().await.unwrap();
}

/// What the surveyor found on a machine that is kept as texts.
pub(crate) fn packages(machine: &str) -> Vec<Item> {
    let path = format!("{}/machines/{machine}.golden.json", env!("CARGO_MANIFEST_DIR"));
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    serde_json::from_value(golden["surveys"]["software"]["software"][0]["items"].clone()).unwrap()
}

pub(crate) async fn sends(
    link: &mut Link,
    machine: &mut Machine,
    old: Option<&[Item]>,
    mut items: Vec<Item>,
) -> Vec<Item> {
    items.sort();
    for report in reports(old, items.clone()) {
        let (position, kind, payload) = machine.seal(&Body::Software(report), clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        assert_eq!(link.committed(position).await.unwrap().refused, None);
    }
    items
}

/// Whether a bill of materials is one by the schema of CycloneDX 1.6, as the project's own library sees it.
#[allow(clippy::disallowed_methods, reason = "a test")]
async fn is_valid_cyclonedx(file: &std::path::Path) -> Result<(), String> {
    let script = "import sys\nfrom cyclonedx.schema import SchemaVersion\nfrom cyclonedx.validation.json import JsonStrictValidator\n\
                  error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())\n\
                  sys.exit(str(error)[:800] if error else 0)";
    let output = tokio::process::Command::new(python()).args(["-c", script]).arg(file).output().await.unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_become_software_whose_blanks_are_filled_in_bulk_and_what_is_not_allowed_is_a_fault() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (mut first, mut one) = reporting(&rig, "srv-1", "SN-1").await;
    let (mut second, mut other) = reporting(&rig, "srv-2", "SN-2").await;
    let mut items = packages("vm-debian-12");
    let nmap = Item {
        source: "dpkg".into(),
        name: "nmap:amd64".into(),
        version: "7.93".into(),
        licence: "NPSL".into(),
        ..Item::default()
    };
    items.push(nmap.clone());
    let sent = sends(&mut first, &mut one, None, items.clone()).await;
    sends(&mut second, &mut other, None, packages("server-rack-debian-12")).await;
    let product = async |key: &str| rig.get(&format!("/api/v1/software/product?key={key}")).await.unwrap_or_default();
    eventually("both are grouped", || async {
        product("apt").await["devices"] == 2 && product("nmap").await["devices"] == 1
    })
    .await
    .unwrap();
    // Packages are what people call software, with its version, purpose and licence.
    let database = product("postgresql").await;
    assert_eq!(
        (&database["name"], &database["versions"]),
        (&json!("PostgreSQL"), &json!(["15.8-0+deb12u1"])),
        "{database}"
    );
    assert_eq!(database["values"]["licence"], "PostgreSQL");
    assert_eq!(database["blanks"], json!(["scope", "owner"]), "{database}");
    let counted = rig.get("/api/v1/software/coverage").await.unwrap();
    assert!(counted["products"].as_u64().unwrap() < items.len() as u64 && counted["complete"] == 0, "{counted}");
    // The work list is filled in bulk: of all, or of none.
    let blank = rig.get("/api/v1/software?blank=true&limit=500").await.unwrap();
    let mut keys: Vec<String> =
        blank["items"].as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap().to_owned()).collect();
    assert_eq!(keys.len() as u64, counted["products"].as_u64().unwrap());
    let fields = json!({ "purpose": "Hệ điều hành", "scope": "Phòng máy", "owner": "Tổ vận hành", "licence": "GPL", "state": "approved" });
    keys.push("nothing".to_owned());
    patch(&rig, "/api/v1/software", json!({ "keys": keys, "fields": fields })).await.unwrap_err();
    keys.pop();
    patch(&rig, "/api/v1/software", json!({ "keys": keys, "fields": fields })).await.unwrap();
    let counted = rig.get("/api/v1/software/coverage").await.unwrap();
    assert_eq!((&counted["complete"], &counted["approved"]), (&counted["products"], &counted["products"]), "{counted}");
    // What is not allowed is a fault of the machine that has it, until it is gone.
    patch(&rig, "/api/v1/software", json!({ "keys": ["nmap"], "fields": { "state": "not_allowed" } })).await.unwrap();
    let incident = async || rig.get("/api/v1/incidents/1").await.unwrap_or_default();
    let opened = incident().await;
    assert_eq!(
        (&opened["device"], &opened["rule"], &opened["state"]),
        (&Value::Null, &json!("software/not-allowed/nmap"), &json!("open")),
        "{opened}"
    );
    assert!(opened["title"]["vi"].as_str().unwrap().ends_with("(Điều 9.1)"), "{opened}");
    let faults = rig.get("/api/v1/faults?active=true&limit=500").await.unwrap()["items"].to_string();
    assert!(
        faults.contains("\"incident\":1") && faults.contains("software/not-allowed"),
        "each machine stands under it: {faults}"
    );
    items.retain(|item| *item != nmap);
    sends(&mut first, &mut one, Some(&sent), items).await;
    eventually("it is gone", || async { incident().await["state"] == "resolved" }).await.unwrap();
    let gone = product("nmap").await;
    assert!(gone["devices"] == 0 && gone["machines"][0]["gone_at"].is_string(), "{gone}");
    let all = rig.get("/api/v1/software?limit=500").await.unwrap().to_string();
    assert!(!all.contains("\"nmap\""), "what is gone everywhere is listed only where that is asked for");
    a_table_of_software_is_taken_in_and_undone(&rig).await;
    // Files: seven columns, and bills of materials that are valid.
    let csv = cli::text(&rig.runtime(), "/api/v1/software.csv").await.unwrap();
    assert!(csv.contains("PostgreSQL,Hệ điều hành,Phòng máy,Tổ vận hành,GPL,15.8-0+deb12u1,1 máy"), "{csv}");
    let file = rig.dir().join("software.xlsx");
    std::fs::write(&file, cli::bytes(&rig.runtime(), "/api/v1/software.xlsx").await.unwrap()).unwrap();
    assert!(read_workbook(&file).await.iter().any(|row| row[0] == "PostgreSQL"));
    for path in ["/api/v1/devices/srv-1/software.cdx.json", "/api/v1/software.cdx.json"] {
        let file = rig.dir().join("bom.json");
        let bytes = cli::bytes(&rig.runtime(), path).await.unwrap();
        std::fs::write(&file, &bytes).unwrap();
        is_valid_cyclonedx(&file).await.unwrap();
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert!(read["components"].as_array().unwrap().len() > 5, "{path}");
        // The check is one: what is no bill of materials fails it.
        let mut broken = read.clone();
        broken["components"][0]["type"] = json!("nonsense");
        std::fs::write(&file, broken.to_string()).unwrap();
        is_valid_cyclonedx(&file).await.unwrap_err();
    }
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    let database = rig.get("/api/v1/software/product?key=postgresql").await.unwrap();
    assert_eq!(database["values"]["owner"], "Tổ vận hành", "it stands over a restart");
    rig.stop().await.unwrap();
}

/// What the register exports is what it takes; a table says before what it would change, is taken in whole or not at all, and can be undone.
async fn a_table_of_software_is_taken_in_and_undone(rig: &Rig) {
    let import = async |check: bool, table: &str| {
        let path = format!("/api/v1/software/import?check={check}");
        cli::send(&rig.runtime(), "POST", &path, "text/csv", table.to_owned()).await
    };
    let value = async |key: &str, field: &str| {
        let found = rig.get(&format!("/api/v1/software/product?key={key}")).await.unwrap_or_default();
        found["values"][field].clone()
    };
    let exported = cli::text(&rig.runtime(), "/api/v1/software.csv").await.unwrap();
    assert_eq!(import(true, &exported).await.unwrap(), json!({ "rows": [], "changed": null }));
    let faulty =
        import(false, "Mã\tHãng hết hỗ trợ\napt\t1/1/2030\npostgresql\tsang năm\n").await.unwrap_err().to_string();
    assert!(faulty.contains("row 3, column Hãng hết hỗ trợ"), "{faulty}");
    let nobody = import(false, "key,owner\napt,VNPT\nnothing,VNPT\n").await.unwrap_err().to_string();
    assert!(nobody.contains("row 3") && nobody.contains("\"nothing\""), "{nobody}");
    let table = "Mã\tĐơn vị quản lý\tGhi chú\napt\tVNPT\thợp đồng 12\npostgresql\tVNPT\t\n";
    let seen = import(true, table).await.unwrap();
    let change = json!({ "field": "owner", "old": "Tổ vận hành", "new": "VNPT" });
    assert_eq!((&seen["rows"][0]["key"], &seen["rows"][0]["changes"][0]), (&json!("apt"), &change), "{seen}");
    assert_eq!(value("apt", "owner").await, "Tổ vận hành", "it was only looked at");
    assert_eq!(import(false, table).await.unwrap()["changed"], 2);
    assert_eq!((value("apt", "owner").await, value("postgresql", "owner").await), (json!("VNPT"), json!("VNPT")));
    patch(rig, "/api/v1/software", json!({ "keys": ["apt"], "fields": { "owner": "Viettel" } })).await.unwrap();
    let undoing = rig.get("/api/v1/software/imports/1/undo").await.unwrap();
    let change = |row: usize, n: usize| undoing["rows"][row]["changes"][n]["back"].clone();
    assert_eq!((change(0, 0), change(0, 1), change(1, 0)), (Value::Null, json!(""), json!("Tổ vận hành")), "{undoing}");
    let path = "/register/software/import/1/undo";
    let page = cli::text(&rig.runtime(), path).await.unwrap();
    assert!(page.contains("Viettel") && page.contains("giữ nguyên"), "{page}");
    let shown = hidden(&page, path);
    let shown: Vec<(&str, &str)> = shown.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert!(form(rig, path, &shown).await.ends_with("303"));
    assert_eq!(
        (value("apt", "owner").await, value("postgresql", "owner").await),
        (json!("Viettel"), json!("Tổ vận hành"))
    );
    assert!(rig.get("/api/v1/software/imports").await.unwrap()[0]["undone_at"].is_string());
    let page = form(rig, "/register/software/import", &[("table", "Mã\tMục đích sử dụng\napt\tCài gói\n")]).await;
    assert!(page.contains("Cài gói") && page.contains("Hệ điều hành") && page.contains("1 phần mềm"), "{page}");
}

/// The rows of a workbook's first sheet, as openpyxl reads them.
#[allow(clippy::disallowed_methods, reason = "a test")]
async fn read_workbook(file: &std::path::Path) -> Vec<Vec<String>> {
    let script = "import json,sys,openpyxl\nsheet = openpyxl.load_workbook(sys.argv[1]).active\n\
                  print(json.dumps([[str(cell or '') for cell in row] for row in sheet.iter_rows(values_only=True)]))";
    let output = tokio::process::Command::new(python()).args(["-c", script]).arg(file).output().await.unwrap();
    std::io::stderr().write_all(&output.stderr).unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}
