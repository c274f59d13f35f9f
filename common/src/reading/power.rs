//! Power supplies and batteries of the machine.

use super::{ProbeInfo, Reading, Sink, brief, flag};

/// Power supplies and batteries of `/sys/class/power_supply`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PowerSupplies(pub Vec<PowerSupply>);

/// A supply, or a battery.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PowerSupply {
    /// Kernel name, such as `BAT0`.
    pub name: String,
    /// It is a battery.
    pub battery: bool,
    /// Mains: it delivers.
    pub online: Option<bool>,
    /// Battery: charge, %.
    pub charge_pct: Option<f64>,
    /// Battery: full charge against the designed one, %.
    pub health_pct: Option<f64>,
}

impl Reading for PowerSupplies {
    const PROBE: ProbeInfo = ProbeInfo::sampled("power", &["power.", "battery."]);

    fn emit(&self, sink: &mut dyn Sink) {
        for supply in &self.0 {
            if supply.battery {
                sink.put("battery.charge", &supply.name, supply.charge_pct.unwrap_or(f64::NAN));
                sink.put("battery.health", &supply.name, supply.health_pct.map_or(f64::NAN, brief));
            } else {
                sink.put("power.online", &supply.name, flag(supply.online));
            }
        }
    }
}
