//! How a site's database stands, for `ioc-collector doctor`: who holds the lease, the clocks, how long an answer takes, and its standbys as far as the role
//! may look at them.

use tokio_postgres::Row;

use ioc_common::clock;

use super::connect::{Link, Purpose};
use super::settings::PostgresSettings;
use super::{candidate, lease, migration};
use crate::StoreError;
use crate::sql::postgres::Driver;

/// Answers of which the shortest is the latency.
const ASKED: usize = 5;

/// How a site's database stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseReport {
    /// What errors call it: no secret is in it.
    pub place: String,
    /// The server's version, as it says it.
    pub version: String,
    /// The site's schema is there, with all that this program reads.
    pub is_made: bool,
    /// A collector has opened its store before.
    pub is_opened: bool,
    /// Who holds the lease; empty where nobody ever did.
    pub holder: String,
    /// With which fence.
    pub fence: u64,
    /// How long it still lasts by the database's clock, ms; negative when it is over.
    pub lasts_ms: i64,
    /// How long the quickest of some answers took, ms.
    pub latency_ms: u64,
    /// By how much the database's clock is ahead of this machine's, ms.
    pub clock_ahead_ms: i64,
    /// What is wrong with the fences that were ever given, a line each.
    pub fence_faults: Vec<String>,
    /// `synchronous_standby_names`: empty where a failover may cost what was acknowledged last.
    pub synchronous: String,
    /// Servers that follow this one; none where the role may not look (`pg_monitor`).
    pub standbys: Option<Vec<StandbyServer>>,
}

/// A server that follows the primary, by `pg_stat_replication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandbyServer {
    /// As it calls itself.
    pub name: String,
    /// `streaming`, `catchup` and so on.
    pub state: String,
    /// `sync`, `quorum`, `async` or `potential`.
    pub sync_state: String,
    /// What it has not replayed yet, bytes of the write-ahead log; none while that is not known.
    pub behind_bytes: Option<u64>,
    /// How late it replays, ms; none where nothing was written of late.
    pub behind_ms: Option<u64>,
}

impl DatabaseReport {
    /// Asks for it.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked.
    pub fn of(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let no_thread = |source| StoreError::File { path: "database thread".into(), source };
        let driver = Driver::start().map_err(no_thread)?;
        let link = Link::open(settings, Purpose::Lease, &driver)?;
        let row =
            link.row("SELECT current_setting('server_version'), current_setting('synchronous_standby_names')", &[])?;
        let (version, synchronous) = (link.get(&row, 0)?, link.get(&row, 1)?);
        let is_there = candidate::is_there(&link, settings)?;
        let is_made = is_there && migration::is_up_to_date(&link)?;
        let is_opened = is_there && {
            let row = link.row("SELECT EXISTS (SELECT FROM state)", &[])?;
            link.get(&row, 0)?
        };
        let (latency_ms, clock_ahead_ms) = clocks(&link)?;
        let (holder, fence, lasts_ms, fence_faults) =
            if is_there { lease_of(&link)? } else { (String::new(), 0, 0, Vec::new()) };
        let standbys = standbys(&link)?;
        let place = settings.place();
        Ok(Self {
            place,
            version,
            is_made,
            is_opened,
            holder,
            fence,
            lasts_ms,
            latency_ms,
            clock_ahead_ms,
            fence_faults,
            synchronous,
            standbys,
        })
    }
}

/// The shortest of some answers, and the clocks' difference then, ms.
fn clocks(link: &Link) -> Result<(u64, i64), StoreError> {
    let mut best: Option<(u64, i64)> = None;
    for _ in 0..ASKED {
        let (asked_ms, wall_ms) = (clock::boottime_ms(), clock::wall().as_millis());
        let row = link.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[])?;
        let took_ms = clock::boottime_ms().saturating_sub(asked_ms);
        let ahead_ms = link.get::<i64>(&row, 0)? - wall_ms - i64::try_from(took_ms / 2).unwrap_or(0);
        if best.is_none_or(|(shortest_ms, _)| took_ms < shortest_ms) {
            best = Some((took_ms, ahead_ms));
        }
    }
    Ok(best.unwrap_or_default())
}

/// Who holds the lease, with which fence, for how long, and what is wrong with all fences.
fn lease_of(link: &Link) -> Result<(String, u64, i64, Vec<String>), StoreError> {
    let sql = "SELECT holder, fence, CASE WHEN isfinite(until) THEN (extract(epoch FROM until - clock_timestamp()) * 1000)::bigint ELSE 0 END \
               FROM lease WHERE one = 1";
    let row = link.row(sql, &[])?;
    let (holder, fence, lasts_ms) = (link.get(&row, 0)?, link.get::<i64>(&row, 1)?.unsigned_abs(), link.get(&row, 2)?);
    Ok((holder, fence, lasts_ms, lease::faults_of(&lease::history(link)?)))
}

/// Who follows the server. To a role without `pg_monitor` a session of another role has no state.
fn standbys(link: &Link) -> Result<Option<Vec<StandbyServer>>, StoreError> {
    let sql = "SELECT application_name, state, sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint, \
               (extract(epoch FROM replay_lag) * 1000)::bigint FROM pg_stat_replication ORDER BY application_name";
    let rows = link.rows(sql, &[])?;
    let text = |row: &Row, column| link.get::<Option<String>>(row, column);
    let mut all = Vec::with_capacity(rows.len());
    for row in &rows {
        let (Some(state), Some(sync_state)) = (text(row, 1)?, text(row, 2)?) else { return Ok(None) };
        let number = |column| Ok::<_, StoreError>(link.get::<Option<i64>>(row, column)?.map(i64::unsigned_abs));
        let (name, behind_bytes, behind_ms) = (text(row, 0)?.unwrap_or_default(), number(3)?, number(4)?);
        all.push(StandbyServer { name, state, sync_state, behind_bytes, behind_ms });
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::super::scratch;
    use super::*;

    #[test]
    fn a_database_says_who_holds_and_how_it_stands() {
        let (link, settings) = scratch::site();
        let report = DatabaseReport::of(&settings).expect("asked");
        assert_eq!((report.is_made, report.holder.as_str(), report.fence, report.lasts_ms), (true, "", 0, 0));
        assert!(report.version.starts_with("15") && report.clock_ahead_ms.abs() < 1000, "{report:?}");
        assert_eq!((report.synchronous.as_str(), &report.standbys), ("", &Some(Vec::new())));
        link.row("SELECT lease_take('một', interval '8 s', NULL, NULL, '')", &[]).expect("taken");
        let report = DatabaseReport::of(&settings).expect("asked");
        assert_eq!((report.holder.as_str(), report.fence, report.fence_faults.len()), ("một", 1, 0));
        assert!((1..=8000).contains(&report.lasts_ms), "{report:?}");
        let nothing = DatabaseReport::of(&scratch::settings()).expect("asked");
        assert_eq!((nothing.is_made, nothing.fence), (false, 0));
    }
}
