//! Personal data on the pages (article 12): who may see it, and a record of who did.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;

use super::App;
use super::auth::Person;
use crate::account::Right;
use crate::audit;
use crate::command::Command;
use crate::store::DocumentRecord;

/// Documents that say something of people.
const DOCUMENTS: [&str; 2] = ["accounts", "sessions"];
/// An open page reads itself anew all the time; one record an hour says the same.
const SAID_MS: i64 = 3_600_000;
/// Most readings that are remembered.
const SAID_MAX: usize = 10_000;

/// Who has read of which device, and when that was last recorded.
#[derive(Default)]
pub(super) struct Said(Mutex<HashMap<(String, DeviceId), Timestamp>>);

impl Said {
    /// Whether this reading is to be recorded.
    fn is_news(&self, person: &str, device: &DeviceId, now: Timestamp) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (person.to_owned(), device.clone());
        if said.get(&key).is_some_and(|at| now.millis_since(*at) < SAID_MS) {
            return false;
        }
        if said.len() >= SAID_MAX {
            said.clear();
        }
        said.insert(key, now);
        true
    }
}

/// Takes out what the person may not see, and has it recorded when they see any of it. What cannot be recorded is not shown.
pub(super) async fn seen(app: &App, person: &Person, device: &DeviceId, documents: &mut Vec<DocumentRecord>) {
    let is_personal = |one: &DocumentRecord| DOCUMENTS.contains(&one.name.as_str());
    if !documents.iter().any(is_personal) {
        return;
    }
    let mut shown = person.may(Right::Personal);
    let now = clock::now();
    if shown && app.said.is_news(&person.name, device, now) {
        let entry = audit::Entry {
            at: now,
            actor: person.name.clone(),
            action: "personal.read".to_owned(),
            subject: device.to_string(),
            detail: DOCUMENTS.join(", "),
        };
        shown = app.engine.command(Command::Note(entry)).await.is_ok();
    }
    if !shown {
        documents.retain(|one| !is_personal(one));
    }
}
