//! Signing in at an identity provider that is not ours (PyPI's oidc-provider-mock).
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use ioc_tests::harness::{Rig, eventually, free_port, peers};
use serde_json::json;
use tokio::process::Command;

/// Status, where to, and what came back.
async fn curl(jar: &Path, arguments: &[&str]) -> (String, String, String) {
    let mut command = Command::new("curl");
    command.args(["-ks", "-w", "\n%{http_code} %{redirect_url}"]).arg("-b").arg(jar).arg("-c").arg(jar);
    let output = command.args(arguments).output().await.expect("curl runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, last) = text.rsplit_once('\n').unwrap();
    let (status, to) = last.split_once(' ').unwrap();
    (status.to_owned(), to.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_in_by_the_organisation_and_only_those_who_have_an_account() {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "tuyệt mật\n").unwrap();
    let mut rig = Rig::new(&format!(
        "[people]\nsecond_factor_for = [\"leader\"]\n[oidc]\nname = \"SSO tỉnh\"\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"ioc\"\nsecret_file = \"{}\"\n",
        secret.display()
    ));
    rig.start().await.unwrap();
    let base = format!("https://localhost:{}", rig.web);
    let jar = |name: &str| dir.path().join(name);
    let (status, _, page) = curl(&jar("away"), &[&format!("{base}/login/oidc")]).await;
    assert!(
        status == "503" && page.contains("Không liên lạc được với nhà cung cấp danh tính"),
        "the provider is away: {status} {page}"
    );
    let mut provider = Command::new(peers().join("bin/oidc-provider-mock"));
    provider.args(["--port", &port.to_string()]);
    for (sub, name) in [("1", "lan"), ("2", "nobody")] {
        provider.args(["--user-claims", &json!({ "sub": sub, "preferred_username": name }).to_string()]);
    }
    let provider = provider.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let _provider = provider.expect("scripts/test installs oidc-provider-mock");
    rig.post("/api/v1/accounts", json!({ "name": "lan", "role": "leader" })).await.unwrap();
    let (_, _, login) = curl(&jar("page"), &[&format!("{base}/login")]).await;
    assert!(login.contains("SSO tỉnh"), "{login}");

    // Out, in there, and back.
    let begin = format!("{base}/login/oidc");
    listens(port).await;
    // That it was away is remembered for some seconds.
    let leads = || async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        curl(&jar("lan"), &[&begin]).await.0 == "303"
    };
    eventually("the provider is asked again", leads).await.unwrap();
    let (_, there, _) = curl(&jar("lan"), &[&begin]).await;
    let (_, back, _) = curl(&jar("there"), &["-d", "sub=1", &there]).await;
    assert!(back.starts_with(&format!("{base}/login/oidc/back?")), "{back}");
    // Whoever gets hold of the address has not begun it.
    assert_eq!(curl(&jar("thief"), &[&back]).await.0, "403");
    let (status, _, page) = curl(&jar("lan"), &[&back]).await;
    assert_eq!(status, "200", "{page}");
    assert_eq!(curl(&jar("lan"), &[&back]).await.0, "403", "a way back is good once");
    // Neither our password, which was never changed, nor our second factor is asked for.
    let (status, _, text) = curl(&jar("lan"), &[&format!("{base}/api/v1/devices")]).await;
    assert_eq!(status, "200", "{text}");
    let log = rig.get("/api/v1/audit?limit=500").await.unwrap().to_string();
    assert!(log.contains("by the identity provider") && !log.contains("tuyệt mật"), "{log}");

    // A whole office behind one address comes in the morning: whoever is welcome costs the others nothing.
    for person in 0..45 {
        let (status, page) = comes_back(&jar("office"), &begin, "1", str::to_owned).await;
        assert_eq!(status, "200", "the {person}th: {page}");
    }

    // Known there, and not here.
    let (_, there, _) = curl(&jar("nobody"), &[&begin]).await;
    let (_, back, _) = curl(&jar("there"), &["-d", "sub=2", &there]).await;
    let (status, _, page) = curl(&jar("nobody"), &[&back]).await;
    assert!(status == "403" && page.contains("nobody"), "{status} {page}");
    // Ended here, whatever they say there.
    let end = Some(json!({ "disabled": true }));
    ioc_collector::cli::ask(&rig.runtime(), "PATCH", "/api/v1/accounts/lan", end).await.unwrap();
    assert_eq!(curl(&jar("lan"), &[&format!("{base}/api/v1/devices")]).await.0, "401");
    let (_, there, _) = curl(&jar("lan"), &[&begin]).await;
    let (_, back, _) = curl(&jar("there"), &["-d", "sub=1", &there]).await;
    assert_eq!(curl(&jar("lan"), &[&back]).await.0, "403");
    rig.stop().await.unwrap();
}

/// Waits for the provider. Asking us to lead there instead would cost the attempts that an address has.
async fn listens(port: u16) {
    let answers = || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() };
    eventually("the provider listens", answers).await.unwrap();
}

/// Goes out to the provider as this subject, by the address as `changed` leaves it, and comes back.
async fn comes_back(jar: &Path, begin: &str, sub: &str, changed: impl Fn(&str) -> String) -> (String, String) {
    let (_, there, _) = curl(jar, &[begin]).await;
    let (_, back, _) = curl(&jar.with_extension("there"), &["-d", &format!("sub={sub}"), &changed(&there)]).await;
    let (status, _, page) = curl(jar, &[&back]).await;
    (status, page)
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_changed_only_by_who_signed_in_lately_at_the_provider() {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "tuyệt mật\n").unwrap();
    let mut rig = Rig::new(&format!(
        "[oidc]\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"ioc\"\nsecret_file = \"{}\"\nsecond_factor_always = true\n",
        secret.display()
    ));
    rig.start().await.unwrap();
    let base = format!("https://localhost:{}", rig.web);
    rig.post("/api/v1/accounts", json!({ "name": "boss", "role": "administrator" })).await.unwrap();
    // A provider that does not say when, one that asks now (which is what this one says by itself), and one that lets an old session through.
    let now = ioc_common::clock::now().as_millis() / 1000;
    let old = json!({ "sub": "old", "preferred_username": "boss", "auth_time": now - 86_400 });
    let silent = json!({ "sub": "silent", "preferred_username": "boss", "auth_time": null });
    let fresh = json!({ "sub": "fresh", "preferred_username": "boss" });
    let mut provider = Command::new(peers().join("bin/oidc-provider-mock"));
    provider.args(["--port", &port.to_string()]);
    for claims in [silent, fresh, old] {
        provider.args(["--user-claims", &claims.to_string()]);
    }
    let provider = provider.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let _provider = provider.expect("scripts/test installs oidc-provider-mock");
    let (begin, again) = (format!("{base}/login/oidc"), format!("{base}/login/oidc?again=/accounts"));
    listens(port).await;

    let jar = |name: &str| dir.path().join(name);
    let makes = |jar: std::path::PathBuf, name: &'static str| {
        let (url, body) = (format!("{base}/api/v1/accounts"), json!({ "name": name, "role": "viewer" }).to_string());
        async move { curl(&jar, &["-H", "content-type: application/json", "-d", &body, &url]).await }
    };
    let as_it_is = |there: &str| there.to_owned();
    for sub in ["silent", "old"] {
        let (status, page) = comes_back(&jar(sub), &begin, sub, as_it_is).await;
        assert!(status == "200" && page.contains("url=/\""), "{sub} comes in: {status} {page}");
        assert_eq!(curl(&jar(sub), &[&format!("{base}/api/v1/devices")]).await.0, "200", "{sub}");
        let (status, _, why) = makes(jar(sub), "by-none").await;
        assert!(status == "403" && why.contains("confirm"), "{sub}: {status} {why}");
        // It is to ask anew, and did not: neither does it when that is taken out of the address.
        for changed in [as_it_is, |there: &str| there.replace("&prompt=login&max_age=0", "")] {
            let (status, page) = comes_back(&jar(sub), &again, sub, changed).await;
            assert!(status == "403" && page.contains("auth_time"), "{sub}: {status} {page}");
        }
        assert_eq!(makes(jar(sub), "by-none").await.0, "403", "{sub}: as before");
    }
    // Whoever is asked to show again who they are is led to the provider, asked there, and led back to where they were.
    let (_, _, page) = curl(&jar("silent"), &[&format!("{base}/account/confirm?next=/accounts")]).await;
    assert!(page.contains("/login/oidc?again=/accounts"), "{page}");
    let (_, there, _) = curl(&jar("silent"), &[&again]).await;
    assert!(there.contains("prompt=login") && there.contains("max_age=0"), "{there}");
    let (status, page) = comes_back(&jar("silent"), &again, "fresh", as_it_is).await;
    assert!(status == "200" && page.contains("url=/accounts\""), "{status} {page}");
    let (status, _, text) = makes(jar("silent"), "by-boss").await;
    assert!(status.starts_with('2'), "{status} {text}");
    // It leads to pages of ours only.
    let (_, page) =
        comes_back(&jar("far"), &format!("{base}/login/oidc?again=//evil.example"), "fresh", as_it_is).await;
    assert!(page.contains("url=/account\"") && !page.contains("evil"), "{page}");
    let all = rig.get("/api/v1/accounts").await.unwrap().to_string();
    assert!(all.contains("by-boss") && !all.contains("by-none"), "{all}");
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_changed_only_by_whom_the_provider_asked_for_a_second_factor() {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "tuyệt mật\n").unwrap();
    let mut rig = Rig::new(&format!(
        "[oidc]\nissuer = \"http://127.0.0.1:{port}\"\nclient_id = \"ioc\"\nsecret_file = \"{}\"\nsecond_factor_acr = [\"gold\"]\n",
        secret.display()
    ));
    rig.start().await.unwrap();
    let base = format!("https://localhost:{}", rig.web);
    rig.post("/api/v1/accounts", json!({ "name": "boss", "role": "administrator" })).await.unwrap();
    let mut provider = Command::new(peers().join("bin/oidc-provider-mock"));
    provider.args(["--port", &port.to_string()]);
    for (sub, more) in [
        ("silent", json!({})),
        ("password", json!({ "amr": ["pwd"], "acr": "silver" })),
        ("amr", json!({ "amr": ["pwd", "mfa"] })),
        ("acr", json!({ "acr": "gold" })),
    ] {
        let mut claims = json!({ "sub": sub, "preferred_username": "boss" });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        provider.args(["--user-claims", &claims.to_string()]);
    }
    let provider = provider.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let _provider = provider.expect("scripts/test installs oidc-provider-mock");
    let again = format!("{base}/login/oidc?again=/accounts");
    let jar = |name: &str| dir.path().join(name);
    listens(port).await;
    // Whoever is asked anew is asked for what the configuration names.
    assert!(curl(&jar("first"), &[&again]).await.1.ends_with("&acr_values=gold"));
    for (sub, may) in [("silent", false), ("password", false), ("amr", true), ("acr", true)] {
        let (status, page) = comes_back(&jar(sub), &again, sub, str::to_owned).await;
        assert!(status == "200" && page.contains("url=/accounts"), "{sub} comes in: {status} {page}");
        let (url, body) = (format!("{base}/api/v1/accounts"), json!({ "name": format!("by-{sub}"), "role": "viewer" }));
        let (status, _, why) =
            curl(&jar(sub), &["-H", "content-type: application/json", "-d", &body.to_string(), &url]).await;
        let fields = format!("name=page-{sub}&full_name=&role=viewer&places=");
        let (by_page, _, page) = curl(&jar(sub), &["-d", &fields, &format!("{base}/accounts")]).await;
        if may {
            assert_eq!((status.as_str(), by_page.as_str()), ("201", "200"), "{sub}: {why} {page}");
            continue;
        }
        assert!(
            status == "403" && why.contains("urn:ioc-watch:provider-without-second-factor"),
            "{sub}: {status} {why}"
        );
        assert!(why.contains("second_factor_always") && why.contains("second_factor_acr"), "it names the keys: {why}");
        assert!(by_page == "409" && page.contains("second_factor_always"), "{sub}: {by_page} {page}");
        assert!(page.contains("/login/oidc?again=/accounts"), "{page}");
        assert!(!page.contains("bạn chưa bật"), "it is the provider's to have one: {page}");
    }
    // The configuration says that it always asks; who is in comes in anew.
    rig.configure(|config| config.replace("second_factor_acr = [\"gold\"]", "second_factor_always = true"));
    ioc_tests::harness::send_signal(rig.pid(), "HUP").await.unwrap();
    let always = || async {
        comes_back(&jar("silent"), &again, "silent", str::to_owned).await;
        let fields = "name=by-silent&full_name=&role=viewer&places=";
        curl(&jar("silent"), &["-d", fields, &format!("{base}/accounts")]).await.0 == "200"
    };
    eventually("the configuration is taken", always).await.unwrap();
    rig.stop().await.unwrap();
}
