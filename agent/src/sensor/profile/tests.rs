use ioc_common::config::{ConfigError, Source};

use super::*;
const GOOD: &str = r#"
[profile]
name = "acme-th1"
title = "Thermometer"
maker = "Acme"
kind = "sensor"
source = "TH1 manual, 2024, page 3"
function = 4
[[value]]
metric = "env.temperature"
address = 1
type = "i16"
scale = 0.1
range = [-40, 80]
invalid = [32767]
[[flag]]
metric = "contact.alarm"
subject = "door"
address = 3
bit = 2
not = true
[[alarm]]
id = "probe-broken"
address = 3
bit = 0
vi = "Đứt đầu dò"
en = "Probe broken"
[[example]]
words = { "4:1" = [0xFFF6], "4:3" = [0b101] }
gives = { "env.temperature" = -1.0, "contact.alarm|door" = 0, "sensor.alarm|probe-broken" = 1 }
[[example]]
words = { "4:1" = [0x7FFF] }
unknown = ["env.temperature"]
"#;

fn parse(text: &str) -> Result<SensorProfile, ConfigError> {
    SensorProfile::parse(&Source::built_in("th1.toml", text))
}

#[test]
fn a_good_profile_reads_its_words() {
    let profile = parse(GOOD).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(profile.requests().len(), 1, "near words share a request");
    let temperature = &profile.items[0];
    assert_eq!(temperature.read(&[253], 0.0), ItemValue::Number(25.3));
    assert_eq!(temperature.read(&[0x7fff], 0.0), ItemValue::None);
    assert_eq!(temperature.read(&[900], 0.0), ItemValue::OutOfRange(90.0));
    assert_eq!(profile.meanings()[0].series, "sensor.alarm|probe-broken");
}

#[test]
fn mistakes_are_found_where_they_stand() {
    for (from, to, line, says) in [
        ("metric = \"env.temperature\"", "metric = \"env.warmth\"", 10, "env.warmth"),
        ("address = 1\n", "address = 70000\n", 11, "65535"),
        ("type = \"i16\"", "type = \"bit\"", 12, "bits are read by 1 and 2"),
        ("type = \"i16\"", "type = \"f32\"\norder = \"cdab\"", 0, ""),
        ("range = [-40, 80]", "range = [80, -40]", 14, "empty range"),
        ("range = [-40, 80]", "range = [-400, 80]", 14, "allows"),
        ("subject = \"door\"\naddress = 3\nbit = 2", "subject = \"door\"\naddress = 3\nbit = 16", 16, "u16 or u32"),
        ("[[flag]]\nmetric = \"contact.alarm\"", "[[value]]\nmetric = \"contact.alarm\"", 16, "flag"),
        ("function = 4\n", "function = 6\n", 0, "which read"),
        ("function = 4\n", "function = 4\nbase = \"1\"\n", 0, ""),
        ("kind = \"sensor\"", "kind = \"thing\"", 6, "cooling"),
        ("\"env.temperature\" = -1.0", "\"env.temperature\" = -2.0", 0, "off by one"),
    ] {
        let fault = parse(&GOOD.replace(from, to)).err();
        if says.is_empty() {
            continue;
        }
        let fault = fault.unwrap_or_else(|| panic!("{to} must be refused"));
        assert!(line == 0 || fault.line == line, "{to}: {fault}");
        assert!(fault.to_string().contains(says), "{to}: {fault}");
    }
}

#[test]
fn what_lies_across_another_number_is_refused() {
    let wide = GOOD.replace("address = 3\nbit = 2\nnot = true", "address = 0\ntype = \"u32\"\nbits = [0, 1]");
    let fault = parse(&wide).expect_err("across");
    assert!(fault.message.contains("lies across env.temperature"), "{fault}");
    let twice = GOOD.replace("[[alarm]]", "[[value]]\nmetric = \"env.temperature\"\naddress = 9\n[[alarm]]");
    assert!(parse(&twice).expect_err("twice").message.contains("second env.temperature"));
}

#[test]
fn documents_count_in_different_ways() {
    let modicon = GOOD.replace("function = 4\n", "base = \"modicon\"\n").replace("address = 1\n", "address = 30002\n");
    let modicon =
        modicon.replace("address = 3\n", "address = 30004\n").replace("4:1", "4:30002").replace("4:3\"", "4:30004\"");
    let profile = parse(&modicon).unwrap_or_else(|e| panic!("{e}"));
    let at = AddressRange { table: RegisterTable::InputRegisters, start: 1, count: 1 };
    assert_eq!(profile.items[0].at, at);
    let one = GOOD.replace("function = 4\n", "function = 4\nbase = \"1\"\n");
    assert_eq!(parse(&one).unwrap_or_else(|e| panic!("{e}")).items[0].at.start, 0);
    let zero = one.replace("address = 1\n", "address = 0\n");
    assert!(parse(&zero).expect_err("off by one").mend.contains("off by one"));
    let wrong = modicon.replace("address = 30002\n", "address = 30002\nfunction = 3\n");
    assert!(parse(&wrong).expect_err("table").message.contains("function 4"));
}
