//! ClamAV: its signatures by their headers, its daemon by its socket, what it found by its logs.

use std::io::ErrorKind;
use std::time::Duration;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{DETECTIONS_MAX, Detection, Product};

use super::runs;
use crate::survey_context::SurveyContext;
use crate::time_zone::{Zone, month, parse_three};

/// Most bytes of a log that are read, from its end.
const LOG_MAX_BYTES: u64 = 1024 * 1024;
/// How long clamd may take for a word.
const CLAMD_DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn clamav(context: &SurveyContext<'_>, zone: &Zone) -> Option<Product> {
    let configurations = ["/etc/clamav/clamd.conf", "/etc/clamd.d/scan.conf", "/etc/clamd.conf"];
    let configuration = configurations.iter().find_map(|path| context.text_if(path));
    let place = configuration.as_deref().and_then(|text| option(text, "DatabaseDirectory"));
    let place = place.unwrap_or_else(|| "/var/lib/clamav".to_owned());
    let databases = ["daily.cld", "daily.cvd", "main.cld", "main.cvd"].map(|name| format!("{place}/{name}"));
    let headers: Vec<(String, Header)> =
        databases.iter().filter_map(|path| Some((path.clone(), parse_header(&head(context, path)?)?))).collect();
    let clamscan = ["/usr/bin/clamscan", "/usr/sbin/clamd"].iter().any(|path| context.exists(path));
    if configuration.is_none() && headers.is_empty() && !clamscan {
        return None;
    }
    let configuration = configuration.unwrap_or_default();
    let mut product = Product { name: "clamav".to_owned(), ..Product::default() };
    if let Some((_, newest)) = headers.iter().max_by_key(|(_, header)| header.made_at) {
        product.signatures.clone_from(&newest.version);
        product.signatures_at = Some(newest.made_at);
    } else {
        product.unknown.push(format!("no signatures in {place} could be read"));
    }
    let socket =
        context.settings.clamd_socket.clone().or_else(|| option(&configuration, "LocalSocket").map(Into::into));
    match socket {
        Some(path) if context.is_live() => match context.host.ask_socket(&path, b"zVERSION\0", 1024, CLAMD_DEADLINE) {
            Ok(answer) => {
                let version = parse_version(&String::from_utf8_lossy(&answer));
                product.running = version.is_some().then_some(true);
                if version.is_none() {
                    product.unknown.push(format!("{}: what answers is not understood", path.display()));
                }
                if let Some(version) = version {
                    product.engine = version.0;
                    // What the daemon uses counts, not what lies beside it.
                    if let Some((signatures, made_at)) = version.1 {
                        product.signatures = signatures;
                        product.signatures_at = made_at.or(product.signatures_at);
                    }
                }
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                product.unknown.push(format!("{}: {error}; mend: add ioc-agent to the group clamav", path.display()));
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
                product.running = Some(false);
            }
            // It may be loading its signatures.
            Err(error) => product.unknown.push(format!("{}: clamd does not answer: {error}", path.display())),
        },
        Some(_) => {}
        None => product.unknown.push("clamd has no LocalSocket; mend: set [antivirus] clamd_socket".to_owned()),
    }
    product.realtime = runs(context, &mut product, &["clamonacc"]);
    // Before 0.102 the daemon did it itself.
    if option(&configuration, "ScanOnAccess").is_some_and(|value| matches!(value.as_str(), "yes" | "true" | "1")) {
        product.realtime = product.realtime.filter(|runs| *runs).or(product.running);
    }
    let mut logs: Vec<String> = option(&configuration, "LogFile").into_iter().collect();
    logs.extend(
        context
            .names("/var/log/clamav")
            .into_iter()
            .filter(|name| name.ends_with(".log"))
            .map(|name| format!("/var/log/clamav/{name}")),
    );
    logs.sort();
    logs.dedup();
    for log in logs {
        match context.tail(&log, LOG_MAX_BYTES) {
            Ok(text) => {
                product.detections_read = true;
                take_log(&mut product, &text, zone);
            }
            Err(error) if error.is_absent() => {}
            Err(error) => product.unknown.push(format!("{error}; mend: add ioc-agent to the group adm")),
        }
    }
    if !product.detections_read {
        product.unknown.push("clamav: no log was read, so what was found is not known; mend: set LogFile".to_owned());
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

fn head(context: &SurveyContext<'_>, path: &str) -> Option<Vec<u8>> {
    use std::io::Read as _;
    let mut header = Vec::new();
    std::fs::File::open(context.path(path)).ok()?.take(512).read_to_end(&mut header).ok()?;
    Some(header)
}

/// What the header of a signature database says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Version of the signatures.
    pub version: String,
    /// When its publisher built it.
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
pub(super) fn ctime(text: &str, zone: &Zone) -> Option<Timestamp> {
    let mut words = text.split_whitespace().skip(1);
    let (name, day, time, year) = (words.next()?, words.next()?, words.next()?, words.next()?);
    zone.moment([year.parse().ok()?, month(name)?, day.parse().ok()?], parse_three(time, ':')?)
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
            let date = words.next().and_then(|date| parse_three(date, ':'));
            let time = words.next().and_then(|time| parse_three(time, ':'));
            product.scanned_at =
                product.scanned_at.max(date.zip(time).and_then(|(date, time)| zone.moment(date, time)));
        }
    }
}
