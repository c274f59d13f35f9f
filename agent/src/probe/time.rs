//! Whether the clock follows a source of time (article 17.3): chrony, ntpd or systemd-timesyncd, in their own words.

use ioc_common::reading::TimeSync;

use super::services::property;
use crate::machine::{Found, Machine, Surveyed, unknown};
use crate::probe::Outcome;

/// Where timedatectl asks; a container has it seldom.
const BUS: &str = "/run/dbus/system_bus_socket";

/// Makes the survey. A host that nobody keeps the time of is *read*: not synchronised.
///
/// # Errors
/// *Unknown* when who keeps it does not answer.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let running = super::process::names(machine);
    // The kernel keeps fifteen characters of a name.
    let runs = |name: &str| running.contains(name);
    let sync = if runs("chronyd") {
        let output = machine.ask("chronyc", &["-n", "-c", "tracking"], 10)?;
        parse_chrony(&String::from_utf8_lossy(&output.text))
            .ok_or_else(|| unknown(&format!("chronyc -c tracking: {}", output.complaint)))?
    } else if runs("ntpd") || runs("ntpsec") {
        let output = machine.ask("ntpq", &["-c", "rv 0"], 10)?;
        parse_ntpq(&String::from_utf8_lossy(&output.text))
            .ok_or_else(|| unknown(&format!("ntpq -c rv: {}", output.complaint)))?
    } else if runs("systemd-timesyn") {
        // timesyncd touches this file whenever it has set the clock.
        let synchronised = machine.exists("/run/systemd/timesync/synchronized");
        TimeSync { by: "systemd-timesyncd".to_owned(), synchronised: Some(synchronised), ..TimeSync::default() }
    } else {
        // Without a bus timedatectl could ask nobody.
        let can_ask = !machine.is_live() || machine.exists(BUS);
        match can_ask.then(|| machine.ask("timedatectl", &["show"], 10)) {
            Some(Ok(output)) if output.code == Some(0) => parse_timedatectl(&String::from_utf8_lossy(&output.text)),
            // Without anyone who keeps the time and anyone who could say: nobody keeps it.
            None | Some(Ok(_) | Err(Outcome::Absent { .. })) => {
                TimeSync { synchronised: Some(false), ..TimeSync::default() }
            }
            Some(Err(other)) => return Err(other),
        }
    };
    Found::of(&sync, machine.now)
}

/// Reads `chronyc -c tracking`: reference, source, stratum, time, offset in seconds, …, leap status.
#[must_use]
pub fn parse_chrony(text: &str) -> Option<TimeSync> {
    let fields: Vec<&str> = text.trim().split(',').collect();
    let (source, offset, leap) = (fields.get(1)?, fields.get(4)?.parse::<f64>().ok()?, fields.get(13)?);
    Some(TimeSync {
        by: "chrony".to_owned(),
        synchronised: Some(*leap != "Not synchronised"),
        source: (*source).to_owned(),
        offset_ms: Some(offset * 1000.0).filter(|ms| ms.is_finite()),
    })
}

/// Reads `ntpq -c "rv 0"`: `leap=00` or `leap_none` is synchronised; the offset is in milliseconds.
#[must_use]
pub fn parse_ntpq(text: &str) -> Option<TimeSync> {
    let value = |key: &str| {
        text.split([',', '\n'])
            .filter_map(|part| part.trim().split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value)
    };
    let stratum: u32 = value("stratum")?.parse().ok()?;
    Some(TimeSync {
        by: "ntpd".to_owned(),
        synchronised: Some(stratum < 16 && !text.contains("leap_alarm")),
        source: value("refid").unwrap_or_default().to_owned(),
        offset_ms: value("offset").and_then(|ms| ms.parse().ok()),
    })
}

/// Reads `timedatectl show`.
#[must_use]
pub fn parse_timedatectl(text: &str) -> TimeSync {
    TimeSync { synchronised: property(text, "NTPSynchronized").map(|value| value == "yes"), ..TimeSync::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    #[test]
    fn each_in_its_own_words() {
        let chrony = parse_chrony(
            "CB00710F,203.0.113.15,3,1718008247.1,-0.000012345,0.1,0.2,-7.1,0.0,0.1,0.02,0.001,64.5,Normal\n",
        )
        .expect("reads");
        assert_eq!((chrony.synchronised, chrony.source.as_str()), (Some(true), "203.0.113.15"));
        assert!(chrony.offset_ms.is_some_and(|ms| (ms + 0.012345).abs() < 1e-9));
        assert_eq!(parse_chrony("506 Cannot talk to daemon"), None);
        let ntp = "associd=0 status=0615 leap_none, sync_ntp, 1 event,\nversion=\"ntpd\", stratum=3,\nrefid=203.0.113.1, offset=1.25, sys_jitter=0.1\n";
        assert_eq!(parse_ntpq(ntp).and_then(|sync| sync.offset_ms), Some(1.25));
        assert_eq!(parse_ntpq("stratum=16, refid=INIT").and_then(|sync| sync.synchronised), Some(false));
        assert_eq!(parse_timedatectl("NTP=no\nNTPSynchronized=yes\n").synchronised, Some(true));
        let captured =
            Captured::new(&[("/proc/9/comm", "systemd-timesyn\n"), ("/run/systemd/timesync/synchronized", "")]);
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(found.number("time.synchronised", ""), 1.0);
        let nobody = survey(&Captured::new(&[]).machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(nobody.number("time.synchronised", ""), 0.0);
    }
}
