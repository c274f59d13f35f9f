//! Deadlines of the law on serious incidents, and answers of units (article 15.3): what people do with them, and what is said when one is near or has
//! passed. Each is said once, as a fault of the centre that ends when the deadline is met or asked no more; what was said is kept with the incident,
//! so that a restart or a step of the clock says nothing twice and leaves nothing out.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;

use super::State;
use super::actions::{required, required_text};
use super::incident_lifecycle::IncidentTexts;
use crate::authenticity::{Evidence, InformationSource};
use crate::deadline::{
    ClockTerm, DeadlineKey, Due, LegalClock, Said, Sent, Serious, SeriousEnd, UnitAnswer, UnitRequest,
};
use crate::device::Importance;
use crate::effect::Effect;
use crate::incident::{Action, Incident, IncidentState, Refusal};
use crate::notice::Occasion;
use crate::severity::{Priority, Severity};
use crate::text::Text;

/// Most requests to units on one incident.
const REQUESTS_MAX: usize = 50;
/// The longest that a unit is given to answer, milliseconds.
const ANSWER_MAX_MS: i64 = 366 * 86_400_000;
/// Most deadlines of the law on one incident.
const CLOCKS_MAX: usize = 20;

/// What is said of a deadline.
struct Reminder {
    title: Text,
    reason: Text,
    advice: Text,
    article: String,
}

impl State {
    /// What people do with deadlines of an incident.
    pub(super) fn change_deadlines(
        &mut self,
        id: IncidentId,
        who: &str,
        action: Action,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let mut over = Vec::new();
        self.change(id, who, now, out, |incident| match action {
            Action::MarkSerious { reason, from_now, chosen: _, terms } => {
                mark(incident, who, &reason, (from_now, terms), now)
            }
            Action::UnmarkSerious { reason } => unmark(incident, who, &reason, now, &mut over),
            Action::ClockSent { clock, at, how, document } => {
                sent(incident, who, (&clock, at, &how, document), now, &mut over)
            }
            Action::AskUnit { unit, what, by } => ask(incident, who, (&unit, &what, by), now),
            Action::AnswerUnit { number, person, at, what, file } => {
                answer(incident, who, number, (&person, at, &what, &file), now, &mut over)
            }
            Action::WithdrawRequest { number, reason } => withdraw(incident, who, number, &reason, now, &mut over),
            other => Err(invalid(
                "action",
                "việc này không thuộc thời hạn nào",
                format!("{} is of no deadline", other.as_str()),
            )),
        })?;
        let why = Text::new(format!("Không còn chờ: xem {id}."), format!("Nothing is waited for any more: see {id}."));
        for key in over {
            self.end_reminder(&key.reminder(id), why.clone(), now, out);
        }
        // What is due at once, or was already when it was marked.
        self.say_deadlines(id, now, out);
        Ok(())
    }

    /// Says of each deadline of an incident what is to be said by now, once.
    pub(super) fn say_deadlines(&mut self, id: IncidentId, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(incident) = self.incidents.get(&id) else { return };
        let due = incident.record.open_deadlines().map(|(key, due)| (key, due.stage(now), due.said));
        let due: Vec<_> = due.filter(|(_, stage, said)| stage > said).map(|(key, stage, _)| (key, stage)).collect();
        for (key, stage) in due {
            let Some(incident) = self.incidents.get_mut(&id) else { return };
            let Some(due) = incident.record.due_mut(&key) else { continue };
            due.said = stage;
            let due = *due;
            let Some(reminder) = words(incident, &key, stage, &due, now) else { continue };
            self.advance_incident(id, now, "", reminder.reason.clone(), None, out);
            self.remind(key.reminder(id), reminder, (stage, due.at), now, out);
        }
    }

    /// Asks to be woken when something is to be said of a deadline of an incident next.
    pub(super) fn watch_deadlines(&mut self, id: IncidentId) {
        if let Some(at) = self.incidents.get(&id).and_then(|incident| incident.record.next_deadline()) {
            self.incident_wakes.insert((at, id));
        }
    }

    fn remind(
        &mut self,
        key: String,
        reminder: Reminder,
        (stage, due_at): (Said, Timestamp),
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let Reminder { title, reason, advice, article } = reminder;
        let late = stage == Said::Late;
        let severity = if late { Severity::Critical } else { Severity::Warning };
        let cause = (None, key);
        let (id, occasion) = match self.known(&cause) {
            None => {
                let words = IncidentTexts { title, advice, article };
                let of = (severity, Evidence::of(InformationSource::Collector));
                (self.new_incident(cause, of, words, &reason, now, now), Occasion::Opened)
            }
            Some(id) => {
                // Whoever took it has not met it: it is nobody's again, and is escalated by what it has become.
                let untaken = self.incidents.get(&id).is_some_and(|one| one.state.is_untaken());
                if !untaken {
                    self.reopen(id, now);
                }
                if let Some(known) = self.incidents.get_mut(&id) {
                    known.severity = severity;
                    known.priority = Priority::of(severity, Importance::Normal);
                    (known.title, known.advice) = (title, advice);
                    known.reason = reason.clone();
                }
                (id, if untaken { Occasion::Overdue } else { Occasion::Reopened })
            }
        };
        if let Some(known) = self.incidents.get_mut(&id) {
            known.resolve_by = Some(due_at);
            known.progress.late_to_resolve = late;
        }
        self.advance_incident(id, now, "", reason, Some(occasion), out);
    }

    fn end_reminder(&mut self, key: &str, why: Text, now: Timestamp, out: &mut Vec<Effect>) {
        if self.has_self_fault(key)
            && let Some(id) = self.known(&(None, key.to_owned()))
        {
            self.resolve(id, "", why, now, out);
        }
    }
}

fn invalid(field: &'static str, vi: impl Into<String>, en: impl Into<String>) -> Refusal {
    Refusal::Invalid { field, why: Text::new(vi, en) }
}

/// A length of time in words, whole hours from two hours on, days from three days on: Vietnamese, English.
fn span(ms: i64) -> (String, String) {
    let minutes = ms.abs() / 60_000;
    match minutes {
        ..=119 => (format!("{minutes} phút"), format!("{minutes} min")),
        120..=4319 => (format!("{} giờ", minutes / 60), format!("{} h", minutes / 60)),
        _ => (format!("{} ngày", minutes / 1440), format!("{} days", minutes / 1440)),
    }
}

/// What is said of a deadline at this stage. A fault of the centre is seen by all, also by who may not reach the incident's device: it names the
/// incident by its number, and says nothing of what happened.
fn words(incident: &Incident, key: &DeadlineKey, stage: Said, due: &Due, now: Timestamp) -> Option<Reminder> {
    let id = incident.id;
    let late = stage == Said::Late;
    let (vi, en) = span(due.at.millis_since(now));
    let (left_vi, left_en) = match late {
        true => ("đã quá hạn".to_owned(), "its time has passed".to_owned()),
        false => (format!("còn {vi}"), format!("{en} are left")),
    };
    let head = if late { ("Quá hạn", "Overdue") } else { ("Sắp đến hạn", "Due soon") };
    match key {
        DeadlineKey::Clock(of) => {
            let serious = incident.record.serious.as_ref()?;
            let term = &serious.clocks.iter().find(|one| one.term.id == *of)?.term;
            let (what, to) = (term.what(), &term.to);
            let (source_vi, source_en) = (term.source("Điều"), term.source("article"));
            let (step_vi, step_en) = match term.form.is_empty() {
                true => (
                    "báo cho nơi nhận rồi ghi lại đã báo ai, lúc nào, bằng cách nào",
                    "tell them, and write down whom, when and how",
                ),
                false => (
                    "điền mẫu, phát hành, gửi đi rồi ghi lại lúc gửi và cách gửi",
                    "fill in the form, issue it, send it, and write down when and how",
                ),
            };
            Some(Reminder {
                title: Text::new(format!("{}: {what} ({id})", head.0), format!("{}: {what} ({id})", head.1)),
                reason: Text::new(
                    format!("{what}, gửi {to}: {left_vi}. {source_vi}."),
                    format!("{what}, to {to}: {left_en}. {source_en}."),
                ),
                advice: Text::new(
                    format!("Mở trang {id}, mục Sự cố nghiêm trọng: {step_vi}. Thông báo này tự hết khi đã ghi."),
                    format!("Open {id}, Serious incident: {step_en}. This ends by itself once that is written down."),
                ),
                article: term.article.clone(),
            })
        }
        DeadlineKey::Request(number) => {
            let request = incident.record.requests.iter().find(|one| one.number == *number)?;
            let unit = &request.unit;
            Some(Reminder {
                title: Text::new(
                    format!("{}: {unit} trả lời việc được giao ({id})", head.0),
                    format!("{}: the answer of {unit} ({id})", head.1),
                ),
                reason: Text::new(
                    format!("{unit} chưa trả lời việc được giao ở {id}: {left_vi}."),
                    format!("{unit} has not answered what it was asked on {id}: {left_en}."),
                ),
                advice: Text::new(
                    format!("Nhắc đơn vị; khi có trả lời thì ghi tại trang {id}, mục Việc giao đơn vị."),
                    format!("Ask the unit; write its answer down on {id}, What units are asked."),
                ),
                article: "15.3".to_owned(),
            })
        }
    }
}

/// A moment that a person names: not ahead, and not before the incident.
fn moment(at: Option<Timestamp>, earliest: Timestamp, now: Timestamp) -> Result<Timestamp, Refusal> {
    let at = at.unwrap_or(now);
    if at > now || at < earliest.min(now) {
        let en = "allowed is a moment since the incident was found, and not ahead";
        return Err(invalid("at", "chọn lúc từ khi phát hiện sự cố đến nay", en));
    }
    Ok(at)
}

fn mark(
    incident: &mut Incident,
    who: &str,
    reason: &str,
    (from_now, terms): (bool, Vec<ClockTerm>),
    now: Timestamp,
) -> Result<Text, Refusal> {
    let reason = required("reason", reason)?;
    if incident.record.serious_now().is_some() {
        return Err(invalid("reason", "sự cố này đã được đánh dấu nghiêm trọng", "it is marked serious already"));
    }
    if incident.record.merged_into.is_some() {
        let en = "it was joined to another incident: mark that";
        return Err(invalid("reason", "sự cố này đã gộp vào sự cố khác: đánh dấu sự cố kia", en));
    }
    let since = if from_now { now } else { incident.opened_at.min(now) };
    // What was sent when it was marked before was sent.
    let before = incident.record.serious.take().map(|before| before.clocks).unwrap_or_default();
    let clock = |term: ClockTerm| {
        let at = since.plus_millis(term.within_ms);
        let due = if term.at_once { Due::at_once(since, at) } else { Due::new(since, at) };
        let sent = before.iter().find(|one| one.term.id == term.id).and_then(|one| one.sent.clone());
        LegalClock { term, due, sent }
    };
    let clocks: Vec<LegalClock> = terms.into_iter().take(CLOCKS_MAX).map(clock).collect();
    let of = |english: bool| {
        let one = |clock: &LegalClock| {
            let (vi, en) = span(clock.term.within_ms);
            format!("{} ({})", clock.term.what(), if english { en } else { vi })
        };
        clocks.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    let note = match clocks.is_empty() {
        true => Text::new(format!("Sự cố nghiêm trọng: {reason}"), format!("A serious incident: {reason}")),
        false => Text::new(
            format!("Sự cố nghiêm trọng: {reason} Phải báo: {}.", of(false)),
            format!("A serious incident: {reason} To be told: {}.", of(true)),
        ),
    };
    incident.record.serious = Some(Serious { since, at: now, who: who.to_owned(), reason, clocks, ended: None });
    Ok(note)
}

fn unmark(
    incident: &mut Incident,
    who: &str,
    reason: &str,
    now: Timestamp,
    over: &mut Vec<DeadlineKey>,
) -> Result<Text, Refusal> {
    let reason = required("reason", reason)?;
    let Some(serious) = incident.record.serious.as_mut().filter(|serious| serious.ended.is_none()) else {
        return Err(invalid("reason", "sự cố này không được đánh dấu nghiêm trọng", "it is not marked serious"));
    };
    over.extend(serious.clocks.iter().map(|clock| DeadlineKey::Clock(clock.term.id.clone())));
    serious.ended = Some(SeriousEnd { at: now, who: who.to_owned(), reason: reason.clone() });
    Ok(Text::new(format!("Bỏ đánh dấu nghiêm trọng: {reason}"), format!("Not serious after all: {reason}")))
}

fn sent(
    incident: &mut Incident,
    who: &str,
    (of, at, how, document): (&str, Option<Timestamp>, &str, Option<u64>),
    now: Timestamp,
    over: &mut Vec<DeadlineKey>,
) -> Result<Text, Refusal> {
    let how = required("how", how)?;
    let at = moment(at, incident.opened_at, now)?;
    let serious = incident.record.serious.as_mut().filter(|serious| serious.ended.is_none());
    let clock = serious.and_then(|serious| serious.clocks.iter_mut().find(|clock| clock.term.id == of));
    let Some(clock) = clock else {
        return Err(invalid("clock", "sự cố này không có thời hạn đó", "no such deadline runs on this incident"));
    };
    if clock.sent.is_some() {
        return Err(invalid("clock", "đã ghi là gửi rồi", "that it was sent is on record already"));
    }
    clock.sent = Some(Sent { at, how: how.clone(), document, who: who.to_owned(), noted_at: now });
    over.push(DeadlineKey::Clock(of.to_owned()));
    let (what, to) = (clock.term.what(), &clock.term.to);
    let late = at > clock.due.at;
    let (vi, en) = if late { ("Đã gửi sau hạn", "Sent after its time") } else { ("Đã gửi", "Sent") };
    Ok(Text::new(format!("{vi}: {what}, gửi {to}. {how}"), format!("{en}: {what}, to {to}. {how}")))
}

fn ask(
    incident: &mut Incident,
    who: &str,
    (unit, what, by): (&str, &str, Timestamp),
    now: Timestamp,
) -> Result<Text, Refusal> {
    let (unit, what) = (required("unit", unit)?, required("what", what)?);
    if incident.state == IncidentState::Closed {
        return Err(Refusal::State { incident: incident.id, state: incident.state, allowed: "not closed" });
    }
    if by <= now || by.millis_since(now) > ANSWER_MAX_MS {
        return Err(invalid("by", "chọn lúc sắp tới, trong vòng một năm", "allowed is a moment ahead, within a year"));
    }
    let requests = &mut incident.record.requests;
    if requests.len() >= REQUESTS_MAX {
        let vi = format!("một sự cố giao nhiều nhất {REQUESTS_MAX} việc");
        return Err(invalid("unit", vi, format!("allowed are {REQUESTS_MAX} requests on one incident")));
    }
    let number = u32::try_from(requests.len()).unwrap_or(u32::MAX).saturating_add(1);
    requests.push(UnitRequest {
        number,
        unit: unit.clone(),
        what: what.clone(),
        who: who.to_owned(),
        asked_at: now,
        due: Due::new(now, by),
        answer: None,
        withdrawn: None,
    });
    // It is given to the unit with that, where it was nobody's.
    if incident.record.unit.is_empty() {
        incident.record.unit.clone_from(&unit);
    }
    let (vi, en) = span(by.millis_since(now));
    Ok(Text::new(
        format!("Giao {unit}, trả lời trong {vi}: {what}"),
        format!("Asked {unit}, to be answered within {en}: {what}"),
    ))
}

fn open_request(incident: &mut Incident, number: u32) -> Result<&mut UnitRequest, Refusal> {
    let found = incident.record.requests.iter_mut().find(|request| request.number == number);
    let Some(request) = found else {
        return Err(Refusal::Missing { what: "request to a unit", which: number.to_string() });
    };
    if request.answer.is_some() {
        return Err(invalid("number", "đơn vị đã trả lời rồi", "the unit has answered already"));
    }
    if request.withdrawn.is_some() {
        return Err(invalid("number", "việc này đã rút, không giao nữa", "the unit is not asked any more"));
    }
    Ok(request)
}

fn answer(
    incident: &mut Incident,
    who: &str,
    number: u32,
    (person, at, what, file): (&str, Option<Timestamp>, &str, &str),
    now: Timestamp,
    over: &mut Vec<DeadlineKey>,
) -> Result<Text, Refusal> {
    let (person, what, file) = (required("person", person)?, required("what", what)?, required_text("file", file)?);
    if !file.is_empty() && !incident.record.attachments.iter().any(|one| one.sha256 == file) {
        return Err(Refusal::Missing { what: "file of this incident", which: file });
    }
    let at = moment(at, incident.opened_at, now)?;
    let request = open_request(incident, number)?;
    request.answer =
        Some(UnitAnswer { person: person.clone(), at, what: what.clone(), file, who: who.to_owned(), noted_at: now });
    over.push(DeadlineKey::Request(number));
    let unit = &request.unit;
    let (vi, en) = if now > request.due.at { (" sau hạn", " after its time") } else { ("", "") };
    let whole =
        (format!("{unit} trả lời{vi} ({person}): {what}"), format!("{unit} has answered{en} ({person}): {what}"));
    let shown = (format!("{unit} trả lời{vi}: {what}"), format!("{unit} has answered{en}: {what}"));
    Ok(Text::personal(whole, shown))
}

fn withdraw(
    incident: &mut Incident,
    who: &str,
    number: u32,
    reason: &str,
    now: Timestamp,
    over: &mut Vec<DeadlineKey>,
) -> Result<Text, Refusal> {
    let reason = required("reason", reason)?;
    let request = open_request(incident, number)?;
    request.withdrawn = Some(SeriousEnd { at: now, who: who.to_owned(), reason: reason.clone() });
    over.push(DeadlineKey::Request(number));
    let unit = &request.unit;
    Ok(Text::new(format!("Không yêu cầu {unit} trả lời nữa: {reason}"), format!("{unit} is asked no more: {reason}")))
}
