//! The power of each room (article 18.2): mains, time left, battery and last self-test of its UPS, as a score with its reasons. Pure.
//!
//! A room's score is that of its weakest UPS: 100, less what each shortcoming costs. What is not known costs, too; a room whose UPS
//! nobody watches has no score, which is a finding of its own.

use std::collections::BTreeMap;

use serde::Serialize;

use ioc_judge::Text;

use ioc_store::inventory::DeviceRecord;
use ioc_store::place;

/// Days after which a battery counts as old, and as worn.
const BATTERY_OLD_DAYS: f64 = 1461.0;
const BATTERY_WORN_DAYS: f64 = 1096.0;
/// Days after which a self-test is overdue.
const TEST_OVERDUE_DAYS: f64 = 180.0;
/// Seconds a UPS should last, and must last.
const RUNTIME_GOOD_S: f64 = 600.0;
const RUNTIME_SHORT_S: f64 = 300.0;
/// Load in percent beyond which the runtime falls fast.
const LOAD_HIGH: f64 = 80.0;

/// The newest numbers of a device, by series.
pub type Values<'a> = BTreeMap<&'a str, f64>;

/// The power of one room.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RoomPower {
    /// Its name, as devices say where they stand.
    pub name: String,
    /// How many machines stand in it: servers, workstations, display controllers.
    pub machines: u64,
    /// Every UPS that stands in it, the weakest first.
    pub ups: Vec<UpsPower>,
    /// That of its weakest UPS; none when none is watched.
    pub score: Option<u8>,
}

/// The power of one UPS.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UpsPower {
    /// The device's identifier.
    pub device: String,
    /// The device's name.
    pub name: String,
    /// 0 to 100, 100 being the best.
    pub score: u8,
    /// On mains; none when that is not known.
    pub mains: Option<bool>,
    /// How long the battery lasts at this load, seconds.
    pub runtime_s: Option<f64>,
    /// Charge of the battery, percent.
    pub charge: Option<f64>,
    /// Load of the output, percent.
    pub load: Option<f64>,
    /// Age of the battery, days.
    pub battery_age_days: Option<f64>,
    /// Days since the last self-test.
    pub test_age_days: Option<f64>,
    /// What costs points, the worst first.
    pub reasons: Vec<Deduction>,
}

/// What costs points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deduction {
    /// Points that it costs, 1 to 50.
    pub points: u8,
    /// The shortcoming, in a sentence.
    pub text: Text,
}

/// The rooms of these UPS and of as many machines as stand in each, the weakest first. Rooms without a UPS or a machine are left
/// out.
#[must_use]
pub fn rooms<'a>(
    ups: impl Iterator<Item = (&'a DeviceRecord, Values<'a>)>,
    machines: &BTreeMap<String, u64>,
    now_live: impl Fn(&DeviceRecord) -> bool,
) -> Vec<RoomPower> {
    let empty = |name: &str| RoomPower { name: name.to_owned(), machines: 0, ups: Vec::new(), score: None };
    let mut rooms: BTreeMap<String, RoomPower> = BTreeMap::new();
    for (place, count) in machines {
        let (name, _) = place::parts(place);
        rooms.entry(name.to_owned()).or_insert_with(|| empty(name)).machines += count;
    }
    for (record, values) in ups {
        let (name, _) = place::parts(&record.info.place);
        let room = rooms.entry(name.to_owned()).or_insert_with(|| empty(name));
        room.ups.push(ups_power(record, &values, now_live(record)));
    }
    let mut rooms: Vec<RoomPower> =
        rooms.into_values().filter(|room| room.machines > 0 || !room.ups.is_empty()).collect();
    for room in &mut rooms {
        room.ups.sort_by(|a, b| (a.score, &a.name).cmp(&(b.score, &b.name)));
        room.score = room.ups.first().map(|ups| ups.score);
    }
    // The weakest first; a room that nobody watches stands before those that are well.
    rooms.sort_by(|a, b| (a.score.unwrap_or(50), &a.name).cmp(&(b.score.unwrap_or(50), &b.name)));
    rooms
}

/// What a UPS reports about itself, how many points it costs, and the text for it.
const STATES: [(&str, u8, &str, &str); 10] = [
    ("ups.on_battery", 40, "Mất điện lưới, đang chạy ắc quy.", "Mains lost, on battery."),
    ("ups.low_battery", 40, "Ắc quy sắp cạn.", "Battery nearly empty."),
    ("ups.forced_shutdown", 40, "Sắp ngắt điện ra.", "About to cut its output."),
    ("ups.off", 40, "Đang tắt đầu ra.", "Its output is off."),
    ("ups.no_battery", 40, "Không có ắc quy.", "It has no battery."),
    ("ups.bypass", 30, "Đang chạy nối tắt.", "On bypass."),
    ("ups.replace_battery", 30, "Phải thay ắc quy.", "Battery must be replaced."),
    ("ups.test_failed", 30, "Tự kiểm tra gần nhất thất bại.", "The last self-test failed."),
    ("ups.overload", 20, "Quá tải.", "Overloaded."),
    ("ups.alarm", 20, "Tự báo động.", "It reports an alarm."),
];

fn ups_power(record: &DeviceRecord, values: &Values<'_>, live: bool) -> UpsPower {
    let of = |metric: &str| values.get(metric).copied().filter(|_| live);
    let flag = |metric: &str| of(metric).map(|value| value > 0.5);
    let mut reasons = Vec::new();
    let mut cost = |points: u8, vi: String, en: String| reasons.push(Deduction { points, text: Text::new(vi, en) });
    let heard = live && flag("sensor.up") != Some(false) && flag("ups.linked") != Some(false);
    let on_battery = if heard { flag("ups.on_battery") } else { None };
    if !heard || on_battery.is_none() {
        cost(
            50,
            "Không biết UPS đang ở trạng thái nào: không nghe được UPS.".into(),
            "Nothing is known of the UPS now: it is not heard.".into(),
        );
    }
    for (metric, points, vi, en) in STATES {
        if heard && flag(metric) == Some(true) {
            cost(points, vi.to_owned(), en.to_owned());
        }
    }
    if heard {
        let minutes = |seconds: f64| (seconds / 60.0).floor();
        match of("ups.runtime") {
            Some(left) if left < RUNTIME_SHORT_S => {
                cost(
                    30,
                    format!("Chỉ chạy được {} phút.", minutes(left)),
                    format!("Lasts only {} minutes.", minutes(left)),
                );
            }
            Some(left) if left < RUNTIME_GOOD_S => {
                cost(
                    15,
                    format!("Chạy được {} phút, nên từ 10 phút.", minutes(left)),
                    format!("Lasts {} minutes; it should be 10.", minutes(left)),
                );
            }
            Some(_) => {}
            None => cost(10, "Không biết chạy được bao lâu.".into(), "How long it lasts is not known.".into()),
        }
        if let Some(load) = of("ups.load").filter(|load| *load > LOAD_HIGH) {
            cost(10, format!("Tải {load:.0} %."), format!("Load {load:.0} %."));
        }
        let years = |days: f64| (days / 365.25 * 10.0).floor() / 10.0;
        match of("ups.battery_age") {
            Some(days) if days > BATTERY_OLD_DAYS => {
                cost(15, format!("Ắc quy đã {} năm.", years(days)), format!("Battery is {} years old.", years(days)));
            }
            Some(days) if days > BATTERY_WORN_DAYS => {
                cost(8, format!("Ắc quy đã {} năm.", years(days)), format!("Battery is {} years old.", years(days)));
            }
            Some(_) => {}
            None => cost(5, "Không biết tuổi ắc quy.".into(), "The age of the battery is not known.".into()),
        }
        match of("ups.test_age") {
            Some(days) if days > TEST_OVERDUE_DAYS => {
                cost(
                    10,
                    format!("Lần tự kiểm tra gần nhất {days:.0} ngày trước."),
                    format!("Last self-test {days:.0} days ago."),
                );
            }
            Some(_) => {}
            None => {
                cost(5, "Không biết lần tự kiểm tra cuối.".into(), "When it last tested itself is not known.".into());
            }
        }
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.points));
    let lost: u32 = reasons.iter().map(|reason| u32::from(reason.points)).sum();
    UpsPower {
        device: record.info.id.to_string(),
        name: record.info.name.clone(),
        score: u8::try_from(100_u32.saturating_sub(lost)).unwrap_or(0),
        mains: on_battery.map(|on| !on),
        runtime_s: of("ups.runtime").filter(|_| heard),
        charge: of("ups.charge").filter(|_| heard),
        load: of("ups.load").filter(|_| heard),
        battery_age_days: of("ups.battery_age"),
        test_age_days: of("ups.test_age"),
        reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ioc_common::clock::Timestamp;
    use ioc_common::id::DeviceId;
    use ioc_judge::{DeviceInfo, DeviceKind, Presence};

    fn record(id: &str, kind: DeviceKind, place: &str) -> DeviceRecord {
        DeviceRecord {
            info: DeviceInfo {
                place: place.to_owned(),
                ..DeviceInfo::new(DeviceId::new(id).expect("valid"), kind, id)
            },
            enrolled_at: Timestamp::default(),
            revoked_at: None,
            presence: Presence::NeverSeen,
            watermark: ioc_common::report::Position::default(),
            boot_id: String::new(),
            fingerprint: String::new(),
            interval_s: 10,
            keep_alive_s: 30,
            last_heard: None,
            last_sample: None,
            clock_error_ms: None,
            broker_until: None,
            reports_lost: 0,
            last_loss: None,
            plain: false,
            layout: None,
            latest: Vec::new(),
            worst: None,
        }
    }

    const WELL: [(&str, f64); 8] = [
        ("sensor.up", 1.0),
        ("ups.linked", 1.0),
        ("ups.on_battery", 0.0),
        ("ups.runtime", 1800.0),
        ("ups.charge", 100.0),
        ("ups.load", 30.0),
        ("ups.battery_age", 400.0),
        ("ups.test_age", 20.0),
    ];

    fn score(change: &[(&'static str, f64)], live: bool) -> (u8, Option<bool>, Vec<String>) {
        let record = record("ups", DeviceKind::Ups, "P.101");
        let mut values: Values<'_> = WELL.into_iter().collect();
        values.extend(change.iter().copied());
        let rooms = rooms(std::iter::once((&record, values)), &BTreeMap::new(), |_| live);
        let ups = &rooms[0].ups[0];
        (ups.score, ups.mains, ups.reasons.iter().map(|reason| reason.text.en.clone()).collect())
    }

    #[test]
    fn a_ups_that_is_well_has_all_points_and_each_shortcoming_costs() {
        assert_eq!(score(&[], true), (100, Some(true), Vec::new()));
        assert_eq!(score(&[("ups.on_battery", 1.0), ("ups.runtime", 240.0)], true).0, 30);
        let (points, _, reasons) = score(&[("ups.battery_age", 1500.0), ("ups.test_age", 200.0)], true);
        assert_eq!((points, reasons.len()), (75, 2));
        assert!(reasons[0].contains("4.1 years"), "{reasons:?}");
    }

    #[test]
    fn what_is_not_heard_is_not_known_to_be_on_mains() {
        for (change, live) in [(&[("sensor.up", 0.0)][..], true), (&[("ups.linked", 0.0)], true), (&[], false)] {
            let (points, mains, reasons) = score(change, live);
            assert_eq!((points, mains), (50, None), "{reasons:?}");
        }
    }

    #[test]
    fn the_weakest_ups_is_the_rooms_and_a_room_that_nobody_watches_has_no_score() {
        let (good, bad) = (record("a", DeviceKind::Ups, "A"), record("b", DeviceKind::Ups, "A "));
        let machines = BTreeMap::from([("B".to_owned(), 1)]);
        let well: Values<'_> = WELL.into_iter().collect();
        let mut ill = well.clone();
        ill.insert("ups.bypass", 1.0);
        let found = rooms([(&good, well), (&bad, ill)].into_iter(), &machines, |_| true);
        assert_eq!(found[0].name, "B");
        assert_eq!(found[0].score, None);
        assert_eq!((found[1].score, found[1].ups[0].name.as_str()), (Some(70), "b"));
    }
}
