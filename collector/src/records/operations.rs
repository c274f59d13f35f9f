//! How the centre was run, in an archive: the duty book, who stood in, maintenance windows, inventory takings with all that was ticked and found; how it
//! was configured; and what was held and deleted of its records. All of it is the whole centre's: it is in no archive of one device or one incident.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::parts::{Kind, Parts, Wanted};
use crate::audit_verify::{all, text};
use crate::cli;

/// A kind of records of how the centre was run.
struct OperationKind {
    /// Its file in an archive.
    file: &'static str,
    columns: &'static [&'static str],
    /// Where it is asked for.
    path: &'static str,
    /// It is given at once, and not in pages.
    whole: bool,
    /// Whether one is of the period.
    is_wanted: fn(&Wanted, &Value) -> bool,
}

const KINDS: &[OperationKind] = &[
    OperationKind {
        file: "duty-book.jsonl",
        columns: &["number", "at", "rota", "who", "text"],
        path: "/api/v1/records/duty-book",
        whole: false,
        is_wanted: |wanted, one| wanted.holds(&one["at"]),
    },
    OperationKind {
        file: "stand-ins.jsonl",
        columns: &["id", "rota", "person", "from", "until", "who", "note", "withdrawn"],
        path: "/api/v1/records/stand-ins",
        whole: false,
        is_wanted: |wanted, one| wanted.touches(&one["from"], &one["until"]),
    },
    OperationKind {
        file: "maintenance-windows.jsonl",
        columns: &["id", "title", "scope", "when", "freeze", "who", "overruled", "over_at"],
        path: "/api/v1/records/windows",
        whole: true,
        is_wanted: |wanted, one| wanted.touches(&one["when"]["from"], &one["over_at"]),
    },
    OperationKind {
        file: "inventory-counts.jsonl",
        columns: &["number", "place", "opened_at", "opened_by", "closed_at", "closed_by", "members", "minutes"],
        path: "/api/v1/records/inventory-counts",
        whole: false,
        is_wanted: |wanted, one| wanted.touches(&one["opened_at"], &one["closed_at"]),
    },
    OperationKind {
        file: "legal-holds.jsonl",
        columns: &[
            "number",
            "kind",
            "subject",
            "from",
            "until",
            "reason",
            "at",
            "by",
            "ended_at",
            "ended_by",
            "end_reason",
        ],
        path: "/api/v1/records/holds",
        whole: true,
        is_wanted: |wanted, one| wanted.touches(&one["at"], &one["ended_at"]),
    },
    OperationKind {
        file: "deletions.jsonl",
        columns: &["number", "at", "class", "first", "last", "count", "digest", "rule", "exported"],
        path: "/api/v1/records/deletions",
        whole: false,
        is_wanted: |wanted, one| wanted.holds(&one["at"]),
    },
];

/// Puts into an archive what is of the period.
pub(super) async fn put(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    if wanted.device.is_some() {
        return Ok(());
    }
    for kind in KINDS {
        let mut out = Kind::begin(parts, kind.file, kind.columns)?;
        let found = if kind.whole {
            let answer = cli::ask(runtime, "GET", kind.path, None).await?;
            answer.as_array().cloned().with_context(|| format!("{}: the answer is no list", kind.path))?
        } else {
            all(runtime, &format!("{}?", kind.path), "").await?
        };
        for one in found.iter().filter(|one| (kind.is_wanted)(wanted, one)) {
            out.put(one)?;
        }
        out.end()?;
    }
    configuration(runtime, wanted, parts).await
}

/// Versions of the configuration that were in force in the period: of each part those that were saved in it, and the one before. Those of files are in
/// backups; what changed in either is in the audit log.
async fn configuration(runtime: &Path, wanted: &Wanted, parts: &Parts) -> anyhow::Result<()> {
    let mut out = Kind::begin(parts, "configuration.jsonl", &["part", "version", "at", "who", "why"])?;
    for part in cli::ask(runtime, "GET", "/api/v1/configuration", None).await?.as_array().into_iter().flatten() {
        let name = text(&part["part"])?;
        for mut one in all(runtime, &format!("/api/v1/configuration/{name}/versions?"), "").await? {
            if !wanted.begins_within(&one["at"]) {
                continue;
            }
            let is_before = !wanted.holds(&one["at"]);
            one["part"] = part["part"].clone();
            out.put(&one)?;
            // The newest come first: what is older was in force no more.
            if is_before {
                break;
            }
        }
    }
    out.end()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_reached_into_the_period_is_of_it_and_no_file_is_written_twice() {
        let at = |text: &str| text.parse().expect("a time");
        let (from, to) = (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z"));
        let wanted = Wanted { from, to, device: None, incident: None, numbers: false };
        let is_wanted = |file: &str, one: Value| {
            let kind = KINDS.iter().find(|kind| kind.file == file).expect("a kind");
            (kind.is_wanted)(&wanted, &one)
        };
        assert!(is_wanted("duty-book.jsonl", json!({ "at": "2026-10-03T00:00:00Z" })));
        assert!(!is_wanted("duty-book.jsonl", json!({ "at": "2026-11-03T00:00:00Z" })));
        let open = json!({ "opened_at": "2026-09-01T00:00:00Z", "closed_at": null });
        assert!(is_wanted("inventory-counts.jsonl", open));
        let weekly =
            json!({ "when": { "kind": "weekly", "from": "2026-01-01T00:00:00Z" }, "over_at": "2026-09-01T00:00:00Z" });
        assert!(!is_wanted("maintenance-windows.jsonl", weekly), "it was over before");
        assert!(is_wanted(
            "legal-holds.jsonl",
            json!({ "at": "2026-09-01T00:00:00Z", "ended_at": "2026-10-02T00:00:00Z" })
        ));
        let names: std::collections::BTreeSet<&str> = KINDS.iter().map(|kind| kind.file).collect();
        assert_eq!(names.len(), KINDS.len());
    }
}
