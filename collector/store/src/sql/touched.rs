//! Which incidents were written to, and by which commit: of one that nothing was written to since somebody read it, a commit believes what they
//! read, and need not read thousands of faults and steps once more to delete it.
//!
//! The writer's own connection to SQLite is told by triggers of its own (they are in no file), so that no write is forgotten. PostgreSQL has no such
//! triggers: its session looks at the text of each statement, and a commit that writes to any incident counts as one that wrote to all of them. What is
//! known begins with the start of this process; a commit that failed counts as one that wrote.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// Incidents that are known; beyond that all of it is forgotten, and known anew from then on.
const INCIDENTS_MAX: usize = 10_000;
/// Tables of what belongs to an incident, each with the column that says to which.
const TABLES: [(&str, &str); 6] = [
    ("incident", "id"),
    ("step", "incident"),
    ("fault", "incident"),
    ("outbox", "incident"),
    ("ticket", "incident"),
    ("attachment", "incident"),
];

#[derive(Debug, Default)]
struct State {
    /// What earlier commits wrote to is not known.
    since: u64,
    /// The commit that is being made.
    now: u64,
    /// The last commit that wrote to an incident.
    last: HashMap<i64, u64>,
}

/// Whether a statement writes to what belongs to an incident.
pub(super) fn writes(sql: &str) -> bool {
    let is_table = |rest: &str| {
        let name = rest.split(|letter: char| !(letter.is_alphanumeric() || letter == '_')).next().unwrap_or_default();
        TABLES.iter().any(|(table, _)| *table == name)
    };
    let after = |verb: &str| sql.match_indices(verb).any(|(at, _)| is_table(&sql[at + verb.len()..]));
    ["INTO ", "UPDATE ", "DELETE FROM "].into_iter().any(after)
}

/// Which incidents were written to.
#[derive(Debug, Clone)]
pub(crate) struct Touched(Arc<Mutex<State>>);

impl Touched {
    /// Has the writer's connection tell of what it writes, from now on, behind so many commits.
    pub(crate) fn of(connection: &Connection, commits: u64) -> rusqlite::Result<Self> {
        let touched = Self(Arc::new(Mutex::new(State { since: commits, now: commits, last: HashMap::new() })));
        let told = touched.clone();
        connection.create_scalar_function("touched", 1, FunctionFlags::SQLITE_UTF8, move |context| {
            if let Some(incident) = context.get::<Option<i64>>(0)? {
                told.touch(incident);
            }
            Ok(0)
        })?;
        for (table, column) in TABLES {
            let triggers = format!(
                "CREATE TEMP TRIGGER touched_{table}_came AFTER INSERT ON main.{table} BEGIN SELECT touched(NEW.{column}); END; \
                 CREATE TEMP TRIGGER touched_{table}_changed AFTER UPDATE ON main.{table} \
                 BEGIN SELECT touched(OLD.{column}), touched(NEW.{column}); END; \
                 CREATE TEMP TRIGGER touched_{table}_gone AFTER DELETE ON main.{table} BEGIN SELECT touched(OLD.{column}); END;"
            );
            connection.execute_batch(&triggers)?;
        }
        Ok(touched)
    }

    /// Where a session says of its statements whether they write to any incident ([`writes`]), and not to which: from now on, behind so many commits.
    pub(crate) fn by_statements(commits: u64) -> Self {
        Self(Arc::new(Mutex::new(State { since: commits, now: commits, last: HashMap::new() })))
    }

    /// The commit that is being made wrote to incidents, and nobody knows to which.
    pub(super) fn wrote(&self) {
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.last.clear();
        state.since = state.now;
    }

    /// What is written from now on is written by this commit.
    pub(super) fn begin(&self, commit: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now = commit;
    }

    fn touch(&self, incident: i64) {
        let state = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.len() >= INCIDENTS_MAX {
            state.last.clear();
            state.since = state.now;
        }
        state.last.insert(incident, state.now);
    }

    /// Whether nothing was written to an incident since so many commits were made, as far as that is known.
    pub(super) fn is_as_of(&self, incident: i64, commits: u64) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        commits >= state.since && state.last.get(&incident).is_none_or(|last| *last <= commits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_says_by_its_text_whether_it_writes_to_incidents() {
        for sql in [
            "INSERT INTO step (a) VALUES (1)",
            "UPDATE outbox SET a = 1",
            "DELETE FROM fault WHERE id = ?1",
            "INSERT OR REPLACE INTO ticket VALUES (1)",
        ] {
            assert!(writes(sql), "{sql}");
        }
        for sql in [
            "SELECT * FROM incident",
            "INSERT INTO incident_device VALUES (1)",
            "INSERT INTO event (a) VALUES (1) ON CONFLICT DO UPDATE SET a = 1",
        ] {
            assert!(!writes(sql), "{sql}");
        }
        let touched = Touched::by_statements(5);
        touched.begin(6);
        touched.wrote();
        assert!(!touched.is_as_of(1, 5) && touched.is_as_of(1, 6), "of none is known which");
    }

    #[test]
    fn whatever_is_written_to_an_incident_is_told_of_and_too_much_is_forgotten() {
        let connection = Connection::open_in_memory().expect("opens");
        for (table, column) in TABLES {
            connection.execute_batch(&format!("CREATE TABLE {table} ({column} INTEGER, body TEXT)")).expect("made");
        }
        let touched = Touched::of(&connection, 5).expect("set");
        assert!(touched.is_as_of(1, 5) && !touched.is_as_of(1, 4), "nobody knows what was before");
        let mut commit = 5;
        for (table, column) in TABLES {
            for (sql, both) in [
                (format!("INSERT INTO {table} VALUES (1, 'a')"), false),
                (format!("UPDATE {table} SET body = 'b' WHERE {column} = 1"), false),
                (format!("UPDATE {table} SET {column} = 2"), true),
                (format!("UPDATE {table} SET {column} = 1"), true),
                (format!("DELETE FROM {table}"), false),
            ] {
                touched.begin(commit + 1);
                assert_eq!(connection.execute(&sql, []).expect(&sql), 1);
                assert!(!touched.is_as_of(1, commit) && touched.is_as_of(1, commit + 1), "{sql}");
                assert!(!both || !touched.is_as_of(2, commit), "{sql}");
                commit += 1;
            }
        }
        connection.execute("INSERT INTO fault VALUES (NULL, 'of none')", []).expect("kept");
        touched.begin(commit + 1);
        let many = i64::try_from(INCIDENTS_MAX).expect("small");
        (0..=many).for_each(|incident| touched.touch(1000 + incident));
        assert!(!touched.is_as_of(1, commit) && touched.is_as_of(1, commit + 1), "what is not known is not believed");
    }
}
