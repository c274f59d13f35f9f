//! What a first start makes: directories, keys, store, administrator. And what it refuses to make anew: a store beside keys that are
//! there, or keys beside a store, would cut off every agent and forget everything without a word.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ioc_common::clock;

use ioc_engine::account;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::config::{Config, PostgresPlan};
use ioc_engine::pki::{Authority, PkiError};
use ioc_store::audit;
use ioc_store::{Candidate, Change, Store, StoreError};

use crate::collector_name::name_of;

/// The file in which the first administrator's password is left, once.
pub const FIRST_PASSWORD_FILE: &str = "first-password";
/// The first administrator.
pub const FIRST_ACCOUNT: &str = "admin";
/// There while a first start is under way, so that one that was cut off goes on.
const MAKING_FILE: &str = "first-start";

/// How long the command line waits for the lease of a site, ms: as long as one lasts that nobody renews, and a little.
const LEASE_WAIT_MS: u64 = 12_000;
const LEASE_LOOK: Duration = Duration::from_millis(50);

/// What may be made anew although its counterpart is there, because a person says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Recreate {
    /// The store: inventory, incidents, accounts and the log begin empty. What is left of the old one is kept beside it.
    Store,
    /// Keys and certificates: every agent has to be enrolled again.
    Authority,
}

/// What a start needs: the authority, the store, and where the first password was left, if one was made.
pub type PreparedStart = (Authority, Box<dyn Store>, Option<PathBuf>);

/// Opens what is there, and makes what a first start needs. Says where the password was left, if one was made.
///
/// # Errors
/// [`FirstStartError`] names the place.
pub fn prepare(config: &Config, anew: Option<Recreate>) -> Result<PreparedStart, FirstStartError> {
    match config.store.postgres() {
        None => prepare_store(config, anew, None),
        Some(plan) => {
            let candidate = wait_for_lease(plan)?;
            // It is given back with the end of this: what is opened here is closed unless the collector runs with a lease of its own.
            prepare_store(config, anew, Some(&candidate))
        }
    }
}

/// Holds the lease of a site for the command line, while no collector does.
///
/// # Errors
/// [`FirstStartError::NotOurs`] when another one holds it, or the database cannot be asked.
pub(crate) fn wait_for_lease(plan: &PostgresPlan) -> Result<Candidate, FirstStartError> {
    let candidate = Candidate::start(&plan.settings, &name_of(plan), "")?;
    let until_ms = clock::boottime_ms() + LEASE_WAIT_MS;
    while !candidate.holds() {
        if clock::boottime_ms() > until_ms {
            let view = candidate.view().borrow().clone();
            return Err(FirstStartError::NotOurs { holder: view.holder, why: view.trouble.unwrap_or_default() });
        }
        std::thread::sleep(LEASE_LOOK);
    }
    Ok(candidate)
}

/// The same for whoever holds the lease of a store in PostgreSQL, or has none.
///
/// # Errors
/// [`FirstStartError`] names the place.
pub(crate) fn prepare_store(
    config: &Config,
    anew: Option<Recreate>,
    candidate: Option<&Candidate>,
) -> Result<PreparedStart, FirstStartError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| FirstStartError::File { path, source }
    };
    let data = &config.data;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(file(data))?;
    let pki = data.join("pki");
    let making = data.join(MAKING_FILE);
    let stored = candidate.map_or_else(|| Ok(ioc_store::is_there(data)), Candidate::is_made)?;
    let keys = Authority::is_there(&pki);
    if !keys && !stored && anew.is_none() && !making.exists() {
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&making);
        made.and_then(|made| made.sync_all()).map_err(file(&making))?;
    }
    if !making.exists() {
        match (keys, stored, anew) {
            (true, false, Some(Recreate::Store))
            | (false, true, Some(Recreate::Authority))
            | (true, true, None)
            | (false, false, None) => {}
            (_, _, Some(_)) => return Err(FirstStartError::NotAnew { path: data.clone() }),
            (true, false, None) => {
                let missing = |candidate: &Candidate| FirstStartError::SiteGone { place: candidate.place() };
                return Err(candidate.map_or_else(|| ioc_store::missing_store(data).into(), missing));
            }
            (false, true, None) => {
                let keys = |candidate: &Candidate| FirstStartError::KeysElsewhere {
                    path: pki.clone(),
                    place: candidate.place(),
                };
                return Err(candidate.map_or_else(|| FirstStartError::KeysGone { path: pki.clone() }, keys));
            }
        }
    }
    if anew == Some(Recreate::Store) && candidate.is_none() {
        // What a store's rows are called means nothing in another.
        ioc_store::put_aside(data, &[crate::remote_write::POSITION_FILE])?;
    }
    let now = clock::now();
    // The store first: its lock keeps a second collector from making keys beside the first one's.
    let mut store = candidate.map_or_else(|| ioc_store::open(data), |candidate| candidate.open(data))?;
    let authority = Authority::open(&pki, &config.site_name, now)?;
    let record = |action: AuditLogAction, subject: &str, detail: &str| {
        let (action, subject, detail) = (action.as_str().to_owned(), subject.to_owned(), detail.to_owned());
        Change::Audit(audit::AuditEntry { at: now, actor: String::new(), action, subject, detail })
    };
    let mut password_file = None;
    if store.reader()?.account(FIRST_ACCOUNT)?.is_none() {
        let password = account::new_password().map_err(PkiError::from)?;
        let path = data.join(FIRST_PASSWORD_FILE);
        // The password is on disk before the account exists, so that it can never be lost in between.
        let _ = std::fs::remove_file(&path);
        let mut out =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(file(&path))?;
        out.write_all(format!("{password}\n").as_bytes()).and_then(|()| out.sync_all()).map_err(file(&path))?;
        let made = account::new_account(FIRST_ACCOUNT, ioc_store::Role::Administrator, &password, now)?;
        store.commit(&[Change::Account(made), record(AuditLogAction::AccountCreated, FIRST_ACCOUNT, "first start")])?;
        password_file = Some(path);
    }
    match anew {
        Some(Recreate::Store) => {
            store.commit(&[record(AuditLogAction::StoreMadeAnew, "ioc-watch.db", "on the command line")])?;
        }
        Some(Recreate::Authority) => {
            store.commit(&[record(AuditLogAction::AuthorityMadeAnew, "pki", "on the command line")])?;
        }
        None => {}
    }
    match std::fs::remove_file(&making) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file(&making)(error)),
        _ => Ok((authority, store, password_file)),
    }
}

/// What a start needs is not there and cannot be made, or must not be.
#[allow(missing_docs, reason = "the names of the fields say what they are")]
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// Keys or certificates cannot be read or made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file or directory cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Keys and certificates are gone.
    #[error(
        "{}: keys and certificates are gone, and beside them lies the store of what they certified; mend: restore the directory from a \
         copy (docs/operate.md); only if there is none, make new ones, after which every agent has to be enrolled again: \
         ioc-collector prepare --anew authority",
        path.display()
    )]
    KeysGone {
        /// Where they were.
        path: PathBuf,
    },
    /// The database has no such site, though its keys are here.
    #[error(
        "{place}: keys and certificates are there, and no store of what they certified; mend: name the right database and schema ([store]), or \
         restore them as PostgreSQL is restored (docs/scale.md); only if there is none, begin a new one: ioc-collector prepare --anew store"
    )]
    SiteGone {
        /// Where it should be.
        place: String,
    },
    /// The database has the site, and its keys are not here.
    #[error(
        "{}: keys and certificates are not here, and {place} has the store of what they certified; mend: bring them from the \
         collector that has them (ioc-collector join, docs/scale.md); only if nobody has, make new ones, after which every agent has to be \
         enrolled again: ioc-collector prepare --anew authority",
        path.display()
    )]
    KeysElsewhere {
        /// Where they should be.
        path: PathBuf,
        place: String,
    },
    /// Another collector holds the lease, or the database cannot be asked.
    #[error(
        "the lease of this site is not free: {holder} holds it; {why}; mend: stop that collector, or see to the database, and try again"
    )]
    NotOurs {
        /// Who holds it; empty where that is not known.
        holder: String,
        /// Why the database cannot be asked; empty where it can.
        why: String,
    },
    /// Somebody asked for something new in the place of what is there.
    #[error("{}: nothing is missing there that could be made anew; mend: leave --anew out", path.display())]
    NotAnew { path: PathBuf },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> Config {
        let text = format!("[paths]\ndata = {dir:?}\nruntime = {dir:?}\n");
        crate::config::tests::parse(&text).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn neither_half_is_made_anew_without_a_word() {
        let dir = tempfile::tempdir().expect("directory");
        let config = config(dir.path());
        let (authority, store, password) = prepare(&config, None).expect("first start");
        let fingerprint = authority.fingerprint();
        assert!(password.is_some());
        drop(store);
        let again = prepare(&config, None).map(|(authority, _, password)| (authority.fingerprint(), password));
        assert_eq!(again.expect("opens"), (fingerprint, None));
        let refused = |config: &Config, anew| match prepare(config, anew) {
            Ok(_) => panic!("made anew"),
            Err(error) => error.to_string(),
        };
        assert!(refused(&config, Some(Recreate::Store)).contains("nothing is missing"));

        let aside = dir.path().join("aside");
        std::fs::create_dir(&aside).expect("made");
        let away = |names: &[&str]| {
            names.iter().for_each(|name| {
                let _ = std::fs::rename(dir.path().join(name), aside.join(name));
            });
        };
        let back = || {
            std::fs::read_dir(&aside).expect("read").flatten().for_each(|one| {
                let _ = std::fs::rename(one.path(), dir.path().join(one.file_name()));
            });
        };
        let store_files =
            ["ioc-watch.db", "ioc-watch.db-wal", "ioc-watch.db-shm", "history.db", "history.db-wal", "history.db-shm"];
        // With its commit mark and without.
        away(&store_files);
        assert!(refused(&config, None).contains("--anew store"));
        away(&["commit-mark"]);
        assert!(refused(&config, None).contains("--anew store"));
        assert!(refused(&config, Some(Recreate::Authority)).contains("nothing is missing"));
        back();
        assert!(prepare(&config, None).is_ok(), "all is there again");
        away(&["pki"]);
        assert!(refused(&config, None).contains("--anew authority"));
        let (other, store, _) = prepare(&config, Some(Recreate::Authority)).expect("a person said so");
        assert_ne!(other.fingerprint(), fingerprint);
        assert!(
            store
                .reader()
                .unwrap()
                .audit_before(None, "", 5)
                .unwrap()
                .iter()
                .any(|one| one.action == "authority.made_anew")
        );
        drop(store);
        std::fs::remove_file(dir.path().join("ioc-watch.db")).expect("removed");
        std::fs::write(dir.path().join("remote-write.position"), "5000000 0123456789abcdef\n").expect("written");
        let (_, store, password) = prepare(&config, Some(Recreate::Store)).expect("a person said so");
        assert!(password.is_some() && store.lost().all.is_empty());
        assert!(!dir.path().join("remote-write.position").exists(), "the numbers of its rows begin anew");
        let names = std::fs::read_dir(dir.path()).expect("read").flatten().map(|one| one.file_name());
        assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("remote-write.position.old-")).count(), 1);
    }

    #[test]
    fn a_first_start_that_was_cut_off_goes_on() {
        for made in ["pki", "store"] {
            let dir = tempfile::tempdir().expect("directory");
            let config = config(dir.path());
            std::fs::write(dir.path().join(MAKING_FILE), "").expect("written");
            if made == "pki" {
                Authority::open(&dir.path().join("pki"), "x", clock::now()).expect("made");
            } else {
                ioc_store::open(dir.path()).expect("made");
            }
            assert!(prepare(&config, None).is_ok_and(|(_, _, password)| password.is_some()), "{made}");
            assert!(!dir.path().join(MAKING_FILE).exists());
        }
    }
}
