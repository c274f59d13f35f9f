//! What is found by its words, in the index or before it is there, and what is not.

use std::path::Path;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::incident::PersonReport;
use ioc_judge::notice::Occasion;
use ioc_judge::{DeviceInfo, FaultState, IncidentState, Notice, Text, TimelineStep};

use super::{Open, at, enrol, fault, id, incident, info};
use crate::audit::AuditEntry;
use crate::scope::AccessScope;
use crate::search::{FoundRecord, SearchIndex, SearchKind, SearchPage, SearchQuery, WordsQuery};
use crate::{Change, OutboxEntry, Store};

/// 2026-09-21, in seconds.
const DAY: i64 = 1_789_948_800;

fn moment(second: i64) -> Timestamp {
    at((DAY + second) * 1000)
}

fn audit(second: i64, actor: &str, action: &str, detail: &str) -> Change {
    let entry = AuditEntry {
        at: moment(second),
        actor: actor.into(),
        action: action.into(),
        subject: "srv-01".into(),
        detail: detail.into(),
    };
    Change::Audit(entry)
}

fn event(device: u32, second: i64, name: &str, text: &str, fields: &str) -> Change {
    Change::Event {
        device: id(device),
        at: moment(second),
        name: name.into(),
        text: text.into(),
        fields: fields.into(),
    }
}

fn step(of: u64, number: u32, second: i64, note: &str) -> Change {
    let (incident, state) = (IncidentId(of), IncidentState::Open);
    let note = Text::new(note, "said in English");
    Change::Step(TimelineStep { incident, number, at: moment(second), who: "lan".into(), state, note })
}

fn opened(n: u64, device: Option<DeviceId>, second: i64, title: &str) -> Change {
    let mut one = incident(n, IncidentState::Open, None);
    (one.device, one.opened_at, one.article) = (device, moment(second), "7.1".into());
    one.title = Text::new(title, "Disk");
    let verified = String::new();
    one.record.report = Some(PersonReport {
        reporter: "Bà Hạnh".into(),
        way: "điện thoại".into(),
        verified,
        verified_by: String::new(),
        verified_at: None,
    });
    Change::Incident(Box::new(one))
}

/// One of each kind, of two devices at different places.
fn records() -> Vec<Change> {
    let elsewhere = DeviceInfo { place: "Kho".into(), ..info(2) };
    let mut first = fault(1, 1, FaultState::Raised);
    (first.raised_at, first.reason) = (moment(30), Text::new("Đĩa cứng sắp đầy: 93 %.", "The disk is nearly full."));
    let mut second = fault(2, 2, FaultState::Raised);
    second.raised_at = moment(40);
    second.series = "account.password_age|zoe.planted".into();
    second.reason = Text::personal(
        ("Mật khẩu của zoe.planted cũ.", "The password of zoe.planted is old."),
        ("Mật khẩu của 1 tài khoản cũ.", "The password of 1 account is old."),
    );
    let mut notice = Notice::about(
        &incident(1, IncidentState::Open, None),
        Some(info(1)),
        Occasion::Opened,
        Text::new("Đĩa cứng hỏng", "A disk failed"),
    );
    notice.article = "7.1".into();
    let notice = serde_json::to_string(&notice).expect("written");
    vec![
        Change::Device { info: elsewhere, at: at(1) },
        audit(10, "lan", "device.described", "địa chỉ 10.20.30.4"),
        event(1, 20, "usb.attached", "Gắn ổ đĩa USB", "{\"serial\":\"AB-77\"}"),
        event(2, 25, "login.burst", "30 failed sign-ins of zoe.planted", "{\"who\":\"zoe.planted\",\"count\":\"30\"}"),
        Change::Fault(first),
        Change::Fault(second),
        opened(1, Some(id(1)), 50, "Đĩa cứng sdb hỏng"),
        opened(2, None, 60, "Trung tâm mất điện"),
        step(1, 1, 55, "Đã thay đĩa cứng mới"),
        Change::Outbox(OutboxEntry::new("1-1-mail".into(), IncidentId(1), "mail", &notice, moment(70))),
    ]
}

fn all_kinds(words: &str) -> SearchQuery {
    SearchQuery {
        words: WordsQuery::parse(words),
        kinds: SearchKind::ALL.to_vec(),
        personal: true,
        limit: 50,
        ..SearchQuery::default()
    }
}

fn ask(store: &dyn Store, scope: &AccessScope, query: &SearchQuery) -> SearchPage {
    let mut reader = store.reader().expect("reads");
    reader.limit(scope).expect("limited");
    reader.search(query).expect("answers")
}

/// How many are found, however often an answer ends early on a slow machine.
fn count(store: &dyn Store, mut query: SearchQuery) -> usize {
    let mut count = 0;
    loop {
        let page = ask(store, &AccessScope::EVERYWHERE, &query);
        (query.before, count) = (page.next, count + page.hits.len());
        if query.before.is_none() {
            return count;
        }
    }
}

/// What was found, by kind and number.
fn names(page: &SearchPage) -> Vec<String> {
    let name = |record: &FoundRecord| match record {
        FoundRecord::Audit(one) => format!("audit {}", one.number),
        FoundRecord::Event { event, .. } => format!("event {}", event.number),
        FoundRecord::Fault { fault, .. } => format!("fault {}", fault.id.0),
        FoundRecord::Incident(one) => format!("incident {}", one.id.0),
        FoundRecord::Step { step, .. } => format!("step {}.{}", step.incident.0, step.number),
        FoundRecord::Notice(one) => format!("notice {}", one.incident.0),
    };
    page.hits.iter().map(|hit| name(&hit.record)).collect()
}

fn found(store: &dyn Store, words: &str) -> Vec<String> {
    names(&ask(store, &AccessScope::EVERYWHERE, &all_kinds(words)))
}

fn take_in(index: &mut dyn SearchIndex) -> u64 {
    let mut records = 0;
    loop {
        let progress = index.turn(7).expect("taken in");
        records += progress.records;
        if !progress.more {
            return records;
        }
    }
}

/// Twice: by looking through what is there, and by the index.
fn before_and_after(open: Open<'_>, dir: &Path, check: impl Fn(&dyn Store)) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    store.commit(&records()).expect("commits");
    check(store.as_ref());
    let mut index = store.search_index().expect("opens");
    assert_eq!(take_in(index.as_mut()), 9);
    check(store.as_ref());
    drop((index, store));
    let store = open(dir);
    let mut index = store.search_index().expect("opens");
    assert_eq!(take_in(index.as_mut()), 0, "it is kept");
    check(store.as_ref());
}

pub(super) fn words_and_filters(open: Open<'_>, dir: &Path) {
    before_and_after(open, dir, |store| {
        let all =
            ["notice 1", "incident 2", "step 1.1", "incident 1", "fault 2", "fault 1", "event 2", "event 1", "audit 1"];
        assert_eq!(found(store, ""), all, "the newest first");
        assert_eq!(found(store, "dia cung"), ["notice 1", "step 1.1", "incident 1", "fault 1"]);
        assert_eq!(found(store, "đĩa cứng"), ["notice 1", "step 1.1", "incident 1", "fault 1"]);
        assert_eq!(found(store, "địa"), ["audit 1"], "marks are what they are");
        assert_eq!(found(store, "dia -\"đĩa cứng\""), ["event 1", "audit 1"]);
        assert_eq!(found(store, "dia -cung"), ["event 1", "audit 1"]);
        assert_eq!(found(store, "\"cứng đĩa\""), [] as [&str; 0]);
        assert_eq!(found(store, "\"sửa thông tin\" thiet bi"), ["audit 1"], "as pages call what was done");
        assert_eq!(found(store, "\"device described\""), ["audit 1"], "in both languages");
        assert_eq!(found(store, "10.20.30.4"), ["audit 1"]);
        assert_eq!(found(store, "20.30"), ["audit 1"]);
        assert_eq!(found(store, "10.30"), [] as [&str; 0]);
        assert_eq!(found(store, "ab-77"), ["event 1"]);
        assert_eq!(found(store, "plant* burst"), ["event 2"]);
        assert_eq!(found(store, "hanh \"điện thoại\""), ["incident 2", "incident 1"], "what people wrote down");
        assert_eq!(found(store, "english"), ["step 1.1"], "in both languages");
        let with = |query: SearchQuery| names(&ask(store, &AccessScope::EVERYWHERE, &query));
        let kinds = vec![SearchKind::Fault, SearchKind::Audit];
        assert_eq!(with(SearchQuery { kinds, ..all_kinds("") }), ["fault 2", "fault 1", "audit 1"]);
        assert_eq!(with(SearchQuery { kinds: Vec::new(), ..all_kinds("") }), [] as [&str; 0]);
        assert_eq!(with(SearchQuery { actor: "Lan".into(), ..all_kinds("") }), ["step 1.1", "audit 1"]);
        let of_device = ["notice 1", "step 1.1", "incident 1", "fault 1", "event 1"];
        assert_eq!(with(SearchQuery { device: Some(id(1)), ..all_kinds("") }), of_device);
        assert_eq!(with(SearchQuery { device: Some(id(77)), ..all_kinds("") }), [] as [&str; 0]);
        let article = |text: &str| with(SearchQuery { article: text.into(), ..all_kinds("") });
        assert_eq!(article("7.1"), ["notice 1", "incident 2", "step 1.1", "incident 1", "fault 2", "fault 1"]);
        assert_eq!((article("7").len(), article("7.2").len()), (6, 0));
        let (from, until) = (Some(moment(25)), Some(moment(50)));
        assert_eq!(with(SearchQuery { from, until, ..all_kinds("") }), ["fault 2", "fault 1", "event 2"]);
        let until = Some(moment(25));
        assert_eq!(with(SearchQuery { until, ..all_kinds("") }), ["event 1", "audit 1"]);
    });
}

pub(super) fn what_may_not_be_read_is_not_found(open: Open<'_>, dir: &Path) {
    before_and_after(open, dir, |store| {
        assert_eq!(found(store, "planted"), ["fault 2", "event 2"]);
        let without = AccessScope::EVERYWHERE.without_names();
        let of = |scope: &AccessScope, words: &str| names(&ask(store, scope, &all_kinds(words)));
        assert_eq!(of(&without, "planted"), [] as [&str; 0]);
        assert_eq!(of(&without, "zoe*"), [] as [&str; 0]);
        // Nor is who reported an incident, and how they were reached, guessed word by word.
        assert_eq!(of(&without, "hanh"), [] as [&str; 0]);
        assert_eq!(of(&without, "\"điện thoại\""), [] as [&str; 0]);
        // What is absent is told by what they may read, too.
        assert_eq!(of(&without, "30 -planted"), ["event 2", "audit 1"]);
        assert_eq!(of(&AccessScope::EVERYWHERE, "30 -planted"), ["audit 1"]);
        for hit in ask(store, &without, &all_kinds("")).hits {
            let shown = format!("{:?}", hit.record.document().open);
            assert!(!shown.contains("planted"), "{shown}");
        }
        let asked = SearchQuery { personal: false, ..all_kinds("planted") };
        assert_eq!(names(&ask(store, &AccessScope::EVERYWHERE, &asked)), [] as [&str; 0], "only where it is asked for");

        let place = AccessScope::of(&["Phòng máy".into()]);
        let reached = ["notice 1", "incident 2", "step 1.1", "incident 1", "fault 1", "event 1"];
        assert_eq!(of(&place, ""), reached, "nothing of another place, nor the audit log");
        assert_eq!(of(&place, "planted"), [] as [&str; 0]);
        assert_eq!(of(&place, "10.20.30.4"), [] as [&str; 0]);
        let of_other = SearchQuery { device: Some(id(2)), ..all_kinds("") };
        assert_eq!(names(&ask(store, &place, &of_other)), [] as [&str; 0]);
        assert_eq!(of(&AccessScope::of(&["Kho".into()]), "dia"), [] as [&str; 0]);
    });
}

pub(super) fn what_changes_and_goes_is_followed(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    store.commit(&records()).expect("commits");
    let mut index = store.search_index().expect("opens");
    take_in(index.as_mut());
    // Twice more: at once, and once the index has followed.
    let changes = vec![
        opened(1, Some(id(1)), 50, "Nguồn điện hỏng"),
        step(1, 2, 90, "Nhờ bên bảo hành"),
        event(1, 95, "usb.detached", "Rút ổ", "{}"),
        Change::EventsPruned { device: id(1), keep: 1 },
        Change::EventsPruned { device: id(2), keep: 0 },
    ];
    store.commit(&changes).expect("commits");
    // What is too much goes in turns, of a few milliseconds each.
    (0..50).for_each(|_| store.commit(&[]).expect("commits"));
    for pass in 0..2 {
        let store = store.as_ref();
        assert_eq!(found(store, "\"đĩa cứng\""), ["notice 1", "step 1.1", "fault 1"], "{pass}: words that went");
        assert_eq!(found(store, "nguon"), ["incident 1"], "{pass}: words that came");
        assert_eq!(found(store, "bao hanh"), ["step 1.2"], "{pass}");
        assert_eq!(found(store, "usb"), ["event 3"], "{pass}: what was deleted is not found");
        assert_eq!(found(store, "planted"), ["fault 2"], "{pass}");
        take_in(index.as_mut());
    }
    // What comes once all is gone is found by its own words.
    store.commit(&[Change::EventsPruned { device: id(1), keep: 0 }]).expect("commits");
    (0..50).for_each(|_| store.commit(&[]).expect("commits"));
    store.commit(&[event(1, 200, "ups.alarm", "Ắc quy yếu", "{}")]).expect("commits");
    for _ in 0..2 {
        assert_eq!(found(store.as_ref(), "ac quy"), ["event 4"]);
        assert_eq!(found(store.as_ref(), "usb"), [] as [&str; 0]);
        take_in(index.as_mut());
    }
}

pub(super) fn pages_have_each_record_once(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    // Many in one second, and more than a second has places.
    let all: Vec<Change> = (0..600).map(|n| event(1, 100 + n / 500, "disk.event", "đĩa", "{}")).collect();
    store.commit(&all[..400]).expect("commits");
    let mut index = store.search_index().expect("opens");
    take_in(index.as_mut());
    store.commit(&all[400..]).expect("commits");
    let (mut seen, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let page =
            ask(store.as_ref(), &AccessScope::EVERYWHERE, &SearchQuery { before, limit: 37, ..all_kinds("dia") });
        assert!(page.hits.windows(2).all(|two| two[0].place > two[1].place), "the newest first");
        seen.extend(names(&page));
        (before, pages) = (page.next, pages + 1);
        if pages == 2 {
            take_in(index.as_mut());
        }
        if before.is_none() {
            break;
        }
    }
    let all_seen = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((all_seen, seen.len()), (600, 600));
    let (from, until) = (Some(moment(101)), Some(moment(101)));
    let late = count(store.as_ref(), SearchQuery { from, ..all_kinds("dia") });
    assert_eq!(late, 100, "a period holds whatever place a record has");
    assert_eq!(count(store.as_ref(), SearchQuery { until, ..all_kinds("dia") }), 500);
}

pub(super) fn whatever_is_typed_is_answered(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    store.commit(&records()).expect("commits");
    let mut index = store.search_index().expect("opens");
    take_in(index.as_mut());
    let hostile = [
        "\"",
        "\"\"\"",
        "NEAR(dia cung)",
        "words:dia",
        "{words}:dia",
        "dia AND",
        "OR",
        "NOT NOT dia",
        "^dia",
        "dia + cung",
        "(((",
        ")",
        "-",
        "--",
        "-\"",
        "*",
        "**",
        "a*b*c",
        "' OR 1=1 --",
        "\u{0}",
        "=k1",
        "=d0 ^lan",
        "~",
        "đ\u{301}\u{301}",
        "\\",
        "%",
        "_",
    ];
    for words in hostile {
        let typed = ask(store.as_ref(), &AccessScope::EVERYWHERE, &all_kinds(words));
        assert!(typed.hits.len() <= 9, "{words}");
        let query = SearchQuery { actor: words.into(), article: words.into(), ..all_kinds("") };
        ask(store.as_ref(), &AccessScope::EVERYWHERE, &query);
    }
    ask(store.as_ref(), &AccessScope::EVERYWHERE, &all_kinds(&"rất dài ".repeat(500)));
    let odd =
        SearchQuery { before: Some(u64::MAX), from: Some(at(i64::MIN)), until: Some(at(i64::MAX)), ..all_kinds("dia") };
    assert_eq!(ask(store.as_ref(), &AccessScope::EVERYWHERE, &odd).hits.len(), 6);
    assert_eq!(take_in(index.as_mut()), 0, "the index was not taken for damaged");
    let (records, bytes) = index.size().expect("counted");
    assert!(records == 9 && bytes > 0, "{records}");
}
