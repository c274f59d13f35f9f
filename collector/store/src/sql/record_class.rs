//! What records of each class are in the database: when they end, what holds them, how they read as evidence, and how they go.
//!
//! A class that is added stands here with a [`ClassSource`] and is named in [`source`]; everything else follows from that. A record goes by its own
//! class alone, never with another: what holds it is asked, and its time is past. What is deleted with a record has no class of its own
//! (docs/decisions/0044-records-go-by-their-own-class.md).

use super::hold::{HeldWhen, HeldWith};
use crate::retention::RecordClass;

/// Every hold has been seen, where a condition asks which were.
pub(super) const ALL_SEEN: &str = "9223372036854775807";

/// A class's records in the database: `@` is the record.
pub(super) struct ClassSource {
    pub(super) class: RecordClass,
    /// Where they are.
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
        RecordClass::Documents => Some(DOCUMENTS),
        RecordClass::Enrolments => Some(ENROLMENTS),
        RecordClass::NumbersRaw
        | RecordClass::NumbersFiveMinutes
        | RecordClass::NumbersHour
        | RecordClass::Audit
        | RecordClass::Reports
        | RecordClass::Attestations
        | RecordClass::AssetImports => None,
    }
}

const EVENTS: ClassSource = ClassSource {
    class: RecordClass::Events,
    table: "event",
    key: "@.number",
    ended: "@.at",
    held: HeldWhen {
        first: "@.at",
        last: "@.at",
        classes: "'events'",
        device: "@.device = h.device",
        incident: "NULL",
        own_device: "@.device",
        person: "(names_person(@.fields, h.subject) OR names_person(@.text, h.subject))",
        with: &[],
    },
    belongs: "FALSE",
    line: "json_object('number', @.number, 'device', (SELECT id FROM device WHERE number = @.device), 'at_ms', @.at, \
           'name', @.name, 'text', @.text, 'fields', json(CASE WHEN json_valid(@.fields) THEN @.fields ELSE json_quote(@.fields) END))",
    delete: &["DELETE FROM event WHERE number = ?1"],
};

const FAULT_HELD: HeldWhen = HeldWhen {
    first: "@.raised_at",
    last: "coalesce(@.ended_at, 9000000000000000000)",
    classes: "'faults'",
    device: "@.device = h.device",
    incident: "@.incident",
    own_device: "@.device",
    person: "names_person(@.body, h.subject)",
    with: &[],
};

const FAULTS: ClassSource = ClassSource {
    class: RecordClass::Faults,
    table: "fault",
    key: "@.id",
    ended: "@.ended_at",
    held: FAULT_HELD,
    // Numbers are given from the largest on, so that the largest stays.
    belongs: "@.id = (SELECT max(id) FROM fault) OR EXISTS (SELECT 1 FROM incident i WHERE i.id = @.incident)",
    line: "CASE WHEN json_valid(@.body) THEN json(@.body) ELSE json_object('id', @.id, 'damaged', @.body) END",
    delete: &["DELETE FROM fault WHERE id = ?1"],
};

/// An incident without what belongs to it.
const INCIDENT_HELD: HeldWhen = HeldWhen {
    // Its files may be a little older or newer.
    first: "(@.opened_at - 86400000)",
    last: "(coalesce(@.closed_at, 9000000000000000000) + 86400000)",
    classes: "'incidents'",
    // Faults that were moved to another one, or are gone, too.
    device: "EXISTS (SELECT 1 FROM incident_device p WHERE p.device = h.device AND p.incident IN KIN)",
    incident: "@.id",
    own_device: "-1",
    person: "names_person(@.body, h.subject)",
    with: &[],
};

const STEP_HELD: HeldWhen = HeldWhen {
    first: "CASE WHEN json_valid(@.body) THEN unixepoch(json_extract(@.body, '$.at')) * 1000 ELSE 0 END",
    last: "CASE WHEN json_valid(@.body) THEN unixepoch(json_extract(@.body, '$.at')) * 1000 + 999 ELSE 9000000000000000000 END",
    classes: "''",
    device: "FALSE",
    incident: "NULL",
    own_device: "-1",
    person: "names_person(@.body, h.subject)",
    with: &[],
};

const NOTICE_HELD: HeldWhen = HeldWhen {
    first: "@.created_at",
    last: "coalesce(@.delivered_at, @.created_at)",
    classes: "'notices'",
    // Whether its incident and the faults of that are there or not.
    device: "EXISTS (SELECT 1 FROM incident_device p WHERE p.device = h.device AND p.incident IN FAMILY)",
    incident: "@.incident",
    own_device: "-1",
    person: "(names_person(@.person, h.subject) OR names_person(@.address, h.subject) OR names_person(@.notice, h.subject))",
    with: &[],
};

const INCIDENTS: ClassSource = ClassSource {
    class: RecordClass::Incidents,
    table: "incident",
    key: "@.id",
    ended: "@.closed_at",
    // What was written down of a fault or a notice that is held stays with it.
    held: HeldWhen {
        with: &[
            HeldWith { table: "fault", which: "#.incident = @.id", held: &FAULT_HELD },
            HeldWith { table: "step", which: "#.incident = @.id", held: &STEP_HELD },
            HeldWith { table: "outbox", which: "#.incident = @.id", held: &NOTICE_HELD },
        ],
        ..INCIDENT_HELD
    },
    belongs: "@.id = (SELECT max(id) FROM incident) \
              OR EXISTS (SELECT 1 FROM outbox o WHERE o.incident = @.id AND o.state = 'waiting') \
              OR EXISTS (SELECT 1 FROM fault f WHERE f.incident = @.id AND f.open) \
              OR EXISTS (SELECT 1 FROM ticket t WHERE t.incident = @.id AND (t.due OR t.open))",
    line: "json_object('incident', json(CASE WHEN json_valid(@.body) THEN @.body ELSE json_quote(@.body) END), \
           'steps', (SELECT json_group_array(json(CASE WHEN json_valid(body) THEN body ELSE json_quote(body) END)) FROM (SELECT body FROM step WHERE incident = @.id ORDER BY number) AS s), \
           'faults', (SELECT json_group_array(json(CASE WHEN json_valid(body) THEN body ELSE json_quote(body) END)) FROM (SELECT body FROM fault WHERE incident = @.id ORDER BY id) AS f), \
           'notices', (SELECT json_group_array(json_object('key', key, 'channel', channel, 'person', person, 'notice', notice, 'created_at_ms', created_at, 'state', state, \
           'delivered_at_ms', delivered_at, 'error', last_error)) FROM (SELECT * FROM outbox WHERE incident = @.id ORDER BY key) AS n), \
           'tickets', (SELECT json_group_array(json_object('system', system, 'ticket', ticket, 'step', step)) FROM (SELECT * FROM ticket WHERE incident = @.id ORDER BY system) AS t), \
           'files', (SELECT json_group_array(json_object('sha256', sha256, 'bytes', bytes)) \
           FROM (SELECT sha256, length(content) AS bytes FROM attachment WHERE incident = @.id ORDER BY sha256) AS a))",
    // Its faults and notices stay until their own time is past.
    delete: &[
        "DELETE FROM step WHERE incident = ?1",
        "DELETE FROM attachment WHERE incident = ?1",
        "DELETE FROM ticket WHERE incident = ?1",
        "DELETE FROM incident_device WHERE incident = ?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.incident = ?1) \
         AND NOT EXISTS (SELECT 1 FROM incident_joined l WHERE l.incident = ?1 OR l.joined_to = ?1)",
        "DELETE FROM incident WHERE id = ?1",
    ],
};

const NOTICES: ClassSource = ClassSource {
    class: RecordClass::Notices,
    table: "outbox",
    key: "@.number",
    ended: "@.created_at",
    held: HeldWhen {
        with: &[
            HeldWith { table: "incident", which: "#.id = @.incident", held: &INCIDENT_HELD },
            HeldWith { table: "step", which: "#.incident = @.incident", held: &STEP_HELD },
            HeldWith { table: "fault", which: "#.incident = @.incident", held: &FAULT_HELD },
        ],
        ..NOTICE_HELD
    },
    belongs: "@.state = 'waiting'",
    line: "json_object('key', @.key, 'incident', @.incident, 'channel', @.channel, 'person', @.person, 'address', @.address, 'language', @.language, \
           'notice', json(CASE WHEN json_valid(@.notice) THEN @.notice ELSE json_quote(@.notice) END), 'created_at_ms', @.created_at, 'attempts', @.attempts, 'state', @.state, \
           'delivered_at_ms', @.delivered_at, 'error', @.last_error)",
    delete: &[
        "DELETE FROM incident_device WHERE incident = (SELECT o.incident FROM outbox o WHERE o.number = ?1) \
         AND NOT EXISTS (SELECT 1 FROM incident i WHERE i.id = incident_device.incident) \
         AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.incident = incident_device.incident AND o.number <> ?1) \
         AND NOT EXISTS (SELECT 1 FROM incident_joined l WHERE l.incident = incident_device.incident OR l.joined_to = incident_device.incident)",
        "DELETE FROM outbox WHERE number = ?1",
    ],
};

/// The change after one of a document, until which its version stood.
const NEXT_AT: &str = "(SELECT n.at FROM document_change n WHERE n.device = @.device AND n.name = @.name AND n.number > @.number \
                       ORDER BY n.number LIMIT 1)";

const DOCUMENTS: ClassSource = ClassSource {
    class: RecordClass::Documents,
    table: "document_change",
    key: "@.rowid",
    ended: NEXT_AT,
    held: HeldWhen {
        first: "@.at",
        last: "max(@.at, coalesce((SELECT n.at FROM document_change n WHERE n.device = @.device AND n.name = @.name \
               AND n.number > @.number ORDER BY n.number LIMIT 1), 9000000000000000000))",
        classes: "'documents'",
        device: "@.device = h.device",
        incident: "NULL",
        own_device: "@.device",
        // Whether a version names them takes a way back to it (document_expiry.rs); of holds that are newer than who looked knows, nobody did.
        person: "h.number > SEEN",
        with: &[],
    },
    // The way back to an older version leads through it.
    belongs: "EXISTS (SELECT 1 FROM document_change b WHERE b.device = @.device AND b.name = @.name AND b.number < @.number)",
    // With the one behind it, which becomes the first: what it says of the change to it is on no other record.
    line: "json_set(change_line((SELECT id FROM device WHERE number = @.device), @.device, @.name, @.number, @.at, @.depth, @.data), \
           '$.next', json(coalesce((SELECT change_line((SELECT id FROM device WHERE number = n.device), n.device, n.name, n.number, n.at, n.depth, n.data) \
           FROM document_change n WHERE n.device = @.device AND n.name = @.name AND n.number > @.number ORDER BY n.number LIMIT 1), 'null')))",
    delete: &["DELETE FROM document_change WHERE rowid = ?1"],
};

const ENROLMENTS: ClassSource = ClassSource {
    class: RecordClass::Enrolments,
    table: "request",
    key: "@.rowid",
    ended: "@.seen_at",
    held: HeldWhen {
        first: "@.at",
        last: "@.seen_at",
        classes: "'enrolments'",
        device: "(json_valid(@.body) AND json_extract(@.body, '$.info.id') IS NOT DISTINCT FROM (SELECT d.id FROM device d WHERE d.number = h.device))",
        incident: "NULL",
        own_device: "-1",
        person: "names_person(@.body, h.subject)",
        with: &[],
    },
    belongs: "FALSE",
    line: "CASE WHEN json_valid(@.body) THEN json(@.body) ELSE json_object('id', @.id, 'damaged', @.body) END",
    delete: &["DELETE FROM request WHERE rowid = ?1"],
};
