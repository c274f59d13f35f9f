//! The devices as a filing needs them: one pass over the inventory, the asset register, and what agents found of services.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use ioc_common::id::DeviceId;
use ioc_common::layout::Layout;
use ioc_common::reading::{Port, Protection};
use ioc_common::report::Hello;
use ioc_document::legal::Pack;
use ioc_document::legal::filing::{CellColumn, DeviceCell};
use ioc_document::report::filing::{Cell, ColumnRole, FilledTable, Origin};
use ioc_document::wording;
use ioc_judge::DeviceInfo;
use ioc_store::{Asset, AssetField, AssetQuery, AssetState, DeviceQuery, Reader, StoreError};
use jiff::ToSpan as _;

use super::Gathering;
use super::table::{TableMaker, blanks_of, some_of};
use super::work::Fill;

/// In one page.
const PAGE: usize = 500;
/// Newest numbers that measures are shown by.
const NUMBERS: [&str; 8] = [
    "os.support_days",
    "patch.security",
    "protect.disk_encrypted",
    "protect.firewall",
    "protect.mandatory_access",
    "protect.ports_unapproved",
    "protect.ssh_root",
    "time.synchronised",
];
/// Services that are named where nobody wrote what a machine is for.
const SERVICES_NAMED: usize = 4;
/// How people administer machines: that it listens says nothing of what a machine is for.
const ADMINISTRATION: [&str; 2] = ["tcp/22", "tcp/3389"];

/// A device.
pub(super) struct Device {
    pub(super) info: DeviceInfo,
    pub(super) asset: Asset,
    /// Its operating system, as its agent says.
    pub(super) system: String,
    /// Ports that listen to other machines.
    pub(super) listening: Vec<Port>,
    /// Newest numbers by metric; the worst where it has several.
    pub(super) numbers: BTreeMap<&'static str, f64>,
    /// It was heard at least once.
    pub(super) heard: bool,
}

impl Device {
    pub(super) fn name(&self) -> &str {
        if self.info.name.is_empty() { self.info.id.as_str() } else { &self.info.name }
    }

    /// What stands in a column of the register: with who wrote it as its origin.
    pub(super) fn register(&self, field: AssetField) -> Cell {
        match self.asset.value(field) {
            Some(value) => {
                let origin = if value.by.is_some() { Origin::Assets } else { Origin::Agent };
                Cell::new(value.text.clone(), origin)
            }
            None => Cell::missing(),
        }
    }

    /// Room, and rack in it.
    pub(super) fn place(&self) -> &str {
        self.asset.text(AssetField::Place)
    }

    pub(super) fn zone(&self) -> &str {
        self.asset.text(AssetField::Zone).trim()
    }

    /// Addresses of it: as they are written down, else those at which it listens.
    pub(super) fn addresses(&self) -> (Vec<String>, Origin) {
        let written = self.asset.text(AssetField::Address).trim();
        if !written.is_empty() {
            let all = written.split([',', ';', ' ']).map(str::trim).filter(|one| !one.is_empty());
            return (all.map(str::to_owned).collect(), self.register(AssetField::Address).origin);
        }
        let of_network = |address: &str| {
            let read: Option<std::net::IpAddr> = address.parse().ok();
            read.is_some_and(|one| !one.is_loopback() && !one.is_unspecified() && !is_link_local(one))
        };
        let mut found: Vec<String> =
            self.listening.iter().filter(|port| of_network(&port.address)).map(|port| port.address.clone()).collect();
        found.sort();
        found.dedup();
        (found, Origin::Agent)
    }
}

fn is_link_local(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(one) => one.is_link_local(),
        std::net::IpAddr::V6(one) => one.is_unicast_link_local(),
    }
}

/// All devices that are not retired, by identifier.
#[derive(Default)]
pub(super) struct Inventory {
    pub(super) devices: Vec<Device>,
    pub(super) retired: u64,
    /// Names by identifier, for those that others go through.
    names: HashMap<DeviceId, String>,
    /// Where each stands in the list.
    places: HashMap<DeviceId, usize>,
}

impl Inventory {
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        let mut assets = HashMap::new();
        let mut query = AssetQuery { after: Some(String::new()), limit: PAGE, ..AssetQuery::default() };
        loop {
            let page = reader.assets(&query)?;
            let whole = page.len() < PAGE;
            query.after = page.last().map(|asset| asset.device.to_string());
            assets.extend(page.into_iter().map(|asset| (asset.device.clone(), asset)));
            if whole {
                break;
            }
        }
        let mut protection = protection(reader)?;
        let (mut all, mut layouts) = (Self::default(), HashMap::new());
        let mut query = DeviceQuery { limit: PAGE, ..DeviceQuery::default() };
        loop {
            let page = reader.devices(&query)?;
            for record in &page {
                let info = record.info.clone();
                let asset = assets.remove(&info.id).unwrap_or_else(|| described(&info, record.enrolled_at));
                all.names.insert(info.id.clone(), info.name.clone());
                if record.revoked_at.is_some() || asset.state() == AssetState::Retired {
                    all.retired += 1;
                    continue;
                }
                let hello = if record.last_heard.is_some() { reader.hello(&info.id)? } else { None };
                let hello: Option<Hello> = hello.and_then(|text| serde_json::from_str(&text).ok());
                let mut numbers = BTreeMap::new();
                if let Some(id) = record.layout {
                    let layout = match layouts.entry(id) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(new) => new.insert(reader.layout(id)?),
                    };
                    for (series, value) in layout.iter().flat_map(Layout::series).zip(&record.latest) {
                        let metric = NUMBERS.into_iter().find(|name| series.metric() == *name);
                        if let (Some(metric), Some(value)) = (metric, value) {
                            numbers.insert(metric, *value);
                        }
                    }
                }
                all.places.insert(info.id.clone(), all.devices.len());
                all.devices.push(Device {
                    listening: protection.remove(&info.id).unwrap_or_default(),
                    system: hello.map(|hello| hello.facts.os).unwrap_or_default(),
                    heard: record.last_heard.is_some(),
                    numbers,
                    asset,
                    info,
                });
            }
            match page.last() {
                Some(last) if page.len() == PAGE => query.after = Some(last.info.id.to_string()),
                _ => break,
            }
        }
        Ok(all)
    }

    /// The device of an identifier.
    pub(super) fn find(&self, id: &DeviceId) -> Option<&Device> {
        self.places.get(id).and_then(|at| self.devices.get(*at))
    }

    /// What a device is called by its identifier.
    pub(super) fn name_of(&self, id: &DeviceId) -> String {
        self.names.get(id).filter(|name| !name.is_empty()).cloned().unwrap_or_else(|| id.to_string())
    }

    pub(super) fn computers(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|device| device.info.is_computer())
    }

    /// Of the machines that tell a number, how many tell one of which this holds.
    pub(super) fn telling(&self, metric: &str, holds: impl Fn(f64) -> bool) -> (u64, u64) {
        let told = self.computers().filter_map(|device| device.numbers.get(metric));
        told.fold((0, 0), |(good, all), value| (good + u64::from(holds(*value)), all + 1))
    }
}

/// A row of the register for a device that has none yet, from what is said of it.
fn described(info: &DeviceInfo, since: ioc_common::clock::Timestamp) -> Asset {
    let mut asset = Asset::new(info.id.clone(), since);
    let of = [
        (AssetField::Name, &info.name),
        (AssetField::Label, &info.label),
        (AssetField::Place, &info.place),
        (AssetField::Officer, &info.officer),
        (AssetField::Leader, &info.leader),
        (AssetField::Mac, &info.mac),
        (AssetField::Serial, &info.serial),
        (AssetField::Address, &info.address),
    ];
    for (field, text) in of {
        if !text.is_empty() {
            let value = ioc_store::AssetValue { text: text.clone(), by: Some(String::new()), at: since };
            asset.said.insert(field, value);
        }
    }
    asset
}

/// Ports that listen, by machine, as agents found them last.
fn protection(reader: &dyn Reader) -> Result<HashMap<DeviceId, Vec<Port>>, StoreError> {
    let (mut all, mut after) = (HashMap::new(), String::new());
    loop {
        let page = reader.documents_named("protection", &after, PAGE)?;
        let whole = page.len() < PAGE;
        if let Some((last, _)) = page.last() {
            after = last.to_string();
        }
        for (device, document) in page {
            let found: Protection = serde_json::from_str(&document.body).unwrap_or_default();
            all.insert(device, found.listening);
        }
        if whole {
            return Ok(all);
        }
    }
}

/// The word for a kind, as the pack has it.
pub(super) fn kind_word(pack: &Pack, kind: &str) -> String {
    pack.kinds.iter().find(|one| one.kind == kind).map_or_else(|| kind.to_owned(), |one| one.name.clone())
}

const fn role(cell: DeviceCell) -> ColumnRole {
    match cell {
        DeviceCell::Number => ColumnRole::Number,
        DeviceCell::Name
        | DeviceCell::Model
        | DeviceCell::Label
        | DeviceCell::Place
        | DeviceCell::Purpose
        | DeviceCell::Address
        | DeviceCell::MacSerial
        | DeviceCell::SupportEnd
        | DeviceCell::Network
        | DeviceCell::State
        | DeviceCell::Responsible => ColumnRole::Value,
    }
}

/// The table of devices; what lacks is work of whoever looks after the device.
pub(super) fn table(of: &mut Gathering<'_>, columns: &[CellColumn<DeviceCell>]) -> FilledTable {
    let mut table = TableMaker::new(columns, role, "danh mục tài sản", "Danh mục tài sản chưa có thiết bị");
    let mut lacks = Vec::new();
    for device in &of.inventory.devices {
        let number = table.number();
        let row: Vec<Cell> = columns
            .iter()
            .map(
                |column| if column.from == DeviceCell::Number { number.clone() } else { cell(of, device, column.from) },
            )
            .collect();
        let blank = blanks_of(&row, columns);
        if !blank.is_empty() {
            let officer = device.asset.text(AssetField::Officer);
            let responsible = if officer.is_empty() { of.unit() } else { officer.to_owned() };
            let what = format!("{}: {}", device.name(), blank.join(", ").to_lowercase());
            lacks.push((responsible, blank.len() as u64, what, device.info.id.clone()));
        }
        table.push(row);
    }
    for (responsible, cells, what, device) in lacks {
        of.work.add(&responsible, cells, || what, Fill::Asset(device));
    }
    table.done()
}

/// What a sensor behind another device has of its own: none.
fn behind(of: &Gathering<'_>, device: &Device) -> Option<String> {
    device.info.parent.as_ref().map(|parent| of.inventory.name_of(parent))
}

fn cell(of: &Gathering<'_>, device: &Device, from: DeviceCell) -> Cell {
    match from {
        DeviceCell::Number => Cell::missing(),
        DeviceCell::Name => {
            let said = device.register(AssetField::Name);
            if said.origin == Origin::Missing { Cell::new(device.name(), Origin::Assets) } else { said }
        }
        DeviceCell::Model => model(of, device),
        DeviceCell::Label => device.register(AssetField::Label),
        DeviceCell::Place => device.register(AssetField::Place),
        DeviceCell::Purpose => purpose(of, device),
        DeviceCell::Address => address(of, device),
        DeviceCell::MacSerial => mac_serial(of, device),
        DeviceCell::SupportEnd => support_end(of, device),
        DeviceCell::Network => network(of, device),
        DeviceCell::State => state(device),
        DeviceCell::Responsible => responsible(of, device),
    }
}

fn model(of: &Gathering<'_>, device: &Device) -> Cell {
    let kind = kind_word(&of.asked.pack, device.info.kind.as_str());
    let maker = [AssetField::Maker, AssetField::Model].map(|field| device.register(field));
    let named: Vec<&str> = maker.iter().map(|cell| cell.text.trim()).filter(|text| !text.is_empty()).collect();
    let is_agents = maker.iter().any(|cell| cell.origin == Origin::Agent);
    let origin = if is_agents { Origin::Agent } else { Origin::Assets };
    Cell::new(if named.is_empty() { kind } else { format!("{kind} {}", named.join(" ")) }, origin)
}

/// As it is written down; else what the pack says of its kind, or what it serves by its own word.
fn purpose(of: &Gathering<'_>, device: &Device) -> Cell {
    let said = device.register(AssetField::Purpose);
    if said.origin != Origin::Missing {
        return said;
    }
    let pack = &of.asked.pack;
    let named = pack.services.iter().filter(|known| {
        !ADMINISTRATION.contains(&known.port.as_str()) && device.listening.iter().any(|port| port.port == known.port)
    });
    let services = some_of(named.map(|known| known.name.as_str()), SERVICES_NAMED);
    if !services.is_empty() {
        return Cell::new(format!("Cung cấp dịch vụ {services}"), Origin::Agent);
    }
    let kind = pack.kinds.iter().find(|one| one.kind == device.info.kind.as_str());
    kind.and_then(|one| one.purpose.clone()).map_or_else(Cell::missing, |text| Cell::new(text, Origin::Pack))
}

fn address(of: &Gathering<'_>, device: &Device) -> Cell {
    let (found, origin) = device.addresses();
    match (found.is_empty(), behind(of, device)) {
        (false, _) => Cell::new(some_of(found.iter().map(String::as_str), 4), origin),
        (true, Some(parent)) => Cell::new(format!("qua {parent}"), Origin::Assets),
        (true, None) => Cell::missing(),
    }
}

fn mac_serial(of: &Gathering<'_>, device: &Device) -> Cell {
    let both = [AssetField::Mac, AssetField::Serial].map(|field| device.register(field));
    let said: Vec<String> = both
        .iter()
        .zip(["", "S/N "])
        .filter(|(cell, _)| !cell.text.is_empty())
        .map(|(cell, sign)| format!("{sign}{}", cell.text))
        .collect();
    let origin = both.iter().map(|cell| cell.origin).min().unwrap_or(Origin::Missing);
    match (said.is_empty(), behind(of, device)) {
        (false, _) => Cell::new(said.join("; "), origin),
        (true, Some(parent)) => Cell::new(format!("không áp dụng, nối qua {parent}"), Origin::Assets),
        (true, None) => Cell::missing(),
    }
}

/// The day that is written down; else the end of its operating system's support.
fn support_end(of: &Gathering<'_>, device: &Device) -> Cell {
    let said = device.register(AssetField::SupportEnd);
    if let Ok(day) = said.text.parse::<jiff::civil::Date>() {
        return Cell::new(wording::short_date(day), said.origin);
    }
    let days = device.numbers.get("os.support_days").filter(|days| days.is_finite() && days.abs() < 100_000.0);
    let today = of.asked.date(of.asked.now);
    let end = days.zip(today).and_then(|(days, today)| today.checked_add((days.floor() as i64).days()).ok());
    end.map_or_else(Cell::missing, |day| {
        Cell::new(format!("hệ điều hành: {}", wording::short_date(day)), Origin::Agent)
    })
}

fn network(of: &Gathering<'_>, device: &Device) -> Cell {
    let both = [AssetField::Zone, AssetField::SwitchPort].map(|field| device.register(field));
    let said: Vec<&str> = both.iter().map(|cell| cell.text.trim()).filter(|text| !text.is_empty()).collect();
    let uplink = device.info.uplink.as_ref().map(|uplink| of.inventory.name_of(uplink));
    match (said.is_empty(), behind(of, device), uplink) {
        (false, ..) => Cell::new(said.join("; "), Origin::Assets),
        (true, Some(parent), _) => Cell::new(format!("nối qua {parent}"), Origin::Assets),
        (true, None, Some(uplink)) => Cell::new(format!("qua {uplink}"), Origin::Assets),
        (true, None, None) => Cell::missing(),
    }
}

fn state(device: &Device) -> Cell {
    let (said, word) = match device.asset.state() {
        AssetState::InUse => (device.register(AssetField::State).origin != Origin::Missing, "đang dùng"),
        AssetState::Spare => (true, "dự phòng"),
        AssetState::Repair => (true, "đang sửa"),
        AssetState::Retired => (true, "đã thanh lý"),
    };
    // Where nobody said anything it is in use as far as it is heard, and by the register else.
    Cell::new(word, if said || !device.heard { Origin::Assets } else { Origin::Agent })
}

fn responsible(of: &Gathering<'_>, device: &Device) -> Cell {
    let both = [AssetField::Officer, AssetField::Leader].map(|field| device.register(field));
    let said: Vec<&str> = both.iter().map(|cell| cell.text.trim()).filter(|text| !text.is_empty()).collect();
    if said.is_empty() { Cell::new(of.unit(), Origin::Settings) } else { Cell::new(said.join("; "), Origin::Assets) }
}
