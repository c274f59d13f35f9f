//! Anti-malware (article 8.2), each product in its own words: ClamAV, Microsoft Defender, Kaspersky, ESET, Sophos, Trend Micro,
//! and any other by configured commands.
//!
//! What a product does not tell is *unknown*, never *bad* (lesson 15). Signatures are judged by their age, not by what the
//! updater says (lesson 16).

mod clamav;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Antivirus, DETECTIONS_MAX, Detection, Findings, Product};
use ioc_common::report::Event;

use crate::ProbeOutcome;
use crate::capture_rule::{CaptureExtent, CaptureRule, CapturedFiles};
use crate::descriptor::{Card, SurveyDescriptor};
use crate::settings::CustomAntivirus;
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult};
use crate::time_zone::{Zone, month, parse_three};
pub use clamav::{Header, parse_header, parse_version};
use clamav::{clamav, ctime};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Antivirus::PROBE,
    deadline_s: 200,
    watch: &["/var/log/clamav/clamav.log", "/var/lib/clamav"],
    privileged: true,
    needs: Some("clamd's socket and log (groups clamav and adm), or the product's own command"),
    whole_memo: None,
    programs: &["eset", "kesl-control", "mdatp", "sophos", "trend"],
    captured: CapturedFiles::whole(&[
        "/etc/localtime",
        "/etc/clamav/clamd.conf",
        "/etc/clamd.d/scan.conf",
        "/var/log/clamav/*",
    ])
    .in_part(&[
        crate::process::CAPTURED_NAMES,
        CaptureRule::by_path("/var/lib/clamav/*", |path| {
            // A signature database is known by its header.
            let database = path.ends_with(".cvd") || path.ends_with(".cld");
            if database { CaptureExtent::Start(512) } else { CaptureExtent::Whole }
        }),
    ]),
    processes: &["clamd", "clamonacc", "oaeventd", "scand"],
    card: Card {
        article: "8.2",
        vi: "Phần mềm chống mã độc, mẫu nhận dạng, phát hiện",
        en: "Anti-malware, signatures, detections",
        reads: "ClamAV: clamd's socket, headers of `/var/lib/clamav`, `/var/log/clamav`. `mdatp`, `kesl-control`, ESET's `upd`, Sophos' `savdstatus`, Trend's \
            `dsa_query`, or commands in `[[antivirus.custom]]`; event `malware.found`",
        cost: "2 ms",
    },
    read: survey,
};

/// Makes the survey. A host without any product is *read*: it has none, which is what the regulation asks about.
///
/// # Errors
/// *Unknown* when the findings cannot be put into JSON.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let zone = Zone::parse(&context.bytes("/etc/localtime", 1 << 20).unwrap_or_default());
    let products = [
        clamav(context, &zone),
        defender(context, &zone),
        kaspersky(context, &zone),
        eset(context, &zone),
        sophos(context),
        trend(context),
    ];
    let mut antivirus = Antivirus { products: products.into_iter().flatten().collect() };
    antivirus.products.extend(context.settings.antivirus_custom.iter().map(|one| custom(context, one)));
    let mut found = SurveyFindings::of(&antivirus, context.now)?;
    (found.events, found.memo) = new_events(&antivirus, context.memo);
    Ok(found)
}

/// Detections that were not known at the last survey become events. The first survey only remembers.
fn new_events(antivirus: &Antivirus, memo: &str) -> (Vec<Event>, String) {
    let known: Option<Vec<String>> = serde_json::from_str(memo).ok();
    let mut keys = Vec::new();
    let mut events = Vec::new();
    for product in &antivirus.products {
        for found in &product.detections {
            let at = found.at.map(|at| at.to_string()).unwrap_or_default();
            let key = format!("{} {at} {} {}", product.name, found.malware, found.file);
            if known.as_ref().is_some_and(|known| !known.contains(&key)) {
                events.push(Event {
                    name: "malware.found".to_owned(),
                    text: format!("{}: {} in {}", product.name, found.malware, found.file),
                    fields: [
                        ("product".to_owned(), product.name.clone()),
                        ("malware".to_owned(), found.malware.clone()),
                        ("file".to_owned(), found.file.clone()),
                    ]
                    .into(),
                });
            }
            keys.push(key);
        }
    }
    (events, serde_json::to_string(&keys).unwrap_or_default())
}

/// Whether one of these processes runs; none where not all processes can be seen.
fn runs(context: &SurveyContext<'_>, product: &mut Product, names: &[&str]) -> Option<bool> {
    let running = super::process::names(context);
    if names.iter().any(|name| running.contains(*name)) {
        return Some(true);
    }
    if super::process::sees_all(context) {
        return Some(false);
    }
    product
        .unknown
        .push(format!("/proc does not show all processes, so whether {} runs cannot be seen", names.join(" or ")));
    None
}

/// A value of a product's answer; without one the product's `unknown` names it.
fn expect_answer<T>(product: &mut Product, what: &str, value: Option<T>) -> Option<T> {
    if value.is_none() {
        product.unknown.push(format!("{}: its answer does not tell {what}", product.name));
    }
    value
}

/// `key : value` lines, as most products print; keys lower case.
fn keys(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim().to_lowercase(), value.trim()))
}

fn value<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    keys(text).find(|(key, _)| key == wanted).map(|(_, value)| value)
}

/// What a command of a product printed; its name in `unknown` when it could not be asked.
fn ask_product(context: &SurveyContext<'_>, product: &mut Product, tool: &str, arguments: &[&str]) -> Option<String> {
    match context.ask(tool, arguments, 30).lines() {
        Ok(text) => Some(text),
        Err(ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why }) => {
            product.unknown.push(why);
            None
        }
        Err(ProbeOutcome::Read) => None,
    }
}

/// Microsoft Defender for Endpoint on Linux: `mdatp health`, `mdatp threat list`.
fn defender(context: &SurveyContext<'_>, zone: &Zone) -> Option<Product> {
    if !context.has("mdatp") {
        return None;
    }
    let mut product = Product { name: "mdatp".to_owned(), ..Product::default() };
    if let Some(health) = ask_product(context, &mut product, "mdatp", &["health"]) {
        let word = |key: &str| {
            value(&health, key)
                .map(|value| value.trim_matches('"').split(' ').next().unwrap_or("").trim_matches('"').to_owned())
        };
        let yes = |key: &str| word(key).and_then(|word| word.parse::<bool>().ok());
        product.running = expect_answer(&mut product, "whether it is healthy", yes("healthy"));
        product.realtime = expect_answer(&mut product, "real-time protection", yes("real_time_protection_enabled"));
        product.engine = word("engine_version").unwrap_or_default();
        product.signatures = word("definitions_version").unwrap_or_default();
        let minutes = word("definitions_updated_minutes_ago").and_then(|word| word.parse::<i64>().ok());
        let minutes = expect_answer(&mut product, "the age of its definitions", minutes);
        // Whole hours, so that the document stays the same between updates.
        product.signatures_at = minutes.filter(|minutes| *minutes >= 0).map(|minutes| {
            let at = context.now.plus_millis(-minutes.saturating_mul(60_000)).as_millis();
            Timestamp::from_millis(at - at.rem_euclid(3_600_000))
        });
    }
    // A sentence is an empty list; rows that are no threats are something else, and silence is no answer.
    let list = match context.ask("mdatp", &["threat", "list"], 30).lines() {
        Ok(text) if text.lines().any(|line| line.trim_start().to_lowercase().starts_with("no threat")) => {
            product.detections_read = true;
            None
        }
        Ok(text) if value(&text, "name").is_some() => Some(text),
        Ok(text) => {
            let first = text.lines().next().unwrap_or_default().chars().take(200).collect::<String>();
            product.unknown.push(format!("mdatp threat list: not understood: {first}"));
            None
        }
        Err(ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why }) => {
            product.unknown.push(why);
            None
        }
        Err(ProbeOutcome::Read) => None,
    };
    if let Some(list) = list {
        product.detections_read = true;
        let mut found: Option<Detection> = None;
        for (key, text) in keys(&list) {
            match key.as_str() {
                "name" => {
                    product.detections.extend(found.take());
                    found = Some(Detection { malware: text.trim_matches('"').to_owned(), ..Detection::default() });
                }
                "detection time" => {
                    if let Some(found) = &mut found {
                        found.at = ctime(text, zone);
                    }
                }
                "file" | "path" => {
                    if let Some(found) = &mut found {
                        text.trim_matches('"').clone_into(&mut found.file);
                    }
                }
                _ => {}
            }
        }
        product.detections.extend(found);
        product.detections.truncate(DETECTIONS_MAX);
    }
    Some(product)
}

/// Kaspersky Endpoint Security for Linux: `kesl-control --app-info`.
fn kaspersky(context: &SurveyContext<'_>, zone: &Zone) -> Option<Product> {
    if !context.has("kesl-control") {
        return None;
    }
    let mut product = Product { name: "kesl".to_owned(), ..Product::default() };
    if let Some(info) = ask_product(context, &mut product, "kesl-control", &["--app-info"]) {
        let version = value(&info, "version").filter(|version| version.starts_with(|c: char| c.is_ascii_digit()));
        product.engine = version.unwrap_or_default().to_owned();
        product.running = expect_answer(&mut product, "its version", version.map(|_| true));
        let state = value(&info, "file threat protection").map(str::to_lowercase);
        let state = expect_answer(&mut product, "file threat protection", state);
        product.realtime = state.map(|state| state.contains("running") && !state.contains("not running"));
        let date = value(&info, "last release date of databases").unwrap_or_default();
        product.signatures = date.to_owned();
        let (day, time) = date.split_once(' ').unwrap_or((date, "0:0:0"));
        product.signatures_at =
            parse_three(day, '-').and_then(|day| zone.moment(day, parse_three(time.trim(), ':').unwrap_or([0, 0, 0])));
        let dated = product.signatures_at;
        expect_answer(&mut product, "the date of its databases", dated);
    }
    product.unknown.push("kesl: detections are not asked for; its own log has them".to_owned());
    Some(product)
}

/// ESET Endpoint Antivirus and Server Security: `upd --list-modules`, one module a line: `EM002_64 28000 (20260610) Detection Engine`.
fn eset(context: &SurveyContext<'_>, zone: &Zone) -> Option<Product> {
    if !context.has("eset") {
        return None;
    }
    let mut product = Product { name: "eset".to_owned(), ..Product::default() };
    if let Some(list) = ask_product(context, &mut product, "eset", &["--list-modules"]) {
        product.running = runs(context, &mut product, &["oaeventd", "scand"]);
        product.realtime = runs(context, &mut product, &["oaeventd"]);
        if let Some(line) = list.lines().find(|line| line.to_lowercase().contains("detection engine")) {
            product.signatures = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let date = line.split(['(', ')']).nth(1).filter(|date| date.len() == 8 && date.is_ascii());
            product.signatures_at = date.and_then(|date| {
                let number = |range: std::ops::Range<usize>| date.get(range)?.parse::<i64>().ok();
                zone.moment([number(0..4)?, number(4..6)?, number(6..8)?], [0, 0, 0])
            });
        }
        let dated = product.signatures_at;
        expect_answer(&mut product, "its detection engine with a date", dated);
    }
    product.unknown.push("eset: detections are not asked for; its own log has them".to_owned());
    Some(product)
}

/// Sophos Anti-Virus for Linux: `savdstatus --version`, lines such as `Threat data version = 5.100`.
fn sophos(context: &SurveyContext<'_>) -> Option<Product> {
    if !context.has("sophos") {
        return None;
    }
    let mut product = Product { name: "sophos".to_owned(), ..Product::default() };
    if let Some(text) = ask_product(context, &mut product, "sophos", &["--version"]) {
        let text = text.replace('=', ":");
        product.engine =
            value(&text, "threat detection engine").or(value(&text, "engine version")).unwrap_or_default().to_owned();
        product.signatures =
            value(&text, "threat data version").or(value(&text, "threat data")).unwrap_or_default().to_owned();
        let known = !product.engine.is_empty() || !product.signatures.is_empty();
        product.running = expect_answer(&mut product, "its version", known.then_some(true));
        // `Tue 11 Jun 2024 08:00:00 AM UTC`
        let date = value(&text, "threat data release").unwrap_or_default();
        let words: Vec<&str> = date.split_whitespace().collect();
        if let [_, day, name, year, ..] = words.as_slice() {
            let day = day.parse().ok().zip(month(name)).zip(year.parse().ok());
            product.signatures_at =
                day.and_then(|((day, month), year)| Zone::default().moment([year, month, day], [0, 0, 0]));
        }
        let dated = product.signatures_at;
        expect_answer(&mut product, "the date of its threat data", dated);
    }
    product.unknown.push("sophos: detections are not asked for; its own log has them".to_owned());
    Some(product)
}

/// Trend Micro Deep Security agent: `dsa_query -c GetComponentInfo`.
fn trend(context: &SurveyContext<'_>) -> Option<Product> {
    if !context.has("trend") {
        return None;
    }
    let mut product = Product { name: "trend".to_owned(), ..Product::default() };
    if let Some(text) = ask_product(context, &mut product, "trend", &["-c", "GetComponentInfo", "-r", "au", "AM"]) {
        let known = keys(&text).any(|(key, _)| key.starts_with("component."));
        product.running = expect_answer(&mut product, "its components", known.then_some(true));
        let mode = expect_answer(&mut product, "its mode", value(&text, "component.am.mode"));
        product.realtime = mode.and_then(|mode| match mode.to_lowercase().as_str() {
            "on" | "1" | "2" => Some(true),
            "off" | "0" => Some(false),
            _ => None,
        });
        product.engine = value(&text, "component.am.version.engine.vsapi").unwrap_or_default().to_owned();
        product.signatures = value(&text, "component.am.version.pattern.vsapi").unwrap_or_default().to_owned();
    }
    product.unknown.push("trend: the date of the pattern is not told; its version is".to_owned());
    product.unknown.push("trend: detections are not asked for; its own log has them".to_owned());
    Some(product)
}

fn short(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

/// A product that only its administrator knows.
fn custom(context: &SurveyContext<'_>, settings: &CustomAntivirus) -> Product {
    let mut product = Product { name: settings.name.clone(), ..Product::default() };
    let mut answer_of = |command: &[String], good: fn(i32) -> bool| -> Option<(bool, String)> {
        if command.is_empty() {
            return None;
        }
        match context.ask_custom(command, 30).accept_codes(good).success() {
            Ok(output) => Some((output.code == Some(0), String::from_utf8_lossy(&output.text).trim().to_owned())),
            Err(ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why }) => {
                product.unknown.push(why);
                None
            }
            Err(ProbeOutcome::Read) => None,
        }
    };
    // 126 and 127 are a shell's word for a program that could not be started.
    let running = answer_of(&settings.running, |code| !matches!(code, 126 | 127)).map(|(good, _)| good);
    let signatures = answer_of(&settings.signatures_at, |code| code == 0).map(|(_, text)| text);
    let detections = answer_of(&settings.detections, |code| code == 0).map(|(_, text)| text);
    product.running = running;
    if let Some(text) = signatures {
        let seconds = text.parse::<i64>().ok().map(|s| Timestamp::from_millis(s.saturating_mul(1000)));
        product.signatures_at = seconds.or_else(|| text.parse().ok()).filter(|at| !context.is_ahead(*at));
        if product.signatures_at.is_none() {
            product.unknown.push(format!("signatures_at printed no time that can be: {}", short(&text)));
        }
        product.signatures = text;
    }
    let detections = detections.and_then(|text| match text.parse::<usize>() {
        Ok(count) => Some(count),
        Err(_) => {
            product.unknown.push(format!("detections printed no number: {}", short(&text)));
            None
        }
    });
    product.detections_read = detections.is_some();
    for _ in 0..detections.unwrap_or(0).min(DETECTIONS_MAX) {
        product.detections.push(Detection { malware: "?".to_owned(), ..Detection::default() });
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    const NOW: &str = "2026-11-24T00:00:00Z";

    #[test]
    fn clamav_by_headers_and_log() {
        let header = "ClamAV-VDB:22 Nov 2026 08-24 +0000:27820:2000000:90:0123456789abcdef0123456789abcdef:sig:raynman:1795335840";
        assert_eq!(parse_header(header.as_bytes()).map(|h| h.version), Some("27820".to_owned()));
        let old = "ClamAV-VDB:17 Sep 2007 08-32 +0000:44:1:2:x:y:z";
        assert_eq!(parse_header(old.as_bytes()).expect("reads").made_at.to_string(), "2007-09-17T08:32:00.000Z");
        assert_eq!(parse_header(b"PK"), None);
        let mut captured = CapturedMachine::new(&[
            (
                "/etc/clamav/clamd.conf",
                "#LogFile /x\nLocalSocket /run/clamav/clamd.ctl\nLogFile /var/log/clamav/clamav.log\n",
            ),
            ("/var/lib/clamav/daily.cld", header),
            (
                "/var/log/clamav/clamav.log",
                "Sun Nov 22 10:00:00 2026 -> SelfCheck: Database status OK.\nMon Nov 23 10:00:00 2026 -> /srv/a: b.exe: Eicar-Test-Signature(44d88:68) FOUND\n",
            ),
            (
                "/var/log/clamav/scan.log",
                "----------- SCAN SUMMARY -----------\nInfected files: 0\nEnd Date:   2026:11:20 00:00:00\n",
            ),
            ("/proc/1/comm", "init\n"),
            ("/proc/9/comm", "clamonacc\n"),
        ]);
        let found = survey(&captured.machine(NOW)).expect("read");
        let antivirus: Antivirus = found.read();
        assert_eq!(antivirus.products[0].detections[0].malware, "Eicar-Test-Signature");
        assert_eq!(antivirus.products[0].detections[0].file, "/srv/a: b.exe");
        assert_eq!(found.number("av.signature_age", "clamav"), 1.7);
        assert_eq!(found.number("av.scan_age", "clamav"), 4.0);
        assert_eq!(found.number("av.detections", "clamav"), 1.0);
        assert!(found.number("av.running", "clamav").is_nan(), "a capture cannot ask the daemon");
        assert_eq!(found.number("av.realtime", "clamav"), 1.0);
        assert!(found.events.is_empty(), "what was there before the agent is no news");
        captured.memo = found.memo;
        captured.write("/var/log/clamav/new.log", b"/tmp/x: Win.Test.EICAR FOUND\n");
        let again = survey(&captured.machine(NOW)).expect("read");
        assert_eq!(again.events.len(), 1);
        assert_eq!(again.events[0].fields["malware"], "Win.Test.EICAR");
    }

    #[test]
    fn the_answer_of_clamd() {
        let (engine, signatures) = parse_version("ClamAV 1.0.5/27300/Tue Jun 11 08:26:07 2024\0").expect("reads");
        assert_eq!(engine, "1.0.5");
        let (version, at) = signatures.expect("has them");
        assert_eq!(
            (version.as_str(), at.map(|at| at.to_string())),
            ("27300", Some("2024-06-11T08:26:07.000Z".to_owned()))
        );
        assert_eq!(parse_version("ClamAV 1.0.5\n"), Some(("1.0.5".to_owned(), None)));
        assert_eq!(parse_version("UNKNOWN COMMAND"), None);
    }

    #[test]
    fn others_by_their_documented_output() {
        let captured = CapturedMachine::new(&[("/proc/7/comm", "oaeventd\n")]);
        captured.says("mdatp", &["health"], 0, "healthy                                     : true\nengine_version : \"1.1.24040.1\"\n\
            real_time_protection_enabled : true\ndefinitions_version : \"1.411.1\"\ndefinitions_updated_minutes_ago : 1440\n");
        captured.says("mdatp", &["threat", "list"], 0, "Id: \"1\"\nName: \"Virus:DOS/EICAR_Test_File\"\nType: \"virus\"\nDetection time: Mon Nov 23 07:00:00 2026\nStatus: \"quarantined\"\n");
        captured.says(
            "kesl-control",
            &["--app-info"],
            0,
            "Name: Kaspersky Endpoint Security 12.0 for Linux\nVersion: 12.0.0.6672\n\
            Last release date of databases: 2026-11-23 06:00:00\nFile Threat Protection: Available and running\n",
        );
        captured.says(
            "eset",
            &["--list-modules"],
            0,
            "EM000_64 1080 (20200601) Loader module\nEM002_64 30010 (20261120) Detection Engine\n",
        );
        captured.says("sophos", &["--version"], 0, "Sophos Anti-Virus = 9.15\nThreat detection engine = 3.82\nThreat data version = 5.90\nThreat data release = Mon 23 Nov 2026 12:00:00 AM UTC\n");
        captured.says("trend", &["-c", "GetComponentInfo", "-r", "au", "AM"], 0, "Component.AM.mode: on\nComponent.AM.version.engine.VSAPI: 12.0\nComponent.AM.version.pattern.VSAPI: 18.5\n");
        let found = survey(&captured.machine(NOW)).expect("read");
        for (product, age) in [("mdatp", 1.0), ("kesl", 0.8), ("eset", 4.0), ("sophos", 1.0)] {
            assert_eq!(found.number("av.signature_age", product), age, "{product}");
            assert_eq!(found.number("av.running", product), 1.0, "{product}");
        }
        assert_eq!(found.number("av.detections", "mdatp"), 1.0);
        assert_eq!(found.number("av.realtime", "trend"), 1.0);
        assert!(found.number("av.signature_age", "trend").is_nan());
        let none = survey(&CapturedMachine::new(&[]).machine(NOW)).expect("read");
        assert_eq!(none.number("av.products", ""), 0.0);
    }

    #[test]
    fn what_a_product_does_not_say_is_unknown() {
        let captured = CapturedMachine::new(&[("/proc/77/comm", "sh\n")]);
        captured.says("mdatp", &["health"], 0, "Could not connect to the daemon. Status: 14: failed to connect\n");
        captured.says("mdatp", &["threat", "list"], 0, "Could not connect to the daemon.\n");
        captured.says("kesl-control", &["--app-info"], 0, "Error: The service is not available\n");
        captured.says("eset", &["--list-modules"], 0, "Cannot connect to the daemon\n");
        captured.says("sophos", &["--version"], 0, "Failed to contact savd\n");
        captured.says("trend", &["-c", "GetComponentInfo", "-r", "au", "AM"], 0, "HTTP Status: 403\n");
        let found = survey(&captured.machine(NOW)).expect("read");
        for product in ["mdatp", "kesl", "eset", "sophos", "trend"] {
            for metric in ["av.running", "av.realtime", "av.signature_age", "av.detections"] {
                assert!(found.number(metric, product).is_nan(), "{product} {metric}");
            }
        }
        assert!(found.read::<Antivirus>().products.iter().all(|product| !product.unknown.is_empty()));
        captured.says("mdatp", &["health"], 0, "healthy : false\n");
        captured.says("mdatp", &["threat", "list"], 0, "No threats\n");
        captured.says(
            "kesl-control",
            &["--app-info"],
            0,
            "Version: 12.0.0.6672\nFile Threat Protection: Available and not running\n",
        );
        let found = survey(&captured.machine(NOW)).expect("read");
        assert_eq!((found.number("av.running", "mdatp"), found.number("av.detections", "mdatp")), (0.0, 0.0));
        assert!(found.number("av.realtime", "mdatp").is_nan());
        assert_eq!((found.number("av.running", "kesl"), found.number("av.realtime", "kesl")), (1.0, 0.0));
    }

    #[test]
    fn a_product_by_its_administrators_commands() {
        let mut captured = CapturedMachine::new(&[]);
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        captured.settings.antivirus_custom = vec![CustomAntivirus {
            name: "bkav".into(),
            running: words("/opt/bkav/ctl status"),
            signatures_at: words("/opt/bkav/ctl date"),
            detections: words("/opt/bkav/ctl count"),
        }];
        captured.says("ctl", &["status"], 0, "up");
        captured.says("ctl", &["date"], 0, "2026-11-21T00:00:00Z\n");
        captured.says("ctl", &["count"], 0, "2");
        let found = survey(&captured.machine(NOW)).expect("read");
        assert_eq!((found.number("av.signature_age", "bkav"), found.number("av.detections", "bkav")), (3.0, 2.0));
        captured.says("ctl", &["status"], 3, "down");
        captured.says("ctl", &["date"], 1, "1795000000\n");
        captured.says("ctl", &["count"], 1, "0");
        let found = survey(&captured.machine(NOW)).expect("read");
        assert_eq!(found.number("av.running", "bkav"), 0.0, "its status decides");
        assert!(found.number("av.signature_age", "bkav").is_nan() && found.number("av.detections", "bkav").is_nan());
        captured.says("ctl", &["status"], 127, "");
        captured.says("ctl", &["date"], 0, "yesterday");
        captured.says("ctl", &["count"], 0, "error");
        let found = survey(&captured.machine(NOW)).expect("read");
        assert!(found.number("av.running", "bkav").is_nan() && found.number("av.detections", "bkav").is_nan());
        assert_eq!(found.read::<Antivirus>().products[0].unknown.len(), 3);
    }
}
