//! The management controller of a server, through `ipmitool` where there is one: sensors, power supplies, its event log.

use ioc_common::reading::Ipmi;

use crate::machine::{Found, Machine, Surveyed, absent, unknown};

/// Most sensors that become numbers.
const SENSORS_MAX: usize = 120;

/// Makes the survey.
///
/// # Errors
/// *Absent* without a controller or without ipmitool, *unknown* when it does not answer.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    if machine.is_live() && !["/dev/ipmi0", "/dev/ipmi/0", "/dev/ipmidev/0"].iter().any(|path| machine.exists(path)) {
        return Err(absent(
            &"/dev/ipmi0: this host has no management controller, or its module ipmi_devintf is not loaded",
        ));
    }
    let list = machine.ask("ipmitool", &["-c", "sdr", "elist", "full"], 45)?;
    if list.code != Some(0) && list.text.is_empty() {
        return Err(unknown(&format!("ipmitool: {}; mend: run the helper unit", list.complaint)));
    }
    let mut ipmi = Ipmi::default();
    for row in parse_sdr(&String::from_utf8_lossy(&list.text)) {
        if row.is_bad() {
            ipmi.bad.push(format!("{} {}", row.name, row.state));
        }
        if let (Some(value), true) = (row.value, ipmi.values.len() < SENSORS_MAX) {
            ipmi.values.push((row.name, row.unit, value));
        }
    }
    if let Ok(supplies) = machine.ask("ipmitool", &["-c", "sdr", "type", "Power Supply"], 30) {
        ipmi.supplies = parse_supplies(&String::from_utf8_lossy(&supplies.text));
    }
    if let Ok(log) = machine.ask("ipmitool", &["sel", "elist", "last", "5"], 30) {
        ipmi.events = String::from_utf8_lossy(&log.text).lines().map(|line| line.trim().to_owned()).collect();
    }
    Found::of(&ipmi, machine.now)
}

/// A row of `ipmitool -c sdr elist`: name, value, unit, state, entity.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    name: String,
    value: Option<f64>,
    unit: String,
    state: String,
}

impl Row {
    /// `ok` is well, `ns` is not there; `nc`, `cr` and `nr` are beyond a limit.
    fn is_bad(&self) -> bool {
        ["nc", "cr", "nr", "lnc", "lcr", "lnr", "unc", "ucr", "unr"].contains(&self.state.as_str())
    }
}

/// Reads `ipmitool -c sdr elist full`.
#[must_use]
pub fn parse_sdr(text: &str) -> Vec<Row> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let [name, value, unit, state, ..] = fields.as_slice() else { return None };
            Some(Row {
                name: (*name).to_owned(),
                value: value.parse().ok().filter(|value: &f64| value.is_finite()),
                unit: (*unit).to_owned(),
                state: (*state).to_owned(),
            })
        })
        .collect()
}

/// Reads `ipmitool -c sdr type "Power Supply"`: name, id, state, entity, what it says.
#[must_use]
pub fn parse_supplies(text: &str) -> Vec<(String, bool)> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let (name, state, said) = (fields.first()?, fields.get(2)?, fields.get(4..)?.join(","));
            if *state == "ns" {
                return None;
            }
            let bad =
                ["Failure detected", "Power Supply AC lost", "AC out-of-range", "Predictive failure", "Config Error"];
            Some(((*name).to_owned(), *state == "ok" && !bad.iter().any(|bad| said.contains(bad))))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    #[test]
    fn a_server_with_a_failed_supply_and_a_hot_inlet() {
        let captured = Captured::new(&[]);
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
}
