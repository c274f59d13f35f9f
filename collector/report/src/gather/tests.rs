use std::path::Path;

use ioc_common::config::Source;
use ioc_common::encoding::sha256_hex;
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_document::legal::Packs;
use ioc_judge::incident::{Closing, IncidentRecord, Progress, RegulatorNotice, Repair};
use ioc_judge::{
    DeviceInfo, DeviceKind, Evidence, Fault, FaultState, Incident, IncidentState, InformationSource, Presence,
    Priority, Scope, Severity, Text, Window, WindowSchedule,
};
use ioc_store::audit::AuditEntry;
use ioc_store::inventory_count::{CountClosing, Find, InventoryCount};
use ioc_store::retention::{Cursor, Expiry};
use ioc_store::{Asset, AssetField, Change, Delivery, DeliveryState, OutboxEntry, Store};
use jiff::civil::date;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn open(dir: &Path) -> Box<dyn Store> {
    ioc_store::open(dir).expect("opens")
}

fn question(key: ReportKey, now: &str) -> Question {
    let rules = Source::built_in("rules.toml", include_str!("../../../../config/rules.toml"));
    Question {
        key,
        pack: Packs::read(&[]).expect("good").get("qd-1043-2022-an-giang").expect("there").clone(),
        rules: RuleSet::parse(&rules).unwrap_or_else(|error| panic!("{error}")),
        zone: TimeZone::fixed(jiff::tz::offset(7)),
        now: at(now),
        clock_doubted: false,
        settings: DocumentSettings { unit: "Tổ Vận hành".into(), mend_days: 15, ..DocumentSettings::default() },
        jobs: Vec::new(),
        accounts: AccountLimits {
            idle_days: Some(45),
            administrator_days: Some(60),
            operator_days: Some(90),
            review_months: Some(6),
        },
        earlier: Vec::new(),
        dossier: None,
    }
}

fn gathered(store: &dyn Store, asked: &Question) -> Facts {
    let reader = store.reader().expect("reads");
    gather(reader.as_ref(), asked, &|_, _| true).expect("reads").expect("goes on")
}

/// A figure as it is written, with that of the period before.
fn written(facts: &Facts, article: &str, name: &str) -> (String, Option<String>) {
    let state = facts.articles.iter().find(|state| state.number == article).expect("an article of the pack");
    let found = state.figures.iter().find(|figure| figure.name == name);
    let figure = found.unwrap_or_else(|| panic!("{article} {name}: {:?}", state.figures));
    (figure.now.written(), figure.before.as_ref().map(Value::written))
}

/// An inventory taking that was closed at a moment: two of three were there, and something that the register does not have.
fn taking(closed: &str) -> [Change; 3] {
    let put = |closed| {
        let (opened_at, opened_by) = (at("2026-03-19T00:00:00Z"), "lan".to_owned());
        Change::InventoryCount(Box::new(InventoryCount {
            number: 1,
            place: String::new(),
            opened_at,
            opened_by,
            closed,
        }))
    };
    let by = || "lan".to_owned();
    let closing = CountClosing {
        at: at(closed),
        by: by(),
        members: Vec::new(),
        remark: String::new(),
        minutes: 7,
        assets: 3,
        ticked: [2, 0, 0, 1],
        finds: 1,
    };
    let find = Find {
        number: 1,
        what: "Máy in".into(),
        label: String::new(),
        serial: String::new(),
        place: "Kho".into(),
        remark: String::new(),
        by: by(),
        at: at(closed),
        settled: None,
    };
    [put(None), Change::InventoryFind { count: 1, find: Box::new(find) }, put(Some(closing))]
}

fn audit(at_text: &str, action: &str, detail: &str) -> Change {
    let (at, action, detail) = (at(at_text), action.to_owned(), detail.to_owned());
    Change::Audit(AuditEntry { at, actor: "lan".into(), action, subject: "a.tar.age".into(), detail })
}

fn device(id: &str, since: &str, change: impl FnOnce(&mut DeviceInfo)) -> Vec<Change> {
    let device = DeviceId::new(id).expect("good");
    let mut info = DeviceInfo::new(device.clone(), DeviceKind::Server, id);
    change(&mut info);
    let heard = Change::Watermark {
        device: device.clone(),
        position: ioc_common::report::Position { epoch: 1, seq: 1 },
        last_heard: Some(at("2026-03-31T00:00:00Z")),
        last_sample: None,
        clock_error_ms: None,
    };
    let live = Change::Presence { device: device.clone(), presence: Presence::NeverSeen };
    // As the engine judges it where a serial number is required.
    let mut asset = Asset::new(device, at(since));
    if info.serial.is_empty() {
        asset.blanks.push(AssetField::Serial);
    }
    let asset = Change::Asset(Box::new(asset));
    vec![Change::Device { info, at: at(since) }, heard, live, asset]
}

fn fault(id: u64, device: &str, rule: &str, from: &str, until: Option<&str>) -> Change {
    Change::Fault(Fault {
        id: FaultId(id),
        device: DeviceId::new(device).expect("good"),
        rule: rule.to_owned(),
        series: String::new(),
        severity: Severity::Critical,
        state: if until.is_some() { FaultState::Cleared } else { FaultState::Raised },
        raised_at: at(from),
        cleared_at: until.map(at),
        value: None,
        reason: Text::default(),
        incident: None,
        title: None,
        source: None,
        matter: None,
    })
}

fn incident(id: u64, article: &str, opened: &str) -> Incident {
    Incident {
        id: IncidentId(id),
        device: None,
        rule: "device-silent".into(),
        severity: Severity::Critical,
        priority: Priority::P1,
        state: IncidentState::Open,
        title: Text::new("Mất liên lạc", "Silent"),
        reason: Text::default(),
        advice: Text::default(),
        article: article.to_owned(),
        opened_at: at(opened),
        acknowledge_by: Some(at(opened).plus_secs(900)),
        resolve_by: Some(at(opened).plus_secs(3600)),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        raised: 1,
        steps: 1,
        evidence: Evidence::of(InformationSource::Agent),
        record: IncidentRecord::default(),
        progress: Progress::default(),
    }
}

fn told(id: u64, when: &str) -> [Change; 2] {
    let key = format!("{id}-1-sms");
    let mut entry = OutboxEntry::new(key.clone(), IncidentId(id), "sms", "{}", at(when));
    entry.state = DeliveryState::Waiting;
    let delivery = Delivery {
        key,
        at: at(when),
        state: DeliveryState::Delivered,
        attempts: 1,
        unanswered: 0,
        next_attempt_at: at(when),
        error: None,
    };
    [Change::Outbox(entry), Change::Delivery(delivery)]
}

#[test]
fn of_what_is_not_on_record_nothing_is_known_and_nothing_is_a_gap() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = open(dir.path());
    let quarter = question(ReportKey::quarter(2026, 1), "2026-04-05T00:00:00Z");
    for begun in [false, true] {
        if begun {
            store.commit(&[audit("2026-04-02T00:00:00Z", "device.registered", "")]).expect("commits");
        }
        let facts = gathered(store.as_ref(), &quarter);
        assert_eq!(facts.articles.len(), quarter.pack.articles.len(), "each article of the pack is there");
        for state in &facts.articles {
            assert_eq!(state.gaps, [], "{state:?}");
            for figure in &state.figures {
                assert!(!figure.now.is_known() && figure.before.is_none(), "{figure:?}");
            }
        }
    }
    let facts = gathered(store.as_ref(), &quarter);
    let (now, _) = written(&facts, "17.2", "Lần đăng nhập sai");
    assert_eq!(now, "không có dữ liệu: hệ thống ghi nhận từ ngày 02/04/2026");
    let ahead = gathered(store.as_ref(), &question(ReportKey::quarter(2027, 1), "2026-04-05T00:00:00Z"));
    assert!(written(&ahead, "12", "Lần xem").0.ends_with("kỳ báo cáo chưa bắt đầu"));
}

fn filled(dir: &Path) -> Box<dyn Store> {
    let mut store = open(dir);
    let mut changes = vec![
        audit("2025-09-01T00:00:00Z", "device.registered", ""),
        audit("2025-12-31T16:59:59Z", "account.sign_in_failed", ""),
        // Midnight of the site is five in the afternoon of the day before.
        audit("2025-12-31T17:00:00Z", "account.sign_in_failed", ""),
        audit("2026-03-31T16:59:59Z", "account.sign_in_failed", ""),
        audit("2026-03-31T17:00:00Z", "account.sign_in_failed", ""),
        audit("2026-02-01T00:00:00Z", "backup.drilled", "passed; 3 tables, 912 rows, 4200 ms; certificate a.json"),
        audit("2026-02-08T00:00:00Z", "backup.drilled", "failed: the archive is gone"),
        audit("2026-02-09T00:00:00Z", "personal.read", ""),
        audit("2026-02-09T00:00:01Z", "personal.listed", ""),
    ];
    changes.extend(device("srv-1", "2025-09-01T00:00:00Z", |info| {
        info.label = "TS-1".into();
        info.serial = "SN-1".into();
    }));
    changes.extend(device("srv-2", "2025-09-01T00:00:00Z", |info| info.label = "TS-1".into()));
    changes.extend(device("ups-1", "2026-03-01T00:00:00Z", |info| info.kind = DeviceKind::Ups));
    changes.extend(taking("2026-03-20T00:00:00Z"));
    changes.extend([
        // Nine of ninety days of the quarter, and some of the one before.
        fault(1, "srv-1", "device-silent", "2025-12-30T17:00:00Z", Some("2026-01-09T17:00:00Z")),
        fault(2, "ups-1", "ups-on-battery", "2026-03-02T00:00:00Z", Some("2026-03-02T00:10:00Z")),
        fault(3, "srv-2", "ups-on-battery", "2026-03-02T00:05:00Z", Some("2026-03-02T00:15:00Z")),
        fault(4, "srv-2", "firewall-off", "2026-03-03T00:00:00Z", None),
        fault(5, "srv-1", "bandwidth-nearly-used", "2026-03-03T00:00:00Z", Some("2026-03-03T01:00:00Z")),
    ]);
    let mut taken = incident(1, "6.2", "2026-01-10T00:00:00Z");
    taken.acknowledged_at = Some(at("2026-01-10T00:10:00Z"));
    let mut repaired = incident(2, "6.2", "2026-02-10T00:00:00Z");
    repaired.state = IncidentState::Closed;
    repaired.resolved_at = Some(at("2026-02-10T05:00:00Z"));
    repaired.acknowledged_at = Some(at("2026-02-10T01:00:00Z"));
    repaired.record.unit = "Tổ 1".into();
    let who = || "lan".to_owned();
    let signed = at("2026-02-10T02:00:00Z");
    repaired.record.repair = Some(Repair {
        backup: "a".into(),
        no_backup: String::new(),
        safety: "đã cắt điện".into(),
        who: who(),
        at: signed,
    });
    repaired.record.closing = Some(Closing { course: "c".into(), remedy: "r".into(), who: who(), at: signed });
    let mut regulator = incident(3, "5.1b", "2026-03-10T00:00:00Z");
    regulator.record.regulator = Some(RegulatorNotice {
        department: "so-tttt".into(),
        sent_at: at("2026-03-10T00:05:00Z"),
        received_at: None,
        result: String::new(),
        result_at: None,
        confirmed_at: None,
    });
    let mut joined = incident(4, "6.2", "2026-03-11T00:00:00Z");
    joined.record.merged_into = Some(IncidentId(3));
    for one in [taken, repaired, regulator, joined] {
        changes.push(Change::Incident(Box::new(one)));
    }
    changes.extend(told(1, "2026-01-10T00:01:00Z"));
    changes.extend(told(2, "2026-02-10T00:30:00Z"));
    let window = Window {
        id: 1,
        title: "Thay đĩa".into(),
        scope: Scope { devices: vec!["srv-1".into()], ..Scope::default() },
        when: WindowSchedule::Once { from: at("2026-01-05T00:00:00Z"), until: at("2026-01-05T02:00:00Z") },
        freeze: false,
        who: "lan".into(),
        overruled: Vec::new(),
    };
    changes.extend([Change::Window(window), Change::WindowGone { id: 1, at: at("2026-01-05T02:00:00Z") }]);
    store.commit(&changes).expect("commits");
    store
}

#[test]
fn a_quarter_is_counted_by_the_sites_days_and_held_against_the_one_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path());
    let facts = gathered(store.as_ref(), &question(ReportKey::quarter(2026, 1), "2026-04-05T00:00:00Z"));
    let figure = |article: &str, name: &str| written(&facts, article, name);
    let both = |now: &str, before: &str| (now.to_owned(), Some(before.to_owned()));
    assert_eq!(figure("17.2", "Lần đăng nhập sai"), both("2", "1"));
    assert_eq!(figure("12", "Lần xem"), both("2", "0"));
    assert_eq!(
        figure("7", "Kết quả diễn tập phục hồi"),
        both("1/2 (50,0%)", "không có dữ liệu: không có lần diễn tập nào trong kỳ")
    );
    // Nine of 90 + 90 + 31 days less seven hours; one of 92 + 92 days.
    assert_eq!(figure("5.1", "Thời gian mạng hoạt động"), both("95,73%", "99,46%"));
    assert_eq!(figure("5.1", "Vi phạm được ghi nhận"), both("1", "0"));
    assert_eq!(figure("5.2", "Vi phạm phát hiện, đã xử lý"), both("1/1 (100,0%)", "0"));
    assert_eq!(figure("6.1", "Thiết bị đã dán nhãn").0, "2/3 (66,6%)");
    assert_eq!(figure("6.1", "Kiểm kê gần nhất: có, đúng nơi đặt").0, "2/3 (66,6%)");
    let complete = figure("6.1", "Thiết bị đủ mục bắt buộc của hồ sơ").0;
    assert_eq!(complete, "1/3 (33,3%)", "as the configuration requires, whatever that is");
    // Two UPS that lost the mains together are one outage of a quarter of an hour.
    assert_eq!(figure("18.2", "Lần mất điện"), both("1", "không có dữ liệu: chưa có UPS nào được theo dõi"));
    assert_eq!(figure("18.2", "Tổng thời gian mất điện").0, "15 phút");
    assert_eq!(figure("6.2", "Trung vị thời gian báo").0, "1 phút");
    assert_eq!(figure("6.2", "Thời gian báo lâu nhất").0, "30 phút");
    assert_eq!(figure("6.2", "Báo muộn"), both("1", "0"));
    assert_eq!(figure("10.1", "Sự cố trong kỳ"), both("3", "0"), "one that was joined to another is counted there");
    assert_eq!(figure("10.1", "Sự cố báo đúng hạn").0, "1/3 (33,3%)");
    assert_eq!(figure("10.2", "Sự cố có đủ xác nhận").0, "1/1 (100,0%)");
    assert_eq!(figure("15.3", "Đã trả lời").0, "1/1 (100,0%)");
    assert_eq!(figure("15.3", "Quá hạn").0, "1");
    assert_eq!(figure("17.4", "Đã xác nhận").0, "0/1 (0,0%)");
    assert_eq!(figure("11", "Đợt bảo trì đã thực hiện"), both("1", "0"));
    assert_eq!(figure("11", "Thời gian gián đoạn").0, "2 giờ", "the device was silent all the while");
    let gap = |article: &str, key: &str| {
        let state = facts.articles.iter().find(|state| state.number == article).expect("an article");
        state.gaps.iter().find(|gap| gap.key == key).cloned().unwrap_or_else(|| panic!("{article}: {:?}", state.gaps))
    };
    let unlabelled = gap("6.1", "unlabelled");
    assert_eq!(unlabelled.what, "1 thiết bị chưa đặt tên hoặc chưa dán nhãn: ups-1");
    assert_eq!((unlabelled.who.as_deref(), unlabelled.by), (Some("Tổ Vận hành"), Some(date(2026, 4, 15))));
    assert!(gap("6.1", "labels-twice").what.starts_with('1') && gap("5.1", "breaches-open").what.starts_with('1'));
    assert!(gap("17.4", "unconfirmed").what.ends_with("INC-000003"));
    assert!(gap("6.1", "inventory-unregistered").what.starts_with('1'));
    let chart = facts.articles.iter().find(|state| state.number == "10.1").and_then(|state| state.chart.clone());
    let bars: Vec<String> = chart.expect("months").items.into_iter().map(|bar| bar.written).collect();
    assert_eq!(bars, ["1", "1", "1"]);
}

/// Deadlines of the law and answers of units: met, late, missed, running; none of a kind is not 0.
#[test]
fn what_was_due_on_incidents_is_counted_by_how_it_was_met() {
    use ioc_judge::deadline::{ClockTerm, Due, LegalClock, Sent, Serious, UnitAnswer, UnitRequest};
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = filled(dir.path());
    let key = ReportKey::quarter(2026, 1);
    let asked = question(key, "2026-03-20T00:00:00Z");
    let met = "Báo cáo sự cố nghiêm trọng đúng hạn";
    let facts = gathered(store.as_ref(), &asked);
    assert_eq!(written(&facts, "10.1", met).0, "không có dữ liệu: không có sự cố nghiêm trọng trong kỳ");
    let opened = "2026-03-15T00:00:00Z";
    let clock = |id: &str, due: &str, sent: Option<&str>| LegalClock {
        term: ClockTerm {
            id: id.into(),
            condition: id.into(),
            to: "Bộ".into(),
            law: "Nghị định".into(),
            article: "31.2d".into(),
            form: String::new(),
            within_ms: 1,
            at_once: false,
        },
        due: Due::new(at(opened), at(due)),
        sent: sent.map(|when| Sent {
            at: at(when),
            how: "x".into(),
            document: None,
            who: "lan".into(),
            noted_at: at(when),
        }),
    };
    let clocks = vec![
        clock("a", "2026-03-16T00:00:00Z", Some("2026-03-15T20:00:00Z")),
        clock("b", "2026-03-16T00:00:00Z", Some("2026-03-17T00:00:00Z")),
        clock("c", "2026-03-18T00:00:00Z", None),
        clock("d", "2026-03-21T00:00:00Z", None),
    ];
    let (since, who, reason) = (at(opened), "lan".to_owned(), "x".to_owned());
    let mut serious = incident(5, "", opened);
    serious.record.serious = Some(Serious { since, at: since, who, reason, clocks, ended: None });
    let request = |number, due: &str, answered: Option<&str>| UnitRequest {
        number,
        unit: "Tổ 1".into(),
        what: "x".into(),
        who: "lan".into(),
        asked_at: at(opened),
        due: Due::new(at(opened), at(due)),
        answer: answered.map(|when| UnitAnswer {
            person: "A".into(),
            at: at(when),
            what: "x".into(),
            file: String::new(),
            who: "lan".into(),
            noted_at: at(when),
        }),
        withdrawn: None,
    };
    serious.record.unit = "Tổ 1".into();
    serious.record.requests = vec![
        request(1, "2026-03-16T00:00:00Z", Some("2026-03-15T01:00:00Z")),
        request(2, "2026-03-16T00:00:00Z", Some("2026-03-16T00:00:01Z")),
        request(3, "2026-03-17T00:00:00Z", None),
        request(4, "2026-03-27T00:00:00Z", None),
    ];
    store.commit(&[Change::Incident(Box::new(serious))]).expect("commits");
    let facts = gathered(store.as_ref(), &asked);
    let figure = |article: &str, name: &str| written(&facts, article, name).0;
    assert_eq!(figure("10.1", met), "1/3 (33,3%)");
    assert_eq!(figure("10.1", "Báo cáo sự cố nghiêm trọng quá hạn"), "2");
    assert_eq!(figure("10.1", "Báo cáo sự cố nghiêm trọng đang trong hạn"), "1");
    let state = facts.articles.iter().find(|state| state.number == "10.1").expect("an article");
    let gap = state.gaps.iter().find(|gap| gap.key == "clocks-missed").expect("a gap");
    assert_eq!(gap.what, "1 báo cáo sự cố nghiêm trọng quá hạn chưa gửi: INC-000005 (c)");
    // Four that were asked, beside the one that was only given to a unit.
    assert_eq!((figure("15.3", "Đã trả lời"), figure("15.3", "Quá hạn")), ("3/5 (60,0%)".into(), "3".into()));
}

#[test]
fn what_stands_now_says_nothing_of_a_period_that_is_long_over() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path());
    let key = ReportKey::quarter(2026, 1);
    let first = gathered(store.as_ref(), &question(key, "2026-04-05T00:00:00Z"));
    let late = gathered(store.as_ref(), &question(key, "2026-07-05T00:00:00Z"));
    assert!(written(&late, "6.1", "Thiết bị đã dán nhãn").0.starts_with("không có dữ liệu: chỉ ghi nhận được"));
    assert_eq!(written(&late, "17.2", "Lần đăng nhập sai").0, "2", "what happened then is on record");
    let has_gap = |facts: &Facts, key: &str| facts.articles.iter().flat_map(|one| &one.gaps).any(|gap| gap.key == key);
    assert!(has_gap(&first, "unlabelled") && has_gap(&first, "drills"));
    assert!(!has_gap(&late, "unlabelled"), "what lacks today is no gap of that period");
    assert!(has_gap(&late, "drills"), "what happened then is");
    let drilled: Vec<&str> = first
        .articles
        .iter()
        .filter(|one| one.number == "7")
        .flat_map(|one| &one.evidence)
        .map(|one| one.what.as_str())
        .collect();
    assert!(
        drilled.iter().any(|what| what.contains(": đạt, 5 giây, đối chiếu 912 dòng, bản ")),
        "how long, and what: {drilled:?}"
    );
    // The next report takes what stood then from the one that was issued.
    let asked = Question { earlier: first.articles, ..question(ReportKey::quarter(2026, 2), "2026-07-05T00:00:00Z") };
    let next = gathered(store.as_ref(), &asked);
    assert_eq!(written(&next, "6.1", "Thiết bị đã dán nhãn"), ("2/3 (66,6%)".into(), Some("2/3 (66,6%)".into())));
    assert_eq!(written(&next, "17.2", "Lần đăng nhập sai"), ("1".into(), Some("2".into())));
    let reader = store.reader().expect("reads");
    let broken_off = gather(reader.as_ref(), &asked, &|done, _| done < 3).expect("reads");
    assert!(broken_off.is_none(), "it can be broken off");
}

#[test]
fn the_last_inventory_is_the_one_that_was_closed_last_and_of_all_places_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = filled(dir.path());
    let mut close = |number: u64, place: &str, closed: &str, found: u64| {
        let changes = taking(closed).into_iter().filter_map(|change| match change {
            Change::InventoryCount(mut count) => {
                (count.number, count.place) = (number, place.to_owned());
                if let Some(closing) = &mut count.closed {
                    (closing.ticked[0], closing.assets) = (found, 10);
                }
                Some(Change::InventoryCount(count))
            }
            _ => None,
        });
        store.commit(&changes.collect::<Vec<_>>()).expect("commits");
        let facts = gathered(store.as_ref(), &question(ReportKey::quarter(2026, 1), "2026-04-05T00:00:00Z"));
        written(&facts, "6.1", "Kiểm kê gần nhất: có, đúng nơi đặt").0
    };
    assert_eq!(close(2, "", "2026-03-28T00:00:00Z", 7), "7/10 (70,0%)");
    assert_eq!(close(3, "", "2026-03-22T00:00:00Z", 1), "7/10 (70,0%)", "it was opened later and closed before");
    assert_eq!(close(4, "Kho", "2026-03-30T00:00:00Z", 1), "7/10 (70,0%)", "one room is not the centre");
}

/// Everything of a class that ended before a moment goes by its retention.
fn expire(store: &mut Box<dyn Store>, class: RecordClass, before: &str) {
    let reader = store.reader().expect("reads");
    let past = reader.past_records(class, at(before), Cursor::default(), 100).expect("reads");
    let records = past.iter().filter(|one| !one.stays).map(|one| (one.key, sha256_hex(one.line.as_bytes()))).collect();
    let (before, at, rule) = (at(before), at("2026-07-01T00:00:00Z"), "1 tháng".to_owned());
    let (first_alone, exported) = (String::new(), String::new());
    let expiry = Expiry { class, before, records, holds_seen: 0, commits_seen: 0, first_alone, at, rule, exported };
    store.commit(&[Change::Expired(expiry)]).expect("commits");
}

#[test]
fn what_was_deleted_by_its_retention_and_what_is_on_record_in_part_is_no_zero() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = filled(dir.path());
    let first = question(ReportKey::quarter(2026, 1), "2026-07-05T00:00:00Z");
    let (at_first, is_unknown) =
        (gathered(store.as_ref(), &first), |text: &str| text.starts_with("không có dữ liệu: bản ghi đến ngày"));
    assert_eq!(written(&at_first, "5.2", "Vi phạm phát hiện, đã xử lý").0, "1/1 (100,0%)");
    expire(&mut store, RecordClass::Faults, "2026-06-01T00:00:00Z");
    expire(&mut store, RecordClass::Notices, "2026-06-01T00:00:00Z");
    let facts = gathered(store.as_ref(), &first);
    for (article, name) in [
        ("5.1", "Thời gian mạng hoạt động"),
        ("5.1", "Vi phạm được ghi nhận"),
        ("5.2", "Vi phạm phát hiện, đã xử lý"),
        ("11", "Thời gian gián đoạn"),
        ("18.2", "Lần mất điện"),
        ("6.2", "Báo muộn"),
        ("10.1", "Sự cố báo đúng hạn"),
    ] {
        let (now, _) = written(&facts, article, name);
        assert!(is_unknown(&now), "{article} {name}: {now}");
    }
    assert_eq!(written(&facts, "10.1", "Sự cố trong kỳ").0, "3", "incidents are all there");
    // Of the quarter after nothing was deleted; what is said of the one before it is.
    let next = gathered(store.as_ref(), &question(ReportKey::quarter(2026, 2), "2026-07-05T00:00:00Z"));
    let (now, before) = written(&next, "5.2", "Vi phạm phát hiện, đã xử lý");
    assert!(now == "0" && before.as_deref().is_some_and(is_unknown), "{now} {before:?}");
    // The record began on 1 September: the third quarter is on record in part, the one before it not at all.
    let begun = gathered(store.as_ref(), &question(ReportKey::quarter(2025, 3), "2025-10-05T00:00:00Z"));
    assert_eq!(
        written(&begun, "12", "Lần xem"),
        ("0 (chỉ ghi nhận từ ngày 01/09/2025)".to_owned(), None),
        "of two months nothing is known"
    );
}
