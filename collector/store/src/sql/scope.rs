//! A reader that shows only what is within reach.
//!
//! Views of its own connection stand before the tables of the same names, so that no query can forget to ask. An incident about no device is seen by
//! everybody, but for one of many machines: that is seen by who may see one of them.

use super::reader_connection::SqlReader;
use crate::StoreError;
use crate::scope::AccessScope;
use crate::sql::{Connection, database};

const VIEWS: &str = "
CREATE TEMP TABLE IF NOT EXISTS reached (place TEXT PRIMARY KEY);
CREATE TEMP VIEW IF NOT EXISTS device AS SELECT * FROM main.device WHERE place IN (SELECT place FROM temp.reached);
CREATE TEMP VIEW IF NOT EXISTS software_tally AS SELECT * FROM main.software_tally WHERE place IN (SELECT place FROM temp.reached);
CREATE TEMP VIEW IF NOT EXISTS fault AS SELECT * FROM main.fault
    WHERE device IN (SELECT number FROM main.device WHERE place IN (SELECT place FROM temp.reached));
CREATE TEMP VIEW IF NOT EXISTS incident AS SELECT * FROM main.incident i
    WHERE i.device IN (SELECT number FROM main.device WHERE place IN (SELECT place FROM temp.reached))
    OR i.device IS NULL AND (NOT EXISTS (SELECT 1 FROM main.fault f WHERE f.incident = i.id) OR EXISTS (SELECT 1 FROM temp.fault f WHERE f.incident = i.id));
CREATE TEMP VIEW IF NOT EXISTS step AS SELECT * FROM main.step WHERE incident IN (SELECT id FROM temp.incident);
CREATE TEMP VIEW IF NOT EXISTS ticket AS SELECT * FROM main.ticket WHERE incident IN (SELECT id FROM temp.incident);
CREATE TEMP VIEW IF NOT EXISTS attachment AS SELECT * FROM main.attachment WHERE incident IN (SELECT id FROM temp.incident);
CREATE TEMP VIEW IF NOT EXISTS outbox AS SELECT * FROM main.outbox WHERE incident = 0 OR incident IN (SELECT id FROM temp.incident);
DELETE FROM temp.reached;";

impl SqlReader {
    pub(super) fn limit_to(&self, scope: &AccessScope) -> Result<(), StoreError> {
        // What there was before is forgotten first: whatever fails now, too little is shown and never too much.
        match self.connection()? {
            Connection::Sqlite(_) => self.batch(VIEWS)?,
            Connection::Postgres(session) => {
                let views = VIEWS.replace("TEMP VIEW IF NOT EXISTS", "OR REPLACE TEMP VIEW");
                let views = views.replace("place TEXT PRIMARY KEY", "place text COLLATE \"C\" PRIMARY KEY");
                session.forget_told();
                session.tell(&views).map_err(|source| database(self.path(), source))?;
            }
        }
        let all = "SELECT DISTINCT place FROM main.device";
        for place in self.all(all, &[], |row| row.get::<_, String>(0))?.iter().filter(|place| scope.holds(place)) {
            match self.connection()? {
                Connection::Sqlite(_) => {
                    self.run("INSERT OR IGNORE INTO temp.reached (place) VALUES (?1)", &[place])?;
                }
                // A session that is made anew reaches no further.
                Connection::Postgres(session) => {
                    let place = place.replace('\'', "''");
                    let sql = format!("INSERT OR IGNORE INTO temp.reached (place) VALUES ('{place}')");
                    session.tell(&sql).map_err(|source| database(self.path(), source))?;
                }
            }
        }
        Ok(())
    }
}
