//! Rows of `ipmitool -c sdr`: sensors with a number, and sensors that say a state in words.
//!
//! With a number: `Inlet Temp,24,degrees C,ok`, and behind it, where the sensor says words too or an older program printed
//! it, the entity and the words. In words: `PS1 Status,C8h,ok,10.1,Presence detected`. What stands for a part or another
//! controller (`iDRAC,00h,ok,7.1`) is no sensor. The words are those of the IPMI specification, tables 42-2 and 42-3.

/// States of a sensor with a number: `ok`; `ns`, `na` and others that have no reading; beyond a limit.
const NO_READING: [&str; 6] = ["ns", "na", "us", "disabled", "unknown", "no reading"];
const BEYOND: [&str; 9] = ["nc", "cr", "nr", "lnc", "lcr", "lnr", "unc", "ucr", "unr"];

/// Parts of words that tell of a fault.
const FAULTS: [&str; 34] = [
    "fail",
    "fault",
    "error",
    "lost",
    "out-of-range",
    "degraded",
    "critical",
    "non-recoverable",
    "exceeded",
    "intrusion",
    "ierr",
    "thermal trip",
    "overtemp",
    "over temp",
    "aborted",
    "uncorrectable",
    "insufficient resources",
    "sufficient from redundant",
    "sufficient resources from redundant",
    "performance lags",
    "frb1",
    "frb2",
    "frb3",
    "machine check",
    "logging limit",
    "parity",
    "controller unavailable",
    "controller off-line",
    "controller offline",
    "pci serr",
    "pci perr",
    "bus timeout",
    "fatal nmi",
    "240va",
];
/// Parts of words that tell of none, though they hold one of those: the last means that the least that is needed is back.
const WELL: [&str; 8] = [
    "parity check in progress",
    "consistency check",
    "deasserted",
    "not exceeded",
    "no error",
    "no fail",
    "no fault",
    "from insufficient",
];
/// The same, where the words begin so: what was corrected is not lost, and how often that is so is counted elsewhere.
const WELL_HEADS: [&str; 4] = ["fully redundant", "bus correctable", "correctable machine check", "lan leash"];

/// One line of `ipmitool sdr elist`: a sensor with its number or its state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SensorRow {
    /// As the maker called it: `Inlet Temp`, `PSU1 Status`.
    pub name: String,
    /// The number, where it has one.
    pub value: Option<f64>,
    /// The number's unit, such as `degrees C`; empty for words.
    pub unit: String,
    /// `ok`, `ns`, `cr`, …
    pub state: String,
    /// What it belongs to, `10.1` (10 is a power supply); empty where the row does not say.
    pub entity: String,
    /// The words; none where the row has no place for them.
    pub words: Option<String>,
}

impl SensorRow {
    /// A reading is there.
    pub(super) fn has_reading(&self) -> bool {
        !NO_READING.contains(&self.state.to_lowercase().as_str())
    }

    /// What is wrong with it; none when nothing is.
    pub(super) fn fault(&self) -> Option<String> {
        if BEYOND.contains(&self.state.as_str()) {
            return Some(self.state.clone());
        }
        let words = self.words.as_deref().filter(|_| self.has_reading())?;
        let asserted = words.to_lowercase().contains("state asserted") && {
            // By words: an interrupt is no error, and a default is no fault.
            let name = self.name.to_lowercase();
            let is_bad = |word: &str| {
                word.starts_with("fail")
                    || word.starts_with("fault")
                    || ["fail", "failure", "fault", "error"].iter().any(|end| word.ends_with(end)) && word != "default"
                    || ["err", "lost", "overtemp", "trip"].contains(&word)
            };
            name.contains("over temp") || name.split(|c: char| !c.is_alphanumeric()).any(is_bad)
        };
        // `AC lost or out-of-range` and its like have no comma that would part them wrongly.
        let said: Vec<&str> =
            words.split(", ").map(str::trim).filter(|said| is_fault(said) || self.is_low_battery(said)).collect();
        match (said.is_empty(), asserted) {
            (true, false) => None,
            (true, true) => Some("State Asserted".to_owned()),
            _ => Some(said.join(", ")),
        }
    }

    /// A battery whose charge is `Low`; a processor's temperature may be so, and is well then.
    fn is_low_battery(&self, said: &str) -> bool {
        let name = self.name.to_lowercase();
        said.eq_ignore_ascii_case("low")
            && (self.entity.starts_with("40.") || name.contains("bat") || name.contains("cmos"))
    }

    /// It tells whether parts that stand in for each other still do.
    pub(super) fn is_redundancy(&self) -> bool {
        self.words.as_deref().is_some_and(|words| {
            let words = words.to_lowercase();
            words.contains("redundan")
        })
    }

    /// It belongs to a power supply, as its entity or its name says.
    pub(super) fn is_of_supply(&self) -> bool {
        let name = self.name.to_lowercase();
        let numbered = |head: &str| {
            name.strip_prefix(head).is_some_and(|rest| rest.trim_start().starts_with(|c: char| c.is_ascii_digit()))
        };
        self.entity.starts_with("10.") || name.starts_with("psu") || name.starts_with("power supply") || numbered("ps")
    }

    /// It tells of power: a supply, or what is behind all of them.
    pub(super) fn is_of_power(&self) -> bool {
        let name = self.name.to_lowercase();
        self.is_of_supply()
            || ["19.", "21."].iter().any(|entity| self.entity.starts_with(entity))
            || ["power", "pwr"].iter().any(|part| name.contains(part))
            || name.split(|c: char| !c.is_alphanumeric()).any(|word| word == "ps" || word == "psu")
    }
}

fn is_fault(said: &str) -> bool {
    let said = said.to_lowercase();
    let well = WELL.iter().any(|part| said.contains(part)) || WELL_HEADS.iter().any(|head| said.starts_with(head));
    !well && FAULTS.iter().any(|part| said.contains(part))
}

fn is_state(word: &str) -> bool {
    let word = word.to_lowercase();
    word == "ok" || NO_READING.contains(&word.as_str()) || BEYOND.contains(&word.as_str())
}

fn is_number_of_sensor(word: &str) -> bool {
    let digits = word.strip_suffix('h').or_else(|| word.strip_prefix("0x")).unwrap_or_default();
    !digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

fn row(line: &str) -> Option<SensorRow> {
    let fields: Vec<&str> = line.split(',').map(str::trim).collect();
    // A name may hold commas; nothing quotes them.
    for at in 1..fields.len() {
        let rest = fields.get(at..)?;
        let (value, unit, state, behind) = match rest {
            [number, state, behind @ ..] if is_number_of_sensor(number) && is_state(state) => {
                (None, "", *state, behind)
            }
            [value, unit, state, behind @ ..]
                if is_state(state) && (value.is_empty() || is_state(value) || value.parse::<f64>().is_ok()) =>
            {
                (value.parse().ok().filter(|value: &f64| value.is_finite()), *unit, *state, behind)
            }
            _ => continue,
        };
        return Some(SensorRow {
            name: fields[..at].join(","),
            value,
            unit: unit.to_owned(),
            state: state.to_owned(),
            entity: behind.first().map_or(String::new(), |entity| (*entity).to_owned()),
            words: behind.get(1..).filter(|words| !words.is_empty()).map(|words| words.join(", ")),
        });
    }
    None
}

/// Reads the rows, and says how many could not be understood.
///
/// # Errors
/// Where not one row is understood.
pub(super) fn parse(text: &str) -> Result<(Vec<SensorRow>, usize), String> {
    let (mut rows, mut odd) = (Vec::new(), 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match row(line) {
            Some(row) => rows.push(row),
            None => odd += 1,
        }
    }
    if rows.is_empty() {
        return Err(if odd == 0 { "printed nothing".to_owned() } else { "not one row is understood".to_owned() });
    }
    Ok((rows, odd))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> SensorRow {
        row(line).unwrap_or_else(|| panic!("{line} is no row"))
    }

    #[test]
    fn forms_of_rows() {
        let row = one("Inlet Temp,24,degrees C,ok,7.1");
        assert_eq!(
            (row.value, row.unit.as_str(), row.state.as_str(), row.words.as_deref()),
            (Some(24.0), "degrees C", "ok", None)
        );
        let row = one("Power Supply 1,120,Watts,ok,10.1,Presence detected, Failure detected");
        assert_eq!(
            (row.value, row.entity.as_str(), row.fault().as_deref()),
            (Some(120.0), "10.1", Some("Failure detected"))
        );
        let row = one("CPU, left,C8h,ok,3.1,");
        assert_eq!((row.name.as_str(), row.value, row.words.as_deref()), ("CPU,left", None, Some("")));
        for unread in [
            "PS 1 Output,,,ns",
            "T,na,,na",
            "T,disabled,,ns",
            "Event,17h,ns,7.1,Event-Only",
            "S,64h,ns,10.1,No Reading",
        ] {
            let row = one(unread);
            assert_eq!((row.has_reading(), row.value, row.fault()), (false, None, None), "{unread}");
        }
        assert_eq!(one("iDRAC,00h,ok,7.1").words, None);
        for no_row in ["", "Sensor,Value,Unit,Status", "a,b", "T,nan,", "Unable to open SDR"] {
            assert_eq!(super::row(no_row), None, "{no_row}");
        }
        assert!(parse("").is_err() && parse("what\never\n").is_err());
    }

    #[test]
    fn words_of_the_specification() {
        let fault = |words: &str| one(&format!("Any,10h,ok,7.1,{words}")).fault().is_some();
        for bad in [
            "Failure detected",
            "Presence detected, Power Supply AC lost",
            "AC lost or out-of-range",
            "AC out-of-range, but present",
            "Config Error: Vendor Mismatch",
            "Predictive Failure Asserted",
            "Limit Exceeded",
            "Transition to Critical from less severe",
            "Transition to Non-recoverable",
            "Transition to Degraded",
            "Redundancy Lost",
            "Redundancy Degraded from Fully Redundant",
            "Non-Redundant: Sufficient from Redundant",
            "Drive Present, In Failed Array",
            "In Critical Array",
            "Uncorrectable ECC",
            "Correctable ECC logging limit reached",
            "Uncorrectable machine check exception",
            "Bus Uncorrectable error",
            "IERR",
            "Thermal Trip",
            "FRB1/BIST failure",
            "General Chassis intrusion",
        ] {
            assert!(fault(bad), "{bad}");
        }
        // A battery that is low is empty soon; Supermicro's older boards call a cool processor so.
        let low = |name: &str| SensorRow {
            name: name.to_owned(),
            state: "ok".to_owned(),
            words: Some("Low".to_owned()),
            ..SensorRow::default()
        };
        assert!(low("CMOS Battery").fault().is_some() && low("CPU1 Temp").fault().is_none());
        for good in [
            "",
            "Presence detected",
            "Fully Redundant",
            "Non-Redundant: Sufficient from Insufficient",
            "Limit Not Exceeded",
            "Predictive Failure Deasserted",
            "State Asserted",
            "State Deasserted",
            "Transition to OK",
            "Transition to Running",
            "Device Present",
            "Device Absent",
            "Drive Present, Hot Spare",
            "Rebuild In Progress",
            "Correctable ECC",
            "Power off/down",
            "Power Supply Inactive",
            "S0/G0: working",
            "Informational",
        ] {
            assert!(!fault(good), "{good}");
        }
        assert!(one("PS1 Fan Fail,A0h,ok,10.1,State Asserted").fault().is_some());
    }
}
