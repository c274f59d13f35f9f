//! Turns that people ask each other to take: to stand in, or to swap two. Whoever is on duty asks, the other agrees or declines, and only then the
//! calendar changes, as by any stand-in (`duty`). Whoever leads the shift sees all of it, and writes down stand-ins without asking.

use ioc_common::clock::Timestamp;
use ioc_judge::duty::{Cover, Plan, Recipient, calendar};
use ioc_judge::{Notice, Occasion, Severity, Text};

use super::Engine;
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError, TurnToAsk};
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::template::one_line;
use ioc_store::{Change, RequestedTurn, RequestedTurnState};

/// Longest reason of who asks, and of who answers, characters.
const NOTE_MAX_CHARS: usize = 200;
/// Most turns of one person that wait for an answer.
const OPEN_MAX: usize = 20;
/// Requests that are looked through for those that are open: more than people have open at a time.
const LOOKED_MAX: usize = 500;
/// Notices about one request: what the key of each is counted from.
const NOTICES_OF_ONE: u64 = 4;

/// What a notice about a request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Asked,
    Agreed,
    Declined,
    Withdrawn,
}

/// The number of the request that a notice is about, from its step.
#[must_use]
pub fn request_of(step: u32) -> u64 {
    u64::from(step) / NOTICES_OF_ONE
}

/// How somebody is reached about a matter between people: as with a warning, by what carries only what is worse where there is nothing else.
fn ways(plan: &Plan, person: &str, now: Timestamp) -> Vec<Recipient> {
    let people = [person.to_owned()];
    let found = plan.recipients(&people, Severity::Warning, now);
    if found.is_empty() { plan.recipients(&people, Severity::Critical, now) } else { found }
}

/// Whether somebody has a rota alone from one moment to another, as far as that is ahead.
fn has_turn(plan: &Plan, covers: &[Cover], cover: &Cover, holder: &str, now: Timestamp) -> bool {
    let from = cover.from.max(now);
    let Some(rota) = plan.rota(&cover.rota) else { return false };
    let shifts = calendar::shifts(rota, covers, from, cover.until);
    shifts.last().is_some_and(|last| last.until == cover.until) && shifts.iter().all(|shift| shift.people == [holder])
}

/// A turn in words: rota, from, until.
fn turn_text(plan: &Plan, cover: &Cover) -> String {
    let rota = plan.rota(&cover.rota);
    let zone = rota.map_or(&plan.zone, |rota| &rota.zone);
    let name = rota.map_or(cover.rota.as_str(), |rota| rota.name.as_str());
    format!("{name} {} – {}", calendar::shown(cover.from, zone), calendar::shown(cover.until, zone))
}

fn name_of<'p>(plan: &'p Plan, id: &'p str) -> &'p str {
    plan.person(id).map_or(id, |person| person.name.as_str())
}

fn unknown_person(person: &str) -> CommandError {
    let english = format!("there is no person {person:?} in the duty plan");
    RefusalReason::new("refusal-no-person", [("person", Word::text(person))], english).not_found()
}

impl Engine {
    /// Whoever acts, as a person of the duty plan: the one whose account this is, or whom a signed link names.
    fn person_of(&self, actor: &str, by_link: Option<&str>) -> Result<String, CommandError> {
        let plan = self.state.plan();
        let person = match by_link {
            Some(id) => plan.people.iter().find(|one| one.id == id),
            None => plan.person_of_account(actor),
        };
        person.map(|one| one.id.clone()).ok_or_else(|| {
            let english = format!("account {actor:?} belongs to nobody in the duty plan; say whose it is there");
            RefusalReason::new("refusal-not-on-duty-plan", [("account", Word::text(actor))], english).forbidden()
        })
    }

    /// The newest requests, with those that are not committed yet.
    fn requests(&self) -> Result<Vec<RequestedTurn>, CommandError> {
        let mut all = self.reader.requested_turns(LOOKED_MAX).map_err(CommandError::unread)?;
        for change in &self.batch.changes {
            if let Change::RequestedTurn(request) = change {
                all.retain(|one| one.number != request.number);
                all.push((**request).clone());
            }
        }
        Ok(all)
    }

    /// Somebody on duty asks somebody else to take a turn, or to swap two.
    pub(super) fn ask_turn(&mut self, asked: TurnToAsk, actor: &str, now: Timestamp) -> super::CommandResult {
        let asker = self.person_of(actor, None)?;
        let TurnToAsk { asked, give, take, note } = asked;
        let plan = self.state.plan();
        let other = plan.people.iter().find(|one| one.id == asked).ok_or_else(|| unknown_person(&asked))?.id.clone();
        if other == asker {
            let english = "asked: this is yourself; choose somebody else";
            return Err(RefusalReason::new("refusal-asks-oneself", [], english).invalid());
        }
        if ways(plan, &other, now).is_empty() {
            let name = name_of(plan, &other).to_owned();
            let english = format!("{name} has no way to be reached; add a contact in the duty plan");
            return Err(RefusalReason::new("refusal-no-contact", [("person", Word::text(name))], english).conflict());
        }
        let note = one_line(&note, NOTE_MAX_CHARS);
        let turns = [(give, &other, &asker)].into_iter().chain(take.map(|take| (take, &asker, &other)));
        let mut covers = Vec::new();
        let mut instead_of = Vec::new();
        for ((rota, from, until), person, holder) in turns {
            let who = actor.to_owned();
            let cover = Cover { id: 0, rota, person: person.clone(), from, until, who, note: note.clone() };
            self.check_turn(&cover, holder, now)?;
            covers.push(cover);
            instead_of.push(holder.clone());
        }
        let known = self.requests()?;
        let open = known.iter().filter(|one| one.asker == asker && one.is_open(now)).count();
        if open >= OPEN_MAX {
            let english = format!("allowed are {OPEN_MAX} requests that wait; take one back first");
            let args = [("most", Word::count(OPEN_MAX))];
            return Err(RefusalReason::new("refusal-turns-open", args, english).conflict());
        }
        let number = known.iter().map(|one| one.number).max().unwrap_or(0) + 1;
        let request = RequestedTurn {
            number,
            at: now,
            asker,
            asked: other,
            covers,
            instead_of,
            note,
            state: RequestedTurnState::Asked,
            ended_at: None,
            ended_by: String::new(),
            answer: String::new(),
        };
        self.keep_turn(request, Said::Asked, actor, now);
        Ok(Answer::Done)
    }

    /// A turn can be given away by whoever has it, as far as it is ahead.
    fn check_turn(&self, cover: &Cover, holder: &str, now: Timestamp) -> Result<(), CommandError> {
        let plan = self.state.plan();
        if cover.until > now && has_turn(plan, self.state.covers(), cover, holder, now) {
            return Ok(());
        }
        let (name, turn) = (name_of(plan, holder).to_owned(), turn_text(plan, cover));
        let english = format!("{name} does not have {turn} alone, or it is over; look at the calendar again");
        let args = [("person", Word::text(name)), ("turn", Word::text(turn))];
        Err(RefusalReason::new("refusal-no-turn", args, english).conflict())
    }

    /// The request of this number that still waits for an answer.
    fn open_request(&self, number: u64, now: Timestamp) -> Result<RequestedTurn, CommandError> {
        let pending = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::RequestedTurn(request) if request.number == number => Some((**request).clone()),
            _ => None,
        });
        let found = match pending {
            Some(request) => Some(request),
            None => self.reader.requested_turn(number).map_err(CommandError::unread)?,
        };
        let none = || RefusalReason::new("refusal-no-request", [], "there is no such request").not_found();
        let found = found.ok_or_else(none)?;
        if !found.is_open(now) {
            let english = format!("the request was {} already, or its time is over", found.state.as_str());
            return Err(RefusalReason::new("refusal-request-over", [], english).conflict());
        }
        Ok(found)
    }

    /// Whoever is asked agrees, and the calendar changes; or declines.
    pub(super) fn answer_turn(
        &mut self,
        (number, agreed): (u64, bool),
        answer: &str,
        (actor, by_link): (&str, Option<&str>),
        now: Timestamp,
    ) -> super::CommandResult {
        let me = self.person_of(actor, by_link)?;
        let mut request = self.open_request(number, now)?;
        if request.asked != me {
            let english = "somebody else is asked";
            return Err(RefusalReason::new("refusal-request-not-yours", [], english).forbidden());
        }
        if agreed {
            for (cover, holder) in request.covers.iter().zip(&request.instead_of) {
                self.check_turn(cover, holder, now)?;
            }
            self.cover(request.covers.clone(), &request.instead_of, actor, now)?;
        }
        request.state = if agreed { RequestedTurnState::Agreed } else { RequestedTurnState::Declined };
        request.answer = one_line(answer, NOTE_MAX_CHARS);
        self.end_turn(request, if agreed { Said::Agreed } else { Said::Declined }, actor, now);
        Ok(Answer::Done)
    }

    /// Whoever asked takes it back.
    pub(super) fn withdraw_turn(&mut self, number: u64, actor: &str, now: Timestamp) -> super::CommandResult {
        let me = self.person_of(actor, None)?;
        let mut request = self.open_request(number, now)?;
        if request.asker != me {
            let english = "somebody else asked";
            return Err(RefusalReason::new("refusal-request-not-yours", [], english).forbidden());
        }
        request.state = RequestedTurnState::Withdrawn;
        self.end_turn(request, Said::Withdrawn, actor, now);
        Ok(Answer::Done)
    }

    fn end_turn(&mut self, mut request: RequestedTurn, said: Said, actor: &str, now: Timestamp) {
        request.ended_at = Some(now);
        actor.clone_into(&mut request.ended_by);
        self.keep_turn(request, said, actor, now);
    }

    fn keep_turn(&mut self, request: RequestedTurn, said: Said, actor: &str, now: Timestamp) {
        let plan = self.state.plan();
        let turns: Vec<String> = request.covers.iter().map(|cover| turn_text(plan, cover)).collect();
        let detail = format!("{} → {}: {}", request.asker, request.asked, turns.join("; "));
        let words = [request.note.as_str(), request.answer.as_str()];
        let words: Vec<&str> = words.into_iter().filter(|text| !text.is_empty()).collect();
        let detail = [vec![detail.as_str()], words].concat().join(" · ");
        let (to, text) = match said {
            Said::Asked | Said::Withdrawn => (&request.asked, &request.note),
            Said::Agreed | Said::Declined => (&request.asker, &request.answer),
        };
        let notice = notice(plan, &request, said, (to, text), now);
        let action = match said {
            Said::Asked => AuditLogAction::DutyTurnAsked,
            Said::Agreed => AuditLogAction::DutyTurnAgreed,
            Said::Declined => AuditLogAction::DutyTurnDeclined,
            Said::Withdrawn => AuditLogAction::DutyTurnWithdrawn,
        };
        self.record(now, actor, action, &request.number.to_string(), &detail);
        self.enqueue_notice(&notice, now);
        self.batch.visible = true;
        self.batch.changes.push(Change::RequestedTurn(Box::new(request)));
    }

    /// What nobody has answered in time is over: nobody stands in, and who asked is on duty as before.
    pub(super) fn lapse_turns(&mut self, now: Timestamp) -> Result<(), CommandError> {
        for mut request in self.requests()? {
            if request.state == RequestedTurnState::Asked && !request.is_open(now) {
                request.state = RequestedTurnState::Lapsed;
                request.ended_at = Some(now);
                self.record(now, "", AuditLogAction::DutyTurnLapsed, &request.number.to_string(), "");
                self.batch.changes.push(Change::RequestedTurn(Box::new(request)));
            }
        }
        Ok(())
    }
}

/// What is told about a request, and whom.
fn notice(plan: &Plan, request: &RequestedTurn, said: Said, (to, words): (&str, &str), now: Timestamp) -> Notice {
    let turn = |place: usize| request.covers.get(place).map(|cover| turn_text(plan, cover)).unwrap_or_default();
    let (asker, asked) = (name_of(plan, &request.asker), name_of(plan, &request.asked));
    let is_swap = request.covers.len() > 1;
    let what = if is_swap {
        Text::new(
            format!("{asker} muốn đổi {} lấy {} của {asked}.", turn(0), turn(1)),
            format!("{asker} offers {} for {asked}'s {}.", turn(0), turn(1)),
        )
    } else {
        Text::new(
            format!("{asker} nhờ {asked} trực thay: {}.", turn(0)),
            format!("{asker} asks {asked} to stand in: {}.", turn(0)),
        )
    };
    let title = match said {
        Said::Asked if is_swap => Text::new("Xin đổi ca trực", "A swap of turns is asked for"),
        Said::Asked => Text::new("Nhờ trực thay", "Somebody asks you to stand in"),
        Said::Agreed => Text::new("Đã đồng ý trực thay", "The turn was taken"),
        Said::Declined => Text::new("Không nhận trực thay", "The turn was declined"),
        Said::Withdrawn => Text::new("Thôi nhờ trực thay", "The request was taken back"),
    };
    let advice = match said {
        Said::Asked => Text::new(
            "Mở liên kết để đồng ý hoặc từ chối. Lịch trực chỉ đổi khi bạn đồng ý.",
            "Open the link to agree or decline. The calendar changes only when you agree.",
        ),
        Said::Agreed => Text::new("Lịch trực đã đổi.", "The calendar has changed."),
        Said::Declined => Text::new(
            "Lịch trực giữ nguyên: bạn vẫn trực. Nhờ người khác nếu cần.",
            "The calendar stays as it is: you are on duty. Ask somebody else if need be.",
        ),
        Said::Withdrawn => Text::new("Không cần làm gì.", "Nothing is to be done."),
    };
    let with = |text: &str| if words.is_empty() { text.to_owned() } else { format!("{text} «{words}»") };
    let step = request.number * NOTICES_OF_ONE
        + match said {
            Said::Asked => 0,
            Said::Agreed => 1,
            Said::Declined => 2,
            Said::Withdrawn => 3,
        };
    let occasion = if said == Said::Asked { Occasion::TurnAsked } else { Occasion::TurnAnswered };
    let reason = Text::new(with(&what.vi), with(&what.en));
    Notice {
        step: u32::try_from(step).unwrap_or(u32::MAX),
        to: ways(plan, to, now),
        ..Notice::beside_incidents(occasion, title, reason, advice, now)
    }
}
