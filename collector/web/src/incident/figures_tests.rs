//! Tests of the figures of incidents.

use ioc_common::id::FaultId;
use ioc_judge::incident::{IncidentRecord, Progress};
use ioc_judge::{DeviceKind, Evidence, FaultState, IncidentState, InformationSource, Priority, Severity, Text};

use super::*;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + minutes * 60_000)
}

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("valid")
}

/// One that was opened, taken and over after so many minutes.
fn incident(number: u64, opened: i64, taken: Option<i64>, over: Option<i64>) -> Incident {
    Incident {
        id: IncidentId(number),
        device: Some(id(&format!("d-{number}"))),
        rule: "hot".into(),
        severity: Severity::Warning,
        priority: Priority::P3,
        state: if over.is_some() { IncidentState::Resolved } else { IncidentState::Open },
        title: Text::default(),
        reason: Text::default(),
        advice: Text::default(),
        article: String::new(),
        opened_at: at(opened),
        acknowledge_by: Some(at(opened + 15)),
        resolve_by: Some(at(opened + 480)),
        acknowledged_at: taken.map(at),
        acknowledged_by: taken.map(|_| "lan".to_owned()),
        resolved_at: over.map(at),
        raised: 0,
        steps: 1,
        evidence: Evidence::of(InformationSource::Agent),
        record: IncidentRecord::default(),
        progress: Progress::default(),
    }
}

#[test]
fn times_are_those_of_the_middle_and_what_was_joined_is_counted_once() {
    let mut all = vec![
        incident(1, 0, Some(12), Some(30)),
        incident(2, 10, Some(14), Some(20)),
        incident(3, 20, Some(60), None),
        incident(4, 30, None, Some(31)),
    ];
    all[1].record.unit = "Tổ mạng".into();
    let mut joined = incident(5, 30, None, Some(31));
    joined.record.merged_into = Some(IncidentId(1));
    all.push(joined);
    // The first was found ten minutes after it began: until then the rule waited.
    let found = HashMap::from([(IncidentId(1), at(10))]);
    let month = Month { key: String::new(), shown: String::new(), from: at(0), until: at(1000) };
    let before = Month { from: at(-1000), until: at(0), ..month.clone() };
    let [now, then]: [Tally; 2] = by_month(&[month, before], &all, &found, at(100)).try_into().expect("both");
    assert_eq!((now.all, now.taken, now.over, now.late), (4, 3, 3, 1), "the third was taken late");
    assert_eq!((now.to_take(), now.to_end()), (Some(4 * 60_000), Some(10 * 60_000)));
    assert_eq!((then.all, then.to_take()), (0, None), "nothing is not zero minutes");
    let units = by_unit(all.iter(), &found, at(100));
    assert_eq!(units.iter().map(|(unit, of)| (unit.as_str(), of.all)).collect::<Vec<_>>(), [("", 3), ("Tổ mạng", 1)]);
}

#[test]
fn what_comes_again_is_counted_with_its_returns() {
    let mut all: Vec<Incident> = (1..=4).map(|number| incident(number, 0, None, Some(1))).collect();
    for one in &mut all[..2] {
        one.device = Some(id("srv-1"));
    }
    all[3].progress.returns = vec![at(1), at(2)];
    let found = repeated(all.iter());
    let short: Vec<_> = found.iter().map(|one| (one.device.as_ref().map(DeviceId::as_str), one.count)).collect();
    assert_eq!(short, [(Some("d-4"), 3), (Some("srv-1"), 2)]);
}

#[test]
fn a_proposal_fits_what_makes_the_noise() {
    let of = |change: &dyn Fn(&mut Incident)| {
        let mut all: Vec<Incident> = (1..=6).map(|number| incident(number, 0, Some(5), Some(300))).collect();
        all.iter_mut().for_each(change);
        noise(all.iter()).remove(0).proposal
    };
    assert_eq!(of(&|_| {}), Proposal::Keep);
    let short = |one: &mut Incident| (one.acknowledged_at, one.resolved_at) = (None, Some(at(4)));
    assert_eq!(of(&short), Proposal::WaitLonger(240_000));
    assert_eq!(of(&|one| one.progress.flapping = true), Proposal::WiderGap);
    assert_eq!(of(&|one| one.progress.late_to_acknowledge = true), Proposal::LessSevere);
    let mostly_one = |one: &mut Incident| {
        if one.id.0 > 1 {
            one.device = Some(id("srv-1"));
        }
    };
    assert_eq!(of(&mostly_one), Proposal::OneDevice(id("srv-1")));
    let few: Vec<Incident> = (1..=4).map(|number| incident(number, 0, None, Some(1))).collect();
    assert!(noise(few.iter()).is_empty(), "four a month are none");
}

#[test]
fn a_night_is_one_whatever_the_number_of_notices_and_begins_in_the_evening() {
    let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("known");
    let notice = |who: &str, at: &str| DeliveredNotice {
        person: who.into(),
        incident: IncidentId(1),
        at: at.parse().expect("time"),
    };
    let all = [
        notice("lan", "2026-11-10T23:30:00+07:00"),
        notice("lan", "2026-11-11T02:00:00+07:00"),
        notice("lan", "2026-11-11T12:00:00+07:00"),
        notice("binh", "2026-11-11T05:59:00+07:00"),
        notice("binh", "2026-11-11T22:00:00+07:00"),
        notice("binh", "2026-11-12T06:00:00+07:00"),
    ];
    let found = nights(&all, &zone);
    assert_eq!(found, [("binh".to_owned(), 2, 2), ("lan".to_owned(), 1, 2)]);
}

#[test]
fn availability_is_of_all_devices_of_a_room_and_clipped_to_the_month() {
    let info = |name: &str, place: &str, tags: &[&str]| DeviceInfo {
        place: place.into(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..DeviceInfo::new(id(name), DeviceKind::Server, name)
    };
    let devices = [info("a", "Phòng 1/Tủ 1", &["web"]), info("b", "Phòng 1", &[]), info("c", "Phòng 2", &["web"])];
    let silence = |device: &str, from: i64, until: Option<i64>| Fault {
        id: FaultId(1),
        device: id(device),
        rule: "device-silent".into(),
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
    };
    // The one began before the month, the other goes on.
    let silences = [silence("a", -50, Some(50)), silence("b", 950, None)];
    let [rooms, groups] = availability(&devices, &silences, (at(0), at(1000)));
    let short = |all: &[Availability]| {
        all.iter().map(|one| (one.name.clone(), one.devices, (one.percent * 100.0).round() as i64)).collect::<Vec<_>>()
    };
    assert_eq!(short(&rooms), [("Phòng 1".to_owned(), 2, 9500), ("Phòng 2".to_owned(), 1, 10_000)]);
    assert_eq!(short(&groups), [("web".to_owned(), 2, 9750)]);
}
