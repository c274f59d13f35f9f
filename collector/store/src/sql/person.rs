//! Where a person appears in the store. Every query has a bound on what it gives, and on how far back it looks in the tables that grow.

use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_common::reading::PROBES;
use ioc_judge::Fault;
use ioc_judge::rule::document::Comparison;

use super::document_change;
use super::reader_connection::SqlReader;
use super::value::{body, limit_of, signed};
use crate::StoreError;
use crate::person::{
    AUDIT_ROWS, CHANGE_ROWS, EVENT_ROWS, FAULT_ROWS, INCIDENT_ROWS, NAMES_MAX, PersonTrace, PersonTraceKind,
    PersonTraces,
};
use crate::sql::{self, Row, ToSql};

/// Longest text of one place, characters.
const TEXT_MAX_CHARS: usize = 400;
/// Most fields of one document that are named.
const PATHS_MAX: usize = 8;

pub(super) fn find(reader: &SqlReader, names: &[String], limit: usize) -> Result<PersonTraces, StoreError> {
    let search = Search { reader, names: &names[..names.len().min(NAMES_MAX)], limit };
    let mut all = PersonTraces::default();
    for kind in PersonTraceKind::ALL {
        let found = search.of(kind)?;
        all.take(kind, found, limit);
        all.ends.extend(search.end_of(kind)?.map(|at| (kind, at)));
    }
    Ok(all)
}

/// Who is looked for, and how many of each kind are wanted.
struct Search<'s> {
    reader: &'s SqlReader,
    names: &'s [String],
    limit: usize,
}

impl Search<'_> {
    #[allow(
        clippy::too_many_lines,
        reason = "a question for each kind; splitting it would hide that the list is whole"
    )]
    fn of(&self, kind: PersonTraceKind) -> Result<Vec<PersonTrace>, StoreError> {
        use PersonTraceKind as Kind;
        match kind {
            Kind::Account => self.plain(
                kind,
                "SELECT password_at, name, full_name, role || CASE WHEN disabled THEN ' disabled' ELSE '' END FROM account WHERE name IN NAMES OR full_name IN NAMES ORDER BY name",
            ),
            Kind::Session => self.plain(
                kind,
                "SELECT created_at, account, peer, '' FROM session WHERE label = '' AND account IN NAMES ORDER BY created_at DESC",
            ),
            Kind::Token => self.plain(
                kind,
                "SELECT created_at, account, label || ', ' || peer, '' FROM session WHERE label <> '' AND account IN NAMES \
                 ORDER BY created_at DESC",
            ),
            Kind::View => {
                self.plain(kind, "SELECT CAST(NULL AS BIGINT), name, query, '' FROM view WHERE account IN NAMES UNION ALL \
                 SELECT CAST(NULL AS BIGINT), CAST(number AS TEXT), json_extract(body, '$.name'), '' FROM dashboard \
                 WHERE owner IN NAMES OR json_extract(body, '$.by') IN NAMES")
            }
            // The plan in force is configuration, and whoever asks looks there; here is what it said before, and who changed what.
            Kind::DutyPlan => self.plain(
                kind,
                &format!(
                    "SELECT at, part || ' ' || number, why, '' FROM configuration_version WHERE who IN NAMES OR (part = 'duty' AND ({})) \
                     ORDER BY at DESC",
                    (1..=self.names.len()).map(|place| format!("names_person(body, ?{place})")).collect::<Vec<_>>().join(" OR ")
                ),
            ),
            Kind::Cover => self.plain(
                kind,
                "SELECT CAST(NULL AS BIGINT), json_extract(body, '$.rota'), json_extract(body, '$.person') || ', ' || json_extract(body, '$.from') || ' – ' || \
                 json_extract(body, '$.until') || ', ' || json_extract(body, '$.who') || ' ' || json_extract(body, '$.note'), '' FROM cover \
                 WHERE json_extract(body, '$.person') IN NAMES OR json_extract(body, '$.who') IN NAMES UNION ALL \
                 SELECT unixepoch(json_extract(body, '$.at')) * 1000, CAST(number AS TEXT), json_extract(body, '$.asker') || ' → ' || json_extract(body, '$.asked') || ', ' || \
                 json_extract(body, '$.note') || ' ' || json_extract(body, '$.answer'), '' FROM requested_turn \
                 WHERE json_extract(body, '$.asker') IN NAMES OR json_extract(body, '$.asked') IN NAMES OR json_extract(body, '$.ended_by') IN NAMES UNION ALL \
                 SELECT CAST(NULL AS BIGINT), channel, address, '' FROM contact_check WHERE person IN NAMES UNION ALL \
                 SELECT created_at, subject, '', '' FROM duty_feed WHERE account IN NAMES OR substr(subject, 8) IN NAMES",
            ),
            Kind::Handover => {
                self.plain(
                    kind,
                    "SELECT at, rota, text, '' FROM handover WHERE who IN NAMES OR json_extract(body, '$.name') IN NAMES ORDER BY number DESC",
                )
            }
            Kind::Report => self.plain(
                kind,
                "SELECT at, report, substr(key || ': ' || text, 1, 400), '' FROM report_text WHERE who IN NAMES UNION ALL \
                 SELECT at, CAST(number AS TEXT), title, '' FROM issued_report WHERE who IN NAMES OR number IN \
                 (SELECT issued FROM report_registration WHERE who IN NAMES) UNION ALL \
                 SELECT NULL, '', json_extract(s.value, '$.title'), '' FROM document_settings, json_each(body, '$.signers') AS s WHERE json_extract(s.value, '$.name') IN NAMES",
            ),
            Kind::Register => Ok([self.accepted()?, self.plain(
                kind,
                "SELECT CAST(NULL AS BIGINT), d.id, '', '' FROM asset a JOIN device d ON d.number = a.device WHERE EXISTS (SELECT 1 FROM json_each(a.body, '$.said') AS v \
                 WHERE json_extract(v.value, '$.by') IN NAMES OR json_extract(v.value, '$.text') IN NAMES) OR EXISTS (SELECT 1 FROM json_each(a.body, '$.kept') AS v \
                 WHERE json_extract(v.value, '$.by') IN NAMES) UNION ALL \
                 SELECT CAST(NULL AS BIGINT), d.id, json_extract(b.body, '$.note'), '' FROM asset_attestation b JOIN device d ON d.number = b.device \
                 WHERE json_extract(b.body, '$.by') IN NAMES UNION ALL \
                 SELECT CAST(NULL AS BIGINT), d.id, json_extract(b.body, '$.note'), '' FROM backup_attestation b JOIN device d ON d.number = b.device \
                 WHERE json_extract(b.body, '$.by') IN NAMES UNION ALL \
                 SELECT CAST(NULL AS BIGINT), d.id, e.kind, '' FROM expected_backup e JOIN device d ON d.number = e.device \
                 WHERE json_extract(e.expected, '$.by') IN NAMES OR json_extract(e.seen, '$.attested_by') IN NAMES UNION ALL \
                 SELECT CAST(NULL AS BIGINT), CAST(c.number AS TEXT), '', '' FROM inventory_count c \
                 WHERE json_extract(c.body, '$.opened_by') IN NAMES OR json_extract(c.body, '$.closed.by') IN NAMES \
                 OR EXISTS (SELECT 1 FROM json_each(c.body, '$.closed.members') AS m WHERE json_extract(m.value, '$.name') IN NAMES) UNION ALL \
                 SELECT CAST(NULL AS BIGINT), d.id, json_extract(t.body, '$.remark'), '' FROM inventory_tick t \
                 JOIN device d ON d.number = t.device WHERE json_extract(t.body, '$.by') IN NAMES UNION ALL \
                 SELECT CAST(NULL AS BIGINT), CAST(f.count AS TEXT), json_extract(f.body, '$.remark'), '' FROM inventory_find f \
                 WHERE json_extract(f.body, '$.by') IN NAMES OR json_extract(f.body, '$.settled.by') IN NAMES UNION ALL \
                 SELECT i.at, CAST(i.number AS TEXT), '', '' FROM table_import i WHERE i.who IN NAMES OR i.undone_by IN NAMES OR \
                 EXISTS (SELECT 1 FROM json_tree(i.body) AS t WHERE t.atom IN NAMES) UNION ALL \
                 SELECT CAST(NULL AS BIGINT), coalesce(d.id, ''), w.name || ': ' || (json_extract(w.body, '$.holder')) || ' ' || (json_extract(w.body, '$.note')), '' \
                 FROM account_word w LEFT JOIN device d ON d.number = w.device \
                 WHERE json_extract(w.body, '$.by') IN NAMES OR json_extract(w.body, '$.holder') IN NAMES OR w.name IN NAMES UNION ALL \
                 SELECT CAST(NULL AS BIGINT), d.id, t.name || ': ' || (json_extract(t.body, '$.holder')) || ' ' || (json_extract(t.body, '$.note')), '' \
                 FROM account_attestation t JOIN device d ON d.number = t.device \
                 WHERE json_extract(t.body, '$.by') IN NAMES OR json_extract(t.body, '$.holder') IN NAMES OR t.name IN NAMES UNION ALL \
                 SELECT v.opened_at, CAST(v.number AS TEXT), '', '' FROM account_review v WHERE v.opened_by IN NAMES OR v.signed_by IN NAMES OR EXISTS \
                 (SELECT 1 FROM account_review_line l WHERE l.review = v.number AND l.line <= v.count \
                 AND (json_extract(l.body, '$.account.holder') IN NAMES OR json_extract(l.body, '$.account.name') IN NAMES \
                 OR json_extract(l.body, '$.said[0]') IN NAMES)) UNION ALL \
                 SELECT CAST(NULL AS BIGINT), p.key, '', '' FROM product p \
                 WHERE EXISTS (SELECT 1 FROM json_each(p.body, '$.said') AS v WHERE json_extract(v.value, '$.by') IN NAMES)",
            )?]
            .concat()),
            Kind::File => self.plain(
                kind,
                "SELECT unixepoch(json_extract(e.file, '$.at')) * 1000, d.id, json_extract(e.file, '$.name'), '' FROM backup_evidence e JOIN backup_attestation a ON a.number = e.attestation \
                 JOIN device d ON d.number = a.device WHERE json_extract(e.file, '$.who') IN NAMES UNION ALL \
                 SELECT unixepoch(json_extract(e.file, '$.at')) * 1000, d.id, json_extract(e.file, '$.name'), '' FROM asset_evidence e JOIN asset_attestation a ON a.number = e.attestation \
                 JOIN device d ON d.number = a.device WHERE json_extract(e.file, '$.who') IN NAMES UNION ALL \
                 SELECT unixepoch(json_extract(e.file, '$.at')) * 1000, d.id, json_extract(e.file, '$.name'), '' FROM account_evidence e JOIN account_attestation a ON a.number = e.attestation \
                 JOIN device d ON d.number = a.device WHERE json_extract(e.file, '$.who') IN NAMES",
            ),
            Kind::Hold => self.plain(
                kind,
                "SELECT at, CAST(number AS TEXT), kind || ' ' || subject || ': ' || reason, '' FROM hold \
                 WHERE who IN NAMES OR ended_by IN NAMES OR (kind = 'person' AND subject IN NAMES) ORDER BY number DESC",
            ),
            Kind::Retention => self.retention(),
            Kind::Enrolment => self.plain(
                kind,
                "SELECT created_at, json_extract(body, '$.label'), '', '' FROM token WHERE EXISTS (SELECT 1 FROM json_tree(body) AS t WHERE t.atom IN NAMES) UNION ALL \
                 SELECT at, id, '', '' FROM request WHERE EXISTS (SELECT 1 FROM json_tree(body) AS t WHERE t.atom IN NAMES)",
            ),
            Kind::Window => self.plain(
                kind,
                "SELECT NULL, CAST(id AS TEXT), json_extract(body, '$.title'), '' FROM \"window\" \
                 WHERE json_extract(body, '$.who') IN NAMES ORDER BY id DESC",
            ),
            Kind::Device => self.plain(
                kind,
                "SELECT NULL, id, '', trim(CASE WHEN json_extract(info, '$.officer') IN NAMES THEN 'officer ' ELSE '' END || \
                 CASE WHEN json_extract(info, '$.leader') IN NAMES THEN 'leader' ELSE '' END) FROM device \
                 WHERE json_extract(info, '$.officer') IN NAMES OR json_extract(info, '$.leader') IN NAMES ORDER BY id",
            ),
            Kind::Incident => self.incidents(),
            Kind::Fault => self.faults(),
            Kind::Step => self.steps(),
            Kind::Notice => self.plain(
                kind,
                "SELECT created_at, CAST(incident AS TEXT), channel || ' ' || address, state FROM outbox \
                 WHERE person IN NAMES ORDER BY created_at DESC",
            ),
            Kind::Document => self.documents(),
            Kind::Change => self.changes(),
            Kind::Event => self.events(),
            Kind::Series => self.series(),
            Kind::AuditBy => self.audit(kind, "actor IN NAMES"),
            Kind::AuditAbout => self.audit(kind, "subject IN NAMES AND actor NOT IN NAMES"),
        }
    }

    /// Up to which moment records of a kind were looked through; none where all of them were.
    fn end_of(&self, kind: PersonTraceKind) -> Result<Option<Timestamp>, StoreError> {
        use PersonTraceKind as Kind;
        let (sql, rows) = match kind {
            Kind::Incident | Kind::Step => (
                "SELECT unixepoch(json_extract(body, '$.opened_at')) * 1000 FROM incident \
                 WHERE id <= (SELECT max(id) FROM incident) - ?1 ORDER BY id DESC LIMIT 1",
                INCIDENT_ROWS,
            ),
            Kind::Fault => (
                "SELECT raised_at FROM fault WHERE id <= (SELECT max(id) FROM fault) - ?1 ORDER BY id DESC LIMIT 1",
                FAULT_ROWS,
            ),
            Kind::Change => (
                "SELECT at FROM document_change WHERE rowid <= (SELECT max(rowid) FROM document_change) - ?1 ORDER BY rowid DESC LIMIT 1",
                CHANGE_ROWS,
            ),
            Kind::Event => (
                "SELECT at FROM event WHERE number <= (SELECT max(number) FROM event) - ?1 ORDER BY number DESC LIMIT 1",
                EVENT_ROWS,
            ),
            Kind::AuditBy | Kind::AuditAbout => (
                "SELECT at FROM audit WHERE number <= (SELECT max(number) FROM audit) - ?1 ORDER BY number DESC LIMIT 1",
                AUDIT_ROWS,
            ),
            Kind::Account
            | Kind::Session
            | Kind::Token
            | Kind::View
            | Kind::DutyPlan
            | Kind::Cover
            | Kind::Handover
            | Kind::Report
            | Kind::Register
            | Kind::File
            | Kind::Hold
            | Kind::Retention
            | Kind::Enrolment
            | Kind::Window
            | Kind::Device
            | Kind::Notice
            | Kind::Document
            | Kind::Series => return Ok(None),
        };
        let newest_left = self.reader.one(sql, &[&signed(rows)], |row| row.get::<_, Option<i64>>(0))?;
        Ok(newest_left.flatten().map(Timestamp::from_millis))
    }

    /// What a query gives: a moment, which one it is, what stands there, and the program's own word for it.
    fn plain(&self, kind: PersonTraceKind, sql: &str) -> Result<Vec<PersonTrace>, StoreError> {
        self.rows(sql, &[], |row| {
            let at = row.get::<_, Option<i64>>(0)?.map(Timestamp::from_millis);
            let (subject, text) = (row.get::<_, Option<String>>(1)?, row.get::<_, Option<String>>(2)?);
            let word: String = row.get(3)?;
            Ok(Some(trace(kind, at, subject.unwrap_or_default(), (&word, &text.unwrap_or_default()))))
        })
    }

    /// The rows of a query in which `NAMES` stands for the names, and what comes before them are `more`: one more than are wanted.
    fn rows(
        &self,
        sql: &str,
        more: &[&dyn ToSql],
        mut read: impl FnMut(&Row<'_>) -> sql::Result<Option<PersonTrace>>,
    ) -> Result<Vec<PersonTrace>, StoreError> {
        let (first, count) = (more.len() + 1, self.names.len());
        let places = (first..first + count).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let sql = format!("{} LIMIT ?{}", sql.replace("NAMES", &format!("({places})")), first + count);
        let limit = limit_of(self.limit.saturating_add(1));
        let mut params = more.to_vec();
        params.extend(self.names.iter().map(|text| text as &dyn ToSql));
        params.push(&limit);
        let found = self.reader.all(&sql, &params, |row| read(row))?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Whether a column of JSON says one of the names, or has it at the end of the name of a series; `more` parameters stand before.
    fn holds(&self, column: &str, more: usize) -> String {
        let one = |place: usize| format!("says({column}, ?{place})");
        format!("({})", (more + 1..=more + self.names.len()).map(one).collect::<Vec<_>>().join(" OR "))
    }

    /// Where in a text of JSON one of the names stands, as paths.
    fn paths(&self, body: &str) -> String {
        let mut found = Vec::new();
        if let Ok(value) = serde_json::from_str::<Value>(body) {
            walk(&value, &mut String::new(), &|text| self.names.iter().any(|name| name == text), &mut found);
        }
        found.join(", ")
    }

    fn incidents(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let sql = format!(
            "SELECT id, body FROM incident WHERE id > (SELECT coalesce(max(id), 0) FROM incident) - ?1 AND {} \
             ORDER BY id DESC",
            self.holds("body", 1)
        );
        self.rows(&sql, &[&signed(INCIDENT_ROWS)], |row| {
            let (id, body): (i64, String) = (row.get(0)?, row.get(1)?);
            let subject = IncidentId(id.unsigned_abs()).to_string();
            Ok(Some(trace(PersonTraceKind::Incident, opened_at(&body), subject, ("", &self.paths(&body)))))
        })
    }

    /// Faults of accounts, by their series, and those whose reason names somebody: texts in which a name stands among others.
    fn faults(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let sql = format!(
            "SELECT body FROM fault WHERE id > (SELECT coalesce(max(id), 0) FROM fault) - ?1 AND {} ORDER BY id DESC",
            self.contain("body", 1)
        );
        self.mentioned(&sql, &[&signed(FAULT_ROWS)], |row| {
            let mut fault: Fault = body(row, 0)?;
            let of =
                fault.series.split_once('|').is_some_and(|(_, subject)| self.names.iter().any(|one| one == subject));
            let named = fault.reason.is_personal() && {
                fault.reason.open();
                self.names.iter().any(|name| mentions(&fault.reason.vi, name))
            };
            let text = format!("{}: {}", fault.series, fault.reason.vi);
            let text = text.trim_start_matches(": ");
            let found = (PersonTraceKind::Fault, Some(fault.raised_at), fault.device.to_string());
            Ok((of || named).then(|| trace(found.0, found.1, found.2, (&fault.rule, text))))
        })
    }

    /// Who decided how long records are kept stands in the rule, and in the evidence of what was deleted by it.
    fn retention(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let sql = format!(
            "SELECT since, class, text || '; ' || who || ': ' || reason FROM retention_rule WHERE {} UNION ALL \
             SELECT at, CAST(number AS TEXT), rule FROM deletion WHERE {}",
            self.contain("who", 0),
            self.contain("rule", 0)
        );
        self.mentioned(&sql, &[], |row| {
            let (at, subject, text): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let named = self.names.iter().any(|name| mentions(&text, name));
            let at = Some(Timestamp::from_millis(at));
            Ok(named.then(|| trace(PersonTraceKind::Retention, at, subject, ("", &text))))
        })
    }

    /// What was accepted of documents by rules that look into them: accounts stand in it by themselves, or behind a word (`sudo: lan`).
    fn accepted(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let sql = format!(
            "SELECT d.id, c.rule, c.body FROM comparison c JOIN device d ON d.number = c.device WHERE {} ORDER BY d.id, c.rule",
            self.contain("c.body", 0)
        );
        self.mentioned(&sql, &[], |row| {
            let (device, rule): (String, String) = (row.get(0)?, row.get(1)?);
            let Comparison { accepted, found } = body(row, 2)?;
            let is_named = |text: &&String| self.names.iter().any(|name| mentions(text, name));
            let named = accepted.iter().chain(&found).find(is_named);
            Ok(named.map(|text| trace(PersonTraceKind::Register, None, device, ("", &format!("{rule}: {text}")))))
        })
    }

    /// Whether a column has one of the names somewhere in it; `more` parameters stand before.
    fn contain(&self, column: &str, more: usize) -> String {
        let one = |place: usize| format!("names_person({column}, ?{place})");
        format!("({})", (more + 1..=more + self.names.len()).map(one).collect::<Vec<_>>().join(" OR "))
    }

    /// The rows of a query, what comes before the names being `more`, in which one of them is found when they are read: one more than are wanted.
    fn mentioned(
        &self,
        sql: &str,
        more: &[&dyn ToSql],
        read: impl Fn(&Row<'_>) -> sql::Result<Option<PersonTrace>>,
    ) -> Result<Vec<PersonTrace>, StoreError> {
        let (mut found, most) = (Vec::new(), self.limit.saturating_add(1));
        let mut params = more.to_vec();
        params.extend(self.names.iter().map(|text| text as &dyn ToSql));
        self.reader.all(sql, &params, |row| {
            if found.len() < most {
                found.extend(read(row)?);
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn steps(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let sql = "SELECT incident, json_extract(body, '$.at'), json_extract(body, '$.note.vi') FROM step \
                   WHERE incident > (SELECT coalesce(max(id), 0) FROM incident) - ?1 AND json_extract(body, '$.who') IN NAMES \
                   ORDER BY incident DESC, number DESC";
        self.rows(sql, &[&signed(INCIDENT_ROWS)], |row| {
            let subject = IncidentId(row.get::<_, i64>(0)?.unsigned_abs()).to_string();
            let at = row.get::<_, Option<String>>(1)?.and_then(|text| text.parse().ok());
            let note: Option<String> = row.get(2)?;
            Ok(Some(trace(PersonTraceKind::Step, at, subject, ("", &note.unwrap_or_default()))))
        })
    }

    fn documents(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let personal = PROBES.iter().filter(|probe| !probe.personal_paths.is_empty());
        let personal = personal.map(|probe| format!("'{}'", probe.name)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT d.id, o.name, o.at, o.body FROM document o JOIN device d ON d.number = o.device \
             WHERE o.name IN ({personal}) AND {} ORDER BY d.id, o.name",
            self.holds("o.body", 0)
        );
        self.rows(&sql, &[], |row| {
            let (device, name, at, body): (String, String, i64, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let at = Some(Timestamp::from_millis(at));
            Ok(Some(trace(PersonTraceKind::Document, at, device, (&name, &self.paths(&body)))))
        })
    }

    /// Changes of documents are packed: the newest of those that may name people are opened, one after the other.
    fn changes(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let personal = PROBES.iter().filter(|probe| !probe.personal_paths.is_empty());
        let personal = personal.map(|probe| format!("'{}'", probe.name)).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "SELECT {}, name, (SELECT id FROM device d WHERE d.number = c.device) FROM document_change c \
             WHERE rowid > (SELECT coalesce(max(rowid), 0) FROM document_change) - ?1 AND name IN ({personal}) ORDER BY rowid DESC",
            document_change::COLUMNS
        );
        let (mut found, most) = (Vec::new(), self.limit.saturating_add(1));
        let done = self.reader.all(&sql, &[&signed(CHANGE_ROWS)], |row| {
            // What is out of reach has no device.
            let Some(device) = row.get::<_, Option<String>>(6)?.filter(|_| found.len() < most) else { return Ok(()) };
            let name: String = row.get(5)?;
            let (at, said) = document_change::said(&name, row)?;
            let paths = self.paths(&said);
            if !paths.is_empty() {
                found.push(trace(PersonTraceKind::Change, Some(at), device, (&name, &paths)));
            }
            Ok(())
        });
        done.map(|_| found)
    }

    fn events(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let sql = format!(
            "SELECT e.at, d.id, e.name, e.text FROM event e JOIN device d ON d.number = e.device \
             WHERE e.number > (SELECT coalesce(max(number), 0) FROM event) - ?1 AND {} ORDER BY e.number DESC",
            self.holds("e.fields", 1)
        );
        self.rows(&sql, &[&signed(EVENT_ROWS)], |row| {
            let (at, device, name, text): (i64, String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(Some(trace(PersonTraceKind::Event, Some(Timestamp::from_millis(at)), device, (&name, &text))))
        })
    }

    /// Numbers are kept by the layouts that name them; of which devices these are costs a look at all of history.
    fn series(&self) -> Result<Vec<PersonTrace>, StoreError> {
        let holds = self.holds("series", 0);
        let sql = format!("SELECT id, series FROM layout WHERE {holds} ORDER BY id");
        self.rows(&sql, &[], |row| {
            let (id, series): (i64, String) = (row.get(0)?, row.get(1)?);
            let all: Vec<String> = serde_json::from_str(&series).unwrap_or_default();
            let of = |series: &&String| {
                series.split_once('|').is_some_and(|(_, subject)| self.names.iter().any(|name| name == subject))
            };
            let text = all.iter().filter(of).cloned().collect::<Vec<_>>().join(", ");
            Ok((!text.is_empty()).then(|| trace(PersonTraceKind::Series, None, format!("{id:x}"), ("", &text))))
        })
    }

    fn audit(&self, kind: PersonTraceKind, condition: &str) -> Result<Vec<PersonTrace>, StoreError> {
        let sql = format!(
            "SELECT at, number, actor, action, subject FROM audit \
             WHERE number > (SELECT coalesce(max(number), 0) FROM audit) - ?1 AND {condition} ORDER BY number DESC"
        );
        self.rows(&sql, &[&signed(AUDIT_ROWS)], |row| {
            let (at, number): (i64, i64) = (row.get(0)?, row.get(1)?);
            let (actor, action, subject): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
            let text = if kind == PersonTraceKind::AuditAbout { actor } else { subject };
            Ok(Some(trace(kind, Some(Timestamp::from_millis(at)), number.to_string(), (&action, &text))))
        })
    }
}

/// Whether a name stands in a text for itself, and not within a longer word: `lan` is in `sudo: lan, root` and not in `lanh`.
fn mentions(text: &str, name: &str) -> bool {
    let is_of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
    text.match_indices(name).any(|(at, _)| {
        let (before, behind) = (text[..at].chars().next_back(), text[at + name.len()..].chars().next());
        !before.is_some_and(is_of_word) && !behind.is_some_and(is_of_word)
    })
}

fn trace(kind: PersonTraceKind, at: Option<Timestamp>, subject: String, (word, text): (&str, &str)) -> PersonTrace {
    let text = text.chars().take(TEXT_MAX_CHARS).collect::<String>().trim().to_owned();
    PersonTrace { kind, at, subject, word: word.to_owned(), text }
}

fn opened_at(body: &str) -> Option<Timestamp> {
    serde_json::from_str::<Value>(body).ok()?.get("opened_at").cloned().and_then(|at| serde_json::from_value(at).ok())
}

/// Takes the paths at which a text stands.
fn walk(value: &Value, path: &mut String, is_it: &dyn Fn(&str) -> bool, found: &mut Vec<String>) {
    if found.len() >= PATHS_MAX {
        return;
    }
    let length = path.len();
    match value {
        Value::String(text) if is_it(text) => found.push(path.trim_start_matches('.').to_owned()),
        Value::Array(all) => all.iter().for_each(|one| walk(one, path, is_it, found)),
        Value::Object(fields) => {
            for (name, one) in fields {
                path.push('.');
                path.push_str(name);
                walk(one, path, is_it, found);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
