//! What the two databases write differently, in one place: a noun has one text of its SQL, which SQLite takes as it stands and PostgreSQL as it is
//! translated here, once for each statement of a session.
//!
//! The nouns keep to what both understand. What is left is translated: `?1` is `$1`; `main.`, `history.` and `temp.` are the schemas of the site's
//! tables, of its folded history, and of the session; `INSERT OR IGNORE` and `INSERT OR REPLACE` are conflicts that are settled; `CROSS JOIN … ON`,
//! which keeps SQLite to an order, is a join. Functions that SQLite has or that we gave it (`instr`, `json_extract`, `names_person`)
//! are functions of the site's schema under the same names (`postgres/functions.sql`).

use std::fmt::Write as _;

/// Where a site's tables are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schema {
    name: String,
}

impl Schema {
    /// That of a name; folded history is in the one whose name goes on with `_history`.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Its name as SQL has it.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.name.replace('"', "\"\""))
    }

    /// The path on which the writer of folded history looks for tables: first its own.
    pub(super) fn history_path(&self) -> String {
        format!("{}, {}", self.history(), self.quoted())
    }

    fn history(&self) -> String {
        Self { name: format!("{}_history", self.name) }.quoted()
    }
}

/// By what a row of a table is known, where `INSERT OR REPLACE` is said of it.
const KEYS: &[(&str, &[&str])] = &[
    ("account", &["name"]),
    ("account_word", &["device", "name"]),
    ("asset", &["device"]),
    ("audit_tree", &["one"]),
    ("clock", &["id"]),
    ("comparison", &["device", "rule"]),
    ("contact_check", &["person", "channel", "address"]),
    ("cover", &["id"]),
    ("document", &["device", "name"]),
    ("document_settings", &["one"]),
    ("expected_backup", &["device", "kind"]),
    ("hello", &["device"]),
    ("job", &["name"]),
    ("live", &["device"]),
    ("losses", &["device"]),
    ("report_text", &["report", "key"]),
    ("request", &["id"]),
    ("requested_turn", &["number"]),
    ("retention_rule", &["class"]),
    ("software_grouped", &["device"]),
    ("window", &["id"]),
];

/// A statement as PostgreSQL has it.
pub(super) fn translated(sql: &str, schema: &Schema) -> String {
    let (sql, behind) = conflicts(sql);
    let mut said = String::with_capacity(sql.len() + behind.len() + 64);
    let mut rest = sql.as_str();
    let mut last = ' ';
    while let Some(letter) = rest.chars().next() {
        let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
        let mut taken = letter.len_utf8();
        match letter {
            '\'' | '"' => {
                taken = rest[1..].find(letter).map_or(rest.len(), |end| end + 2);
                said.push_str(&rest[..taken]);
            }
            '?' if rest[1..].starts_with(|next: char| next.is_ascii_digit()) => said.push('$'),
            _ if letter.is_alphabetic() && !is_word(last) && last != '.' => {
                taken = rest.find(|next| !is_word(next)).unwrap_or(rest.len());
                let (word, behind) = rest.split_at(taken);
                match word {
                    "main" if behind.starts_with('.') => said.push_str(&schema.quoted()),
                    "history" if behind.starts_with('.') => said.push_str(&schema.history()),
                    "temp" if behind.starts_with('.') => said.push_str("pg_temp"),
                    // It has its own function of this name, of two lists.
                    "json_object" => said.push_str("json_build_object"),
                    // One that has no condition is written as a list of tables by the nouns.
                    "CROSS" => taken += behind.len() - behind.trim_start().len(),
                    _ => said.push_str(word),
                }
            }
            _ => said.push(letter),
        }
        last = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    said.push_str(&behind);
    said
}

/// What is to be done where a row is there already: the statement without its `OR`, and what is said behind it.
fn conflicts(sql: &str) -> (String, String) {
    if let Some(rest) = sql.strip_prefix("INSERT OR IGNORE ") {
        return (format!("INSERT {rest}"), " ON CONFLICT DO NOTHING".to_owned());
    }
    let Some(rest) = sql.strip_prefix("INSERT OR REPLACE INTO ") else { return (sql.to_owned(), String::new()) };
    let (table, columns) = rest.split_once('(').unwrap_or((rest, ""));
    let (table, columns) = (table.trim().trim_matches('"'), columns.split(')').next().unwrap_or_default());
    let keys = KEYS.iter().find(|(known, _)| *known == table).map_or(&[][..], |(_, keys)| keys);
    let mut behind = format!(" ON CONFLICT ({}) DO UPDATE SET ", keys.join(", "));
    let others = columns.split(',').map(str::trim).filter(|column| !keys.contains(column));
    for (place, column) in others.enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let _ = write!(behind, "{comma}{column} = excluded.{column}");
    }
    (format!("INSERT INTO {rest}"), behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sql: &str) -> String {
        translated(sql, &Schema::new("site"))
    }

    #[test]
    fn places_and_schemas_are_postgresqls() {
        let sql = "SELECT '?1 main.x', domain.x FROM main.device d CROSS JOIN history.chunk c ON c.device = ?12 AND place <> ?1";
        let expected = "SELECT '?1 main.x', domain.x FROM \"site\".device d JOIN \"site_history\".chunk c ON c.device = $12 AND place <> $1";
        assert_eq!(said(sql), expected);
        assert_eq!(said("DELETE FROM temp.reached"), "DELETE FROM pg_temp.reached");
        assert_eq!(said("SELECT 'it''s', \"window\" FROM \"window\""), "SELECT 'it''s', \"window\" FROM \"window\"");
    }

    #[test]
    fn what_takes_a_rows_place_is_a_conflict_that_is_settled() {
        let sql = "INSERT OR REPLACE INTO document (device, name, at, body) VALUES (?1, ?2, ?3, ?4)";
        let expected = "INSERT INTO document (device, name, at, body) VALUES ($1, $2, $3, $4) \
                        ON CONFLICT (device, name) DO UPDATE SET at = excluded.at, body = excluded.body";
        assert_eq!(said(sql), expected);
        let ignored = said("INSERT OR IGNORE INTO temp.reached (place) VALUES (?1)");
        assert_eq!(ignored, "INSERT INTO pg_temp.reached (place) VALUES ($1) ON CONFLICT DO NOTHING");
    }
}
