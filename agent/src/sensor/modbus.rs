//! Modbus lines: one supervised loop for each, which reconnects for ever. A unit that does not answer is asked more and more seldom,
//! and on TCP over a connection of its own, so that it never slows its neighbours.
//!
//! An exception is an answer: the unit lives, and the profile or the gateway is wrong. Silence, a wrong unit or transaction, a closed
//! connection and rubbish are told apart in words. After any of these the connection is made anew: what may still come late must not
//! be taken for the answer to the next request.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_modbus::client::{Client as _, Context};
use tokio_modbus::prelude::{SlaveContext as _, client};
use tokio_modbus::{ExceptionCode, ProtocolError, Request, Response, Slave};
use tokio_serial::SerialPortBuilderExt as _;

use ioc_common::clock;
use ioc_common::report::Facts;

use super::back_off::back_off;

use super::profile::{ItemValue, RegisterWords, SensorProfile, TextKind};
use super::publisher::Poll;
use super::request_batching::{AddressRange, RegisterTable, RequestLimits, requests};
use super::settings::{Bus, BusLine, Parity, Unit};

/// How long a serial line must be quiet before it is used again after an answer went wrong.
const DRAIN: Duration = Duration::from_millis(60);
/// Units of one line begin in steps of this.
const STEP_MS: u64 = 100;
/// What the device says of itself is asked again after this.
const TEXTS_EVERY_MS: u64 = 3_600_000;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "their names say it")]
pub enum RequestError {
    /// No answer in time.
    #[error("{line} unit {unit}: no answer within {timeout_ms} ms")]
    Silent { line: String, unit: u8, timeout_ms: u128 },
    /// It answered that it cannot.
    #[error(
        "{line} unit {unit}: answers exception {code} ({meaning}) to function {function} at {start} ({count} places)"
    )]
    Exception {
        line: String,
        unit: u8,
        code: u8,
        meaning: &'static str,
        function: u8,
        /// First place, from 0.
        start: u16,
        count: u16,
    },
    /// The line itself failed.
    #[error("{line}: {why}")]
    Line { line: String, why: String },
    /// What came is no answer to what was asked.
    #[error("{line} unit {unit}: {why}")]
    Wrong { line: String, unit: u8, why: String },
}

impl RequestError {
    /// Whether the unit itself answered.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        // A gateway answers 10 and 11 for a unit that does not.
        matches!(self, Self::Exception { code, .. } if *code != 10 && *code != 11)
    }
}

/// A line that is connected when it is needed.
pub struct Wire {
    line: BusLine,
    timeout: Duration,
    context: Option<Context>,
    /// The last answer went wrong: the line is to be quiet before it is used again.
    spoilt: bool,
    /// What units refuse as a whole.
    refused_whole: HashSet<(u8, AddressRange)>,
}

impl Wire {
    /// A line that is not connected yet.
    #[must_use]
    pub fn new(line: BusLine, timeout: Duration) -> Self {
        Self { line, timeout, context: None, spoilt: false, refused_whole: HashSet::new() }
    }

    fn fault(&self, why: String) -> RequestError {
        RequestError::Line { line: self.line.to_string(), why }
    }

    fn wrong(&self, unit: u8, why: String) -> RequestError {
        RequestError::Wrong { line: self.line.to_string(), unit, why }
    }

    async fn connected(&mut self) -> Result<&mut Context, RequestError> {
        let context = match self.context.take() {
            Some(context) => context,
            None => self.open().await?,
        };
        self.spoilt = false;
        Ok(self.context.insert(context))
    }

    async fn open(&mut self) -> Result<Context, RequestError> {
        match &self.line {
            BusLine::Tcp { host, port } => {
                let connecting = TcpStream::connect((host.as_str(), *port));
                let stream = tokio::time::timeout(self.timeout.max(Duration::from_secs(3)), connecting)
                    .await
                    .map_err(|_| self.fault("does not accept a connection in time".to_owned()))?
                    .map_err(|error| self.fault(error.to_string()))?;
                // A request is one small packet; waiting for more only delays it.
                let _ = stream.set_nodelay(true);
                Ok(client::tcp::attach_slave(stream, Slave(1)))
            }
            BusLine::Serial { path, baud, parity, stop } => {
                let mut stream = tokio_serial::new(path.to_string_lossy(), *baud)
                    .parity(match parity {
                        Parity::None => tokio_serial::Parity::None,
                        Parity::Even => tokio_serial::Parity::Even,
                        Parity::Odd => tokio_serial::Parity::Odd,
                    })
                    .stop_bits(if *stop == 2 { tokio_serial::StopBits::Two } else { tokio_serial::StopBits::One })
                    .open_native_async()
                    .map_err(|error| self.fault(serial_trouble(&error)))?;
                if self.spoilt {
                    let mut late = [0; 256];
                    while let Ok(Ok(1..)) = tokio::time::timeout(DRAIN, stream.read(&mut late)).await {}
                }
                Ok(client::rtu::attach_slave(stream, Slave(1)))
            }
        }
    }

    /// Reads a stretch of a unit.
    ///
    /// # Errors
    /// [`RequestError`]; after all but an exception the connection is made anew.
    pub async fn read(&mut self, unit: u8, at: AddressRange) -> Result<Vec<u16>, RequestError> {
        let timeout = self.timeout;
        let context = self.connected().await?;
        context.set_slave(Slave(unit));
        // Asked for by `call`, not by the library's readers: those take for granted that the answer is as long as the request.
        let asked = context.call(match at.table {
            RegisterTable::Coils => Request::ReadCoils(at.start, at.count),
            RegisterTable::DiscreteInputs => Request::ReadDiscreteInputs(at.start, at.count),
            RegisterTable::HoldingRegisters => Request::ReadHoldingRegisters(at.start, at.count),
            RegisterTable::InputRegisters => Request::ReadInputRegisters(at.start, at.count),
        });
        let error = match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(Ok(response))) => {
                let words = match response {
                    // Bits come in whole bytes; those beyond what was asked for mean nothing.
                    Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => {
                        bits.into_iter().take(usize::from(at.count)).map(u16::from).collect()
                    }
                    Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => words,
                    _ => Vec::new(),
                };
                if words.len() == usize::from(at.count) {
                    return Ok(words);
                }
                let why = format!("answered {} places where {} were asked for", words.len(), at.count);
                self.wrong(unit, why)
            }
            Ok(Ok(Err(exception))) => {
                let (code, meaning) = exception_text(exception);
                let function = at.table.function();
                let AddressRange { start, count, .. } = at;
                let line = self.line.to_string();
                return Err(RequestError::Exception { line, unit, code, meaning, function, start, count });
            }
            Ok(Err(tokio_modbus::Error::Protocol(error))) => {
                let what = match error {
                    ProtocolError::HeaderMismatch { message, .. } => format!("answer to another request ({message})"),
                    ProtocolError::FunctionCodeMismatch { .. } => "answer to another function".to_owned(),
                };
                self.wrong(unit, what)
            }
            Ok(Err(tokio_modbus::Error::Transport(error))) => match error.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                    self.wrong(unit, format!("what came is no Modbus answer ({error})"))
                }
                ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                    self.fault("closed the connection".to_owned())
                }
                // The decoder's word for a stream that ends within an answer.
                ErrorKind::Other => self.fault(format!("closed the connection in the middle of an answer ({error})")),
                _ => self.fault(error.to_string()),
            },
            Err(_) => RequestError::Silent { line: self.line.to_string(), unit, timeout_ms: timeout.as_millis() },
        };
        self.context = None;
        self.spoilt = true;
        Err(error)
    }

    /// Polls a unit once: every number of its profile, and what it says of itself when `texts`.
    ///
    /// # Errors
    /// [`RequestError`] of the first request that was not answered; an exception leaves its numbers unknown and goes on.
    pub async fn poll(
        &mut self,
        unit: &Unit,
        tries: u32,
        texts: bool,
    ) -> Result<(Poll, Vec<RequestError>), RequestError> {
        let started = clock::boottime_us();
        let mut words = RegisterWords::default();
        let mut refused = Vec::new();
        let mut answer_us = None;
        let texts = if texts { unit.profile.text_requests() } else { &[] };
        for at in unit.profile.requests().iter().chain(texts) {
            match self.read_into(unit.number, *at, &unit.profile, tries, &mut words).await {
                Ok(error) => refused.extend(error),
                Err(error) => return Err(error),
            }
            answer_us.get_or_insert_with(|| clock::boottime_us().saturating_sub(started));
        }
        if let (true, Some(error)) = (words.is_empty(), refused.first()) {
            return Err(error.clone());
        }
        let mut poll = poll_of(unit, &words, today());
        poll.answer_ms = answer_us.unwrap_or_default() as f64 / 1000.0;
        Ok((poll, refused))
    }

    /// Reads one request of a profile into `words`. What a device refuses as a whole, since it does not like one of the places in
    /// between or so many at once, is asked for in pieces; that is remembered.
    ///
    /// # Errors
    /// [`RequestError`] when the unit does not answer; what it refuses is in the answer.
    pub async fn read_into(
        &mut self,
        number: u8,
        at: AddressRange,
        profile: &SensorProfile,
        tries: u32,
        words: &mut RegisterWords,
    ) -> Result<Option<RequestError>, RequestError> {
        let whole = if self.refused_whole.contains(&(number, at)) {
            None
        } else {
            match self.read_with_tries(number, at, tries).await {
                Ok(got) => {
                    words.put(at, &got);
                    return Ok(None);
                }
                Err(error @ RequestError::Exception { code: 2 | 3, .. }) => Some(error),
                Err(error) if error.is_answer() => return Ok(Some(error)),
                Err(error) => return Err(error),
            }
        };
        let wanted = profile.items.iter().map(|item| item.at).chain(profile.texts.iter().map(|text| text.at));
        let wanted: Vec<AddressRange> = wanted.filter(|one| at.contains(one)).collect();
        let pieces = requests(&wanted, RequestLimits { gap_max: 0, ..profile.limits });
        if pieces == [at] {
            return Ok(whole);
        }
        let (mut some, mut last) = (false, whole);
        for piece in pieces {
            match self.read_with_tries(number, piece, tries).await {
                Ok(got) => {
                    words.put(piece, &got);
                    some = true;
                }
                Err(error) if error.is_answer() => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        if some {
            let new = self.refused_whole.insert((number, at));
            if new {
                tracing::info!(line = %self.line, unit = number, "reads in pieces what it refuses as a whole");
            }
            // Some pieces may be what this model does not have: unknown, and no news.
            return Ok(None);
        }
        Ok(last)
    }

    async fn read_with_tries(&mut self, unit: u8, at: AddressRange, tries: u32) -> Result<Vec<u16>, RequestError> {
        let mut tried = 1;
        loop {
            match self.read(unit, at).await {
                // A device that is busy (6) or works on it (5) means: later.
                Err(RequestError::Exception { code: 5 | 6, .. }) if tried < tries => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error @ RequestError::Exception { .. }) => return Err(error),
                Err(_) if tried < tries => {}
                other => return other,
            }
            tried += 1;
        }
    }
}

fn serial_trouble(error: &tokio_serial::Error) -> String {
    let mend = match error.kind() {
        tokio_serial::ErrorKind::NoDevice | tokio_serial::ErrorKind::Io(ErrorKind::NotFound) => {
            "is the adapter plugged in? 'ls -l /dev/serial/by-id' shows what is"
        }
        tokio_serial::ErrorKind::Io(ErrorKind::PermissionDenied) => {
            "the service needs the group dialout and its device: see docs/sensors.md, \"Serial lines\""
        }
        _ => "see docs/sensors.md, \"Serial lines\"",
    };
    format!("cannot be opened: {error}; mend: {mend}")
}

const fn exception_text(exception: ExceptionCode) -> (u8, &'static str) {
    match exception {
        ExceptionCode::IllegalFunction => (1, "it does not know the function"),
        ExceptionCode::IllegalDataAddress => (2, "it has nothing at this address"),
        ExceptionCode::IllegalDataValue => (3, "it does not allow so many places at once"),
        ExceptionCode::ServerDeviceFailure => (4, "it failed"),
        ExceptionCode::Acknowledge => (5, "it is still working on it"),
        ExceptionCode::ServerDeviceBusy => (6, "it is busy"),
        ExceptionCode::MemoryParityError => (8, "its memory is broken"),
        ExceptionCode::GatewayPathUnavailable => (10, "the gateway has no path to it"),
        ExceptionCode::GatewayTargetDevice => (11, "the gateway has no answer from it"),
        ExceptionCode::Custom(code) => (code, "of its own"),
    }
}

/// The day since 1970, with its part that has passed.
pub(super) fn today() -> f64 {
    clock::now().as_millis() as f64 / 86_400_000.0
}

/// The numbers of a unit in its words; `today` is the day since 1970.
#[must_use]
pub fn poll_of(unit: &Unit, words: &RegisterWords, today: f64) -> Poll {
    let mut poll = Poll::default();
    for (item, subject) in items_with_subjects(unit) {
        let value = match words.get(item.at).map(|words| item.read(&words, today)) {
            Some(ItemValue::Number(value)) if unit.inverted.contains(&item.subject) => Some(1.0 - value),
            Some(ItemValue::Number(value)) => Some(value),
            Some(ItemValue::OutOfRange(_)) => {
                poll.out_of_range += 1;
                None
            }
            Some(ItemValue::None) | None => None,
        };
        poll.numbers.push((item.metric.name, subject.to_owned(), value));
    }
    poll.machine = texts(&unit.profile, words);
    poll
}

/// The items of a unit's profile that are read, under the names the configuration gives them.
pub fn items_with_subjects(unit: &Unit) -> impl Iterator<Item = (&super::profile::ProfileItem, &str)> {
    unit.profile.items.iter().filter_map(|item| {
        let contact = item.metric.name == "contact.alarm" && !unit.contacts.is_empty();
        let subject = match unit.contacts.get(&item.subject) {
            Some(name) => name.as_str(),
            // Of a module of contacts only those that are named are wired.
            None if contact || unit.profile.name == "contacts" => return None,
            None => item.subject.as_str(),
        };
        Some((item, subject))
    })
}

fn texts(profile: &SensorProfile, words: &RegisterWords) -> Facts {
    let mut facts = Facts::default();
    for text in &profile.texts {
        let Some(found) = words.get(text.at).map(|words| text.read(&words)) else { continue };
        match text.of {
            TextKind::Maker => facts.vendor = found,
            TextKind::Model => facts.product = found,
            TextKind::Serial => facts.serial = found,
            TextKind::Firmware => facts.bios = found,
        }
    }
    if facts != Facts::default() && facts.vendor.is_empty() {
        facts.vendor.clone_from(&profile.maker);
    }
    facts
}

/// Where each unit of a line stands.
struct UnitState {
    next_ms: u64,
    failures: u32,
    busy: bool,
    texts_ms: Option<u64>,
}

/// Units of a line that are polled one after the other. Those that do not answer are polled beside the others, so that waiting for them delays
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PollGroup {
    /// Units that answered last time.
    Healthy,
    /// Units that did not.
    Failing,
    /// Every unit: a serial line takes one request at a time.
    All,
}

/// What is told of each poll.
pub type PollHandler = dyn Fn(&Unit, Result<Poll, (String, bool)>) + Send + Sync;

/// Polls the units of a line for ever.
pub async fn supervise(bus: Bus, on_poll: Arc<PollHandler>) {
    let now_ms = clock::boottime_ms();
    let count = bus.units.len().max(1) as u64;
    let unit_states = bus.units.iter().enumerate().map(|(place, unit)| UnitState {
        // Spread over the first interval, so that they do not come in a burst for ever; in steps, so that those of one step share a
        // wake-up.
        next_ms: now_ms
            + place as u64 * u64::try_from(unit.every.as_millis()).unwrap_or(1000).min(10_000) / count / STEP_MS
                * STEP_MS,
        failures: 0,
        busy: false,
        texts_ms: None,
    });
    let unit_states = Arc::new(Mutex::new(unit_states.collect::<Vec<UnitState>>()));
    let bus = Arc::new(bus);
    match bus.line {
        BusLine::Tcp { .. } => {
            let failing =
                poll_group(Arc::clone(&bus), Arc::clone(&unit_states), PollGroup::Failing, Arc::clone(&on_poll));
            tokio::join!(poll_group(bus, unit_states, PollGroup::Healthy, on_poll), failing);
        }
        BusLine::Serial { .. } => poll_group(bus, unit_states, PollGroup::All, on_poll).await,
    }
}

async fn poll_group(
    bus: Arc<Bus>,
    unit_states: Arc<Mutex<Vec<UnitState>>>,
    group: PollGroup,
    on_poll: Arc<PollHandler>,
) {
    let mut wire = Wire::new(bus.line.clone(), bus.timeout);
    // On a shared line a silent unit may cost its timeout once between two rounds of its neighbours, and no more.
    let mut failing_turn = false;
    loop {
        let now_ms = clock::boottime_ms();
        let next = next_due(&unit_states, group, now_ms, &mut failing_turn);
        let place = match next {
            Ok(place) => place,
            Err(wait_ms) => {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                continue;
            }
        };
        let (Some(unit), Some((texts, failed_before))) = (bus.units.get(place), take(&unit_states, place, now_ms))
        else {
            continue;
        };
        // What has been silent is not tried twice in a row.
        let tries = if failed_before > 0 { 1 } else { bus.tries };
        let result = wire.poll(unit, tries, texts).await;
        let done_ms = clock::boottime_ms();
        let mut guard = unit_states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unit_state) = guard.get_mut(place) {
            unit_state.busy = false;
            let every = match &result {
                Ok(_) => {
                    unit_state.failures = 0;
                    if texts {
                        unit_state.texts_ms = Some(done_ms);
                    }
                    unit.every
                }
                Err(error) => {
                    unit_state.failures = unit_state.failures.saturating_add(1);
                    if error.is_answer() {
                        unit.every.max(Duration::from_secs(5))
                    } else {
                        back_off(unit_state.failures, unit.every)
                    }
                }
            };
            let every_ms = u64::try_from(every.as_millis()).unwrap_or(60_000).max(1);
            // Kept in step, unless it fell behind.
            unit_state.next_ms =
                (unit_state.next_ms + every_ms).max(if result.is_ok() { done_ms } else { done_ms + every_ms });
        }
        let silent = guard.get(place).is_some_and(|unit_state| unit_state.failures >= 2);
        drop(guard);
        match result {
            Ok((poll, refused)) => {
                for error in refused {
                    tracing::debug!(%error, sensor = %unit.about.name, "numbers left unknown");
                }
                on_poll(unit, Ok(poll));
            }
            Err(error) => on_poll(unit, Err((error.to_string(), silent || error.is_answer()))),
        }
    }
}

/// The unit that is due and has waited longest, or how long to wait for one.
fn next_due(
    unit_states: &Mutex<Vec<UnitState>>,
    group: PollGroup,
    now_ms: u64,
    failing_turn: &mut bool,
) -> Result<usize, u64> {
    /// A unit that another group hands over is found within this.
    const LOOK_AGAIN_MS: u64 = 250;
    let guard = unit_states.lock().unwrap_or_else(PoisonError::into_inner);
    let due = |failing: bool| {
        let mine = guard.iter().enumerate().filter(|(_, one)| !one.busy && (one.failures > 0) == failing);
        mine.min_by_key(|(_, one)| one.next_ms).map(|(place, one)| (place, one.next_ms))
    };
    let chosen = match group {
        PollGroup::Healthy => due(false),
        PollGroup::Failing => due(true),
        PollGroup::All => {
            let (healthy, failing) = (due(false), due(true));
            let ready = |one: Option<(usize, u64)>| one.filter(|(_, at)| *at <= now_ms);
            *failing_turn = !*failing_turn;
            let first = if *failing_turn { (failing, healthy) } else { (healthy, failing) };
            let soonest = healthy.into_iter().chain(failing).min_by_key(|(_, at)| *at);
            ready(first.0).or_else(|| ready(first.1)).or(soonest)
        }
    };
    match chosen {
        Some((place, at)) if at <= now_ms => Ok(place),
        Some((_, at)) if group == PollGroup::Healthy || group == PollGroup::All => {
            Err((at - now_ms).clamp(1, LOOK_AGAIN_MS))
        }
        Some((_, at)) => Err((at - now_ms).clamp(1, 1000)),
        None => Err(if group == PollGroup::Failing { 1000 } else { LOOK_AGAIN_MS }),
    }
}

/// Takes a unit in hand. Says whether its texts are to be read, and how often it has failed.
fn take(unit_states: &Mutex<Vec<UnitState>>, place: usize, now_ms: u64) -> Option<(bool, u32)> {
    let mut guard = unit_states.lock().unwrap_or_else(PoisonError::into_inner);
    let unit_state = guard.get_mut(place).filter(|unit_state| !unit_state.busy)?;
    unit_state.busy = true;
    let texts = unit_state.texts_ms.is_none_or(|at| now_ms.saturating_sub(at) > TEXTS_EVERY_MS);
    Some((texts, unit_state.failures))
}
