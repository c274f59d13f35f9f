//! What a ticket system is told of an incident, and what it says.

use super::*;

pub(super) fn tickets(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    enrol(store.as_mut(), 1);
    let incident = incident(1, IncidentState::Open, None);
    let (id, system) = (incident.id, "rt");
    let (state, note) = (incident.state, Text::default());
    let step = |number| TimelineStep { incident: id, number, at: at(5), who: String::new(), state, note: note.clone() };
    let tell = || Change::TicketDue { system: system.to_owned(), incident: id };
    let due = |store: &dyn Store, now| {
        store.reader().expect("reads").tickets(&TicketQuery::Due { system, now: at(now) }, 9).expect("reads")
    };
    let open_ones =
        |store: &dyn Store| store.reader().expect("reads").tickets(&TicketQuery::Open { system }, 9).expect("reads");
    store.commit(&[Change::Incident(Box::new(incident.clone())), tell(), Change::Step(step(1))]).expect("commits");
    let mut record = due(store.as_ref(), 0).pop().expect("due");
    assert!(record.ticket.is_empty() && open_ones(store.as_ref()).is_empty(), "nothing to be read yet");
    // A step that comes while the ticket is made is carried after it.
    store.commit(&[tell(), Change::Step(step(2))]).expect("commits");
    (record.ticket, record.step) = ("7".to_owned(), 1);
    store.commit(&[Change::Ticket(record.clone())]).expect("commits");
    assert_eq!(due(store.as_ref(), 0), [record.clone()]);
    record.step = 2;
    store.commit(&[Change::Ticket(record.clone())]).expect("commits");
    assert!(due(store.as_ref(), 0).is_empty());
    // A failure is tried again when it is time.
    (record.error, record.next_at) = (Some("refused".to_owned()), at(500));
    store.commit(&[Change::Ticket(record.clone())]).expect("commits");
    assert!(due(store.as_ref(), 400).is_empty() && due(store.as_ref(), 500).len() == 1);
    // A system that is configured no more is told nothing, and keeps no incident from going; one that is stays as it was.
    store.commit(&[Change::TicketSystems(vec!["other".to_owned(), system.to_owned()])]).expect("commits");
    assert!(due(store.as_ref(), 500).len() == 1 && open_ones(store.as_ref()).len() == 1);
    store.commit(&[Change::TicketSystems(vec!["other".to_owned()])]).expect("commits");
    assert!(due(store.as_ref(), 500).is_empty() && open_ones(store.as_ref()).is_empty());
    let closed = Incident { state: IncidentState::Closed, ..incident };
    record.error = None;
    store.commit(&[Change::Incident(Box::new(closed)), Change::Ticket(record.clone())]).expect("commits");
    let of = store.reader().expect("reads").tickets(&TicketQuery::Of(id), 9).expect("reads");
    assert!(open_ones(store.as_ref()).is_empty() && of == [record], "what is closed is not looked at any more");
}
