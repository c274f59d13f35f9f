//! The roles of a collector whose store is in PostgreSQL, one after the other: it stands by, it decides while it holds the lease of its site, and stands by
//! again when it has lost it. A collector with files of its own has one role.
//!
//! Each role has a runtime of its own, which is shut down with it: whatever a holder had under way ends at its next step, whichever task it belongs to, and
//! nothing has to be told. What is not a task, the engine's thread, ends when its commit is refused; by then it commits nothing any more, for the database looks
//! at the fence of each.
//!
//! Called by `serve` of the command line. Deliberately absent: what a role does (`serve`, `standby`), and the lease itself (`ioc_store::Candidate`).

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use ioc_common::clock;
use ioc_engine::config::{Config, PostgresPlan};
use ioc_engine::pki::Authority;
use ioc_store::{Candidate, DatabaseReport};

use crate::collector_name::name_of;
use crate::first_start::FirstStartError;
use crate::serve::{RoleEnd, ServeError, Signals, decide};
use crate::standby::stand_by;

/// How long what blocks may still take at the end of a role: people wait for the next one.
const ROLE_END: Duration = Duration::from_secs(1);
/// The same at the end of the collector.
const END: Duration = Duration::from_secs(5);
/// Before a role that could not begin is begun again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a holder's role may fail to begin before the lease is given to another collector.
const FAILURES_MAX: u32 = 10;
/// How long the first answer of the database is waited for at the start, ms: it may have to make the site first.
const FIRST_WORD_MS: u64 = 5000;
const LOOK: Duration = Duration::from_millis(20);

/// Runs the collector until a signal stops it. `runtime` makes the runtime of a role.
///
/// # Errors
/// [`ServeError`] when it cannot start, or what it does ends by itself.
pub fn run(
    config_path: Option<PathBuf>,
    config: Config,
    runtime: impl Fn() -> io::Result<Runtime>,
) -> Result<(), ServeError> {
    let Some(plan) = config.store.postgres().cloned() else {
        let only = runtime().map_err(ServeError::Runtime)?;
        let done = only.block_on(async {
            let mut signals = Signals::listen()?;
            decide(config_path, config, &mut signals, None).await
        });
        // A look at the store, or a name that is being looked up, does not hold up the end.
        only.shutdown_timeout(END);
        return done.map(drop);
    };
    keys_are_here(&config, &plan)?;
    // Signals are heard between two roles, too.
    let hears = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(ServeError::Runtime)?;
    let mut signals = hears.block_on(async { Signals::listen() })?;
    let candidate = Candidate::start(&plan.settings, &name_of(&plan), &config.web_url)?;
    wait_for_first_word(&candidate);
    let done = run_roles((config_path, config), &mut signals, &candidate, runtime);
    // Not before everything that was done with it has ended.
    candidate.release();
    hears.shutdown_timeout(END);
    done
}

/// Lets the database say who holds the lease, so that whoever takes it at its start does not begin to stand by before.
fn wait_for_first_word(candidate: &Candidate) {
    let until_ms = clock::boottime_ms() + FIRST_WORD_MS;
    let view = candidate.view();
    while clock::boottime_ms() < until_ms {
        let is_said = {
            let view = view.borrow();
            view.latency_ms.is_some() || view.trouble.is_some()
        };
        if candidate.holds() || is_said {
            return;
        }
        std::thread::sleep(LOOK);
    }
}

fn run_roles(
    (config_path, mut config): (Option<PathBuf>, Config),
    signals: &mut Signals,
    candidate: &Candidate,
    runtime: impl Fn() -> io::Result<Runtime>,
) -> Result<(), ServeError> {
    // Roles that could not begin, one after the other; and whether one did before.
    let (mut failures, mut has_run) = (0, false);
    loop {
        let role = runtime().map_err(ServeError::Runtime)?;
        let path = config_path.clone();
        let ended = role.block_on(async {
            if candidate.holds() {
                decide(path, config.clone(), signals, Some(candidate)).await
            } else {
                stand_by(path, config.clone(), signals, candidate).await
            }
        });
        role.shutdown_timeout(ROLE_END);
        candidate.end_role();
        match ended {
            Ok(RoleEnd::Told) => return Ok(()),
            Ok(RoleEnd::Lost(newest)) => {
                config = Config::clone(&newest);
                (failures, has_run) = (0, true);
            }
            Err(error) => {
                failures += 1;
                // Who cannot do what a holder does gives the lease to another one.
                let is_patient = !candidate.holds() || failures < FAILURES_MAX;
                if !is_patient || !is_tried_again(&error, candidate.holds(), has_run) {
                    return Err(error);
                }
                tracing::error!(%error, "a role could not begin; it is tried again");
                std::thread::sleep(AGAIN);
            }
        }
        if candidate.view().borrow().lost {
            candidate.stand_by();
        }
    }
}

/// Whether what keeps a role from beginning may pass: the database, or an address that the role before may still listen on (`has_run`). Whatever a store
/// says to who lost the lease meanwhile is no fault.
fn is_tried_again(error: &ServeError, holds: bool, has_run: bool) -> bool {
    match error {
        ServeError::Store(error) | ServeError::FirstStart(FirstStartError::Store(error)) => {
            !holds || error.is_no_room()
        }
        ServeError::Listen { .. } => has_run,
        ServeError::FirstStart(_)
        | ServeError::Pki(_)
        | ServeError::File { .. }
        | ServeError::Configuration(_)
        | ServeError::FewFiles { .. }
        | ServeError::Runtime(_)
        | ServeError::NoThread
        | ServeError::EngineEnded => false,
    }
}

/// Refuses to wait for the lease of a site whose keys are not here: who takes it must be able to do what a holder does. A database that cannot be asked is
/// asked again.
fn keys_are_here(config: &Config, plan: &PostgresPlan) -> Result<(), ServeError> {
    let path = config.data.join("pki");
    let mut is_said = false;
    while !Authority::is_there(&path) {
        match DatabaseReport::of(&plan.settings) {
            Ok(report) if report.is_opened => {
                return Err(FirstStartError::KeysElsewhere { path, place: report.place }.into());
            }
            // A new site: whoever takes the lease makes its keys.
            Ok(_) => return Ok(()),
            Err(error) if error.is_no_room() => {
                if !std::mem::replace(&mut is_said, true) {
                    tracing::error!(%error, "the database cannot be asked whether the site is new; it is asked again");
                }
                std::thread::sleep(AGAIN);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ioc_store::StoreError;

    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(!is_tried_again(&ServeError::EngineEnded, true, true));
        let database = |no_room| StoreError::Database { path: "x".into(), source: "y".into(), no_room };
        assert!(is_tried_again(&ServeError::Store(database(true)), true, false));
        assert!(!is_tried_again(&ServeError::Store(database(false)), true, false));
        let fenced = ServeError::FirstStart(FirstStartError::Store(database(false)));
        assert!(is_tried_again(&fenced, false, false), "it lost the lease while it began");
        let listen =
            || ServeError::Listen { address: ([127, 0, 0, 1], 1).into(), source: io::Error::other("it is in use") };
        assert!(is_tried_again(&listen(), true, true) && !is_tried_again(&listen(), true, false));
    }
}
