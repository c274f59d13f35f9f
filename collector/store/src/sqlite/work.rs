//! Writing what comes in parts, and what people plan and write down.

use rusqlite::params;

use ioc_common::software::{Item, Software};

use super::{Pending, json, signed};
use crate::Change;

impl Pending<'_> {
    pub(super) fn software(&self, device: i64, at: i64, report: &Software) -> rusqlite::Result<()> {
        let put = |list: &str, item: &Item| {
            self.run(
                "INSERT OR REPLACE INTO software (device, key, list, item) VALUES (?1, ?2, ?3, ?4)",
                params![device, item.key(), list, json(item)?],
            )
        };
        let name = |list: &str, whole: bool| {
            self.run(
                "INSERT OR REPLACE INTO software_list (device, list, at, whole) VALUES (?1, ?2, ?3, ?4)",
                params![device, list, at, whole],
            )
        };
        match report {
            Software::Whole { list, part, parts, items } => {
                for item in items {
                    put(list, item)?;
                }
                if part == parts {
                    self.run("DELETE FROM software WHERE device = ?1 AND list <> ?2", params![device, list])?;
                }
                name(list, part == parts)?;
            }
            Software::Difference { list, added, removed, base } => {
                for key in removed {
                    self.run("DELETE FROM software WHERE device = ?1 AND key = ?2", params![device, key])?;
                }
                for item in added {
                    put(base, item)?;
                }
                name(list, true)?;
            }
        }
        Ok(())
    }

    /// What people plan and write down.
    pub(super) fn apply_work(&self, change: &Change) -> rusqlite::Result<()> {
        let put = |table: &str, id: u64, body: String| {
            let sql = format!("INSERT OR REPLACE INTO {table} (id, gone, body) VALUES (?1, 0, ?2)");
            self.run(&sql, params![signed(id), body])
        };
        match change {
            Change::Attachment { incident, sha256, content } => self.run(
                "INSERT OR IGNORE INTO attachment (incident, sha256, content) VALUES (?1, ?2, ?3)",
                params![signed(incident.0), sha256, content],
            )?,
            Change::TicketDue { system, incident } => self.run(
                "INSERT INTO ticket (system, incident, ticket, step, pushed, seen, attempts, next_at, due, open) \
                 VALUES (?1, ?2, '', 0, 'open', '', 0, 0, 1, 1) ON CONFLICT (system, incident) DO UPDATE SET due = 1, open = 1",
                params![system, signed(incident.0)],
            )?,
            Change::Ticket(record) => self.run(
                "UPDATE ticket SET ticket = ?3, step = ?4, pushed = ?5, seen = ?6, attempts = ?7, next_at = ?8, error = ?9, \
                 due = ?9 IS NOT NULL OR ?4 < (SELECT max(number) FROM step WHERE incident = ?2), \
                 open = coalesce((SELECT json_extract(body, '$.state') <> 'closed' FROM incident WHERE id = ?2), 0) \
                 WHERE system = ?1 AND incident = ?2",
                params![
                    record.system, signed(record.incident.0), record.ticket, record.step, record.pushed, record.seen,
                    record.attempts, record.next_at.as_millis(), record.error
                ],
            )?,
            Change::Window(window) => put("window", window.id, json(window)?)?,
            Change::WindowGone { id, at } => {
                self.run("UPDATE window SET gone = ?2 WHERE id = ?1", params![signed(*id), at.as_millis()])?
            }
            Change::Cover(cover) => put("cover", cover.id, json(cover)?)?,
            Change::CoverGone(id) => self.run("UPDATE cover SET gone = 1 WHERE id = ?1", params![signed(*id)])?,
            Change::Handover(entry) => self.run(
                "INSERT INTO handover (at, rota, who, text) VALUES (?1, ?2, ?3, ?4)",
                params![entry.at.as_millis(), entry.rota, entry.who, entry.text],
            )?,
            _ => 0,
        };
        Ok(())
    }
}
