//! What a changed duty plan means, in words, before it is saved and when two versions are compared: who is on duty instead of whom from when to when, how
//! many holes it makes, and what else is different.
//!
//! Pure. Who is on duty is compared by the calendar and not by its layers: that is what people see.

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;

use super::calendar::{self, Shift};
use super::{Cover, Plan};
use crate::text::Text;

/// Somebody who is on duty instead of somebody else, one time or again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnsChanged {
    /// The rota, by key.
    pub rota: String,
    /// Who was on duty by the plan before, by key; nobody in a hole.
    pub before: Vec<String>,
    /// Who is now.
    pub after: Vec<String>,
    /// The first time: from …
    pub from: Timestamp,
    /// … until.
    pub until: Timestamp,
    /// How often that is so.
    pub times: usize,
    /// When the last time ends.
    pub last: Timestamp,
}

/// What is different.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanChanges {
    /// Who is on duty instead of whom, in order of the first time.
    pub turns: Vec<TurnsChanged>,
    /// What else is different.
    pub words: Vec<Text>,
    /// Holes within the time that is compared, before and now.
    pub holes: (usize, usize),
    /// Times in which somebody is on duty twice, before and now.
    pub doubles: (usize, usize),
}

impl PlanChanges {
    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.words.is_empty()
    }
}

/// What is different between two plans, with who is on duty from one moment to another.
#[must_use]
pub fn changes(before: &Plan, after: &Plan, covers: &[Cover], (from, until): (Timestamp, Timestamp)) -> PlanChanges {
    let shifts = |plan: &Plan| -> BTreeMap<String, Vec<Shift>> {
        plan.rotas.iter().map(|rota| (rota.id.clone(), calendar::shifts(rota, covers, from, until))).collect()
    };
    let (was, is) = (shifts(before), shifts(after));
    let rotas: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let nothing = Vec::new();
    let mut turns: Vec<TurnsChanged> = Vec::new();
    for rota in rotas {
        let (was, is) = (was.get(rota).unwrap_or(&nothing), is.get(rota).unwrap_or(&nothing));
        for (stretch, before, after) in differences(was, is, (from, until)) {
            let same = |one: &&mut TurnsChanged| one.rota == *rota && one.before == before && one.after == after;
            match turns.iter_mut().find(same) {
                Some(one) => {
                    one.times += 1;
                    one.last = stretch.1;
                }
                None => turns.push(TurnsChanged {
                    rota: rota.clone(),
                    before,
                    after,
                    from: stretch.0,
                    until: stretch.1,
                    times: 1,
                    last: stretch.1,
                }),
            }
        }
    }
    turns.sort_by_key(|one| one.from);
    let holes = |shifts: &BTreeMap<String, Vec<Shift>>| {
        shifts.values().flatten().filter(|shift| shift.people.is_empty()).count()
    };
    let doubles = |plan: &Plan, shifts: &BTreeMap<String, Vec<Shift>>| {
        let of = |rota: &'_ super::Rota| shifts.get(&rota.id).cloned().unwrap_or_default();
        calendar::doubles(&plan.rotas.iter().map(|rota| (rota, of(rota))).collect::<Vec<_>>()).len()
    };
    PlanChanges {
        turns,
        words: words(before, after),
        holes: (holes(&was), holes(&is)),
        doubles: (doubles(before, &was), doubles(after, &is)),
    }
}

/// A stretch in which others are on duty, with who was and who is.
type Difference = ((Timestamp, Timestamp), Vec<String>, Vec<String>);

fn differences(was: &[Shift], is: &[Shift], (from, until): (Timestamp, Timestamp)) -> Vec<Difference> {
    let mut moments: BTreeSet<Timestamp> = was.iter().chain(is).flat_map(|shift| [shift.from, shift.until]).collect();
    moments.extend([from, until]);
    let at = |shifts: &[Shift], moment: Timestamp| {
        let found = shifts.iter().find(|shift| shift.from <= moment && moment < shift.until);
        found.map(|shift| shift.people.clone()).unwrap_or_default()
    };
    let mut found: Vec<Difference> = Vec::new();
    for (begin, end) in moments.iter().zip(moments.iter().skip(1)) {
        let (before, after) = (at(was, *begin), at(is, *begin));
        if before == after {
            continue;
        }
        match found.last_mut() {
            Some(((_, last), was, is)) if *last == *begin && *was == before && *is == after => *last = *end,
            _ => found.push(((*begin, *end), before, after)),
        }
    }
    found
}

/// What of a list of things with names is new, gone or different.
fn things<T: PartialEq>(
    (before, after): (&[T], &[T]),
    name: impl Fn(&T) -> (String, String),
    (vi, en): (&str, &str),
    different: impl Fn(&T, &T) -> Text,
) -> Vec<Text> {
    let mut found = Vec::new();
    for one in after {
        let (id, shown) = name(one);
        match before.iter().find(|other| name(other).0 == id) {
            None => found.push(Text::new(format!("Thêm {vi} {shown}."), format!("New {en}: {shown}."))),
            Some(other) if other != one => {
                let what = different(other, one);
                found.push(Text::new(
                    format!("Sửa {vi} {shown}: {}.", what.vi),
                    format!("Changed {en} {shown}: {}.", what.en),
                ));
            }
            Some(_) => {}
        }
    }
    for one in before {
        let (id, shown) = name(one);
        if !after.iter().any(|other| name(other).0 == id) {
            found.push(Text::new(format!("Bỏ {vi} {shown}."), format!("Removed {en}: {shown}.")));
        }
    }
    found
}

/// The parts that are different, joined.
fn parts(all: &[(bool, &str, &str)]) -> Text {
    let shown =
        |of: fn(&(bool, &str, &str)) -> String| all.iter().filter(|one| one.0).map(of).collect::<Vec<_>>().join(", ");
    Text::new(shown(|one| one.1.to_owned()), shown(|one| one.2.to_owned()))
}

fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// What is different beside who is on duty when.
fn words(before: &Plan, after: &Plan) -> Vec<Text> {
    let mut found = things(
        (&before.people, &after.people),
        |one| (one.id.clone(), one.name.clone()),
        ("người", "person"),
        |was, is| {
            parts(&[
                (was.name != is.name, "tên", "name"),
                (was.account != is.account, "tài khoản", "account"),
                (was.language != is.language, "ngôn ngữ", "language"),
                (was.contacts != is.contacts, "cách liên lạc", "contacts"),
                (was.quiet != is.quiet, "giờ yên tĩnh", "quiet hours"),
            ])
        },
    );
    found.extend(things(
        (&before.teams, &after.teams),
        |one| (one.id.clone(), one.id.clone()),
        ("nhóm", "team"),
        |_, _| Text::new("thành viên", "members"),
    ));
    found.extend(things(
        (&before.rotas, &after.rotas),
        |one| (one.id.clone(), one.name.clone()),
        ("lịch", "rota"),
        |was, is| {
            parts(&[
                (was.name != is.name, "tên", "name"),
                (zone_name(&was.zone) != zone_name(&is.zone), "múi giờ", "time zone"),
                (was.layers != is.layers, "các lớp ca", "layers"),
                (was.holidays != is.holidays, "ngày lễ", "holidays"),
            ])
        },
    ));
    found.extend(things(
        (&before.policies, &after.policies),
        |one| (one.id.clone(), one.id.clone()),
        ("quy trình báo", "escalation policy"),
        |was, is| {
            parts(&[
                (was.steps != is.steps, "các bước", "steps"),
                (was.repeat != is.repeat, "số lượt lặp lại", "how often it is repeated"),
            ])
        },
    ));
    if before.routes != after.routes {
        let (was, is) = (before.routes.len(), after.routes.len());
        found.push(Text::new(
            format!("Tuyến báo thay đổi ({was} → {is} tuyến)."),
            format!("Routes are different ({was} → {is})."),
        ));
    }
    for (place, (was, is)) in before.deadlines.iter().zip(&after.deadlines).enumerate() {
        if was != is {
            let minutes = |ms: i64| ms / 60_000;
            let (number, from, to) = (place + 1, minutes(was.acknowledge_ms), minutes(is.acknowledge_ms));
            let (resolve_from, resolve_to) = (minutes(was.resolve_ms), minutes(is.resolve_ms));
            found.push(Text::new(
                format!(
                    "Hạn của P{number}: tiếp nhận {from} → {to} phút, khắc phục {resolve_from} → {resolve_to} phút."
                ),
                format!("Deadlines of P{number}: take {from} → {to} min, resolve {resolve_from} → {resolve_to} min."),
            ));
        }
    }
    if before.regulator != after.regulator {
        found.push(Text::new("Cơ quan phụ trách (17.4) thay đổi.", "The department (17.4) is different."));
    }
    found
}

#[cfg(test)]
mod tests {
    use ioc_common::config::Source;
    use ioc_common::language::Language;

    use super::*;

    fn plan(people: &str, more: &str) -> Plan {
        let text = format!(
            "[[person]]\nid = \"lan\"\nname = \"Lan\"\n[[person]]\nid = \"binh\"\nname = \"Bình\"\n{more}\n[[rota]]\nid = \"r\"\n\
             layer = [{{ people = [\"lan\"], start = \"2026-11-01T00:00\" }}, {{ people = {people}, start = \"2026-12-01T19:00\", turn_days = 1, from = \"19:00\", until = \"07:00\" }}]\n"
        );
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone");
        Plan::parse(&Source::built_in("duty.toml", &text), &zone, Language::Vietnamese, &["sms"])
            .unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn who_is_on_duty_instead_of_whom_is_said_once_with_how_often() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let window = (at("2026-11-25T00:00:00Z"), at("2026-12-25T00:00:00Z"));
        let (lan, binh) = (plan("[\"lan\"]", ""), plan("[\"binh\"]", ""));
        assert!(changes(&lan, &lan, &[], window).is_empty());
        let found = changes(&lan, &binh, &[], window);
        assert_eq!(found.turns.len(), 1, "{found:?}");
        let nights = &found.turns[0];
        assert_eq!((nights.before[0].as_str(), nights.after[0].as_str(), nights.times), ("lan", "binh", 24));
        assert_eq!((nights.from, nights.until), (at("2026-12-01T12:00:00Z"), at("2026-12-02T00:00:00Z")));
        assert_eq!(nights.last, at("2026-12-25T00:00:00Z"));
        assert_eq!(found.words[0].en, "Changed rota r: layers.");
        assert_eq!((found.holes, found.doubles), ((0, 0), (0, 0)));
    }

    #[test]
    fn holes_that_a_change_makes_are_counted_and_the_rest_is_in_words() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let window = (at("2026-11-25T00:00:00Z"), at("2026-12-05T00:00:00Z"));
        let before = plan("[\"binh\"]", "[[person]]\nid = \"minh\"\nname = \"Minh\"");
        let mut after = plan(
            "[\"binh\"]",
            "[[team]]\nid = \"t\"\nmembers = [\"lan\"]\n[[deadline]]\npriority = \"P1\"\nacknowledge = \"1m\"\nresolve = \"4h\"",
        );
        after.people[0].account = "lan.nt".to_owned();
        after.rotas[0].layers.remove(0);
        let found = changes(&before, &after, &[], window);
        assert_eq!(found.holes, (0, 4), "before the first of December, and by day: {found:?}");
        assert!(found.turns.iter().any(|one| one.before == ["lan"] && one.after.is_empty()));
        let said: Vec<&str> = found.words.iter().map(|text| text.vi.as_str()).collect();
        for part in [
            "Sửa người Lan: tài khoản.",
            "Bỏ người Minh.",
            "Thêm nhóm t.",
            "Sửa lịch r: các lớp ca.",
            "Hạn của P1: tiếp nhận 5 → 1 phút, khắc phục 240 → 240 phút.",
        ] {
            assert!(said.contains(&part), "{part} in {said:?}");
        }
    }
}
