//! Network interfaces.

use super::{ProbeInfo, Reading, Sink, brief};

/// Rates of one interface over the last interval, from `/proc/net/dev` and `/sys/class/net`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Interface {
    /// Name, such as `eth0`.
    pub name: String,
    /// Bytes, packets, errors and drops per second: received, then sent; none at the first reading.
    pub rates: Option<[f64; 8]>,
    /// Operational state is up; none where the kernel does not tell.
    pub up: Option<bool>,
    /// Link speed in Mbit/s; none where there is no link or it has no speed.
    pub speed_mbit: Option<f64>,
}

/// All interfaces but the loopback, by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Network(pub Vec<Interface>);

const RATE_METRICS: [&str; 8] = [
    "net.rx_bytes",
    "net.rx_packets",
    "net.rx_errors",
    "net.rx_dropped",
    "net.tx_bytes",
    "net.tx_packets",
    "net.tx_errors",
    "net.tx_dropped",
];

impl Reading for Network {
    const PROBE: ProbeInfo = ProbeInfo::sampled("network", &["net.rx", "net.tx", "net.up", "net.speed", "net.used"]);

    fn emit(&self, sink: &mut dyn Sink) {
        for interface in &self.0 {
            for (at, metric) in RATE_METRICS.into_iter().enumerate() {
                sink.put(metric, &interface.name, interface.rates.map_or(f64::NAN, |rates| brief(rates[at])));
            }
            sink.put("net.up", &interface.name, interface.up.map_or(f64::NAN, |up| f64::from(u8::from(up))));
            sink.put("net.speed", &interface.name, interface.speed_mbit.unwrap_or(f64::NAN));
            let used = match (interface.rates, interface.speed_mbit) {
                (Some(rates), Some(speed)) if speed > 0.0 => {
                    brief(rates[0].max(rates[4]) * 8.0 / (speed * 1e6) * 100.0).clamp(0.0, 100.0)
                }
                _ => f64::NAN,
            };
            sink.put("net.used_pct", &interface.name, used);
        }
    }
}
