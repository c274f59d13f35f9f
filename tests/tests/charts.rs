//! Charts: what the script is given, and what a person does with them in a real browser.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_common::clock;
use ioc_common::id::DeviceId;
use ioc_common::report::Body;
use ioc_tests::harness::{Rig, eventually};
use ioc_tests::identity::Identity;
use ioc_tests::link::Link;
use ioc_tests::machine::Machine;
use serde_json::{Value, json};

use crate::browser::{Browser, sign_in};

/// Between two samples, milliseconds.
const EVERY_MS: u64 = 30_000;

/// A machine that is heard as long as its link is open.
struct Heard {
    device: DeviceId,
    link: Link,
    machine: Machine,
}

impl Heard {
    /// One that was heard for so many minutes but for a hole of ten in the middle, was started anew after it, and is heard still.
    async fn new(identity: &Identity, seed: u64, minutes: u64) -> Self {
        let (link, known) = Link::open(identity, 240).await.unwrap();
        let device = identity.device.clone();
        let mut heard =
            Self { machine: Machine::new(device.clone(), "server", seed, known, clock::now()), device, link };
        let mut bodies = vec![(heard.machine.hello(10, 240), 0)];
        let hole = minutes / 2..minutes / 2 + 10;
        for age in (1..minutes * 2).rev().filter(|age| !hole.contains(&(age / 2))) {
            bodies.push((heard.machine.sample(), age * EVERY_MS));
        }
        heard.send(&bodies).await;
        heard
    }

    /// Sends reports, each with its age in milliseconds, and waits until the last is committed.
    async fn send(&mut self, bodies: &[(Body, u64)]) {
        let mut last = None;
        for (body, age_ms) in bodies {
            let (position, kind, payload) = self.machine.seal(body, clock::now(), *age_ms);
            let packet = self.link.publish(kind, payload);
            self.link.send(packet).await.unwrap();
            last = Some(position);
        }
        self.link.committed(last.unwrap()).await.unwrap();
    }
}

fn known(series: &Value, column: &str) -> usize {
    series[column].as_array().unwrap().iter().filter(|value| !value.is_null()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_given_as_many_points_as_fit_and_goes_on_from_there() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let mut heard = Heard::new(&rig.enrol(1).await.unwrap()[0], 1, 50).await;
    let device = heard.device.clone();
    let remark = json!({ "text": "Thay quạt" });
    rig.post(&format!("/api/v1/devices/{device}/remarks"), remark).await.unwrap();
    let until = clock::now();
    let from = until.plus_millis(-3_600_000);
    let chart = |more: String| format!("/api/v1/devices/{device}/chart?metrics=cpu.busy,fs.used_pct{more}");
    let first = rig.get(&chart(format!("&from={from}&until={until}&points=100"))).await.unwrap();
    let (at, series) = (first["at"].as_array().unwrap(), first["series"].as_array().unwrap());
    // One hour in a hundred points; the hole and what was before the first sample are in none.
    assert!((60..=72).contains(&at.len()), "{} points", at.len());
    assert_eq!(first["step_ms"], 36_000);
    assert!(at.iter().all(|at| (at.as_i64().unwrap() - first["from"].as_i64().unwrap()) % 36_000 == 0));
    let names: Vec<&str> = series.iter().map(|one| one["series"].as_str().unwrap()).collect();
    assert_eq!(names, ["cpu.busy", "fs.used_pct|/", "fs.used_pct|/var"]);
    let cpu = &series[0];
    assert!(cpu["unit"] == "%" && cpu["title"] == "CPU bận" && known(cpu, "mean") == at.len() && known(cpu, "max") > 0);
    let gap = at.iter().zip(&at[1..]).map(|(one, next)| next.as_i64().unwrap() - one.as_i64().unwrap()).max().unwrap();
    assert!(gap > cpu["gap_ms"].as_i64().unwrap(), "the hole of ten minutes is one: {gap}");
    let limits = first["limits"].as_array().unwrap();
    assert!(limits.iter().any(|one| one["rule"] == "disk-nearly-full" && one["above"] == true), "{limits:?}");
    assert!(first["marks"].as_array().unwrap().iter().any(|mark| mark["kind"] == "remark"), "{}", first["marks"]);

    // What comes after it joins at its last point, on the same grid.
    let sample = heard.machine.sample();
    heard.send(&[(sample, 0)]).await;
    let last = at.last().unwrap().as_i64().unwrap();
    let since = clock::Timestamp::from_millis(last);
    let more = chart(format!("&from={since}&step_ms=36000&tier=raw"));
    let next = rig.get(&more).await.unwrap();
    assert_eq!((&next["at"][0], &next["step_ms"]), (&json!(last), &json!(36_000)));
    assert!(next["at"].as_array().unwrap().len() <= 3);
    let whole = rig.get(&format!("/api/v1/devices/{device}/chart?from={from}&points=400")).await.unwrap();
    let (all, little) = (whole.to_string().len(), next.to_string().len());
    assert!(all < 60_000 && little < 4_000, "{all} and {little} bytes");

    for (wrong, why) in [
        ("metrics=cpu.busy&from=2999-01-01T00:00:00Z", "allowed is a moment before"),
        ("points=many", "points"),
        ("what=else", "what"),
    ] {
        let refused = rig.get(&format!("/api/v1/devices/{device}/chart?{wrong}")).await.expect_err(wrong).to_string();
        assert!(refused.contains(why), "{wrong}: {refused}");
    }
    let missing = rig.get("/api/v1/devices/nobody/chart").await.expect_err("no such device").to_string();
    assert!(missing.contains("404") || missing.contains("no device"), "{missing}");
    rig.stop().await.unwrap();
}

/// What the first chart of the page says.
async fn state(browser: &Browser) -> Value {
    browser
        .run(
            "const one = document.querySelector('figure[data-metric]:not([hidden])'); if (!one) return null;
             const canvas = one.querySelector('canvas');
             return { canvas: !!canvas, drawing: !!one.querySelector('.drawing'), output: one.querySelector('output').textContent,
                      charts: document.querySelectorAll('figure canvas').length, address: location.search,
                      back: !document.querySelector('[data-do=back]').hidden,
                      legend: [...one.querySelectorAll('.legend button')].map((button) => button.getAttribute('aria-pressed') + button.innerText) };",
        )
        .await
}

async fn becomes(browser: &Browser, what: &str, check: impl Fn(&Value) -> bool) -> Value {
    let seen = std::cell::RefCell::new(Value::Null);
    let found = eventually(what, || async {
        let now = state(browser).await;
        let is = check(&now);
        seen.replace(now);
        is
    });
    if found.await.is_err() {
        panic!("{what}: {}", seen.borrow());
    }
    seen.into_inner()
}

/// Presses the button of the pointer at one part of the first chart's width and lets it go at another.
async fn drag(browser: &Browser, from: f64, until: f64) {
    let script = "const over = document.querySelector('figure[data-metric]:not([hidden]) .u-over'); over.scrollIntoView({ block: 'center' });
                  const box = over.getBoundingClientRect(); return [box.left, box.top, box.width]";
    let place = browser.run(script).await;
    let [left, top, width] = [0, 1, 2].map(|part| place[part].as_f64().unwrap());
    let x = |part: f64| (left + width * part) as i64;
    let to = |part: f64| json!({ "type": "pointerMove", "duration": 50, "x": x(part), "y": (top + 90.0) as i64 });
    let (down, up) = (json!({ "type": "pointerDown", "button": 0 }), json!({ "type": "pointerUp", "button": 0 }));
    browser.pointer(json!([to(from), down, to(f64::midpoint(from, until)), to(until), up])).await;
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one way through the page, in its order")]
async fn a_technician_looks_into_charts_which_grow_meanwhile() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let identities = rig.enrol(2).await.unwrap();
    let mut heard = Heard::new(&identities[0], 1, 50).await;
    let other = Heard::new(&identities[1], 2, 20).await;
    let device = heard.device.clone();
    let browser = Browser::start(1920, 1080).await;
    let base = sign_in(&browser, &rig).await;
    browser.shows("Không có thiết bị nào cần xử lý").await;
    browser.go(&format!("{base}/devices/{device}/history")).await;
    let opened = becomes(&browser, "the page draws", |now| now["canvas"] == true).await;
    assert!(
        opened["charts"].as_u64().unwrap() >= 8 && opened["drawing"] == false && opened["back"] == false,
        "{opened}"
    );
    assert_eq!(browser.run("return document.querySelector('.spans [aria-current]').textContent").await, "1 giờ");
    let weight = browser
        .run(
            "return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))
               .filter((one) => !one.name.includes('uplot') && !one.name.includes('/chart?')).reduce((sum, one) => sum + one.decodedBodySize, 0)",
        )
        .await
        .as_u64()
        .unwrap();
    assert!(weight < 150_000, "{weight} bytes");
    browser.is_clean().await;
    browser.picture("charts-vi-light.png").await;

    // It grows by itself, and only by what is new.
    let shown = "return document.querySelector('figure[data-metric=\"load.1\"] .legend b').textContent";
    let before = browser.run(shown).await;
    let sample = heard.machine.sample();
    heard.send(&[(sample, 0)]).await;
    eventually("the newest value is shown", || async { browser.run(shown).await != before }).await.unwrap();

    // The cross-hair stands on all charts, by pointer and by keys.
    browser.run("document.querySelector('.plot').focus()").await;
    let press = |key: &str, more: &str| {
        format!(
            "document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true, cancelable: true {more} }}))"
        )
    };
    browser.run(&press("ArrowLeft", "")).await;
    let at = becomes(&browser, "the cross-hair says a time", |now| {
        now["output"].as_str().is_some_and(|text| text.contains(':'))
    })
    .await;
    let outputs = browser.run("return new Set([...document.querySelectorAll('figure:not([hidden]) output')].map((one) => one.textContent)).size").await;
    assert_eq!(outputs, json!(1), "one time on all charts: {at}");

    // Dragging looks nearer, on all charts; the address says where; Esc goes back.
    drag(&browser, 0.6, 0.9).await;
    let near = becomes(&browser, "dragging zooms", |now| now["back"] == true).await;
    assert!(near["address"].as_str().unwrap().contains("from="), "{near}");
    browser.picture("charts-zoomed.png").await;
    browser.run(&press("Escape", "")).await;
    becomes(&browser, "Esc goes back", |now| {
        now["back"] == false && !now["address"].as_str().unwrap().contains("from=")
    })
    .await;
    browser.run(&press("+", "")).await;
    becomes(&browser, "+ zooms", |now| now["back"] == true).await;
    browser.click("[data-do=back]").await;
    becomes(&browser, "the button goes back", |now| now["back"] == false).await;

    // The hour before and another device beside it; a line is hidden.
    browser.run("const one = document.querySelector('[data-with]'); one.value = 'sim-00001'; one.dispatchEvent(new Event('change'))").await;
    let two = becomes(&browser, "another device is laid over", |now| {
        now["legend"].as_array().is_some_and(|all| all.len() == 2)
    })
    .await;
    assert!(two["legend"].to_string().contains("Sim 00001"), "{two}");
    browser.click("figure[data-metric]:not([hidden]) .legend button").await;
    becomes(&browser, "a line is hidden", |now| now["legend"][0].as_str().is_some_and(|one| one.starts_with("false")))
        .await;
    browser.run("const one = document.querySelector('[data-against]'); one.value = '1'; one.dispatchEvent(new Event('change'))").await;
    browser.is_clean().await;
    browser.colours("dark").await;
    browser.picture("charts-vi-dark.png").await;
    assert_eq!(browser.barriers().await, json!([]));

    // Two moments of one's own, day before month; what cannot be read is said.
    browser
        .go(&format!("{base}/devices/{device}/history?from=01%2F02%2F2026+08%3A00&until=02%2F02%2F2026+08%3A00"))
        .await;
    browser.shows("Chưa có số liệu nào trong khoảng này").await;
    assert_eq!(browser.run("return document.querySelector('input[name=until]').value").await, "02/02/2026 08:00");
    browser.go(&format!("{base}/devices/{device}/history?from=hom+qua")).await;
    browser.shows("Ghi ngày trước tháng").await;
    assert_eq!(browser.run("return document.querySelector('input[name=from]').value").await, "hom qua");
    // The machine's own page has charts, too, which stay while the rest is drawn anew.
    browser.colours("light").await;
    browser.go(&format!("{base}/devices/{device}")).await;
    becomes(&browser, "the device's page draws", |now| now["canvas"] == true).await;
    browser.run("document.querySelector('figure canvas').dataset.same = 'yes'; document.querySelector('h1').dataset.old = 'yes'").await;
    eventually("the page is drawn anew", || async {
        browser.run("return !document.querySelector('h1[data-old]')").await == json!(true)
    })
    .await
    .unwrap();
    assert_eq!(browser.run("return !!document.querySelector('canvas[data-same=yes]')").await, json!(true));
    browser.is_clean().await;
    browser.phone(390).await;
    browser.go(&format!("{base}/devices/{device}/history?span=1h")).await;
    becomes(&browser, "a telephone draws", |now| now["canvas"] == true).await;
    browser.is_clean().await;
    browser.picture("charts-phone.png").await;
    drop(other);
    rig.stop().await.unwrap();
}
