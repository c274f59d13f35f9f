//! One pass over the devices: what people say of them, and their newest numbers.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_document::report::Value;
use ioc_judge::DeviceKind;
use ioc_store::inventory::DeviceRecord;
use ioc_store::{Asset, AssetField, AssetQuery, AssetState, AssetWork, DeviceQuery, StoreError};

use super::{Gathering, NAMES_MAX, Stretch};

/// Devices in one page.
const PAGE: usize = 500;
/// Metrics of which the newest numbers are summed up over all devices.
const NEWEST: [&str; 6] =
    ["av.signature_age", "cert.days", "os.support_days", "patch.security", "patch.security_age", "ups.battery_age"];
/// The share of a link's speed that is used, of which the history has the peak.
const BANDWIDTH: &str = "net.used_pct";
/// What metrics of UPS begin with.
const UPS: &str = "ups.";
/// A machine of a maker that ends its support within so many days is told.
const ENDS_DAYS: f64 = 30.0;

/// Numbers of one metric, over all devices that have it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Newest {
    /// Devices of which it is known.
    pub(super) devices: u64,
    /// Devices of which the worst is above 0.
    pub(super) above_zero: u64,
    /// Devices of which the least is below 0.
    pub(super) below_zero: u64,
    /// Devices of which the least is from 0 to 30.
    pub(super) soon: u64,
    /// The largest of all.
    pub(super) largest: Option<f64>,
}

impl Newest {
    fn add(&mut self, least: f64, most: f64) {
        self.devices += 1;
        self.above_zero += u64::from(most > 0.0);
        self.below_zero += u64::from(least < 0.0);
        self.soon += u64::from((0.0..=ENDS_DAYS).contains(&least));
        self.largest = Some(self.largest.map_or(most, |largest| largest.max(most)));
    }
}

/// Some of the devices, by name, and how many they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NamedDevices {
    pub(super) count: u64,
    pub(super) names: Vec<String>,
}

impl NamedDevices {
    fn add(&mut self, record: &DeviceRecord) {
        self.count += 1;
        if self.names.len() < NAMES_MAX {
            let name = &record.info.name;
            self.names.push(if name.is_empty() { record.info.id.to_string() } else { name.clone() });
        }
    }
}

/// What the devices are and say.
#[derive(Debug, Default)]
pub(super) struct DeviceFacts {
    /// Those that do not work here any more, of which nothing is asked.
    retired: HashSet<DeviceId>,
    /// All others.
    pub(super) all: u64,
    /// Those that have name and label.
    pub(super) labelled: u64,
    pub(super) unlabelled: NamedDevices,
    /// Those of which something is not written down that `[register] required` asks for, as the engine judged it.
    pub(super) incomplete: NamedDevices,
    /// Labels that stand on more than one.
    pub(super) labels_twice: u64,
    /// Those that were ever heard, and since when each is here.
    pub(super) heard: HashMap<DeviceId, Timestamp>,
    /// Those that lost reports within the period, and within the one before.
    pub(super) losing: [u64; 2],
    /// Since when there is a UPS that is watched.
    pub(super) ups_since: Option<Timestamp>,
    pub(super) newest: BTreeMap<&'static str, Newest>,
    /// Devices with links, each with its series of used bandwidth.
    pub(super) links: Vec<(DeviceId, Vec<String>)>,
}

fn retired(of: &Gathering<'_>) -> Result<HashSet<DeviceId>, StoreError> {
    let mut query = AssetQuery { state: Some(AssetState::Retired), limit: PAGE, ..AssetQuery::default() };
    let mut all = HashSet::new();
    loop {
        query.after = Some(query.after.take().unwrap_or_default());
        let page = of.reader.assets(&query)?;
        let last = page.last().map(|asset| asset.device.to_string());
        let whole = page.len() < PAGE;
        all.extend(page.into_iter().map(|asset| asset.device));
        match last {
            Some(last) if !whole => query.after = Some(last),
            _ => return Ok(all),
        }
    }
}

fn incomplete(of: &Gathering<'_>) -> Result<NamedDevices, StoreError> {
    let query = AssetQuery { work: AssetWork::Blank, limit: NAMES_MAX, ..AssetQuery::default() };
    let name = |asset: Asset| match asset.text(AssetField::Name) {
        "" => asset.device.to_string(),
        name => name.to_owned(),
    };
    let names = of.reader.assets(&query)?.into_iter().map(name).collect();
    Ok(NamedDevices { count: of.reader.assets_count(&query)?, names })
}

impl DeviceFacts {
    pub(super) fn read(of: &Gathering<'_>) -> Result<Self, StoreError> {
        let mut facts = Self { retired: retired(of)?, incomplete: incomplete(of)?, ..Self::default() };
        let (mut labels, mut layouts) = (HashSet::new(), HashMap::new());
        let mut query = DeviceQuery { limit: PAGE, ..DeviceQuery::default() };
        loop {
            let page = of.reader.devices(&query)?;
            for record in &page {
                facts.take(of, record);
                if !record.info.label.is_empty() && !labels.insert(record.info.label.clone()) {
                    facts.labels_twice += 1;
                }
                let Some(id) = record.layout else { continue };
                let layout = match layouts.entry(id) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(of.reader.layout(id)?),
                };
                if let Some(layout) = layout {
                    facts.take_numbers(record, layout);
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => query.after = Some(last.info.id.to_string()),
                _ => return Ok(facts),
            }
        }
    }

    fn take(&mut self, of: &Gathering<'_>, record: &DeviceRecord) {
        let info = &record.info;
        if !self.retired.contains(&info.id) {
            self.all += 1;
            if info.label.is_empty() || info.name.is_empty() {
                self.unlabelled.add(record);
            } else {
                self.labelled += 1;
            }
        }
        if info.kind == DeviceKind::Ups {
            self.watch_ups(record);
        }
        if record.last_heard.is_some() {
            self.heard.insert(info.id.clone(), record.enrolled_at);
        }
        for (period, losing) in of.periods.iter().zip(&mut self.losing) {
            *losing += u64::from(record.last_loss.is_some_and(|at| period.holds(at)));
        }
    }

    fn watch_ups(&mut self, record: &DeviceRecord) {
        let since = record.enrolled_at;
        self.ups_since = Some(self.ups_since.map_or(since, |first| first.min(since)));
    }

    /// Why nothing is known of what devices did in a period; nothing where one of them could be heard then.
    pub(super) fn unheard(&self, period: &Stretch) -> Option<Value> {
        let here = self.heard.values().any(|since| *since < period.until);
        (!here).then(|| Value::Unknown("chưa có thiết bị nào báo về".to_owned()))
    }

    /// The newest numbers: of a metric with several subjects, such as certificates, the least and the most.
    fn take_numbers(&mut self, record: &DeviceRecord, layout: &Layout) {
        let mut found: BTreeMap<&'static str, (f64, f64)> = BTreeMap::new();
        let mut links = Vec::new();
        for (series, value) in layout.series().iter().zip(&record.latest) {
            if series.metric() == BANDWIDTH {
                links.push(series.as_str().to_owned());
            }
            if series.metric().starts_with(UPS) {
                self.watch_ups(record);
            }
            let (Some(name), Some(value)) = (NEWEST.into_iter().find(|name| series.metric() == *name), value) else {
                continue;
            };
            let one = found.entry(name).or_insert((*value, *value));
            *one = (one.0.min(*value), one.1.max(*value));
        }
        for (name, (least, most)) in found {
            self.newest.entry(name).or_default().add(least, most);
        }
        if !links.is_empty() {
            self.links.push((record.info.id.clone(), links));
        }
    }

    pub(super) fn newest(&self, metric: &str) -> Newest {
        self.newest.get(metric).cloned().unwrap_or_default()
    }
}
