//! What PostgreSQL, or the way to it, has against us: where, what, and what mends it.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::SqlState;

use crate::StoreError;
use crate::sql::may_pass;

/// What our own functions in the schema raise when the lease is not held any more (`lease.sql`).
pub(super) const FENCED: &str = "IO001";

/// A fault with its mend.
#[derive(Debug, thiserror::Error)]
#[error("{what}; mend: {mend}")]
pub(crate) struct Fault {
    what: String,
    mend: &'static str,
    /// It may pass by itself.
    may_pass: bool,
}

impl Fault {
    /// One that lasts until somebody mends it.
    pub(super) fn new(what: impl Into<String>, mend: &'static str) -> Self {
        Self { what: what.into(), mend, may_pass: false }
    }

    /// One that may pass by itself.
    pub(super) fn passing(what: impl Into<String>, mend: &'static str) -> Self {
        Self { may_pass: true, ..Self::new(what, mend) }
    }

    /// As the store says it: `place` is where.
    pub(super) fn at(self, place: &str) -> StoreError {
        let no_room = self.may_pass;
        StoreError::Database { path: place.into(), source: Box::new(self), no_room }
    }
}

/// What an answer of the server, or its silence, means.
pub(super) fn fault(place: &str, error: &tokio_postgres::Error) -> StoreError {
    meaning(error).at(place)
}

/// Whether the lease was not held any more.
#[cfg(test)]
pub(super) fn is_fenced(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == FENCED)
}

fn meaning(error: &tokio_postgres::Error) -> Fault {
    let Some(said) = error.as_db_error() else { return of_the_way(error) };
    let code = said.code();
    let mut what = format!("PostgreSQL says: {} ({})", said.message(), code.code());
    for more in [said.detail(), said.hint()].into_iter().flatten() {
        what += "; ";
        what += more;
    }
    match code.code() {
        FENCED => {
            Fault::new(what, "none is needed: another collector holds the lease of this site, and this one stands by")
        }
        _ if *code == SqlState::DISK_FULL => {
            Fault::passing(what, "make room on the disk of the database; nothing is acknowledged until then")
        }
        _ if *code == SqlState::TOO_MANY_CONNECTIONS => {
            Fault::passing(what, "raise max_connections, or end sessions that nobody needs (pg_stat_activity)")
        }
        _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            Fault::passing(what, "this server is a standby: name the address of the primary, too ([store] addresses)")
        }
        _ if *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Fault::new(what, "check [store] user and password_file against pg_hba.conf and the role's password")
        }
        _ if *code == SqlState::INVALID_CATALOG_NAME => Fault::new(
            what,
            "make the database (docs/scale.md, PostgreSQL), or name the one that is there ([store] database)",
        ),
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            Fault::new(what, "give the role what docs/scale.md lists under PostgreSQL, Privileges")
        }
        _ if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE => {
            Fault::passing(what, "look for what keeps the server busy or holds the lock (pg_stat_activity, pg_locks)")
        }
        _ if may_pass(code) => Fault::passing(what, "look at the server's log; the collector tries again by itself"),
        _ => Fault::new(what, "look at the server's log, and report it with this text"),
    }
}

/// What the library says where the server said nothing.
fn of_the_way(error: &tokio_postgres::Error) -> Fault {
    let source = error.source();
    let what = source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
    let kind = source.and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        // How the library says that no address takes writes.
        Some(io::ErrorKind::PermissionDenied) => Fault::passing(
            what,
            "none of these addresses is a primary that takes writes: promote a standby, or name the primary ([store] addresses)",
        ),
        Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Fault::passing(what, "start PostgreSQL there, or name where it listens ([store] addresses)")
        }
        Some(io::ErrorKind::InvalidData) => Fault::new(
            what,
            "the certificate of the server must be of [store] tls_authority and of the name in [store] addresses, and TLS 1.3 be on",
        ),
        _ => Fault::passing(what, "check that the server runs and can be reached; the collector tries again by itself"),
    }
}

/// It did not answer in time.
pub(super) fn silent(place: &str, seconds: u64) -> StoreError {
    let mend = "check that the server runs, can be reached and is not overloaded; the collector tries again by itself";
    Fault::passing(format!("no answer within {seconds} s"), mend).at(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_server_s_state_may_pass_and_what_it_was_asked_does_not() {
        for code in ["53100", "53300", "57P01", "57P02", "57P03", "57014", "58030", "08006", "25006", "55P03"] {
            assert!(may_pass(&SqlState::from_code(code)), "{code}");
        }
        for code in [FENCED, "42P01", "23505", "22P02", "28P01", "3D000", "42501", "XX001"] {
            assert!(!may_pass(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn a_fault_says_where_what_and_the_mend_and_whether_it_may_pass() {
        let said = Fault::passing("it is full", "make room").at("postgresql://ioc@db/ioc (schema hanoi)");
        assert!(said.is_no_room());
        assert_eq!(said.to_string(), "postgresql://ioc@db/ioc (schema hanoi): it is full; mend: make room");
        assert!(!Fault::new("no", "yes").at("there").is_no_room());
        assert!(silent("there", 7).to_string().contains("within 7 s"));
    }
}
