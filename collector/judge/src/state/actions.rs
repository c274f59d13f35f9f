//! What people do with an incident, and the regulation's gates on it.

use ioc_common::clock::Timestamp;
use ioc_common::id::{FaultId, IncidentId};

use super::State;
use crate::effect::Effect;
use crate::incident::{Action, Attachment, Closing, Incident, IncidentState, Refusal, RegulatorNotice, Repair};
use crate::notice::Occasion;
use crate::text::Text;

/// Longest text a person may write.
const TEXT_MAX_CHARS: usize = 4000;
/// Most files of one incident.
const ATTACHMENTS_MAX: usize = 20;

impl State {
    /// A person does something with an incident.
    pub(super) fn act(
        &mut self,
        id: IncidentId,
        who: &str,
        action: Action,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        match action {
            Action::Merge { into } => self.merge(id, IncidentId(into), who, now, out),
            Action::Accept { note } => self.accept(id, who, &required("note", &note)?, now, out),
            Action::Split { fault, note } => self.split(id, FaultId(fault), (who, &note), now, out),
            Action::Resolve { note } => self.resolve_by_hand(id, who, &note, now, out),
            Action::Acknowledge { note } => self.change(id, who, now, out, |one| take(one, who, &note, now)),
            Action::Comment { text } => self.change(id, who, now, out, |_| in_own_words("text", &text)),
            Action::Assign { unit, person } => self.assign_to(id, who, [&unit, &person], now, out),
            Action::Repair { backup, no_backup, safety } => {
                self.change(id, who, now, out, |one| repair(one, who, [&backup, &no_backup, &safety], now))
            }
            Action::Close { course, remedy } => {
                self.change(id, who, now, out, |one| close(one, who, &course, &remedy, now))
            }
            Action::Reopen { note } => self.reopen_by_hand(id, who, &note, now, out),
            Action::Verify { how } => self.change(id, who, now, out, |one| verify(one, who, &how, now)),
            Action::Regulator { department } => self.tell_regulator(id, who, &department, now, out),
            Action::RegulatorReceived => self.change(id, who, now, out, |one| regulator_received(one, now)),
            Action::RegulatorResult { result } => {
                self.change(id, who, now, out, |one| regulator_result(one, &result, now))
            }
            Action::RegulatorConfirmed => self.change(id, who, now, out, |one| regulator_confirmed(one, now)),
            Action::MarkSerious { .. }
            | Action::UnmarkSerious { .. }
            | Action::ClockSent { .. }
            | Action::AskUnit { .. }
            | Action::AnswerUnit { .. }
            | Action::WithdrawRequest { .. } => self.change_deadlines(id, who, action, now, out),
        }
    }

    /// Carries out an action that concerns one incident alone, and notes what is said of it. Nothing has changed when it is refused.
    pub(super) fn change(
        &mut self,
        id: IncidentId,
        who: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
        make: impl FnOnce(&mut Incident) -> Result<Text, Refusal>,
    ) -> Result<(), Refusal> {
        let note = make(self.incidents.get_mut(&id).ok_or(Refusal::Unknown(id))?)?;
        self.advance_incident(id, now, who, note, None, out);
        Ok(())
    }

    /// Gives it to a unit and a person, and tells that person where the duty plan knows how.
    fn assign_to(
        &mut self,
        id: IncidentId,
        who: &str,
        [unit, person]: [&str; 2],
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        // They are called by their name, whichever way they were named.
        let person = self.plan.person(person.trim()).map_or_else(|| person.to_owned(), |one| one.name.clone());
        let incident = self.incidents.get_mut(&id).ok_or(Refusal::Unknown(id))?;
        let before = incident.record.person.clone();
        let mut note = assign(incident, unit, &person)?;
        let (named, severity) = (incident.record.person.clone(), incident.severity);
        let known = self.plan.person(&named).map(|one| (one.id.clone(), one.name.clone()));
        let is_self = known.as_ref().is_some_and(|(id, _)| self.plan.person(who).is_some_and(|one| one.id == *id));
        let people: Vec<String> = known.iter().filter(|_| !is_self).map(|(id, _)| id.clone()).collect();
        let to = self.plan.recipients(&people, severity, now);
        match &known {
            Some((_, name)) if !to.is_empty() => {
                note.append(&Text::new(format!("Đã báo cho {name}."), format!("{name} is told.")));
            }
            None if !named.is_empty() && named != before => note.append(&Text::new(
                format!("{named} không có trong kế hoạch trực: hãy tự báo cho người này."),
                format!("{named} is not in the duty plan: tell them yourself."),
            )),
            Some(_) | None => {}
        }
        self.remember_notified(id, &people);
        self.advance_incident(id, now, who, note.clone(), None, out);
        if !to.is_empty() {
            self.notify(id, Occasion::Assigned, note, to, false, out);
        }
        Ok(())
    }

    fn resolve_by_hand(
        &mut self,
        id: IncidentId,
        who: &str,
        note: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get(&id).ok_or(Refusal::Unknown(id))?;
        let may = incident.state.is_active() && incident.raised == 0;
        check(incident, may, "active and no fault under it is raised")?;
        let text = note_or(&required_text("note", note)?, "Đã khắc phục.", "It is mended.");
        self.resolve(id, who, text, now, out);
        Ok(())
    }

    fn reopen_by_hand(
        &mut self,
        id: IncidentId,
        who: &str,
        note: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get(&id).ok_or(Refusal::Unknown(id))?;
        let over = matches!(incident.state, IncidentState::Resolved | IncidentState::Closed);
        check(incident, over && incident.record.merged_into.is_none(), "resolved or closed")?;
        let note = in_own_words("note", note)?;
        self.reopen(id, now);
        self.advance_incident(id, now, who, note, Some(Occasion::Reopened), out);
        Ok(())
    }

    /// Begins the notice to the responsible department (article 17.4): sent, received, result, confirmed, in this order.
    fn tell_regulator(
        &mut self,
        id: IncidentId,
        who: &str,
        department: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get_mut(&id).ok_or(Refusal::Unknown(id))?;
        check(incident, incident.state != IncidentState::Closed, "not closed")?;
        let named = required_text("department", department)?;
        let configured = || self.plan.regulator.as_ref().map(|one| one.name.clone()).unwrap_or_default();
        let department = if named.is_empty() { configured() } else { named };
        if department.is_empty() {
            let why = Text::new("ghi đã báo cho cơ quan nào", "say which department is told");
            return Err(Refusal::Invalid { field: "department", why });
        }
        if incident.record.regulator.is_some() {
            return Err(out_of_order("đã báo cho cơ quan này rồi", "the department was told already"));
        }
        let note = Text::new(format!("Báo cho {department}."), format!("Told {department}."));
        incident.record.regulator = Some(RegulatorNotice {
            department,
            sent_at: now,
            received_at: None,
            result: String::new(),
            result_at: None,
            confirmed_at: None,
        });
        self.advance_incident(id, now, who, note, Some(Occasion::Regulator), out);
        Ok(())
    }

    /// A file was added; its content is the caller's to keep.
    pub(super) fn attach(
        &mut self,
        id: IncidentId,
        attachment: Attachment,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get_mut(&id).ok_or(Refusal::Unknown(id))?;
        if incident.record.attachments.len() >= ATTACHMENTS_MAX {
            let why = Text::new(
                format!("một sự cố có nhiều nhất {ATTACHMENTS_MAX} tệp"),
                format!("allowed are {ATTACHMENTS_MAX} files for one incident"),
            );
            return Err(Refusal::Invalid { field: "file", why });
        }
        let (name, size, who) = (attachment.name.clone(), attachment.bytes, attachment.who.clone());
        incident.record.attachments.push(attachment);
        let text =
            Text::new(format!("Thêm tệp {name} ({size} byte)."), format!("Added the file {name} ({size} bytes)."));
        self.advance_incident(id, now, &who, text, None, out);
        Ok(())
    }

    /// Joins an incident, and every fault under it, to another.
    fn merge(
        &mut self,
        id: IncidentId,
        into: IncidentId,
        who: &str,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get(&id).ok_or(Refusal::Unknown(id))?;
        let target = self.incidents.get(&into).ok_or(Refusal::Unknown(into))?;
        check(incident, incident.state.is_active(), "active")?;
        check(target, target.state.is_active(), "active")?;
        if incident.record.open_deadlines().next().is_some() {
            let why = Text::new(
                "sự cố này đang có thời hạn: bỏ đánh dấu hoặc rút việc đã giao, hoặc gộp sự cố kia vào sự cố này",
                "deadlines run on it: unmark it or withdraw what units are asked, or join the other to it",
            );
            return Err(Refusal::Invalid { field: "into", why });
        }
        if incident.progress.storm.is_some() && target.progress.storm.is_none() {
            let why = Text::new(
                "sự cố này gồm nhiều thiết bị: hãy gộp sự cố kia vào sự cố này",
                "this one stands for many devices: join the other to it",
            );
            return Err(Refusal::Invalid { field: "into", why });
        }
        if id == into {
            let why = Text::new("không gộp sự cố vào chính nó", "an incident cannot be joined to itself");
            return Err(Refusal::Invalid { field: "into", why });
        }
        let moved: Vec<FaultId> =
            self.open_faults.get(&id).map(|under| under.keys().copied().collect()).unwrap_or_default();
        for fault in moved {
            self.move_fault(id, fault, into, out);
        }
        self.joined_by_hand(id, into);
        let mut joined = Vec::new();
        for (cause, known) in self.causes.iter_mut().filter(|(_, known)| **known == id) {
            *known = into;
            joined.push(cause.clone());
        }
        joined.sort();
        // Those of a storm are told by its faults, or each word about it would be as long as their list.
        if let Some(target) = self.incidents.get_mut(&into).filter(|one| one.progress.storm.is_none()) {
            target.progress.joined.extend(joined);
        }
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.state = IncidentState::Closed;
            incident.resolved_at = Some(now);
            incident.raised = 0;
            incident.record.merged_into = Some(into);
            incident.progress.escalation = None;
            incident.progress.held_until = None;
        }
        self.advance_incident(
            id,
            now,
            who,
            Text::new(format!("Gộp vào {into}."), format!("Joined to {into}.")),
            None,
            out,
        );
        let note = Text::new(format!("{id} được gộp vào đây."), format!("{id} was joined to this."));
        self.advance_incident(into, now, who, note, None, out);
        Ok(())
    }

    /// Takes a fault out of an incident and gives it one of its own.
    fn split(
        &mut self,
        id: IncidentId,
        fault: FaultId,
        (who, note): (&str, &str),
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let incident = self.incidents.get(&id).ok_or(Refusal::Unknown(id))?;
        check(incident, incident.state.is_active() && incident.raised > 1, "active and has several faults")?;
        // That one of many is something else is a judgement, and later ones go by it.
        let said =
            if incident.progress.storm.is_some() { required("note", note) } else { required_text("note", note) }?;
        let own = (incident.device.clone(), incident.rule.clone());
        let device =
            self.open_faults.get(&id).and_then(|under| under.get(&fault)).cloned().ok_or(Refusal::NoFault(fault))?;
        let mut taken = self.fault_mut(&device, fault).map(|fault| fault.clone()).ok_or(Refusal::NoFault(fault))?;
        let cause = (Some(device.clone()), taken.rule.clone());
        if cause == own {
            let why = Text::new(
                "sự cố này do chính lỗi đó mở ra; chỉ tách được lỗi đã gộp vào",
                "this fault is what the incident is about; only what was joined to it can be taken out",
            );
            return Err(Refusal::Invalid { field: "fault", why });
        }
        self.causes.remove(&cause);
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.progress.joined.retain(|one| *one != cause);
        }
        self.forget_worst(id, fault);
        let gone = Text::new(format!("Lỗi {fault} được tách ra."), format!("Fault {fault} was taken out."));
        self.fault_gone(id, fault, &gone, now, out);
        taken.incident = None;
        // It is to have an incident of its own from now on.
        taken.matter = None;
        self.open_own(&mut taken, (None, false), now, out);
        let of_storm = self.incidents.get(&id).is_some_and(|one| one.progress.storm.is_some());
        if let Some(own) = taken.incident.and_then(|to| self.incidents.get_mut(&to)) {
            own.progress.apart = of_storm;
            out.push(Effect::Incident(Box::new(own.clone())));
        }
        let to = taken.incident.map(|to| to.to_string()).unwrap_or_default();
        if let Some(held) = self.fault_mut(&device, fault) {
            *held = taken;
        }
        let said = if said.is_empty() { said } else { format!(" {said}") };
        let note =
            Text::new(format!("Lỗi {fault} được tách thành {to}.{said}"), format!("Fault {fault} became {to}.{said}"));
        self.advance_incident(id, now, who, note, None, out);
        Ok(())
    }
}

fn take(incident: &mut Incident, who: &str, note: &str, now: Timestamp) -> Result<Text, Refusal> {
    check(incident, incident.state.is_untaken(), "open or reopened")?;
    let note = required_text("note", note)?;
    acknowledge(incident, who, now);
    Ok(note_or(&note, "Đã tiếp nhận.", "Acknowledged."))
}

fn assign(incident: &mut Incident, unit: &str, person: &str) -> Result<Text, Refusal> {
    check(incident, incident.state != IncidentState::Closed, "not closed")?;
    let (unit, person) = (required_text("unit", unit)?, required_text("person", person)?);
    if unit.is_empty() && person.is_empty() {
        let why = Text::new("ghi đơn vị, người, hoặc cả hai", "name a unit, a person or both");
        return Err(Refusal::Invalid { field: "unit", why });
    }
    let both = [unit.as_str(), person.as_str()].iter().filter(|one| !one.is_empty()).copied().collect::<Vec<_>>();
    let both = both.join(", ");
    (incident.record.unit, incident.record.person) = (unit, person);
    Ok(Text::new(format!("Giao cho {both}."), format!("Assigned to {both}.")))
}

fn verify(incident: &mut Incident, who: &str, how: &str, now: Timestamp) -> Result<Text, Refusal> {
    let how = required("how", how)?;
    let Some(report) = incident.record.report.as_mut() else {
        let why = Text::new(
            "không ai báo tin này; hệ thống tự phát hiện",
            "nobody reported this; it was found by the system",
        );
        return Err(Refusal::Invalid { field: "how", why });
    };
    (report.verified, report.verified_by, report.verified_at) = (how.clone(), who.to_owned(), Some(now));
    // How often names whoever reported it, and their number.
    let whole = (format!("Đã xác minh thông báo: {how}"), format!("The report was verified: {how}"));
    Ok(Text::personal(whole, ("Đã xác minh thông báo.".to_owned(), "The report was verified.".to_owned())))
}

fn acknowledge(incident: &mut Incident, who: &str, now: Timestamp) {
    incident.state = IncidentState::Acknowledged;
    incident.acknowledged_at = Some(now);
    incident.acknowledged_by = Some(who.to_owned());
    incident.progress.escalation = None;
}

/// The gate of article 10.2a and b.
fn repair(incident: &mut Incident, who: &str, texts: [&str; 3], now: Timestamp) -> Result<Text, Refusal> {
    let may = matches!(incident.state, IncidentState::Acknowledged) || incident.state.is_untaken();
    check(incident, may, "open, reopened or acknowledged")?;
    let [backup, no_backup, safety] = texts;
    let (backup, no_backup) = (required_text("backup", backup)?, required_text("no_backup", no_backup)?);
    let safety = required_text("safety", safety)?;
    let gate = |field, why, article| Err(Refusal::Gate { field, why, article });
    if backup.is_empty() && no_backup.is_empty() {
        return gate("backup", "say where the backup is, or why none is possible, before the repair begins", "10.2a");
    }
    if !backup.is_empty() && !no_backup.is_empty() {
        return gate("no_backup", "there is a backup and there is none; leave one of them empty", "10.2a");
    }
    if safety.is_empty() {
        return gate("safety", "say what was done for the safety of people and equipment", "10.2b");
    }
    if incident.state.is_untaken() {
        acknowledge(incident, who, now);
    }
    incident.state = IncidentState::Repairing;
    let note = if backup.is_empty() {
        Text::new(
            format!("Bắt đầu khắc phục. Không có bản sao lưu: {no_backup}. An toàn: {safety}."),
            format!("Repair begins. No backup: {no_backup}. Safety: {safety}."),
        )
    } else {
        Text::new(
            format!("Bắt đầu khắc phục. Bản sao lưu: {backup}. An toàn: {safety}."),
            format!("Repair begins. Backup: {backup}. Safety: {safety}."),
        )
    };
    incident.record.repair = Some(Repair { backup, no_backup, safety, who: who.to_owned(), at: now });
    Ok(note)
}

/// The gates of articles 10.2c, 17.3 and 17.4.
fn close(incident: &mut Incident, who: &str, course: &str, remedy: &str, now: Timestamp) -> Result<Text, Refusal> {
    check(incident, incident.state == IncidentState::Resolved, "resolved")?;
    let (course, remedy) = (required_text("course", course)?, required_text("remedy", remedy)?);
    let gate = |field, why, article| Err(Refusal::Gate { field, why, article });
    if course.is_empty() {
        return gate("course", "say how it came about and went on", "10.2c");
    }
    if remedy.is_empty() {
        return gate("remedy", "say what was done against it", "10.2c");
    }
    if incident.record.report.as_ref().is_some_and(|report| report.verified_at.is_none()) {
        return gate("how", "verify who reported it first", "17.3");
    }
    if incident.record.regulator.as_ref().is_some_and(|regulator| regulator.confirmed_at.is_none()) {
        return gate("regulator", "the department that was told has not confirmed the result", "17.4");
    }
    incident.state = IncidentState::Closed;
    let note =
        Text::new(format!("Diễn biến: {course} Biện pháp: {remedy}"), format!("Course: {course} Remedy: {remedy}"));
    incident.record.closing = Some(Closing { course, remedy, who: who.to_owned(), at: now });
    Ok(note)
}

/// What is on record of the notice to the responsible department, which was told before.
fn regulator(incident: &mut Incident) -> Result<&mut RegulatorNotice, Refusal> {
    check(incident, incident.state != IncidentState::Closed, "not closed")?;
    incident
        .record
        .regulator
        .as_mut()
        .ok_or_else(|| out_of_order("chưa báo cho cơ quan nào", "the department was not told yet"))
}

fn regulator_received(incident: &mut Incident, now: Timestamp) -> Result<Text, Refusal> {
    let record = regulator(incident)?;
    if record.received_at.is_some() {
        return Err(out_of_order("việc này đã ghi rồi", "that is on record already"));
    }
    record.received_at = Some(now);
    let department = &record.department;
    Ok(Text::new(format!("{department} đã nhận thông báo."), format!("{department} has received the notice.")))
}

fn regulator_result(incident: &mut Incident, result: &str, now: Timestamp) -> Result<Text, Refusal> {
    let record = regulator(incident)?;
    if record.received_at.is_none() {
        return Err(out_of_order("cơ quan đó chưa nhận", "the department has not received it yet"));
    }
    record.result = required("result", result)?;
    record.result_at = Some(now);
    let (department, result) = (&record.department, &record.result);
    Ok(Text::new(
        format!("Kết quả xử lý báo cho {department}: {result}"),
        format!("Result reported to {department}: {result}"),
    ))
}

fn regulator_confirmed(incident: &mut Incident, now: Timestamp) -> Result<Text, Refusal> {
    let record = regulator(incident)?;
    if record.result_at.is_none() {
        return Err(out_of_order("chưa báo kết quả", "no result was reported yet"));
    }
    if record.confirmed_at.is_some() {
        return Err(out_of_order("việc này đã ghi rồi", "that is on record already"));
    }
    record.confirmed_at = Some(now);
    let department = &record.department;
    Ok(Text::new(format!("{department} đã xác nhận kết quả."), format!("{department} has confirmed the result.")))
}

pub(super) fn out_of_order(vi: &str, en: &str) -> Refusal {
    Refusal::Invalid { field: "regulator", why: Text::new(vi, en) }
}

fn check(incident: &Incident, allowed: bool, states: &'static str) -> Result<(), Refusal> {
    if allowed {
        return Ok(());
    }
    Err(Refusal::State { incident: incident.id, state: incident.state, allowed: states })
}

/// A text as a person wrote it, without what no text needs.
pub(super) fn required_text(field: &'static str, text: &str) -> Result<String, Refusal> {
    let text: String = text.trim().chars().filter(|c| !c.is_control() || *c == '\n').collect();
    if text.chars().count() > TEXT_MAX_CHARS {
        let vi = format!("nhiều nhất {TEXT_MAX_CHARS} ký tự");
        return Err(Refusal::Invalid { field, why: Text::new(vi, format!("allowed are {TEXT_MAX_CHARS} characters")) });
    }
    Ok(text)
}

pub(super) fn required(field: &'static str, text: &str) -> Result<String, Refusal> {
    let text = required_text(field, text)?;
    if text.is_empty() {
        return Err(Refusal::Invalid {
            field,
            why: Text::new("chưa điền; hãy ghi vào", "found nothing; write it down"),
        });
    }
    Ok(text)
}

/// What a person said, and nothing else.
fn in_own_words(field: &'static str, text: &str) -> Result<Text, Refusal> {
    let text = required(field, text)?;
    Ok(Text::new(text.clone(), text))
}

/// What a person said, or what is said when they said nothing.
fn note_or(note: &str, vi: &str, en: &str) -> Text {
    if note.is_empty() { Text::new(vi, en) } else { Text::new(note, note) }
}
