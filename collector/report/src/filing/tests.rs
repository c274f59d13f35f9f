use std::path::Path;

use ioc_common::config::Source;
use ioc_common::id::DeviceId;
use ioc_common::reading::{Account, Accounts, Port, Protection};
use ioc_document::legal::Packs;
use ioc_document::report::filing::FilledTable;
use ioc_judge::{DeviceInfo, DeviceKind};
use ioc_store::{AccountReview, Asset, AssetField, AssetValue, Change, ReviewSignature, Store};

use super::*;

fn now() -> Timestamp {
    "2026-11-29T05:00:00Z".parse().expect("a time")
}

fn question(pack: &str, filing: &str, level: u8) -> Question {
    let packs = Packs::read(&[]).expect("good");
    let pack = packs.get(pack).expect("there").clone();
    let found = pack.filings.iter().find(|one| one.id == filing).expect("asked for").clone();
    let rules = Source::built_in("rules.toml", include_str!("../../../../config/rules.toml"));
    let settings =
        DocumentSettings {
            unit: "Tổ Vận hành".into(), agency: "Trung tâm".into(), ..DocumentSettings::default()
        };
    Question {
        key: FilingKey::new(filing, found.report.as_ref().map(|_| 2026)),
        filing: found,
        pack,
        level,
        system: "Trung tâm <IOC> & \"điều hành\"".into(),
        agencies: vec!["Ủy ban nhân dân tỉnh".into(), "Trung tâm".into()],
        settings,
        rules: RuleSet::parse(&rules).unwrap_or_else(|error| panic!("{error}")),
        zone: TimeZone::fixed(jiff::tz::offset(7)),
        now: now(),
        clock_doubted: false,
        password_days: 90,
        log_days: Some(365),
        channels: 1,
    }
}

fn gathered(store: &dyn Store, asked: &Question) -> FilingFacts {
    let reader = store.reader().expect("reads");
    gather(reader.as_ref(), asked, &|_, _| true).expect("reads").expect("goes on")
}

fn table<'f>(facts: &'f FilingFacts, part: &str, item: &str) -> &'f FilledTable {
    let part = facts.filled.parts.iter().find(|one| one.id == part).expect("a part");
    let item = part.items.iter().find(|one| one.id == item).expect("an item");
    match &item.content {
        FilledContent::Table(table) => table,
        FilledContent::Text(cell) => panic!("no table: {cell:?}"),
    }
}

/// A row as it reads, each cell with where it comes from.
fn said(row: &[Cell]) -> Vec<(&str, Origin)> {
    row.iter().map(|cell| (cell.text.as_str(), cell.origin)).collect()
}

/// A name of 300 characters of what markup and keys are made of.
fn long_name() -> String {
    "Máy chủ <b>\"&amp;\"</b> '/.. ".chars().cycle().take(300).collect()
}

fn device(id: &str, kind: DeviceKind, fields: &[(AssetField, &str)]) -> Vec<Change> {
    let device = DeviceId::new(id).expect("good");
    let mut asset = Asset::new(device.clone(), now());
    for (field, text) in fields {
        asset.said.insert(*field, AssetValue { text: (*text).to_owned(), by: Some("lan".into()), at: now() });
    }
    let info = DeviceInfo::new(device, kind, asset.text(AssetField::Name));
    vec![Change::Device { info, at: now() }, Change::Asset(Box::new(asset))]
}

fn filled(dir: &Path) -> Box<dyn Store> {
    let mut store = ioc_store::open(dir).expect("opens");
    let name = long_name();
    let mut changes = device(
        "srv-1",
        DeviceKind::Server,
        &[
            (AssetField::Name, "CSDL 01"),
            (AssetField::Place, "Phòng máy/Tủ 1"),
            (AssetField::Address, "10.1.2.3"),
            (AssetField::Zone, "Vùng máy chủ nội bộ"),
            (AssetField::SupportEnd, "2030-05-31"),
            (AssetField::Officer, "Lan"),
        ],
    );
    changes.extend(device("srv-2", DeviceKind::Server, &[(AssetField::Name, &name)]));
    changes.extend(device("ups-1", DeviceKind::Ups, &[(AssetField::Name, "UPS 1"), (AssetField::State, "repair")]));
    changes.extend(device("old-1", DeviceKind::Other, &[(AssetField::Name, "Cũ"), (AssetField::State, "retired")]));
    let srv = || DeviceId::new("srv-1").expect("good");
    let port = |port: &str, address: &str, program: &str| Port {
        port: port.into(),
        address: address.into(),
        program: program.into(),
    };
    let listening = vec![
        port("tcp/22", "*", "sshd"),
        port("tcp/5432", "10.1.2.3", "postgres"),
        port("udp/47001", "0.0.0.0", &name),
    ];
    let protection = Protection { listening, ..Protection::default() };
    let account = Account { name: name.clone(), administrator: true, locked: Some(false), ..Account::default() };
    let accounts = Accounts { accounts: vec![account], ..Accounts::default() };
    let document = |name: &str, body: String| Change::Document { device: srv(), name: name.into(), at: now(), body };
    changes.push(document("protection", serde_json::to_string(&protection).expect("writes")));
    changes.push(document("accounts", serde_json::to_string(&accounts).expect("writes")));
    store.commit(&changes).expect("commits");
    store
}

#[test]
fn cells_say_where_they_come_from_and_blanks_are_work_of_whoever_is_responsible() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path());
    let facts = gathered(store.as_ref(), &question("nd-331-2026", "level-dossier", 3));
    let devices = table(&facts, "devices", "list");
    assert_eq!(devices.rows.len(), 3, "what is retired is not in use");
    let row = said(&devices.rows[0]);
    assert_eq!(row[1], ("CSDL 01", Origin::Assets));
    assert_eq!(row[2], ("Máy chủ", Origin::Assets));
    assert_eq!(row[5], ("Cung cấp dịch vụ PostgreSQL", Origin::Agent), "what it serves says what it is for");
    assert_eq!((row[6], row[8]), (("10.1.2.3", Origin::Assets), ("31/05/2030", Origin::Assets)));
    assert_eq!(row[7], ("", Origin::Missing), "no serial number is no serial number");
    let ups = said(&devices.rows[2]);
    assert_eq!((ups[5].1, ups[10]), (Origin::Pack, ("đang sửa", Origin::Assets)), "{ups:?}");
    assert_eq!(ups[11], ("Tổ Vận hành", Origin::Settings), "where nobody is named the unit is responsible");
    let lan = &facts.work.groups["Lan"];
    assert_eq!(lan.items[0].fill, Fill::Asset(DeviceId::new("srv-1").expect("good")));
    assert!(lan.items[0].what.starts_with("CSDL 01: nhãn, mac, số sê-ri"), "{:?}", lan.items[0]);

    let services = table(&facts, "design", "services");
    let names: Vec<&str> = services.rows.iter().map(|row| row[1].text.as_str()).collect();
    assert!(names[0] == "SSH (tcp/22)" && names[1] == "PostgreSQL (tcp/5432)", "{names:?}");
    assert_eq!(services.rows[1][5].origin, Origin::Pack);
    assert_eq!(services.rows[2][5].origin, Origin::Missing, "what a port is for that nobody knows people write");

    let zones = table(&facts, "design", "zones");
    let of = |name: &str| zones.rows.iter().find(|row| row[1].text.starts_with(name)).map(|row| said(row));
    let servers = of("Vùng máy chủ nội bộ").expect("asked for");
    assert_eq!((servers[2].0, servers[3].0), ("10.1.2.3", "không có"));
    assert_eq!(of("Vùng DMZ").expect("asked for")[3].1, Origin::Missing, "of no address nothing is known");

    let accounts = table(&facts, "accounts", "list");
    assert_eq!(said(&accounts.rows[0])[1], ("quản trị máy", Origin::Agent));
    assert_eq!(said(&accounts.rows[0])[7].1, Origin::Missing, "a password whose day is not known has none");
}

#[test]
fn what_people_wrote_fills_what_only_they_know_and_makes_the_yearly_form() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = filled(dir.path());
    let dossier = question("nd-331-2026", "level-dossier", 3);
    let facts = gathered(store.as_ref(), &dossier);
    let missing = facts.filled.texts_missing();
    let mut texts = BTreeMap::new();
    for (_, cell) in facts.filled.asked().filter(|(_, cell)| cell.origin == Origin::Missing) {
        let ask = cell.ask.as_ref().expect("asked");
        let key = ask.key.clone();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_' | '/');
        assert!(key.len() <= 120 && key.chars().all(plain), "{key}");
        texts.insert(key, ask.choices.first().cloned().unwrap_or_else(|| "Đã ghi".to_owned()));
    }
    assert_eq!(texts.len(), missing);
    let whole = facts.filled.clone().with_texts(&texts);
    assert_eq!(whole.texts_missing(), 0);
    assert_eq!(whole.tally().by_itself(), facts.filled.tally().by_itself(), "what people type fills nothing by itself");

    // The decision stands in the dossier, and the yearly form takes it from there.
    let form = question("nd-331-2026", "form-08", 3);
    let approved = |store: &dyn Store| {
        let facts = gathered(store, &form);
        let totals: Vec<String> =
            table(&facts, "totals", "totals").rows.iter().map(|row| row[1].text.clone()).collect();
        (totals[4].clone(), said(&table(&facts, "systems", "systems").rows[0])[6].0.to_owned())
    };
    assert_eq!(approved(store.as_ref()), ("0".to_owned(), String::new()), "nobody wrote of it: it is not known");
    let row = table(&gathered(store.as_ref(), &form), "systems", "systems").rows[0].clone();
    for part in ["/decision", "/review"] {
        let cell = row.iter().find(|cell| cell.ask.as_ref().is_some_and(|ask| ask.key.ends_with(part)));
        assert_eq!(cell.map(|cell| cell.origin), Some(Origin::Missing), "{part}");
    }
    let text = ioc_store::report::ReportText {
        report: dossier.key.to_string(),
        key: DECISION_TEXT.to_owned(),
        text: "Quyết định số 12/QĐ-SKHCN".to_owned(),
        by: "lan".to_owned(),
        at: now(),
    };
    store.commit(&[Change::ReportText(text)]).expect("commits");
    assert_eq!(approved(store.as_ref()), ("1".to_owned(), "Quyết định số 12/QĐ-SKHCN".to_owned()));
    let facts = gathered(store.as_ref(), &form);
    assert!(facts.filled.parts.iter().all(|part| part.id != "plan"), "the form has its own parts");
}

#[test]
fn how_a_measure_is_carried_out_does_not_say_that_it_is_met() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = filled(dir.path());
    let dossier = question("nd-331-2026", "level-dossier", 3);
    let write = |store: &mut Box<dyn Store>, part: &str, text: &str| {
        let text = ioc_store::report::ReportText {
            report: dossier.key.to_string(),
            key: format!("measure/ql-1/{part}"),
            text: text.to_owned(),
            by: "lan".to_owned(),
            at: now(),
        };
        store.commit(&[Change::ReportText(text)]).expect("commits");
    };
    let row = |store: &dyn Store| {
        let facts = gathered(store, &dossier);
        let texts = store.reader().expect("reads").report_texts(&dossier.key.to_string()).expect("reads");
        let texts = texts.into_iter().map(|one| (one.key, one.text)).collect();
        let filled = facts.filled.clone().with_texts(&texts);
        let plan = filled.parts.iter().find(|part| part.id == "plan").expect("a plan");
        let rows = plan.items.iter().flat_map(|item| match &item.content {
            FilledContent::Table(table) => table.rows.clone(),
            FilledContent::Text(_) => Vec::new(),
        });
        let row = rows.into_iter().find(|row| row[0].text == "ql-1").expect("a measure of people");
        (row, facts.measures[0])
    };
    let has = |row: &[Cell], part: &str, origin: Origin| {
        row.iter().any(|cell| cell.origin == origin && cell.ask.as_ref().is_some_and(|ask| ask.key.ends_with(part)))
    };
    let (_, before) = row(store.as_ref());
    write(&mut store, "how", "Chưa ban hành, dự kiến quý I/2027");
    let (of_people, met) = row(store.as_ref());
    assert!(has(&of_people, "/status", Origin::Missing), "whether it is met is still to be said");
    assert!(of_people.iter().all(|cell| !cell.text.contains("đáp ứng") && cell.text != "không có"), "{of_people:?}");
    assert_eq!(met, before);
    write(&mut store, "status", "chưa đáp ứng");
    let (of_people, met) = row(store.as_ref());
    assert!(of_people.iter().all(|cell| cell.text != "không có"), "who mends it and by when is asked for");
    assert_eq!(met, before);
    write(&mut store, "status", "xong rồi");
    assert_eq!(row(store.as_ref()).1, before, "nothing but what is offered answers it");
    write(&mut store, "status", "đáp ứng");
    let (of_people, met) = row(store.as_ref());
    assert_eq!(met, before + 1);
    assert!(of_people.iter().any(|cell| cell.text == "không có"));
}

#[test]
fn a_level_asks_for_what_its_pack_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = filled(dir.path());
    let measures = |pack: &str, level: u8| {
        let facts = gathered(store.as_ref(), &question(pack, "level-dossier", level));
        let part = facts.filled.parts.iter().find(|part| part.id == "plan").expect("a plan").clone();
        let ids: Vec<String> = part
            .items
            .iter()
            .flat_map(|item| match &item.content {
                FilledContent::Table(table) => table.rows.iter().map(|row| row[0].text.clone()).collect(),
                FilledContent::Text(_) => Vec::new(),
            })
            .collect();
        assert_eq!(facts.measures[1] as usize, ids.len(), "each measure of the level stands in one table");
        ids
    };
    let (one, three) = (measures("nd-331-2026", 1), measures("nd-331-2026", 3));
    let has = |all: &[String], id: &str| all.iter().any(|one| one == id);
    assert!(!has(&one, "x.8.2.1a") && has(&three, "x.8.2.1a"), "level 1 asks for no log store");
    assert!(!has(&one, "x.11-copies") && has(&three, "x.11-copies"));
    assert!(measures("nd-85-2016", 3).iter().all(|id| id != "x.2"), "another law has signs of its own");
    // A log that is kept shorter than the level asks is not met.
    let mut short = question("nd-331-2026", "level-dossier", 3);
    short.log_days = Some(30);
    let facts = gathered(store.as_ref(), &short);
    let of = |facts: &FilingFacts| {
        let table = table(facts, "plan", "server").clone();
        let row = table.rows.into_iter().find(|row| row[0].text == "x.8.2.1a").expect("asked for");
        row[4].text.clone()
    };
    assert_eq!(of(&facts), "chưa đáp ứng");
    assert_eq!(of(&gathered(store.as_ref(), &question("nd-331-2026", "level-dossier", 3))), "đáp ứng");
}

#[test]
fn idle_accounts_and_their_review_are_shown_by_the_register_of_accounts() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = filled(dir.path());
    let asked = question("nd-331-2026", "level-dossier", 3);
    let said_of = |store: &dyn Store, id: &str| {
        let facts = gathered(store, &asked);
        let table = table(&facts, "plan", "server").clone();
        let row = table.rows.into_iter().find(|row| row[0].text == id).expect("asked for");
        (row[4].text.clone(), row[5].text.clone())
    };
    assert_eq!(said_of(store.as_ref(), "x.6.2.3").0, "chưa rõ", "of an account nobody knows when it was used");
    assert_eq!(said_of(store.as_ref(), "x.6.2.1d").0, "chưa đáp ứng", "no leader has signed a review");
    let day_ms = 86_400_000;
    let account = |name: &str, days: i64| Account {
        name: name.to_owned(),
        locked: Some(false),
        last_sign_in_at: Some(now().plus_millis(-days * day_ms)),
        ..Account::default()
    };
    let told = |accounts: Vec<Account>| {
        let body = serde_json::to_string(&Accounts { accounts, ..Accounts::default() }).expect("writes");
        let device = DeviceId::new("srv-1").expect("good");
        Change::Document { device, name: "accounts".into(), at: now(), body }
    };
    store.commit(&[told(vec![account("an", 3), account("binh", 46)])]).expect("commits");
    let (status, evidence) = said_of(store.as_ref(), "x.6.2.3");
    assert_eq!(status, "đáp ứng một phần");
    assert!(evidence.contains("1/2 (50,0%)") && evidence.contains("1 bỏ không"), "{evidence}");
    store.commit(&[told(vec![account("an", 3)])]).expect("commits");
    assert_eq!(said_of(store.as_ref(), "x.6.2.3").0, "đáp ứng");
    // A review counts once a leader has signed it, and until the next one is due.
    let review = |number, days: i64| {
        let at = now().plus_millis(-days * day_ms);
        let review = AccountReview {
            number,
            opened_at: at,
            opened_by: "lan".into(),
            count: 0,
            tally: Default::default(),
            signature: None,
        };
        let signature = ReviewSignature { at, by: "boss".into(), sha256: "ab".into(), issued: 1 };
        [Change::AccountReviewOpened(review), Change::AccountReviewSigned { review: number, signature }]
    };
    store.commit(&review(1, 200)).expect("commits");
    assert_eq!(said_of(store.as_ref(), "x.6.2.1d").0, "chưa đáp ứng", "it was due after six months");
    store.commit(&review(2, 30)).expect("commits");
    let (status, evidence) = said_of(store.as_ref(), "x.6.2.1d");
    assert!(status == "đáp ứng" && evidence.contains("đợt 2"), "{status}: {evidence}");
}

#[test]
fn the_table_of_accounts_has_those_of_appliances_and_who_holds_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = filled(dir.path());
    let vouched = ioc_store::AccountAttestation {
        name: "apc".to_owned(),
        holder: "Trần Bình".to_owned(),
        administrator: true,
        role: "Administrator".to_owned(),
        note: String::new(),
        password_at: Some(now().plus_millis(-86_400_000)),
        valid_until: now().plus_millis(86_400_000),
        gone: false,
        by: "lan".to_owned(),
        at: now(),
    };
    store
        .commit(&[Change::AccountAttested { device: DeviceId::new("ups-1").expect("good"), attestation: vouched }])
        .expect("commits");
    let facts = gathered(store.as_ref(), &question("nd-331-2026", "level-dossier", 3));
    let accounts = table(&facts, "accounts", "list");
    let row = accounts.rows.iter().find(|row| row.iter().any(|cell| cell.text == "apc")).expect("an appliance's");
    let has = |text: &str| row.iter().any(|cell| cell.text == text && cell.origin == Origin::Record);
    assert!(has("Administrator") && has("UPS 1") && has("Trần Bình"), "{row:?}");
    assert!(row.iter().any(|cell| cell.text == "đặt mật khẩu 28/11/2026"), "{row:?}");
}

#[test]
fn an_empty_centre_has_blanks_and_no_zeros() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = ioc_store::open(dir.path()).expect("opens");
    for (pack, filing) in
        [("nd-331-2026", "level-dossier"), ("nd-331-2026", "form-08"), ("nd-85-2016", "level-dossier")]
    {
        let facts = gathered(store.as_ref(), &question(pack, filing, 2));
        assert!(facts.filled.tally().of(Origin::Missing) > 0 && facts.filled.texts_missing() > 0);
        if filing == "level-dossier" {
            assert!(table(&facts, "devices", "list").rows.is_empty());
            let scope = table(&facts, "overview", "scope");
            assert_eq!(scope.rows[2][1].origin, Origin::Missing, "of no device there is no count: {scope:?}");
        }
    }
    let asked = question("nd-331-2026", "level-dossier", 3);
    let reader = store.reader().expect("reads");
    assert!(gather(reader.as_ref(), &asked, &|done, _| done < 2).expect("reads").is_none(), "it can be broken off");
}
