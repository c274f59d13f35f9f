//! Ticket systems, both ways: an incident is pushed there step by step, and what people do there comes back as their action.
//!
//! What is to be pushed stands in the store ([`TicketRecord`]), so a restart loses nothing: a ticket is looked for before it is
//! made, and what was read there is taken in by one commit with the place up to which it was read. The collector stays the record:
//! what a gate of the regulation refuses here is answered there, and the ticket is set back. One folder per kind of ticket system.

mod http;
mod rt;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use ioc_common::backoff::doubled_ms;
use ioc_common::clock;
use ioc_common::config::{ConfigError, Spanned};
use ioc_judge::{DeviceInfo, Incident, IncidentState, Notice, Occasion, TimelineStep};

use crate::notify::wording;
use ioc_engine::command::Command;
use ioc_engine::config::{Config, ConfigContext, ConnectorKind, TicketSystem};
use ioc_engine::health::Health;
use ioc_engine::http::{SendError, backoff_ms, secret};
use ioc_engine::local_time::local as local_time;
use ioc_engine::ticket_client::{NewTicket, TicketAction, TicketClient, TicketConnector, TicketEvent};
use ioc_engine::writer::EngineHandle;
use ioc_store::template::{as_line, as_lines};
use ioc_store::{Reader, StoreError, TicketQuery, TicketRecord};

/// How long one exchange with a ticket system may take, which is several requests.
const TIMEOUT: Duration = Duration::from_secs(120);
/// After so many failures one after another the rest waits for the next turn.
const FAILURES_IN_A_ROW: u32 = 3;
/// Between two looks at the least.
const AGAIN: Duration = Duration::from_millis(100);
/// What was not answered may have been done there: it is repeated seldom, doubled from the first to the last.
const REPEAT_FIRST_MS: u64 = 60_000;
const REPEAT_LAST_MS: u64 = 8 * 3_600_000;
/// Most tickets that are taken up in one go.
const AT_ONCE: usize = 64;
/// Longest text that is taken over from a ticket, characters.
const TEXT_MAX_CHARS: usize = 3000;

/// The kinds of ticket systems. A new one is its folder beside this file (its keys, their check, its client, their tests) and a line
/// here; then an example in `config/tickets/`, and its words in `docs/duty.md`. Nothing else names it.
pub(crate) const SYSTEMS: &[ConnectorKind<dyn TicketConnector>] = &[rt::KIND, http::KIND];

/// A state of incidents, as a key of the configuration.
fn incident_state(context: &ConfigContext<'_>, name: &Spanned<String>) -> Result<IncidentState, ConfigError> {
    IncidentState::ALL.into_iter().find(|state| state.as_str() == name.get_ref()).ok_or_else(|| {
        let allowed = IncidentState::ALL.map(IncidentState::as_str).join(", ");
        let message = format!("found state {:?}; allowed are {allowed}", name.get_ref());
        context.fault(name.span(), &message, "choose one of them")
    })
}

fn client(system: &TicketSystem) -> Result<Box<dyn TicketClient + '_>, SendError> {
    Ok(system.connector.connect(secret(system.secret_file.as_deref())?))
}

/// A reader that the tasks of all systems take turns with.
type SharedReader = Arc<Mutex<Box<dyn Reader>>>;

async fn read<T: Send + 'static>(
    reader: &SharedReader,
    read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, String> {
    let reader = Arc::clone(reader);
    let task =
        tokio::task::spawn_blocking(move || read(reader.lock().unwrap_or_else(PoisonError::into_inner).as_ref()));
    match task.await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Serves all ticket systems until the engine ends, each by a task of its own. `config` may be replaced while it runs: an exchange that
/// is under way is let end, so that nothing is made there that is not kept here.
pub async fn run(
    engine: EngineHandle,
    reader: Box<dyn Reader>,
    health: Arc<Health>,
    mut config: watch::Receiver<Arc<Config>>,
) {
    let reader: SharedReader = Arc::new(Mutex::new(reader));
    let mut systems = JoinSet::new();
    let mut served: HashMap<tokio::task::Id, String> = HashMap::new();
    loop {
        let current = Arc::clone(&config.borrow_and_update());
        for system in &current.tickets {
            if served.values().any(|name| *name == system.name) {
                continue;
            }
            let (engine, reader, health) = (engine.clone(), Arc::clone(&reader), Arc::clone(&health));
            let task = systems.spawn(serve(system.name.clone(), config.clone(), engine, reader, health));
            served.insert(task.id(), system.name.clone());
        }
        tokio::select! {
            changed = config.changed() => if changed.is_err() { return },
            Some(ended) = systems.join_next_with_id() => {
                let id = ended.as_ref().map_or_else(tokio::task::JoinError::id, |(id, ())| *id);
                served.remove(&id);
                // Not over and over, should it break off each time.
                tokio::time::sleep(Duration::from_secs(1)).await;
                if engine.outbox_wake().has_changed().is_err() {
                    return;
                }
            }
        }
    }
}

/// Serves one system until it is not in the configuration any more, or the engine ends.
async fn serve(
    name: String,
    mut configs: watch::Receiver<Arc<Config>>,
    engine: EngineHandle,
    reader: SharedReader,
    health: Arc<Health>,
) {
    let mut wake = engine.outbox_wake();
    let mut ask_at = None;
    loop {
        wake.mark_unchanged();
        let config = Arc::clone(&configs.borrow_and_update());
        let Some(system) = config.tickets.iter().find(|system| system.name == name) else { return };
        let next = *ask_at.get_or_insert(tokio::time::Instant::now() + system.every.get());
        // What cannot be kept would be said there again, here or by who decides now.
        if health.store_write_error().is_some() || health.lease.is_over() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        let (name, now) = (system.name.clone(), clock::now());
        let due = read(&reader, move |reader| reader.tickets(&TicketQuery::Due { system: &name, now }, AT_ONCE)).await;
        let due = due.unwrap_or_else(|error| {
            tracing::error!(%error, "what is due for ticket systems cannot be read");
            Vec::new()
        });
        let any = !due.is_empty();
        let turn = TicketSync { system, config: &config, engine: &engine, reader: &reader };
        if !turn.all(due, true).await {
            return;
        }
        if tokio::time::Instant::now() >= next {
            let name = system.name.clone();
            let open =
                read(&reader, move |reader| reader.tickets(&TicketQuery::Open { system: &name }, usize::MAX)).await;
            if !turn.all(open.unwrap_or_default(), false).await {
                return;
            }
            ask_at = None;
        }
        // What failed is tried again when it is asked for the next time at the latest.
        let retry = if any { Duration::from_secs(2) } else { Duration::from_secs(10) };
        tokio::select! {
            changed = wake.changed() => if changed.is_err() { return },
            changed = configs.changed() => if changed.is_err() { return },
            () = tokio::time::sleep_until(next.max(tokio::time::Instant::now() + AGAIN).min(tokio::time::Instant::now() + retry)) => {}
        }
    }
}

/// What became of one ticket in a round.
enum SyncResult {
    Done,
    Failed,
    /// The engine has ended.
    Gone,
}

/// What one round of a system goes over: its tickets that are due, or those that are open there.
struct TicketSync<'t> {
    system: &'t TicketSystem,
    config: &'t Config,
    engine: &'t EngineHandle,
    reader: &'t SharedReader,
}

impl TicketSync<'_> {
    /// Pushes or pulls all of these. A system that is away is not waited for again and again. False when the engine is gone.
    async fn all(&self, records: Vec<TicketRecord>, push: bool) -> bool {
        let mut failed = 0;
        for record in records {
            match if push { self.push(record).await } else { self.pull(record).await } {
                SyncResult::Done => failed = 0,
                SyncResult::Failed => failed += 1,
                SyncResult::Gone => return false,
            }
            if failed == FAILURES_IN_A_ROW {
                break;
            }
        }
        true
    }

    /// Brings one ticket up to its incident.
    async fn push(&self, record: TicketRecord) -> SyncResult {
        let mut next = record;
        let exchange = async {
            let mut client = client(self.system)?;
            push(client.as_mut(), &mut next, self.system, self.config, self.engine, self.reader).await
        };
        let result = tokio::time::timeout(TIMEOUT, exchange).await;
        let result = result.unwrap_or_else(|_| Err(SendError::Unknown("no answer in time".to_owned())));
        let failed = result.is_err();
        (next.attempts, next.error) = match result {
            Ok(()) => (0, None),
            Err(error) => {
                let (incident, system) = (next.incident, &self.system.name);
                tracing::warn!(%incident, system, %error, "the ticket system did not take it");
                // What will never work as it is may once someone has mended the configuration or the other side.
                let harmless = next.ticket.is_empty() && self.system.connector.can_find();
                next.next_at = clock::now().plus_millis(wait_ms(&error, next.attempts, harmless));
                (next.attempts + 1, Some(error.to_string().chars().take(500).collect()))
            }
        };
        match self.commit(next, Vec::new()).await {
            SyncResult::Done if failed => SyncResult::Failed,
            outcome => outcome,
        }
    }

    /// Reads what has become of one ticket, and does it here.
    async fn pull(&self, record: TicketRecord) -> SyncResult {
        let exchange = async { client(self.system)?.read(&record.ticket, &record.seen).await };
        let result = tokio::time::timeout(TIMEOUT, exchange).await;
        match result.unwrap_or_else(|_| Err(SendError::Later("no answer in time".to_owned()))) {
            Ok(seen) if seen.cursor == record.seen && seen.events.is_empty() => SyncResult::Done,
            Ok(seen) => self.commit(TicketRecord { seen: seen.cursor, ..record }, seen.events).await,
            Err(error) => {
                tracing::warn!(ticket = record.ticket, system = record.system, %error, "the ticket cannot be read");
                SyncResult::Failed
            }
        }
    }

    /// Waits for the commit for as long as that takes: what was done there must not be done again because it is not known here.
    async fn commit(&self, record: TicketRecord, events: Vec<TicketEvent>) -> SyncResult {
        let Err(error) =
            self.engine.command_without_timeout(Command::Ticket { record: Box::new(record), events }).await
        else {
            return SyncResult::Done;
        };
        tracing::warn!(%error, "what became of a ticket could not be kept");
        tokio::time::sleep(Duration::from_secs(1)).await;
        if self.engine.outbox_wake().has_changed().is_ok() { SyncResult::Failed } else { SyncResult::Gone }
    }
}

/// How long to wait after another attempt that failed, milliseconds. `harmless` says that repeating it does nothing twice.
fn wait_ms(error: &SendError, attempts: u32, harmless: bool) -> i64 {
    let wait_ms = match error {
        SendError::Unknown(_) if !harmless => doubled_ms(attempts, REPEAT_FIRST_MS, REPEAT_LAST_MS),
        error => {
            let asked = u64::try_from(error.retry_after().unwrap_or_default().as_millis()).unwrap_or(0);
            backoff_ms(attempts.saturating_add(1)).max(asked)
        }
    };
    i64::try_from(wait_ms).unwrap_or(i64::MAX)
}

/// Brings a ticket up to its incident: makes it, says what has happened since, and sets its state.
async fn push(
    client: &mut dyn TicketClient,
    record: &mut TicketRecord,
    system: &TicketSystem,
    config: &Config,
    engine: &EngineHandle,
    reader: &SharedReader,
) -> Result<(), SendError> {
    let id = record.incident;
    let found = read(reader, move |reader| {
        let Some((incident, steps, _)) = reader.incident(id)? else { return Ok(None) };
        let device = incident.device.as_ref().map(|device| reader.device(device)).transpose()?.flatten();
        Ok(Some((incident, steps, device.map(|device| device.info))))
    });
    let Some((incident, steps, device)) = found.await.map_err(SendError::Later)? else { return Ok(()) };
    let about = new_ticket(&incident, device, config);
    if record.ticket.is_empty() {
        record.ticket = match client.find(&about).await? {
            Some(ticket) => ticket,
            None => client.create(&about).await?,
        };
        // Its text says what the first step says.
        record.step = 1;
        // Kept at once, so that nothing that fails after this makes a second one.
        let kept = Command::Ticket { record: Box::new(record.clone()), events: Vec::new() };
        engine.command_without_timeout(kept).await.map_err(|error| SendError::Later(error.to_string()))?;
    }
    let new: Vec<&TimelineStep> = steps.iter().filter(|step| step.number > record.step).collect();
    let own = format!("{}:", system.name);
    let lines: Vec<String> =
        new.iter().filter(|step| !step.who.starts_with(&own)).map(|step| line(step, config)).collect();
    if !lines.is_empty() {
        client.comment(&record.ticket, &lines.join("\n"), &about).await?;
    }
    record.step = new.last().map_or(record.step, |step| step.number);
    let state = incident.state;
    if record.state != Some(state) {
        client.set_state(&record.ticket, state, &about).await?;
        record.state = Some(state);
    }
    Ok(())
}

fn line(step: &TimelineStep, config: &Config) -> String {
    let who = if step.who.is_empty() { String::new() } else { format!(" {}:", as_line(&step.who)) };
    // What a person wrote in several lines stays one step: none of them looks like another's.
    let note = as_lines(step.note.get(config.language)).replace('\n', "\n    ");
    format!("{}{who} {note}", local_time(step.at, config))
}

fn new_ticket(incident: &Incident, device: Option<DeviceInfo>, config: &Config) -> NewTicket {
    let name = device.as_ref().map(|device| as_line(&device.name)).unwrap_or_default();
    let notice = Notice::about(incident, device, Occasion::Opened, incident.reason.clone());
    let wording = wording(&notice, config, None, None);
    NewTicket {
        incident: incident.id.to_string(),
        // The number in brackets is what a ticket is found by.
        subject: format!("[{}] {}", incident.id, wording.subject),
        body: wording.body,
        link: wording.link,
        severity: incident.severity,
        priority: incident.priority,
        device: name,
    }
}

/// What someone wrote on a ticket, fit for an incident's record.
fn comment_event(who: &str, text: &str) -> TicketEvent {
    let text: String = text.trim().chars().filter(|c| !c.is_control() || *c == '\n').take(TEXT_MAX_CHARS).collect();
    TicketEvent { who: who.to_owned(), action: TicketAction::Comment(text) }
}

/// Configurations with these kinds, for their tests.
#[cfg(test)]
mod testing {
    use ioc_common::config::{ConfigError, Source};
    use ioc_engine::config::{Config, ConnectorKinds};

    pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
        let kinds = ConnectorKinds { tickets: super::SYSTEMS, ..ConnectorKinds::default() };
        Config::parse(&Source::built_in("collector.toml", text), &kinds)
    }

    /// The fault in a text that has one.
    pub(super) fn fault(text: &str) -> ConfigError {
        parse(text).expect_err("a fault")
    }
}
