//! Services that listen, zones of the network with their addresses, what others go through, and where devices stand.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ioc_document::legal::filing::{CellColumn, LinkCell, PlaceCell, RequiredZone, ServiceCell, ZoneCell};
use ioc_document::report::filing::{Cell, ColumnRole, FilledTable, Origin};
use ioc_document::wording;
use ioc_store::{AssetField, collation};

use super::Gathering;
use super::inventory::{Device, kind_word};
use super::table::{TableMaker, slug, some_of};
use super::work::Fill;

/// Services that are listed: people write what each is for.
const SERVICES_MAX: usize = 200;
/// Zones and places that are listed.
const ZONES_MAX: usize = 200;
const PLACES_MAX: usize = 1_000;
/// Names in a cell.
const NAMES_MAX: usize = 6;
/// Networks in a cell.
const NETWORKS_MAX: usize = 12;

const fn service_role(cell: ServiceCell) -> ColumnRole {
    match cell {
        ServiceCell::Number => ColumnRole::Number,
        ServiceCell::Name | ServiceCell::Servers | ServiceCell::Place | ServiceCell::System | ServiceCell::Purpose => {
            ColumnRole::Value
        }
    }
}

/// A service on several machines.
#[derive(Default)]
struct Service<'d> {
    machines: Vec<&'d Device>,
}

/// Services by port and program, as agents found them.
pub(super) fn services(of: &Gathering<'_>, key: &str, columns: &[CellColumn<ServiceCell>]) -> FilledTable {
    let pack = &of.asked.pack;
    let mut all: BTreeMap<(u32, String, String), Service<'_>> = BTreeMap::new();
    for device in &of.inventory.devices {
        for port in &device.listening {
            let number = port.port.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX);
            let known = pack.services.iter().any(|one| one.port == port.port);
            // What listens on a port that is known by itself is one service, whatever program it is.
            let program = if known { String::new() } else { port.program.clone() };
            let machines = &mut all.entry((number, port.port.clone(), program)).or_default().machines;
            if machines.last().is_none_or(|last| last.info.id != device.info.id) {
                machines.push(device);
            }
        }
    }
    let empty = "Chưa có máy nào báo cổng dịch vụ đang mở";
    let whole = "trang Thiết bị, khảo sát bảo vệ của từng máy";
    let mut table = TableMaker::new(columns, service_role, whole, empty).at_most(SERVICES_MAX);
    for ((_, port, program), service) in &all {
        let known = pack.services.iter().find(|one| one.port == *port);
        let name = match (known, program.as_str()) {
            (Some(known), _) => format!("{} ({port})", known.name),
            (None, "") => port.clone(),
            (None, program) => format!("{program} ({port})"),
        };
        let distinct = |text: &dyn Fn(&Device) -> String| {
            let texts: BTreeSet<String> =
                service.machines.iter().map(|one| text(one)).filter(|one| !one.is_empty()).collect();
            some_of(texts.iter().map(String::as_str), NAMES_MAX)
        };
        let asked = format!("{key}/{}/purpose", slug(&format!("{port} {program}")));
        let cell = |from: ServiceCell| match from {
            ServiceCell::Number => table.number(),
            ServiceCell::Name => Cell::new(name.clone(), Origin::Agent),
            ServiceCell::Servers => {
                let names = some_of(service.machines.iter().map(|one| one.name()), NAMES_MAX);
                Cell::new(names, Origin::Agent)
            }
            ServiceCell::Place => Cell::new(distinct(&|one| room(one.place()).to_owned()), Origin::Assets),
            ServiceCell::System => Cell::new(distinct(&|one| one.system.clone()), Origin::Agent),
            ServiceCell::Purpose => {
                let said = known.map_or_else(Cell::missing, |one| Cell::new(one.purpose.clone(), Origin::Pack));
                said.asked(asked.clone(), format!("mục đích của dịch vụ {name}"))
            }
        };
        let row = columns.iter().map(|column| cell(column.from)).collect();
        table.push(row);
    }
    table.done()
}

/// The room of a place, without its rack.
fn room(place: &str) -> &str {
    place.split('/').next().unwrap_or_default().trim()
}

const fn zone_role(cell: ZoneCell) -> ColumnRole {
    match cell {
        ZoneCell::Number => ColumnRole::Number,
        ZoneCell::Zone | ZoneCell::Private | ZoneCell::Public | ZoneCell::Devices => ColumnRole::Value,
        ZoneCell::Required => ColumnRole::Label,
    }
}

/// Without accents, in lower case: zones are written in as many ways as there are people.
fn plain(text: &str) -> String {
    text.to_lowercase().chars().map(collation::plain).collect()
}

/// The zone that a level asks for as which one of the register is known: the first whose words it has.
pub(super) fn known_as<'z>(required: &[&'z RequiredZone], zone: &str) -> Option<&'z RequiredZone> {
    let zone = plain(zone);
    let has = |word: &String| !word.is_empty() && zone.contains(&plain(word));
    required.iter().find(|one| one.words.iter().any(has)).copied()
}

/// Zones that the level asks for.
pub(super) fn required<'a>(of: &Gathering<'a>) -> Vec<&'a RequiredZone> {
    of.asked.pack.zones.iter().filter(|zone| zone.levels.contains(&of.asked.level)).collect()
}

/// Zones of the register, each with its devices.
pub(super) fn zones_of(devices: &[Device]) -> BTreeMap<String, Vec<&Device>> {
    let mut all: BTreeMap<String, Vec<&Device>> = BTreeMap::new();
    for device in devices.iter().filter(|device| !device.zone().is_empty()) {
        all.entry(device.zone().to_owned()).or_default().push(device);
    }
    all
}

/// Zones that the level asks for first, and those that the register has besides.
pub(super) fn zones(of: &mut Gathering<'_>, key: &str, columns: &[CellColumn<ZoneCell>]) -> FilledTable {
    let required = required(of);
    let found = zones_of(&of.inventory.devices);
    let mut rows: Vec<(String, Option<&RequiredZone>, Vec<&Device>)> = Vec::new();
    for zone in &required {
        let own = found.iter().filter(|(name, _)| known_as(&required, name).is_some_and(|known| known.id == zone.id));
        let (names, devices): (Vec<&str>, Vec<&Vec<&Device>>) =
            own.map(|(name, devices)| (name.as_str(), devices)).unzip();
        let name = if names.is_empty() { zone.name.clone() } else { format!("{} ({})", zone.name, names.join(", ")) };
        rows.push((name, Some(zone), devices.into_iter().flatten().copied().collect()));
    }
    for (name, devices) in &found {
        if known_as(&required, name).is_none() {
            rows.push((name.clone(), None, devices.clone()));
        }
    }
    let whole = "danh mục tài sản, cột vùng mạng";
    let mut table = TableMaker::new(columns, zone_role, whole, "Chưa ghi vùng mạng nào").at_most(ZONES_MAX);
    let mut lacks = Vec::new();
    for (name, required, devices) in &rows {
        let row: Vec<Cell> =
            columns.iter().map(|column| zone_cell(&table, column.from, key, (name, *required, devices))).collect();
        if devices.is_empty() {
            lacks.push(format!("vùng mạng: chưa có thiết bị nào ghi thuộc {name}"));
        }
        table.push(row);
    }
    let table = table.done();
    let unit = of.unit();
    for what in lacks {
        of.work.add(&unit, 1, || what, Fill::Assets);
    }
    table
}

fn zone_cell(
    table: &TableMaker,
    from: ZoneCell,
    key: &str,
    (name, required, devices): (&str, Option<&RequiredZone>, &[&Device]),
) -> Cell {
    let addresses = || devices.iter().flat_map(|device| device.addresses().0).collect::<Vec<_>>();
    let asked = |cell: Cell, what: &str, part: &str| {
        let id = required.map_or_else(|| slug(name), |zone| zone.id.clone());
        cell.asked(format!("{key}/{id}/{part}"), format!("{what} của {name}"))
    };
    match from {
        ZoneCell::Number => table.number(),
        ZoneCell::Zone => Cell::new(name, if required.is_some() { Origin::Pack } else { Origin::Assets }),
        ZoneCell::Private => {
            let (inside, _) = by_network(&addresses());
            let cell = Cell::new(some_of(inside.iter().map(String::as_str), NETWORKS_MAX), Origin::Assets);
            asked(cell, "địa chỉ IP nội bộ", "private")
        }
        ZoneCell::Public => {
            let all = addresses();
            let (_, outside) = by_network(&all);
            // Where addresses are known and none can be reached from outside, there is none; where none is known, it is not known.
            let text = match (outside.is_empty(), all.is_empty()) {
                (true, true) => String::new(),
                (true, false) => "không có".to_owned(),
                (false, _) => some_of(outside.iter().map(String::as_str), NETWORKS_MAX),
            };
            asked(Cell::new(text, Origin::Assets), "địa chỉ IP công cộng, hoặc ghi không có,", "public")
        }
        ZoneCell::Devices if devices.is_empty() => Cell::missing(),
        ZoneCell::Devices => {
            let names = some_of(devices.iter().map(|device| device.name()), NAMES_MAX);
            Cell::new(format!("{} thiết bị: {names}", wording::count(devices.len() as u64)), Origin::Assets)
        }
        ZoneCell::Required => {
            Cell::new(required.map_or_else(|| "không bắt buộc".to_owned(), |zone| zone.basis.clone()), Origin::Pack)
        }
    }
}

/// Addresses gathered into networks, inside and outside: `10.0.1.0/24 (34)`; what is no address stands as it is written.
fn by_network(addresses: &[String]) -> (Vec<String>, Vec<String>) {
    let mut all: [BTreeMap<String, BTreeSet<&str>>; 2] = Default::default();
    for text in addresses {
        let (network, outside) = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(one)) => {
                let [a, b, c, _] = one.octets();
                (format!("{a}.{b}.{c}.0/24"), !(one.is_private() || one.is_link_local() || is_shared(one)))
            }
            Ok(IpAddr::V6(one)) => {
                let [a, b, c, d, ..] = one.segments();
                (format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"), !(one.is_unique_local() || one.is_unicast_link_local()))
            }
            Err(_) => (text.clone(), false),
        };
        all[usize::from(outside)].entry(network).or_default().insert(text);
    }
    all.map(|networks| {
        let said = networks.into_iter().map(|(network, one)| match one.len() {
            1 => one.into_iter().next().map(str::to_owned).unwrap_or_default(),
            several => format!("{network} ({} địa chỉ)", wording::count(several as u64)),
        });
        said.collect()
    })
    .into()
}

/// Addresses that providers share among customers (RFC 6598): nobody reaches them from outside.
const fn is_shared(address: std::net::Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    a == 100 && b >= 64 && b < 128
}

const fn link_role(cell: LinkCell) -> ColumnRole {
    match cell {
        LinkCell::Number => ColumnRole::Number,
        LinkCell::Uplink | LinkCell::Zone | LinkCell::Devices => ColumnRole::Value,
    }
}

/// What the network of others goes through.
pub(super) fn links(of: &mut Gathering<'_>, columns: &[CellColumn<LinkCell>]) -> FilledTable {
    let mut all: BTreeMap<String, (String, Vec<&Device>)> = BTreeMap::new();
    for device in &of.inventory.devices {
        let through = device.info.uplink.as_ref().or(device.info.parent.as_ref());
        let port = device.asset.text(AssetField::SwitchPort);
        let name = match through {
            Some(through) => of.inventory.name_of(through),
            // Where only the port is written down, what stands before it names the switch.
            None if !port.is_empty() => port.split(['/', ':', ' ', ',']).next().unwrap_or_default().to_owned(),
            None => continue,
        };
        let zone = through.and_then(|id| of.inventory.find(id)).map_or("", Device::zone).to_owned();
        let entry = all.entry(name).or_insert_with(|| (zone, Vec::new()));
        entry.1.push(device);
    }
    let empty = "Chưa ghi thiết bị nào nối qua thiết bị nào";
    let mut table = TableMaker::new(columns, link_role, "danh mục tài sản", empty).at_most(PLACES_MAX);
    for (name, (zone, devices)) in &all {
        let cell = |from: LinkCell| match from {
            LinkCell::Number => table.number(),
            LinkCell::Uplink => Cell::new(name.clone(), Origin::Assets),
            LinkCell::Zone => {
                // A switch that is written down only by its ports is where its devices are.
                let zones: BTreeSet<&str> =
                    devices.iter().map(|one| one.zone()).filter(|zone| !zone.is_empty()).collect();
                let text = if zone.is_empty() { some_of(zones.into_iter(), NAMES_MAX) } else { zone.clone() };
                Cell::new(text, Origin::Assets)
            }
            LinkCell::Devices => {
                let names = some_of(devices.iter().map(|one| one.name()), NAMES_MAX);
                Cell::new(format!("{} thiết bị: {names}", wording::count(devices.len() as u64)), Origin::Assets)
            }
        };
        let row = columns.iter().map(|column| cell(column.from)).collect();
        table.push(row);
    }
    let is_empty = all.is_empty();
    let table = table.done();
    if is_empty && !of.inventory.devices.is_empty() {
        let unit = of.unit();
        of.work.add(&unit, 1, || "mô hình lô-gíc: chưa ghi thiết bị nào nối qua thiết bị nào".to_owned(), Fill::Assets);
    }
    table
}

const fn place_role(cell: PlaceCell) -> ColumnRole {
    match cell {
        PlaceCell::Number => ColumnRole::Number,
        PlaceCell::Room | PlaceCell::Rack | PlaceCell::Devices => ColumnRole::Value,
    }
}

/// Rooms and racks, each with what stands there.
pub(super) fn places(of: &Gathering<'_>, columns: &[CellColumn<PlaceCell>]) -> FilledTable {
    let mut all: BTreeMap<(Vec<u8>, String), Vec<&Device>> = BTreeMap::new();
    for device in &of.inventory.devices {
        let place = device.place().trim();
        all.entry((collation::key(place), place.to_owned())).or_default().push(device);
    }
    let mut table =
        TableMaker::new(columns, place_role, "danh mục tài sản", "Chưa ghi nơi đặt thiết bị").at_most(PLACES_MAX);
    for ((_, place), devices) in &all {
        let (room, rack) = place.split_once('/').unwrap_or((place, ""));
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for device in devices {
            *kinds.entry(device.info.kind.as_str()).or_default() += 1;
        }
        let counted = kinds.iter().map(|(kind, count)| {
            format!("{} {}", wording::count(*count), kind_word(&of.asked.pack, kind).to_lowercase())
        });
        let counted = counted.collect::<Vec<_>>().join(", ");
        let cell = |from: PlaceCell| match from {
            PlaceCell::Number => table.number(),
            PlaceCell::Room => Cell::new(room.trim(), Origin::Assets),
            PlaceCell::Rack if room.is_empty() => Cell::missing(),
            PlaceCell::Rack => {
                Cell::new(if rack.is_empty() { "không đặt trong tủ" } else { rack.trim() }, Origin::Assets)
            }
            PlaceCell::Devices => Cell::new(counted.clone(), Origin::Assets),
        };
        let row = columns.iter().map(|column| cell(column.from)).collect();
        table.push(row);
    }
    table.done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_gathered_into_networks_inside_and_outside() {
        let all = ["10.0.1.5", "10.0.1.9", "10.0.2.1", "203.0.113.7", "100.64.0.1", "fd00::1", "máy chủ web"];
        let (inside, outside) = by_network(&all.map(str::to_owned));
        assert_eq!(inside, ["10.0.1.0/24 (2 địa chỉ)", "10.0.2.1", "100.64.0.1", "fd00::1", "máy chủ web"]);
        assert_eq!(outside, ["203.0.113.7"]);
    }
}
