//! What the law asks of serious incidents, and what units answer: said once each, whatever happens to the collector and its clock.

use ioc_common::id::IncidentId;

use super::fleet::{Fleet, no_plan, start};
use crate::deadline::{ClockTerm, DeadlineState, REMINDER};
use crate::{Action, IncidentState, Input, NewIncident, Severity, Text};

const HOUR_MS: i64 = 3_600_000;

fn term(id: &str, hours: i64, form: &str) -> ClockTerm {
    ClockTerm {
        id: id.to_owned(),
        condition: format!("điều kiện {id}"),
        to: "Bộ".to_owned(),
        law: "Nghị định".to_owned(),
        article: "31.2d".to_owned(),
        form: form.to_owned(),
        within_ms: hours * HOUR_MS,
        at_once: form.is_empty(),
    }
}

fn mark(from_now: bool) -> Action {
    let terms = vec![term("first", 24, "Báo cáo ban đầu"), term("whole", 72, "Báo cáo"), term("phone", 1, "")];
    Action::MarkSerious { reason: "mất điện toàn trung tâm".into(), from_now, chosen: Vec::new(), terms }
}

fn sent(clock: &str) -> Action {
    Action::ClockSent { clock: clock.to_owned(), at: None, how: "trục văn bản".to_owned(), document: Some(1) }
}

/// An incident that somebody opened at the beginning.
fn opened() -> Fleet {
    let mut fleet = Fleet::new(no_plan());
    let incident = NewIncident {
        device: None,
        severity: Severity::Critical,
        title: Text::new("Mất điện", "No power"),
        reason: Text::new("x", "x"),
        advice: Text::default(),
        report: None,
    };
    fleet.input(Input::Open { who: "lan", incident }).expect("allowed");
    fleet
}

/// What was said of deadlines: after how many hours, about which, and how.
fn said(fleet: &Fleet) -> Vec<(i64, String, &'static str)> {
    let of_deadline = fleet.notices.iter().filter_map(|(at, notice)| {
        let key = notice.rule.strip_prefix(REMINDER)?.to_owned();
        let about = match &notice.reason.en {
            text if text.contains("are left") => "soon",
            text if text.contains("has passed") && !text.contains("to take it") => "late",
            text if text.contains("waited for any more") => "over",
            _ => return None,
        };
        Some((at.millis_since(start()) / HOUR_MS, key, about))
    });
    of_deadline.collect()
}

fn expected(all: &[(i64, &str, &'static str)]) -> Vec<(i64, String, &'static str)> {
    all.iter().map(|(at, key, about)| (*at, (*key).to_owned(), *about)).collect()
}

const WHOLE: [(i64, &str, &str); 6] = [
    (0, "1/phone", "soon"),
    (1, "1/phone", "late"),
    (18, "1/first", "soon"),
    (24, "1/first", "late"),
    (60, "1/whole", "soon"),
    (72, "1/whole", "late"),
];

#[test]
fn each_deadline_is_said_when_it_is_near_and_when_it_is_missed_once() {
    let mut fleet = opened();
    fleet.act(1, mark(false)).expect("allowed");
    fleet.pass(100 * HOUR_MS);
    assert_eq!(said(&fleet), expected(&WHOLE));
    let reminder = fleet.incidents.values().find(|one| one.rule == "deadline/1/first").expect("a reminder");
    assert_eq!((reminder.severity, reminder.article.as_str()), (Severity::Critical, "31.2d"));
    assert!(reminder.title.vi.starts_with("Quá hạn: Báo cáo ban đầu (INC-000001)"), "{}", reminder.title.vi);
    // Nothing ends by time: it is late until it is sent.
    fleet.act(1, sent("first")).expect("allowed");
    assert_eq!(said(&fleet).last(), Some(&(100, "1/first".to_owned(), "over")));
    assert!(fleet.act(1, sent("first")).is_err(), "once");
    let serious = fleet.incidents[&IncidentId(1)].record.serious.clone().expect("marked");
    let states: Vec<DeadlineState> = serious.clocks.iter().map(|clock| clock.state(fleet.now)).collect();
    assert_eq!(states, [DeadlineState::MetLate, DeadlineState::Missed, DeadlineState::Missed]);
}

#[test]
fn a_restart_at_any_hour_says_nothing_twice_and_leaves_nothing_out() {
    for restart in 0..75 {
        let mut fleet = opened();
        fleet.act(1, mark(false)).expect("allowed");
        // It is over soon; what the law asks is not.
        fleet.pass(30 * 60_000);
        fleet.act(1, Action::Resolve { note: "xong".into() }).expect("allowed");
        fleet.act(1, Action::Close { course: "c".into(), remedy: "r".into() }).expect("allowed");
        fleet.pass(restart * HOUR_MS);
        fleet.restart();
        fleet.pass((100 - restart) * HOUR_MS);
        assert_eq!(said(&fleet), expected(&WHOLE), "restarted after {restart} h");
    }
}

#[test]
fn what_came_due_while_the_collector_was_away_is_said_as_missed_alone() {
    let mut fleet = opened();
    fleet.act(1, mark(false)).expect("allowed");
    fleet.now = fleet.now.plus_millis(48 * HOUR_MS);
    fleet.restart();
    fleet.pass(HOUR_MS);
    assert_eq!(said(&fleet), expected(&[(0, "1/phone", "soon"), (48, "1/first", "late"), (48, "1/phone", "late")]));
}

#[test]
fn a_step_of_the_clock_leaves_each_as_far_away_as_it_was() {
    for by_ms in [-9 * 365 * 24 * HOUR_MS, -HOUR_MS, 30 * HOUR_MS, 9 * 365 * 24 * HOUR_MS] {
        for at in [2, 20, 30] {
            let mut fleet = opened();
            fleet.act(1, mark(false)).expect("allowed");
            fleet.pass(at * HOUR_MS);
            fleet.step_clock(by_ms);
            fleet.pass((100 - at) * HOUR_MS);
            let hours = by_ms / HOUR_MS;
            let moved = |(when, key, about): &(i64, &str, &'static str)| {
                (if *when >= at { when + hours } else { *when }, (*key).to_owned(), *about)
            };
            assert_eq!(said(&fleet), WHOLE.iter().map(moved).collect::<Vec<_>>(), "{hours} h after {at} h");
        }
    }
}

#[test]
fn an_incident_is_marked_once_with_a_reason_and_unmarked_with_one() {
    let mut fleet = opened();
    let none = Action::MarkSerious { reason: " ".into(), from_now: false, chosen: Vec::new(), terms: Vec::new() };
    assert!(fleet.act(1, none).is_err());
    fleet.pass(20 * HOUR_MS);
    fleet.act(1, mark(true)).expect("allowed");
    assert!(fleet.act(1, mark(true)).is_err(), "already");
    assert!(fleet.act(1, sent("other")).is_err() && fleet.act(9, sent("first")).is_err());
    let ahead = Some(fleet.now.plus_millis(1));
    let early = Action::ClockSent { clock: "first".into(), at: ahead, how: "x".into(), document: None };
    assert!(fleet.act(1, early).is_err(), "nothing was sent tomorrow");
    fleet.act(1, sent("phone")).expect("allowed");
    assert!(fleet.act(1, Action::UnmarkSerious { reason: String::new() }).is_err());
    fleet.act(1, Action::UnmarkSerious { reason: "nhầm".into() }).expect("allowed");
    fleet.pass(100 * HOUR_MS);
    assert_eq!(
        said(&fleet),
        expected(&[(20, "1/phone", "soon"), (20, "1/phone", "over")]),
        "nothing is asked any more"
    );
    // It was serious after all: what was sent was sent, and the rest runs from its detection.
    fleet.act(1, mark(false)).expect("allowed");
    let late = said(&fleet).into_iter().skip(2).collect::<Vec<_>>();
    assert_eq!(late, expected(&[(120, "1/first", "late"), (120, "1/whole", "late")]));
}

#[test]
fn an_incident_with_deadlines_is_joined_to_no_other() {
    let mut fleet = opened();
    let incident = NewIncident {
        device: None,
        severity: Severity::Warning,
        title: Text::new("Khác", "Another"),
        reason: Text::new("x", "x"),
        advice: Text::default(),
        report: None,
    };
    fleet.input(Input::Open { who: "lan", incident }).expect("allowed");
    fleet.act(1, mark(false)).expect("allowed");
    assert!(fleet.act(1, Action::Merge { into: 2 }).is_err());
    fleet.act(2, Action::Merge { into: 1 }).expect("the other way");
    assert_eq!(fleet.incidents[&IncidentId(2)].state, IncidentState::Closed);
}

#[test]
fn a_unit_is_reminded_and_its_answer_counts_by_when_it_was_written_down() {
    let mut fleet = opened();
    let by = fleet.now.plus_millis(8 * HOUR_MS);
    let ask = |by| Action::AskUnit { unit: "Tổ Mạng".into(), what: "kiểm tra".into(), by };
    assert!(fleet.act(1, ask(fleet.now)).is_err(), "not in no time");
    fleet.act(1, ask(by)).expect("allowed");
    fleet.act(1, ask(by)).expect("allowed");
    fleet.act(1, ask(by)).expect("allowed");
    let answer = |number| Action::AnswerUnit {
        number,
        person: "Trần Văn A".into(),
        at: None,
        what: "đã thay".into(),
        file: String::new(),
    };
    fleet.act(1, answer(1)).expect("allowed");
    assert!(fleet.act(1, answer(1)).is_err() && fleet.act(1, answer(9)).is_err());
    let with_file =
        Action::AnswerUnit { number: 2, person: "A".into(), at: None, what: "x".into(), file: "ab".repeat(32) };
    assert!(fleet.act(1, with_file).is_err(), "there is no such file");
    fleet.act(1, Action::WithdrawRequest { number: 3, reason: "không cần".into() }).expect("allowed");
    fleet.pass(9 * HOUR_MS);
    fleet.restart();
    fleet.pass(HOUR_MS);
    fleet.act(1, answer(2)).expect("late is allowed");
    let found = said(&fleet);
    assert_eq!(found, expected(&[(6, "1/unit-2", "soon"), (8, "1/unit-2", "late"), (10, "1/unit-2", "over")]));
    let states = |fleet: &Fleet| {
        let requests = &fleet.incidents[&IncidentId(1)].record.requests;
        requests.iter().map(|one| one.state(fleet.now)).collect::<Vec<_>>()
    };
    assert_eq!(states(&fleet), [DeadlineState::Met, DeadlineState::MetLate, DeadlineState::Withdrawn]);
    assert_eq!(fleet.incidents[&IncidentId(1)].record.unit, "Tổ Mạng");
}
