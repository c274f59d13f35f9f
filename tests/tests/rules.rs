//! Rules on pages: what each says and did, tried on the numbers on record before it is changed, changed for all and for some, and one of one's own.
#![allow(clippy::unwrap_used, reason = "tests")]

use ioc_common::clock;
use ioc_tests::harness::{Rig, eventually};
use serde_json::Value;

use crate::registers::hidden;
use crate::registers::reporting;
use crate::reports::text;
use crate::second_editor::{send, with};

/// A value behind a name in the table of a preview: as the rule is, and as it would be.
fn raised(page: &str) -> Vec<u64> {
    let rows = page.split("id=\"preview\"").nth(1).unwrap_or_default();
    let cells = rows.split("class=\"num\">").skip(1).filter_map(|rest| rest.split("</td>").next());
    cells.map(|cell| cell.replace("<b>", "").replace("</b>", "")).filter_map(|cell| cell.parse().ok()).take(4).collect()
}

async fn rule(rig: &Rig) -> Value {
    rig.get("/api/v1/rules/memory-low").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "one life of a rule, in its order")]
async fn a_rule_is_tried_changed_for_all_and_for_some_and_as_it_was_again() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (mut link, mut machine) = reporting(&rig, "srv-1", "SN-1").await;
    for ago in (1..60).rev() {
        let body = machine.sample();
        let (position, kind, payload) = machine.seal(&body, clock::now(), ago * 10_000);
        let packet = link.publish(kind, payload);
        link.send(packet).await.unwrap();
        if ago == 1 {
            link.committed(position).await.unwrap();
        }
    }
    let before = rule(&rig).await;
    assert_eq!(
        (before["severity"].as_str(), before["devices"].as_u64(), before["version"].as_u64()),
        (Some("warning"), Some(0), Some(0))
    );
    assert!(text(&rig, "/rules?q=bo+nho").await.contains("/rules/memory-low"), "words are found without marks");
    assert!(!text(&rig, "/rules?q=bo+nho&kind=silent").await.contains("/rules/memory-low"));

    // Tried: as it is it never raised, with a limit that any machine crosses it does; nothing is changed by that.
    let asked = "/rules/memory-low?do=preview&days=1&raise=5&clear=1&hold=0s&why=x";
    eventually("the preview", || async { !raised(&text(&rig, asked).await).is_empty() }).await.unwrap();
    assert_eq!(raised(&text(&rig, asked).await), [0, 0, 1, 1]);
    assert_eq!(rule(&rig).await["version"], 0);
    // What cannot be is said, with its field.
    let bad = text(&rig, "/rules/memory-low?do=preview&raise=viel").await;
    assert!(bad.contains("role=\"alert\"") && bad.contains("viel"), "{bad}");
    let crossed = text(&rig, "/rules/memory-low?do=preview&raise=5").await;
    assert!(
        crossed.contains("role=\"alert\"") && crossed.contains("clear"),
        "a limit below the one of clearing: {crossed}"
    );

    // Changed for everyone, in force at once: the machine's memory is above it.
    let action = "/rules/memory-low";
    let fields = hidden(&text(&rig, action).await, action);
    let typed = [
        ("raise", "5"),
        ("clear", "1"),
        ("hold", "0s"),
        ("severity", "critical"),
        ("why", "thử ngưỡng"),
        ("do", "save"),
    ];
    let saved = send(&rig, action, &with(fields.clone(), &typed)).await;
    assert!(saved.ends_with("303"), "{saved}");
    let body = machine.sample();
    let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();
    eventually("its fault", || async { rule(&rig).await["devices"] == 1 }).await.unwrap();
    let now = rule(&rig).await;
    assert_eq!(
        (now["version"].as_u64(), now["raised"].as_u64(), now["incidents"].as_u64()),
        (Some(1), Some(1), Some(1))
    );
    let audit: Value = rig.get("/api/v1/audit?limit=20").await.unwrap();
    assert!(
        audit.to_string().contains("thử ngưỡng") && audit.to_string().contains("+above = 5"),
        "the log has why, and what changed: {audit}"
    );
    // Whoever has seen the page before is told, and writes over nothing.
    let second =
        send(&rig, action, &with(fields, &[("raise", "50"), ("clear", "40"), ("why", "x"), ("do", "save")])).await;
    assert!(second.ends_with("409") && second.contains("value=\"50\""), "{second}");

    // Off for this machine until a day, beside what is for everyone: its fault ends.
    let fields = hidden(&text(&rig, action).await, action);
    let off = [
        ("whom", "device"),
        ("which", "srv-1"),
        ("off", "1"),
        ("until", "2099-01-01T00:00"),
        ("why", "đang thay RAM"),
        ("do", "save"),
    ];
    assert!(send(&rig, action, &with(fields, &off)).await.ends_with("303"));
    eventually("its end", || async { rule(&rig).await["devices"] == 0 }).await.unwrap();
    let differences = rule(&rig).await["differences"].clone();
    assert_eq!((differences.as_array().unwrap().len(), differences[1]["off"].as_bool()), (2, Some(true)));
    assert!(
        differences[1]["until"].as_str().unwrap().starts_with("2098-12-31T17:00"),
        "the site's midnight: {differences}"
    );
    assert!(text(&rig, "/devices/srv-1").await.contains("đang thay RAM"), "its page says why it is different there");

    // It stands over a restart, and each difference can be taken away.
    rig.stop().await.unwrap();
    rig.start().await.unwrap();
    assert_eq!(rule(&rig).await["differences"].as_array().unwrap().len(), 2);
    for _ in 0..2 {
        let fields = hidden(&text(&rig, action).await, action);
        let version: Vec<_> = fields.into_iter().filter(|(name, _)| name == "version").collect();
        assert!(send(&rig, action, &with(version, &[("why", "xong"), ("do", "remove-0")])).await.ends_with("303"));
    }
    assert_eq!(
        (rule(&rig).await["differences"].as_array().unwrap().len(), rule(&rig).await["severity"].as_str()),
        (0, Some("warning"))
    );
    rig.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_of_ones_own_is_made_of_the_catalogue_and_taken_away() {
    let mut rig = Rig::new("");
    rig.start().await.unwrap();
    let (mut link, mut machine) = reporting(&rig, "srv-1", "SN-1").await;
    let fields = hidden(&text(&rig, "/rules/new").await, "/rules/new");
    let mut typed = vec![
        ("id", "bo-nho-rieng"),
        ("kind", "threshold"),
        ("severity", "warning"),
        ("metric", "memory.used_pct"),
        ("side", "above"),
        ("raise", "5"),
        ("clear", "4,5"),
        ("title_vi", "Bộ nhớ riêng"),
        ("title_en", "Own memory"),
        ("advice_vi", "Xem."),
        ("advice_en", "Look."),
        ("why", "yêu cầu của trung tâm"),
        ("do", "save"),
    ];
    let nonsense: Vec<(&str, &str)> =
        typed.iter().map(|(key, text)| (*key, if *key == "metric" { "no.such" } else { *text })).collect();
    let refused = send(&rig, "/rules/new", &with(fields.clone(), &nonsense)).await;
    assert!(
        !refused.ends_with("303") && refused.contains("no.such") && refused.contains("Bộ nhớ riêng"),
        "what was typed stays: {refused}"
    );
    assert!(send(&rig, "/rules/new", &with(fields, &typed)).await.ends_with("303"));
    let body = machine.sample();
    let (position, kind, payload) = machine.seal(&body, clock::now(), 0);
    let packet = link.publish(kind, payload);
    link.send(packet).await.unwrap();
    link.committed(position).await.unwrap();
    let own = "/api/v1/rules/bo-nho-rieng";
    eventually("its fault", || async { rig.get(own).await.is_ok_and(|rule| rule["devices"] == 1) }).await.unwrap();
    // The shipped rules hold as before, and one of this name is there already.
    assert!(rig.get("/api/v1/rules").await.unwrap().as_array().unwrap().len() > 50);
    let fields = hidden(&text(&rig, "/rules/new").await, "/rules/new");
    typed.retain(|(key, _)| *key != "why");
    typed.push(("why", "hai lần"));
    assert!(!send(&rig, "/rules/new", &with(fields, &typed)).await.ends_with("303"), "one of each name");
    let action = "/rules/bo-nho-rieng";
    let fields = hidden(&text(&rig, action).await, action);
    assert!(send(&rig, action, &with(fields, &[("why", "xong"), ("do", "delete")])).await.ends_with("303"));
    assert!(rig.get(own).await.is_err());
    assert_eq!(rig.get("/api/v1/devices/srv-1").await.unwrap()["worst"], Value::Null, "its fault went with it");
    rig.stop().await.unwrap();
}
