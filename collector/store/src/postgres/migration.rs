//! The schema of a site, brought up step by step: numbered migrations, each with the checksum of its text, made in parts of one transaction each.
//!
//! A migration that is broken off goes on at the part that is not done. A site that a newer program has brought up is left alone. Before one is changed
//! it is copied: table by table into a schema of its own beside it, `SITE_vVERSION_SECONDS`, in one transaction in which nobody can commit to the site.
//! `pg_dump` would need its program in the server's version on the collector's machine, a second sign-in and a place for the file; the copy needs nothing but
//! room in the database, is there or not, and is compared and put back by plain SQL. Folded history is not copied: versions only add to it.
//!
//! Two collectors that bring up one site at once take turns (an advisory lock of the transaction), and the second finds nothing left to do.

use std::fmt::Write as _;

use ring::digest::{Context, SHA256};

use ioc_common::clock;
use ioc_common::encoding::hex;

use super::connect::Link;
use super::fault::Fault;
use super::settings::SchemaName;
use crate::StoreError;

/// What makes a version out of the one before it.
#[derive(Debug, Clone, Copy)]
struct Migration {
    /// What it makes, in a few words.
    name: &'static str,
    parts: &'static [Part],
}

/// What is done in one transaction.
#[derive(Debug, Clone, Copy)]
struct Part {
    sql: &'static str,
    /// Its tables are those of the schema of history.
    of_history: bool,
}

const fn of_site(sql: &'static str) -> Part {
    Part { sql, of_history: false }
}

/// All of them, the first leads from nothing to version 1.
const MIGRATIONS: &[Migration] = &[Migration {
    name: "the tables of a site",
    parts: &[
        of_site(include_str!("schema.sql")),
        of_site(include_str!("triggers.sql")),
        of_site(include_str!("comments.sql")),
        of_site(include_str!("partitions.sql")),
        of_site(include_str!("lease.sql")),
        of_site(include_str!("readable.sql")),
        Part { sql: include_str!("history.sql"), of_history: true },
    ],
}];

/// What keeps account of them, in the site's schema.
const ACCOUNT: &str = "CREATE TABLE migration (
    number bigint PRIMARY KEY CHECK (number > 0),
    name text NOT NULL,
    checksum text NOT NULL,
    parts bigint NOT NULL,
    parts_done bigint NOT NULL CHECK (parts_done BETWEEN 0 AND parts),
    copy text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz
);
COMMENT ON TABLE migration IS 'How this schema was made and brought up.';
COMMENT ON COLUMN migration.number IS 'The version that it makes, from 1.';
COMMENT ON COLUMN migration.name IS 'What it makes.';
COMMENT ON COLUMN migration.checksum IS 'SHA-256 of its text, hexadecimal.';
COMMENT ON COLUMN migration.parts IS 'Of how many parts it is, a transaction each.';
COMMENT ON COLUMN migration.parts_done IS 'How many of them are done.';
COMMENT ON COLUMN migration.copy IS 'The schema into which the site was copied before; empty for the first.';
COMMENT ON COLUMN migration.begun_at IS 'When it was begun.';
COMMENT ON COLUMN migration.done_at IS 'When it was done; none before.'";

/// What bringing up has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct BroughtUp {
    /// The version that was there; 0 for none.
    pub(crate) from: i64,
    /// The version that is there now.
    pub(crate) to: i64,
    /// The schema into which it was copied before, where it was.
    pub(crate) copy: Option<String>,
}

/// Brings a site up to the newest version; makes it where there is none.
///
/// # Errors
/// [`StoreError::Newer`] when a newer program has brought it up; [`StoreError`] when it was brought up by another text of the same version, the role
/// may not do it, or the server cannot be asked. What is done stays done, and the next start goes on from there.
pub(crate) fn migrate(link: &Link, schema: &SchemaName) -> Result<BroughtUp, StoreError> {
    bring_up(link, schema, MIGRATIONS)
}

/// Refuses a site that a newer program has brought up, or another text of the same version; its schema is there.
///
/// # Errors
/// As [`migrate`].
pub(super) fn refuse_newer(link: &Link) -> Result<(), StoreError> {
    begun(link, MIGRATIONS).map(drop)
}

/// Whether a site is of the version that this program reads.
///
/// # Errors
/// As [`migrate`].
pub(super) fn is_up_to_date(link: &Link) -> Result<bool, StoreError> {
    Ok(begun(link, MIGRATIONS)?.iter().filter(|one| one.is_done).count() == MIGRATIONS.len())
}

fn checksum(migration: &Migration) -> String {
    let mut context = Context::new(&SHA256);
    for part in migration.parts {
        context.update(&(part.sql.len() as u64).to_be_bytes());
        context.update(part.sql.as_bytes());
    }
    hex(context.finish().as_ref())
}

/// A migration that was begun.
struct Begun {
    parts_done: usize,
    is_done: bool,
}

fn bring_up(link: &Link, schema: &SchemaName, all: &[Migration]) -> Result<BroughtUp, StoreError> {
    let mut done = BroughtUp::default();
    let mut is_first = true;
    loop {
        link.batch("BEGIN")?;
        let turn = one_turn(link, schema, all, &mut done, is_first);
        is_first = false;
        match turn {
            Ok(more) => {
                link.batch("COMMIT")?;
                if !more {
                    break;
                }
            }
            Err(error) => {
                // What the server has rolled back already it does not mind to be told.
                let _ = link.batch("ROLLBACK");
                return Err(error);
            }
        }
    }
    if done.from != done.to {
        tracing::warn!(schema = schema.as_str(), from = done.from, to = done.to, copy = ?done.copy, "the store was brought up");
    }
    Ok(done)
}

/// Does what is next within a transaction; whether there may be more.
fn one_turn(
    link: &Link,
    schema: &SchemaName,
    all: &[Migration],
    done: &mut BroughtUp,
    is_first: bool,
) -> Result<bool, StoreError> {
    let name = schema.as_str();
    link.row("SELECT pg_advisory_xact_lock(hashtextextended('ioc-watch ' || $1::text, 0))", &[&name])?;
    make_schemas(link, schema)?;
    let begun = begun(link, all)?;
    let found = begun.iter().take_while(|one| one.is_done).count();
    if is_first {
        done.from = number(found);
    }
    done.to = number(found);
    let Some(migration) = all.get(found) else { return Ok(false) };
    let to = number(found + 1);
    match begun.get(found) {
        None => {
            let copy = if found > 0 { Some(copy_of(link, schema, found)?) } else { None };
            let parts = number(migration.parts.len());
            let (sum, beside) = (checksum(migration), copy.clone().unwrap_or_default());
            let sql = "INSERT INTO migration (number, name, checksum, parts, parts_done, copy) VALUES ($1, $2, $3, $4, 0, $5)";
            link.run(sql, &[&to, &migration.name, &sum, &parts, &beside])?;
            done.copy = copy.or(done.copy.take());
        }
        Some(begun) => {
            if let Some(part) = migration.parts.get(begun.parts_done) {
                let history = if part.of_history { format!("\"{}\", ", schema.history()) } else { String::new() };
                link.batch(&format!("SET LOCAL search_path TO {history}\"{name}\""))?;
                link.batch(part.sql)?;
                link.batch(&format!("SET LOCAL search_path TO \"{name}\""))?;
                link.run("UPDATE migration SET parts_done = parts_done + 1 WHERE number = $1", &[&to])?;
            }
            if begun.parts_done + 1 >= migration.parts.len() {
                link.run("UPDATE migration SET done_at = clock_timestamp() WHERE number = $1", &[&to])?;
                done.to = to;
            }
        }
    }
    Ok(true)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Makes the schemas where they are not there. A role that may not make any is given both by an administrator.
fn make_schemas(link: &Link, schema: &SchemaName) -> Result<(), StoreError> {
    for name in [schema.as_str().to_owned(), schema.history()] {
        let row = link.row("SELECT to_regnamespace(quote_ident($1::text)) IS NOT NULL", &[&name])?;
        if !link.get::<bool>(&row, 0)? {
            link.batch(&format!("CREATE SCHEMA \"{name}\""))?;
        }
    }
    let table = format!("{}.migration", schema.as_str());
    let row = link.row("SELECT to_regclass($1::text) IS NOT NULL", &[&table])?;
    if !link.get::<bool>(&row, 0)? {
        link.batch(ACCOUNT)?;
    }
    Ok(())
}

/// What was begun before, in order, once it is compared with what this program has.
fn begun(link: &Link, all: &[Migration]) -> Result<Vec<Begun>, StoreError> {
    let rows =
        link.rows("SELECT number, checksum, parts_done, done_at IS NOT NULL FROM migration ORDER BY number", &[])?;
    let known = number(all.len());
    let mut begun = Vec::with_capacity(rows.len());
    for row in &rows {
        let found: i64 = link.get(row, 0)?;
        let Some(migration) = usize::try_from(found - 1).ok().and_then(|place| all.get(place)) else {
            return Err(StoreError::Newer { path: link.place().into(), found, known });
        };
        if link.get::<String>(row, 1)? != checksum(migration) {
            let what = format!(
                "version {found} of its schema was made by another text than this program has ({})",
                migration.name
            );
            let mend = "install the program that made it again; a store that only served for trying one out is dropped (DROP SCHEMA … CASCADE)";
            return Err(Fault::new(what, mend).at(link.place()));
        }
        let parts_done = usize::try_from(link.get::<i64>(row, 2)?).unwrap_or(0);
        begun.push(Begun { parts_done, is_done: link.get(row, 3)? });
    }
    Ok(begun)
}

/// Copies the site as it is, with nobody committing meanwhile, and gives the schema in which the copy lies.
fn copy_of(link: &Link, schema: &SchemaName, version: usize) -> Result<String, StoreError> {
    let name = schema.as_str();
    let copy = format!("{name}_v{version}_{}", clock::now().as_millis() / 1000);
    // Each commit leaves a row there.
    link.batch("LOCK TABLE watermark_log IN SHARE MODE")?;
    let sql = "SELECT relname::text FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1::text)) AND relkind IN ('r', 'p') \
               AND NOT relispartition ORDER BY relname";
    let mut made = format!("CREATE SCHEMA \"{copy}\";");
    for row in link.rows(sql, &[&name])? {
        let table: String = link.get(&row, 0)?;
        let _ = write!(
            made,
            "CREATE TABLE \"{copy}\".\"{table}\" (LIKE \"{name}\".\"{table}\" INCLUDING ALL);\
             INSERT INTO \"{copy}\".\"{table}\" OVERRIDING SYSTEM VALUE SELECT * FROM \"{name}\".\"{table}\";"
        );
    }
    let _ = write!(
        made,
        "COMMENT ON SCHEMA \"{copy}\" IS 'The site {name} before it was brought up from version {version}; drop it when it is not needed'"
    );
    link.batch(&made)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::super::connect::Purpose;
    use super::super::scratch;
    use super::*;

    fn text(link: &Link, sql: &str) -> String {
        let row = link.row(sql, &[]).expect("asked");
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    #[test]
    fn a_site_is_made_once_and_then_left_as_it_is() {
        let (link, settings) = scratch::link();
        let made = bring_up(&link, &settings.schema, MIGRATIONS).expect("made");
        assert_eq!(made, BroughtUp { from: 0, to: 1, copy: None });
        let again = bring_up(&link, &settings.schema, MIGRATIONS).expect("nothing to do");
        assert_eq!(again, BroughtUp { from: 1, to: 1, copy: None });
    }

    #[test]
    fn two_that_make_a_site_at_once_take_turns() {
        let (_, settings) = scratch::link();
        let both: Vec<_> = (0..2)
            .map(|_| {
                let settings = settings.clone();
                std::thread::spawn(move || {
                    let link = Link::open(&settings, Purpose::Migration, &scratch::driver()).expect("connected");
                    bring_up(&link, &settings.schema, MIGRATIONS).map(|done| done.to)
                })
            })
            .collect();
        for one in both {
            assert_eq!(one.join().expect("ended").expect("made"), 1);
        }
    }

    const SECOND: Migration = Migration {
        name: "who signed",
        parts: &[
            of_site("ALTER TABLE handover ADD COLUMN signed boolean NOT NULL DEFAULT false"),
            of_site("CREATE nonsense"),
        ],
    };
    const MENDED: Migration =
        Migration { parts: &[SECOND.parts[0], of_site("CREATE TABLE later (one bigint)")], ..SECOND };

    #[test]
    fn an_older_site_is_copied_and_brought_up_and_a_newer_one_is_left_alone() {
        let (link, settings) = scratch::site();
        link.batch("INSERT INTO handover (at, rota, who, text) VALUES (1, 'r', 'lan', 'yên')").expect("written");
        let steps = [MIGRATIONS[0], MENDED];
        let done = bring_up(&link, &settings.schema, &steps).expect("brought up");
        assert_eq!((done.from, done.to), (1, 2));
        let copy = done.copy.expect("copied");
        assert_eq!(text(&link, "SELECT text FROM handover WHERE NOT signed"), "yên");
        assert_eq!(text(&link, &format!("SELECT text FROM \"{copy}\".handover")), "yên");
        let columns = format!(
            "SELECT count(*)::text FROM information_schema.columns WHERE table_schema = '{copy}' AND column_name = 'signed'"
        );
        assert_eq!(text(&link, &columns), "0", "the copy is from before");
        // This version again.
        let refused = bring_up(&link, &settings.schema, MIGRATIONS).expect_err("newer").to_string();
        assert!(refused.contains("version is 2") && refused.contains("install the newer version"), "{refused}");
        assert_eq!(text(&link, "SELECT text FROM handover"), "yên");
    }

    #[test]
    fn what_is_broken_off_goes_on_where_it_was_and_another_text_is_refused() {
        let (link, settings) = scratch::site();
        let broken = bring_up(&link, &settings.schema, &[MIGRATIONS[0], SECOND]).expect_err("nonsense").to_string();
        assert!(broken.contains("syntax error") && broken.contains(settings.schema.as_str()), "{broken}");
        assert_eq!(text(&link, "SELECT parts_done::text FROM migration WHERE number = 2"), "1");
        let other = bring_up(&link, &settings.schema, &[MIGRATIONS[0], MENDED]).expect_err("another text").to_string();
        assert!(other.contains("another text") && other.contains("mend"), "{other}");
        // As if its end had been the power's: the text is the same when it goes on.
        link.run("UPDATE migration SET checksum = $1 WHERE number = 2", &[&checksum(&MENDED)]).expect("written");
        let before = text(&link, "SELECT copy FROM migration WHERE number = 2");
        let done = bring_up(&link, &settings.schema, &[MIGRATIONS[0], MENDED]).expect("goes on");
        assert_eq!((done.from, done.to, done.copy), (1, 2, None), "it is copied once");
        assert!(before.starts_with(settings.schema.as_str()), "{before}");
        assert_eq!(text(&link, "SELECT to_regclass('later')::text"), "later");
    }
}
