//! A number of a device as people read it: in the unit that fits its size, with the decimal sign of their language.
//!
//! The API, exports and rules keep the catalogue's units; this is for pages alone.

use ioc_common::metric::Metric;

use crate::page::context::PageContext;

/// Units of storage and of what flows, each 1024 of the one before.
const BINARY: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

impl PageContext {
    /// A value of this metric with its unit; one whose metric is not in the catalogue has no unit.
    pub(crate) fn measured(&self, metric: Option<&Metric>, value: f64) -> String {
        let Some(metric) = metric else { return self.plain_number(value) };
        if is_flag(metric) && (value == 0.0 || value == 1.0) {
            return self.t(if value == 1.0 { "yes" } else { "no" });
        }
        match metric.unit {
            "By" => self.in_bytes(value, ""),
            "By/s" => self.in_bytes(value, "/s"),
            "s" if value >= 10.0 => self.duration((value * 1000.0) as i64),
            "ms" if value >= 10_000.0 => self.duration(value as i64),
            "d" => self.t_with("measure-days", "value", self.plain_number(value)),
            "h" => self.t_with("measure-hours", "value", self.plain_number(value)),
            "rpm" => self.t_with("measure-rpm", "value", self.plain_number(value)),
            "1/s" => format!("{}/s", self.plain_number(value)),
            "1" => self.plain_number(value),
            _ => format!("{} {}", self.plain_number(value), metric.unit_shown()),
        }
    }

    /// A size in bytes.
    pub(crate) fn bytes(&self, value: f64) -> String {
        self.in_bytes(value, "")
    }

    /// A size, or so much each second, in the largest unit of which there is at least one.
    fn in_bytes(&self, value: f64, per: &str) -> String {
        let mut size = value;
        let mut unit = 0;
        while size.abs() >= 1024.0 && unit + 1 < BINARY.len() {
            size /= 1024.0;
            unit += 1;
        }
        format!("{} {}{per}", self.plain_number(size), BINARY.get(unit).copied().unwrap_or("B"))
    }

    /// A number with as many digits as tell something: none behind the sign from a hundred on, two below ten.
    pub(crate) fn plain_number(&self, value: f64) -> String {
        self.localized_number(digits(value))
    }
}

/// What is 0 or 1 and nothing between.
fn is_flag(metric: &Metric) -> bool {
    metric.unit == "1" && metric.min == 0.0 && metric.max == 1.0
}

/// A number, written with a point.
fn digits(value: f64) -> String {
    let most = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.most$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text.as_str() };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_as_many_digits_as_tell_something() {
        for (value, text) in [
            (0.0, "0"),
            (-0.001, "0"),
            (0.5, "0.5"),
            (3.24159, "3.24"),
            (12.345, "12.3"),
            (99.96, "100"),
            (1234.5, "1234"),
            (5_482_000.0, "5482000"),
            (100.0, "100"),
            (20.0, "20"),
        ] {
            assert_eq!(digits(value), text, "{value}");
        }
    }

    #[test]
    fn only_what_is_0_or_1_is_a_flag() {
        let named = |name: &str| is_flag(ioc_common::metric::find(name).expect("a metric"));
        assert!(named("time.synchronised") && named("raid.healthy"));
        assert!(!named("electric.power_factor") && !named("usb.storage") && !named("load.1"));
    }
}
