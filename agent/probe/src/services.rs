//! Services of systemd: units that failed, and those that the configuration says should run.

use ioc_common::reading::{Findings, Service, Services};
use ioc_common::report::Event;

use crate::ProbeOutcome;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Services::PROBE,
    deadline_s: 50,
    watch: &[],
    privileged: false,
    needs: Some("systemctl"),
    whole_memo: None,
    programs: &["systemctl"],
    captured: CapturedFiles::NONE,
    processes: &[],
    card: Card {
        article: "5.1a",
        vi: "Dịch vụ systemd lỗi, dịch vụ phải chạy",
        en: "Failed units of systemd, services that should run",
        reads: "`systemctl list-units`, `systemctl show`; event `service.failed`",
        cost: "8 ms",
    },
    read: survey,
};

/// Most failed units that are named.
const FAILED_MAX: usize = 100;

/// What is asked for the failed ones.
const LIST: [&str; 5] = ["list-units", "--all", "--state=failed", "--plain", "--no-pager"];

/// Makes the survey.
///
/// # Errors
/// *Absent* where systemd does not run, *unknown* when it does not answer.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    if context.is_live() && !context.exists("/run/systemd/system") {
        return Err(absent(&"/run/systemd/system: this host was not booted with systemd"));
    }
    let failed = context.ask("systemctl", &LIST, 20).parse(parse_units)?;
    let mut services = Services { failed, ..Services::default() };
    if services.failed.len() > FAILED_MAX {
        services.unknown.push(format!("{} units failed; {FAILED_MAX} are named", services.failed.len()));
    }
    services.failed.truncate(FAILED_MAX);
    if !context.settings.services_up.is_empty() {
        let mut arguments =
            vec!["show", "--no-pager", "--property=Id,LoadState,ActiveState,SubState,NRestarts,Type", "--"];
        arguments.extend(context.settings.services_up.iter().map(String::as_str));
        let wanted = &context.settings.services_up;
        services.watched = match context.ask("systemctl", &arguments, 20).parse(|text| parse_show(text, wanted)) {
            Ok(watched) => watched,
            // The failed ones are told all the same, and of those that should run nothing is known.
            Err(ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why }) => {
                services.unknown.push(why);
                wanted.iter().map(|unit| Service { unit: unit.clone(), ..Service::default() }).collect()
            }
            Err(ProbeOutcome::Read) => Vec::new(),
        };
    }
    let mut found = SurveyFindings::of(&services, context.now)?;
    let known: Option<Vec<String>> = serde_json::from_str(context.memo).ok();
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

/// Reads `systemctl list-units --plain`: a unit a line, its name first, between the head and the legend. The legend's `N loaded units
/// listed` is what says that the list is whole.
///
/// # Errors
/// When it does not, or the list has another length.
pub fn parse_units(text: &str) -> Result<Vec<String>, String> {
    let listed = text.lines().find_map(|line| line.split_once(" loaded units listed"));
    let listed = listed.and_then(|(count, _)| count.trim().parse::<usize>().ok());
    let listed = listed.ok_or("no line 'N loaded units listed' ends the list")?;
    let head = text.lines().position(|line| line.trim_start().starts_with("UNIT ")).map_or(0, |at| at + 1);
    let units = text.lines().skip(head).take_while(|line| !line.trim().is_empty());
    let units = units.filter_map(|line| line.trim_start_matches(['●', '*', ' ']).split_whitespace().next());
    let units: Vec<String> = units.filter(|unit| unit.contains('.')).map(str::to_owned).collect();
    if units.len() == listed { Ok(units) } else { Err(format!("{} units of {listed} are listed", units.len())) }
}

/// One of the `Key=value` lines that systemd's programs print.
pub(super) fn property<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines().filter_map(|line| line.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// Reads `systemctl show`: blocks of `Key=value`, one for each unit, in the order they were asked for.
///
/// # Errors
/// When not every unit is told of, with its state.
pub fn parse_show(text: &str, wanted: &[String]) -> Result<Vec<Service>, String> {
    let services: Vec<Service> = text
        .split("\n\n")
        .filter_map(|block| {
            let value = |key: &str| property(block, key);
            let unit = value("Id")?.to_owned();
            let (load, active) = (value("LoadState")?, value("ActiveState")?);
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
        .collect();
    if services.len() == wanted.len() {
        Ok(services)
    } else {
        Err(format!("{} of {} units are told of", services.len(), wanted.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    #[test]
    fn failed_units_once_as_events_and_watched_ones_always() {
        let mut captured = CapturedMachine::new(&[]);
        let list = "  UNIT               LOAD   ACTIVE SUB    DESCRIPTION\n\
            postgresql.service loaded failed failed PostgreSQL RDBMS\n\n\
            LOAD   = Reflects whether the unit definition was properly loaded.\n\n1 loaded units listed.\n";
        captured.says("systemctl", &LIST, 0, list);
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
        assert_eq!(parse_units("  UNIT LOAD ACTIVE SUB DESCRIPTION\n0 loaded units listed.\n"), Ok(vec![]));
        assert_eq!(parse_units("\n0 loaded units listed.\n"), Ok(vec![]));
        captured.says("systemctl", &show, 1, "Failed to get properties: Connection timed out\n");
        let blind = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(blind.number("service.failed", ""), 1.0);
        assert!(
            blind.number("service.up", "ssh.service").is_nan() && blind.number("service.up", "nginx.service").is_nan()
        );
        assert!(blind.read::<Services>().unknown[0].contains("Connection timed out"));
        let cut = parse_units(&list.replace('1', "2"));
        assert!(cut.is_err_and(|why| why == "1 units of 2 are listed"));
        assert!(parse_units("").is_err() && parse_units("Failed to list units: Connection timed out\n").is_err());
    }
}
