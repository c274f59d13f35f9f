//! Everything that the judge needs to continue after a restart.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_common::report::SensorFacts;
use ioc_judge::{Device, DeviceInfo, Snapshot};

use super::reader_connection::SqlReader;
use super::value::body;
use super::{device as devices, duty, maintenance, sample};
use crate::StoreError;

/// The part of a hello that the judge needs; the rest, which is large, is skipped.
#[derive(Deserialize)]
struct SensorHello {
    #[serde(default)]
    sensor: Option<SensorFacts>,
}

pub(super) fn take(reader: &SqlReader, resolved_since: Timestamp) -> Result<Snapshot, StoreError> {
    let sql = format!("{} WHERE d.revoked_at IS NULL", devices::COLUMNS);
    let records = reader.all(&sql, &[], |row| Ok(devices::without_numbers(row, &reader.newest)?.0))?;
    let mut layouts = HashMap::new();
    let mut books = devices::losses(reader)?;
    let mut snapshot = Snapshot::default();
    for record in records {
        let mut device = Device::new(record.info);
        if device.info.parent.is_some() || record.boot_id.is_empty() {
            let hello = devices::hello(reader, &device.info.id)?;
            // One that is damaged costs what it says of the sensor until the next, and no start.
            let hello = hello.and_then(|text| {
                let read = serde_json::from_str::<SensorHello>(&text);
                read.inspect_err(
                    |error| tracing::error!(device = %device.info.id, %error, "a hello is damaged in the store"),
                )
                .ok()
            });
            let sensor = hello.and_then(|hello| hello.sensor);
            device.plain = sensor.is_some() && device.info.parent.is_none();
            device.texts = sensor.unwrap_or_default().texts.into();
        }
        device.presence = record.presence;
        device.watermark = record.watermark;
        device.boot_id = record.boot_id;
        device.fingerprint = record.fingerprint;
        device.interval_s = record.interval_s;
        device.keep_alive_s = record.keep_alive_s;
        device.last_heard = record.last_heard;
        device.last_sample = record.last_sample;
        device.clock_error_ms = record.clock_error_ms;
        device.broker_until = record.broker_until;
        device.losses = books.remove(&device.info.id).unwrap_or_default();
        if let Some(id) = record.layout {
            if let Entry::Vacant(place) = layouts.entry(id) {
                place.insert(sample::layout(reader, id)?.map(Arc::new));
            }
            device.layout = layouts.get(&id).cloned().flatten();
        }
        snapshot.devices.push(device);
    }
    snapshot.faults = reader.all("SELECT body FROM fault WHERE open", &[], |row| body(row, 0))?;
    let sql = "SELECT body FROM incident WHERE active OR waits OR resolved_at >= ?1 ORDER BY id";
    snapshot.incidents = reader.all(sql, &[&resolved_since.as_millis()], |row| body(row, 0))?;
    let largest =
        |sql| Ok::<_, StoreError>(reader.one(sql, &[], |row| row.get::<_, Option<i64>>(0))?.flatten().unwrap_or(0));
    snapshot.last_fault = largest("SELECT max(id) FROM fault")?.unsigned_abs();
    snapshot.last_incident = largest("SELECT max(id) FROM incident")?.unsigned_abs();
    snapshot.windows = maintenance::planned(reader)?;
    snapshot.last_window = largest("SELECT max(id) FROM \"window\"")?.unsigned_abs();
    snapshot.covers = duty::covers(reader)?;
    let sql = "SELECT d.info, c.rule, c.body FROM comparison c JOIN device d ON d.number = c.device";
    snapshot.comparisons =
        reader.all(sql, &[], |row| Ok((body::<DeviceInfo>(row, 0)?.id, row.get(1)?, body(row, 2)?)))?;
    snapshot.last_cover = largest("SELECT max(id) FROM cover")?.unsigned_abs();
    Ok(snapshot)
}
