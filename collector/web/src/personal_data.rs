//! Personal data on the pages (article 12): who may see it, and the record of who did.

use std::collections::BTreeSet;

use ioc_common::id::DeviceId;
use ioc_common::layout::Series;
use ioc_common::metric::is_series_of_person;
use ioc_common::{clock, document};
use ioc_judge::deadline::UnitAnswer;
use ioc_judge::incident::PersonReport;
use ioc_judge::{Fault, Incident, Text, TimelineStep};

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::audit_action::AuditLogAction;
use ioc_store::{DocumentRecord, Reader, Right, StoreError, audit};

/// Whether the person may see all that documents of these names say of people; that they do is recorded. What cannot be recorded is not shown.
pub(crate) async fn may_see<'n>(
    app: &App,
    person: &Person,
    device: &DeviceId,
    names: impl Iterator<Item = &'n str>,
) -> bool {
    let personal: BTreeSet<&str> = names.filter(|name| document::has_personal(name)).collect();
    if personal.is_empty() {
        return true;
    }
    let detail = personal.into_iter().collect::<Vec<_>>().join(", ");
    person.may(Right::Personal) && record(app, person, device.as_str(), &detail).await
}

/// Whether the person may see what names people under a subject, and it is on record that they do.
pub(crate) async fn may_read(app: &App, person: &Person, subject: &str, what: &str) -> bool {
    person.may(Right::Personal) && record(app, person, subject, what).await
}

/// Reads something that may name people, as far as the person may see them: where it does (`names`), that is recorded under a subject first, and
/// what cannot be recorded is read without them.
pub(crate) async fn read<T, F>(
    app: &App,
    person: &Person,
    (subject, what): (&str, &str),
    names: impl Fn(&T) -> bool,
    read: F,
) -> Result<T, Problem>
where
    T: Send + 'static,
    F: Fn(&dyn Reader) -> Result<T, StoreError> + Clone + Send + 'static,
{
    let found = app.read(&person.scope, read.clone()).await?;
    if person.scope.sees_names() && names(&found) && !record(app, person, subject, what).await {
        return app.read(&person.scope.clone().without_names(), read).await;
    }
    Ok(found)
}

/// Takes out what the person may not see, and has it recorded when they see any of it. What cannot be recorded is not shown.
pub(crate) async fn retain_allowed(app: &App, person: &Person, device: &DeviceId, documents: &mut Vec<DocumentRecord>) {
    if !may_see(app, person, device, documents.iter().map(|one| one.name.as_str())).await {
        documents.retain(|one| !document::is_of_people(&one.name));
        for one in documents.iter_mut().filter(|one| document::has_personal(&one.name)) {
            one.body = document::without_personal(&one.name, &one.body);
        }
    }
}

/// Has it recorded that a person sees a list of such data of many machines; whether it is.
pub(crate) async fn record_list_access(app: &App, person: &Person, list: &str) -> bool {
    record(app, person, list, "list").await
}

/// Puts the names into texts that have any, for who may see them, when it is on record that they do; what people from outside reported is
/// shown only then.
async fn reveal(
    app: &App,
    person: &Person,
    subject: &str,
    texts: Vec<&mut Text>,
    (reports, answers): (Vec<&mut PersonReport>, Vec<&mut UnitAnswer>),
) {
    if reports.is_empty() && answers.is_empty() && !texts.iter().any(|text| text.is_personal()) {
        return;
    }
    if person.may(Right::Personal) && record(app, person, subject, "faults and incidents").await {
        texts.into_iter().for_each(Text::open);
    } else {
        reports.into_iter().for_each(PersonReport::hide);
        answers.into_iter().for_each(UnitAnswer::hide);
    }
}

/// The same for faults of a device, or a list of them.
pub(crate) async fn reveal_faults(app: &App, person: &Person, subject: &str, faults: &mut [Fault]) {
    reveal_series(app, person, subject, faults).await;
    let texts = faults.iter_mut().map(|fault| &mut fault.reason).collect();
    reveal(app, person, subject, texts, (Vec::new(), Vec::new())).await;
}

/// A fault of an account says by its series whose it is: that stays for who may see it, when it is on record that they do.
async fn reveal_series(app: &App, person: &Person, subject: &str, faults: &mut [Fault]) {
    let mut named: Vec<&mut Fault> = faults.iter_mut().filter(|fault| is_series_of_person(&fault.series)).collect();
    if named.is_empty() || may_read(app, person, subject, "faults and incidents").await {
        return;
    }
    for fault in &mut named {
        let metric = fault.series.split_once('|').map_or(fault.series.as_str(), |(metric, _)| metric);
        fault.series = Series::new(metric, "#0").as_str().to_owned();
    }
}

/// The same for incidents.
pub(crate) async fn reveal_incidents(app: &App, person: &Person, subject: &str, incidents: &mut [Incident]) {
    let (mut texts, mut reports, mut answers) = (Vec::new(), Vec::new(), Vec::new());
    for incident in incidents {
        texts.push(&mut incident.reason);
        reports.extend(&mut incident.record.report);
        answers.extend(incident.record.requests.iter_mut().filter_map(|one| one.answer.as_mut()));
    }
    reveal(app, person, subject, texts, (reports, answers)).await;
}

/// The same for all that an incident says.
pub(crate) async fn reveal_incident(
    app: &App,
    person: &Person,
    incident: &mut Incident,
    steps: &mut [TimelineStep],
    faults: &mut [Fault],
) {
    let subject = incident.id.to_string();
    reveal_series(app, person, &subject, faults).await;
    let steps = steps.iter_mut().map(|step| &mut step.note);
    let faults = faults.iter_mut().map(|fault| &mut fault.reason);
    let texts = std::iter::once(&mut incident.reason).chain(steps).chain(faults).collect();
    let record = &mut incident.record;
    let answers = record.requests.iter_mut().filter_map(|one| one.answer.as_mut()).collect();
    reveal(app, person, &subject, texts, (record.report.iter_mut().collect(), answers)).await;
}

async fn record(app: &App, person: &Person, subject: &str, detail: &str) -> bool {
    let at = clock::now();
    if !app.accesses.needs_record(&person.name, subject, clock::boottime_ms()) {
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
