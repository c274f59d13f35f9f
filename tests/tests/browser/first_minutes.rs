//! The first minutes with the pages: what a site still needs, machines that are added by one line, search from everywhere, keys, a device's page
//! that begins with what is wrong, and the way back after signing in.

use tokio::process::Command;

use super::*;

/// Presses a key on the page.
async fn press(browser: &Browser, key: &str) {
    let actions = json!({ "actions": [{ "type": "key", "id": "keys",
        "actions": [{ "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }] }] });
    browser.call("POST", &format!("{}/actions", browser.session), Some(actions)).await;
}

/// Waits until a script answers `true`.
async fn holds(browser: &Browser, what: &str, script: &str) {
    let held = eventually(what, || async { browser.run(script).await == json!(true) }).await;
    assert!(held.is_ok(), "{what}; it shows:\n{}", browser.text().await);
}

/// What the line of the dialog fetches, up to where it would be root: it is what was promised, and a shell can read it.
async fn the_line_fetches_what_it_promises(line: &str) {
    let (fetch, rest) = line.split_once(" && sudo sh").unwrap();
    assert!(rest.contains("<<<'iocw1."), "the token goes in by standard input");
    let script = format!("{fetch} && printf %s \"$s\" | sh -n && echo whole");
    let done = Command::new("bash").args(["-c", &script]).output().await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    assert_eq!(said, "whole", "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one way through the pages, in its order")]
async fn a_new_site_is_led_through_its_first_minutes() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let browser = Browser::start(1920, 1080).await;
    // A link is followed before anybody is signed in: that is where they are then.
    let base = format!("https://localhost:{}", rig.web);
    let password = std::fs::read_to_string(rig.data().join("first-password")).unwrap().trim().to_owned();
    browser.go(&format!("{base}/maintenance?x=1")).await;
    browser.type_into("input[name=name]", "admin").await;
    browser.type_into("input[name=password]", &password).await;
    browser.click("button.primary").await;
    holds(&browser, "back to the link", "return location.pathname + location.search === '/maintenance?x=1'").await;
    holds(
        &browser,
        "the place is marked",
        "return document.querySelector('nav [aria-current]').getAttribute('href') === '/maintenance'",
    )
    .await;

    // What is missing leads to its pages, one after the other.
    browser.go(&base).await;
    browser.shows("Hoàn tất thiết lập").await;
    browser.shows("Bật xác thực hai lớp").await;
    let next = browser.run("return document.querySelector('.setup [aria-current=step]').getAttribute('href')").await;
    assert_eq!(next, json!("/account"));
    browser.picture("first-overview.png").await;

    // One line adds machines, and they appear below it.
    browser.go(&format!("{base}/enrolment/add")).await;
    browser.click("main button.primary").await;
    browser.shows("Đang chờ máy đầu tiên").await;
    let line = browser.run("return document.getElementById('token-line').textContent").await;
    the_line_fetches_what_it_promises(line.as_str().unwrap()).await;
    let identity = rig.enrol(1).await.unwrap().remove(0);
    let (mut link, known) = Link::open(&identity, 4).await.unwrap();
    let mut machine = Machine::new(identity.device.clone(), "server", 1, known, clock::now());
    for body in [machine.hello(10, 4), machine.sample()] {
        let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        link.committed(position).await.unwrap();
    }
    browser.shows("Sim 00000").await;
    browser.is_clean().await;
    browser.picture("first-add-machines.png").await;

    // Its page begins with how it is; all numbers are folded, and found by their words without marks.
    browser.go(&format!("{base}/devices/{}", identity.device)).await;
    browser.shows("Bộ xử lý").await;
    let order = "const top = (one) => document.querySelector(one).getBoundingClientRect().top; \
                 return top('.health') < top('#numbers') && !document.querySelector('#numbers details[open]')";
    holds(&browser, "health stands above the numbers, which are folded", order).await;
    browser.picture("first-device.png").await;
    browser.type_into("[data-filter]", "bo nho da dung").await;
    let found =
        "return [...document.querySelectorAll('#numbers tr')].filter((row) => row.checkVisibility()).length === 1";
    holds(&browser, "one number is left", found).await;
    browser.is_clean().await;
    drop(link);

    // Searched from any page, with the keyboard alone.
    rig.post("/api/v1/incidents", json!({ "title": "Khói trong phòng máy", "severity": "critical" })).await.unwrap();
    browser.go(&format!("{base}/maintenance")).await;
    press(&browser, "/").await;
    holds(&browser, "the search has the focus", "return document.activeElement.name === 'q'").await;
    browser.type_into(".find input", "sim 0000").await;
    holds(
        &browser,
        "it answers while typing",
        "return !!document.querySelector('.suggestions a[href=\"/devices/sim-00000\"]')",
    )
    .await;
    browser.picture("first-find.png").await;
    browser.type_into(".find input", "\u{E015}\u{E007}").await;
    holds(&browser, "the first answer is opened", "return location.pathname === '/devices/sim-00000'").await;
    browser.go(&format!("{base}/find?q=khoi")).await;
    browser.shows("Khói trong phòng máy").await;
    browser.is_clean().await;

    // An incident is taken from the list by keys.
    browser.go(&format!("{base}/incidents")).await;
    browser.shows("Khói trong phòng máy").await;
    press(&browser, "?").await;
    holds(&browser, "the keys are explained", "return document.getElementById('keys').open").await;
    browser.picture("first-keys.png").await;
    press(&browser, "\u{E00C}").await;
    press(&browser, "j").await;
    press(&browser, "a").await;
    browser.shows("Đã tiếp nhận").await;
    browser.is_clean().await;

    // That it is not heard any more stands among what happened on the device.
    let address = format!("/api/v1/devices/{}/events", identity.device);
    let noted = || async {
        let events = rig.get(&address).await.unwrap();
        events["items"].as_array().unwrap().iter().any(|one| one["name"] == "device.silent")
    };
    eventually("the silence is among the events", noted).await.unwrap();

    // The session ends while somebody writes: they are told, come back, and what they wrote is there.
    browser.go(&format!("{base}/incidents/1")).await;
    browser.type_into("input[name=text]", "Đã mở cửa sổ").await;
    let ended = browser.run("return fetch('/api/v1/session', { method: 'DELETE' }).then((one) => one.status)").await;
    assert_eq!(ended, json!(204));
    browser.click("form:has(input[value=comment]) button").await;
    browser.shows("Phiên đăng nhập đã hết").await;
    browser.type_into("input[name=name]", "admin").await;
    browser.type_into("input[name=password]", &password).await;
    browser.click("button.primary").await;
    holds(
        &browser,
        "what was typed is kept",
        "return (document.querySelector('input[name=text]') || {}).value === 'Đã mở cửa sổ'",
    )
    .await;
    rig.stop().await.unwrap();
}

/// Each page that is new here, on a telephone and without what is in the way of anybody.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_installed_and_fits_a_phone() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let browser = Browser::start(500, 800).await;
    let metrics = json!({ "cmd": "Emulation.setDeviceMetricsOverride",
        "params": { "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true } });
    browser.call("POST", &format!("{}/goog/cdp/execute", browser.session), Some(metrics)).await;
    let base = sign_in(&browser, &rig).await;
    browser.shows("Hoàn tất thiết lập").await;
    for page in ["/", "/find?q=thiet+bi", "/enrolment/add", "/enrolment/arrived", "/login?next=/duty&ended=1"] {
        browser.go(&format!("{base}{page}")).await;
        browser.shows("IOC").await;
        let overflow =
            browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overflow, json!(0), "{page} hangs over the edge");
        assert_eq!(browser.barriers().await, json!([]), "{page}");
        browser
            .picture(&format!(
                "first-phone-{}.png",
                page.trim_start_matches('/').replace(['/', '?', '=', '&', '+'], "-")
            ))
            .await;
    }
    // What cannot be read is refused on a page, in the reader's language.
    let refused = "return fetch('/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }) \
                   .then((one) => one.text())";
    let refused = browser.run(refused).await;
    let refused = refused.as_str().unwrap();
    assert!(refused.contains("<html lang=\"vi\"") && !refused.contains("Expected request"), "{refused}");
    // It can be put on the home screen, and looks after every page without keeping any.
    browser.go(&base).await;
    let manifest = "return fetch('/static/manifest.webmanifest').then((one) => one.json()).then((one) => \
                    Promise.all(one.icons.map((icon) => fetch(icon.src).then((found) => found.ok))))";
    assert_eq!(browser.run(manifest).await, json!([true, true, true, true]));
    holds(&browser, "the worker is there", "return navigator.serviceWorker.getRegistration('/').then((one) => !!one)")
        .await;
    let kept = browser.run("return caches.keys().then((all) => all.length)").await;
    assert_eq!(kept, json!(0), "nothing is kept");
    rig.stop().await.unwrap();
}
