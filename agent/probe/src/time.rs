//! Whether the clock follows a source of time (article 17.3): chrony, ntpd (ntpsec, OpenNTPD) or systemd-timesyncd, in their own words.
//!
//! A clock that follows itself is not synchronised, whatever the program calls it: chrony's `local`, ntpd's driver 127.127.1.x, orphan
//! mode. Nor is one whose last word from its source is long ago: programs keep saying that all is well. Receivers at the host itself
//! (GPS, PPS, a PTP clock) are sources like any other.

use std::collections::BTreeSet;

use ioc_common::clock::Timestamp;
use ioc_common::reading::{Findings, TimeSync};

use super::services::property;
use crate::ProbeOutcome;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, unknown};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: TimeSync::PROBE,
    deadline_s: 30,
    watch: &["/run/systemd/timesync/synchronized"],
    privileged: false,
    needs: Some("chronyc, ntpq or timedatectl, whichever keeps the clock"),
    whole_memo: None,
    programs: &["chronyc", "ntpctl", "ntpq", "timedatectl"],
    captured: CapturedFiles::whole(&["/run/systemd/timesync/synchronized"]).in_part(&[crate::process::CAPTURED_NAMES]),
    processes: &["VBoxService", "chronyd", "ntpd", "ntpsec", "phc2sys", "systemd-timesyn", "vmtoolsd"],
    card: Card {
        article: "17.3",
        vi: "Đồng bộ giờ",
        en: "Time synchronisation",
        reads: "`chronyc tracking`, `ntpq`, `ntpctl`, `/run/systemd/timesync` or `timedatectl`",
        cost: "4 ms",
    },
    read: survey,
};

/// Where timedatectl asks; a container has it seldom.
const BUS: &str = "/run/dbus/system_bus_socket";
/// timesyncd touches this file whenever its source answered (systemd-timesyncd.service(8)).
const STAMP: &str = "/run/systemd/timesync/synchronized";
/// A source is asked at least every 34 minutes (timesyncd's `PollIntervalMaxSec`, `maxpoll` 10 or 11 of the others); after five times
/// without an answer it is lost.
const SILENCE_MS: i64 = 3 * 3_600_000;
/// Beyond this distance to the source the time is not known (RFC 5905, MAXDISP), seconds.
const DISTANCE_MAX_S: f64 = 16.0;
/// What may set the clock besides, and cannot be asked.
const SILENT_KEEPERS: [&str; 3] = ["VBoxService", "phc2sys", "vmtoolsd"];

/// Makes the survey. A host that nobody keeps the time of is *read*: not synchronised.
///
/// # Errors
/// *Unknown* when who keeps it does not answer, or it cannot be seen who does.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let running = super::process::names(context);
    // The kernel keeps fifteen characters of a name.
    let runs = |name: &str| running.contains(name);
    let sync = if runs("chronyd") {
        let read = |text: &str| parse_chrony(text).ok_or_else(|| format!("not understood: {}", text.trim()));
        let (mut sync, heard) = there("chronyd", context.ask("chronyc", &["-n", "-c", "tracking"], 10).parse(read))?;
        if heard.is_some_and(|(at, every_ms)| context.is_past(at, SILENCE_MS.max(every_ms.saturating_mul(8)))) {
            sync.synchronised = Some(false);
        }
        sync
    } else if runs("ntpd") || runs("ntpsec") {
        ntpd(context)?
    } else if runs("systemd-timesyn") {
        timesyncd(context)?
    } else {
        nobody(context, &running)?
    };
    SurveyFindings::of(&sync, context.now)
}

/// A program that runs is there: when its tool is not, nothing is known.
fn there<T>(daemon: &str, answer: Result<T, ProbeOutcome>) -> Result<T, ProbeOutcome> {
    answer.map_err(|outcome| match outcome {
        ProbeOutcome::Absent { why } => unknown(&format!("{daemon} keeps the clock, and {why}")),
        other => other,
    })
}

fn ntpd(context: &SurveyContext<'_>) -> Result<TimeSync, ProbeOutcome> {
    let read = |text: &str| parse_ntpq(text).ok_or_else(|| format!("not understood: {}", text.trim()));
    match context.ask("ntpq", &["-c", "rv 0"], 10).parse(read) {
        // OpenNTPD and busybox have a program of the same name, and no ntpq.
        Err(ProbeOutcome::Absent { .. }) => {}
        answer => return answer,
    }
    let read = |text: &str| parse_ntpctl(text).ok_or_else(|| format!("not understood: {}", text.trim()));
    match context.ask("ntpctl", &["-s", "status"], 10).parse(read) {
        Err(ProbeOutcome::Absent { .. }) => {}
        answer => return answer,
    }
    Err(unknown(
        &"ntpd keeps the clock, and neither ntpq nor ntpctl is there to ask it; mend: install ntpsec or ntp with its ntpq",
    ))
}

fn timesyncd(context: &SurveyContext<'_>) -> Result<TimeSync, ProbeOutcome> {
    let sync = TimeSync { by: "systemd-timesyncd".to_owned(), ..TimeSync::default() };
    if let Some(at) = context.changed_at(STAMP) {
        return Ok(TimeSync { synchronised: Some(!context.is_past(at, SILENCE_MS)), ..sync });
    }
    if context.exists("/run/systemd/timesync") {
        return Ok(TimeSync { synchronised: Some(false), ..sync });
    }
    // Before version 239 it left no such file.
    match context.ask("timedatectl", &["show"], 10).lines() {
        Ok(text) => Ok(TimeSync { by: sync.by, ..parse_timedatectl(&text) }),
        Err(ProbeOutcome::Absent { .. }) => Ok(TimeSync { synchronised: Some(false), ..sync }),
        Err(other) => Err(other),
    }
}

fn nobody(context: &SurveyContext<'_>, running: &BTreeSet<String>) -> Result<TimeSync, ProbeOutcome> {
    // Without a bus timedatectl could ask nobody.
    let can_ask = !context.is_live() || context.exists(BUS);
    let silent = SILENT_KEEPERS.into_iter().find(|keeper| running.contains(*keeper));
    let mut sync = match can_ask.then(|| context.ask("timedatectl", &["show"], 10).lines()) {
        Some(Ok(text)) => parse_timedatectl(&text),
        // Without anyone who keeps the time and anyone who could say: nobody keeps it.
        None | Some(Err(ProbeOutcome::Absent { .. })) => TimeSync { synchronised: Some(false), ..TimeSync::default() },
        Some(Err(other)) => return Err(other),
    };
    if sync.synchronised == Some(false) {
        if !super::process::sees_all(context) {
            return Err(unknown(&"/proc does not show all processes, so who keeps the clock cannot be seen"));
        }
        if let Some(keeper) = silent {
            keeper.clone_into(&mut sync.by);
            sync.synchronised = None;
            sync.unknown.push(format!("{keeper} may set the clock, and cannot be asked; mend: install chrony"));
        }
    }
    Ok(sync)
}

/// When a source was last heard, and how often it is asked, milliseconds.
type LastHeard = (Timestamp, i64);

/// Reads `chronyc -c tracking`: reference, source, stratum, time of the last answer, offset in seconds, last offset, its mean, frequency,
/// residual, skew, root delay, root dispersion, interval, leap status. And when chrony last heard of its source.
#[must_use]
pub fn parse_chrony(text: &str) -> Option<(TimeSync, Option<LastHeard>)> {
    let fields: Vec<&str> = text.trim().split(',').collect();
    let [reference, source, stratum, heard, offset, .., delay, dispersion, interval, leap] = fields.as_slice() else {
        return None;
    };
    let number = |text: &&str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let (stratum, offset, heard) = (stratum.parse::<u32>().ok()?, number(offset)?, number(heard)?);
    let follows = match *leap {
        "Not synchronised" => false,
        "Normal" | "Insert second" | "Delete second" => true,
        _ => return None,
    };
    // 127.127.1.x is chrony's own clock (`local`); nothing at all has reference 0.
    let itself = reference.starts_with("7F7F01") || reference.trim_start_matches('0').is_empty();
    let distance = number(delay)? / 2.0 + number(dispersion)?;
    let sync = TimeSync {
        by: "chrony".to_owned(),
        synchronised: Some(follows && !itself && (1..16).contains(&stratum) && distance < DISTANCE_MAX_S),
        source: (*source).to_owned(),
        offset_ms: Some(offset * 1000.0).filter(|_| follows && !itself),
        ..TimeSync::default()
    };
    // A receiver at the host may be asked many times a second.
    let heard = (heard > 0.0)
        .then(|| (Timestamp::from_millis((heard * 1000.0) as i64), (number(interval).unwrap_or(0.0) * 1000.0) as i64));
    Some((sync, heard))
}

/// Reads `ntpq -c "rv 0"`: stratum, reference, leap indicator and where the time comes from; the offset is in milliseconds.
#[must_use]
pub fn parse_ntpq(text: &str) -> Option<TimeSync> {
    let value = |key: &str| {
        let parts = text.split([',', '\n']).filter_map(|part| part.trim().split_once('='));
        parts.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.trim().trim_matches('"'))
    };
    let says = |word: &str| text.split(|c: char| c.is_whitespace() || c == ',').any(|part| part == word);
    let stratum: u32 = value("stratum")?.parse().ok()?;
    let source = value("refid")?;
    let alarm = says("leap_alarm") || value("leap") == Some("11") || says("sync_unspec");
    let told = alarm || stratum >= 16 || value("leap").is_some() || text.contains("leap_");
    if !told {
        return None;
    }
    let name = source.trim_matches('.');
    let itself = says("sync_local")
        || says("sync_wristwatch")
        // Its own clock, orphan mode (the host's own address), and what stands there before there is a source.
        || ["127.127.1.", "LOCAL(", "LCL"].iter().any(|own| name.starts_with(own))
        || matches!(name, "127.0.0.1" | "::1" | "LOCAL" | "LOCL" | "ORPH" | "INIT" | "STEP" | "NONE" | "0.0.0.0");
    let ms = |key: &str| value(key).and_then(|ms| ms.parse::<f64>().ok()).filter(|ms| ms.is_finite());
    let distance_s = (ms("rootdelay").unwrap_or(0.0) / 2.0 + ms("rootdisp").unwrap_or(0.0)) / 1000.0;
    let follows = (1..16).contains(&stratum) && !alarm && !itself && distance_s < DISTANCE_MAX_S;
    Some(TimeSync {
        by: "ntpd".to_owned(),
        synchronised: Some(follows),
        source: source.to_owned(),
        offset_ms: ms("offset").filter(|_| follows),
        ..TimeSync::default()
    })
}

/// Reads `ntpctl -s status` of OpenNTPD: `4/4 peers valid, clock synced, stratum 3`.
#[must_use]
pub fn parse_ntpctl(text: &str) -> Option<TimeSync> {
    let synchronised = match text {
        text if text.contains("clock unsynced") => false,
        text if text.contains("clock synced") => true,
        _ => return None,
    };
    Some(TimeSync { by: "openntpd".to_owned(), synchronised: Some(synchronised), ..TimeSync::default() })
}

/// Reads `timedatectl show`.
#[must_use]
pub fn parse_timedatectl(text: &str) -> TimeSync {
    let synchronised = match property(text, "NTPSynchronized") {
        Some("yes") => Some(true),
        Some("no") => Some(false),
        _ => None,
    };
    let silent = || "timedatectl show does not say NTPSynchronized".to_owned();
    TimeSync { synchronised, unknown: synchronised.is_none().then(silent).into_iter().collect(), ..TimeSync::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    #[test]
    fn each_in_its_own_words() {
        let chrony = parse_chrony(
            "CB00710F,203.0.113.15,3,1718008247.1,-0.000012345,0.1,0.2,-7.1,0.0,0.1,0.02,0.001,64.5,Normal\n",
        )
        .expect("reads");
        let (chrony, heard) = chrony;
        assert_eq!(heard, Some((Timestamp::from_millis(1_718_008_247_100), 64_500)));
        assert_eq!((chrony.synchronised, chrony.source.as_str()), (Some(true), "203.0.113.15"));
        assert!(chrony.offset_ms.is_some_and(|ms| (ms + 0.012345).abs() < 1e-9));
        assert!(parse_chrony("506 Cannot talk to daemon").is_none());
        let ntp = "associd=0 status=0615 leap_none, sync_ntp, 1 event,\nversion=\"ntpd\", stratum=3,\nrefid=203.0.113.1, offset=1.25, sys_jitter=0.1\n";
        assert_eq!(parse_ntpq(ntp).and_then(|sync| sync.offset_ms), Some(1.25));
        assert_eq!(parse_ntpq("stratum=16, refid=INIT").and_then(|sync| sync.synchronised), Some(false));
        assert_eq!(parse_timedatectl("NTP=no\nNTPSynchronized=yes\n").synchronised, Some(true));
        let captured =
            CapturedMachine::new(&[("/proc/9/comm", "systemd-timesyn\n"), ("/run/systemd/timesync/synchronized", "")]);
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(found.number("time.synchronised", ""), 1.0);
        let nobody =
            survey(&CapturedMachine::new(&[("/proc/1/comm", "init\n")]).machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(nobody.number("time.synchronised", ""), 0.0);
        let blind = survey(&CapturedMachine::new(&[("/proc/7/comm", "sh\n")]).machine("2026-11-24T00:00:00Z"));
        assert!(matches!(blind, Err(ProbeOutcome::Unknown { .. })), "who keeps it may be hidden");
        let guest = CapturedMachine::new(&[("/proc/1/comm", "init\n"), ("/proc/8/comm", "vmtoolsd\n")]);
        let guest: TimeSync = survey(&guest.machine("2026-11-24T00:00:00Z")).expect("read").read();
        assert!(guest.synchronised.is_none() && guest.unknown[0].contains("vmtoolsd"), "{guest:?}");
    }

    #[test]
    fn a_clock_that_follows_itself_is_not_synchronised() {
        let chrony = |line: &str| parse_chrony(line).and_then(|(sync, _)| sync.synchronised);
        let line = |reference: &str, stratum: &str, dispersion: &str, leap: &str| {
            format!("{reference},x,{stratum},1718008247.1,0.0,0.0,0.0,0.0,0.0,0.0,0.01,{dispersion},64.0,{leap}\n")
        };
        assert_eq!(chrony(&line("7F7F0101", "10", "0.0", "Normal")), Some(false));
        assert_eq!(chrony(&line("00000000", "0", "0.0", "Normal")), Some(false));
        assert_eq!(chrony(&line("50505300", "1", "0.0", "Normal")), Some(true), "PPS");
        assert_eq!(chrony(&line("50484330", "1", "0.0", "Insert second")), Some(true), "PHC0");
        assert_eq!(chrony(&line("CB00710F", "3", "17.2", "Normal")), Some(false), "as good as lost");
        assert_eq!(chrony(&line("CB00710F", "3", "0.1", "Nor")), None);
        assert_eq!(chrony("CB00710F,203.0.113.15,3,1718008247.1,-0.000012345,0.1\n"), None);
        let ntp = |stratum: u32, refid: &str, source: &str| {
            let text = format!(
                "associd=0 status=0515 leap_none, {source}, 1 event, clock_sync,\nversion=\"ntpd 4.2.8p15\", leap=00, stratum={stratum},\nrootdelay=1.0, rootdisp=12.5, refid={refid},\noffset=0.1\n"
            );
            parse_ntpq(&text).and_then(|sync| sync.synchronised)
        };
        assert_eq!((ntp(6, "LOCAL(0)", "sync_local"), ntp(6, "127.127.1.0", "sync_ntp")), (Some(false), Some(false)));
        assert_eq!((ntp(6, ".LOCL.", "sync_other"), ntp(5, "127.0.0.1", "sync_ntp")), (Some(false), Some(false)));
        assert_eq!((ntp(1, "GPS", "sync_uhf_radio"), ntp(1, ".PPS.", "sync_pps")), (Some(true), Some(true)));
        assert_eq!(
            (ntp(3, "203.0.113.1", "sync_unspec"), ntp(0, "203.0.113.1", "sync_ntp")),
            (Some(false), Some(false))
        );
        assert_eq!(parse_ntpq("version=\"ntpd\", stratum=3, refid=203.0.113.1"), None, "leap is not told");
        assert_eq!(parse_ntpctl("3/4 peers valid, clock synced, stratum 3\n").and_then(|s| s.synchronised), Some(true));
        assert_eq!(parse_ntpctl("0/4 peers valid, clock unsynced\n").and_then(|s| s.synchronised), Some(false));
    }

    #[test]
    fn a_source_that_is_long_silent_is_lost() {
        let captured = CapturedMachine::new(&[("/proc/9/comm", "chronyd\n")]);
        let at = |line: &str, now: &str| {
            captured.says("chronyc", &["-n", "-c", "tracking"], 0, line);
            survey(&captured.machine(now)).expect("read").number("time.synchronised", "")
        };
        let line = "CB00710F,203.0.113.15,3,1795485600.0,0.0,0.0,0.0,0.0,0.0,0.0,0.01,0.2,1030.0,Normal\n";
        assert_eq!((at(line, "2026-11-24T03:00:00Z"), at(line, "2026-11-24T08:00:00Z")), (1.0, 0.0));
        let seldom = line.replace("1030.0", "86400.0");
        assert_eq!(at(&seldom, "2026-11-26T00:00:00Z"), 1.0, "it is asked once a day");
        captured.says("chronyc", &["-n", "-c", "tracking"], 0, "506 Cannot talk to daemon\n");
        assert!(survey(&captured.machine("2026-11-24T03:00:00Z")).is_err());
        let gone = CapturedMachine::new(&[("/proc/9/comm", "chronyd\n")]);
        assert!(matches!(survey(&gone.machine("2026-11-24T03:00:00Z")), Err(ProbeOutcome::Unknown { .. })));
    }
}
