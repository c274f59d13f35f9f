//! Shifts that are handed over: whoever was on duty signs what happened, whoever is on duty next reads it and signs, too. Each signature is an entry of the
//! duty book, which is never changed.

use ioc_common::clock::Timestamp;
use ioc_judge::Text;
use ioc_judge::duty::calendar::{self, Shift};
use ioc_judge::duty::{Cover, Rota};

use super::Engine;
use crate::audit_action::AuditLogAction;
use crate::command::{CommandError, ShiftToSign};
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::template::one_line;
use ioc_store::{Change, Handover, SHIFT_EVENTS_MAX, ShiftSide, SignedShift};

/// Longest word to the other side, characters.
const NOTE_MAX_CHARS: usize = 4_000;
/// How far around now a shift is looked for, milliseconds: turns are a month at most.
const AROUND_MS: i64 = 32 * 86_400_000;
/// A shift is handed over no earlier before its end, milliseconds.
const EARLY_MS: i64 = 2 * 3_600_000;
/// A shift that ended so long ago and was not taken over is told of, milliseconds.
const LATE_MS: i64 = 3_600_000;
/// Whoever has signed nothing of a rota for so long does not hand over here, milliseconds: nothing is said of it.
const IN_USE_MS: i64 = 14 * 86_400_000;
/// Signatures that are looked through, and entries of who stands in.
const LOOKED_MAX: usize = 500;
const COVERS_MAX: usize = 5_000;

/// The shifts of a rota around now; what is cut off at the edge of that is none.
fn shifts(rota: &Rota, covers: &[Cover], now: Timestamp) -> Vec<Shift> {
    let (from, until) = (now.plus_millis(-AROUND_MS), now.plus_millis(AROUND_MS));
    let mut found = calendar::shifts(rota, covers, from, until);
    found.retain(|shift| shift.from > from && shift.until < until && !shift.people.is_empty());
    found
}

fn refused(key: &'static str, english: &str) -> CommandError {
    RefusalReason::new(key, [], english).conflict()
}

/// The signature of one side of a shift.
fn signature(signed: &[Handover], from: Timestamp, side: ShiftSide) -> Option<&Handover> {
    signed.iter().find(|entry| entry.shift.as_ref().is_some_and(|one| one.from == from && one.side == side))
}

/// Whether somebody may sign for this side of a shift now.
fn may_sign(asked: &ShiftToSign, shift: &Shift, signed: &[Handover], now: Timestamp) -> Result<(), CommandError> {
    let by = |side| signature(signed, asked.from, side);
    if by(asked.side).is_some() || by(ShiftSide::Taken).is_some() {
        return Err(refused("refusal-shift-signed", "this was signed already; look at the page again"));
    }
    match (asked.side, by(ShiftSide::Given)) {
        (ShiftSide::Given, _) if shift.until.millis_since(now) > EARLY_MS => {
            let english = "the shift lasts for more than two hours yet; it is handed over near its end";
            Err(refused("refusal-shift-early", english))
        }
        (ShiftSide::Taken, Some(given)) if given.who == asked.actor => {
            Err(refused("refusal-shift-same", "you handed this shift over; somebody else takes it over"))
        }
        (ShiftSide::Taken, None) if now < shift.until => {
            Err(refused("refusal-shift-not-over", "the shift is not over, and nobody has handed it over"))
        }
        (ShiftSide::Taken, None) if asked.note.trim().is_empty() => {
            let english = "note: nobody handed the shift over; say why you take it over without";
            Err(RefusalReason::new("refusal-shift-note", [], english).invalid())
        }
        (ShiftSide::Given | ShiftSide::Taken, _) => Ok(()),
    }
}

impl Engine {
    /// Signatures, the newest first, with those that are not committed yet.
    fn signatures(&self, rota: Option<&str>) -> Result<Vec<Handover>, CommandError> {
        let mut all = self.reader.signed_shifts(rota, LOOKED_MAX).map_err(CommandError::unread)?;
        for change in &self.batch.changes {
            if let Change::Handover(entry) = change
                && entry.shift.as_ref().is_some_and(|shift| rota.is_none_or(|rota| rota == shift.rota))
            {
                all.insert(0, entry.clone());
            }
        }
        Ok(all)
    }

    fn covers_around(&self, now: Timestamp) -> Result<Vec<Cover>, CommandError> {
        self.reader.covers_since(now.plus_millis(-AROUND_MS), COVERS_MAX).map_err(CommandError::unread)
    }

    /// Somebody signs for a shift: who hands over first, then who takes over.
    pub(super) fn sign_shift(&mut self, asked: ShiftToSign, now: Timestamp) -> super::CommandResult {
        if asked.account.events.len() > SHIFT_EVENTS_MAX || asked.account.open.len() > SHIFT_EVENTS_MAX {
            let args = [("most", Word::count(SHIFT_EVENTS_MAX))];
            let english = format!("allowed are {SHIFT_EVENTS_MAX} events of a shift");
            return Err(RefusalReason::new("refusal-shift-long", args, english).invalid());
        }
        let (covers, signed) = (self.covers_around(now)?, self.signatures(Some(&asked.rota))?);
        let plan = self.state.plan();
        let none = || {
            let english = "rota, from: there is no such shift in the duty plan around now";
            RefusalReason::new("report-refused-no-shift", [], english).not_found()
        };
        let rota = plan.rota(&asked.rota).ok_or_else(none)?;
        let (rota_name, all) = (rota.name.clone(), shifts(rota, &covers, now));
        let place = all.iter().position(|shift| shift.from == asked.from).ok_or_else(none)?;
        let shift = all.get(place).ok_or_else(none)?;
        may_sign(&asked, shift, &signed, now)?;
        let people = match asked.side {
            ShiftSide::Given => Some(&shift.people),
            ShiftSide::Taken => all.get(place + 1).map(|next| &next.people),
        };
        let person = plan.person_of_account(&asked.actor).map(|person| &person.id);
        let planned = people.zip(person).map(|(people, person)| people.contains(person));
        let until = shift.until;
        let ShiftToSign { rota, from, side, note, name, account, actor } = asked;
        let note: String = note.trim().chars().filter(|c| *c == '\n' || !c.is_control()).take(NOTE_MAX_CHARS).collect();
        let (text, action) = match side {
            ShiftSide::Given => ("Giao ca.", AuditLogAction::DutyShiftGiven),
            ShiftSide::Taken => ("Nhận ca.", AuditLogAction::DutyShiftTaken),
        };
        let text = if note.is_empty() { text.to_owned() } else { note };
        self.record(now, &actor, action, &rota, &format!("{from} to {until}: {}", one_line(&text, 200)));
        let shift = SignedShift { rota, from, until, side, name: one_line(&name, 200), planned, account };
        let entry = Handover { at: now, rota: rota_name, who: actor, text, shift: Some(Box::new(shift)) };
        self.batch.visible = true;
        self.batch.changes.push(Change::Handover(entry));
        // What was told of as not handed over may be so now.
        self.check_duty(now)
    }

    /// The last shift of each rota where shifts are handed over here, as long as nobody has taken it over.
    pub(super) fn unsigned_shifts(&self, now: Timestamp) -> Result<Vec<Text>, CommandError> {
        let signed = self.signatures(None)?;
        if signed.is_empty() {
            return Ok(Vec::new());
        }
        let covers = self.covers_around(now)?;
        let of = |rota: &Rota| unsigned_of(rota, &covers, &signed, now);
        Ok(self.state.plan().rotas.iter().filter_map(of).collect())
    }
}

/// What is said of the last shift of a rota that is over, where nobody has taken it over.
fn unsigned_of(rota: &Rota, covers: &[Cover], signed: &[Handover], now: Timestamp) -> Option<Text> {
    let of_rota = |entry: &&Handover| entry.shift.as_ref().is_some_and(|shift| shift.rota == rota.id);
    let signed: Vec<&Handover> = signed.iter().filter(of_rota).collect();
    if !signed.iter().any(|entry| now.millis_since(entry.at) < IN_USE_MS) {
        return None;
    }
    let all = shifts(rota, covers, now);
    let last = all.iter().rev().find(|shift| now.millis_since(shift.until) >= LATE_MS)?;
    let of_signed = || signed.iter().filter_map(|entry| entry.shift.as_deref());
    // A later one was signed, or this one was taken.
    if of_signed().any(|one| one.from > last.from || (one.from == last.from && one.side == ShiftSide::Taken)) {
        return None;
    }
    let span = format!("{} – {}", calendar::shown(last.from, &rota.zone), calendar::shown(last.until, &rota.zone));
    let name = &rota.name;
    Some(if of_signed().any(|one| one.from == last.from) {
        Text::new(
            format!("{name}: ca {span} đã ký giao, chưa ai ký nhận."),
            format!("{name}: the shift {span} was handed over, and nobody has taken it over."),
        )
    } else {
        Text::new(
            format!("{name}: ca {span} chưa ai ký giao."),
            format!("{name}: nobody has handed over the shift {span}."),
        )
    })
}

#[cfg(test)]
mod tests {
    use ioc_common::config::Source;
    use ioc_common::language::Language;
    use ioc_judge::duty::Plan;
    use jiff::tz::TimeZone;

    use super::*;

    /// Lan and Bình take turns by the day at 07:00.
    fn rota() -> Rota {
        let text = "[[person]]\nid = \"lan\"\nname = \"Lan\"\n[[person]]\nid = \"binh\"\nname = \"Bình\"\n[[rota]]\nid = \"noc\"\nname = \"Trực\"\n\
                    layer = [{ people = [\"lan\", \"binh\"], start = \"2026-01-05T07:00\", turn_days = 1 }]\n";
        let source = Source::built_in("duty.toml", text);
        let plan = Plan::parse(&source, &TimeZone::UTC, Language::Vietnamese, &[]).expect("a plan");
        plan.rotas.first().expect("a rota").clone()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn entry(from: Timestamp, side: ShiftSide, signed_at: Timestamp) -> Handover {
        let until = from.plus_millis(86_400_000);
        let account = Default::default();
        let name = String::new();
        let shift = SignedShift { rota: "noc".into(), from, until, side, name, planned: None, account };
        Handover {
            at: signed_at,
            rota: "Trực".into(),
            who: "lan".into(),
            text: String::new(),
            shift: Some(Box::new(shift)),
        }
    }

    #[test]
    fn a_shift_that_nobody_takes_over_is_told_of_where_shifts_are_handed_over_at_all() {
        let (rota, now) = (rota(), at("2026-01-20T08:30:00Z"));
        let (before, last) = (at("2026-01-18T07:00:00Z"), at("2026-01-19T07:00:00Z"));
        let said = |signed: &[Handover], now| unsigned_of(&rota, &[], signed, now).map(|text| text.vi);
        assert_eq!(said(&[], now), None, "nobody hands over here");
        let taken_before = entry(before, ShiftSide::Taken, last);
        let found = said(std::slice::from_ref(&taken_before), now).expect("told");
        assert!(found.contains("chưa ai ký giao"), "{found}");
        assert_eq!(
            said(std::slice::from_ref(&taken_before), at("2026-01-20T07:30:00Z")),
            None,
            "there is an hour for it"
        );
        let given = entry(last, ShiftSide::Given, now);
        let found = said(&[given.clone(), taken_before.clone()], now).expect("told");
        assert!(found.contains("chưa ai ký nhận"), "{found}");
        assert_eq!(said(&[entry(last, ShiftSide::Taken, now), given, taken_before.clone()], now), None);
        assert_eq!(said(&[taken_before], at("2026-03-20T08:30:00Z")), None, "that was long ago");
    }

    #[test]
    fn who_hands_over_does_not_take_over_and_a_shift_is_signed_once() {
        let (rota, now) = (rota(), at("2026-01-20T08:30:00Z"));
        let all = shifts(&rota, &[], now);
        let shift = all.iter().find(|shift| shift.from == at("2026-01-19T07:00:00Z")).expect("a shift");
        let asked = |side, actor: &str, note: &str| ShiftToSign {
            rota: "noc".into(),
            from: shift.from,
            side,
            note: note.into(),
            name: String::new(),
            account: Default::default(),
            actor: actor.into(),
        };
        let refused = |asked: &ShiftToSign, signed: &[Handover], now| {
            may_sign(asked, shift, signed, now).err().map(|error| error.to_string())
        };
        let early = at("2026-01-20T04:00:00Z");
        assert!(refused(&asked(ShiftSide::Given, "lan", ""), &[], early).is_some_and(|why| why.contains("two hours")));
        assert_eq!(refused(&asked(ShiftSide::Given, "lan", ""), &[], at("2026-01-20T05:30:00Z")), None);
        assert!(refused(&asked(ShiftSide::Taken, "binh", "x"), &[], early).is_some_and(|why| why.contains("not over")));
        assert!(refused(&asked(ShiftSide::Taken, "binh", " "), &[], now).is_some_and(|why| why.contains("note")));
        assert_eq!(refused(&asked(ShiftSide::Taken, "binh", "Lan ốm"), &[], now), None, "nobody handed it over");
        let given = [entry(shift.from, ShiftSide::Given, now)];
        assert!(refused(&asked(ShiftSide::Given, "binh", ""), &given, now).is_some_and(|why| why.contains("already")));
        assert!(
            refused(&asked(ShiftSide::Taken, "lan", ""), &given, now).is_some_and(|why| why.contains("somebody else"))
        );
        assert_eq!(refused(&asked(ShiftSide::Taken, "binh", ""), &given, now), None);
        let both = [given[0].clone(), entry(shift.from, ShiftSide::Taken, now)];
        assert!(refused(&asked(ShiftSide::Taken, "binh", ""), &both, now).is_some_and(|why| why.contains("already")));
    }
}
