//! Dashboards: made by a form without a script, shared by role, seen by each within their own reach, on the wall one after the other.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_common::clock;
use ioc_common::report::Body;
use ioc_tests::harness::{Rig, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use serde_json::{Value, json};

use crate::browser::{Browser, sign_in};
use crate::roles::{SessionClient, settled};

/// A machine that is heard as long as the link stays.
async fn heard(identity: &Identity, kind: &str) -> (String, Link) {
    let (mut link, known) = Link::open(identity, 240).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), kind, 3, known, clock::now());
    let mut bodies: Vec<(Body, u64)> = vec![(machine.hello(10, 240), 0)];
    bodies.extend((0..20).rev().map(|age| (machine.sample(), age * 10_000)));
    bodies.extend(machine.survey().map(|body| (body, 0)));
    for (body, age_ms) in bodies {
        let (_, kind, payload) = machine.seal(&body, clock::now(), age_ms);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
    }
    link.committed(machine.position).await.unwrap();
    (identity.device.to_string(), link)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_is_shared_by_role_and_shows_to_each_what_is_within_reach() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    for (device, place) in [("may-1", "Phòng A/Tủ 1"), ("may-2", "Phòng B")] {
        let device = json!({ "device": device, "kind": "server", "name": format!("Tên {device}"), "place": place });
        rig.post("/api/v1/devices", device).await.unwrap();
    }
    let lan = settled(&rig, "lan", json!({ "name": "lan", "full_name": "Lan", "role": "technician" })).await;
    let account = json!({ "name": "minh", "full_name": "Minh", "role": "duty_officer", "places": ["Phòng B"] });
    let minh = settled(&rig, "minh", account).await;
    let panels = json!([
        { "kind": "state", "devices": ["may-1", "may-2"] },
        { "kind": "room", "room": "Phòng A" },
        { "kind": "incidents", "width": 4 },
    ]);
    let body = |roles: Value, version: u64| json!({ "name": "Bảng riêng", "roles": roles, "panels": panels, "version": version });
    let (status, made) = lan.ask("POST", "/api/v1/dashboards", Some(body(json!([]), 0))).await;
    assert_eq!((status, made.as_str()), (201, "{\"number\":1}"));
    // What a screen on the wall shows in its address lets nobody change anything.
    lan.second(&rig).await;
    let label = json!({ "label": "Màn hình", "role": "viewer", "days": 1 });
    let (status, token) = lan.ask("POST", "/api/v1/account/tokens", Some(label)).await;
    assert_eq!(status, 201, "{token}");
    let token = serde_json::from_str::<Value>(&token).unwrap()["token"].as_str().unwrap().to_owned();
    let mut screen = SessionClient::new(&rig, "screen");
    screen.token = Some(token.clone());
    assert_eq!(screen.ask("POST", "/api/v1/dashboards", Some(body(json!([]), 0))).await.0, 403);
    assert_eq!(screen.ask("DELETE", "/api/v1/dashboards/1?version=1", None).await.0, 403);
    let (status, shown) = screen.ask("GET", &format!("/wall?board=1&token={token}"), None).await;
    assert!(status == 200 && shown.contains("Bảng riêng"), "{shown}");
    // Kept to oneself, it is not there for others; not even its name.
    for path in ["/dashboards", "/dashboards/1", "/dashboards/1/edit", "/api/v1/dashboards", "/wall?board=1"] {
        let (_, text) = minh.ask("GET", path, None).await;
        assert!(!text.contains("Bảng riêng"), "{path}: {text}");
    }
    assert_eq!(minh.ask("GET", "/api/v1/dashboards/1", None).await.0, 404);
    assert_eq!(minh.ask("PUT", "/api/v1/dashboards/1", Some(body(json!([]), 1))).await.0, 404);
    let shared = body(json!(["duty_officer"]), 1);
    assert_eq!(lan.ask("PUT", "/api/v1/dashboards/1", Some(shared.clone())).await.0, 204);
    // The second of two editors is told; nothing is written over.
    let (status, refused) = lan.ask("PUT", "/api/v1/dashboards/1", Some(shared)).await;
    assert!(status == 409 && refused.contains("lan has changed it"), "{refused}");
    // Shared, it shows what is within reach of whoever looks, and no more.
    for path in ["/dashboards/1", "/wall?board=1"] {
        let (_, all) = lan.ask("GET", path, None).await;
        assert!(all.contains("Tên may-1") && all.contains("Tên may-2"), "{path}: {all}");
        let (status, some) = minh.ask("GET", path, None).await;
        assert!(status == 200 && some.contains("Bảng riêng") && some.contains("Tên may-2"), "{path}: {some}");
        assert!(
            !some.contains("Tên may-1") && !some.contains("Phòng A") && some.contains("1 thiết bị không có"),
            "{path}: {some}"
        );
    }
    let (_, item) = minh.ask("GET", "/api/v1/dashboards/1", None).await;
    assert!(item.contains("may-2") && !item.contains("may-1") && !item.contains("Phòng A"), "{item}");
    // Who sees it does not change it; who administers does.
    assert_eq!(minh.ask("PUT", "/api/v1/dashboards/1", Some(body(json!([]), 2))).await.0, 403);
    assert_eq!(minh.ask("DELETE", "/api/v1/dashboards/1?version=2", None).await.0, 403);
    assert_eq!(minh.ask("GET", "/dashboards/1/edit", None).await.0, 403);
    let refused = rig.post(
        "/api/v1/dashboards",
        json!({ "name": "x", "panels": [{ "kind": "chart", "devices": ["may-1"], "metric": "account.idle" }] }),
    );
    assert!(refused.await.expect_err("personal").to_string().contains("people"));
    // The form keeps what was typed, and shows what somebody else saved meanwhile.
    let form = "version=1&name=T%C3%AAn+m%E1%BB%9Bi&kind-0=state&devices-0=may-1";
    let (status, page) = lan.form("/dashboards/1/edit", form).await;
    assert!(status == 409 && page.contains("value=\"Tên mới\"") && page.contains("Bản đang được lưu"), "{page}");
    let (status, _) = lan.form("/dashboards/1/edit", &form.replace("version=1", "version=2")).await;
    assert_eq!(status, 303);
    let (status, page) =
        lan.form("/dashboards/1/edit", "version=3&name=x&kind-0=number&devices-0=may-1&metric-0=khong-co").await;
    assert!(status == 409 && page.contains("Ô 1: không có chỉ số này") && page.contains("khong-co"), "{page}");
    assert_eq!(lan.form("/dashboards/1/remove", "version=3").await.0, 303);
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap();
    let mut saved = log["items"].as_array().unwrap().iter().filter(|one| one["action"] == "dashboard.saved");
    assert!(saved.any(|one| one["detail"].as_str().unwrap().contains("\"roles\":[\"duty_officer\"]")), "{log}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_puts_a_dashboard_together_and_hangs_it_on_the_wall() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    let (server, _first) = heard(&identities[0], "server").await;
    let (display, _second) = heard(&identities[1], "display").await;
    let browser = Browser::start(1920, 1080).await;
    let base = sign_in(&browser, &rig).await;
    browser.shows("Không có thiết bị nào cần xử lý").await;
    browser.go(&format!("{base}/dashboards")).await;
    browser.shows("Chưa có bảng nào").await;
    browser.type_into("input[name=name]", "Phòng điều hành").await;
    browser.click("main form button.primary").await;
    browser.shows("Ô mới").await;
    let choose = |place: usize, kind: &str, devices: &str, metric: &str, width: u8| {
        format!(
            "const set = (name, text) => {{ document.querySelector('[name=' + name + '-{place}]').value = text; }};
             set('kind', '{kind}'); set('devices', '{devices}'); set('metric', '{metric}'); set('width', '{width}');"
        )
    };
    for (place, (kind, devices, metric, width)) in [
        ("chart", format!("{server}, {display}"), "cpu.busy", 2),
        ("number", server.clone(), "memory.used_pct", 1),
        ("state", format!("{server} {display}"), "", 1),
        ("video_wall", display.clone(), "", 2),
        ("incidents", String::new(), "", 2),
    ]
    .into_iter()
    .enumerate()
    {
        browser.run(&choose(place, kind, &devices, metric, width)).await;
        browser.click(if kind == "incidents" { "button[value=save]" } else { "button[value=more]" }).await;
        eventually("it is saved", || async {
            let panels = rig.get("/api/v1/dashboards/1").await.unwrap()["panels"].as_array().unwrap().len();
            panels == place + 1
        })
        .await
        .unwrap();
        if kind != "incidents" {
            let next = format!("return !!document.querySelector('[name=kind-{}]')", place + 1);
            eventually("there is another", || async { browser.run(&next).await == json!(true) }).await.unwrap();
        }
    }
    browser.shows("Không có sự cố").await;
    let drawn = "return document.querySelectorAll('.board canvas').length === 1 && document.querySelectorAll('.board .legend button').length";
    eventually("two machines in one chart", || async { browser.run(drawn).await == json!(2) }).await.unwrap();
    browser.shows("DP-1").await;
    browser.is_clean().await;
    browser.picture("dashboard-light.png").await;
    for scheme in ["dark", "light"] {
        browser.colours(scheme).await;
        assert_eq!(browser.barriers().await, json!([]), "{scheme}");
    }
    browser.go(&format!("{base}/dashboards/1/edit")).await;
    browser.shows("Ô 5").await;
    browser.is_clean().await;
    assert_eq!(browser.barriers().await, json!([]));
    browser.picture("dashboard-edit.png").await;
    // On the wall the server draws, one after the other.
    let second = json!({ "name": "Bảng hai", "panels": [{ "kind": "incidents" }] });
    rig.post("/api/v1/dashboards", second).await.unwrap();
    browser.go(&format!("{base}/wall?board=1,2&every=10")).await;
    browser.shows("Phòng điều hành").await;
    assert_eq!(browser.run("return !!document.querySelector('.board .drawing path.line')").await, json!(true));
    browser.is_clean().await;
    browser.picture("dashboard-wall.png").await;
    browser.shows("Bảng hai").await;
    browser.phone(390).await;
    for page in ["/dashboards", "/dashboards/1", "/dashboards/1/edit"] {
        browser.go(&format!("{base}{page}")).await;
        browser.shows("Bảng").await;
        browser.is_clean().await;
    }
    browser.go(&format!("{base}/dashboards/1")).await;
    browser.picture("dashboard-phone.png").await;
    rig.stop().await.unwrap();
}
