use jiff::civil::date;

use super::*;

const SMALL: &str = r#"
id = "x"
kind = "regulation"
name = "Quy chế"
basis = "Căn cứ Quy chế"
in_force_from = "2026-01-01"
checked = "2026-11-28"
sure = "one"
sources = ["bản gốc"]

[[article]]
number = "1"
title = "Một"
figures = ["a"]
"#;

fn parse(text: &str) -> Result<Pack, ConfigError> {
    form::parse(&Source::built_in("pack.toml", text))
}

#[test]
fn the_packs_that_are_shipped_are_sound() {
    let packs = Packs::read(&[]).unwrap();
    let regulation = packs.get("qd-1043-2022-an-giang").unwrap();
    let numbers: Vec<&str> = regulation.articles.iter().map(|one| one.number.as_str()).collect();
    assert_eq!(numbers.len(), 27, "{numbers:?}");
    for number in ["5.1", "6.1", "6.2", "6.3", "7", "8", "9.1", "10.2", "13", "16.7", "17.3", "17.4", "18.2"] {
        assert!(numbers.contains(&number), "{number}");
    }
    let regime = packs.get("nd-331-2026").unwrap();
    let clocks: Vec<Within> = regime.clocks.iter().map(|one| one.within).collect();
    let hours = |hours: u64| Within::Span(Span::secs(hours * 3_600));
    assert_eq!(clocks, [Within::AtOnce, hours(24), hours(72), hours(72)]);
    let log = regime.requirements.iter().find(|one| one.id == "x.8.2.1a").unwrap();
    assert_eq!(log.levels, BTreeMap::from([(2, 1), (3, 3)]), "level 1 asks for none");
    assert!(packs.iter().all(|pack| !pack.sources.is_empty()));
}

#[test]
fn which_pack_is_in_force_goes_by_the_day_and_the_choice() {
    let packs = Packs::read(&[]).unwrap();
    let regime = |day, chosen| packs.in_force(PackKind::Regime, day, chosen).map(|pack| pack.id.as_str());
    assert_eq!(regime(date(2026, 11, 28), None), Some("nd-331-2026"));
    assert_eq!(regime(date(2026, 8, 19), None), Some("nd-331-2026"));
    assert_eq!(regime(date(2026, 8, 18), None), Some("nd-85-2016"));
    assert_eq!(regime(date(2016, 6, 30), None), None);
    assert_eq!(regime(date(2026, 11, 28), Some("nd-85-2016")), Some("nd-85-2016"), "article 39.1");
    assert_eq!(regime(date(2026, 11, 28), Some("qd-1043-2022-an-giang")), None, "of another kind");
}

#[test]
fn a_yearly_report_is_due_before_its_day() {
    let packs = Packs::read(&[]).unwrap();
    let report = packs.get("nd-331-2026").unwrap().reports.iter().find(|one| one.id == "form-08").unwrap();
    assert_eq!(report.next_due(date(2026, 11, 28)), Some(date(2026, 12, 20)));
    assert_eq!(report.next_due(date(2026, 12, 20)), Some(date(2026, 12, 20)));
    assert_eq!(report.next_due(date(2026, 12, 21)), Some(date(2027, 12, 20)));
    let clause = &packs.get("qd-1043-2022-an-giang").unwrap().reports[0];
    assert_eq!(clause.next_due(date(2026, 11, 28)), None, "the regulation gives no day");
}

#[test]
fn a_file_takes_the_place_of_the_products_own() {
    let own = SMALL.replace("id = \"x\"", "id = \"qd-1043-2022-an-giang\"");
    let source = Source::built_in("own.toml", &own);
    let packs = Packs::read(std::slice::from_ref(&source)).unwrap();
    assert_eq!((packs.iter().count(), packs.get("qd-1043-2022-an-giang").unwrap().articles.len()), (3, 1));
    let twice = Packs::read(&[source.clone(), source]).unwrap_err();
    assert!(twice.message.contains("another file"), "{twice}");
}

#[test]
fn faults_name_the_place_and_the_mend() {
    assert!(parse(SMALL).is_ok());
    let cases: &[(&str, &str, usize, &str)] = &[
        ("id = \"x\"", "id = \"X y\"", 2, "lower case"),
        ("checked = \"2026-11-28\"", "checked = \"28/11/2026\"", 7, "year-month-day"),
        ("sources = [\"bản gốc\"]", "sources = []", 9, "no source"),
        ("figures = [\"a\"]", "", 11, "nothing to show"),
        ("figures = [\"a\"]", "figures = [\"a\", \"a\"]", 11, "twice"),
        ("sure = \"one\"", "sure = \"quite\"", 8, "unknown variant"),
        ("figures = [\"a\"]", "figures = [\"a\"]\ncolour = 1", 15, "colour"),
        ("sure = \"one\"", "sure = \"one\"\nin_force_to = \"2025-01-01\"", 9, "ends before it begins"),
        ("kind = \"regulation\"", "kind = \"regime\"", 1, "articles in a regime"),
    ];
    for (old, new, line, message) in cases {
        let text = SMALL.replace(old, new);
        assert_ne!(text, SMALL, "{old}");
        let fault = parse(&text).unwrap_err();
        assert!(fault.message.contains(message) && !fault.mend.is_empty(), "{fault}");
        assert_eq!(fault.line, *line, "{fault}");
    }
    let more: &[(&str, &str)] = &[
        ("[[article]]\nnumber = \"1\"\ntitle = \"Hai\"\ninput = true\n", "twice"),
        ("[[step]]\nlevels = [0]\nwhat = \"x\"\nsure = \"one\"\n", "1 to 5"),
        ("[[step]]\nlevels = [1]\nwhat = \"x\"\ndays = 1\nworking_days = 1\nsure = \"one\"\n", "working_days"),
        ("[[clock]]\nid = \"c\"\ncondition = \"x\"\nwithin = \"soon\"\nto = \"y\"\nsure = \"one\"\n", "at-once"),
        (
            "[[report]]\nid = \"r\"\ntitle = \"x\"\narticle = \"1\"\nperiod = \"quarter\"\ndue = \"12-20\"\nfrom = \"a\"\nto = \"b\"\nsure = \"one\"\n",
            "not yearly",
        ),
        (
            "[[report]]\nid = \"r\"\ntitle = \"x\"\narticle = \"1\"\nperiod = \"year\"\ndue = \"13-01\"\nfrom = \"a\"\nto = \"b\"\nsure = \"one\"\n",
            "month-day",
        ),
        (
            "[[requirement]]\nid = \"r\"\nwhat = \"x\"\nunit = \"days\"\nlevels = { 9 = 1 }\nmeasured_by = \"y\"\nsure = \"one\"\n",
            "1 to 5",
        ),
    ];
    for (text, message) in more {
        let fault = parse(&format!("{SMALL}{text}")).unwrap_err();
        assert!(fault.message.contains(message) && fault.line >= 14, "{fault}");
    }
}

#[test]
fn a_deadline_says_what_starts_it_and_by_what_it_is_met() {
    let with = |id: &str, rest: &str| {
        let clock = format!("[[clock]]\nid = {id:?}\ncondition = \"x\"\nto = \"y\"\nsure = \"one\"\n{rest}\n");
        parse(&format!("{SMALL}{clock}"))
    };
    let plain = with("a", "within = \"24h\"").unwrap();
    let clock = &plain.clocks[0];
    assert_eq!((clock.starts, clock.form.as_str(), clock.within_ms()), (Starts::Never, "", 24 * 3_600_000));
    let at_once = with("a", "within = \"at-once\"\nlate_after = \"15m\"\nstarts = \"chosen\"\nform = \"Báo\"").unwrap();
    assert_eq!((at_once.clocks[0].within_ms(), at_once.clocks[0].starts), (15 * 60_000, Starts::Chosen));
    assert_eq!(with("a", "within = \"at-once\"").unwrap().clocks[0].within_ms(), 3_600_000);
    for (id, rest, message) in [
        ("a", "within = \"24h\"\nlate_after = \"1h\"", "length of its own"),
        ("a", "within = \"0s\"", "no length"),
        ("A/..", "within = \"24h\"", "lower case"),
        ("a", "within = \"24h\"\nstarts = \"always\"", "unknown variant"),
    ] {
        let fault = with(id, rest).unwrap_err();
        assert!(fault.message.contains(message) && fault.line >= 14, "{fault}");
    }
    let serious = |rest: &str| parse(&format!("{SMALL}[serious]\nsure = \"one\"\n{rest}\n"));
    let criterion = serious("text = \"gián đoạn\"\nseverity = \"critical\"").unwrap().serious.unwrap();
    assert_eq!((criterion.severity, criterion.affected), (AtLeast::Critical, 1));
    assert!(serious("text = \"\"\nseverity = \"critical\"").is_err());
    assert!(serious("text = \"x\"\nseverity = \"critical\"\naffected = 0").is_err());
    // Which incident is serious no text says that was read.
    assert!(Packs::read(&[]).unwrap().iter().all(|pack| pack.serious.is_none()));
}
