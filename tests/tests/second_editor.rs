//! Two people have the same form open: whoever saves second is told what the first wrote, keeps what they typed, and writes it once they have seen the other's.
//! Every form of registers and reports is here, or in the table of those that cannot write over anything.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_tests::harness::{Rig, eventually};
use serde_json::{Value, json};

use crate::registers::{Fields, hidden, packages, reporting, sends};
use crate::reports::{day, put, settings, text};

/// Forms in which the second is told. Each is driven below.
const TOLD: [&str; 11] = [
    "/register/counts/{number}",
    "/register/counts/{number}/close",
    "/register/accounts",
    "/register/accounts/reviews/{number}",
    "/register/software",
    "/register/software/product",
    "/register/assets/{id}",
    "/reports/settings",
    "/reports/{report}",
    "/reports/filings/{filing}",
    "/incidents/{id}/forms/{clock}",
];

/// Forms of which the second cannot write over what the first wrote, and why.
const NOTHING_OVERWRITTEN: &[(&str, &str)] = &[
    ("/register/counts", "opens one: refused where one of the place is open"),
    ("/register/counts/{number}/finds", "adds something"),
    ("/register/counts/{number}/settle", "says it once: refused where it is said"),
    ("/register/accounts/attestations", "a person's own word, beside the one before"),
    ("/register/accounts/reviews", "opens one: refused where one is open"),
    ("/register/software/import", "shows what would change, and is told where that is other by then"),
    (
        "/register/software/import/{number}/undo",
        "shows what is put back and what stays, and is told where that is other by then",
    ),
    ("/register/accounts/import", "shows what would change, and is told where that is other by then"),
    (
        "/register/accounts/import/{number}/undo",
        "shows what is put back and what stays, and is told where that is other by then",
    ),
    ("/register/assets/import", "shows what would change, and is told where that is other by then"),
    (
        "/register/assets/import/{number}/undo",
        "shows what is put back and what stays, and is told where that is other by then",
    ),
    ("/register/assets/{id}/attestations", "a person's own word, beside the one before"),
    ("/reports/issued/{number}", "registers it once; a correction is refused where another was made since"),
    ("/reports/records/{record}", "issues a version, beside those before"),
];

/// Sends a form, and gives the page that comes back with its status at its end.
#[allow(clippy::disallowed_methods, reason = "a test")]
pub(crate) async fn send(rig: &Rig, path: &str, fields: &Fields) -> String {
    let socket = rig.runtime().join(ioc_web::server::CONTROL_SOCKET);
    let mut curl = tokio::process::Command::new("curl");
    curl.args(["-s", "-w", "%{http_code}", "--unix-socket"]).arg(socket);
    for (name, value) in fields {
        curl.args(["--data-urlencode", &format!("{name}={value}")]);
    }
    let output = curl.arg(format!("http://localhost{path}")).output().await.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn with(mut fields: Fields, typed: &[(&str, &str)]) -> Fields {
    fields.extend(typed.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    fields
}

/// Fields of a form, and what is typed into each.
type Typed<'t> = &'t [(&'t str, &'t str)];

/// Two people open `page` and type into its form `action`. What the second typed is kept on the page that refuses it, and what the first wrote is there.
async fn two_editors(rig: &Rig, page: &str, action: &str, (first, second): (Typed<'_>, Typed<'_>)) {
    let seen = hidden(&text(rig, page).await, action);
    let answer = send(rig, action, &with(seen.clone(), first)).await;
    assert!(answer.ends_with("303"), "{action}, the first: {answer}");
    let refused = send(rig, action, &with(seen, second)).await;
    assert!(refused.ends_with("409"), "{action}, the second: {refused}");
    let (typed, stands) = (second.last().unwrap().1, first.last().unwrap().1);
    assert!(refused.contains(typed), "{action}: what was typed is lost: {refused}");
    assert!(refused.contains(stands), "{action}: what the first wrote is not shown: {refused}");
    assert!(refused.contains("gười khác") && !refused.contains("somebody"), "{action}: in the reader's language");
    // Whoever has seen it may.
    let again = hidden(&refused, action);
    let answer = send(rig, action, &with(again, second)).await;
    assert!(answer.ends_with("303"), "{action}, having seen it: {answer}");
    assert!(text(rig, page).await.contains(typed), "{action}: it is written");
}

async fn on_page(rig: &Rig, page: &str, sign: &str) {
    eventually(sign, || async { text(rig, page).await.contains(sign) }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_registers_and_reports_writes_over_what_somebody_else_wrote_unseen() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (mut link, mut machine) = reporting(&rig, "srv-1", "SN-1").await;
    sends(&mut link, &mut machine, None, packages("vm-debian-12")).await;
    eventually("its software is grouped", || async {
        rig.get("/api/v1/software/product?key=apt").await.is_ok_and(|apt| apt["devices"] == 1)
    })
    .await
    .unwrap();
    put(&rig, "/api/v1/report-settings", settings()).await.unwrap();

    let asset = "/register/assets/srv-1";
    two_editors(&rig, asset, asset, (&[("zone", "DMZ")], &[("zone", "LAN")])).await;
    let product = "/register/software/product?key=apt";
    two_editors(&rig, product, product, (&[("owner", "Tổ Một")], &[("owner", "Tổ Hai")])).await;
    let of = |agency| vec![("abbreviation", "TT"), ("place", "An Giang"), ("agency", agency)];
    let (one, other) = (of("Trung tâm Một"), of("Trung tâm Hai"));
    two_editors(&rig, "/reports/settings", "/reports/settings", (&one, &other)).await;

    // Reports and filings: the form is there once the facts are.
    for report in [format!("/reports/clause.{0}.{0}", day(0)), "/reports/filings/level-dossier".to_owned()] {
        on_page(&rig, &report, "name=\"was-").await;
        let fields = hidden(&text(&rig, &report).await, &report);
        let name = fields.iter().find_map(|(name, _)| name.strip_prefix("was-")).unwrap().to_owned();
        two_editors(&rig, &report, &report, (&[(&name, "của người thứ nhất")], &[(&name, "của người thứ hai")])).await;
    }
    let incident = json!({ "title": "Khói ở tủ 3", "severity": "critical" });
    let incident = rig.post("/api/v1/incidents", incident).await.unwrap()["id"].as_u64().unwrap();
    let mark = json!({ "action": "mark_serious", "reason": "mất điện", "from_now": true, "chosen": [] });
    rig.post(&format!("/api/v1/incidents/{incident}/actions"), mark).await.unwrap();
    let form = format!("/incidents/{incident}/forms/first-notice");
    two_editors(&rig, &form, &form, (&[("impact", "một phòng")], &[("impact", "cả tầng")])).await;

    // Who holds an account, and what becomes of it.
    let register = "/register/accounts";
    let key = |page: &str| {
        let rest = page.split("name=\"key\" value=\"").nth(1).unwrap_or_else(|| panic!("{page}"));
        rest.split('"').next().unwrap().to_owned()
    };
    let seen = key(&text(&rig, register).await);
    let held =
        |key: &str, holder: &str| vec![("key".to_owned(), key.to_owned()), ("holder".to_owned(), holder.to_owned())];
    assert!(send(&rig, register, &held(&seen, "Lê Một")).await.ends_with("303"));
    let refused = send(&rig, register, &held(&seen, "Trần Hai")).await;
    assert!(refused.ends_with("409") && refused.contains("Lê Một") && refused.contains("Trần Hai"), "{refused}");
    assert!(send(&rig, register, &held(&key(&refused), "Trần Hai")).await.ends_with("303"));
    rig.post("/api/v1/account-reviews", json!({})).await.unwrap();
    let review = "/register/accounts/reviews/1";
    let said = |reason| [("do", "save"), ("verdict-1", "lock"), ("reason-1", reason)];
    let address = format!("{review}?page=1");
    let page = text(&rig, review).await;
    let action = if page.contains(&format!("action=\"{address}\"")) { address.as_str() } else { review };
    two_editors(&rig, review, action, (&said("nghỉ việc"), &said("chuyển đơn vị"))).await;

    // Products in bulk go by the mark of each.
    let software = "/register/software?search=apt";
    let product_key = key(&text(&rig, software).await);
    let owned =
        |key: &str, owner: &str| vec![("key".to_owned(), key.to_owned()), ("owner".to_owned(), owner.to_owned())];
    assert!(send(&rig, software, &owned(&product_key, "Tổ Ba")).await.ends_with("303"));
    let refused = send(&rig, software, &owned(&product_key, "Tổ Bốn")).await;
    assert!(refused.ends_with("409") && refused.contains("Tổ Ba") && refused.contains("Tổ Bốn"), "{refused}");

    // An inventory taking: the same asset by two, and closed by somebody who has not seen the last tick.
    rig.post("/api/v1/inventory-counts", json!({})).await.unwrap();
    let count = "/register/counts/1";
    let page = text(&rig, count).await;
    let (tick, close) = (format!("{count}?show="), format!("{count}/close"));
    let (seen, closing) = (hidden(&page, &tick), hidden(&page, &close));
    let state = |state| [("state", state)];
    assert!(send(&rig, &tick, &with(seen.clone(), &state("found"))).await.ends_with("303"));
    let refused = send(&rig, &tick, &with(seen, &state("not_found"))).await;
    assert!(refused.ends_with("409") && refused.contains("Người khác vừa đánh dấu"), "{refused}");
    let members = [("remark", ""), ("members", "Lê Một, Tổ trưởng")];
    let refused = send(&rig, &close, &with(closing, &members)).await;
    assert!(refused.ends_with("409") && refused.contains("Lê Một, Tổ trưởng"), "{refused}");
    let state: Value = rig.get("/api/v1/inventory-counts/1").await.unwrap();
    assert_eq!((&state["closed_at"], &state["left"]), (&Value::Null, &json!(0)), "{state}");
    rig.stop().await.unwrap();
}

#[test]
fn every_form_of_registers_and_reports_is_in_one_of_the_tables() {
    let path = format!("{}/../collector/web/src/router/pages.rs", env!("CARGO_MANIFEST_DIR"));
    let routes = std::fs::read_to_string(path).unwrap();
    let known = |route: &str| TOLD.contains(&route) || NOTHING_OVERWRITTEN.iter().any(|(one, _)| *one == route);
    let mut found = 0;
    for route in routes.split(".route(").skip(1).filter(|route| route.contains("post(")) {
        let path = route.split('"').nth(1).unwrap_or_default();
        let is_paper = path.starts_with("/register") || path.starts_with("/reports") || path.contains("/forms/");
        if is_paper {
            found += 1;
            assert!(known(path), "{path}: drive it in this test, or say why nothing is written over");
        }
    }
    assert!(found >= 19, "{found}");
}
