//! Who is on duty at a moment, when that changes, where nobody is, and where somebody is twice.
//!
//! Who is on duty changes only at moments that the plan names: where somebody begins or ends standing in, at midnight, at a layer's hand-over, and
//! at its beginning and end of the day. Only there it is looked at, so a stretch begins and ends to the millisecond, and a month of a rota takes some
//! hundred looks instead of a look at each of its quarters of an hour.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;

use super::{Cover, EscalationTarget, Layer, Plan, Rota};
use crate::local_time::{self, weekday};
use crate::severity::Severity;
use crate::text::Text;

/// How far ahead the plan is looked through, days.
pub const OUTLOOK_DAYS: i64 = 14;

/// How far the beginning and the end of a shift are looked for, days: the longest turn, and a holiday or somebody who stands in before it.
pub const REACH_DAYS: i64 = 400;

/// How far they are looked for at first: nearly all turns are shorter.
const NEAR_DAYS: i64 = 32;

/// Longest time that is looked through at once, days.
const SPAN_MAX_DAYS: i64 = 2 * REACH_DAYS;

const DAY_MS: i64 = 86_400_000;

/// Why somebody is on duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// They stand in: the number of the entry.
    Cover(u64),
    /// A holiday names them.
    Holiday,
    /// It is their turn in this layer, from 0.
    Layer(usize),
    /// Nobody is.
    Nobody,
}

/// Whoever is on duty, by identifier: who stands in, else who a holiday names, else the last layer that has someone.
#[must_use]
pub fn on_duty(rota: &Rota, covers: &[Cover], now: Timestamp) -> Vec<String> {
    duty_at(rota, covers, now).0
}

/// Whoever is on duty, and why.
#[must_use]
pub fn duty_at(rota: &Rota, covers: &[Cover], now: Timestamp) -> (Vec<String>, Origin) {
    let stands_in = |one: &&Cover| one.rota == rota.id && one.from <= now && now < one.until;
    // The newest word counts.
    if let Some(cover) = covers.iter().rev().find(stands_in) {
        return (vec![cover.person.clone()], Origin::Cover(cover.id));
    }
    planned(rota, now)
}

/// Whoever would be on duty if nobody stood in.
fn planned(rota: &Rota, now: Timestamp) -> (Vec<String>, Origin) {
    let Some(today) = local_time::day_since(Time::midnight(), now, &rota.zone) else {
        return (Vec::new(), Origin::Nobody);
    };
    if let Some(holiday) = rota.holidays.iter().find(|day| day.date == today) {
        return (holiday.people.clone(), Origin::Holiday);
    }
    let mut layers = rota.layers.iter().enumerate().rev();
    let turn = layers.find_map(|(place, layer)| Some((turn(layer, today, now, &rota.zone)?, place)));
    turn.map_or((Vec::new(), Origin::Nobody), |(person, place)| (vec![person.clone()], Origin::Layer(place)))
}

/// Whose turn it is in a layer at a moment of a local day, if the layer is on.
fn turn<'l>(layer: &'l Layer, today: Date, now: Timestamp, zone: &TimeZone) -> Option<&'l String> {
    if layer.from != layer.until && local_time::stretch(layer.from, layer.until, now, zone).is_none() {
        return None;
    }
    if !layer.days.is_empty() && !layer.days.contains(&weekday(today.weekday())) {
        return None;
    }
    // Whole days between local dates: a day that clocks make longer or shorter is one day all the same. A hand-over is a moment:
    // where clocks go back, it does not come twice, nor late.
    let day = local_time::day_since(layer.start.time(), now, zone)?;
    let days = day.duration_since(layer.start.date()).as_hours() / 24;
    let turn = usize::try_from(days.div_euclid(layer.turn_days)).ok()?;
    layer.people.get(turn % layer.people.len().max(1))
}

/// A stretch of time with the same people on duty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Shift {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Who, by identifier; nobody in a hole.
    pub people: Vec<String>,
}

/// A stretch of time with the same people on duty for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Stretch {
    pub from: Timestamp,
    pub until: Timestamp,
    /// Who, by identifier; nobody in a hole.
    pub people: Vec<String>,
    pub origin: Origin,
    /// Whom the plan names for this time, where somebody stands in.
    pub instead_of: Vec<String>,
}

/// The local date of a moment.
#[must_use]
pub fn date_of(at: Timestamp, zone: &TimeZone) -> Option<Date> {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok()?;
    Some(moment.to_zoned_datetime(zone.clone()).date())
}

/// Every moment within a time at which who is on duty may change, in order; its beginning is the first.
fn moments(rota: &Rota, covers: &[Cover], from: Timestamp, until: Timestamp) -> BTreeSet<Timestamp> {
    let mut all = BTreeSet::from([from]);
    let mut times = BTreeSet::from([Time::midnight()]);
    for layer in &rota.layers {
        times.extend([layer.start.time(), layer.from, layer.until]);
    }
    let day_of = |at: Timestamp, days: i64| {
        date_of(at, &rota.zone).and_then(|day| day.checked_add(jiff::Span::new().days(days)).ok())
    };
    let mut day = day_of(from, -1);
    let last = day_of(until, 1);
    while let Some(this) = day.filter(|day| last.is_some_and(|last| *day <= last)) {
        all.extend(times.iter().filter_map(|time| local_time::instant(this.to_datetime(*time), &rota.zone)));
        day = this.tomorrow().ok();
    }
    all.extend(covers.iter().filter(|one| one.rota == rota.id).flat_map(|one| [one.from, one.until]));
    all.retain(|at| from <= *at && *at < until);
    all
}

/// Who is on duty from `from` until `until`, at most `SPAN_MAX_DAYS` on, stretch by stretch, and why.
#[must_use]
pub fn stretches(rota: &Rota, covers: &[Cover], from: Timestamp, until: Timestamp) -> Vec<Stretch> {
    let until = until.min(from.plus_millis(SPAN_MAX_DAYS * DAY_MS));
    if until <= from {
        return Vec::new();
    }
    // Only those of this time are looked through at each of its moments.
    let meant = |one: &&Cover| one.rota == rota.id && one.from < until && from < one.until;
    let covers: Vec<Cover> = covers.iter().filter(meant).cloned().collect();
    let moments = moments(rota, &covers, from, until);
    let ends = moments.iter().skip(1).copied().chain([until]);
    let mut found: Vec<Stretch> = Vec::new();
    for (at, end) in moments.iter().copied().zip(ends) {
        let (people, origin) = duty_at(rota, &covers, at);
        let instead_of = match origin {
            Origin::Cover(_) => planned(rota, at).0,
            Origin::Holiday | Origin::Layer(_) | Origin::Nobody => Vec::new(),
        };
        match found.last_mut() {
            Some(last) if last.people == people && last.origin == origin && last.instead_of == instead_of => {
                last.until = end;
            }
            _ => found.push(Stretch { from: at, until: end, people, origin, instead_of }),
        }
    }
    found
}

/// The same, without why.
#[must_use]
pub fn shifts(rota: &Rota, covers: &[Cover], from: Timestamp, until: Timestamp) -> Vec<Shift> {
    let mut found: Vec<Shift> = Vec::new();
    for Stretch { from, until, people, .. } in stretches(rota, covers, from, until) {
        match found.last_mut() {
            Some(last) if last.people == people => last.until = until,
            _ => found.push(Shift { from, until, people }),
        }
    }
    found
}

/// The same with shifts whole that reach over the beginning or the end, as far as [`REACH_DAYS`].
#[must_use]
pub fn whole_shifts(rota: &Rota, covers: &[Cover], from: Timestamp, until: Timestamp) -> Vec<Shift> {
    let mut found = shifts(rota, covers, from, until);
    if let Some(first) = found.first_mut() {
        for days in [NEAR_DAYS, REACH_DAYS] {
            let early = from.plus_millis(-days * DAY_MS);
            let before = shifts(rota, covers, early, from.plus_millis(1));
            first.from = before.last().map_or(from, |last| last.from);
            if first.from > early {
                break;
            }
        }
    }
    if let Some(last) = found.last_mut() {
        for days in [NEAR_DAYS, REACH_DAYS] {
            let late = until.plus_millis(days * DAY_MS);
            let after = shifts(rota, covers, until.plus_millis(-1), late);
            last.until = after.first().map_or(until, |first| first.until);
            if last.until < late {
                break;
            }
        }
    }
    found
}

/// The shifts of every rota for the next [`OUTLOOK_DAYS`]; the present one from its true beginning on, as far as [`REACH_DAYS`] back.
#[must_use]
pub fn outlook<'p>(plan: &'p Plan, covers: &[Cover], now: Timestamp) -> Vec<(&'p Rota, Vec<Shift>)> {
    let until = now.plus_millis(OUTLOOK_DAYS * DAY_MS);
    let of = |rota: &'p Rota| {
        let mut found = whole_shifts(rota, covers, now, until);
        // What is behind the outlook is not said: it may change still.
        if let Some(last) = found.last_mut() {
            last.until = last.until.min(until);
        }
        (rota, found)
    };
    plan.rotas.iter().map(of).collect()
}

/// Somebody who is on duty on two rotas at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct DoubleDuty {
    pub from: Timestamp,
    pub until: Timestamp,
    pub person: String,
    /// The rotas, by key.
    pub rotas: [String; 2],
}

/// Where somebody is on duty on two rotas at once, in order of time. Rotas that have the same people at all times are one duty under two names, and
/// meant so.
#[must_use]
pub fn doubles(outlook: &[(&Rota, Vec<Shift>)]) -> Vec<DoubleDuty> {
    let mut of_person: BTreeMap<&str, Vec<(&Shift, usize)>> = BTreeMap::new();
    for (place, (_, shifts)) in outlook.iter().enumerate() {
        for shift in shifts {
            for person in &shift.people {
                of_person.entry(person).or_default().push((shift, place));
            }
        }
    }
    let mut found = Vec::new();
    for (person, mut times) in of_person {
        times.sort_by_key(|(shift, place)| (shift.from, *place));
        let mut longest: Option<(&Shift, usize)> = None;
        for (shift, place) in times {
            let earlier = longest.filter(|(one, _)| shift.from < one.until);
            if let Some((one, other)) = earlier
                && other != place
                && outlook[other].1 != outlook[place].1
            {
                let rotas = [other, place].map(|place| outlook[place].0.id.clone());
                let (from, until) = (shift.from.max(one.from), shift.until.min(one.until));
                found.push(DoubleDuty { from, until, person: person.to_owned(), rotas });
            }
            if longest.is_none_or(|(one, _)| one.until < shift.until) {
                longest = Some((shift, place));
            }
        }
    }
    found.sort_by(|a, b| (a.from, &a.person).cmp(&(b.from, &b.person)));
    found
}

/// A moment by a rota's clock, as people write it.
#[must_use]
pub fn shown(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_millisecond(at.as_millis()) {
        Ok(moment) => moment.to_zoned_datetime(zone.clone()).strftime("%d/%m/%Y %H:%M").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Double duties of an outlook, in words: one of each person and pair of rotas, more are counted.
#[must_use]
pub fn double_texts(plan: &Plan, outlook: &[(&Rota, Vec<Shift>)]) -> Vec<Text> {
    let mut groups: Vec<(DoubleDuty, usize)> = Vec::new();
    for double in doubles(outlook) {
        let same = |(one, _): &&mut (DoubleDuty, usize)| one.person == double.person && one.rotas == double.rotas;
        match groups.iter_mut().find(same) {
            Some((_, more)) => *more += 1,
            None => groups.push((double, 0)),
        }
    }
    let text = |(double, more): (DoubleDuty, usize)| {
        let person = plan.person(&double.person).map_or(double.person.as_str(), |one| one.name.as_str());
        let rotas = double.rotas.each_ref().map(|id| plan.rota(id).map_or(id.as_str(), |rota| rota.name.as_str()));
        let (from, until) = (shown(double.from, &plan.zone), shown(double.until, &plan.zone));
        let (vi, en) = match more {
            0 => (String::new(), String::new()),
            more => (format!(" và {more} lần nữa"), format!(" and {more} times more")),
        };
        let said = |vi_who: &str, en_who: &str| {
            (
                format!("{vi_who} trực cùng lúc {} và {} từ {from} đến {until}{vi}.", rotas[0], rotas[1]),
                format!("{en_who} is on duty on {} and {} at once from {from} to {until}{en}.", rotas[0], rotas[1]),
            )
        };
        Text::personal(said(person, person), said("Một người", "Somebody"))
    };
    groups.into_iter().map(text).collect()
}

/// What is wrong with the plan in this outlook on it: a rota with a hole, a person who cannot be reached.
#[must_use]
pub fn gaps(plan: &Plan, outlook: &[(&Rota, Vec<Shift>)]) -> Vec<Text> {
    let mut found = Vec::new();
    let mut concerned: Vec<&String> = Vec::new();
    for policy in &plan.policies {
        for step in &policy.steps {
            for target in &step.to {
                match target {
                    EscalationTarget::Person(id) => concerned.push(id),
                    EscalationTarget::Team(id) => {
                        concerned
                            .extend(plan.teams.iter().filter(|team| team.id == *id).flat_map(|team| &team.members));
                    }
                    EscalationTarget::Rota(_) | EscalationTarget::Officer | EscalationTarget::Leader => {}
                }
            }
        }
    }
    for (rota, shifts) in outlook {
        // One hole is said in full, more are counted: a rota without anyone has one, a bad one has many.
        let holes: Vec<&Shift> = shifts.iter().filter(|shift| shift.people.is_empty()).collect();
        if let Some(first) = holes.first() {
            let (begin, end) = (shown(first.from, &rota.zone), shown(first.until, &rota.zone));
            let more = holes.len() - 1;
            let (vi, en) = if more == 0 {
                (String::new(), String::new())
            } else {
                (format!(" và {more} khoảng nữa"), format!(" and {more} more"))
            };
            found.push(Text::new(
                format!("Lịch trực {}: không có ai từ {begin} đến {end}{vi}.", rota.name),
                format!("Rota {}: nobody from {begin} to {end}{en}.", rota.name),
            ));
        }
        concerned.extend(rota.layers.iter().flat_map(|layer| &layer.people));
        concerned.extend(rota.holidays.iter().flat_map(|day| &day.people));
    }
    concerned.sort();
    concerned.dedup();
    for person in concerned.into_iter().filter_map(|id| plan.person(id)) {
        if !person.contacts.iter().any(|contact| contact.min_severity <= Severity::Critical) {
            found.push(Text::new(
                format!("{}: không có cách liên lạc nào.", person.name),
                format!("{}: there is no way to reach them.", person.name),
            ));
        }
    }
    found
}
