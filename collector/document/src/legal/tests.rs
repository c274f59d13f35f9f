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
fn the_dossier_is_data_and_each_level_asks_for_more() {
    let packs = Packs::read(&[]).unwrap();
    for id in ["nd-331-2026", "nd-85-2016"] {
        let pack = packs.get(id).unwrap();
        let dossier = pack.filings.iter().find(|one| one.id == "level-dossier").unwrap();
        let parts: Vec<&str> = dossier.parts.iter().map(|part| part.id.as_str()).collect();
        assert_eq!(parts, ["overview", "design", "rationale", "approval", "plan", "devices", "software", "accounts"]);
        let asked = |level: u8| pack.measures.iter().filter(|one| one.levels.contains(&level)).count();
        assert!(asked(1) > 20 && asked(1) < asked(3), "{id}");
        let zones = |level: u8| pack.zones.iter().filter(|one| one.levels.contains(&level)).count();
        assert_eq!([zones(1), zones(2), zones(3)], [3, 5, 7], "{id}: Circular 12, annexes I to III");
        assert!(pack.levels.len() == 3 && pack.kinds.len() == 9 && pack.services.len() > 20, "{id}");
        // Every group has a table, so that each measure stands somewhere.
        let groups: BTreeSet<String> = pack.measures.iter().map(|one| format!("{:?}", one.group)).collect();
        assert_eq!(groups.len(), 11, "{id}: seven of management, four technical ones");
    }
    let form = packs.get("nd-331-2026").unwrap().filings.iter().find(|one| one.id == "form-08").unwrap();
    assert!(!form.signed && form.kind == filing::FilingKind::Letter && form.report.as_deref() == Some("form-08"));
    // Words that no law gives can be given otherwise by a pack.
    let own = SMALL.to_owned() + "[[service]]\nport = \"tcp/22\"\nname = \"Lối quản trị\"\npurpose = \"x\"\n";
    let packs = Packs::read(&[Source::built_in("own.toml", &own)]).unwrap();
    let ssh: Vec<&str> = packs
        .get("x")
        .unwrap()
        .services
        .iter()
        .filter(|one| one.port == "tcp/22")
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(ssh, ["Lối quản trị"]);
}

#[test]
fn faults_of_filings_name_what_is_allowed() {
    let filing = |inside: &str| {
        format!(
            "{SMALL}[[filing]]\nid = \"d\"\ntitle = \"D\"\nkind = \"letter\"\nsummary = \"s\"\narticle = \"1\"\nsure = \"one\"\n\
             [[filing.part]]\nid = \"p\"\ntitle = \"P\"\nbasis = \"1\"\n[[filing.part.item]]\nid = \"i\"\n{inside}\n"
        )
    };
    let columns = |from: &str| format!("rows = \"devices\"\ncolumns = [{{ title = \"T\", from = \"{from}\" }}]");
    assert!(parse(&filing(&columns("name"))).is_ok());
    let cases = [
        (filing(&columns("colour")), "allowed are number, name, model"),
        (filing("rows = \"devices\""), "0 columns"),
        (filing("rows = \"text\""), "without what is to be written"),
        (
            filing("rows = \"facts\"\nlines = [{ id = \"a\", name = \"A\", from = \"moon\" }]"),
            "allowed are people, system",
        ),
        (filing("rows = \"facts\""), "without lines"),
        (filing("rows = \"moons\""), "unknown variant"),
        (
            filing(&columns("name")).replace("kind = \"letter\"\nsummary", "kind = \"dossier\"\nsummary"),
            "without a title",
        ),
        (filing(&columns("name")).replace("article = \"1\"", "article = \"1\"\nreport = \"r\""), "none of this pack"),
        (filing(&columns("name")).replace("id = \"p\"", "id = \"P p\""), "lower case"),
        (
            format!(
                "{SMALL}[[zone]]\nid = \"z\"\nname = \"Z\"\nlevels = [7]\nwords = [\"z\"]\nbasis = \"1\"\nsure = \"one\"\n"
            ),
            "1 to 5",
        ),
        (format!("{SMALL}[[service]]\nport = \"22\"\nname = \"S\"\npurpose = \"p\"\n"), "tcp/"),
        (
            format!(
                "{SMALL}[[measure]]\nid = \"m\"\ngroup = \"data\"\nwhat = \"w\"\nbasis = \"1\"\nlevels = [1]\nevidence = \"backups\"\nsure = \"one\"\n"
            ),
            "how it is carried out",
        ),
    ];
    for (text, message) in &cases {
        let fault = parse(text).unwrap_err();
        assert!(fault.message.contains(message) && fault.line >= 14, "{fault}");
    }
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
