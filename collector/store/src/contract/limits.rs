//! What a reader with a limit shows, and what is bounded of one device.

#[path = "bounds.rs"]
mod bounds;

use ioc_judge::storm::Worst;
use ioc_judge::{Common, Storm};

use super::*;
use crate::inventory::DeviceRecord;

/// A reader with a limit shows what is within reach, and nothing else, whatever it is asked.
pub(super) fn limits(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    for (n, place) in [(1, "Tầng 2, phòng máy"), (2, "Tầng 20"), (3, "")] {
        let info = DeviceInfo { place: place.to_owned(), ..info(n) };
        store.commit(&[Change::Device { info, at: at(0) }]).expect("enrolled");
        store.commit(&[Change::Fault(fault(u64::from(n), n, FaultState::Raised))]).expect("fault");
        let of = Incident { device: Some(id(n)), ..incident(u64::from(n), IncidentState::Open, None) };
        store.commit(&[Change::Incident(Box::new(of))]).expect("incident");
    }
    let whole = Incident { device: None, ..incident(4, IncidentState::Open, None) };
    store.commit(&[Change::Incident(Box::new(whole))]).expect("incident");
    // One of many machines, of which those see it who may see one of them: here the one of the second device.
    let many = Incident { device: None, ..incident(5, IncidentState::Closed, Some(at(60))) };
    let under = Fault { incident: Some(IncidentId(5)), ..fault(5, 2, FaultState::Cleared) };
    store.commit(&[Change::Incident(Box::new(many)), Change::Fault(under)]).expect("commits");
    let mut reader = store.reader().expect("reader");
    let scope = |places: &[&str]| AccessScope::of(&places.iter().map(|place| (*place).to_owned()).collect::<Vec<_>>());
    let all = DeviceQuery { limit: 10, ..DeviceQuery::default() };
    let seen = |reader: &dyn Reader| {
        let devices =
            reader.devices(&all).expect("devices").into_iter().map(|record| record.info.id).collect::<Vec<_>>();
        let incidents = reader.incidents(None, true, None, 10).expect("incidents");
        (devices, incidents.into_iter().map(|incident| incident.id.0).collect::<Vec<_>>())
    };
    for (places, devices, incidents) in [
        (vec!["Tầng 2"], vec![id(1)], vec![4, 1]),
        (vec!["Tầng 20", "Tầng 2"], vec![id(1), id(2)], vec![4, 2, 1]),
        (vec!["Tầng 3"], vec![], vec![4]),
    ] {
        reader.limit(&scope(&places)).expect("limited");
        assert_eq!(seen(reader.as_ref()), (devices.clone(), incidents.clone()), "{places:?}");
        // One that rests in between shows no more than before.
        reader.rest();
        assert_eq!(seen(reader.as_ref()), (devices.clone(), incidents), "{places:?}");
        assert_eq!(reader.devices_count(&all).expect("counted"), devices.len() as u64);
        let counts = reader.counts().expect("counts");
        assert_eq!((counts.devices, counts.faults), (devices.len() as u64, devices.len() as u64));
        let open = FaultQuery { open: true, ..FaultQuery::default() };
        assert_eq!(reader.faults(&open, 10).expect("faults").len(), devices.len());
        assert!(
            reader.device(&id(3)).expect("read").is_none() && reader.incident(IncidentId(3)).expect("read").is_none()
        );
        assert!(reader.coverage().expect("coverage").faults.len() == devices.len());
        let many = reader.incident(IncidentId(5)).expect("read");
        assert_eq!(many.is_some(), devices.contains(&id(2)), "{places:?}");
    }
    // What is within reach names nothing that is not: neither what it is behind, nor what was joined with it.
    let behind = DeviceInfo { place: "Tầng 2".to_owned(), uplink: Some(id(2)), ..info(1) };
    let mut of = Incident { device: Some(id(1)), ..incident(1, IncidentState::Open, None) };
    of.progress.joined = [1, 2].map(|n| (Some(id(n)), "disk-nearly-full".to_owned())).into();
    of.progress.storm = Some(Box::new(storm(2)));
    store.commit(&[Change::Device { info: behind, at: at(1) }, Change::Incident(Box::new(of))]).expect("commits");
    for (places, uplink, joined) in [(vec!["Tầng 2"], None, 1), (vec![], Some(id(2)), 2)] {
        let mut reader = store.reader().expect("reader");
        reader.limit(&scope(&places)).expect("limited");
        let seen = |record: Option<DeviceRecord>| record.expect("within reach").info.uplink;
        assert_eq!(seen(reader.device(&id(1)).expect("read")), uplink, "{places:?}");
        assert_eq!(seen(reader.devices(&all).expect("devices").into_iter().next()), uplink, "{places:?}");
        let (one, ..) = reader.incident(IncidentId(1)).expect("read").expect("within reach");
        assert_eq!(one.progress.joined.len(), joined, "{places:?}");
        let storm = one.progress.storm.expect("a storm");
        assert_eq!((storm.worst.is_some(), storm.common.len()), (joined == 2, joined), "{places:?}");
        let listed = reader.incidents(None, true, None, 10).expect("incidents");
        let listed = listed.iter().find(|incident| incident.id.0 == 1).expect("listed");
        assert_eq!(listed.progress.joined.len(), joined, "{places:?}");
    }
    // Another reader is not limited by it.
    assert_eq!(seen(store.reader().expect("reader").as_ref()).0.len(), 3);
    bounds::bounds(open, &dir.join("bounds"));
}

/// A storm whose worst device, and whose uplink, is this one.
fn storm(number: u32) -> Storm {
    Storm {
        common: vec![Common::Uplink(id(number)), Common::Rule("device-silent".to_owned())],
        rules: vec!["device-silent".to_owned()],
        words: Text::default(),
        advice: Text::default(),
        joined_at: at(1),
        told: 5,
        told_severity: Severity::Critical,
        told_at: None,
        tell_by: None,
        tell_all: false,
        to_tell: Vec::new(),
        policies: Vec::new(),
        worst: Some(Worst {
            device: id(number),
            fault: FaultId(1),
            severity: Severity::Critical,
            importance: ioc_judge::Importance::Normal,
            title: Text::default(),
        }),
    }
}
