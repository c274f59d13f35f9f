//! Devices: what people say of them, what they said of themselves, and lists of them, which the database finds, sorts and pages.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::LayoutId;
use ioc_judge::{DeviceInfo, LossLedger, Presence, PresenceState, Severity};

use super::certificate;
use super::commit::Commit;
use super::newest::{Latest, Newest, NewestByDevice};
use super::reader_connection::SqlReader;
use super::sample;
use super::software_tally;
use super::value::{body, json, limit_of, moment, rank, required, word, worst};
use crate::inventory::DeviceRecord;
use crate::search::folded;
use crate::sql::{self, Connection, Row, ToSql, ValueRef, params};
use crate::{Counts, DeviceQuery, DeviceSort, DeviceStateFilter, PlaceCount, StoreError, collation, history};

pub(super) const COLUMNS: &str = "SELECT d.info, d.enrolled_at, d.revoked_at, p.body, d.number, h.boot_id, h.fingerprint, \
     h.interval_s, h.keep_alive_s, \
     coalesce((SELECT max(f.severity) FROM fault f WHERE f.device = d.number AND f.open), 0), coalesce(x.total, 0), \
     x.last_at, coalesce(h.sensor, FALSE), d.broker_until \
     FROM device d LEFT JOIN losses x ON x.device = d.number LEFT JOIN presence p ON p.device = d.number \
     LEFT JOIN hello h ON h.device = d.number";
/// What lists of devices look through.
const TABLES: &str = "device d LEFT JOIN presence p ON p.device = d.number";
/// The worst severity of a device's open faults.
const WORST: &str = "coalesce((SELECT max(f.severity) FROM fault f WHERE f.device = d.number AND f.open), 0)";
const STATE: &str = "coalesce(p.state, 'never_seen')";

/// A condition on `device d` and `presence p`, with what it holds.
struct Condition {
    sql: String,
    held: Vec<Box<dyn ToSql>>,
}

impl Condition {
    /// What is meant by a query, without its order and its page.
    fn of(query: &DeviceQuery) -> Self {
        let which = if query.revoked { "d.number > 0" } else { "d.revoked_at IS NULL" };
        let mut all = Self { sql: which.to_owned(), held: Vec::new() };
        if let Some(after) = &query.after {
            all.and("d.id > ?", after.clone());
        }
        for word in query.search.split_whitespace().take(8) {
            all.and("instr(d.search, ?) > 0", word.to_lowercase());
        }
        all.one_of("d.kind", query.kinds.iter().map(|kind| kind.as_str().to_owned()));
        all.one_of("d.place", query.places.iter().cloned());
        all.sql += &match query.state {
            DeviceStateFilter::Any => String::new(),
            // The faulty ones are found once, and not by a look at each device.
            DeviceStateFilter::Bad => format!(
                " AND ({STATE} IN ({}) OR d.number IN (SELECT device FROM fault WHERE open AND severity >= {}))",
                states_of(DeviceStateFilter::Bad),
                rank(Severity::Warning)
            ),
            state @ (DeviceStateFilter::Live
            | DeviceStateFilter::Silent
            | DeviceStateFilter::Away
            | DeviceStateFilter::NeverSeen) => {
                format!(" AND {STATE} IN ({})", states_of(state))
            }
        };
        all
    }

    fn and(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.held.push(Box::new(value));
        self.sql += &format!(" AND {}", condition.replace('?', &format!("?{}", self.held.len())));
    }

    /// A column that holds one of these; anything when there are none.
    fn one_of(&mut self, column: &str, values: impl Iterator<Item = String>) {
        let places: Vec<String> = values
            .map(|value| {
                self.held.push(Box::new(value));
                format!("?{}", self.held.len())
            })
            .collect();
        if !places.is_empty() {
            self.sql += &format!(" AND {column} IN ({})", places.join(", "));
        }
    }

    fn params(&self) -> Vec<&dyn ToSql> {
        self.held.iter().map(AsRef::as_ref).collect()
    }
}

/// Whether a device in this state of presence is among those that a list asks for, whatever its faults.
const fn is_asked_for(asked: DeviceStateFilter, state: PresenceState) -> bool {
    let whose = match state {
        PresenceState::Live => DeviceStateFilter::Live,
        PresenceState::Away => DeviceStateFilter::Away,
        PresenceState::Silent | PresenceState::HostDown | PresenceState::Suspect => DeviceStateFilter::Silent,
        PresenceState::NeverSeen => DeviceStateFilter::NeverSeen,
    };
    match asked {
        DeviceStateFilter::Any => true,
        DeviceStateFilter::Bad => matches!(whose, DeviceStateFilter::Silent | DeviceStateFilter::NeverSeen),
        DeviceStateFilter::Live => matches!(whose, DeviceStateFilter::Live),
        DeviceStateFilter::Silent => matches!(whose, DeviceStateFilter::Silent),
        DeviceStateFilter::Away => matches!(whose, DeviceStateFilter::Away),
        DeviceStateFilter::NeverSeen => matches!(whose, DeviceStateFilter::NeverSeen),
    }
}

/// The names of these states, for a list in SQL.
fn states_of(asked: DeviceStateFilter) -> String {
    let states = PresenceState::ALL.into_iter().filter(|state| is_asked_for(asked, *state));
    states.map(|state| format!("'{}'", state.as_str())).collect::<Vec<_>>().join(", ")
}

/// The order of a query.
fn order_of(query: &DeviceQuery) -> String {
    let by = match query.sort {
        // Numbers are in memory: a list by them is put in order there.
        DeviceSort::Id | DeviceSort::Processor | DeviceSort::Memory | DeviceSort::Disk => String::new(),
        DeviceSort::Name => "d.name_key".to_owned(),
        DeviceSort::Kind => "d.kind".to_owned(),
        DeviceSort::Place => "d.place_key".to_owned(),
        DeviceSort::State => {
            let urgency = |state: PresenceState| match state {
                PresenceState::Silent | PresenceState::HostDown => 0,
                PresenceState::Suspect => 1,
                PresenceState::Live | PresenceState::Away | PresenceState::NeverSeen => 2,
            };
            let ranks = PresenceState::ALL.map(|state| format!("WHEN '{}' THEN {}", state.as_str(), urgency(state)));
            format!("CASE {STATE} {} ELSE 2 END + 3 * ({} - {WORST})", ranks.join(" "), rank(Severity::Critical))
        }
        DeviceSort::Seen => "-coalesce(last_heard(d.number), 0)".to_owned(),
    };
    let way = if query.descending { " DESC" } else { "" };
    if by.is_empty() { format!("d.id{way}") } else { format!("{by}{way}, d.id") }
}

/// What a search looks through: as it is written, in lower case, and without marks, since whoever is in haste types none.
pub(crate) fn searched_text(info: &DeviceInfo) -> String {
    let tags = info.tags.join("\n");
    let DeviceInfo { id, name, label, place, serial, mac, address, .. } = info;
    let written = format!("{id}\n{name}\n{label}\n{place}\n{serial}\n{mac}\n{address}\n{tags}").to_lowercase();
    let folded = folded(&written);
    format!("{written}\n{folded}")
}

pub(super) fn put(commit: &mut Commit<'_>, info: &DeviceInfo, at: Timestamp) -> sql::Result<()> {
    // Where products are is counted by place.
    let known = if commit.knows(&info.id) { Some(commit.number(&info.id)?) } else { None };
    if let Some(number) = known {
        let before = software_tally::place_of(commit, number)?;
        if before != info.place {
            software_tally::moved(commit, number, (&before, &info.place))?;
        }
    }
    let search = searched_text(info);
    commit.run(
        "INSERT INTO device (id, info, search, enrolled_at, computer, kind, place, name_key, place_key) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) \
         ON CONFLICT (id) DO UPDATE SET info = ?2, search = ?3, computer = ?5, kind = ?6, place = ?7, name_key = ?8, \
         place_key = ?9, revoked_at = NULL",
        params![
            info.id.as_str(),
            json(info)?,
            search,
            at.as_millis(),
            info.is_computer(),
            info.kind.as_str(),
            info.place,
            collation::key(&info.name),
            collation::key(&info.place),
        ],
    )?;
    if !commit.knows(&info.id) {
        let number =
            commit
                .transaction
                .query_row("SELECT number FROM device WHERE id = ?1", [info.id.as_str()], |row| row.get(0))?;
        commit.learn_number(&info.id, number);
    }
    Ok(())
}

pub(super) fn revoke(commit: &Commit<'_>, device: &DeviceId, at: Timestamp) -> sql::Result<()> {
    let number = commit.number(device)?;
    commit.run("UPDATE device SET revoked_at = ?2 WHERE number = ?1", params![number, at.as_millis()])?;
    // For good: whoever registers it anew does not let the old machine in again.
    certificate::end_all(commit, number, at)?;
    commit.run("DELETE FROM comparison WHERE device = ?1", [number])?;
    // What people vouched for and what was installed was the old machine's. What they said stays as they said it; until when it holds is beside it.
    for table in ["asset_attestation", "account_attestation", "registered_account"] {
        let sql = format!("UPDATE {table} SET valid_until = ?2 WHERE device = ?1 AND valid_until > ?2");
        commit.run(&sql, params![number, at.as_millis()])?;
    }
    software_tally::taken_out(commit, number)?;
    commit.run(
        "UPDATE software_use SET gone_at = ?2 WHERE device = ?1 AND gone_at IS NULL",
        params![number, at.as_millis()],
    )?;
    Ok(())
}

pub(super) fn put_entrance(commit: &Commit<'_>, device: &DeviceId, broker_until: Option<Timestamp>) -> sql::Result<()> {
    let number = commit.number(device)?;
    let until = broker_until.map(Timestamp::as_millis);
    commit.run("UPDATE device SET broker_until = ?2 WHERE number = ?1", params![number, until])?;
    Ok(())
}

pub(super) fn put_presence(commit: &Commit<'_>, device: &DeviceId, presence: &Presence) -> sql::Result<()> {
    let number = commit.number(device)?;
    commit.run(
        "INSERT INTO presence (device, state, body) VALUES (?1, ?2, ?3) \
         ON CONFLICT (device) DO UPDATE SET state = ?2, body = ?3",
        params![number, presence.as_str(), json(presence)?],
    )?;
    Ok(())
}

pub(super) fn put_hello(
    commit: &Commit<'_>,
    device: &DeviceId,
    at: Timestamp,
    (boot_id, fingerprint): (&str, &str),
    (interval_s, keep_alive_s): (u32, u16),
    text: &str,
) -> sql::Result<()> {
    let number = commit.number(device)?;
    commit.run(
        "INSERT OR REPLACE INTO hello (device, at, boot_id, fingerprint, interval_s, keep_alive_s, body, sensor) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
         CASE WHEN json_valid(?7) THEN json_extract(?7, '$.sensor') IS NOT NULL ELSE FALSE END)",
        params![number, at.as_millis(), boot_id, fingerprint, interval_s, keep_alive_s, text],
    )?;
    Ok(())
}

pub(super) fn put_losses(commit: &Commit<'_>, device: &DeviceId, ledger: &LossLedger) -> sql::Result<()> {
    let number = commit.number(device)?;
    let total = i64::try_from(ledger.total()).unwrap_or(i64::MAX);
    commit.run(
        "INSERT OR REPLACE INTO losses (device, total, last_at, body) VALUES (?1, ?2, ?3, ?4)",
        params![number, total, ledger.last_loss().map(Timestamp::as_millis), json(ledger)?],
    )?;
    Ok(())
}

/// A device, with what is newest of it.
pub(super) fn record(row: &Row<'_>, newest: &NewestByDevice) -> sql::Result<DeviceRecord> {
    let (record, latest) = without_numbers(row, newest)?;
    // A corrupt row shows as no values; the history reader reports it.
    let latest = latest.and_then(|latest| history::unpack(&latest.data).ok()).unwrap_or_default();
    Ok(DeviceRecord { latest, ..record })
}

/// A device, and its newest numbers as they are kept: not everyone who reads all devices wants those.
pub(super) fn without_numbers(row: &Row<'_>, newest: &NewestByDevice) -> sql::Result<(DeviceRecord, Option<Latest>)> {
    let Newest { position, last_heard, last_sample, clock_error_ms, latest, .. } =
        newest.get(row.get(4)?).unwrap_or_default();
    let has_presence = row.get_ref(3)? != ValueRef::Null;
    let info: DeviceInfo = body(row, 0)?;
    let record = DeviceRecord {
        worst: worst(row, 9, || format!("the open faults of {}", info.id))?,
        info,
        enrolled_at: required(row, 1)?,
        revoked_at: moment(row, 2)?,
        presence: if has_presence { body(row, 3)? } else { Presence::NeverSeen },
        watermark: position,
        boot_id: row.get::<_, Option<String>>(5)?.unwrap_or_default(),
        fingerprint: row.get::<_, Option<String>>(6)?.unwrap_or_default(),
        interval_s: row.get::<_, Option<u32>>(7)?.unwrap_or(10),
        keep_alive_s: row.get::<_, Option<u16>>(8)?.unwrap_or(30),
        last_heard: last_heard.map(Timestamp::from_millis),
        last_sample: last_sample.map(Timestamp::from_millis),
        clock_error_ms,
        layout: latest.as_ref().map(|latest| latest.layout),
        latest: Vec::new(),
        reports_lost: row.get::<_, i64>(10)?.unsigned_abs(),
        last_loss: moment(row, 11)?,
        plain: row.get(12)?,
        broker_until: moment(row, 13)?,
    };
    Ok((record, latest))
}

pub(super) fn list(reader: &SqlReader, query: &DeviceQuery) -> Result<Vec<DeviceRecord>, StoreError> {
    if query.sort == DeviceSort::Seen && matches!(reader.connection()?, Connection::Postgres(_)) {
        let heard = |number: i64| Ok(-reader.newest.last_heard(number).unwrap_or(0));
        return list_from_memory(reader, query, heard);
    }
    if let Some(metric) = query.sort.metric() {
        let mut layouts = HashMap::new();
        return list_from_memory(reader, query, |number| load_of(reader, number, metric, &mut layouts));
    }
    let (condition, order) = (Condition::of(query), order_of(query));
    // Only what is shown is read whole.
    let sql = format!(
        "{COLUMNS} WHERE d.number IN (SELECT d.number FROM {TABLES} WHERE {} ORDER BY {order} LIMIT {} OFFSET {}) \
         ORDER BY {order}",
        condition.sql,
        limit_of(query.limit),
        limit_of(query.skip),
    );
    let records = reader.all(&sql, &condition.params(), |row| record(row, &reader.newest))?;
    records.into_iter().map(|record| reader.record_as_shown(record)).collect()
}

/// Where in each layout the series of a metric stand.
type SeriesPlaces = HashMap<LayoutId, Vec<usize>>;

/// The place of a device among others by the highest newest value of a metric, the highest first; last where it is not known. Values that are
/// told apart are a thousandth apart.
fn load_of(reader: &SqlReader, number: i64, metric: &str, layouts: &mut SeriesPlaces) -> Result<i64, StoreError> {
    let Some(latest) = reader.newest.get(number).and_then(|newest| newest.latest) else { return Ok(i64::MAX) };
    let places = match layouts.entry(latest.layout) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(vacant) => {
            let layout = sample::layout(reader, latest.layout)?;
            let all = layout.iter().flat_map(|layout| layout.series().iter().enumerate());
            vacant.insert(all.filter(|(_, series)| series.metric() == metric).map(|(place, _)| place).collect())
        }
    };
    let values = history::unpack(&latest.data).unwrap_or_default();
    let own = places.iter().filter_map(|place| values.get(*place).copied().flatten());
    Ok(own.reduce(f64::max).map_or(i64::MAX, |most| -(most * 1000.0) as i64))
}

/// A list in an order that the database does not know: the numbers of its devices are put in order here. What has no value comes last both
/// ways.
fn list_from_memory(
    reader: &SqlReader,
    query: &DeviceQuery,
    mut key: impl FnMut(i64) -> Result<i64, StoreError>,
) -> Result<Vec<DeviceRecord>, StoreError> {
    let condition = Condition::of(query);
    let sql = format!("SELECT d.number FROM {TABLES} WHERE {} ORDER BY d.id", condition.sql);
    let numbers: Vec<i64> = reader.all(&sql, &condition.params(), |row| row.get(0))?;
    let mut keyed = Vec::with_capacity(numbers.len());
    for number in numbers {
        keyed.push((key(number)?, number));
    }
    keyed.sort_by_key(|(key, _)| if query.descending && *key != i64::MAX { -*key } else { *key });
    let page: Vec<i64> = keyed.into_iter().map(|(_, number)| number).skip(query.skip).take(query.limit).collect();
    let mut records = Vec::with_capacity(page.len());
    for number in page {
        records.extend(
            reader.one(&format!("{COLUMNS} WHERE d.number = ?1"), &[&number], |row| record(row, &reader.newest))?,
        );
    }
    records.into_iter().map(|record| reader.record_as_shown(record)).collect()
}

pub(super) fn count(reader: &SqlReader, query: &DeviceQuery) -> Result<u64, StoreError> {
    let condition = Condition::of(query);
    let sql = format!("SELECT count(*) FROM {TABLES} WHERE {}", condition.sql);
    Ok(reader.one(&sql, &condition.params(), |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs())
}

pub(super) fn find(reader: &SqlReader, id: &DeviceId) -> Result<Option<DeviceRecord>, StoreError> {
    let record =
        reader.one(&format!("{COLUMNS} WHERE d.id = ?1"), &[&id.as_str()], |row| record(row, &reader.newest))?;
    record.map(|record| reader.record_as_shown(record)).transpose()
}

pub(super) fn hello(reader: &SqlReader, id: &DeviceId) -> Result<Option<String>, StoreError> {
    let hello = reader.one("SELECT body FROM hello WHERE device = ?1", &[&reader.number(id)?], |row| row.get(0))?;
    Ok(hello.map(|text| reader.hello_as_shown(text)))
}

/// What is known of each device's losses.
pub(super) fn losses(reader: &SqlReader) -> Result<HashMap<DeviceId, LossLedger>, StoreError> {
    let sql = "SELECT d.info, x.body FROM losses x JOIN device d ON d.number = x.device WHERE d.revoked_at IS NULL";
    let books = reader.all(sql, &[], |row| Ok((body::<DeviceInfo>(row, 0)?.id, body(row, 1)?)))?;
    Ok(books.into_iter().collect())
}

pub(super) fn places(reader: &SqlReader) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT place FROM device WHERE revoked_at IS NULL AND place <> '' GROUP BY place, place_key ORDER BY place_key";
    reader.all(sql, &[], |row| row.get(0))
}

pub(super) fn places_by_state(reader: &SqlReader) -> Result<Vec<PlaceCount>, StoreError> {
    // The worst fault of each device is found once, and not by a look at each device.
    let sql = "SELECT d.place, coalesce(p.state, 'never_seen'), coalesce(f.worst, 0), count(*) FROM device d \
               LEFT JOIN presence p ON p.device = d.number \
               LEFT JOIN (SELECT device, max(severity) AS worst FROM fault WHERE open GROUP BY device) f ON f.device = d.number \
               WHERE d.revoked_at IS NULL GROUP BY 1, 2, 3";
    reader.all(sql, &[], |row| {
        let count = row.get::<_, i64>(3)?.unsigned_abs();
        let place: String = row.get(0)?;
        Ok(PlaceCount {
            place: place.clone(),
            state: word(row, 1, || format!("the devices at {place:?}"))?,
            worst: worst(row, 2, || format!("the open faults at {place:?}"))?,
            count,
        })
    })
}

pub(super) fn machines_by_place(reader: &SqlReader) -> Result<BTreeMap<String, u64>, StoreError> {
    let sql = "SELECT place, count(*) FROM device WHERE computer AND revoked_at IS NULL GROUP BY place";
    let places = reader.all(sql, &[], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    Ok(places.into_iter().collect())
}

pub(super) fn counts(reader: &SqlReader) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let sql = "SELECT coalesce(p.state, 'never_seen'), count(*) FROM device d LEFT JOIN presence p ON p.device = d.number \
               WHERE d.revoked_at IS NULL AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired') GROUP BY 1";
    for (state, count) in reader.all(sql, &[], |row| {
        Ok((word(row, 0, || "the devices of a presence".to_owned())?, row.get::<_, i64>(1)?.unsigned_abs()))
    })? {
        counts.devices += count;
        match state {
            PresenceState::Live => counts.live += count,
            PresenceState::Silent | PresenceState::HostDown | PresenceState::Suspect => counts.silent += count,
            PresenceState::Away | PresenceState::NeverSeen => counts.other += count,
        }
    }
    let count =
        |sql| Ok::<_, StoreError>(reader.one(sql, &[], |row| row.get::<_, i64>(0))?.unwrap_or(0).unsigned_abs());
    counts.faults = count("SELECT count(*) FROM fault WHERE open")?;
    counts.incidents = count("SELECT count(*) FROM incident WHERE active")?;
    Ok(counts)
}

/// Computers by their numbers, by name.
pub(super) fn machines_of(
    reader: &SqlReader,
    numbers: &BTreeSet<u64>,
    limit: usize,
) -> Result<Vec<DeviceInfo>, StoreError> {
    let sql = "SELECT d.number, d.info FROM device d WHERE d.computer AND d.revoked_at IS NULL ORDER BY d.name_key";
    let all = reader.all(sql, &[], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), body::<DeviceInfo>(row, 1)?)))?;
    let of = all.into_iter().filter(|(number, _)| numbers.contains(number)).map(|(_, info)| info);
    Ok(of.take(limit).map(|info| reader.info_as_shown(info)).collect())
}

pub(super) fn without_agent(reader: &SqlReader, limit: usize) -> Result<Vec<DeviceInfo>, StoreError> {
    let sql = "SELECT d.info FROM device d WHERE d.revoked_at IS NULL AND NOT EXISTS (SELECT 1 FROM hello h WHERE h.device = d.number) \
               ORDER BY d.name_key, d.id LIMIT ?1";
    let found = reader.all(sql, &[&limit_of(limit)], |row| body(row, 0))?;
    Ok(found.into_iter().map(|info| reader.info_as_shown(info)).collect())
}

pub(super) fn machines_without(
    reader: &SqlReader,
    document: &str,
    limit: usize,
) -> Result<Vec<DeviceInfo>, StoreError> {
    let sql = "SELECT d.info FROM device d WHERE d.computer AND d.revoked_at IS NULL \
               AND d.number NOT IN (SELECT device FROM asset WHERE state = 'retired') AND NOT EXISTS \
               (SELECT 1 FROM document o WHERE o.name = ?1 AND o.device = d.number) ORDER BY d.name_key LIMIT ?2";
    let found = reader.all(sql, &[&document, &limit_of(limit)], |row| body(row, 0))?;
    Ok(found.into_iter().map(|info| reader.info_as_shown(info)).collect())
}
