//! Incidents with their timelines and their files.

use ioc_common::clock::Timestamp;
use ioc_common::id::{DeviceId, IncidentId};
use ioc_judge::{Incident, IncidentState, TimelineStep};

use super::commit::Commit;
use super::outbox;
use super::reader_connection::SqlReader;
use super::value::{below, body, json, limit_of, signed};
use crate::sql::{self, ToSql, params};
use crate::{DeliveredNotice, IncidentQuery, IncidentSearch, StoreError, WholeIncident};

pub(super) fn put(commit: &Commit<'_>, incident: &Incident) -> sql::Result<()> {
    let number = incident.device.as_ref().map(|device| commit.number(device)).transpose()?;
    let resolved = incident.resolved_at.filter(|_| incident.state == IncidentState::Resolved);
    // One that was joined to another is closed without a remedy of its own.
    let closing = incident.record.closing.as_ref().map(|closing| closing.at).or(incident.resolved_at);
    let closed = closing.filter(|_| incident.state == IncidentState::Closed);
    commit.run(
        "INSERT INTO incident (id, device, active, resolved_at, body, opened_at, closed_at, merged_into, waits, deadlines) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET active = ?3, resolved_at = ?4, body = ?5, \
         opened_at = ?6, closed_at = ?7, merged_into = ?8, waits = ?9, deadlines = ?10",
        params![
            signed(incident.id.0),
            number,
            incident.state.is_active(),
            resolved.map(Timestamp::as_millis),
            json(incident)?,
            incident.opened_at.as_millis(),
            closed.map(Timestamp::as_millis),
            incident.record.merged_into.map(|into| signed(into.0)),
            incident.record.open_deadlines().next().is_some(),
            incident.record.serious.is_some() || !incident.record.requests.is_empty()
        ],
    )?;
    if let Some(into) = incident.record.merged_into {
        let sql = "INSERT INTO incident_joined (incident, joined_to) VALUES (?1, ?2) \
                   ON CONFLICT (incident) DO UPDATE SET joined_to = ?2";
        commit.run(sql, params![signed(incident.id.0), signed(into.0)])?;
    }
    number.map_or(Ok(()), |number| put_device(commit, signed(incident.id.0), number))
}

/// An incident is about a device, or a fault of one belongs to it: that stays known as long as there is anything of it, a notice, too.
pub(super) fn put_device(commit: &Commit<'_>, incident: i64, device: i64) -> sql::Result<()> {
    commit.run("INSERT OR IGNORE INTO incident_device (incident, device) VALUES (?1, ?2)", [incident, device])?;
    Ok(())
}

pub(super) fn put_step(commit: &Commit<'_>, step: &TimelineStep) -> sql::Result<()> {
    commit.run(
        "INSERT INTO step (incident, number, body) VALUES (?1, ?2, ?3)",
        params![signed(step.incident.0), step.number, json(step)?],
    )?;
    Ok(())
}

pub(super) fn attach(commit: &Commit<'_>, incident: IncidentId, sha256: &str, content: &[u8]) -> sql::Result<()> {
    commit.run(
        "INSERT OR IGNORE INTO attachment (incident, sha256, content) VALUES (?1, ?2, ?3)",
        params![signed(incident.0), sha256, content],
    )?;
    Ok(())
}

pub(super) fn list(
    reader: &SqlReader,
    device: Option<&DeviceId>,
    active: bool,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Incident>, StoreError> {
    let mut sql = "SELECT body FROM incident WHERE id < ?1".to_owned();
    let number = device.map(|id| reader.number(id)).transpose()?;
    if let Some(number) = number {
        // Those that a fault of it was joined to, too: what began at a switch is the incident of all that is behind it.
        sql += &format!(" AND id IN (SELECT incident FROM incident_device WHERE device = {number})");
    }
    if active {
        sql += " AND active";
    }
    sql += " ORDER BY id DESC LIMIT ?2";
    let all: Vec<Incident> = reader.all(&sql, &[&below(before), &limit_of(limit)], |row| body(row, 0))?;
    all.into_iter().map(|incident| reader.incident_as_shown(incident)).collect()
}

impl IncidentSearch for SqlReader {
    fn find_incidents(&self, query: &IncidentQuery, limit: usize) -> Result<Vec<Incident>, StoreError> {
        search(self, query, limit)
    }

    fn first_steps(&self, within: (IncidentId, IncidentId), limit: usize) -> Result<Vec<TimelineStep>, StoreError> {
        first_steps(self, within, limit)
    }

    fn delivered_to_people(
        &self,
        within: (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<DeliveredNotice>, StoreError> {
        outbox::delivered_to_people(self, within, limit)
    }
}

/// Those that people look for, the newest first.
fn search(reader: &SqlReader, query: &IncidentQuery, limit: usize) -> Result<Vec<Incident>, StoreError> {
    let mut sql = "SELECT body FROM incident WHERE id < ?1".to_owned();
    let (before, limit) = (below(query.before), limit_of(limit));
    let mut texts: Vec<String> = Vec::new();
    let mut placed = |text: &str| {
        texts.push(text.to_owned());
        format!("?{}", texts.len() + 2)
    };
    if query.active {
        sql += " AND active";
    }
    if let Some(state) = query.state {
        sql += &format!(" AND json_extract(body, '$.state') = {}", placed(state.as_str()));
    }
    if let Some(severity) = query.severity {
        sql += &format!(" AND json_extract(body, '$.severity') = {}", placed(severity.as_str()));
    }
    if let Some((from, until)) = query.opened {
        sql += &format!(" AND opened_at >= {} AND opened_at < {}", from.as_millis(), until.as_millis());
    }
    if !query.places.is_empty() {
        let places = query.places.iter().map(|place| placed(place)).collect::<Vec<_>>().join(", ");
        // Those that a fault there belongs to, too: a storm is about no device alone.
        sql += &format!(
            " AND id IN (SELECT l.incident FROM incident_device l JOIN device d ON d.number = l.device WHERE d.place IN ({places}))"
        );
    }
    if !query.people.is_empty() {
        let people = query.people.iter().map(|person| placed(person)).collect::<Vec<_>>().join(", ");
        sql += &format!(
            " AND (json_extract(body, '$.acknowledged_by') IN ({people}) OR json_extract(body, '$.record.person') IN ({people}))"
        );
    }
    sql += " ORDER BY id DESC LIMIT ?2";
    let mut params: Vec<&dyn ToSql> = vec![&before, &limit];
    params.extend(texts.iter().map(|text| text as &dyn ToSql));
    let all: Vec<Incident> = reader.all(&sql, &params, |row| body(row, 0))?;
    all.into_iter().map(|incident| reader.incident_as_shown(incident)).collect()
}

/// When each was found: its first step.
fn first_steps(
    reader: &SqlReader,
    (from, to): (IncidentId, IncidentId),
    limit: usize,
) -> Result<Vec<TimelineStep>, StoreError> {
    let sql = "SELECT body FROM step WHERE incident >= ?1 AND incident <= ?2 AND number = 1 ORDER BY incident LIMIT ?3";
    reader.all(sql, &[&signed(from.0), &signed(to.0), &limit_of(limit)], |row| body(row, 0))
}

/// Those with deadlines of the law or requests to units, the newest first; only those that wait for one, or all.
pub(super) fn with_deadlines(
    reader: &SqlReader,
    waiting: bool,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Incident>, StoreError> {
    let which = if waiting { "waits" } else { "deadlines" };
    let sql = format!("SELECT body FROM incident WHERE id < ?1 AND {which} ORDER BY id DESC LIMIT ?2");
    let all: Vec<Incident> = reader.all(&sql, &[&below(before), &limit_of(limit)], |row| body(row, 0))?;
    all.into_iter().map(|incident| reader.incident_as_shown(incident)).collect()
}

pub(super) fn find(reader: &SqlReader, id: IncidentId) -> Result<Option<WholeIncident>, StoreError> {
    let number = signed(id.0);
    let Some(incident) = reader.one("SELECT body FROM incident WHERE id = ?1", &[&number], |row| body(row, 0))? else {
        return Ok(None);
    };
    let steps =
        reader.all("SELECT body FROM step WHERE incident = ?1 ORDER BY number", &[&number], |row| body(row, 0))?;
    let sql = format!("{} WHERE incident = ?1 ORDER BY created_at, key", outbox::COLUMNS);
    let notices = reader.all(&sql, &[&number], outbox::entry)?;
    let notices = notices.into_iter().map(|notice| reader.notice_as_shown(notice)).collect();
    Ok(Some((reader.incident_as_shown(incident)?, steps, notices)))
}

pub(super) fn attachment(
    reader: &SqlReader,
    incident: IncidentId,
    sha256: &str,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT content FROM attachment WHERE incident = ?1 AND sha256 = ?2";
    reader.one(sql, &[&signed(incident.0), &sha256], |row| row.get(0))
}
