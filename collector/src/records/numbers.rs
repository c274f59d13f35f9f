//! Numbers of devices over a period, in an archive of one device or one incident: as fine as pages show a span of that length. They are asked for by
//! themselves (`--numbers`), since they are many.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use ioc_common::clock::Timestamp;
use ioc_store::history::Tier;
use ioc_store::template::percent_encoded;

use super::NUMBERS;
use super::parts::{Kind, Parts, Wanted};
use crate::cli;

/// Series of one question: as many as the API answers at once.
const SERIES_AT_ONCE: usize = 60;
/// Points of a series of one question: an answer stays within a few megabytes.
const POINTS: i64 = 500;
/// Longest period, days: a quarter, and what it is compared with.
const DAYS_MAX: i64 = 185;
const DAY_MS: i64 = 86_400_000;

/// Whether numbers can be had of what is asked for.
pub(super) fn check(wanted: &Wanted) -> anyhow::Result<()> {
    if !wanted.numbers {
        return Ok(());
    }
    let is_of_some = wanted.device.is_some() || wanted.incident.is_some();
    anyhow::ensure!(is_of_some, "--numbers: those of all devices are too many; mend: name a --device or an --incident");
    let days = wanted.to.millis_since(wanted.from) / DAY_MS;
    anyhow::ensure!(days <= DAYS_MAX, "--numbers: found {days} days; allowed are {DAYS_MAX}: make several archives");
    Ok(())
}

/// How fine the numbers of a span are, its name, and how far their points are apart, milliseconds; as reported, as close as they may be.
const fn tier_of(span_ms: i64) -> (&'static str, i64) {
    match Tier::for_span(span_ms) {
        Tier::Raw => ("raw", 10_000),
        Tier::FiveMinutes => ("5m", 300_000),
        Tier::Hour => ("1h", 3_600_000),
    }
}

/// Puts them into an archive, where they are asked for.
pub(super) async fn put(runtime: &Path, wanted: &Wanted, devices: &[String], parts: &Parts) -> anyhow::Result<()> {
    if !wanted.numbers {
        return Ok(());
    }
    let columns = &["device", "series", "unit", "at", "value", "min", "max", "mean", "last", "count"];
    let mut out = Kind::begin(parts, NUMBERS, columns)?;
    let (tier, apart_ms) = tier_of(wanted.to.millis_since(wanted.from));
    for device in devices {
        let address = format!("/api/v1/devices/{}", percent_encoded(device));
        let about = cli::ask(runtime, "GET", &address, None).await?;
        let names: Vec<String> =
            about["values"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        for names in names.chunks(SERIES_AT_ONCE) {
            let mut from = wanted.from;
            while from < wanted.to {
                let until = wanted.to.min(from.plus_millis(POINTS * apart_ms));
                let asked = question((&address, tier), names, (from, until));
                put_answer(device, &cli::ask(runtime, "GET", &asked, None).await?, &mut out)?;
                from = until;
            }
        }
    }
    out.end()
}

fn question((device, tier): (&str, &str), names: &[String], (from, until): (Timestamp, Timestamp)) -> String {
    let [names, from, until] =
        [names.join(","), from.to_string(), until.to_string()].map(|text| percent_encoded(&text));
    format!("{device}/history?series={names}&from={from}&until={until}&tier={tier}")
}

/// A line for each point.
fn put_answer(device: &str, answer: &Value, out: &mut Kind) -> anyhow::Result<()> {
    let columns = answer["columns"].as_array().context("numbers have no columns")?;
    for series in answer["series"].as_array().into_iter().flatten() {
        for point in series["points"].as_array().into_iter().flatten() {
            let mut line = json!({ "device": device, "series": series["name"], "unit": series["unit"] });
            for (column, value) in columns.iter().zip(point.as_array().into_iter().flatten()) {
                line[column.as_str().unwrap_or_default()] = value.clone();
            }
            out.put(&line)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(device: Option<&str>, days: i64) -> Wanted {
        let from = Timestamp::from_millis(0);
        let (to, device) = (from.plus_millis(days * DAY_MS), device.map(str::to_owned));
        Wanted { from, to, device, incident: None, numbers: true }
    }

    #[test]
    fn numbers_are_of_one_thing_and_of_a_bounded_time() {
        assert!(check(&wanted(Some("srv-1"), DAYS_MAX)).is_ok());
        assert!(check(&wanted(None, 1)).expect_err("of all").to_string().contains("--device"));
        assert!(check(&wanted(Some("srv-1"), DAYS_MAX + 1)).expect_err("too long").to_string().contains("186 days"));
        assert!(check(&Wanted { numbers: false, ..wanted(None, 9999) }).is_ok());
    }

    #[test]
    fn a_question_is_one_address_whatever_a_series_is_called() {
        let names = ["fs.used_pct|/data 1".to_owned(), "cpu.busy".to_owned()];
        let moments = (Timestamp::from_millis(0), Timestamp::from_millis(1000));
        let asked = question(("/api/v1/devices/srv-1", "raw"), &names, moments);
        assert!(
            asked.starts_with("/api/v1/devices/srv-1/history?series=fs.used_pct%7C%2Fdata%201%2Ccpu.busy&from=1970"),
            "{asked}"
        );
        assert!(asked.ends_with("&tier=raw"), "{asked}");
    }
}
