//! The management controller of a server, through `ipmitool` where there is one: sensors, power supplies, its event log.

use ioc_common::reading::{Findings, Ipmi};

use crate::ProbeOutcome;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Ipmi::PROBE,
    deadline_s: 120,
    watch: &[],
    privileged: true,
    needs: Some("ipmitool and /dev/ipmi0 (the helper unit)"),
    whole_memo: None,
    programs: &["ipmitool"],
    captured: CapturedFiles::NONE,
    processes: &[],
    card: Card {
        article: "6.2, 18.2",
        vi: "Bộ quản lý máy chủ (IPMI)",
        en: "Management controller (IPMI)",
        reads: "`ipmitool sdr elist all` (else `elist full` and `type 'Power Supply'`), `ipmitool sel`",
        cost: "100 ms, most of it waiting",
    },
    read: survey,
};

mod rows;

pub use rows::SensorRow;

/// Most sensors that become numbers.
const SENSORS_MAX: usize = 120;

/// Makes the survey.
///
/// # Errors
/// *Absent* without a controller or without ipmitool, *unknown* when it does not answer.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    if context.is_live() && !["/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0"].iter().any(|path| context.exists(path)) {
        return Err(absent(
            &"/dev/ipmi0: this host has no management controller, or its module ipmi_devintf is not loaded",
        ));
    }
    let mut ipmi = Ipmi::default();
    let everything = context.ask("ipmitool", &["-c", "sdr", "elist", "all"], 50);
    let has_hung = everything.has_hung();
    match everything.parse(parse_sdr) {
        Ok((rows, odd)) => {
            not_understood(&mut ipmi, odd);
            sensors(&mut ipmi, &rows, false);
            supplies(&mut ipmi, &rows.iter().filter(|row| is_apart(row)).collect::<Vec<_>>());
        }
        // Whoever does not answer that does not answer more.
        Err(outcome) if has_hung => return Err(outcome),
        Err(outcome) => {
            let (rows, odd) = context.ask("ipmitool", &["-c", "sdr", "elist", "full"], 45).parse(parse_sdr)?;
            ipmi.unknown.extend(why(outcome).map(|why| format!("drives, memory, processors and chassis: {why}")));
            not_understood(&mut ipmi, odd);
            sensors(&mut ipmi, &rows, true);
            match context.ask("ipmitool", &["-c", "sdr", "type", "Power Supply"], 30).parse(parse_supplies) {
                Ok((rows, odd)) => {
                    not_understood(&mut ipmi, odd);
                    supplies(&mut ipmi, &rows.iter().collect::<Vec<_>>());
                }
                Err(outcome) => ipmi.unknown.extend(why(outcome).map(|why| format!("power supplies: {why}"))),
            }
        }
    }
    match context.ask("ipmitool", &["sel", "elist", "last", "5"], 30).lines_or_none() {
        Ok(log) => ipmi.events = log.lines().map(|line| line.trim().to_owned()).collect(),
        Err(outcome) => ipmi.unknown.extend(why(outcome).map(|why| format!("event log: {why}"))),
    }
    SurveyFindings::of(&ipmi, context.now)
}

fn not_understood(ipmi: &mut Ipmi, rows: usize) {
    if rows > 0 {
        ipmi.unknown.push(format!("{rows} rows of ipmitool sdr are not understood"));
    }
}

fn why(outcome: ProbeOutcome) -> Option<String> {
    match outcome {
        ProbeOutcome::Unknown { why } | ProbeOutcome::Absent { why } => Some(why),
        ProbeOutcome::Read => None,
    }
}

/// Numbers, and what is not well. Supplies are told of by themselves, save where their numbers are beyond a limit; `all`
/// where they are asked for apart.
fn sensors(ipmi: &mut Ipmi, rows: &[SensorRow], all: bool) {
    for row in rows {
        let apart = !all && is_apart(row);
        if let (Some(fault), false) = (row.fault(), apart) {
            ipmi.bad.push(format!("{} {fault}", row.name));
        }
        if let (Some(value), true) = (row.value, ipmi.values.len() < SENSORS_MAX) {
            ipmi.values.push((row.name.clone(), row.unit.clone(), value));
        }
    }
}

/// It tells of supplies in words.
fn is_apart(row: &SensorRow) -> bool {
    row.words.is_some() && (row.is_of_supply() || row.is_redundancy() && row.is_of_power())
}

/// Supplies: one with a fault is not well. An empty bay is none, unless the redundancy of power is lost: then it was pulled.
fn supplies(ipmi: &mut Ipmi, rows: &[&SensorRow]) {
    let mut empty: Vec<&SensorRow> = Vec::new();
    let (redundancy, of_supplies): (Vec<&SensorRow>, Vec<&SensorRow>) =
        rows.iter().partition(|row| row.is_redundancy());
    for row in &of_supplies {
        let says_nothing = row.value.is_none() && row.words.as_deref().is_none_or(str::is_empty);
        match row.fault() {
            Some(_) => ipmi.supplies.push((row.name.clone(), false)),
            None if row.has_reading() && !says_nothing => ipmi.supplies.push((row.name.clone(), true)),
            // A number without a reading lies beside the row that tells of the supply itself.
            None if row.words.is_some() => empty.push(row),
            None => {}
        }
    }
    let lost: Vec<&&SensorRow> = redundancy.iter().filter(|row| row.fault().is_some()).collect();
    if lost.is_empty() || ipmi.supplies.iter().any(|(_, well)| !well) {
        return;
    }
    let lives = |entity: &str| {
        of_supplies
            .iter()
            .any(|row| row.entity == entity && row.has_reading() && row.words.as_deref().is_some_and(|w| !w.is_empty()))
    };
    empty.retain(|row| row.entity.is_empty() || !lives(&row.entity));
    if empty.is_empty() {
        ipmi.bad.extend(lost.iter().filter_map(|row| Some(format!("{} {}", row.name, row.fault()?))));
    } else {
        ipmi.supplies.extend(empty.iter().map(|row| (row.name.clone(), false)));
    }
}

/// Reads `ipmitool -c sdr elist`: its rows, and how many were not understood.
///
/// # Errors
/// When not one row is understood.
pub fn parse_sdr(text: &str) -> Result<(Vec<SensorRow>, usize), String> {
    rows::parse(text)
}

/// Reads `ipmitool -c sdr type "Power Supply"`; as [`parse_sdr`].
///
/// # Errors
/// Where not one row is understood, or the controller lists no supply.
pub fn parse_supplies(text: &str) -> Result<(Vec<SensorRow>, usize), String> {
    if text.trim().is_empty() {
        return Err("the controller lists none".to_owned());
    }
    rows::parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    #[test]
    fn a_server_with_a_failed_supply_and_a_hot_inlet() {
        let captured = CapturedMachine::new(&[]);
        captured.says(
            "ipmitool",
            &["-c", "sdr", "elist", "full"],
            0,
            "Inlet Temp,44,degrees C,ucr,7.1\nFan1 RPM,7080,RPM,ok,7.1\nVoltage 1,230,Volts,ok,10.1\nGone,,,ns,7.1\n",
        );
        captured.says(
            "ipmitool",
            &["-c", "sdr", "type", "Power Supply"],
            0,
            "PS1 Status,C8h,ok,10.1,Presence detected\n\
            PS2 Status,C9h,ok,10.2,Presence detected, Failure detected, Power Supply AC lost\n",
        );
        captured.says(
            "ipmitool",
            &["sel", "elist", "last", "5"],
            0,
            "  1 | 11/23/2026 | 10:00:00 | Power Supply #0x74 | Power Supply AC lost | Asserted\n",
        );
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!((found.number("ipmi.bad", ""), found.number("ipmi.supplies_failed", "")), (1.0, 1.0));
        assert_eq!(
            (found.number("ipmi.temperature", "Inlet Temp"), found.number("ipmi.fan", "Fan1 RPM")),
            (44.0, 7080.0)
        );
        let ipmi: Ipmi = found.read();
        assert_eq!(ipmi.bad, ["Inlet Temp ucr"]);
    }

    const ALL: [&str; 4] = ["-c", "sdr", "elist", "all"];
    const FULL: [&str; 4] = ["-c", "sdr", "elist", "full"];
    const SUPPLIES: [&str; 4] = ["-c", "sdr", "type", "Power Supply"];

    fn parsed(all: &str) -> Ipmi {
        let captured = CapturedMachine::new(&[]);
        captured.says("ipmitool", &ALL, 0, all);
        captured.says("ipmitool", &["sel", "elist", "last", "5"], 0, "");
        survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read").read()
    }

    #[test]
    fn one_question_tells_of_all() {
        let ipmi = parsed(
            "T,43,degrees C,ok\nPS1 Status,C8h,ok,10.1,Presence detected\nDrive 1,81h,ok,26.1,Drive Fault\nrubbish\n",
        );
        assert_eq!(ipmi.bad, ["Drive 1 Drive Fault"]);
        assert_eq!(ipmi.supplies, [("PS1 Status".to_owned(), true)]);
        assert_eq!(ipmi.unknown, ["1 rows of ipmitool sdr are not understood"]);
    }

    #[test]
    fn redundancy_that_is_lost_has_a_cause() {
        let lost = "PS Redundancy,77h,ok,7.1,Redundancy Lost\n";
        let here = "PS1 Status,C8h,ok,10.1,Presence detected\nPS1 Fan,C1h,ns,10.1,No Reading\n";
        // Nothing names the supply: the redundancy itself is what is wrong.
        assert_eq!(parsed(&format!("{here}{lost}")).bad, ["PS Redundancy Redundancy Lost"]);
        // A bay says nothing, or cannot be read: its supply was pulled.
        for bay in ["PS2 Status,C9h,ok,10.2,\n", "PS2 Status,C9h,ns,10.2,No Reading\n"] {
            let ipmi = parsed(&format!("{here}{bay}{lost}"));
            assert_eq!((ipmi.bad.len(), ipmi.supplies.last()), (0, Some(&("PS2 Status".to_owned(), false))), "{bay}");
        }
        // The fans have their own.
        let fans = parsed(&format!("{here}PS2 Status,C9h,ok,10.2,\nFan Redundancy,75h,ok,7.1,Redundancy Lost\n"));
        assert_eq!((fans.bad.len(), fans.supplies.len()), (1, 1));
    }

    #[test]
    fn what_was_not_answered_is_said() {
        let captured = CapturedMachine::new(&[]);
        captured.says("ipmitool", &ALL, 1, "");
        captured.says("ipmitool", &FULL, 0, "T,43,degrees C,ok\n");
        captured.says("ipmitool", &SUPPLIES, 1, "");
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert!(found.number("ipmi.supplies_failed", "").is_nan());
        let ipmi: Ipmi = found.read();
        assert_eq!(ipmi.unknown.len(), 3, "{:?}", ipmi.unknown);
        captured.says("ipmitool", &FULL, 0, "rubbish\n");
        let survey = survey(&captured.machine("2026-11-24T00:00:00Z"));
        assert!(matches!(survey, Err(ProbeOutcome::Unknown { .. })), "{survey:?}");
    }
}
