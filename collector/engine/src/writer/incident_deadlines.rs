//! Deadlines of incidents: what the law packs in force ask of a serious one, which incidents their criterion marks, and what the audit log says of it. What
//! becomes of a deadline the judge decides.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_document::legal::{AtLeast, Clock, Pack, PackKind, SeriousCriterion, Starts, Within};
use ioc_judge::deadline::{ClockTerm, REMINDER};
use ioc_judge::{Action, Incident, Input, Severity};
use ioc_store::Change;

use super::Engine;
use crate::audit_action::AuditLogAction;
use crate::command::CommandError;
use crate::refusal_field::Field;
use crate::refusal_reason::{RefusalReason, Word};

/// Most conditions that a person says hold.
const CHOSEN_MAX: usize = 20;
/// Most versions of a form of which the first is looked for.
const VERSIONS_MAX: usize = 1_000;
const MINUTE_MS: i64 = 60_000;

/// The report under which the document of a deadline is written and issued.
#[must_use]
pub fn form_key(incident: IncidentId, clock: &str) -> String {
    format!("incident.{}.{clock}", incident.0)
}

fn term(pack: &Pack, clock: &Clock) -> ClockTerm {
    ClockTerm {
        id: clock.id.clone(),
        condition: clock.condition.clone(),
        to: clock.to.clone(),
        law: pack.name.clone(),
        article: clock.article.clone(),
        form: clock.form.clone(),
        within_ms: clock.within_ms(),
        at_once: clock.within == Within::AtOnce,
    }
}

/// What packs ask of a serious incident: what always runs, and, of what runs where a condition holds, what was chosen. The first pack's word goes before
/// another's of the same id.
///
/// # Errors
/// The id that was chosen and is none.
pub(super) fn terms<'p>(packs: impl Iterator<Item = &'p Pack>, chosen: &[String]) -> Result<Vec<ClockTerm>, String> {
    let (mut found, mut known) = (Vec::<ClockTerm>::new(), Vec::new());
    for pack in packs {
        for clock in &pack.clocks {
            let runs = match clock.starts {
                Starts::Never => false,
                Starts::Serious => true,
                Starts::Chosen => {
                    known.push(clock.id.as_str());
                    chosen.contains(&clock.id)
                }
            };
            if runs && found.iter().all(|one| one.id != clock.id) {
                found.push(term(pack, clock));
            }
        }
    }
    match chosen.iter().find(|one| !known.contains(&one.as_str())) {
        Some(one) => Err(one.chars().take(60).collect()),
        None => Ok(found),
    }
}

/// What the audit log says of an action, and its detail.
pub(super) fn logged(action: &Action) -> (AuditLogAction, String) {
    match action {
        Action::MarkSerious { reason, terms, .. } => {
            let runs = terms.iter().map(|term| term.id.as_str()).collect::<Vec<_>>().join(", ");
            (AuditLogAction::IncidentMarkedSerious, format!("not serious -> serious: {reason}; runs: {runs}"))
        }
        Action::UnmarkSerious { reason } => {
            (AuditLogAction::IncidentUnmarkedSerious, format!("serious -> not serious: {reason}"))
        }
        Action::ClockSent { clock, at, how, document } => {
            let at = at.map(|at| at.to_string()).unwrap_or_else(|| "now".to_owned());
            let document = document.map(|number| format!("; document {number}")).unwrap_or_default();
            (AuditLogAction::IncidentNoticeSent, format!("{clock}: not sent -> sent {at}, {how}{document}"))
        }
        Action::AskUnit { unit, what, by } => (AuditLogAction::IncidentUnitAsked, format!("{unit}, by {by}: {what}")),
        // Who answered stands with the incident, for those who may see it.
        Action::AnswerUnit { number, what, file, .. } => {
            let file = if file.is_empty() { String::new() } else { format!("; file {file}") };
            (AuditLogAction::IncidentUnitAnswered, format!("request {number}: not answered -> {what}{file}"))
        }
        Action::WithdrawRequest { number, reason } => {
            (AuditLogAction::IncidentUnitWithdrawn, format!("request {number}: asked -> not asked: {reason}"))
        }
        Action::Acknowledge { .. }
        | Action::Comment { .. }
        | Action::Assign { .. }
        | Action::Repair { .. }
        | Action::Resolve { .. }
        | Action::Close { .. }
        | Action::Accept { .. }
        | Action::Reopen { .. }
        | Action::Merge { .. }
        | Action::Split { .. }
        | Action::Regulator { .. }
        | Action::RegulatorReceived
        | Action::RegulatorResult { .. }
        | Action::RegulatorConfirmed
        | Action::Verify { .. } => (AuditLogAction::IncidentAction, action.as_str().to_owned()),
    }
}

impl Engine {
    fn packs(&self, now: Timestamp) -> impl Iterator<Item = &Pack> {
        let today = self.today(now);
        let kinds = [PackKind::Regulation, PackKind::Regime];
        kinds.into_iter().filter_map(move |kind| self.config.legal.in_force(kind, today?))
    }

    /// An action with what the law packs and the record say to it.
    pub(super) fn with_law(
        &self,
        incident: IncidentId,
        action: Action,
        now: Timestamp,
    ) -> Result<Action, CommandError> {
        match action {
            Action::MarkSerious { reason, from_now, chosen, terms: _ } => {
                if chosen.len() > CHOSEN_MAX {
                    return Err(Field::Chosen.range(chosen.len(), 0, CHOSEN_MAX as u64).invalid());
                }
                let terms = terms(self.packs(now), &chosen).map_err(|id| {
                    let english = format!("chosen: no law pack in force has the condition {id:?}");
                    RefusalReason::new("refusal-no-condition", [("found", Word::text(id))], english).invalid()
                })?;
                Ok(Action::MarkSerious { reason, from_now, chosen, terms })
            }
            Action::ClockSent { clock, at, how, document: _ } => {
                let issued = self.form_issued(incident, &clock)?;
                if let Some((_, first)) = issued {
                    sent_since(first, at.unwrap_or(now))?;
                }
                Ok(Action::ClockSent { clock, at, how, document: issued.map(|(newest, _)| newest) })
            }
            other => Ok(other),
        }
    }

    /// The newest issued document of a deadline, and when its first version was issued; none where it asks for none.
    fn form_issued(&self, incident: IncidentId, clock: &str) -> Result<Option<(u64, Timestamp)>, CommandError> {
        let serious = self.state.incident(incident).and_then(|one| one.record.serious_now());
        let asked = serious.and_then(|serious| serious.clocks.iter().find(|one| one.term.id == clock));
        // What does not run the judge refuses.
        if asked.is_none_or(|asked| asked.term.form.is_empty()) {
            return Ok(None);
        }
        let key = form_key(incident, clock);
        let kept = self.reader.issued_reports(Some(&key), None, VERSIONS_MAX).map_err(CommandError::unread)?;
        let of_batch = self.batch.changes.iter().filter_map(|change| match change {
            Change::ReportIssued { issued, .. } if issued.report == key => Some((issued.number, issued.at)),
            _ => None,
        });
        let mut all = kept.iter().rev().map(|one| (one.number, one.at)).chain(of_batch);
        if let Some((first, at)) = all.next() {
            return Ok(Some((all.last().map_or(first, |(number, _)| number), at)));
        }
        let at = format!("/incidents/{}/forms/{clock}", incident.0);
        let english = format!("the form is not issued yet; mend: fill it in and issue it at {at}");
        Err(RefusalReason::new("refusal-form-not-issued", [("at", Word::text(at))], english).conflict())
    }

    /// By which criterion of a law pack an incident is serious that nobody has marked or unmarked.
    pub(super) fn criterion_of(&self, incident: &Incident, now: Timestamp) -> Option<SeriousCriterion> {
        // No pack of ours has one, and this is asked at every step of every incident.
        if self.config.legal.packs().iter().all(|pack| pack.serious.is_none()) {
            return None;
        }
        let mut criteria = self.packs(now).filter_map(|pack| pack.serious.as_ref());
        criteria.find(|criterion| is_serious(criterion, incident)).cloned()
    }

    /// Marks an incident by a criterion.
    pub(super) fn mark_by_criterion(&mut self, incident: IncidentId, criterion: SeriousCriterion, now: Timestamp) {
        // Told of twice in one step of the judge, or marked by a person a moment ago.
        if self.state.incident(incident).is_none_or(|one| !is_serious(&criterion, one)) {
            return;
        }
        let mark = Action::MarkSerious {
            reason: criterion.text,
            from_now: false,
            chosen: Vec::new(),
            terms: terms(self.packs(now), &[]).unwrap_or_default(),
        };
        let (action, detail) = logged(&mark);
        match self.decide(Input::Act { incident, who: "", action: mark }, now) {
            Ok(_) => self.record(now, "", action, &incident.to_string(), &detail),
            Err(error) => tracing::error!(%incident, %error, "the incident could not be marked serious"),
        }
    }
}

/// What was not issued yet was not sent. A form takes a moment to the minute.
fn sent_since(first: Timestamp, sent: Timestamp) -> Result<(), CommandError> {
    let minute = |at: Timestamp| at.as_millis().div_euclid(MINUTE_MS);
    if minute(sent) >= minute(first) {
        return Ok(());
    }
    let english = format!("at: found {sent}; its form was issued {first} at first, and cannot have been sent before");
    Err(RefusalReason::new("refusal-sent-before-issued", [], english).conflict())
}

fn is_serious(criterion: &SeriousCriterion, incident: &Incident) -> bool {
    let least = match criterion.severity {
        AtLeast::Warning => Severity::Warning,
        AtLeast::Critical => Severity::Critical,
    };
    // Whoever unmarked it knows better; what reminds of deadlines is none of the centre's incidents.
    let untouched = incident.record.serious.is_none() && incident.record.merged_into.is_none();
    untouched
        && incident.state.is_active()
        && incident.severity >= least
        && incident.progress.affected.max(1) >= criterion.affected
        && !incident.rule.starts_with(REMINDER)
}

#[cfg(test)]
mod tests {
    use ioc_common::config::Source;
    use ioc_document::legal::Packs;
    use ioc_judge::{NewIncident, Text};

    use super::super::time::tests::{Machine, Rig};
    use super::*;
    use crate::command::{Answer, Command};
    use crate::config::Config;
    use crate::config::testing::KINDS;

    const HOUR_MS: i64 = 3_600_000;

    fn opened(rig: &mut Rig) -> IncidentId {
        let manual = NewIncident {
            device: None,
            severity: Severity::Critical,
            title: Text::new("Mất điện", "No power"),
            reason: Text::new("x", "x"),
            advice: Text::default(),
            report: None,
        };
        match rig.command(Command::Open { manual, actor: "lan".into() }) {
            Ok(Answer::Incident(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn act(rig: &mut Rig, incident: IncidentId, action: Action) -> Result<Answer, CommandError> {
        rig.command(Command::Act { incident, action, actor: "lan".into() })
    }

    fn mark(chosen: &[&str]) -> Action {
        let chosen = chosen.iter().map(|one| (*one).to_owned()).collect();
        Action::MarkSerious { reason: "mất điện".into(), from_now: false, chosen, terms: Vec::new() }
    }

    #[test]
    fn the_packs_say_what_runs_and_what_a_person_chooses() {
        let packs = Packs::read(&[]).expect("sound");
        let of = |chosen: &[&str]| {
            let all = packs.get("nd-331-2026").into_iter().chain(packs.get("qd-1043-2022-an-giang"));
            let chosen: Vec<String> = chosen.iter().map(|one| (*one).to_owned()).collect();
            terms(all, &chosen).map(|found| found.into_iter().map(|one| one.id).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]).expect("sound"), ["first-notice", "cause-and-remedy"]);
        assert_eq!(of(&["personal-data"]).expect("sound"), ["first-notice", "cause-and-remedy", "personal-data"]);
        assert_eq!(of(&["regulator"]), Err("regulator".to_owned()), "what is kept by other means is not chosen");
    }

    #[test]
    fn what_the_law_asks_runs_through_restarts_and_is_met_by_what_was_issued() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        let incident = opened(&mut rig);
        assert!(act(&mut rig, incident, mark(&["other"])).is_err());
        act(&mut rig, incident, mark(&[])).expect("kept");
        let has = |rig: &Rig, clock: &str| rig.engine.state.has_self_fault(&format!("deadline/{}/{clock}", incident.0));
        assert!(!has(&rig, "first-notice"));
        machine.pass(19 * HOUR_MS);
        drop(rig);
        let mut rig = Rig::open(dir.path(), &machine);
        rig.command(Command::AwaitCommit).expect("kept");
        assert!(has(&rig, "first-notice") && !has(&rig, "cause-and-remedy"));
        let sent = || Action::ClockSent {
            clock: "first-notice".into(),
            at: None,
            how: "trục văn bản".into(),
            document: Some(99),
        };
        let refused = act(&mut rig, incident, sent()).expect_err("nothing was issued").to_string();
        assert!(refused.contains("/forms/first-notice"), "{refused}");
        let issue = Command::IssueReport {
            report: form_key(incident, "first-notice"),
            title: "Báo cáo ban đầu".into(),
            content: b"PK".to_vec(),
            source: "{}".into(),
            actor: "lan".into(),
        };
        rig.command(issue).expect("kept");
        machine.pass(2 * HOUR_MS);
        let mut early = sent();
        if let Action::ClockSent { at, .. } = &mut early {
            *at = Some(rig.engine.state.incident(incident).expect("there").opened_at.plus_millis(10 * HOUR_MS));
        }
        let refused = act(&mut rig, incident, early).expect_err("there was no form then").to_string();
        assert!(refused.contains("cannot have been sent before"), "{refused}");
        assert!(has(&rig, "first-notice"), "it runs still");
        act(&mut rig, incident, sent()).expect("kept");
        assert!(!has(&rig, "first-notice"), "it is met");
        let record = rig.engine.state.incident(incident).expect("there").record.clone();
        let clock = &record.serious_now().expect("marked").clocks[0];
        assert_eq!(clock.sent.as_ref().and_then(|sent| sent.document), Some(1), "what the record says, not the asker");
    }

    #[test]
    fn a_criterion_of_a_pack_marks_by_itself_and_gives_way_to_people() {
        let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
        let mut rig = Rig::open(dir.path(), &machine);
        let text = include_str!("../../../../config/legal/nd-331-2026.toml").replacen(
            "[[step]]",
            "[serious]\ntext = \"Gián đoạn\"\nseverity = \"critical\"\nsure = \"one\"\n[[step]]",
            1,
        );
        let own = dir.path().join("own.toml");
        std::fs::write(&own, text).expect("written");
        let text = format!("[legal]\nfiles = [{:?}]\n", own.display().to_string());
        let config = Config::parse(&Source::built_in("collector.toml", &text), &KINDS).expect("sound");
        rig.engine.config.legal = config.legal;
        let incident = opened(&mut rig);
        let serious = |rig: &Rig| {
            let record = rig.engine.state.incident(incident).expect("there").record.clone();
            record.serious_now().map(|serious| (serious.who.clone(), serious.reason.clone(), serious.clocks.len()))
        };
        assert_eq!(serious(&rig), Some((String::new(), "Gián đoạn".to_owned(), 2)));
        act(&mut rig, incident, Action::UnmarkSerious { reason: "diễn tập".into() }).expect("kept");
        act(&mut rig, incident, Action::Comment { text: "tiếp".into() }).expect("kept");
        assert_eq!(serious(&rig), None, "a person has said otherwise");
    }
}
