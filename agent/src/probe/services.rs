//! Services of systemd: units that failed, and those that the configuration says should run.

use ioc_common::reading::{Service, Services};
use ioc_common::report::Event;

use crate::machine::{Found, Machine, Surveyed, absent, unknown};

/// Most failed units that are named.
const FAILED_MAX: usize = 100;

/// Makes the survey.
///
/// # Errors
/// *Absent* where systemd does not run, *unknown* when it does not answer.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    if machine.is_live() && !machine.exists("/run/systemd/system") {
        return Err(absent(&"/run/systemd/system: this host was not booted with systemd"));
    }
    let output = machine.ask(
        "systemctl",
        &["list-units", "--all", "--state=failed", "--plain", "--no-legend", "--no-pager"],
        20,
    )?;
    if output.code != Some(0) {
        return Err(unknown(&format!("systemctl list-units: {}", output.complaint)));
    }
    let mut services = Services { failed: parse_units(&String::from_utf8_lossy(&output.text)), ..Services::default() };
    services.failed.truncate(FAILED_MAX);
    if !machine.settings.services_up.is_empty() {
        let mut arguments =
            vec!["show", "--no-pager", "--property=Id,LoadState,ActiveState,SubState,NRestarts,Type", "--"];
        arguments.extend(machine.settings.services_up.iter().map(String::as_str));
        let output = machine.ask("systemctl", &arguments, 20)?;
        services.watched = parse_show(&String::from_utf8_lossy(&output.text));
    }
    let mut found = Found::of(&services, machine.now)?;
    let known: Option<Vec<String>> = serde_json::from_str(machine.memo).ok();
    let fresh = services.failed.iter().filter(|unit| known.as_ref().is_some_and(|known| !known.contains(unit)));
    found.events = fresh
        .map(|unit| Event {
            name: "service.failed".to_owned(),
            text: format!("{unit} failed"),
            fields: [("unit".to_owned(), unit.clone())].into(),
        })
        .collect();
    found.memo = serde_json::to_string(&services.failed).unwrap_or_default();
    Ok(found)
}

/// Reads `systemctl list-units --plain --no-legend`: the unit is the first word.
#[must_use]
pub fn parse_units(text: &str) -> Vec<String> {
    let units = text.lines().filter_map(|line| line.trim_start_matches(['●', '*', ' ']).split_whitespace().next());
    units.filter(|unit| unit.contains('.')).map(str::to_owned).collect()
}

/// One of the `Key=value` lines that systemd's programs print.
pub(super) fn property<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Reads `systemctl show`: blocks of `Key=value`, one for each unit.
#[must_use]
pub fn parse_show(text: &str) -> Vec<Service> {
    text.split("\n\n")
        .filter_map(|block| {
            let value = |key: &str| property(block, key);
            let unit = value("Id")?.to_owned();
            let (load, active) = (value("LoadState").unwrap_or(""), value("ActiveState").unwrap_or(""));
            // A unit that is not there does not run: what should be up is not. Being reloaded is running.
            let up = matches!(active, "active" | "reloading");
            let state = if load == "loaded" {
                format!("{active}/{}", value("SubState").unwrap_or(""))
            } else {
                load.to_owned()
            };
            Some(Service {
                unit,
                up: Some(up),
                state,
                restarts: value("NRestarts").and_then(|count| count.parse().ok()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    #[test]
    fn failed_units_once_as_events_and_watched_ones_always() {
        let mut captured = Captured::new(&[]);
        let list = ["list-units", "--all", "--state=failed", "--plain", "--no-legend", "--no-pager"];
        captured.says("systemctl", &list, 0, "postgresql.service loaded failed failed PostgreSQL RDBMS\n");
        captured.settings.services_up = vec!["ssh.service".into(), "nginx.service".into()];
        let show = [
            "show",
            "--no-pager",
            "--property=Id,LoadState,ActiveState,SubState,NRestarts,Type",
            "--",
            "ssh.service",
            "nginx.service",
        ];
        captured.says("systemctl", &show, 0, "Type=notify\nNRestarts=2\nId=ssh.service\nLoadState=loaded\nActiveState=active\nSubState=running\n\nId=nginx.service\n\
            LoadState=not-found\nActiveState=inactive\nSubState=dead\n");
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!((found.number("service.failed", ""), found.events.len()), (1.0, 0));
        assert_eq!(
            (found.number("service.up", "ssh.service"), found.number("service.up", "nginx.service")),
            (1.0, 0.0)
        );
        assert_eq!(found.number("service.restarts", "ssh.service"), 2.0);
        captured.memo = "[]".into();
        assert_eq!(survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read").events.len(), 1);
        assert_eq!(parse_units("● a.service loaded failed failed x\n0 loaded units listed.\n"), ["a.service"]);
    }
}
