use ioc_common::clock::Timestamp;

use super::super::testing;
use super::*;

fn config(text: &str) -> Config {
    Config::parse(&Source::built_in("/etc/ioc-watch/collector.toml", text), &testing::KINDS)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn version(part: Part, number: u64, text: &str) -> ConfigurationVersion {
    let text = Some(text.to_owned());
    ConfigurationVersion {
        part,
        number,
        text,
        at: Timestamp::from_millis(1),
        who: "lan".to_owned(),
        why: String::new(),
    }
}

fn refused(config: &Config, part: Part, text: &str) -> ConfigError {
    config.with_versions(&[version(part, 1, text)]).expect_err("a fault")
}

const HOOK: &str = "[[channel]]\nname = \"hook\"\ntype = \"test\"\n";
const PLAN: &str = "[[person]]\nid = \"lan\"\nname = \"Lan\"\ncontact = [{ channel = \"hook\", address = \"x\" }]\n";

#[test]
fn a_file_as_it_is_shipped_holds_nothing_and_one_that_says_something_holds_that() {
    let shipped = config(DEFAULT_CONFIG);
    assert!(Part::ALL.into_iter().all(|part| shipped.held_by(part).is_none()));
    let text = DEFAULT_CONFIG.replace("name = \"IOC\"", "name = \"Trung tâm\"") + HOOK;
    let said = config(&text);
    let held: Vec<Part> = Part::ALL.into_iter().filter(|part| said.held_by(*part).is_some()).collect();
    assert_eq!(held, [Part::Site, Part::Channels]);
    let part = said.part(Part::Channels);
    assert_eq!(part.holder, PartHolder::File("/etc/ioc-watch/collector.toml".into()));
    assert!(part.text.contains("name = \"hook\"") && !part.text.contains("[site]"), "{}", part.text);
    assert!(said.part(Part::Site).text.contains("# Name of the site"), "comments stay");
}

#[test]
fn what_is_shipped_is_shown_with_its_examples() {
    let shipped = config("");
    let site = shipped.part(Part::Site);
    assert_eq!((site.holder, site.version), (PartHolder::Shipped, 0));
    assert!(site.text.starts_with("[site]\n# Name of the site"), "{}", site.text);
    for (part, shown) in [
        (Part::Channels, "# type = \"smtp\""),
        (Part::Jobs, "# [[job]]"),
        (Part::Identity, "# issuer = "),
        (Part::AgentGroups, "# [[settings]]"),
        (Part::Heartbeat, "# [heartbeat]"),
    ] {
        let text = shipped.part(part).text;
        assert!(text.contains(shown), "{}: {text}", part.as_str());
        assert!(tables_of(part).iter().all(|name| !text.contains("[ingest") || *name == "ingest"), "{text}");
    }
    assert!(!shipped.part(Part::Metrics).text.contains("oidc"));
    assert_eq!(shipped.part(Part::Rules).text, "base = \"shipped\"\n");
}

#[test]
fn what_is_set_here_is_in_force_where_no_file_says_otherwise() {
    let site = version(Part::Site, 3, "[site]\nname = \"Hà Nam\"\n");
    let set = config("").with_versions(std::slice::from_ref(&site)).unwrap();
    assert_eq!((set.site_name.as_str(), set.part(Part::Site).version), ("Hà Nam", 3));
    assert_eq!(set.part(Part::Site).holder, PartHolder::Stored);
    let file = config("[site]\nname = \"Từ tệp\"\n");
    let both = file.with_versions(&[site]).unwrap();
    assert_eq!(both.site_name, "Từ tệp");
    assert!(matches!(both.part(Part::Site), PartInForce { holder: PartHolder::File(_), version: 3, .. }));
    let back = ConfigurationVersion { text: None, ..version(Part::Site, 4, "") };
    assert_eq!(set.with_versions(&[back]).unwrap().site_name, "IOC");
}

#[test]
fn the_whole_is_checked_with_what_others_say_of_a_part() {
    let both = [version(Part::Channels, 1, HOOK), version(Part::Duty, 1, PLAN)];
    let set = config("").with_versions(&both).unwrap();
    assert_eq!((set.channels.len(), set.plan.people.len()), (1, 1));
    let gone = set.with_versions(&[version(Part::Channels, 2, "")]).expect_err("the plan names it");
    assert!(gone.path == Path::new("duty") && gone.line == 4 && gone.message.contains("none yet"), "{gone}");
    let zone = refused(&set, Part::Site, "\n[site]\ntimezone = \"Hanoi\"\n");
    assert_eq!((zone.path.to_str(), zone.line), (Some("site"), 3), "{zone}");
}

#[test]
fn a_part_that_cannot_be_used_at_a_start_is_left_out_with_what_needs_it() {
    let stored = StoredParts::from([
        (Part::Channels, version(Part::Channels, 1, "[[channel]]\nname = \"hook\"\ntype = \"gone\"\n")),
        (Part::Duty, version(Part::Duty, 1, PLAN)),
        (Part::Site, version(Part::Site, 1, "[site]\nname = \"x\"\n")),
    ]);
    let resumed = config("").resumed(&stored).unwrap();
    assert_eq!((resumed.site_name.as_str(), resumed.channels.len(), resumed.plan.people.len()), ("x", 0, 0));
    assert_eq!(resumed.left_out().keys().copied().collect::<Vec<_>>(), [Part::Duty, Part::Channels]);
    assert!(resumed.part(Part::Duty).left_out.is_some());
    let mended = resumed.with_versions(&[version(Part::Channels, 2, HOOK)]).unwrap();
    assert_eq!((mended.channels.len(), mended.plan.people.len(), mended.left_out().len()), (1, 1, 0));
}

#[test]
fn what_is_set_here_starts_no_program_and_names_no_file_elsewhere() {
    let none = config("");
    let other = refused(&none, Part::Site, "[site]\nname = \"x\"\n\n[paths]\ndata = \"/tmp\"\n");
    assert!(other.line == 4 && other.message.contains("[paths]"), "{other}");
    let program = refused(&none, Part::Backup, "[backup]\ncommand = [\"sh\"]\n");
    assert!(program.line == 2 && program.message.contains("collector.toml"), "{program}");
    let source = |file: &str| format!("[[source]]\nname = \"x\"\ntoken_file = {file:?}\n");
    for file in ["/var/lib/ioc-collector/pki/ca.key", "/etc/ioc-watch/../shadow", "../x", "/etc/ioc-watch-2/x"] {
        let path = refused(&none, Part::Sources, &source(file));
        assert!(path.line == 3 && path.mend.contains("credential:"), "{file}: {path}");
        assert!(!path.to_string().contains(file), "{path}");
    }
    for file in ["/etc/ioc-watch/x.token", "credential:x", "sealed:abc"] {
        let set = none.with_versions(&[version(Part::Sources, 1, &source(file))]);
        assert!(set.is_ok(), "{file}: {set:?}");
    }
    // Where nothing says where the configuration lies, no whole path is below that.
    let nowhere = Config::parse(&Source::built_in("(defaults)", ""), &testing::KINDS).unwrap();
    assert_eq!(refused(&nowhere, Part::Sources, &source("/etc/x")).line, 3);
}

#[test]
fn tables_are_taken_out_of_a_text_as_they_are_written() {
    let text = "# Of all.\n\n[site]\nname = \"\"\"\n\n[job]\n\"\"\"\n# Of a channel.\n[[channel]]\nname = \"a\"\n[channel.headers]\nx = [\n[1],\n]\n\n[web]\n";
    assert_eq!(
        sections(text, &["channel"]),
        "# Of a channel.\n[[channel]]\nname = \"a\"\n[channel.headers]\nx = [\n[1],\n]\n"
    );
    assert_eq!(sections(text, &["site"]), "[site]\nname = \"\"\"\n\n[job]\n\"\"\"\n");
    assert_eq!(sections(text, &["job"]), "");
    assert_eq!(sections("site.name = \"x\"\n[web]\n", &["site"]), "[site]\nname = \"x\"\n");
}
