//! Anti-malware (article 8.2), each product in its own words: ClamAV, Microsoft Defender, Kaspersky, ESET, Sophos, Trend Micro,
//! and any other by configured commands.
//!
//! What a product does not tell is *unknown*, never *bad* (lesson 15). Signatures are judged by their age, not by what the
//! updater says (lesson 16).

use std::path::Path;
use std::time::Duration;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Antivirus, DETECTIONS_MAX, Detection, Product};
use ioc_common::report::Event;

use crate::machine::{Found, Machine, Surveyed};
use crate::settings::CustomAntivirus;
use crate::source::socket;
use crate::source::zone::{Zone, month, three};

/// Most bytes of a log that are read, from its end.
const LOG_MAX_BYTES: u64 = 1024 * 1024;
/// How long clamd may take for a word.
const CLAMD_DEADLINE: Duration = Duration::from_secs(5);

/// Makes the survey. A host without any product is *read*: it has none, which is what the regulation asks about.
///
/// # Errors
/// *Unknown* when the findings cannot be written.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let zone = Zone::parse(&machine.bytes("/etc/localtime", 1 << 20).unwrap_or_default());
    let products = [
        clamav(machine, &zone),
        defender(machine, &zone),
        kaspersky(machine, &zone),
        eset(machine, &zone),
        sophos(machine),
        trend(machine),
    ];
    let mut antivirus = Antivirus { products: products.into_iter().flatten().collect() };
    antivirus.products.extend(machine.settings.antivirus_custom.iter().map(|one| custom(machine, one)));
    let mut found = Found::of(&antivirus, machine.now)?;
    (found.events, found.memo) = news(&antivirus, machine.memo);
    Ok(found)
}

/// Detections that were not known at the last survey become events. The first survey only remembers.
fn news(antivirus: &Antivirus, memo: &str) -> (Vec<Event>, String) {
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

fn clamav(machine: &Machine<'_>, zone: &Zone) -> Option<Product> {
    let configurations = ["/etc/clamav/clamd.conf", "/etc/clamd.d/scan.conf", "/etc/clamd.conf"];
    let configuration = configurations.iter().find_map(|path| machine.text_if(path));
    let databases = ["daily.cld", "daily.cvd", "main.cld", "main.cvd"].map(|name| format!("/var/lib/clamav/{name}"));
    let headers: Vec<(String, Header)> =
        databases.iter().filter_map(|path| Some((path.clone(), parse_header(&head(machine, path)?)?))).collect();
    let clamscan = ["/usr/bin/clamscan", "/usr/sbin/clamd"].iter().any(|path| machine.exists(path));
    if configuration.is_none() && headers.is_empty() && !clamscan {
        return None;
    }
    let configuration = configuration.unwrap_or_default();
    let mut product = Product { name: "clamav".to_owned(), ..Product::default() };
    if let Some((_, newest)) = headers.iter().max_by_key(|(_, header)| header.made_at) {
        product.signatures.clone_from(&newest.version);
        product.signatures_at = Some(newest.made_at);
    }
    let socket =
        machine.settings.clamd_socket.clone().or_else(|| option(&configuration, "LocalSocket").map(Into::into));
    match socket {
        Some(path) if machine.is_live() => match socket::ask(&path, b"zVERSION\0", 1024, CLAMD_DEADLINE) {
            Ok(answer) => {
                product.running = Some(true);
                if let Some(version) = parse_version(&String::from_utf8_lossy(&answer)) {
                    product.engine = version.0;
                    // What the daemon uses counts, not what lies beside it.
                    if let Some((signatures, made_at)) = version.1 {
                        product.signatures = signatures;
                        product.signatures_at = made_at.or(product.signatures_at);
                    }
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                product.unknown.push(format!("{}: {error}; mend: add ioc-agent to the group clamav", path.display()));
            }
            Err(_) => product.running = Some(false),
        },
        Some(_) => {}
        None => product.unknown.push("clamd has no LocalSocket; mend: set [antivirus] clamd_socket".to_owned()),
    }
    product.realtime = Some(super::process::names(machine).contains("clamonacc"));
    let mut logs: Vec<String> = option(&configuration, "LogFile").into_iter().collect();
    logs.extend(
        machine
            .names("/var/log/clamav")
            .into_iter()
            .filter(|name| name.ends_with(".log"))
            .map(|name| format!("/var/log/clamav/{name}")),
    );
    logs.sort();
    logs.dedup();
    for log in logs {
        match machine.tail(&log, LOG_MAX_BYTES) {
            Ok(text) => take_log(&mut product, &text, zone),
            Err(error) if error.is_absent() => {}
            Err(error) => product.unknown.push(format!("{error}; mend: add ioc-agent to the group adm")),
        }
    }
    product.detections.sort_by_key(|found| std::cmp::Reverse(found.at));
    product.detections.truncate(DETECTIONS_MAX);
    Some(product)
}

fn option(configuration: &str, name: &str) -> Option<String> {
    let lines = configuration.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let mut values = lines.filter_map(|line| line.split_once(char::is_whitespace)).filter(|(key, _)| *key == name);
    values.next().map(|(_, value)| value.trim().to_owned())
}

fn head(machine: &Machine<'_>, path: &str) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut header = Vec::new();
    std::fs::File::open(machine.path(path)).ok()?.take(512).read_to_end(&mut header).ok()?;
    Some(header)
}

/// What the header of a signature database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Version.
    pub version: String,
    /// When it was made.
    pub made_at: Timestamp,
}

/// Reads the header of a CVD or CLD file: `ClamAV-VDB:date:version:signatures:level:md5:signature:builder:seconds`.
#[must_use]
pub fn parse_header(header: &[u8]) -> Option<Header> {
    let text = String::from_utf8_lossy(header.get(..512.min(header.len()))?);
    let mut fields = text.trim_end_matches(['\0', ' ']).split(':');
    if fields.next() != Some("ClamAV-VDB") {
        return None;
    }
    let date = fields.next()?;
    let version = fields.next()?.to_owned();
    let seconds = fields.nth(5).and_then(|seconds| seconds.trim().parse::<i64>().ok());
    let made_at = seconds.filter(|s| *s > 0).map(|s| Timestamp::from_millis(s.saturating_mul(1000)));
    // Old headers have no seconds: `17 Sep 2007 08-32 +0000`.
    let made_at = made_at.or_else(|| {
        let mut words = date.split(' ');
        let (day, name, year) = (words.next()?.parse().ok()?, words.next()?, words.next()?.parse().ok()?);
        let (hour, minute) = words.next()?.split_once('-')?;
        Zone::default().moment([year, month(name)?, day], [hour.parse().ok()?, minute.parse().ok()?, 0])
    })?;
    Some(Header { version, made_at })
}

/// Version and date of signatures.
type Signatures = (String, Option<Timestamp>);

/// Reads clamd's answer: `ClamAV 1.0.5/27300/Tue Jun 11 08:26:07 2024`, or without signatures.
#[must_use]
pub fn parse_version(answer: &str) -> Option<(String, Option<Signatures>)> {
    let answer = answer.trim_matches(['\0', '\n', ' ']);
    let mut parts = answer.strip_prefix("ClamAV ")?.splitn(3, '/');
    let engine = parts.next()?.to_owned();
    let signatures =
        parts.next().map(|version| (version.to_owned(), parts.next().and_then(|date| ctime(date, &Zone::default()))));
    Some((engine, signatures))
}

/// A time such as `Tue Jun 11 08:26:07 2024`.
fn ctime(text: &str, zone: &Zone) -> Option<Timestamp> {
    let mut words = text.split_whitespace().skip(1);
    let (name, day, time, year) = (words.next()?, words.next()?, words.next()?, words.next()?);
    zone.moment([year.parse().ok()?, month(name)?, day.parse().ok()?], three(time, ':')?)
}

/// Takes detections and the end of the last scan from a log of clamd, clamonacc or clamscan.
fn take_log(product: &mut Product, log: &str, zone: &Zone) {
    for line in log.lines() {
        let (at, rest) = match line.split_once(" -> ") {
            Some((time, rest)) => (ctime(time, zone), rest),
            None => (None, line),
        };
        if let Some(found) = rest.strip_suffix(" FOUND")
            && let Some((file, malware)) = found.rsplit_once(": ")
        {
            let malware = malware.split('(').next().unwrap_or(malware).to_owned();
            product.detections.push(Detection { at, malware, file: file.to_owned() });
        } else if let Some(end) = rest.strip_prefix("End Date:") {
            // 2026:11:24 10:00:00
            let mut words = end.split_whitespace();
            let date = words.next().and_then(|date| three(date, ':'));
            let time = words.next().and_then(|time| three(time, ':'));
            product.scanned_at =
                product.scanned_at.max(date.zip(time).and_then(|(date, time)| zone.moment(date, time)));
        }
    }
}

/// `key : value` lines, as most products print; keys lower case.
fn keys(text: &str) -> impl Iterator<Item = (String, &str)> {
    text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim().to_lowercase(), value.trim()))
}

fn value<'t>(text: &'t str, wanted: &str) -> Option<&'t str> {
    keys(text).find(|(key, _)| key == wanted).map(|(_, value)| value)
}

/// What a command of a product printed; its name in `unknown` when it could not be asked.
fn asked(machine: &Machine<'_>, product: &mut Product, tool: &str, arguments: &[&str]) -> Option<String> {
    match machine.ask(tool, arguments, 30) {
        Ok(output) if output.code == Some(0) => Some(String::from_utf8_lossy(&output.text).into_owned()),
        Ok(output) => {
            product.unknown.push(format!("{tool}: {}", output.complaint.lines().next().unwrap_or("failed")));
            None
        }
        Err(crate::probe::Outcome::Unknown { why } | crate::probe::Outcome::Absent { why }) => {
            product.unknown.push(why);
            None
        }
        Err(crate::probe::Outcome::Read) => None,
    }
}

/// Microsoft Defender for Endpoint on Linux: `mdatp health`, `mdatp threat list`.
fn defender(machine: &Machine<'_>, zone: &Zone) -> Option<Product> {
    if !machine.has("mdatp") {
        return None;
    }
    let mut product = Product { name: "mdatp".to_owned(), ..Product::default() };
    if let Some(health) = asked(machine, &mut product, "mdatp", &["health"]) {
        let word = |key: &str| {
            value(&health, key)
                .map(|value| value.trim_matches('"').split(' ').next().unwrap_or("").trim_matches('"').to_owned())
        };
        let yes = |key: &str| word(key).and_then(|word| word.parse::<bool>().ok());
        product.running = yes("healthy").or(Some(true));
        product.realtime = yes("real_time_protection_enabled");
        product.engine = word("engine_version").unwrap_or_default();
        product.signatures = word("definitions_version").unwrap_or_default();
        let minutes = word("definitions_updated_minutes_ago").and_then(|word| word.parse::<i64>().ok());
        // Whole hours, so that the document stays the same between updates.
        product.signatures_at = minutes.map(|minutes| {
            let at = machine.now.plus_millis(-minutes.saturating_mul(60_000)).as_millis();
            Timestamp::from_millis(at - at.rem_euclid(3_600_000))
        });
    }
    if let Some(list) = asked(machine, &mut product, "mdatp", &["threat", "list"]) {
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
fn kaspersky(machine: &Machine<'_>, zone: &Zone) -> Option<Product> {
    if !machine.has("kesl-control") {
        return None;
    }
    let mut product = Product { name: "kesl".to_owned(), ..Product::default() };
    if let Some(info) = asked(machine, &mut product, "kesl-control", &["--app-info"]) {
        product.running = Some(true);
        product.engine = value(&info, "version").unwrap_or_default().to_owned();
        product.realtime = value(&info, "file threat protection").map(|state| state.to_lowercase().contains("running"));
        let date = value(&info, "last release date of databases").unwrap_or_default();
        product.signatures = date.to_owned();
        let (day, time) = date.split_once(' ').unwrap_or((date, "0:0:0"));
        product.signatures_at =
            three(day, '-').and_then(|day| zone.moment(day, three(time.trim(), ':').unwrap_or([0, 0, 0])));
    }
    product.unknown.push("kesl: detections are not asked for; its own log has them".to_owned());
    Some(product)
}

/// ESET Endpoint Antivirus and Server Security: `upd --list-modules`, one module a line: `EM002_64 28000 (20260610) Detection Engine`.
fn eset(machine: &Machine<'_>, zone: &Zone) -> Option<Product> {
    if !machine.has("eset") {
        return None;
    }
    let mut product = Product { name: "eset".to_owned(), ..Product::default() };
    if let Some(list) = asked(machine, &mut product, "eset", &["--list-modules"]) {
        let running = super::process::names(machine);
        product.running = Some(running.contains("oaeventd") || running.contains("scand"));
        product.realtime = Some(running.contains("oaeventd"));
        if let Some(line) = list.lines().find(|line| line.to_lowercase().contains("detection engine")) {
            product.signatures = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
            let date = line.split(['(', ')']).nth(1).filter(|date| date.len() == 8 && date.is_ascii());
            product.signatures_at = date.and_then(|date| {
                let number = |range: std::ops::Range<usize>| date.get(range)?.parse::<i64>().ok();
                zone.moment([number(0..4)?, number(4..6)?, number(6..8)?], [0, 0, 0])
            });
        }
    }
    Some(product)
}

/// Sophos Anti-Virus for Linux: `savdstatus --version`, lines such as `Threat data version = 5.100`.
fn sophos(machine: &Machine<'_>) -> Option<Product> {
    if !machine.has("sophos") {
        return None;
    }
    let mut product = Product { name: "sophos".to_owned(), ..Product::default() };
    if let Some(text) = asked(machine, &mut product, "sophos", &["--version"]) {
        let text = text.replace('=', ":");
        product.running = Some(true);
        product.engine =
            value(&text, "threat detection engine").or(value(&text, "engine version")).unwrap_or_default().to_owned();
        product.signatures =
            value(&text, "threat data version").or(value(&text, "threat data")).unwrap_or_default().to_owned();
        // `Tue 11 Jun 2024 08:00:00 AM UTC`
        let date = value(&text, "threat data release").unwrap_or_default();
        let words: Vec<&str> = date.split_whitespace().collect();
        if let [_, day, name, year, ..] = words.as_slice() {
            let day = day.parse().ok().zip(month(name)).zip(year.parse().ok());
            product.signatures_at =
                day.and_then(|((day, month), year)| Zone::default().moment([year, month, day], [0, 0, 0]));
        }
    }
    Some(product)
}

/// Trend Micro Deep Security agent: `dsa_query -c GetComponentInfo`.
fn trend(machine: &Machine<'_>) -> Option<Product> {
    if !machine.has("trend") {
        return None;
    }
    let mut product = Product { name: "trend".to_owned(), ..Product::default() };
    if let Some(text) = asked(machine, &mut product, "trend", &["-c", "GetComponentInfo", "-r", "au", "AM"]) {
        product.running = Some(true);
        product.realtime = value(&text, "component.am.mode").map(|mode| matches!(mode, "on" | "1" | "2"));
        product.engine = value(&text, "component.am.version.engine.vsapi").unwrap_or_default().to_owned();
        product.signatures = value(&text, "component.am.version.pattern.vsapi").unwrap_or_default().to_owned();
    }
    product.unknown.push("trend: the date of the pattern is not told; its version is".to_owned());
    Some(product)
}

/// A product that only its administrator knows.
fn custom(machine: &Machine<'_>, settings: &CustomAntivirus) -> Product {
    let mut product = Product { name: settings.name.clone(), ..Product::default() };
    let mut line = |command: &[String]| -> Option<(bool, String)> {
        if command.is_empty() {
            return None;
        }
        match machine.ask_custom(command, 30) {
            Ok(output) => Some((output.code == Some(0), String::from_utf8_lossy(&output.text).trim().to_owned())),
            Err(why) => {
                let name = Path::new(&command[0]).display().to_string();
                product.unknown.push(format!("{name}: {why:?}"));
                None
            }
        }
    };
    let running = line(&settings.running).map(|(good, _)| good);
    let signatures = line(&settings.signatures_at).map(|(_, text)| text);
    let detections = line(&settings.detections).and_then(|(_, text)| text.parse::<usize>().ok());
    product.running = running;
    if let Some(text) = signatures {
        let seconds = text.parse::<i64>().ok().map(|s| Timestamp::from_millis(s.saturating_mul(1000)));
        product.signatures_at = seconds.or_else(|| text.parse().ok());
        product.signatures = text;
    }
    for _ in 0..detections.unwrap_or(0).min(DETECTIONS_MAX) {
        product.detections.push(Detection { malware: "?".to_owned(), ..Detection::default() });
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    const NOW: &str = "2026-11-24T00:00:00Z";

    #[test]
    fn clamav_by_headers_and_log() {
        let header = "ClamAV-VDB:22 Nov 2026 08-24 +0000:27820:2000000:90:0123456789abcdef0123456789abcdef:sig:raynman:1795335840";
        assert_eq!(parse_header(header.as_bytes()).map(|h| h.version), Some("27820".to_owned()));
        let old = "ClamAV-VDB:17 Sep 2007 08-32 +0000:44:1:2:x:y:z";
        assert_eq!(parse_header(old.as_bytes()).expect("reads").made_at.to_string(), "2007-09-17T08:32:00.000Z");
        assert_eq!(parse_header(b"PK"), None);
        let mut captured = Captured::new(&[
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
            ("/proc/1/comm", "clamonacc\n"),
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
        let captured = Captured::new(&[("/proc/7/comm", "oaeventd\n")]);
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
        let none = survey(&Captured::new(&[]).machine(NOW)).expect("read");
        assert_eq!(none.number("av.products", ""), 0.0);
    }

    #[test]
    fn a_product_by_its_administrators_commands() {
        let mut captured = Captured::new(&[]);
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
    }
}
