//! Maintenance windows, standing in, the duty book, contacts.

use ioc_common::clock::Timestamp;
use ioc_judge::duty::{Cover, calendar};
use ioc_judge::{Input, NewIncident, Notice, Occasion, Severity, Text, Window};

use super::Engine;
use super::commands::checked_text;
use crate::audit_action::AuditLogAction;
use crate::command::Answer;
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::template::one_line;
use ioc_store::{Change, Handover};

/// Longest title of a window and reason of a stand-in.
const LINE_MAX_CHARS: usize = 200;
/// Longest entry of the duty book.
const HANDOVER_MAX_CHARS: usize = 10_000;
/// Gaps that are written out.
const GAPS_MAX: usize = 10;

/// Who stands in within the stretch of `cover`, if that is somebody else than `holder`, from whom it is to be taken: somebody decided so
/// after whoever asks had looked.
fn stands_in<'c>(covers: &'c [Cover], cover: &Cover, holder: &str) -> Option<&'c String> {
    let of_rota = covers.iter().filter(|one| one.rota == cover.rota);
    // It changes where one begins, and where one ends before which an older one stands.
    let changes = of_rota.flat_map(|one| [one.from.max(cover.from), one.until]);
    let in_force = changes.filter(|at| cover.from <= *at && *at < cover.until).filter_map(|at| {
        // The newest word counts.
        covers.iter().rev().find(|one| one.rota == cover.rota && one.from <= at && at < one.until)
    });
    in_force.map(|one| &one.person).find(|person| *person != holder)
}

impl Engine {
    pub(super) fn plan_window(
        &mut self,
        mut window: Window,
        overrule: bool,
        actor: &str,
        now: Timestamp,
    ) -> super::CommandResult {
        actor.clone_into(&mut window.who);
        window.title = one_line(&window.title, LINE_MAX_CHARS);
        let detail = serde_json::to_string(&window).unwrap_or_default();
        self.decide(Input::PlanWindow { window, overrule }, now)?;
        self.record(now, actor, AuditLogAction::WindowPlanned, "", &detail);
        Ok(Answer::Done)
    }

    pub(super) fn cover(
        &mut self,
        mut covers: Vec<Cover>,
        instead_of: &[String],
        actor: &str,
        now: Timestamp,
    ) -> super::CommandResult {
        for (cover, holder) in covers.iter().zip(instead_of) {
            if let Some(other) = stands_in(self.state.covers(), cover, holder) {
                let (rota, from) = (&cover.rota, cover.from);
                let english =
                    format!("{other} stands in on {rota} from {from} by now, not {holder}; look at the plan again");
                let args = [("other", Word::text(other.as_str())), ("holder", Word::text(holder.as_str()))];
                return Err(RefusalReason::new("refusal-stands-in", args, english).conflict());
            }
        }
        let mut records = Vec::new();
        for cover in &mut covers {
            actor.clone_into(&mut cover.who);
            cover.note = one_line(&cover.note, LINE_MAX_CHARS);
            let detail = format!("{} from {} until {}: {}", cover.person, cover.from, cover.until, cover.note);
            records.push((cover.rota.clone(), detail));
        }
        self.decide(Input::AddCovers(covers), now)?;
        for (rota, detail) in records {
            self.record(now, actor, AuditLogAction::CoverAdded, &rota, &detail);
        }
        self.check_duty(now)
    }

    pub(super) fn hand_over(&mut self, mut entry: Handover, now: Timestamp) -> super::CommandResult {
        (entry.text, entry.at) = (checked_text(&entry.text, HANDOVER_MAX_CHARS)?, now);
        let (who, rota) = (entry.who.clone(), entry.rota.clone());
        self.record(now, &who, AuditLogAction::DutyHandover, &rota, &entry.text.chars().take(200).collect::<String>());
        self.batch.visible = true;
        self.batch.changes.push(Change::Handover(entry));
        Ok(Answer::Done)
    }

    /// Sends a person a notice by every way there is, whatever the hour: they asked for it.
    pub(super) fn test_contact(&mut self, person: &str, actor: &str, now: Timestamp) -> super::CommandResult {
        let Some(known) = self.state.plan().person(person) else {
            let english = format!("there is no person {person:?} in the duty plan");
            return Err(RefusalReason::new("refusal-no-person", [("person", Word::text(person))], english).not_found());
        };
        let name = known.name.clone();
        let mut to = self.state.plan().recipients(std::slice::from_ref(&known.id), Severity::Critical, now);
        if to.is_empty() {
            let english = format!("{name} has no way to be reached; add a contact in the duty plan");
            return Err(RefusalReason::new("refusal-no-contact", [("person", Word::text(name))], english).conflict());
        }
        to.iter_mut().for_each(|one| one.not_before = None);
        self.record(now, actor, AuditLogAction::ContactTested, person, "");
        let reason =
            Text::new(format!("{actor} thử cách liên lạc với {name}."), format!("{actor} tests how to reach {name}."));
        let title = Text::new("Thử kênh liên lạc", "Test of a contact");
        let advice = Text::new("Không cần làm gì.", "Nothing is to be done.");
        let notice = Notice { to, ..Notice::beside_incidents(Occasion::Test, title, reason, advice, now) };
        self.enqueue_notice(&notice, now);
        Ok(Answer::Done)
    }

    /// Looks for holes in the duty plan, and for people on two rotas at once, for as long as is looked ahead; there is an incident while there are any
    /// (lesson 10). Who is on duty twice may be meant so: it is information, and wakes nobody.
    pub(super) fn check_duty(&mut self, now: Timestamp) -> super::CommandResult {
        self.lapse_turns(now)?;
        let plan = self.state.plan();
        let outlook = calendar::outlook(plan, self.state.covers(), now);
        let (gaps, doubles) = (calendar::gaps(plan, &outlook), calendar::double_texts(plan, &outlook));
        let (manual, why) = self_fault(
            &gaps,
            Severity::Warning,
            Text::new("Lịch trực có chỗ trống", "The duty plan has a hole"),
            Text::new(
                "Xếp người trực thay trên trang Trực, hoặc sửa kế hoạch trực.",
                "Have someone stand in on the duty page, or mend the duty plan.",
            ),
            Text::new("Lịch trực đã đủ.", "The duty plan is whole."),
        );
        self.decide(Input::SelfFault { key: "duty-hole", incident: manual, why }, now)?;
        let (manual, why) = self_fault(
            &doubles,
            Severity::Info,
            Text::new("Có người trực hai lịch cùng lúc", "Somebody is on duty twice at once"),
            Text::new(
                "Xem lịch tháng trên trang Trực; xếp người trực thay cho một trong hai lịch nếu không cố ý.",
                "Look at the month's calendar on the duty page; have someone stand in on one of the two if it is not meant.",
            ),
            Text::new("Không còn ai trực hai lịch cùng lúc.", "Nobody is on duty twice at once any more."),
        );
        self.decide(Input::SelfFault { key: "duty-double", incident: manual, why }, now)?;
        let unsigned = self.unsigned_shifts(now)?;
        let (manual, why) = self_fault(
            &unsigned,
            Severity::Info,
            Text::new("Ca trực chưa bàn giao xong", "A shift was not handed over"),
            Text::new(
                "Mở Trực > Giao ca: người trực ca trước ký giao, người trực ca này đọc và ký nhận.",
                "Open Duty > Hand-over: who was on duty signs, who is on duty reads it and signs, too.",
            ),
            Text::new("Ca trực đã bàn giao.", "The shift was handed over."),
        );
        self.decide(Input::SelfFault { key: "duty-unsigned", incident: manual, why }, now)?;
        Ok(Answer::Done)
    }
}

/// An incident of the centre while anything is wrong, and what is said of it then or when nothing is.
fn self_fault(
    found: &[Text],
    severity: Severity,
    title: Text,
    advice: Text,
    none: Text,
) -> (Option<NewIncident>, Text) {
    let Some((first, more)) = found.split_first() else { return (None, none) };
    let mut why = first.clone();
    for one in more.iter().take(GAPS_MAX - 1) {
        why.append(one);
    }
    let incident = NewIncident { device: None, severity, title, reason: why.clone(), advice, report: None };
    (Some(incident), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_that_somebody_was_given_meanwhile_is_not_taken_from_whom_the_page_named() {
        let at = Timestamp::from_millis;
        let cover = |rota: &str, person: &str, from, until| Cover {
            id: 0,
            rota: rota.to_owned(),
            person: person.to_owned(),
            from: at(from),
            until: at(until),
            who: String::new(),
            note: String::new(),
        };
        let asked = cover("day", "nam", 100, 200);
        let found = |covers: &[Cover]| stands_in(covers, &asked, "lan").cloned();
        assert_eq!(found(&[]), None);
        for (from, until) in [(50, 150), (150, 250), (120, 180), (50, 250), (100, 200)] {
            let binh = cover("day", "binh", from, until);
            assert_eq!(found(std::slice::from_ref(&binh)).as_deref(), Some("binh"), "{from} to {until}");
            assert_eq!(found(&[binh, cover("day", "lan", 0, 300)]), None, "the newest word is hers");
        }
        for other in [cover("day", "binh", 0, 100), cover("day", "binh", 200, 300), cover("night", "binh", 0, 300)] {
            assert_eq!(found(std::slice::from_ref(&other)), None, "{other:?}");
        }
        assert_eq!(found(&[cover("day", "lan", 0, 300)]), None);
        let part = [cover("day", "lan", 0, 300), cover("day", "binh", 190, 195)];
        assert_eq!(found(&part).as_deref(), Some("binh"));
        let again = [cover("day", "binh", 0, 300), cover("day", "lan", 0, 150)];
        assert_eq!(found(&again).as_deref(), Some("binh"), "behind hers it is his again");
    }
}
