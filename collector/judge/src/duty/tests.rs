use jiff::tz::TimeZone;

use ioc_common::clock::Timestamp;
use ioc_common::config::{ConfigError, Source};
use ioc_common::language::Language;

use super::calendar::{double_texts, doubles, gaps, on_duty, outlook, shifts};
use super::*;

const PLAN: &str = r#"
[[person]]
id = "lan"
name = "Nguyễn Thị Lan"
contact = [{ channel = "sms", address = "+84 900" }]
[[person]]
id = "binh"
name = "Trần Bình"
contact = [{ channel = "mail", address = "binh@ioc" }, { channel = "sms", address = "+84 901", min_severity = "critical" }]
quiet = { from = "22:00", until = "06:00" }
[[person]]
id = "mute"
name = "Câm"
[[team]]
id = "ops"
members = ["lan", "binh"]
[[rota]]
id = "truc-ban"
name = "Trực ban"
[[rota.layer]]
people = ["lan", "binh"]
start = "2026-11-02T07:00"
[[rota.layer]]
people = ["mute"]
start = "2026-11-02T07:00"
from = "12:00"
until = "13:00"
days = [1, 2, 3, 4, 5]
[[rota.holiday]]
date = "2027-01-01"
people = ["binh"]
[[policy]]
id = "default"
repeat = 1
step = [{ after = "0s", to = ["rota:truc-ban"] }, { after = "5m", to = ["team:ops", "leader"] }]
[[route]]
policy = "default"
[[deadline]]
priority = "P1"
acknowledge = "3m"
resolve = "2h"
"#;

fn parse(text: &str) -> Result<Plan, ConfigError> {
    let zone = TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone");
    Plan::parse(&Source::built_in("duty.toml", text), &zone, Language::Vietnamese, &["sms", "mail"])
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn turns_are_handed_over_at_the_same_local_time_and_later_layers_go_first() {
    let plan = parse(PLAN).unwrap_or_else(|e| panic!("{e}"));
    let rota = plan.rota("truc-ban").expect("rota");
    // Monday 9 November 07:00 in Vietnam is midnight UTC.
    assert_eq!(on_duty(rota, &[], at("2026-11-08T23:59:59Z")), ["lan"]);
    assert_eq!(on_duty(rota, &[], at("2026-11-09T00:00:00Z")), ["binh"]);
    assert_eq!(on_duty(rota, &[], at("2026-11-16T00:00:00Z")), ["lan"]);
    assert_eq!(on_duty(rota, &[], at("2026-11-16T05:30:00Z")), ["mute"], "at noon on a Monday");
    assert_eq!(on_duty(rota, &[], at("2026-11-21T05:30:00Z")), ["lan"], "not on a Saturday");
    assert_eq!(on_duty(rota, &[], at("2026-12-31T17:00:00Z")), ["binh"], "New Year by local date");
    assert!(on_duty(rota, &[], at("2026-11-01T00:00:00Z")).is_empty(), "before the first turn");
    let cover = Cover {
        id: 1,
        rota: "truc-ban".into(),
        person: "binh".into(),
        from: at("2026-11-20T00:00:00Z"),
        until: at("2026-11-21T00:00:00Z"),
        who: "admin".into(),
        note: "wedding".into(),
    };
    assert_eq!(on_duty(rota, std::slice::from_ref(&cover), at("2026-11-20T12:00:00Z")), ["binh"]);
    let shifts = shifts(rota, &[cover], at("2026-11-19T23:00:00Z"), at("2026-11-21T02:00:00Z"));
    let seen: Vec<(&str, String)> = shifts.iter().map(|one| (one.people[0].as_str(), one.until.to_string())).collect();
    assert_eq!(
        seen,
        [
            ("lan", "2026-11-20T00:00:00.000Z".to_owned()),
            ("binh", "2026-11-21T00:00:00.000Z".into()),
            ("lan", "2026-11-21T02:00:00.000Z".into())
        ]
    );
}

#[test]
fn a_day_that_clocks_make_longer_is_one_day_all_the_same() {
    let text = PLAN.replace("name = \"Trực ban\"", "zone = \"Europe/Berlin\"").replace("2026-11-02", "2026-10-19");
    let plan = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    let rota = plan.rota("truc-ban").expect("rota");
    // 26 October 07:00 in Berlin is 06:00 UTC, an hour later than the week before.
    assert_eq!(on_duty(rota, &[], at("2026-10-26T05:59:00Z")), ["lan"]);
    assert_eq!(on_duty(rota, &[], at("2026-10-26T06:00:00Z")), ["binh"]);
}

#[test]
fn in_a_repeated_or_skipped_hour_a_turn_is_handed_over_once_and_in_time() {
    let berlin = |start: &str| {
        let text = PLAN.replace("name = \"Trực ban\"", "zone = \"Europe/Berlin\"").replace("2026-11-02T07:00", start);
        parse(&text).unwrap_or_else(|e| panic!("{e}"))
    };
    for (start, before, over) in [
        // Clocks show 02:30 twice on 25 October, and never on 29 March.
        ("2026-10-18T02:30", "2026-10-25T00:29:59Z", "2026-10-25T00:30:00Z"),
        ("2026-03-22T02:30", "2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"),
    ] {
        let plan = berlin(start);
        let rota = plan.rota("truc-ban").expect("rota");
        assert_eq!(on_duty(rota, &[], at(before)), ["lan"], "{start}");
        for minutes in 0..240 {
            let now = at(over).plus_millis(minutes * 60_000);
            assert_eq!(on_duty(rota, &[], now), ["binh"], "{start} at {now}");
        }
        let found = shifts(rota, &[], at(over).plus_millis(-3_600_000), at(over).plus_millis(10_800_000));
        assert_eq!(found.iter().map(|one| one.from).collect::<Vec<_>>()[1..], [at(over)], "{found:?}");
    }
    // Quiet hours are over where clocks show their end for the first time.
    let text = PLAN.replace("until = \"06:00\"", "until = \"02:30\"");
    let mut plan = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    plan.zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let told = |now| plan.recipients(&["binh".to_owned()], Severity::Warning, at(now))[0].not_before;
    assert_eq!(told("2026-10-24T23:00:00Z"), Some(at("2026-10-25T00:30:00Z")));
    assert_eq!(told("2026-10-25T01:15:00Z"), None, "the second time that it is 02:15");
}

#[test]
fn quiet_hours_hold_back_what_is_not_bad_enough() {
    let plan = parse(PLAN).unwrap_or_else(|e| panic!("{e}"));
    let people = ["binh".to_owned(), "mute".to_owned()];
    let night = at("2026-11-25T16:30:00Z");
    let told = plan.recipients(&people, Severity::Warning, night);
    assert_eq!(told.len(), 1, "SMS is for what is critical: {told:?}");
    assert_eq!(told[0].not_before, Some(at("2026-11-25T23:00:00Z")), "six in the morning");
    let told = plan.recipients(&people, Severity::Critical, night);
    assert!(told.len() == 2 && told.iter().all(|one| one.not_before.is_none()), "{told:?}");
    assert_eq!(plan.recipients(&people, Severity::Warning, at("2026-11-25T12:00:00Z"))[0].not_before, None);
}

#[test]
fn a_policy_is_gone_through_step_by_step_and_round_by_round() {
    let plan = parse(PLAN).unwrap_or_else(|e| panic!("{e}"));
    let policy = plan.policy_for(Severity::Warning, None).expect("a policy");
    let mut now = at("2026-11-25T00:00:00Z");
    let mut escalation = Escalation::begin(policy, now);
    let mut seen = Vec::new();
    while let Some(this) = escalation {
        seen.push((this.round, this.step, this.due_at.millis_since(now) / 1000));
        now = this.due_at;
        escalation = this.next(policy, now);
    }
    assert_eq!(seen, [(0, 0, 0), (0, 1, 300), (1, 0, 300), (1, 1, 300)]);
}

#[test]
fn holes_and_people_who_cannot_be_reached_are_found() {
    let plan = parse(PLAN).unwrap_or_else(|e| panic!("{e}"));
    let gaps_of = |plan: &Plan| gaps(plan, &outlook(plan, &[], at("2026-11-25T00:00:00Z")));
    let found = gaps_of(&plan);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].en.starts_with("Câm"), "{found:?}");
    let holes = parse(
        &PLAN.replace("start = \"2026-11-02T07:00\"\n[[rota.layer]]", "start = \"2026-11-27T07:00\"\n[[rota.layer]]"),
    );
    let found = gaps_of(&holes.expect("parses"));
    assert!(found.iter().any(|text| text.en.contains("nobody from 24/11/2026 13:00")), "{found:?}");
}

#[test]
fn faults_in_the_plan_point_at_their_line() {
    for (from, to, line, word) in [
        ("members = [\"lan\", \"binh\"]", "members = [\"lan\", \"bin\"]", 16, "bin"),
        ("channel = \"sms\", address = \"+84 900\"", "channel = \"fax\", address = \"1\"", 5, "allowed are sms, mail"),
        ("rota:truc-ban", "rota:truc", 35, "allowed"),
        ("from = \"12:00\"", "from = \"12:10\"", 26, "quarters"),
        ("people = [\"mute\"]", "people = []", 24, "without people"),
        ("priority = \"P1\"", "priority = \"P9\"", 39, "P9"),
    ] {
        assert!(PLAN.contains(from), "{from}");
        let error = parse(&PLAN.replace(from, to)).expect_err(to);
        assert!(error.line == line && error.message.contains(word), "{error}");
    }
}

/// Who is on duty, looked at in every quarter of an hour.
fn quarter_by_quarter(
    rota: &Rota,
    covers: &[Cover],
    from: Timestamp,
    until: Timestamp,
) -> Vec<(Timestamp, Vec<String>)> {
    let mut found: Vec<(Timestamp, Vec<String>)> = Vec::new();
    let mut at = from;
    while at < until {
        let people = on_duty(rota, covers, at);
        if found.last().is_none_or(|(_, last)| *last != people) {
            found.push((at, people));
        }
        at = at.plus_millis(15 * 60_000);
    }
    found
}

#[test]
fn shifts_change_where_every_quarter_of_an_hour_says_so_in_zones_that_change_their_clocks() {
    let zones = ["Asia/Ho_Chi_Minh", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana"];
    for zone in zones {
        let text =
            PLAN.replace("name = \"Trực ban\"", &format!("zone = \"{zone}\"")).replace("2027-01-01", "2026-10-25");
        let text = text.replace("start = \"2026-11-02T07:00\"", "start = \"2026-03-02T02:30\"\nturn_days = 1");
        let plan = parse(&text.replace("until = \"13:00\"", "until = \"02:15\"")).unwrap_or_else(|e| panic!("{e}"));
        let rota = plan.rota("truc-ban").expect("rota");
        let cover = Cover {
            id: 1,
            rota: "truc-ban".into(),
            person: "mute".into(),
            from: at("2026-10-31T22:15:00Z"),
            until: at("2026-11-01T05:45:00Z"),
            who: String::new(),
            note: String::new(),
        };
        for (from, until) in
            [("2026-03-20T00:00:00Z", "2026-04-30T00:00:00Z"), ("2026-10-01T00:00:00Z", "2026-11-05T00:00:00Z")]
        {
            let (from, until) = (at(from), at(until));
            let covers = std::slice::from_ref(&cover);
            let found = shifts(rota, covers, from, until);
            assert_eq!(found.last().map(|last| last.until), Some(until));
            assert!(found.windows(2).all(|two| two[0].until == two[1].from));
            let begins: Vec<(Timestamp, Vec<String>)> = found.into_iter().map(|one| (one.from, one.people)).collect();
            assert_eq!(begins, quarter_by_quarter(rota, covers, from, until), "{zone}");
        }
    }
}

#[test]
fn the_present_shift_has_its_true_beginning_and_a_stand_in_ends_to_the_minute() {
    let plan = parse(PLAN).unwrap_or_else(|e| panic!("{e}"));
    let now = at("2026-11-13T03:20:00Z");
    let found = outlook(&plan, &[], now);
    let first = &found[0].1[0];
    // Binh's week began on Monday at seven; on that Friday at noon somebody else is on for an hour.
    assert_eq!(first.people, ["binh"]);
    assert_eq!((first.from, first.until), (at("2026-11-12T06:00:00Z"), at("2026-11-13T05:00:00Z")));
    let cover = Cover {
        id: 1,
        rota: "truc-ban".into(),
        person: "lan".into(),
        from: at("2026-11-13T03:07:00Z"),
        until: at("2026-11-13T04:11:30Z"),
        who: String::new(),
        note: String::new(),
    };
    let found = outlook(&plan, std::slice::from_ref(&cover), now);
    let first = &found[0].1[0];
    assert_eq!((first.people[0].as_str(), first.from, first.until), ("lan", cover.from, cover.until));
    // One who is always on duty: it is not known since when, but for longer than is looked.
    let always =
        parse(&PLAN.replace("people = [\"lan\", \"binh\"]", "people = [\"lan\"]").replace("[\"mute\"]", "[\"lan\"]"));
    let always = always.unwrap_or_else(|e| panic!("{e}"));
    let now = at("2029-11-13T03:20:00Z");
    let first = &outlook(&always, &[], now)[0].1[0];
    assert_eq!(first.from, now.plus_millis(-calendar::REACH_DAYS * 86_400_000));
}

#[test]
fn a_month_has_whole_weeks_days_as_long_as_they_are_holes_and_double_duties() {
    let second = "[[rota]]\nid = \"mang\"\nzone = \"Europe/Berlin\"\nlayer = [{ people = [\"binh\"], start = \"2026-10-01T08:00\", from = \"08:00\", until = \"09:00\" }]\n[[policy]]";
    let text = PLAN.replacen("[[policy]]", second, 1).replace("name = \"Trực ban\"", "zone = \"Europe/Berlin\"");
    let mut plan = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    plan.zone = TimeZone::get("Europe/Berlin").expect("a zone");
    let rota = plan.rota("truc-ban").expect("rota");
    let of = month::MonthOfYear::parse("2026-10").expect("a month");
    let found = month::month(&[rota], &plan.rotas, &[], of, &plan.zone).expect("a month");
    assert_eq!((found.weeks.len(), found.weeks.iter().flatten().count()), (5, 35));
    let days: Vec<&month::Day> = found.weeks.iter().flatten().collect();
    assert_eq!((days[0].date.to_string().as_str(), days[0].is_in_month), ("2026-09-28", false));
    assert!(days.windows(2).all(|two| two[0].until == two[1].from), "day after day");
    let long = days.iter().find(|day| day.date.to_string() == "2026-10-25").expect("a day");
    assert_eq!(long.until.millis_since(long.from), 25 * 3_600_000, "clocks go back");
    assert!(days.iter().all(|day| day.entries.first().is_some_and(|one| one.from == day.from)));
    assert!(days.iter().all(|day| day.entries.last().is_some_and(|one| one.until == day.until)));
    // Nobody before the first turn on 2 November.
    assert_eq!(found.holes.len(), 1, "{:?}", found.holes);
    assert_eq!(found.holes[0].1.until, at("2026-10-31T23:00:00Z"), "it ends with the month");
    let november = month::month(&[rota], &plan.rotas, &[], of.plus(1).expect("a month"), &plan.zone).expect("a month");
    assert_eq!(november.weeks.len(), 6);
    // Binh has the second week and the fourth, and every morning of the other rota.
    let doubled: Vec<String> = november.doubles.iter().map(|one| one.from.to_string()).collect();
    assert_eq!(doubled.len(), 14, "{doubled:?}");
    assert_eq!(november.doubles[0].rotas, ["truc-ban".to_owned(), "mang".to_owned()], "{doubled:?}");
    let marked =
        november.weeks.iter().flatten().flat_map(|day| &day.entries).filter(|one| !one.twice.is_empty()).count();
    assert!(marked >= 14, "{marked}");
    let texts = double_texts(&plan, &outlook(&plan, &[], at("2026-11-09T06:00:00Z")));
    assert_eq!(texts.len(), 1, "one of a person and two rotas: {texts:?}");
    assert!(!texts[0].vi.contains("Bình"), "names are for who may see them: {texts:?}");
}

#[test]
fn rotas_that_are_one_duty_under_two_names_are_no_double_duty() {
    let twin =
        "[[rota]]\nid = \"dem\"\nlayer = [{ people = [\"lan\", \"binh\"], start = \"2026-11-02T07:00\" }]\n[[policy]]";
    let text = PLAN.replacen("[[policy]]", twin, 1);
    let same = text.replace("[[rota.layer]]\npeople = [\"mute\"]\nstart = \"2026-11-02T07:00\"\nfrom = \"12:00\"\nuntil = \"13:00\"\ndays = [1, 2, 3, 4, 5]\n", "");
    let now = at("2026-11-25T00:00:00Z");
    let found = |text: &str| {
        let plan = parse(text).unwrap_or_else(|e| panic!("{e}"));
        doubles(&outlook(&plan, &[], now)).len()
    };
    assert_eq!(found(&same), 0);
    assert!(found(&text) > 0, "where one of them has somebody else at noon they are two");
}

#[test]
fn months_are_read_as_they_are_written_and_within_bounds() {
    for text in ["2026-13", "2026-00", "26-01", "2026-1", "1999-12", "2200-01", "2026-01-01", "+026-01", "", "abcd-ef"]
    {
        assert_eq!(month::MonthOfYear::parse(text), None, "{text}");
    }
    let last = month::MonthOfYear::parse("2199-12").expect("a month");
    assert_eq!(last.plus(1), None);
    assert_eq!(last.plus(-12).map(|one| one.to_string()).as_deref(), Some("2198-12"));
    assert_eq!(last.plus(i64::MAX), None);
}
