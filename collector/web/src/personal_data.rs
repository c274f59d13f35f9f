//! Personal data on the pages (article 12): who may see it, and a record of who did.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ioc_common::clock::{self, Timestamp};
use ioc_common::document;
use ioc_common::id::DeviceId;
use ioc_judge::{Fault, Incident, Text, TimelineStep};

use super::App;
use super::auth::Person;
use ioc_engine::audit_action::AuditLogAction;
use ioc_store::DocumentRecord;
use ioc_store::Right;
use ioc_store::audit;

/// An open page reads itself anew all the time; one record an hour says the same.
const RECORD_EVERY_MS: i64 = 3_600_000;
/// Most readings that are remembered.
const ACCESSES_MAX: usize = 10_000;

/// Who has read of which device or list, and when that was last recorded.
#[derive(Default)]
pub(super) struct RecentAccesses(Mutex<HashMap<(String, String), Timestamp>>);

impl RecentAccesses {
    /// Whether this reading is to be recorded.
    fn is_news(&self, person: &str, subject: &str, now: Timestamp) -> bool {
        let mut accesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (person.to_owned(), subject.to_owned());
        if accesses.get(&key).is_some_and(|at| now.millis_since(*at) < RECORD_EVERY_MS) {
            return false;
        }
        if accesses.len() >= ACCESSES_MAX {
            accesses.clear();
        }
        accesses.insert(key, now);
        true
    }

    /// This reading was not recorded after all.
    fn forget(&self, person: &str, subject: &str) {
        let mut accesses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        accesses.remove(&(person.to_owned(), subject.to_owned()));
    }
}

/// Takes out what the person may not see, and has it recorded when they see any of it. What cannot be recorded is not shown.
pub(super) async fn seen(app: &App, person: &Person, device: &DeviceId, documents: &mut Vec<DocumentRecord>) {
    let is_personal = |one: &DocumentRecord| document::is_of_people(&one.name);
    if !documents.iter().any(is_personal) {
        return;
    }
    let shown = person.may(Right::Personal) && record(app, person, device.as_str(), "accounts, sessions").await;
    if !shown {
        documents.retain(|one| !is_personal(one));
    }
}

/// Has it recorded that a person sees a list of such data of many machines; whether it is.
pub(super) async fn list_seen(app: &App, person: &Person, list: &str) -> bool {
    record(app, person, list, "list").await
}

/// Puts the names into texts that have any, for who may see them, when it is on record that they do.
async fn open(app: &App, person: &Person, subject: &str, texts: Vec<&mut Text>) {
    if !texts.iter().any(|text| text.is_personal()) {
        return;
    }
    if person.may(Right::Personal) && record(app, person, subject, "faults and incidents").await {
        texts.into_iter().for_each(Text::open);
    }
}

/// The same for faults of a device, or a list of them.
pub(super) async fn open_faults(app: &App, person: &Person, subject: &str, faults: &mut [Fault]) {
    open(app, person, subject, faults.iter_mut().map(|fault| &mut fault.reason).collect()).await;
}

/// The same for incidents.
pub(super) async fn open_incidents(app: &App, person: &Person, subject: &str, incidents: &mut [Incident]) {
    open(app, person, subject, incidents.iter_mut().map(|incident| &mut incident.reason).collect()).await;
}

/// The same for all that an incident says.
pub(super) async fn open_incident(
    app: &App,
    person: &Person,
    incident: &mut Incident,
    steps: &mut [TimelineStep],
    faults: &mut [Fault],
) {
    let subject = incident.id.to_string();
    let steps = steps.iter_mut().map(|step| &mut step.note);
    let faults = faults.iter_mut().map(|fault| &mut fault.reason);
    open(app, person, &subject, std::iter::once(&mut incident.reason).chain(steps).chain(faults).collect()).await;
}

async fn record(app: &App, person: &Person, subject: &str, detail: &str) -> bool {
    let at = clock::now();
    if !app.accesses.is_news(&person.name, subject, at) {
        return true;
    }
    let (actor, action) = (person.name.clone(), AuditLogAction::PersonalRead.as_str().to_owned());
    let entry = audit::AuditEntry { at, actor, action, subject: subject.to_owned(), detail: detail.to_owned() };
    let kept = app.engine.record_access(entry).await.is_ok();
    if !kept {
        app.accesses.forget(&person.name, subject);
    }
    kept
}
