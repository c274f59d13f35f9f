//! Records that are past their time go with their evidence, and nothing that is held goes.

use std::slice;

use super::*;
use crate::history::fold::HistoryBlock;
use crate::retention::{Counted, Cursor, Deletion, Expiry, Hold, HoldTarget, NumbersHold, RecordClass, RetentionRule};
use ioc_common::encoding::sha256_hex;
use ioc_judge::incident::Closing;

pub(super) const DAY: i64 = 86_400_000;
/// The classes that go by [`Change::Expired`].
pub(super) const GOING: [RecordClass; 6] = [
    RecordClass::Events,
    RecordClass::Faults,
    RecordClass::Incidents,
    RecordClass::Notices,
    RecordClass::Documents,
    RecordClass::Enrolments,
];

/// Of two devices, on day 1 and on day 100, one record of each class; and newer ones that numbers go on from.
pub(super) fn filled(open: Open<'_>, dir: &Path) -> Box<dyn Store> {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    enrol(store.as_mut(), 2);
    let mut changes = Vec::new();
    for n in 1..=2_u32 {
        let ms = if n == 1 { DAY } else { 100 * DAY };
        let number = u64::from(n);
        changes.push(Change::Event {
            device: id(n),
            at: at(ms),
            name: "login".into(),
            text: "signed in".into(),
            fields: format!("{{\"user\":\"user-{n}\"}}"),
        });
        changes.push(Change::Fault(Fault {
            raised_at: at(ms),
            cleared_at: Some(at(ms + 1)),
            incident: None,
            series: format!("account.idle_days|user-{n}"),
            ..fault(number, n, FaultState::Cleared)
        }));
        let closing = Closing { course: "c".into(), remedy: "r".into(), who: format!("user-{n}"), at: at(ms + 5) };
        changes.push(Change::Incident(Box::new(Incident {
            device: Some(id(n)),
            opened_at: at(ms),
            record: IncidentRecord { closing: Some(closing), ..IncidentRecord::default() },
            ..incident(number, IncidentState::Closed, Some(at(ms + 4)))
        })));
        changes.push(Change::Attachment { incident: IncidentId(number), sha256: "aa".into(), content: vec![1, 2] });
        changes.push(Change::Fault(Fault {
            raised_at: at(ms),
            cleared_at: Some(at(ms + 1)),
            incident: Some(IncidentId(number)),
            ..fault(10 + number, n, FaultState::Cleared)
        }));
        changes.push(Change::Outbox(OutboxEntry {
            person: format!("user-{n}"),
            state: crate::DeliveryState::Delivered,
            ..OutboxEntry::new(format!("{n}-1-mail"), IncidentId(number), "mail", "{}", at(ms + 2))
        }));
        // The second version is the newest, and never past its time.
        for (later, name) in [(0, format!("user-{n}")), (1, "root".to_owned())] {
            changes.push(document(n, ms + later, &serde_json::json!({ "accounts": [{ "name": name }] })));
        }
        changes.push(Change::Request(Box::new(RequestRecord {
            id: format!("r{n}"),
            token: "t".into(),
            at: at(ms),
            seen_at: at(ms),
            peer: format!("user-{n}"),
            facts: Default::default(),
            info: info(n),
            base: None,
            reasons: vec![ApprovalReason::Asked],
            state: RequestState::Waiting,
        })));
    }
    changes.push(Change::Fault(Fault { incident: None, ..fault(99, 1, FaultState::Raised) }));
    changes.push(Change::Incident(Box::new(incident(99, IncidentState::Open, None))));
    store.commit(&changes).expect("commits");
    store
}

pub(super) fn document(n: u32, ms: i64, body: &serde_json::Value) -> Change {
    Change::Document { device: id(n), name: "accounts".into(), at: at(ms), body: body.to_string() }
}

pub(super) fn hold(number: u64, target: HoldTarget) -> Hold {
    let (reason, by) = ("điều tra".to_owned(), "lan".to_owned());
    Hold { number, target, from: None, until: None, reason, at: at(0), by, ended: None }
}

/// The moment by which all of it is past its time.
pub(super) fn later() -> Timestamp {
    at(1000 * DAY)
}

/// What would go of a class: the keys, and the digests of the lines.
pub(super) fn going(store: &dyn Store, class: RecordClass) -> Vec<(i64, String)> {
    let seen = store.reader().expect("reads").past_records(class, later(), Cursor::default(), 100).expect("reads");
    seen.into_iter().filter(|one| !one.stays).map(|one| (one.key, sha256_hex(one.line.as_bytes()))).collect()
}

/// Chosen before any hold was set.
pub(super) fn expired(class: RecordClass, records: Vec<(i64, String)>) -> Change {
    chosen(class, records, 0)
}

/// Chosen by whoever knew so many holds.
pub(super) fn chosen(class: RecordClass, records: Vec<(i64, String)>, holds_seen: u64) -> Change {
    Change::Expired(expiry(class, records, holds_seen))
}

fn expiry(class: RecordClass, records: Vec<(i64, String)>, holds_seen: u64) -> Expiry {
    let (before, at, rule) = (later(), later(), "kept 1d, then delete; by An".to_owned());
    let (commits_seen, first_alone, exported) = (0, String::new(), String::new());
    Expiry { class, before, records, holds_seen, commits_seen, first_alone, at, rule, exported }
}

/// An incident with thousands of faults takes longer to be read than a commit may: it goes by what was read of it before, if nothing was written
/// to it since.
pub(super) fn a_large_incident_goes_by_what_was_read_of_it(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let closing = Closing { course: "c".into(), remedy: "r".into(), who: "an".into(), at: at(DAY) };
    let mut changes = vec![Change::Incident(Box::new(Incident {
        record: IncidentRecord { closing: Some(closing), ..IncidentRecord::default() },
        ..incident(1, IncidentState::Closed, Some(at(DAY)))
    }))];
    // So many that no server reads them in its time either.
    changes.extend((1..=6000).map(|number| {
        let (incident, series) = (Some(IncidentId(1)), "x".repeat(1000));
        Change::Fault(Fault { cleared_at: Some(at(DAY)), incident, series, ..fault(number, 1, FaultState::Cleared) })
    }));
    changes.push(Change::Incident(Box::new(incident(99, IncidentState::Open, None))));
    store.commit(&changes).expect("commits");
    // Whoever chose it gives what the evidence will say: it is what stands there if the commit did not read it once more.
    let by_what_was_read = |store: &dyn Store| {
        let commits_seen = store.reader().expect("reads").commits().expect("reads");
        let records = going(store, RecordClass::Incidents);
        assert_eq!(records.len(), 1);
        let first_alone = "as it was read".to_owned();
        Change::Expired(Expiry { commits_seen, first_alone, ..expiry(RecordClass::Incidents, records, 0) })
    };
    let earlier = by_what_was_read(store.as_ref());
    store
        .commit(&[Change::Attachment { incident: IncidentId(1), sha256: "aa".into(), content: vec![1] }])
        .expect("commits");
    store.commit(&[earlier]).expect("commits");
    let evidence = |store: &dyn Store| store.reader().expect("reads").deletions(None, 9).expect("reads");
    assert!(evidence(store.as_ref()).is_empty(), "something was written to it since");
    let now = by_what_was_read(store.as_ref());
    store.commit(&[now]).expect("commits");
    let left = evidence(store.as_ref());
    assert_eq!(left.iter().map(|one| (one.count, one.digest.as_str())).collect::<Vec<_>>(), [(1, "as it was read")]);
    assert!(going(store.as_ref(), RecordClass::Incidents).is_empty());
}

/// Every hold that a test sets.
pub(super) const ALL_HOLDS: u64 = 1000;

/// Until nothing is left: one commit takes no more than it has time for.
pub(super) fn expire_all(store: &mut dyn Store, class: RecordClass) {
    loop {
        let records = going(store, class);
        if records.is_empty() {
            return;
        }
        let left = records.len();
        store.commit(&[chosen(class, records, ALL_HOLDS)]).expect("commits");
        assert!(going(store, class).len() < left, "{class:?}");
    }
}

/// What is beyond its number goes in later commits, too.
pub(super) fn settle(store: &mut dyn Store) {
    for _ in 0..20 {
        store.commit(&[]).expect("commits");
    }
}

pub(super) fn evidence(store: &dyn Store) -> Vec<Deletion> {
    store.reader().expect("reads").deletions(None, 1000).expect("reads")
}

fn audited(store: &dyn Store) -> Vec<audit::AuditRecord> {
    let all = store.reader().expect("reads").audit(0, 1000).expect("reads");
    all.into_iter().filter(|record| record.action == "records.deleted").collect()
}

pub(super) fn what_goes_leaves_its_evidence_in_the_same_commit(open: Open<'_>, dir: &Path) {
    let mut store = filled(open, dir);
    let kept = [RecordClass::Audit, RecordClass::Reports, RecordClass::Attestations, RecordClass::AssetImports];
    for class in kept.into_iter().chain([RecordClass::NumbersRaw]) {
        assert!(going(store.as_ref(), class).is_empty(), "{class:?} goes in no such way");
    }
    // Those of incidents go with them.
    assert_eq!(going(store.as_ref(), RecordClass::Faults).iter().map(|one| one.0).collect::<Vec<_>>(), [1, 2]);
    // One place after the other, and none twice.
    let reader = store.reader().expect("reads");
    let mut seen = Vec::new();
    let mut after = Cursor::default();
    while let Some(one) = reader.past_records(RecordClass::Events, later(), after, 1).expect("reads").pop() {
        after = one.cursor;
        seen.push(one);
    }
    assert_eq!(seen.len(), 2);
    let lines: String = seen.iter().map(|one| format!("{}\n", one.line)).collect();
    assert!(lines.contains("\"user\":\"user-1\"") && lines.contains("\"device\":\"d-001\""), "{lines}");
    // A commit that fails takes nothing.
    let records = going(store.as_ref(), RecordClass::Events);
    let unknown = Change::Presence { device: id(9), presence: Presence::NeverSeen };
    assert!(store.commit(&[expired(RecordClass::Events, records.clone()), unknown]).is_err());
    assert_eq!((going(store.as_ref(), RecordClass::Events), evidence(store.as_ref())), (records.clone(), vec![]));
    // One that changed since stays, and what follows it.
    let other = vec![(records[0].0, sha256_hex(b"another line")), records[1].clone()];
    store.commit(&[expired(RecordClass::Events, other)]).expect("commits");
    assert_eq!((going(store.as_ref(), RecordClass::Events).len(), evidence(store.as_ref()).len()), (2, 0));
    expire_all(store.as_mut(), RecordClass::Events);
    drop(store);
    let mut store = open(dir);
    let mut found = evidence(store.as_ref());
    found.reverse();
    assert_eq!(found.iter().map(|one| one.count).sum::<u64>(), 2);
    let mut rest = lines.split_inclusive('\n');
    let recorded = audited(store.as_ref());
    assert_eq!(recorded.len(), found.len());
    for (one, record) in found.iter().zip(recorded) {
        let gone: String = rest.by_ref().take(usize::try_from(one.count).expect("few")).collect();
        assert_eq!(one.digest, sha256_hex(gone.as_bytes()), "of the lines as they were");
        assert_eq!((one.class, record.subject.as_str()), (RecordClass::Events, "events"));
        assert!(record.detail.contains(&one.digest) && record.detail.contains("by An"), "{record:?}");
    }
    // All the others, in turn.
    let others = [RecordClass::Faults, RecordClass::Incidents, RecordClass::Documents, RecordClass::Enrolments];
    for class in others {
        assert_eq!(going(store.as_ref(), class).len(), 2, "{class:?}");
        expire_all(store.as_mut(), class);
    }
    let reader = store.reader().expect("reads");
    assert!(reader.incident(IncidentId(1)).expect("reads").is_none());
    assert_eq!(reader.attachment(IncidentId(1), "aa").expect("reads"), None, "its files go, too");
    assert!(reader.incident(IncidentId(99)).expect("reads").is_some(), "one that is open is never past its time");
    // What has a class of its own goes by that, and not with an incident.
    assert_eq!(reader.faults(&FaultQuery::default(), 9).expect("reads").len(), 3, "those of incidents are there");
    for class in [RecordClass::Faults, RecordClass::Notices] {
        assert_eq!(going(store.as_ref(), class).len(), 2, "{class:?}");
        expire_all(store.as_mut(), class);
    }
    assert_eq!(reader.faults(&FaultQuery::default(), 9).expect("reads").len(), 1);
    let all = evidence(store.as_ref());
    assert_eq!((all.iter().map(|one| one.count).sum::<u64>(), audited(store.as_ref()).len()), (14, all.len()));
    let size = reader.class_size(RecordClass::Events).expect("reads").expect("counted");
    assert_eq!((size.count, size.oldest), (Counted { count: 0, whole: true }, None));
    let last = reader.last_deletion(RecordClass::Events).expect("reads");
    assert_eq!(last.map(|one| one.count), found.last().map(|one| one.count));
}

pub(super) fn the_newest_incident_and_fault_stay_so_that_no_number_is_given_twice(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let closing = Closing { course: "c".into(), remedy: "r".into(), who: "lan".into(), at: at(DAY) };
    let closed = Incident {
        record: IncidentRecord { closing: Some(closing), ..IncidentRecord::default() },
        ..incident(7, IncidentState::Closed, Some(at(DAY)))
    };
    let cleared = Fault { cleared_at: Some(at(DAY)), incident: None, ..fault(8, 1, FaultState::Cleared) };
    store.commit(&[Change::Incident(Box::new(closed)), Change::Fault(cleared)]).expect("commits");
    for class in [RecordClass::Incidents, RecordClass::Faults] {
        assert!(going(store.as_ref(), class).is_empty());
        store.commit(&[expired(class, vec![(7, String::new()), (8, String::new())])]).expect("commits");
    }
    let snapshot = store.reader().expect("reads").snapshot(at(0)).expect("reads");
    assert_eq!((snapshot.last_incident, snapshot.last_fault), (7, 8));
}

pub(super) fn what_goes_for_its_number_or_a_week_is_held_too(open: Open<'_>, dir: &Path) {
    let mut store = filled(open, dir);
    let event = |n: u32| Change::Event {
        device: id(n),
        at: at(200 * DAY),
        name: "x".into(),
        text: String::new(),
        fields: "{}".into(),
    };
    store.commit(&[event(1), event(2), Change::Hold(hold(1, HoldTarget::Device(id(1))))]).expect("commits");
    let pruned = [1, 2].map(|n| Change::EventsPruned { device: id(n), keep: 1 });
    store.commit(&pruned).expect("commits");
    settle(store.as_mut());
    let reader = store.reader().expect("reads");
    assert_eq!([1, 2].map(|n| reader.events(&id(n), None, 9).expect("reads").len()), [2, 1]);
    store.commit(&[Change::RequestsPruned { before: later(), delete: true }]).expect("commits");
    settle(store.as_mut());
    assert!(reader.request("r2").expect("reads").is_none());
    assert!(reader.request("r1").expect("reads").is_some() && reader.requests().expect("reads").is_empty());
    assert_eq!(
        evidence(store.as_ref()).iter().map(|one| (one.class, one.count)).collect::<Vec<_>>(),
        [(RecordClass::Enrolments, 1), (RecordClass::Events, 1)]
    );
    assert_eq!(audited(store.as_ref()).len(), 2);
    // It asks again, and waits again.
    store.commit(&[Change::RequestSeen { id: "r1".into(), at: later() }]).expect("commits");
    assert_eq!(reader.requests().expect("reads").len(), 1);
}

pub(super) fn nothing_goes_while_the_clock_is_in_doubt(open: Open<'_>, dir: &Path) {
    let mut store = filled(open, dir);
    let mark = |step_ms| {
        Change::Clock(ClockMark {
            boot_id: "boot".into(),
            boot_ms: 5,
            at: at(5),
            step_ms,
            doubt_ms: None,
            followed_ms: 0,
        })
    };
    store.commit(&[mark(Some(400 * DAY))]).expect("commits");
    for class in GOING {
        let records = going(store.as_ref(), class);
        store.commit(&[expired(class, records)]).expect("commits");
    }
    drop(store);
    let mut store = open(dir);
    for class in GOING {
        let records = going(store.as_ref(), class);
        assert_eq!(records.len(), 2, "{class:?}");
        store.commit(&[expired(class, records)]).expect("commits");
    }
    assert!(evidence(store.as_ref()).is_empty());
    store.commit(&[mark(None)]).expect("commits");
    let records = going(store.as_ref(), RecordClass::Events);
    store.commit(&[expired(RecordClass::Events, records)]).expect("commits");
    assert_eq!(evidence(store.as_ref()).len(), 1);
}

/// A hold that is set while chunks are deleted waits for the end of that, so that none of them is deleted after it was set.
fn no_hold_is_set_within_a_slice(store: &mut dyn Store, archive: &mut dyn crate::Archive) {
    let writer = &mut *store;
    std::thread::scope(|scope| {
        let (told, done) = std::sync::mpsc::channel();
        let mut writer = Some(writer);
        let mut asked = || {
            let (told, writer) = (told.clone(), writer.take().expect("asked once"));
            scope.spawn(move || {
                let held = Hold { until: Some(at(-1)), ..hold(77, HoldTarget::Period) };
                writer.commit(&[Change::Hold(held)]).expect("set");
                told.send(()).expect("told");
            });
            let set = done.recv_timeout(std::time::Duration::from_millis(300));
            assert!(set.is_err(), "it was set between the question and the deletion");
            Ok(Vec::new())
        };
        archive.delete_before(Tier::Hour, Timestamp::MAX, &mut asked, (Cursor::default(), 9)).expect("deletes");
        done.recv().expect("it is set then");
    });
    let end = crate::retention::HoldEnd { at: at(9), by: "minh".into(), reason: "xong".into() };
    store.commit(&[Change::HoldEnded { number: 77, end }]).expect("commits");
}

pub(super) fn numbers_go_with_evidence_and_are_held(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let mut archive = store.archive().expect("opens");
    let span = Tier::Raw.chunk_ms();
    let series = archive.series(&["load.1", "account.idle_days|lan"]).expect("numbers");
    for n in 1..=3_u32 {
        enrol(store.as_mut(), n);
        for chunk in [0, span] {
            let mut block = HistoryBlock::at(vec![chunk + 1]);
            block.values_of(series[0]).copy_from_slice(&[1.0]);
            if n == 3 {
                block.values_of(series[1]).copy_from_slice(&[2.0]);
            }
            archive.write(&[ArchiveChange::Chunk { device: id(n), chunk: block.pack(chunk) }]).expect("writes");
        }
    }
    let any = || NumbersHold { tier: None, device: None, person: None, from_ms: i64::MIN, until_ms: i64::MAX };
    let there = |archive: &mut dyn crate::Archive| {
        let found = |n, chunk| archive.chunk(&id(n), Tier::Raw, chunk).expect("reads").is_some();
        (1..=3).flat_map(|n| [0, span].map(|chunk| (n, chunk))).filter(|(n, chunk)| found(*n, *chunk)).count()
    };
    let mut delete = |holds: &[NumbersHold]| {
        let place = (Cursor::default(), 100);
        let slice =
            archive.delete_before(Tier::Raw, Timestamp::MAX, &mut || Ok(holds.to_vec()), place).expect("deletes");
        (slice.deleted, slice.seen, there(archive.as_mut()))
    };
    assert_eq!(delete(&[any()]), (0, 6, 6), "all is held");
    assert_eq!(delete(&[NumbersHold { tier: Some(Tier::Raw), ..any() }]), (0, 6, 6));
    let kept = [
        NumbersHold { device: Some(id(1)), ..any() },
        NumbersHold { until_ms: span - 1, ..any() },
        NumbersHold { person: Some("lan".into()), ..any() },
    ];
    assert_eq!(delete(&kept), (1, 6, 5), "one of the second device, of the later chunk");
    assert_eq!(delete(&kept[..1]), (3, 5, 2));
    // Killed before the store has it: it is told again, and what went meanwhile is in it.
    drop(archive);
    drop(store);
    let mut store = open(dir);
    let mut archive = store.archive().expect("opens");
    let told = archive.deletions().expect("reads");
    assert_eq!((told.len(), told[0].count, told[0].tier), (1, 4, Tier::Raw));
    assert_eq!((told[0].first, told[0].last, told[0].digest.len()), (at(0), at(span), 64));
    assert_eq!(archive.deletions().expect("reads"), told);
    let change = || Change::NumbersDeleted { deleted: told[0].clone(), at: at(9), rule: "kept 30d".into() };
    store.commit(&[change()]).expect("commits");
    store.commit(&[change()]).expect("told again");
    assert_eq!((evidence(store.as_ref()).len(), audited(store.as_ref()).len()), (1, 1), "kept once");
    assert_eq!(evidence(store.as_ref())[0].class, RecordClass::NumbersRaw);
    archive.deletions_recorded(&[told[0].key.clone()]).expect("recorded");
    assert!(archive.deletions().expect("reads").is_empty());
    no_hold_is_set_within_a_slice(store.as_mut(), archive.as_mut());
    // What the store holds is what the archive is asked with.
    let on = [
        hold(1, HoldTarget::Device(id(1))),
        hold(2, HoldTarget::Person("lan".into())),
        hold(3, HoldTarget::Class(RecordClass::NumbersHour)),
        Hold { until: Some(at(5)), ..hold(4, HoldTarget::Period) },
        hold(5, HoldTarget::Class(RecordClass::Events)),
    ];
    let closed = Incident { opened_at: at(3 * DAY), ..incident(1, IncidentState::Open, None) };
    store
        .commit(&[Change::Incident(Box::new(closed)), Change::Fault(fault(1, 2, FaultState::Raised))])
        .expect("commits");
    store.commit(&on.map(Change::Hold)).expect("commits");
    store.commit(&[Change::Hold(hold(6, HoldTarget::Incident(IncidentId(1))))]).expect("commits");
    let mut holds = store.reader().expect("reads").numbers_holds().expect("reads");
    holds.sort_by_key(|hold| format!("{hold:?}"));
    let mut expected = vec![
        NumbersHold { device: Some(id(1)), ..any() },
        NumbersHold { person: Some("lan".into()), ..any() },
        NumbersHold { tier: Some(Tier::Hour), ..any() },
        NumbersHold { until_ms: 5, ..any() },
        NumbersHold { device: Some(id(1)), from_ms: 2 * DAY, ..any() },
        NumbersHold { device: Some(id(2)), from_ms: 2 * DAY, ..any() },
    ];
    expected.sort_by_key(|hold| format!("{hold:?}"));
    assert_eq!(holds, expected);
}

pub(super) fn rules_are_kept_with_who_said_so(open: Open<'_>, dir: &Path) {
    let rule = RetentionRule {
        class: RecordClass::Events,
        text: "kept 366d, then delete".into(),
        keep_ms: Some(366 * DAY),
        exports: false,
        by: String::new(),
        reason: String::new(),
        since: at(1),
        grace_from: Some(at(1)),
    };
    open(dir).commit(&[Change::RetentionRule(rule.clone())]).expect("commits");
    let shorter = RetentionRule { by: "An".into(), reason: "đĩa nhỏ".into(), since: at(2), ..rule };
    open(dir).commit(&[Change::RetentionRule(shorter.clone())]).expect("commits");
    assert_eq!(open(dir).reader().expect("reads").retention_rules().expect("reads"), slice::from_ref(&shorter));
    // What waits waits as long, whatever the clock is set to.
    open(dir).commit(&[Change::ClockStepped { at: at(1000 * DAY), by_ms: 999 * DAY }]).expect("commits");
    let stepped = RetentionRule { grace_from: Some(at(999 * DAY + 1)), ..shorter };
    assert_eq!(open(dir).reader().expect("reads").retention_rules().expect("reads"), [stepped]);
}
