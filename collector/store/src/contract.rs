//! What every store must do, whatever it is made of.
//!
//! An implementation keeps the contract with one line among its own tests: [`check`], with how its store in a directory is opened. It is
//! opened there again and again, each time after the one before was dropped, as after a kill; what was committed must be there.

mod accounts;
mod assets;
mod audit_stamps;
mod certificates;
mod clock;
mod compaction;
mod configuration;
mod damaged_documents;
mod dashboards;
mod deadlines;
mod device_list;
mod document_history;
mod duty;
mod expected_backups;
mod failures;
mod floor;
mod incidents;
mod inventory_counts;
mod legal_hold;
mod limits;
mod losses;
mod outbox;
mod person;
mod plans;
mod products;
mod questions;
mod report;
mod requests;
mod retention;
mod search;
mod tickets;
mod value_marks;

use std::collections::BTreeSet;
use std::path::Path;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, FaultId, IncidentId};
use ioc_common::layout::{Layout, LayoutId, Series};
use ioc_common::report::Position;
use ioc_common::software::{Item, Software};
use ioc_judge::duty::Cover;
use ioc_judge::incident::{IncidentRecord, Progress};
use ioc_judge::rule::document::Comparison;
use ioc_judge::{
    DeviceInfo, DeviceKind, Fault, FaultState, Incident, IncidentState, Presence, Priority, Scope, Severity, Text,
    TimelineStep, Window, WindowSchedule,
};

use crate::history::Tier;
use crate::role::Role;
use crate::scope::AccessScope;
use crate::totp::SecondFactor;
use crate::{
    AccountRecord, ApprovalReason, ArchiveChange, Change, ChunkQuery, ClockMark, DeviceQuery, DeviceSort,
    DeviceStateFilter, FaultQuery, Grant, Handover, JobRecord, JobReport, OutboxEntry, Reader, RecordKind,
    RemovedHistory, RequestRecord, RequestState, SavedView, SessionRecord, Store, StoredChunks, TicketQuery,
    TicketRecord, TokenRecord, audit, history,
};

/// Opens the store that belongs to a directory, or makes it.
type Open<'o> = &'o dyn Fn(&Path) -> Box<dyn Store>;

/// A check with its name.
pub(crate) type Check = (&'static str, fn(Open<'_>, &Path));
macro_rules! named {
    ($($check:path,)*) => { &[$((stringify!($check), $check)),*] };
}

/// All of them.
pub(crate) fn checks() -> &'static [Check] {
    named![
        devices_and_samples,
        device_list::devices_by_load,
        device_list::devices_by_words,
        questions::every_question_has_an_answer,
        value_marks::value_marks,
        person::person,
        report::reports,
        configuration::configuration,
        report::periods,
        surveys,
        document_history::every_version_of_a_document_can_be_had_again,
        document_history::moments_go_by_what_came_last_whatever_the_clock_did,
        document_history::what_changes_by_itself_makes_no_change,
        document_history::software_has_a_history_too,
        document_history::what_is_forgotten_leaves_what_stood_then,
        document_history::changes_come_by_pages_and_only_of_what_is_within_reach,
        faults_and_incidents,
        incidents::incidents_are_found_by_what_people_look_for,
        deadlines::deadlines,
        outbox::outbox,
        tickets::tickets,
        plans::plans,
        duty::duty,
        duty::signed_shifts,
        accounts_and_tokens,
        requests::requests,
        audit_chain,
        audit_stamps::audit_stamps,
        all_or_nothing,
        compaction::rows_and_compaction,
        compaction::nothing_is_deleted_while_the_clock_is_in_doubt,
        compaction::what_is_gone_is_told_until_it_stands_in_the_audit_log,
        compaction::what_cannot_be_read_keeps_nothing_else_from_being_folded,
        compaction::charts_are_whole_whatever_is_folded,
        compaction::ended_at_any_moment_it_comes_to_the_same,
        compaction::pieces_of_one_chunk_do_not_pile_up,
        limits::limits,
        clock::clock,
        certificates::certificates,
        losses::losses,
        losses::entrances,
        expected_backups::expected_backups,
        accounts::accounts,
        accounts::accounts_by_work,
        accounts::reviews,
        assets::assets,
        products::products,
        products::products_follow_machines,
        inventory_counts::inventory_counts,
        dashboards::dashboards,
        floor::floor_plans,
        damaged_documents::damaged_documents_cost_their_device,
        retention::what_goes_leaves_its_evidence_in_the_same_commit,
        retention::a_large_incident_goes_by_what_was_read_of_it,
        retention::the_newest_incident_and_fault_stay_so_that_no_number_is_given_twice,
        legal_hold::each_kind_of_hold_keeps_what_it_is_about_of_each_class,
        legal_hold::what_was_joined_to_another_incident_is_held_with_it,
        legal_hold::a_fault_and_a_notice_are_kept_as_long_as_they_are_themselves,
        legal_hold::a_name_is_held_however_it_is_written,
        legal_hold::what_a_device_has_too_much_of_goes_in_turns_and_not_when_it_is_held,
        legal_hold::a_hold_wins_over_whatever_is_deleted_in_its_commit_or_was_chosen_before,
        legal_hold::a_notice_knows_its_devices_when_its_incident_and_faults_are_gone,
        legal_hold::changes_go_in_their_order_whatever_their_times_say,
        legal_hold::a_machine_that_has_come_in_goes_as_the_others_do,
        legal_hold::the_history_of_a_document_is_held_up_to_the_last_version_that_is_meant,
        retention::what_goes_for_its_number_or_a_week_is_held_too,
        retention::nothing_goes_while_the_clock_is_in_doubt,
        retention::numbers_go_with_evidence_and_are_held,
        retention::rules_are_kept_with_who_said_so,
        search::words_and_filters,
        search::what_may_not_be_read_is_not_found,
        search::what_changes_and_goes_is_followed,
        search::pages_have_each_record_once,
        search::whatever_is_typed_is_answered,
    ]
}

/// Runs every check, each with a directory of its own.
pub(crate) fn check(open: impl Fn(&Path) -> Box<dyn Store>) {
    for (_, one) in checks() {
        let dir = tempfile::tempdir().expect("temporary directory");
        one(&open, dir.path());
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn id(n: u32) -> DeviceId {
    DeviceId::new(&format!("d-{n:03}")).expect("valid")
}

fn info(n: u32) -> DeviceInfo {
    DeviceInfo {
        label: format!("TS-{n}"),
        place: "Phòng máy".into(),
        ..DeviceInfo::new(id(n), DeviceKind::Server, format!("Máy chủ {n}"))
    }
}

fn enrol(store: &mut dyn Store, n: u32) {
    store.commit(&[Change::Device { info: info(n), at: at(1) }]).expect("commits");
}

fn sample(n: u32, seq: u64, value: f64) -> [Change; 2] {
    let layout = Layout::new(vec![Series::new("load.1", "")]).expect("allowed");
    let row = history::pack(&[Some(value)]);
    let position = Position { epoch: 5, seq };
    let moment = at(1000 + seq.cast_signed());
    [
        Change::Sample { device: id(n), position, at: moment, layout: layout.id(), row, newest: true },
        Change::Watermark {
            device: id(n),
            position,
            last_heard: Some(moment),
            last_sample: Some(moment),
            clock_error_ms: Some(-3),
        },
    ]
}

fn devices_and_samples(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    for n in 1..=5 {
        enrol(store.as_mut(), n);
    }
    let layout = Layout::new(vec![Series::new("load.1", "")]).expect("allowed");
    store.commit(&[Change::Layout(layout.clone()), Change::Layout(layout.clone())]).expect("commits");
    for seq in 1..=3 {
        store.commit(&sample(2, seq, seq as f64)).expect("commits");
    }
    let hello = Change::Hello {
        device: id(2),
        at: at(7),
        boot_id: "boot".into(),
        fingerprint: "print".into(),
        interval_s: 7,
        keep_alive_s: 70,
        body: "{}".into(),
    };
    let presence = Change::Presence { device: id(2), presence: Presence::Live { since: at(9) } };
    store.commit(&[hello, presence, Change::Revoked { device: id(4), at: at(99) }]).expect("commits");
    drop(store);

    let store = open(dir);
    let reader = store.reader().expect("reads");
    let device = reader.device(&id(2)).expect("reads").expect("there");
    assert_eq!((device.watermark, device.latest.as_slice()), (Position { epoch: 5, seq: 3 }, &[Some(3.0)][..]));
    assert_eq!((device.interval_s, device.keep_alive_s, device.boot_id.as_str()), (7, 70, "boot"));
    assert_eq!((device.presence, device.clock_error_ms), (Presence::Live { since: at(9) }, Some(-3)));
    assert_eq!(reader.layout(layout.id()).expect("reads"), Some(layout));
    let rows = reader.rows(&id(2), 0).expect("reads");
    assert_eq!(
        rows.iter().map(|row| (row.position.seq, row.values[0])).collect::<Vec<_>>(),
        [(1, Some(1.0)), (2, Some(2.0)), (3, Some(3.0))]
    );

    let list = |query: DeviceQuery| {
        reader.devices(&query).expect("reads").into_iter().map(|d| d.info.id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(DeviceQuery { limit: 2, ..Default::default() }), ["d-001", "d-002"]);
    assert_eq!(list(DeviceQuery { after: Some("d-002".into()), limit: 9, ..Default::default() }), ["d-003", "d-005"]);
    let with_revoked = DeviceQuery { revoked: true, limit: 9, ..Default::default() };
    assert_eq!(list(with_revoked), ["d-001", "d-002", "d-003", "d-004", "d-005"], "what was taken out is on record");
    assert_eq!(list(DeviceQuery { search: "MÁY ts-5".into(), limit: 9, ..Default::default() }), ["d-005"]);
    let of = |query: DeviceQuery| list(DeviceQuery { limit: 9, ..query });
    let bad = DeviceQuery { state: DeviceStateFilter::Bad, ..Default::default() };
    assert_eq!(of(bad.clone()), ["d-001", "d-003", "d-005"]);
    assert_eq!(reader.devices_count(&bad).expect("reads"), 3);
    assert_eq!(of(DeviceQuery { state: DeviceStateFilter::Live, ..Default::default() }), ["d-002"]);
    assert!(of(DeviceQuery { state: DeviceStateFilter::Silent, ..Default::default() }).is_empty());
    let by_seen = DeviceQuery { sort: DeviceSort::Seen, ..Default::default() };
    assert_eq!(of(by_seen.clone()), ["d-002", "d-001", "d-003", "d-005"]);
    assert_eq!(list(DeviceQuery { skip: 1, limit: 2, ..by_seen }), ["d-001", "d-003"]);
    for (sort, _) in DeviceSort::ALL {
        let down = DeviceQuery { sort, descending: true, ..Default::default() };
        assert_eq!(of(down).len(), 4, "{sort:?}");
    }
    let kind = DeviceQuery { kinds: vec![DeviceKind::Ups], ..Default::default() };
    assert!(of(kind).is_empty());
    let places = reader.places().expect("reads");
    let there: usize =
        places.iter().map(|place| of(DeviceQuery { places: vec![place.clone()], ..Default::default() }).len()).sum();
    assert!(there <= 4 && places.iter().all(|place| !place.is_empty()), "{places:?}");
    let counts = reader.counts().expect("reads");
    assert_eq!((counts.devices, counts.live, counts.other), (4, 1, 3));
    let snapshot = reader.snapshot(at(0)).expect("reads");
    assert_eq!(snapshot.devices.len(), 4);
    assert!(snapshot.devices.iter().any(|d| d.info.id == id(2) && d.layout.is_some() && d.watermark.seq == 3));
}

fn fault(n: u64, device: u32, state: FaultState) -> Fault {
    Fault {
        id: FaultId(n),
        device: id(device),
        rule: "disk-nearly-full".into(),
        series: "fs.used_pct|/".into(),
        severity: Severity::Warning,
        state,
        raised_at: at(50),
        cleared_at: None,
        value: Some(93.5),
        reason: Text::new("vì", "why"),
        incident: Some(IncidentId(1)),
        title: None,
        source: None,
        matter: None,
    }
}

fn incident(n: u64, state: IncidentState, resolved_at: Option<Timestamp>) -> Incident {
    Incident {
        id: IncidentId(n),
        device: Some(id(1)),
        rule: "disk-nearly-full".into(),
        severity: Severity::Warning,
        priority: Priority::P3,
        state,
        title: Text::new("Đĩa", "Disk"),
        reason: Text::default(),
        advice: Text::default(),
        opened_at: at(50),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at,
        raised: 1,
        steps: 1,
        article: String::new(),
        acknowledge_by: None,
        resolve_by: None,
        evidence: ioc_judge::Evidence::of(ioc_judge::InformationSource::Agent),
        record: IncidentRecord::default(),
        progress: Progress::default(),
    }
}

fn surveys(open: Open<'_>, dir: &Path) {
    use ioc_common::software::{list_id, reports};
    let item = |name: &str, version: &str| Item {
        source: "dpkg".into(),
        name: name.into(),
        version: version.into(),
        ..Item::default()
    };
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    enrol(store.as_mut(), 2);
    let document = |n: u32, name: &str, ms: i64, body: &str| Change::Document {
        device: id(n),
        name: name.into(),
        at: at(ms),
        body: body.into(),
    };
    store
        .commit(&[document(1, "raid", 5, "{}"), document(1, "patches", 5, "{}"), document(1, "raid", 9, "{\"a\":1}")])
        .expect("commits");
    let event = |ms: i64, name: &str| Change::Event {
        device: id(1),
        at: at(ms),
        name: name.into(),
        text: "x".into(),
        fields: "{\"a\":\"b\"}".into(),
    };
    store.commit(&[event(3, "usb.attached"), event(8, "usb.detached")]).expect("commits");
    let old: Vec<Item> = (0..500).map(|n| item(&format!("p{n:03}"), "1")).collect();
    let software = |n: u32, report: Software| Change::Software { device: id(n), at: at(7), report };
    let mut parts = reports(None, old.clone()).into_iter();
    store.commit(&[software(1, parts.next().expect("two parts"))]).expect("commits");
    assert_eq!(store.reader().expect("reads").software_list(&id(1)).expect("reads"), None, "half a list is none");
    store
        .commit(&[
            software(1, parts.next().expect("two parts")),
            software(2, reports(None, old[..3].to_vec()).remove(0)),
        ])
        .expect("commits");
    let mut new = old.clone();
    new[5].version = "2".into();
    new.remove(7);
    store.commit(&[software(1, reports(Some(&old), new.clone()).remove(0))]).expect("commits");
    drop(store);

    let mut store = open(dir);
    let reader = store.reader().expect("reads");
    let documents = reader.documents(&id(1)).expect("reads");
    let short: Vec<_> = documents.iter().map(|one| (one.name.as_str(), one.at, one.body.as_str())).collect();
    assert_eq!(short, [("patches", at(5), "{}"), ("raid", at(9), "{\"a\":1}")], "the newest of each name");
    let named = |after: &str, limit| reader.documents_named("raid", after, limit).expect("reads");
    assert_eq!((named("", 9).len(), named("", 9)[0].0.clone(), named("", 9)[0].1.at), (1, id(1), at(9)));
    assert!(named(id(1).as_str(), 9).is_empty() && named("", 0).is_empty());
    let events = reader.events(&id(1), None, 1).expect("reads");
    assert_eq!((events.len(), events[0].name.as_str(), events[0].fields["a"].as_str()), (1, "usb.detached", "b"));
    let before = reader.events(&id(1), Some(events[0].number), 9).expect("reads");
    assert_eq!(before.len(), reader.events(&id(1), None, 9).expect("reads").len() - 1, "goes on after it");
    assert_eq!(reader.software_list(&id(1)).expect("reads"), Some((list_id(&new), at(7))));
    assert_eq!(reader.software(&id(1), "", 9999).expect("reads"), new);
    assert_eq!(reader.software(&id(1), "dpkg:p004", 1).expect("reads")[0].version, "2");
    // A new whole list leaves nothing of the old one.
    let whole = reports(None, new[..2].to_vec()).remove(0);
    store.commit(&[software(1, whole)]).expect("commits");
    assert_eq!(store.reader().expect("reads").software(&id(1), "", 99).expect("reads"), new[..2]);
    assert_eq!(store.reader().expect("reads").software(&id(2), "", 99).expect("reads").len(), 3, "of another device");
}

fn faults_and_incidents(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    enrol(store.as_mut(), 2);
    let step = TimelineStep {
        incident: IncidentId(1),
        number: 1,
        at: at(60),
        who: "lan".into(),
        state: IncidentState::Open,
        note: Text::new("a", "b"),
    };
    store
        .commit(&[
            Change::Fault(fault(1, 1, FaultState::Raised)),
            Change::Fault(fault(2, 2, FaultState::Raised)),
            Change::Fault(fault(2, 2, FaultState::Cleared)),
            Change::Incident(Box::new(incident(1, IncidentState::Open, None))),
            Change::Incident(Box::new(incident(2, IncidentState::Resolved, Some(at(500))))),
            Change::Incident(Box::new(incident(3, IncidentState::Resolved, Some(at(900))))),
            Change::Step(step.clone()),
        ])
        .expect("commits");
    let reader = store.reader().expect("reads");
    assert_eq!(
        reader.faults(&FaultQuery { open: true, ..FaultQuery::default() }, 9).expect("reads"),
        [fault(1, 1, FaultState::Raised)]
    );
    assert_eq!(
        reader.faults(&FaultQuery { device: Some(&id(2)), ..FaultQuery::default() }, 9).expect("reads"),
        [fault(2, 2, FaultState::Cleared)]
    );
    assert_eq!(reader.faults(&FaultQuery { before: Some(2), ..FaultQuery::default() }, 9).expect("reads").len(), 1);
    let under = |id| FaultQuery { incident: Some(IncidentId(id)), ..FaultQuery::default() };
    assert_eq!(reader.faults(&under(1), 9).expect("reads").len(), 2);
    assert!(reader.faults(&under(2), 9).expect("reads").is_empty());
    let counted = |since| reader.rule_faults(since).expect("reads").remove(0);
    let all = counted(at(0));
    assert_eq!((all.rule.as_str(), all.raised, all.devices), ("disk-nearly-full", 2, 1));
    assert_eq!((all.incidents, all.taken, all.ignored, all.last.is_some()), (1, 0, 0, true));
    assert_eq!(
        (counted(at(9_000_000)).raised, counted(at(9_000_000)).devices),
        (0, 1),
        "what stands is there, whenever it was raised"
    );
    let facts = reader.coverage().expect("reads");
    assert_eq!((facts.devices, facts.live, facts.computers), (2, 0, 2));
    assert_eq!(facts.faults, [("disk-nearly-full".to_owned(), 1)]);
    let heard = Change::Presence { device: id(1), presence: Presence::Live { since: at(5) } };
    let document = |n| Change::Document { device: id(n), name: "patches".into(), at: at(5), body: "{}".into() };
    store.commit(&[heard, document(1), document(2)]).expect("commits");
    let facts = reader.coverage().expect("reads");
    assert_eq!((facts.live, facts.documents["patches"].len()), (1, 1), "what is silent covers nothing");
    failures::are_of_what_is_heard(store.as_mut(), &id(1), &id(2));
    assert_eq!(reader.incidents(None, true, None, 9).expect("reads").len(), 1);
    assert_eq!(reader.incidents(Some(&id(1)), false, Some(3), 1).expect("reads")[0].id, IncidentId(2));
    let joined = reader.incidents(Some(&id(2)), false, None, 9).expect("reads");
    assert_eq!(joined.iter().map(|one| one.id.0).collect::<Vec<_>>(), [1], "a fault of it belongs to one of another");
    assert_eq!(reader.incident(IncidentId(1)).expect("reads").expect("there").1, std::slice::from_ref(&step));
    assert!(reader.incident(IncidentId(7)).expect("reads").is_none());
    let device = reader.device(&id(1)).expect("reads").expect("there");
    assert_eq!(
        (device.worst, reader.device(&id(2)).expect("reads").expect("there").worst),
        (Some(Severity::Warning), None)
    );
    let snapshot = reader.snapshot(at(600)).expect("reads");
    assert_eq!((snapshot.faults.len(), snapshot.last_fault, snapshot.last_incident), (1, 2, 3));
    assert_eq!(snapshot.incidents.iter().map(|i| i.id.0).collect::<Vec<_>>(), [1, 3], "resolved long ago is left out");
    assert!(store.commit(&[Change::Step(step)]).is_err(), "a step is written once");
}

fn accounts_and_tokens(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let token = TokenRecord {
        digest: "t".into(),
        grant: Grant::Device { info: Box::new(info(1)), base: None },
        label: "máy chủ".into(),
        uses_max: 1,
        approve: false,
        created_by: "admin".into(),
        created_at: at(1),
        expires_at: at(9),
        uses: 0,
        used_at: None,
        ended_at: None,
    };
    let account = AccountRecord {
        name: "admin".into(),
        full_name: "Nguyễn Thị Lan".into(),
        role: Role::Administrator,
        password: "hash".into(),
        earlier: vec!["older".into()],
        password_at: at(7),
        must_change: true,
        disabled: false,
        failures: 1,
        locked_until: Some(at(8)),
        places: vec!["Tầng 2".into()],
        second_factor: Some(SecondFactor::new().expect("random")),
        last_sign_in_at: Some(at(6)),
    };
    let session = SessionRecord {
        digest: "s".into(),
        account: "admin".into(),
        federated: true,
        label: String::new(),
        role: None,
        peer: "here".into(),
        created_at: at(3),
        expires_at: Timestamp::MAX,
        confirmed_at: at(3),
        second_factor: true,
    };
    let robot =
        SessionRecord { digest: "robot".into(), label: "robot".into(), role: Some(Role::Viewer), ..session.clone() };
    store
        .commit(&[Change::Token(token.clone()), Change::Account(account.clone()), Change::Session(session.clone())])
        .expect("commits");
    store.commit(&[Change::TokenUsed { digest: "t".into(), device: id(1), at: at(5) }]).expect("commits");
    let reader = store.reader().expect("reads");
    let used = TokenRecord { uses: 1, used_at: Some(at(5)), ..token };
    assert_eq!(reader.token("t").expect("reads").as_ref(), Some(&used));
    assert!(used.refusal(at(2)).is_some() && reader.tokens(None, 9).expect("reads") == [used]);
    assert!(reader.tokens(Some("t"), 9).expect("reads").is_empty(), "goes on after it");
    store.commit(&[Change::TokenEnded { digest: "t".into(), at: at(6) }]).expect("commits");
    assert_eq!(reader.token("t").expect("reads").and_then(|token| token.ended_at), Some(at(6)));
    assert_eq!(reader.account("admin").expect("reads"), Some(account));
    assert_eq!(reader.session("s").expect("reads").as_ref(), Some(&session));
    assert_eq!(reader.accounts().expect("reads").len(), 1);
    // What was shown of a second factor ends with it; what the identity provider says of one does not.
    let own = SessionRecord { digest: "own".into(), federated: false, ..session.clone() };
    let shown = |second_factor| Change::SessionConfirmed { digest: "own".into(), at: at(4), second_factor };
    let showed = |digest: &str| reader.session(digest).expect("reads").map(|found| found.second_factor);
    store.commit(&[Change::Session(own.clone()), shown(false)]).expect("commits");
    assert_eq!(showed("own"), Some(false));
    store.commit(&[shown(true)]).expect("commits");
    let confirmed = SessionRecord { confirmed_at: at(4), ..own };
    assert_eq!(reader.session("own").expect("reads"), Some(confirmed));
    store.commit(&[Change::SecondFactorEnded { account: "admin".into() }]).expect("commits");
    assert_eq!((showed("own"), showed("s")), (Some(false), Some(true)));
    store.commit(&[Change::SessionEnded { digest: "own".into() }]).expect("commits");
    store.commit(&[Change::Session(robot.clone())]).expect("commits");
    assert_eq!(reader.sessions("admin").expect("reads").len(), 2);
    let all_but = |except: &str| Change::SessionsEnded { account: "admin".into(), except: except.into() };
    store.commit(&[all_but("robot")]).expect("commits");
    assert_eq!(reader.sessions("admin").expect("reads"), [robot]);
    store.commit(&[Change::Session(session), Change::SessionEnded { digest: "s".into() }]).expect("commits");
    assert_eq!(reader.session("s").expect("reads"), None);
    store.commit(&[all_but("")]).expect("commits");
    assert!(reader.sessions("admin").expect("reads").is_empty());
    assert_eq!(reader.token("x").expect("reads"), None);
}

fn audit_chain(open: Open<'_>, dir: &Path) {
    let entry = |n: i64| {
        Change::Audit(audit::AuditEntry {
            at: at(n),
            actor: "lan".into(),
            action: "account.signed_in".into(),
            subject: "lan".into(),
            detail: String::new(),
        })
    };
    for n in 0..3 {
        open(dir).commit(&[entry(n), entry(n + 10)]).expect("commits");
    }
    let records = open(dir).reader().expect("reads").audit(0, 99).expect("reads");
    assert_eq!(records.len(), 6);
    let mut previous = audit::GENESIS.to_owned();
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record.number, place as u64 + 1);
        assert!(audit::follows(&previous, record), "record {}", record.number);
        previous.clone_from(&record.hash);
    }
}

fn all_or_nothing(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let mut changes = sample(1, 1, 1.0).to_vec();
    changes.push(Change::Device { info: info(2), at: at(1) });
    changes.push(Change::Presence { device: id(9), presence: Presence::NeverSeen });
    assert!(store.commit(&changes).is_err(), "a change of an unknown device");
    let reader = store.reader().expect("reads");
    assert!(reader.rows(&id(1), 0).expect("reads").is_empty());
    assert!(reader.device(&id(2)).expect("reads").is_none());
    changes.pop();
    store.commit(&changes).expect("commits without the bad change");
    store.commit(&sample(2, 1, 2.0)).expect("the new device can be written");
    assert_eq!(reader.rows(&id(1), 0).expect("reads").len(), 1);
}
