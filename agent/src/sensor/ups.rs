//! What the variables of a UPS mean (docs/new-names and docs/new-drivers of Network UPS Tools). Pure; called by [`super::nut`].
//!
//! Nothing is guessed: a word that nobody knows says nothing of the power, and a number that cannot be is unknown.

use ioc_common::clock::Timestamp;
use ioc_common::report::Facts;

use super::day::{self, DAY_MS};
use super::publisher::Poll;

/// Longest word or text of a UPS that is told, characters.
const TEXT_MAX_CHARS: usize = 120;
/// How much older than its UPS a battery may be: both lie in a store for a while.
const STORED_MAX_DAYS: i64 = 180;

/// Words of `ups.status` (docs/new-drivers of NUT) and what each says. Those without a metric are known, and are no state of the power.
const WORDS: [(&str, &str); 23] = [
    ("ALARM", "ups.alarm"),
    ("BOOST", "ups.boost"),
    ("BYPASS", "ups.bypass"),
    ("CAL", "ups.calibrating"),
    ("CHRG", "ups.charging"),
    ("COMMBAD", "ups.linked"),
    ("COMMOK", "ups.linked"),
    ("DISCHRG", "ups.discharging"),
    ("ECO", "ups.eco"),
    ("FSD", "ups.forced_shutdown"),
    ("HB", "ups.high_battery"),
    ("LB", "ups.low_battery"),
    ("NOBATT", "ups.no_battery"),
    ("NOCOMM", "ups.linked"),
    ("OB", "ups.on_battery"),
    ("OFF", "ups.off"),
    ("OL", "ups.on_battery"),
    ("OVER", "ups.overload"),
    ("RB", "ups.replace_battery"),
    ("SD", "ups.forced_shutdown"),
    ("TEST", "ups.testing"),
    ("TRIM", "ups.trim"),
    ("WAIT", "ups.linked"),
];

/// What the variables of a UPS mean. `now` dates its battery and its last test.
#[must_use]
pub fn poll_of(variables: &[(String, String)], now: Timestamp) -> Poll {
    let value = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim());
    let mut poll = Poll::default();
    state(&mut poll, &value);
    numbers(&mut poll, &value);
    dates(&mut poll, &value, now);
    if let Some(result) = value("ups.test.result") {
        poll.numbers.push((
            "ups.test_failed",
            String::new(),
            test_failed(result).map(|failed| f64::from(u8::from(failed))),
        ));
    }
    let text = |names: &[&str]| names.iter().find_map(|name| meaningful_text(value(name)?)).unwrap_or_default();
    poll.machine = Facts {
        vendor: text(&["device.mfr", "ups.mfr"]),
        product: text(&["device.model", "ups.model"]),
        serial: text(&["device.serial", "ups.serial"]),
        bios: text(&["ups.firmware"]),
        ..Facts::default()
    };
    poll
}

/// A text, unless it is a filler: makers fill what they do not know.
fn meaningful_text(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(TEXT_MAX_CHARS).collect();
    let filler = text.chars().all(|c| matches!(c, '0' | '-' | '?' | '.' | ' '))
        || ["unknown", "not set", "n/a", "none", "null", "blank"].iter().any(|word| text.eq_ignore_ascii_case(word));
    (!filler).then_some(text)
}

/// The states: what `ups.status` and `ups.alarm` say.
fn state<'a>(poll: &mut Poll, value: &impl Fn(&str) -> Option<&'a str>) {
    let status = value("ups.status").unwrap_or_default().to_uppercase();
    let status: Vec<&str> = status.split([' ', '\t', ',', '+', '/']).filter(|word| !word.is_empty()).collect();
    let has = |word: &str| status.contains(&word);
    let reconnecting = value("driver.state").is_some_and(|state| state.starts_with("reconnect"));
    let lost = has("NOCOMM") || has("COMMBAD") || reconnecting;
    // A driver that waits for its first answer knows nothing yet; words that nobody knows say nothing of the power.
    let known = !lost && !has("WAIT") && status.iter().any(|word| WORDS.iter().any(|(name, _)| name == word));
    let mut put = |metric: &'static str, state: Option<bool>| {
        poll.numbers.push((metric, String::new(), state.filter(|_| known).map(|state| f64::from(u8::from(state)))));
    };
    // A calibration and a test discharge the battery on purpose: the mains are there, unless their voltage says otherwise.
    let dark = value("input.voltage").and_then(number).is_some_and(|volts| volts < 30.0);
    let on_purpose = (has("CAL") || has("TEST")) && !dark;
    let mains = ["OL", "TRIM", "BOOST", "BYPASS", "ECO"].iter().any(|word| has(word));
    put(
        "ups.on_battery",
        match (has("OB"), mains) {
            (true, _) if on_purpose => Some(false),
            (true, false) => Some(true),
            (false, true) => Some(false),
            // It says both, or nothing of it.
            _ if has("OB") && !has("OL") => Some(true),
            _ => None,
        },
    );
    put("ups.low_battery", Some(has("LB") && !(on_purpose && has("OB"))));
    let text = value("ups.alarm").and_then(meaningful_text);
    let text = text
        .filter(|text| !["no alarm", "no alarms", "normal", "ok"].iter().any(|word| text.eq_ignore_ascii_case(word)));
    put("ups.alarm", Some(has("ALARM") || text.is_some()));
    put("ups.forced_shutdown", Some(has("FSD") || has("SD")));
    for (word, metric) in WORDS {
        if !["ups.linked", "ups.on_battery", "ups.low_battery", "ups.alarm", "ups.forced_shutdown"].contains(&metric) {
            put(metric, Some(has(word)));
        }
    }
    poll.numbers.push(("ups.linked", String::new(), if lost { Some(0.0) } else { Some(1.0).filter(|_| !has("WAIT")) }));
    // What it says in words of its own stands as it is; what it does not say any more is over.
    let strange = status
        .iter()
        .filter(|word| !WORDS.iter().any(|(name, _)| name == *word))
        .filter_map(|word| meaningful_text(word));
    for text in text.into_iter().chain(strange).take(8) {
        poll.numbers.push(("ups.says", text, Some(1.0)));
    }
    poll.zero_unless_named = &["ups.says"];
}

/// A number as drivers write it: some with a comma, some with a unit. None for all else.
fn number(text: &str) -> Option<f64> {
    const UNITS: [&str; 12] = ["%", "V", "VAC", "VDC", "A", "Hz", "W", "VA", "C", "°C", "s", "sec"];
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | ',')).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit = unit.trim();
    if !unit.is_empty() && !UNITS.iter().any(|known| known.eq_ignore_ascii_case(unit)) {
        return None;
    }
    let decimal = match digits.split_once(',') {
        None => digits.to_owned(),
        // Three digits behind a comma may be thousands.
        Some((whole, part)) if !part.contains([',', '.']) && part.len() != 3 => format!("{whole}.{part}"),
        Some(_) => return None,
    };
    decimal.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The seconds of `battery.runtime`: a number, or hours, minutes and seconds. Two parts may be either, and are none.
fn runtime(text: &str) -> Option<f64> {
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    match parts.as_slice() {
        [seconds] => number(seconds),
        [hours, minutes, seconds] => {
            let part = |text: &str, most: f64| text.parse::<u32>().ok().map(f64::from).filter(|part| *part < most);
            Some(part(hours, 1000.0)? * 3600.0 + part(minutes, 60.0)? * 60.0 + part(seconds, 60.0)?)
        }
        _ => None,
    }
}

/// The measured values. What is there and cannot be understood is unknown; what is not there is not told.
fn numbers<'a>(poll: &mut Poll, value: &impl Fn(&str) -> Option<&'a str>) {
    let live =
        |metric: &'static str| poll.numbers.iter().any(|(name, _, value)| *name == metric && *value == Some(0.0));
    let on_mains = live("ups.on_battery");
    for (metric, subject, names) in [
        ("ups.charge", "", &["battery.charge"][..]),
        ("ups.runtime", "", &["battery.runtime"]),
        ("ups.load", "", &["ups.load", "output.power.percent"]),
        ("ups.load", "L1", &["output.L1.power.percent", "ups.L1.load"]),
        ("ups.load", "L2", &["output.L2.power.percent", "ups.L2.load"]),
        ("ups.load", "L3", &["output.L3.power.percent", "ups.L3.load"]),
        ("ups.battery_voltage", "", &["battery.voltage"]),
        ("ups.battery_temperature", "", &["battery.temperature"]),
        ("ups.temperature", "", &["ups.temperature"]),
        ("ups.input_voltage", "", &["input.voltage"]),
        ("ups.input_voltage", "L1", &["input.L1-N.voltage", "input.L1.voltage"]),
        ("ups.input_voltage", "L2", &["input.L2-N.voltage", "input.L2.voltage"]),
        ("ups.input_voltage", "L3", &["input.L3-N.voltage", "input.L3.voltage"]),
        ("ups.input_voltage", "L1-L2", &["input.L1-L2.voltage"]),
        ("ups.input_voltage", "L2-L3", &["input.L2-L3.voltage"]),
        ("ups.input_voltage", "L3-L1", &["input.L3-L1.voltage"]),
        ("ups.output_voltage", "", &["output.voltage"]),
        ("ups.output_voltage", "L1", &["output.L1-N.voltage", "output.L1.voltage"]),
        ("ups.output_voltage", "L2", &["output.L2-N.voltage", "output.L2.voltage"]),
        ("ups.output_voltage", "L3", &["output.L3-N.voltage", "output.L3.voltage"]),
        // What the UPS makes is its own: the mains may be gone.
        ("electric.frequency", "", &["input.frequency"]),
        ("electric.active_power", "", &["ups.realpower", "output.realpower"]),
    ] {
        let Some(text) = names.iter().find_map(|name| value(name)) else { continue };
        let read = if metric == "ups.runtime" { runtime(text) } else { number(text) };
        let believed =
            read.filter(|read| ioc_common::metric::find(metric).is_none_or(|metric| metric.plausible(*read)));
        poll.out_of_range += u32::from(read.is_some() && believed.is_none());
        let measured = believed.filter(|read| match metric {
            // 0 is what a UPS says that has no such probe: no battery room is at the point of frost to the tenth.
            "ups.battery_temperature" | "ups.temperature" => *read != 0.0,
            // Mains that are there have a frequency, and a battery that is not empty lasts for a while.
            "electric.frequency" => *read > 0.0 || !on_mains,
            "ups.runtime" => {
                let charged = value("battery.charge").and_then(number).is_none_or(|charge| charge > 20.0);
                // The end of a counter of 16 bits is no time.
                *read < 65_535.0 && (*read > 0.0 || !on_mains || !charged) || *read > 65_535.0
            }
            _ => true,
        });
        poll.numbers.push((metric, subject.to_owned(), measured));
    }
}

/// How old the battery and the last test are.
fn dates<'a>(poll: &mut Poll, value: &impl Fn(&str) -> Option<&'a str>, now: Timestamp) {
    let of = |name: &str| value(name).filter(|text| !text.is_empty());
    let all = ["battery.date", "battery.mfr.date", "ups.mfr.date", "ups.test.date", "ups.date"];
    let order = day::order(all.into_iter().filter_map(of));
    let day_of = |name: &str| of(name).and_then(|text| day::day(text, order, now));
    let age = |at: i64| ((now.as_millis() - at) as f64 / DAY_MS as f64).floor().max(0.0);
    let made = day_of("ups.mfr.date");
    // The clock of the UPS stands at the day that it was programmed (Powercom: 2014/01/15), and its battery's date beside it.
    let stands = |name: &str| of(name) == of("ups.date") && day_of(name).is_some_and(|at| age(at) > 2.0);
    // A battery that is older than the UPS it came with has a date that nobody set.
    let can_be = |at: &i64| made.is_none_or(|made| *at >= made - STORED_MAX_DAYS * DAY_MS);
    // The maker's date says nothing of a battery that was changed; it is the last resort.
    let battery = ["battery.date", "battery.mfr.date"];
    if battery.iter().any(|name| of(name).is_some()) {
        let at = battery.iter().find_map(|name| day_of(name).filter(|at| can_be(at) && !stands(name)));
        poll.numbers.push(("ups.battery_age", String::new(), at.map(age)));
    }
    if of("ups.test.date").is_some() {
        poll.numbers.push(("ups.test_age", String::new(), day_of("ups.test.date").map(age)));
    }
}

/// Whether the last self-test failed; none where there was none, or it is not over, or nobody knows.
fn test_failed(result: &str) -> Option<bool> {
    let result = result.to_lowercase();
    let words: Vec<&str> = result.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let says = |parts: &[&str]| parts.iter().any(|part| result.contains(part));
    // APC answers with two letters: OK, BT (battery), NG (overload), NO (none).
    match words.as_slice() {
        ["ok", ..] => return Some(false),
        ["bt" | "ng", ..] => return Some(true),
        ["no"] | ["no", "test" | "tests" | "result" | "results", ..] => return None,
        _ => {}
    }
    if says(&[
        "progress",
        "abort",
        "initiated",
        "invalid",
        "unknown",
        "scheduled",
        "pending",
        "cancel",
        "not run",
        "never",
        "running",
    ]) {
        return None;
    }
    let not = says(&["not ok", "not pass", "not good", "unsuccess", "not success"]);
    if not || says(&["fail", "bad", "error", "warning", "weak", "replace", "fault"]) {
        let denied = says(&["no fail", "no error", "no warning", "no fault", "not fail", "not bad"]);
        return Some(not || !denied);
    }
    (says(&["pass", "good", "success"]) || words.iter().any(|word| matches!(*word, "ok" | "done"))).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(poll: &Poll, metric: &str) -> Option<Option<f64>> {
        poll.numbers.iter().find(|(name, _, _)| *name == metric).map(|(_, _, value)| *value)
    }

    fn now() -> Timestamp {
        "2026-11-28T00:00:00Z".parse().expect("a time")
    }

    /// What a dump of `upsc` means.
    fn dump(text: &str) -> Poll {
        let pairs = text.lines().filter_map(|line| line.split_once(':'));
        poll_of(
            &pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect::<Vec<_>>(),
            now(),
        )
    }

    fn says(poll: &Poll) -> Vec<&str> {
        poll.numbers.iter().filter(|(metric, _, _)| *metric == "ups.says").map(|(_, text, _)| text.as_str()).collect()
    }

    /// monitoring-plugins#1708: the fan of a UPS failed, and only its alarm said so.
    #[test]
    fn an_alarm_is_told_with_its_words() {
        let poll =
            dump("ups.alarm: UPS selftest failed!\nups.status: ALARM OL\nups.temperature: 29.0\ninput.frequency: 50.0");
        assert_eq!((of(&poll, "ups.alarm"), of(&poll, "ups.on_battery")), (Some(Some(1.0)), Some(Some(0.0))));
        assert_eq!(says(&poll), ["UPS selftest failed!"]);
        assert_eq!((of(&poll, "ups.temperature"), of(&poll, "ups.battery_temperature")), (Some(Some(29.0)), None));
        let poll = dump("ups.alarm: Replace battery! No battery installed!\nups.status: OL");
        assert_eq!(of(&poll, "ups.alarm"), Some(Some(1.0)), "some drivers forget the word");
        for none in ["", "none", "No alarm", "0"] {
            let poll = dump(&format!("ups.alarm: {none}\nups.status: OL"));
            assert_eq!((of(&poll, "ups.alarm"), says(&poll).len()), (Some(Some(0.0)), 0), "{none:?}");
        }
    }

    #[test]
    fn every_word_of_the_status_has_a_meaning() {
        for (status, metric) in [
            ("OL OFF", "ups.off"),
            ("OL NOBATT", "ups.no_battery"),
            ("FSD OB LB", "ups.forced_shutdown"),
            ("OL CAL DISCHRG", "ups.calibrating"),
            ("OL TRIM", "ups.trim"),
            ("OL BOOST", "ups.boost"),
            ("OL BYPASS", "ups.bypass"),
            ("OL OVER", "ups.overload"),
            ("OL CHRG", "ups.charging"),
            ("OL DISCHRG", "ups.discharging"),
            ("OL HB", "ups.high_battery"),
            ("OL TEST", "ups.testing"),
            ("OL ECO", "ups.eco"),
            ("OL RB", "ups.replace_battery"),
            ("ol rb", "ups.replace_battery"),
        ] {
            let poll = dump(&format!("ups.status: {status}"));
            assert_eq!(of(&poll, metric), Some(Some(1.0)), "{status}");
            assert_eq!(of(&dump("ups.status: OL"), metric), Some(Some(0.0)), "{metric}");
            assert!(says(&poll).is_empty(), "{status}");
        }
        let battery = |text: &str| of(&dump(text), "ups.on_battery").flatten();
        assert_eq!(battery("ups.status: OB DISCHRG"), Some(1.0));
        assert_eq!(battery("ups.status: OL DISCHRG"), Some(0.0));
        assert_eq!(
            battery("ups.status: OB CAL DISCHRG LB\ninput.voltage: 229"),
            Some(0.0),
            "a calibration is no failure"
        );
        assert_eq!(of(&dump("ups.status: OB CAL LB"), "ups.low_battery"), Some(Some(0.0)));
        assert_eq!(
            battery("ups.status: OB CAL DISCHRG\ninput.voltage: 0.0"),
            Some(1.0),
            "unless the mains go meanwhile"
        );
        assert_eq!(battery("ups.status: OL OB"), None, "it says both");
        assert_eq!(battery("ups.status: OFF"), None, "it says neither");
        assert_eq!(battery("ups.status: BYPASS"), Some(0.0));
    }

    #[test]
    fn what_is_not_known_is_no_state() {
        for status in ["WAIT", "", "ups.status: NULL", "MAGIC"] {
            let poll = dump(&format!("ups.status: {status}"));
            for metric in ["ups.on_battery", "ups.replace_battery", "ups.alarm", "ups.off"] {
                assert_eq!(of(&poll, metric), Some(None), "{status} {metric}");
            }
        }
        assert_eq!(of(&dump("ups.status: WAIT"), "ups.linked"), Some(None));
        assert_eq!(of(&dump("ups.status: OL NOCOMM"), "ups.linked"), Some(Some(0.0)));
        assert_eq!(of(&dump("ups.status: OL NOCOMM"), "ups.on_battery"), Some(None));
        let old = dump("ups.status: OL\ndriver.state: reconnect.trying");
        assert_eq!((of(&old, "ups.linked"), of(&old, "ups.on_battery")), (Some(Some(0.0)), Some(None)));
        let strange = dump("ups.status: OL OVERHEAT");
        assert_eq!((says(&strange), of(&strange, "ups.on_battery")), (vec!["OVERHEAT"], Some(Some(0.0))));
    }

    #[test]
    fn numbers_as_drivers_write_them() {
        for (text, read) in [
            ("000.0", Some(0.0)),
            ("13,6", Some(13.6)),
            ("230.0 V", Some(230.0)),
            ("12 %", Some(12.0)),
            ("-5", Some(-5.0)),
            ("1,234", None),
            ("nan", None),
            ("inf", None),
            ("", None),
            ("--.-", None),
            ("12:30", None),
            ("12 minutes", None),
        ] {
            assert_eq!(number(text), read, "{text}");
        }
        for (text, read) in [("1260", Some(1260.0)), ("01:02:03", Some(3723.0)), ("12:30", None), ("1:99:00", None)] {
            assert_eq!(runtime(text), read, "{text}");
        }
        let poll = dump(
            "ups.status: OL\nbattery.charge: 130\nups.load: -3\nbattery.voltage: nan\nbattery.temperature: 00\n\
            input.frequency: 000.0\noutput.frequency: 50.1\nbattery.runtime: 00000\noutput.L1.power.percent: 77.0",
        );
        for metric in [
            "ups.charge",
            "ups.load",
            "ups.battery_voltage",
            "ups.battery_temperature",
            "electric.frequency",
            "ups.runtime",
        ] {
            assert_eq!(of(&poll, metric), Some(None), "{metric}");
        }
        assert_eq!(poll.out_of_range, 2);
        assert!(poll.numbers.contains(&("ups.load", "L1".to_owned(), Some(77.0))));
        let dark = dump("ups.status: OB DISCHRG LB\nbattery.charge: 3\nbattery.runtime: 0\ninput.frequency: 0.0");
        assert_eq!((of(&dark, "ups.runtime"), of(&dark, "electric.frequency")), (Some(Some(0.0)), Some(Some(0.0))));
        assert_eq!(of(&dump("ups.status: OB\noutput.frequency: 50"), "electric.frequency"), None, "not the mains'");
    }

    /// nut#2741, #2666: a Back-UPS BX that nobody gave the date of its battery.
    #[test]
    fn a_date_that_nobody_set_is_no_age() {
        let age = |text: &str| of(&dump(text), "ups.battery_age");
        assert_eq!(age("battery.mfr.date: 2001/01/01\nups.mfr.date: 2022/05/30"), Some(None));
        assert_eq!(age("battery.date: 2001/09/25\nbattery.mfr.date: 2024/03/10"), Some(Some(993.0)));
        assert_eq!(age("battery.date: 2001/09/25 (not set)\nbattery.mfr.date: not set"), Some(None));
        assert_eq!(age("battery.mfr.date: 2016/02/03\nups.mfr.date: 2022/05/30"), Some(None), "older than its UPS");
        assert_eq!(age("battery.mfr.date: 2022/04/01\nups.mfr.date: 2022/05/30"), Some(Some(1702.0)), "from a store");
        assert_eq!(age("battery.date: 11/02/01\nups.mfr.date: 02/18/93"), Some(Some(9157.0)));
        assert_eq!(age("battery.date: 11/02/21"), Some(None), "two readings");
        assert_eq!(age("battery.date: 2014/01/15\nups.date: 2014/01/15"), Some(None), "a clock that stands");
        assert_eq!(age("battery.date: 2024/01/15\nups.date: 2026/11/28"), Some(Some(1048.0)));
        assert_eq!(age("ups.status: OL"), None);
    }

    #[test]
    fn results_of_self_tests() {
        for (result, failed) in [
            ("Done and passed", Some(false)),
            ("Done and warning", Some(true)),
            ("Done and error", Some(true)),
            ("Passed", Some(false)),
            ("OK", Some(false)),
            ("BT", Some(true)),
            ("NG", Some(true)),
            ("NO", None),
            ("No test initiated", None),
            ("InvalidTest", None),
            ("In progress", None),
            ("Aborted", None),
            ("not passed", Some(true)),
            ("no errors, passed", Some(false)),
            ("Bad battery pack: replace", Some(true)),
            ("7", None),
        ] {
            assert_eq!(test_failed(result), failed, "{result}");
        }
    }

    #[test]
    fn what_makers_fill_in_is_no_serial_number() {
        let poll = dump("device.serial: unknown\nups.serial: 000000000000\nups.mfr: APC\nups.model: Smart\u{1}");
        let machine = &poll.machine;
        assert_eq!((machine.serial.as_str(), machine.vendor.as_str(), machine.product.as_str()), ("", "APC", "Smart"));
    }
}
