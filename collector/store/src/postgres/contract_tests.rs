//! The contract of a store over PostgreSQL, check by check. What does not hold yet stands in a list, so that nobody takes it for holding, and so that a
//! check that begins to hold has to leave it.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::scratch;
use super::settings::PostgresSettings;
use crate::{Store, contract};

/// Checks that do not hold yet.
const FALL_SHORT: &[&str] = &[
    // A commit that writes to any incident counts as one to all of them while a large one is read.
    "retention::a_large_incident_goes_by_what_was_read_of_it",
];

#[test]
fn postgresql_keeps_the_contract_but_for_what_is_listed() {
    // A directory has a schema of its own, which is there when it is opened again.
    let known: Mutex<BTreeMap<PathBuf, PostgresSettings>> = Mutex::default();
    let open = |dir: &Path| -> Box<dyn Store> {
        let settings = known.lock().expect("whole").entry(dir.to_owned()).or_insert_with(scratch::settings).clone();
        super::open(&settings, dir, &scratch::driver(), None).expect("opens")
    };
    let wanted = std::env::var("IOC_CONTRACT").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, check) in contract::checks() {
        let name = name.replace(' ', "");
        if !name.contains(&wanted) {
            continue;
        }
        let dir = tempfile::tempdir().expect("temporary directory");
        if panic::catch_unwind(AssertUnwindSafe(|| check(&open, dir.path()))).is_err() {
            failed.push(name);
        }
    }
    let listed: Vec<&str> = FALL_SHORT.iter().copied().filter(|name| name.contains(&wanted)).collect();
    assert_eq!(failed, listed, "checks that do not hold, and those that are listed");
}
