//! What a leader asks of incidents, month by month: how long until someone took them and until they were over, which come again, whose nights they
//! took, how much of the time rooms and groups were heard, and what makes more noise than it is worth. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::deadline::REMINDER;
use ioc_judge::{DeviceInfo, Fault, Incident};
use ioc_store::DeliveredNotice;

use super::month::Month;

/// Rows of what comes again, and of what is noise.
const ROWS: usize = 10;
/// A night, hours of the site's clock.
const NIGHT: (i8, i8) = (22, 6);
/// A rule is looked at as noise from so many incidents a month on.
const NOISE_MIN: usize = 5;
/// What ends within this was over before anyone could do something, milliseconds.
const SHORT_MS: i64 = 900_000;

/// Times of some incidents.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Tally {
    /// How many there were.
    pub(crate) all: u64,
    /// How many someone took, and how many are over.
    pub(crate) taken: u64,
    pub(crate) over: u64,
    /// How many were taken or are untaken after their deadline, and were or are bad after theirs.
    pub(crate) late: u64,
    to_take_ms: Vec<i64>,
    to_end_ms: Vec<i64>,
}

impl Tally {
    fn add(&mut self, one: &Incident, found_at: Timestamp, now: Timestamp) {
        self.all += 1;
        if let Some(at) = one.acknowledged_at {
            self.taken += 1;
            self.to_take_ms.push(at.millis_since(found_at).max(0));
        }
        let ended = one.resolved_at.filter(|_| !one.state.is_active());
        if let Some(at) = ended {
            self.over += 1;
            self.to_end_ms.push(at.millis_since(one.opened_at).max(0));
        }
        let taken_by = one.acknowledged_at.or(ended).unwrap_or(now);
        let late = |by: Option<Timestamp>, at: Timestamp| by.is_some_and(|by| at > by);
        self.late += u64::from(late(one.acknowledge_by, taken_by) || late(one.resolve_by, ended.unwrap_or(now)));
    }

    /// Half of them were taken within this from when they were found, milliseconds.
    pub(crate) fn to_take(&self) -> Option<i64> {
        median(&self.to_take_ms)
    }

    /// Half of them were over within this, milliseconds.
    pub(crate) fn to_end(&self) -> Option<i64> {
        median(&self.to_end_ms)
    }
}

fn median(of: &[i64]) -> Option<i64> {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// What came more than once.
#[derive(Debug, PartialEq)]
pub(crate) struct Repeated {
    pub(crate) rule: String,
    pub(crate) device: Option<DeviceId>,
    /// As the newest of them says it.
    pub(crate) newest: IncidentId,
    pub(crate) count: usize,
}

/// What could be done about a rule that makes noise.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Proposal {
    /// Most of it is one device: mend that, or give it a rule of its own.
    OneDevice(DeviceId),
    /// Most of it is over before anyone takes it: wait for longer, milliseconds.
    WaitLonger(i64),
    /// It comes and goes: a wider gap between raising and clearing.
    WiderGap,
    /// People leave it until its deadline is over: it is less bad than it says.
    LessSevere,
    /// People act on it: it is no noise.
    Keep,
}

/// A rule that opened many incidents.
#[derive(Debug, PartialEq)]
pub(crate) struct Noise {
    pub(crate) rule: String,
    pub(crate) newest: IncidentId,
    pub(crate) count: usize,
    /// How many nobody took.
    pub(crate) untaken: usize,
    pub(crate) proposal: Proposal,
}

/// What is counted: nothing twice, and no reminder.
fn counts(one: &Incident) -> bool {
    one.record.merged_into.is_none() && !one.rule.starts_with(REMINDER)
}

/// Each month with its incidents.
pub(crate) fn by_month(
    months: &[Month],
    incidents: &[Incident],
    found: &HashMap<IncidentId, Timestamp>,
    now: Timestamp,
) -> Vec<Tally> {
    let tally = |month: &Month| {
        let mut tally = Tally::default();
        for one in incidents.iter().filter(|one| counts(one) && is_in(month, one.opened_at)) {
            tally.add(one, found.get(&one.id).copied().unwrap_or(one.opened_at), now);
        }
        tally
    };
    months.iter().map(tally).collect()
}

/// Each unit that incidents of a month were given to; the empty one has those that were given to none.
pub(crate) fn by_unit<'i>(
    incidents: impl Iterator<Item = &'i Incident>,
    found: &HashMap<IncidentId, Timestamp>,
    now: Timestamp,
) -> BTreeMap<String, Tally> {
    let mut units: BTreeMap<String, Tally> = BTreeMap::new();
    for one in incidents.filter(|one| counts(one)) {
        let found_at = found.get(&one.id).copied().unwrap_or(one.opened_at);
        units.entry(one.record.unit.trim().to_owned()).or_default().add(one, found_at, now);
    }
    units
}

/// What came again on the same device, or in the centre, the most often first.
pub(crate) fn repeated<'i>(incidents: impl Iterator<Item = &'i Incident>) -> Vec<Repeated> {
    let mut all: BTreeMap<(&str, Option<&DeviceId>), (usize, IncidentId)> = BTreeMap::new();
    for one in incidents.filter(|one| counts(one) && !one.rule.is_empty() && one.progress.storm.is_none()) {
        // One that came back within its reopening time came again, too.
        let times = 1 + one.progress.returns.len();
        let entry = all.entry((&one.rule, one.device.as_ref())).or_insert((0, one.id));
        *entry = (entry.0 + times, entry.1.max(one.id));
    }
    let row = |((rule, device), (count, newest)): ((&str, Option<&DeviceId>), (usize, IncidentId))| Repeated {
        rule: rule.to_owned(),
        device: device.cloned(),
        newest,
        count,
    };
    let mut rows: Vec<Repeated> = all.into_iter().filter(|(_, (count, _))| *count > 1).map(row).collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then(b.newest.cmp(&a.newest)));
    rows.truncate(ROWS);
    rows
}

/// Rules that opened the most incidents, with what could be done.
pub(crate) fn noise<'i>(incidents: impl Iterator<Item = &'i Incident>) -> Vec<Noise> {
    let mut all: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
    for one in incidents.filter(|one| counts(one) && !one.rule.is_empty() && one.progress.storm.is_none()) {
        all.entry(&one.rule).or_default().push(one);
    }
    let mut rows: Vec<Noise> = all
        .into_iter()
        .filter(|(_, of)| of.len() >= NOISE_MIN)
        .map(|(rule, of)| Noise {
            rule: rule.to_owned(),
            newest: of.iter().map(|one| one.id).max().unwrap_or(IncidentId(0)),
            count: of.len(),
            untaken: of.iter().filter(|one| one.acknowledged_at.is_none()).count(),
            proposal: proposal(&of),
        })
        .collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then(b.newest.cmp(&a.newest)));
    rows.truncate(ROWS);
    rows
}

fn proposal(of: &[&Incident]) -> Proposal {
    let most = |count: usize, part: usize| count * 10 >= of.len() * part;
    let mut devices: BTreeMap<&DeviceId, usize> = BTreeMap::new();
    for device in of.iter().filter_map(|one| one.device.as_ref()) {
        *devices.entry(device).or_default() += 1;
    }
    let alone: Vec<i64> = of
        .iter()
        .filter(|one| one.acknowledged_at.is_none() && !one.state.is_active())
        .filter_map(|one| one.resolved_at.map(|at| at.millis_since(one.opened_at).max(0)))
        .collect();
    let short = alone.iter().filter(|ms| **ms <= SHORT_MS).count();
    let returning = of.iter().filter(|one| one.progress.flapping || one.progress.returns.len() > 1).count();
    let late = of.iter().filter(|one| one.progress.late_to_acknowledge).count();
    if let Some((device, count)) = devices.iter().max_by_key(|(_, count)| **count)
        && most(*count, 6)
        && devices.len() > 1
    {
        return Proposal::OneDevice((*device).clone());
    }
    if most(returning, 3) {
        return Proposal::WiderGap;
    }
    if most(short, 6) {
        return Proposal::WaitLonger(median(&alone).unwrap_or(SHORT_MS).max(60_000));
    }
    if most(late, 5) {
        return Proposal::LessSevere;
    }
    Proposal::Keep
}

/// Whose nights were interrupted: how many nights, and by how many notices. The most first.
pub(crate) fn nights(notices: &[DeliveredNotice], zone: &TimeZone) -> Vec<(String, usize, usize)> {
    let mut all: BTreeMap<&str, (BTreeSet<jiff::civil::Date>, usize)> = BTreeMap::new();
    for notice in notices {
        let Ok(moment) = jiff::Timestamp::from_millisecond(notice.at.as_millis()) else { continue };
        let here = moment.to_zoned_datetime(zone.clone());
        // A night is called by the day on which it began.
        let night = match here.hour() {
            hour if hour >= NIGHT.0 => Some(here.date()),
            hour if hour < NIGHT.1 => here.date().yesterday().ok(),
            _ => None,
        };
        if let Some(night) = night {
            let of = all.entry(&notice.person).or_default();
            of.0.insert(night);
            of.1 += 1;
        }
    }
    let mut rows: Vec<_> = all.into_iter().map(|(who, (nights, told))| (who.to_owned(), nights.len(), told)).collect();
    rows.sort_by(|a, b| (b.1, b.2).cmp(&(a.1, a.2)).then(a.0.cmp(&b.0)));
    rows
}

/// How much of the time the devices of a room or a group were heard.
#[derive(Debug, PartialEq)]
pub(crate) struct Availability {
    /// The room, or the group.
    pub(crate) name: String,
    pub(crate) devices: usize,
    /// Percent of the time of all of them.
    pub(crate) percent: f64,
}

/// How much of a month each room, and each group, was heard: the time in which its devices were not silent. The least first.
pub(crate) fn availability(
    devices: &[DeviceInfo],
    silences: &[Fault],
    (from, until): (Timestamp, Timestamp),
) -> [Vec<Availability>; 2] {
    let whole_ms = until.millis_since(from).max(1);
    let mut silent_ms: HashMap<&DeviceId, i64> = HashMap::new();
    for fault in silences {
        let end = fault.cleared_at.filter(|_| !fault.state.is_open()).unwrap_or(until).min(until);
        let lost = end.millis_since(fault.raised_at.max(from)).max(0);
        *silent_ms.entry(&fault.device).or_default() += lost;
    }
    let mut rooms: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    let mut groups: BTreeMap<&str, (usize, i64)> = BTreeMap::new();
    for info in devices.iter().filter(|info| info.parent.is_none()) {
        // Two silences of one device may overlap: that of the device, and of what is behind it.
        let lost = silent_ms.get(&info.id).copied().unwrap_or(0).min(whole_ms);
        let add = |of: &mut (usize, i64)| *of = (of.0 + 1, of.1 + lost);
        let room = info.place.split('/').next().unwrap_or_default().trim();
        if !room.is_empty() {
            add(rooms.entry(room).or_default());
        }
        info.tags.iter().for_each(|tag| add(groups.entry(tag).or_default()));
    }
    [rooms, groups].map(|all| {
        let row = |(name, (devices, lost)): (&str, (usize, i64))| Availability {
            name: name.to_owned(),
            devices,
            percent: 100.0 * (1.0 - lost as f64 / (whole_ms as f64 * devices.max(1) as f64)),
        };
        let mut rows: Vec<Availability> = all.into_iter().map(row).collect();
        rows.sort_by(|a, b| a.percent.total_cmp(&b.percent).then(a.name.cmp(&b.name)));
        rows
    })
}

/// Whether a moment is in a month.
pub(crate) fn is_in(month: &Month, at: Timestamp) -> bool {
    month.from <= at && at < month.until
}

#[cfg(test)]
#[path = "figures_tests.rs"]
mod tests;
