//! Who decides for a site: the lease in the database, by the database's clock alone (`lease.sql`).
//!
//! A collector that waits asks [`Taker::try_take`] every [`RENEW_MS`]; who holds it renews it as often. Each taking gives a fence above all before it, and
//! every commit proves it ([`Lease::check_sql`]) in one message with its `COMMIT`: what a holder that was paused, cut off or slow sends after its time is
//! refused by the database, whatever that holder believes. No wall clock of a collector is read: elapsed time goes by the boot clock, which the caller
//! hands in, and serves only to stop early and to see that a lease is not renewed.

use tokio_postgres::Row;

use super::connect::Link;
use super::settings::SchemaName;
use crate::StoreError;

/// How long a lease lasts from each renewal, and how often it is renewed, ms: three renewals may fail in a row.
pub(crate) const LEASE_MS: u64 = 8000;
pub(crate) const RENEW_MS: u64 = 2000;
/// For how long a lease must be seen not to be renewed before it counts as over though the database's clock, set back meanwhile, says otherwise, ms: a
/// lease's length, and a renewal that was under way.
const UNMOVED_MS: u64 = LEASE_MS + 2 * RENEW_MS;

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    holder: String,
    fence: i64,
    /// By the boot clock, ms: counted from before it was asked for, so that it ends here no later than there.
    ends_ms: u64,
}

impl Lease {
    /// Above every fence that was given before.
    pub(crate) fn fence(&self) -> u64 {
        self.fence.unsigned_abs()
    }

    /// Whether it may still be held at a moment of the boot clock, ms. The database alone knows; who is told no here stops at once.
    pub(crate) fn may_be_held(&self, now_ms: u64) -> bool {
        now_ms < self.ends_ms
    }
}

/// What came of asking for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is ours.
    Ours(Lease),
    /// Another holds it.
    Held {
        /// Who.
        holder: String,
        /// With which fence.
        fence: u64,
        /// Where its pages are; empty where that is not known.
        pages: String,
    },
}

/// A collector that waits for the lease.
#[derive(Debug)]
pub(crate) struct Taker {
    holder: String,
    /// Where our pages are, for whoever is sent there.
    pages: String,
    /// What the lease was last seen as, and since when, boot clock, ms.
    seen: Option<((i64, i64), u64)>,
}

impl Taker {
    /// `holder` is what people know this collector by, and no other of the site.
    pub(crate) fn new(holder: &str, pages: &str) -> Self {
        Self { holder: holder.to_owned(), pages: pages.to_owned(), seen: None }
    }

    /// Takes the lease when nobody holds it. Sessions of whoever held it before are ended then: what they left open would keep ours waiting.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked; it may have been taken all the same, and is free again after [`LEASE_MS`].
    pub(crate) fn try_take(&mut self, link: &Link, schema: &SchemaName, now_ms: u64) -> Result<Taken, StoreError> {
        let row = link.row("SELECT fence, renewed, holder FROM lease WHERE one = 1", &[])?;
        let moved: (i64, i64) = (link.get(&row, 0)?, link.get(&row, 1)?);
        let since = match self.seen {
            Some((seen, since)) if seen == moved => since,
            _ => now_ms,
        };
        self.seen = Some((moved, since));
        let unmoved = (now_ms.saturating_sub(since) >= UNMOVED_MS).then_some(moved);
        let sql = format!("SELECT lease_take($1, interval '{LEASE_MS} ms', $2, $3, $4)");
        let row = link.row(&sql, &[&self.holder, &unmoved.map(|one| one.0), &unmoved.map(|one| one.1), &self.pages])?;
        if let Some(fence) = link.get::<Option<i64>>(&row, 0)? {
            self.seen = None;
            end_sessions(link, schema, &["writer", "history"])?;
            return Ok(Taken::Ours(Lease { holder: self.holder.clone(), fence, ends_ms: now_ms + LEASE_MS }));
        }
        let (holder, fence, pages) = held(link)?;
        Ok(Taken::Held { holder, fence, pages })
    }
}

/// Who held the lease last, with which fence, and where its pages are.
pub(super) fn held(link: &Link) -> Result<(String, u64, String), StoreError> {
    let row = link.row("SELECT holder, fence, pages FROM lease WHERE one = 1", &[])?;
    Ok((link.get(&row, 0)?, link.get::<i64>(&row, 1)?.unsigned_abs(), link.get(&row, 2)?))
}

/// Ends the sessions of this site that are there for one of these uses, and waits for their end, so that nothing of theirs is committed later.
pub(super) fn end_sessions(link: &Link, schema: &SchemaName, uses: &[&str]) -> Result<(), StoreError> {
    let names: Vec<String> = uses.iter().map(|used| format!("ioc-collector {} {used}", schema.as_str())).collect();
    let sql = "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = ANY ($1) \
               AND datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
    link.rows(sql, &[&names]).map(drop)
}

impl Lease {
    /// Goes on holding it; `false` when it is over, and another fence is needed.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked: it is held as long as [`Lease::may_be_held`] says.
    pub(crate) fn renew(&mut self, link: &Link, now_ms: u64) -> Result<bool, StoreError> {
        let sql = format!("SELECT lease_renew($1, $2, interval '{LEASE_MS} ms')");
        let row = link.row(&sql, &[&self.holder, &self.fence])?;
        let goes_on: bool = link.get(&row, 0)?;
        self.ends_ms = if goes_on { now_ms + LEASE_MS } else { 0 };
        Ok(goes_on)
    }

    /// Gives it back before its time, so that the next one need not wait; nothing may be written with it any more.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be asked; it ends by itself then.
    pub(crate) fn release(self, link: &Link) -> Result<(), StoreError> {
        link.row("SELECT lease_release($1, $2)", &[&self.holder, &self.fence]).map(drop)
    }

    /// What is said before each `COMMIT`, in one message with it: it raises an error when the lease is not held, and nothing behind it is carried out.
    pub(crate) fn check_sql(&self) -> String {
        format!("SELECT fence_check('{}', {})", self.holder.replace('\'', "''"), self.fence)
    }
}

/// A fence as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FenceGiven {
    pub(crate) fence: u64,
    pub(crate) holder: String,
    /// By how many microseconds of the database's clock it was taken before the one before it was over: never above 0, or two held at once.
    pub(crate) early_us: i64,
    /// It was taken because the one before it was seen not to be renewed, while the database's clock, set back, said otherwise.
    pub(crate) previous_unmoved: bool,
    /// How many commits the store held then.
    pub(crate) commits: u64,
}

/// Every fence that was ever given, in order.
///
/// # Errors
/// [`StoreError`] when the database cannot be asked.
pub(crate) fn history(link: &Link) -> Result<Vec<FenceGiven>, StoreError> {
    let sql = "SELECT fence, holder, CASE WHEN isfinite(previous_until) THEN (extract(epoch FROM previous_until - taken_at) * 1000000)::bigint ELSE 0 END, \
               previous_unmoved, commits FROM lease_history ORDER BY fence";
    let given = |row: &Row| -> Result<FenceGiven, StoreError> {
        Ok(FenceGiven {
            fence: link.get::<i64>(row, 0)?.unsigned_abs(),
            holder: link.get(row, 1)?,
            early_us: link.get(row, 2)?,
            previous_unmoved: link.get(row, 3)?,
            commits: link.get::<i64>(row, 4)?.unsigned_abs(),
        })
    };
    link.rows(sql, &[])?.iter().map(given).collect()
}

/// What is wrong with the fences that were given, a line each; nothing when no two ever held at once.
pub(crate) fn faults_of(given: &[FenceGiven]) -> Vec<String> {
    let mut faults = Vec::new();
    for (place, one) in given.iter().enumerate() {
        if one.fence != place as u64 + 1 {
            faults.push(format!("fence {} stands where {} should", one.fence, place + 1));
        }
        if one.early_us > 0 && !one.previous_unmoved {
            faults.push(format!(
                "fence {} was given to {} {} µs before the one before it was over",
                one.fence, one.holder, one.early_us
            ));
        }
        if place.checked_sub(1).and_then(|before| given.get(before)).is_some_and(|before| before.commits > one.commits)
        {
            faults.push(format!("the store held fewer commits when fence {} was given than before", one.fence));
        }
    }
    faults
}

#[cfg(test)]
mod tests;
