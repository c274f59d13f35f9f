//! What records of each class are in the database: when they end, what holds them, how they read as evidence, and how they go.
//!
//! A class that is added stands here with a [`ClassSource`] and is named in [`source`]; everything else follows from that.

use super::hold::HeldWhen;
use crate::retention::RecordClass;

/// A class's records in the database: `r` is the record.
pub(super) struct ClassSource {
    pub(super) class: RecordClass,
    /// Where they are, as `r`.
    pub(super) table: &'static str,
    pub(super) key: &'static str,
    /// When a record ended, which its time begins with; what has none has not ended.
    pub(super) ended: &'static str,
    pub(super) held: HeldWhen,
    /// It stays whatever its age is: it belongs to what is kept.
    pub(super) belongs: &'static str,
    /// The record as JSON.
    pub(super) line: &'static str,
    /// What deletes it, by its key.
    pub(super) delete: &'static [&'static str],
}

/// Where records of a class are; none of those that never go, that go in another way (numbers), or of which nothing is kept.
pub(super) fn source(class: RecordClass) -> Option<ClassSource> {
    match class {
        RecordClass::Events => Some(EVENTS),
        RecordClass::Faults => Some(FAULTS),
        RecordClass::Incidents => Some(INCIDENTS),
        RecordClass::Notices => Some(NOTICES),
        RecordClass::Enrolments => Some(ENROLMENTS),
        RecordClass::NumbersRaw
        | RecordClass::NumbersFiveMinutes
        | RecordClass::NumbersHour
        | RecordClass::Audit
        | RecordClass::Reports
        | RecordClass::Documents => None,
    }
}

const EVENTS: ClassSource = ClassSource {
    class: RecordClass::Events,
    table: "event AS r",
    key: "r.number",
    ended: "r.at",
    held: HeldWhen {
        first: "r.at",
        last: "r.at",
        classes: "'events'",
        device: "r.device = h.device",
        incident: "0",
        own_device: "r.device",
        person: "(instr(r.fields, h.subject) > 0 OR instr(r.text, h.subject) > 0)",
    },
    belongs: "0",
    line: "json_object('number', r.number, 'device', (SELECT id FROM device WHERE number = r.device), 'at_ms', r.at, \
           'name', r.name, 'text', r.text, 'fields', CASE WHEN json_valid(r.fields) THEN json(r.fields) ELSE r.fields END)",
    delete: &["DELETE FROM event WHERE number = ?1"],
};

const FAULTS: ClassSource = ClassSource {
    class: RecordClass::Faults,
    table: "fault AS r",
    key: "r.id",
    ended: "r.ended_at",
    held: HeldWhen {
        first: "r.raised_at",
        last: "coalesce(r.ended_at, 9000000000000000000)",
        classes: "'faults'",
        device: "r.device = h.device",
        incident: "r.incident IS h.incident",
        own_device: "r.device",
        person: "instr(r.body, h.subject) > 0",
    },
    // Numbers are given from the largest on, so that the largest stays.
    belongs: "r.id = (SELECT max(id) FROM fault) OR EXISTS (SELECT 1 FROM incident i WHERE i.id = r.incident)",
    line: "CASE WHEN json_valid(r.body) THEN json(r.body) ELSE json_object('id', r.id, 'damaged', r.body) END",
    delete: &["DELETE FROM fault WHERE id = ?1"],
};

const INCIDENTS: ClassSource = ClassSource {
    class: RecordClass::Incidents,
    table: "incident AS r",
    key: "r.id",
    ended: "r.closed_at",
    held: HeldWhen {
        // Its faults and notices go with it: they may be a little older or newer.
        first: "(r.opened_at - 86400000)",
        last: "(coalesce(r.closed_at, 9000000000000000000) + 86400000)",
        classes: "'incidents', 'faults', 'notices'",
        device: "(r.device IS h.device OR EXISTS (SELECT 1 FROM fault f WHERE f.incident = r.id AND f.device = h.device))",
        incident: "(r.id = h.incident OR (json_valid(r.body) AND json_extract(r.body, '$.record.merged_into') IS h.incident))",
        own_device: "-1",
        person: "(instr(r.body, h.subject) > 0 \
                 OR EXISTS (SELECT 1 FROM step s WHERE s.incident = r.id AND instr(s.body, h.subject) > 0) \
                 OR EXISTS (SELECT 1 FROM fault f WHERE f.incident = r.id AND instr(f.body, h.subject) > 0) \
                 OR EXISTS (SELECT 1 FROM outbox o WHERE o.incident = r.id AND (o.person = h.subject OR instr(o.notice, h.subject) > 0)))",
    },
    belongs: "r.id = (SELECT max(id) FROM incident) \
              OR EXISTS (SELECT 1 FROM outbox o WHERE o.incident = r.id AND o.state = 'waiting') \
              OR EXISTS (SELECT 1 FROM fault f WHERE f.incident = r.id AND f.open) \
              OR EXISTS (SELECT 1 FROM fault f WHERE f.incident = r.id AND f.id = (SELECT max(id) FROM fault)) \
              OR EXISTS (SELECT 1 FROM ticket t WHERE t.incident = r.id AND (t.due OR t.open))",
    line: "json_object('incident', CASE WHEN json_valid(r.body) THEN json(r.body) ELSE r.body END, \
           'steps', (SELECT json_group_array(CASE WHEN json_valid(body) THEN json(body) ELSE body END) FROM (SELECT body FROM step WHERE incident = r.id ORDER BY number)), \
           'faults', (SELECT json_group_array(CASE WHEN json_valid(body) THEN json(body) ELSE body END) FROM (SELECT body FROM fault WHERE incident = r.id ORDER BY id)), \
           'notices', (SELECT json_group_array(json_object('key', key, 'channel', channel, 'person', person, 'notice', notice, 'created_at_ms', created_at, 'state', state, \
           'delivered_at_ms', delivered_at, 'error', last_error)) FROM (SELECT * FROM outbox WHERE incident = r.id ORDER BY key)), \
           'tickets', (SELECT json_group_array(json_object('system', system, 'ticket', ticket, 'step', step)) FROM (SELECT * FROM ticket WHERE incident = r.id ORDER BY system)), \
           'files', (SELECT json_group_array(json_object('sha256', sha256, 'bytes', bytes)) FROM (SELECT sha256, length(content) AS bytes FROM attachment WHERE incident = r.id ORDER BY sha256)))",
    delete: &[
        "DELETE FROM step WHERE incident = ?1",
        "DELETE FROM attachment WHERE incident = ?1",
        "DELETE FROM ticket WHERE incident = ?1",
        "DELETE FROM outbox WHERE incident = ?1",
        "DELETE FROM fault WHERE incident = ?1",
        "DELETE FROM incident WHERE id = ?1",
    ],
};

const NOTICES: ClassSource = ClassSource {
    class: RecordClass::Notices,
    table: "outbox AS r",
    key: "r.rowid",
    ended: "r.created_at",
    held: HeldWhen {
        first: "r.created_at",
        last: "coalesce(r.delivered_at, r.created_at)",
        classes: "'notices', 'incidents'",
        device: "EXISTS (SELECT 1 FROM incident i WHERE i.id = r.incident AND (i.device IS h.device \
                 OR EXISTS (SELECT 1 FROM fault f WHERE f.incident = i.id AND f.device = h.device)))",
        incident: "r.incident = h.incident",
        own_device: "-1",
        person: "(r.person = h.subject OR instr(r.notice, h.subject) > 0 OR EXISTS (SELECT 1 FROM incident i WHERE i.id = r.incident AND instr(i.body, h.subject) > 0))",
    },
    belongs: "r.state = 'waiting'",
    line: "json_object('key', r.key, 'incident', r.incident, 'channel', r.channel, 'person', r.person, 'address', r.address, 'language', r.language, \
           'notice', CASE WHEN json_valid(r.notice) THEN json(r.notice) ELSE r.notice END, 'created_at_ms', r.created_at, 'attempts', r.attempts, 'state', r.state, \
           'delivered_at_ms', r.delivered_at, 'error', r.last_error)",
    delete: &["DELETE FROM outbox WHERE rowid = ?1"],
};

const ENROLMENTS: ClassSource = ClassSource {
    class: RecordClass::Enrolments,
    table: "request AS r",
    key: "r.rowid",
    ended: "r.seen_at",
    held: HeldWhen {
        first: "r.at",
        last: "r.seen_at",
        classes: "'enrolments'",
        device: "(json_valid(r.body) AND json_extract(r.body, '$.info.id') IS (SELECT d.id FROM device d WHERE d.number = h.device))",
        incident: "0",
        own_device: "-1",
        person: "instr(r.body, h.subject) > 0",
    },
    belongs: "0",
    line: "CASE WHEN json_valid(r.body) THEN json(r.body) ELSE json_object('id', r.id, 'damaged', r.body) END",
    delete: &["DELETE FROM request WHERE rowid = ?1"],
};
