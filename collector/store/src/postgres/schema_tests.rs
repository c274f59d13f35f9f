//! The schema as the server has it: the same tables as SQLite's, readable for people, and what must not be changed is not.

use std::collections::{BTreeMap, BTreeSet};

use super::connect::Link;
use super::scratch;
use super::settings::PostgresSettings;

/// What only PostgreSQL has: how the schema was made, and who may write.
const OWN: [&str; 3] = ["lease", "lease_history", "migration"];

/// A column: its type, whether it may be empty, and its place in the primary key.
type Column = (String, bool, i64);
type Columns = BTreeMap<(String, String), Column>;

/// What SQLite gives every row without saying so.
const ROWID: &str = "rowid";

fn sqlite(schema: &str) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open_in_memory().expect("opens");
    connection.execute_batch(schema).expect("made");
    connection
}

fn sqlite_rows<const N: usize>(connection: &rusqlite::Connection, sql: &str) -> Vec<[String; N]> {
    let mut statement = connection.prepare(sql).expect("asked");
    let rows = statement.query_map([], |row| {
        let mut texts = [const { String::new() }; N];
        for (column, text) in texts.iter_mut().enumerate() {
            *text = row.get::<_, Option<String>>(column)?.unwrap_or_default();
        }
        Ok(texts)
    });
    rows.expect("asked").collect::<Result<_, _>>().expect("read")
}

fn rows<const N: usize>(link: &Link, sql: &str) -> Vec<[String; N]> {
    let texts = |row: &tokio_postgres::Row| {
        std::array::from_fn(|column| row.get::<_, Option<String>>(column).unwrap_or_default())
    };
    link.rows(sql, &[]).expect("asked").iter().map(texts).collect()
}

fn columns_of_sqlite(schema: &str) -> Columns {
    let sql = "SELECT m.name, c.name, c.type, cast(c.\"notnull\" AS TEXT), cast(c.pk AS TEXT) FROM sqlite_master m JOIN pragma_table_info(m.name) c \
               WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'";
    let of = |[table, column, kind, full, key]: [String; 5]| {
        let key: i64 = key.parse().expect("a number");
        ((table, column), (kind, full == "0" && key == 0, key))
    };
    sqlite_rows::<5>(&sqlite(schema), sql).into_iter().map(of).collect()
}

fn columns(link: &Link, schema: &str) -> Columns {
    let sql = format!(
        "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull::text, \
         coalesce(array_position(string_to_array(i.indkey::text, ' ')::int2[], a.attnum), 0)::text \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary \
         WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    );
    let of = |[table, column, kind, full, key]: [String; 5]| {
        ((table, column), (kind, full == "false", key.parse().expect("a number")))
    };
    rows::<5>(link, &sql).into_iter().filter(|row| !OWN.contains(&row[0].as_str()) && row[1] != ROWID).map(of).collect()
}

/// What is not the same, a line each.
fn differences(sqlite: &Columns, postgres: &Columns) -> Vec<String> {
    let names: BTreeSet<_> = sqlite.keys().chain(postgres.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let (one, other) = (sqlite.get(name), postgres.get(name));
        let is_same = one.zip(other).is_some_and(|(one, other)| {
            let allowed: &[&str] = match one.0.as_str() {
                "INTEGER" => &["bigint", "boolean"],
                "TEXT" => &["text"],
                "BLOB" => &["bytea"],
                _ => &[],
            };
            allowed.contains(&other.0.as_str()) && (one.1, one.2) == (other.1, other.2)
        });
        if !is_same {
            found.push(format!("{}.{}: SQLite {one:?}, PostgreSQL {other:?}", name.0, name.1));
        }
    }
    found
}

fn schemas(settings: &PostgresSettings) -> [(String, &'static str); 2] {
    let schema = &settings.schema;
    [
        (schema.as_str().to_owned(), include_str!("../sqlite/schema.sql")),
        (schema.history(), include_str!("../sqlite/history.sql")),
    ]
}

#[test]
fn both_stores_have_the_same_tables_and_columns() {
    let (link, settings) = scratch::site();
    for (schema, of_sqlite) in schemas(&settings) {
        let (one, other) = (columns_of_sqlite(of_sqlite), columns(&link, &schema));
        assert!(one.len() > 20, "they are read");
        let found = differences(&one, &other);
        assert!(found.is_empty(), "{}", found.join("\n"));
        // What is missing, is of another type or may be empty is seen.
        let mut changed = other.clone();
        changed.remove(&("device".to_owned(), "id".to_owned()));
        changed.insert(("device".to_owned(), "new".to_owned()), ("text".to_owned(), true, 0));
        assert_eq!(differences(&one, &changed).len(), 2);
        let mut changed = other;
        changed.values_mut().for_each(|column| column.1 = !column.1);
        assert_eq!(differences(&one, &changed).len(), one.len());
    }
}

#[test]
fn both_stores_have_the_same_keys_references_and_indexes() {
    let (link, settings) = scratch::site();
    for (schema, of_sqlite) in schemas(&settings) {
        let connection = sqlite(of_sqlite);
        let sql = "SELECT m.name, f.\"from\", f.\"table\", f.\"to\" FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
        let one: BTreeSet<[String; 4]> = sqlite_rows(&connection, sql).into_iter().collect();
        let sql = format!(
            "SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, b.attname::text FROM pg_constraint c \
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] \
             JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1] \
             WHERE c.contype = 'f' AND c.connamespace = '{schema}'::regnamespace"
        );
        assert_eq!(rows::<4>(&link, &sql).into_iter().collect::<BTreeSet<_>>(), one, "references");
        let sql = "SELECT m.name, group_concat(c.name, ' ') FROM sqlite_master m JOIN pragma_index_list(m.name) i ON i.origin = 'u' \
                   JOIN pragma_index_info(i.name) c WHERE m.type = 'table' GROUP BY m.name, i.name";
        let one: BTreeSet<[String; 2]> = sqlite_rows(&connection, sql).into_iter().collect();
        let sql = format!(
            "SELECT r.relname::text, (SELECT string_agg(a.attname, ' ' ORDER BY k.place) FROM unnest(c.conkey) WITH ORDINALITY k (number, place) \
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid \
             WHERE c.contype = 'u' AND c.connamespace = '{schema}'::regnamespace"
        );
        let other = rows::<2>(&link, &sql).into_iter().filter(|row| row[1] != ROWID);
        assert_eq!(other.collect::<BTreeSet<_>>(), one, "unique keys");
        let sql = "SELECT tbl_name, name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
        let one: BTreeSet<[String; 2]> = sqlite_rows(&connection, sql).into_iter().collect();
        let sql = format!(
            "SELECT r.relname::text, x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid \
             WHERE x.relnamespace = '{schema}'::regnamespace \
             AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = x.oid) AND NOT x.relispartition"
        );
        assert_eq!(rows::<2>(&link, &sql).into_iter().collect::<BTreeSet<_>>(), one, "indexes");
    }
}

#[test]
fn whoever_looks_with_psql_reads_what_everything_is() {
    let (link, settings) = scratch::site();
    for (schema, _) in schemas(&settings) {
        let sql = format!(
            "SELECT c.relname::text, coalesce(a.attname::text, '') FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
             AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND col_description(c.oid, a.attnum) IS NULL \
             WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p', 'v') \
             AND (obj_description(c.oid, 'pg_class') IS NULL OR a.attname IS NOT NULL)"
        );
        let found = rows::<2>(&link, &sql);
        assert!(found.is_empty(), "without a comment: {found:?}");
        // Texts are compared as SQLite compares them, whatever the database's own order is.
        let sql = format!(
            "SELECT c.relname::text, a.attname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
             JOIN pg_collation o ON o.oid = a.attcollation WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind IN ('r', 'p') \
             AND o.collname <> 'C' AND c.relname <> 'migration'"
        );
        let found = rows::<2>(&link, &sql);
        assert!(found.is_empty(), "in another order: {found:?}");
    }
    let sql = "SELECT table_name::text FROM information_schema.views WHERE table_schema = current_schema()";
    let views = rows::<1>(&link, sql);
    assert!(views.len() >= 10, "{views:?}");
    for [view] in views {
        link.batch(&format!("SELECT * FROM {view}")).expect("it can be read");
    }
    let hidden = "SELECT column_name::text FROM information_schema.columns WHERE table_name = 'readable_account' AND column_name IN ('password', 'earlier', 'second_factor')";
    let found = rows::<1>(&link, hidden);
    assert!(found.is_empty(), "{found:?}");
}

/// A site in which each record that must stay has one row.
fn with_records() -> Link {
    let (link, _) = scratch::site();
    link.batch(
        "INSERT INTO audit VALUES (1, 1, 'lan', 'sign_in', '', '', 'h1'), (2, 2, 'lan', 'sign_out', '', '', 'h2');\
         INSERT INTO audit_key VALUES ('k', '', '', 1);\
         INSERT INTO audit_head VALUES (2, 'h2', 'r', 1, 'k', 's');\
         INSERT INTO audit_stamp VALUES (2, 1, 'tsa', '');\
         INSERT INTO deletion (at, class, first, last, count, digest, rule, exported) VALUES (1, 'events', 1, 1, 1, '', '', '');\
         INSERT INTO hold (kind, subject, reason, at, who) VALUES ('period', '', 'vụ án', 1, 'lan');\
         INSERT INTO issued_report (report, version, title, at, who, sha256, content, source) VALUES ('r', 1, 't', 1, 'lan', '', '', '{}');\
         INSERT INTO configuration_version VALUES ('site', 1, '', 1, 'lan', '', '');\
         INSERT INTO report_registration VALUES (1, 1, 7, '2026-10-05', 'lan', 1, '', 'BC', '', '');\
         INSERT INTO account_review (opened_at, opened_by, count) VALUES (1, 'lan', 1);\
         INSERT INTO account_review_line VALUES (1, 1, '{}');\
         UPDATE account_review_line SET body = '{\"kept\": true}';\
         UPDATE account_review SET signed_at = 2, signed_by = 'minh'",
    )
    .expect("written");
    link
}

#[test]
fn what_stays_on_record_cannot_be_changed_put_in_anothers_place_or_taken_away() {
    let link = with_records();
    let last = |sql: &str| -> String { rows::<1>(&link, sql).concat().concat() };
    let before = last("SELECT string_agg(a::text, ' ' ORDER BY number) FROM audit a");
    for sql in [
        "UPDATE audit SET actor = 'minh' WHERE number = 1",
        "DELETE FROM audit WHERE number = 2",
        "TRUNCATE audit",
        "INSERT INTO audit VALUES (2, 9, 'x', 'x', '', '', 'h') ON CONFLICT (number) DO UPDATE SET actor = 'x'",
        "INSERT INTO audit VALUES (4, 9, 'x', 'x', '', '', 'h')",
        "INSERT INTO audit VALUES (3, 9, 'x', 'x', '', '', 'h'), (5, 9, 'x', 'x', '', '', 'h')",
        "UPDATE audit_head SET root = 'x'",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "INSERT INTO audit_head VALUES (1, 'h1', 'r', 1, 'k', 's')",
        "INSERT INTO audit_head VALUES (3, 'h3', 'r', 1, 'k', 's')",
        "UPDATE audit_stamp SET authority = 'x'",
        "DELETE FROM audit_stamp",
        "TRUNCATE audit_stamp",
        "INSERT INTO audit_stamp VALUES (1, 1, 'x', '')",
        "UPDATE audit_key SET at = 9",
        "DELETE FROM audit_key",
        "TRUNCATE audit_key",
        "INSERT INTO audit_key VALUES ('k', '', '', 1)",
        "UPDATE deletion SET count = 0",
        "DELETE FROM deletion",
        "TRUNCATE deletion",
        "UPDATE hold SET reason = 'x'",
        "UPDATE hold SET device = 1",
        "DELETE FROM hold",
        "TRUNCATE hold",
        "UPDATE issued_report SET title = 'x'",
        "DELETE FROM issued_report",
        "TRUNCATE issued_report",
        "UPDATE configuration_version SET body = 'x'",
        "DELETE FROM configuration_version",
        "TRUNCATE configuration_version",
        "INSERT INTO configuration_version VALUES ('site', 3, '', 1, 'lan', '', '')",
        "UPDATE report_registration SET number = 8",
        "DELETE FROM report_registration",
        "TRUNCATE report_registration",
        "UPDATE account_review SET signed_by = 'x'",
        "DELETE FROM account_review",
        "TRUNCATE account_review",
        "UPDATE account_review_line SET body = '{}'",
        "INSERT INTO account_review_line VALUES (1, 2, '{}')",
        "DELETE FROM account_review_line",
        "TRUNCATE account_review_line",
    ] {
        let refused = link.batch(sql).expect_err(sql).to_string();
        let words = ["cannot truncate", "append-only", "stay on record", "is ended once", "is signed"];
        assert!(words.iter().any(|word| refused.contains(word)), "{sql}: {refused}");
    }
    assert_eq!(last("SELECT string_agg(a::text, ' ' ORDER BY number) FROM audit a"), before);
    // What may happen once happens once.
    let sql = "UPDATE hold SET ended_at = 5, ended_by = 'lan', end_reason = 'xong'";
    link.batch(sql).expect(sql);
    link.batch(sql).expect_err("a second time");
}

#[test]
fn numbers_follow_each_other_without_a_gap_and_some_are_never_given_twice() {
    let (link, _) = scratch::site();
    let given = |table: &str| {
        rows::<1>(&link, &format!("SELECT string_agg(number::text, ' ' ORDER BY number) FROM {table}"))
            .concat()
            .concat()
    };
    let handover = "INSERT INTO handover (at, rota, who, text) VALUES (1, 'r', 'lan', 'yên')";
    link.batch(handover).expect("written");
    link.batch(&format!("BEGIN; {handover}; ROLLBACK")).expect("taken back");
    link.batch("INSERT INTO handover (number, at, rota, who, text) VALUES (7, 1, 'r', 'lan', 'yên')")
        .expect("by its number");
    link.batch(handover).expect("written");
    assert_eq!(given("handover"), "1 7 8");
    let event = "INSERT INTO event (device, at, name, text, fields) VALUES (1, 1, 'x', 'x', '{}')";
    link.batch(&format!("{event}; {event}; DELETE FROM event WHERE number = 2; {event}")).expect("written");
    assert_eq!(given("event"), "1 3", "the search index takes in what is behind the last one");
}

#[test]
fn what_the_search_index_has_to_look_at_again_is_logged_as_in_sqlite() {
    let changes = "INSERT INTO event (device, at, name, text, fields) VALUES (1, 1790000000000, 'x', 'trước', '{}');\
        INSERT INTO fault (id, device, state, open, severity, raised_at, rule, body) VALUES (5, 1, 'raised', true, 1, 1, '', '{\"raised_at\": \"2026-09-21T14:13:20.5Z\"}');\
        INSERT INTO step (incident, number, body) VALUES (7, 2, '{\"at\": \"2026-09-21T21:13:21+07:00\"}');\
        UPDATE event SET text = 'sau'; UPDATE fault SET open = false; UPDATE fault SET body = '{}'; DELETE FROM event; DELETE FROM fault; DELETE FROM step";
    let (link, _) = scratch::site();
    link.batch(changes).expect("written");
    let sql = "SELECT cast(number AS text), cast(kind AS text), cast(record AS text), cast(second AS text) FROM search_log ORDER BY search_log.number";
    let found = rows::<4>(&link, sql);
    let connection = sqlite(include_str!("../sqlite/schema.sql"));
    connection.execute_batch(changes).expect("written");
    assert_eq!(found, sqlite_rows::<4>(&connection, sql));
    assert_eq!(found.len(), 6);
    // A body that is damaged keeps nothing from being deleted.
    link.batch("INSERT INTO step (incident, number, body) VALUES (7, 3, 'no JSON'); DELETE FROM step")
        .expect("deleted");
}

#[test]
fn rows_of_history_lie_in_parts_that_go_whole() {
    let (link, _) = scratch::site();
    let number = |sql: &str| -> i64 { link.get(&link.row(sql, &[]).expect("asked"), 0).expect("read") };
    assert_eq!(number("SELECT make_sample_partitions(1)"), (1 << 20) - 1);
    let row = |number: i64| format!("INSERT INTO sample VALUES ({number}, 1, 0, 1, 1, 1, 1, 7, '')");
    link.batch(&row(1)).expect("there is room");
    link.batch(&row(1 << 20)).expect_err("there is none yet");
    assert_eq!(number("SELECT make_sample_partitions(1048576)"), (2 << 20) - 1);
    assert_eq!(number("SELECT make_sample_partitions(1048576)"), (2 << 20) - 1, "once is enough");
    link.batch(&row(1 << 20)).expect("now");
    assert_eq!(number("SELECT drop_sample_partitions(1048574)"), 0, "its last row is not folded");
    assert_eq!(number("SELECT drop_sample_partitions(1048575)"), 1);
    assert_eq!(number("SELECT count(*) FROM sample"), 1);
    link.batch(&row(1)).expect_err("numbers of parts that went are not given again");
    // A store that begins with a copy has its first row anywhere.
    assert_eq!(number("SELECT make_sample_partitions(104857600)"), (101 << 20) - 1);
    link.batch(&row(100 << 20)).expect("there is room");
    link.batch(&row((100 << 20) - 1)).expect("and before it");
}

#[test]
fn a_part_that_a_backup_reads_stays_until_it_is_read_and_holds_nobody_up() {
    let (link, settings) = scratch::site();
    link.batch("INSERT INTO sample VALUES (1, 1, 0, 1, 1, 1, 1, 7, '')").expect("there is room");
    let reading = super::rows_to_read(&settings).expect("connected");
    let tables = crate::sqlite::tables(&reading.rowids().expect("asked")).expect("known");
    reading.begin_moment(&tables).expect("begins");
    let drop_it = || -> i64 {
        link.get(&link.row("SELECT drop_sample_partitions(1048575)", &[]).expect("asked"), 0).expect("read")
    };
    let begun_ms = ioc_common::clock::boottime_ms();
    assert_eq!(drop_it(), 0, "it is read");
    assert!(ioc_common::clock::boottime_ms() - begun_ms < 5000, "whoever writes goes on");
    drop(reading);
    assert_eq!(drop_it(), 1);
    assert_eq!(drop_it(), 0, "it is gone");
}
