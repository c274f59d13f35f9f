//! Who is on duty at a moment, when that changes, and where nobody is.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;

use super::{Cover, EscalationTarget, Layer, Plan, Rota};
use crate::local_time::{self, weekday};
use crate::severity::Severity;
use crate::text::Text;

/// How finely a calendar is looked through, milliseconds: hand-overs are at whole quarters of an hour.
pub const GRAIN_MS: i64 = 15 * 60_000;

/// How far ahead the plan is looked through, days.
pub const OUTLOOK_DAYS: i64 = 14;

/// Whoever is on duty, by identifier: who stands in, else who a holiday names, else the last layer that has someone.
#[must_use]
pub fn on_duty(rota: &Rota, covers: &[Cover], now: Timestamp) -> Vec<String> {
    let stands_in = |one: &&Cover| one.rota == rota.id && one.from <= now && now < one.until;
    // The newest word counts.
    if let Some(cover) = covers.iter().rev().find(stands_in) {
        return vec![cover.person.clone()];
    }
    let Some(today) = local_time::day_since(Time::midnight(), now, &rota.zone) else { return Vec::new() };
    if let Some(holiday) = rota.holidays.iter().find(|day| day.date == today) {
        return holiday.people.clone();
    }
    let turns = rota.layers.iter().rev().find_map(|layer| turn(layer, today, now, &rota.zone));
    turns.map(|person| vec![person.clone()]).unwrap_or_default()
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

/// Who is on duty from `from` until `until`, stretch by stretch.
#[must_use]
pub fn shifts(rota: &Rota, covers: &[Cover], from: Timestamp, until: Timestamp) -> Vec<Shift> {
    let mut found: Vec<Shift> = Vec::new();
    let mut at = from;
    while at < until {
        // Whole quarters of an hour, but for the first look.
        let next = Timestamp::from_millis((at.as_millis().div_euclid(GRAIN_MS) + 1) * GRAIN_MS).min(until);
        let people = on_duty(rota, covers, at);
        match found.last_mut() {
            Some(last) if last.people == people => last.until = next,
            _ => found.push(Shift { from: at, until: next, people }),
        }
        at = next;
    }
    found
}

/// The shifts of every rota for the next [`OUTLOOK_DAYS`].
#[must_use]
pub fn outlook<'p>(plan: &'p Plan, covers: &[Cover], now: Timestamp) -> Vec<(&'p Rota, Vec<Shift>)> {
    let until = now.plus_millis(OUTLOOK_DAYS * 86_400_000);
    plan.rotas.iter().map(|rota| (rota, shifts(rota, covers, now, until))).collect()
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
        let here = |at: Timestamp| match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(moment) => moment.to_zoned_datetime(rota.zone.clone()).strftime("%d/%m/%Y %H:%M").to_string(),
            Err(_) => at.to_string(),
        };
        // One hole is said in full, more are counted: a rota without anyone has one, a bad one has many.
        let holes: Vec<&Shift> = shifts.iter().filter(|shift| shift.people.is_empty()).collect();
        if let Some(first) = holes.first() {
            let (begin, end) = (here(first.from), here(first.until));
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
