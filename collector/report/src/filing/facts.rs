//! Tables of names and values.

use std::collections::{BTreeMap, BTreeSet};

use ioc_document::legal::filing::{FactCell, FactLine};
use ioc_document::report::filing::{Cell, ColumnRole, FillTally, FilledColumn, FilledTable, Origin};
use ioc_document::wording;
use ioc_store::{Role, StoreError};

use super::Gathering;
use super::accounts::role_word;
use super::inventory::kind_word;
use super::network::zones_of;
use super::systems::Stage;

/// Incidents that are looked at in one page.
const PAGE: usize = 500;

pub(super) fn table(of: &Gathering<'_>, key: &str, lines: &[FactLine]) -> Result<FilledTable, StoreError> {
    let column = |title: &str, width, role| FilledColumn { title: title.to_owned(), width, role };
    let mut table = FilledTable {
        columns: vec![column("Nội dung", 4, ColumnRole::Label), column("Thông tin", 7, ColumnRole::Value)],
        rows: Vec::new(),
        more: 0,
        beyond: FillTally::default(),
        whole_at: "",
        empty: "Không có nội dung",
    };
    for line in lines {
        let found = value(of, line.from)?;
        let cell = match (&line.preset, found.origin) {
            (Some(preset), Origin::Missing) => Cell::new(preset.clone(), Origin::Pack),
            _ => found,
        };
        // What the record counts nobody writes by hand.
        let cell =
            if is_counted(line.from) { cell } else { cell.asked(format!("{key}/{}", line.id), line.what.clone()) };
        table.rows.push(vec![Cell::new(line.name.clone(), Origin::Pack), cell]);
    }
    Ok(table)
}

const fn is_counted(from: FactCell) -> bool {
    match from {
        FactCell::People
        | FactCell::System
        | FactCell::Owner
        | FactCell::Operator
        | FactCell::Representative
        | FactCell::RepresentativeTitle
        | FactCell::Contact
        | FactCell::SecurityUnit
        | FactCell::LevelBasis
        | FactCell::SystemsExpected
        | FactCell::PersonalData => false,
        FactCell::Level
        | FactCell::Regime
        | FactCell::Approval
        | FactCell::DevicesByKind
        | FactCell::Rooms
        | FactCell::Zones
        | FactCell::Software
        | FactCell::Users
        | FactCell::SystemsAll
        | FactCell::SystemsClassified
        | FactCell::SystemsDossier
        | FactCell::SystemsAppraised
        | FactCell::SystemsApproved
        | FactCell::SystemsReviewed
        | FactCell::MeasuresMet
        | FactCell::Incidents => true,
    }
}

fn value(of: &Gathering<'_>, from: FactCell) -> Result<Cell, StoreError> {
    let (asked, settings) = (of.asked, &of.asked.settings);
    let signer = settings.signers.first();
    let set = |text: &str| Cell::new(text, Origin::Settings);
    let systems = |stage: Stage| Cell::new(u64::from(of.stage() >= stage).to_string(), Origin::Record);
    Ok(match from {
        FactCell::People => Cell::missing(),
        FactCell::System => set(&asked.system),
        FactCell::Owner => of.owner(),
        FactCell::Operator => of.operator(),
        FactCell::Representative => set(signer.map_or("", |one| &one.name)),
        FactCell::RepresentativeTitle => set(signer.map_or("", |one| &one.title)),
        FactCell::Contact => set(&settings.contact),
        FactCell::SecurityUnit => set(&settings.unit),
        FactCell::Level => set(&format!("Cấp độ {}", asked.level)),
        FactCell::LevelBasis => of.level_basis(),
        FactCell::Regime => {
            let pack = &asked.pack;
            let since = wording::short_date(pack.in_force_from);
            Cell::new(format!("{}, hiệu lực từ {since}", pack.name), Origin::Pack)
        }
        FactCell::Approval => {
            let steps = asked.pack.steps.iter().filter(|step| step.levels.contains(&asked.level));
            Cell::new(steps.map(|step| step.what.as_str()).collect::<Vec<_>>().join("; "), Origin::Pack)
        }
        FactCell::DevicesByKind => devices_by_kind(of),
        FactCell::Rooms => rooms(of),
        FactCell::Zones => {
            let zones = zones_of(&of.inventory.devices);
            let text = if zones.is_empty() { String::new() } else { format!("{} vùng mạng", zones.len()) };
            Cell::new(text, Origin::Assets)
        }
        FactCell::Software => {
            let products = of.reader.product_coverage()?.products;
            let text = if products > 0 { format!("{} phần mềm", wording::count(products)) } else { String::new() };
            Cell::new(text, Origin::Software)
        }
        FactCell::Users => users(of),
        FactCell::PersonalData => Cell::new(
            "có: họ tên, tài khoản, liên lạc của người vận hành và quản trị; mỗi lần xem được ghi vào nhật ký",
            Origin::Record,
        ),
        FactCell::SystemsAll => Cell::new("1", Origin::Record),
        FactCell::SystemsClassified => Cell::new("1", Origin::Settings),
        FactCell::SystemsDossier => systems(Stage::Sent),
        FactCell::SystemsAppraised => systems(Stage::Appraised),
        FactCell::SystemsApproved => systems(Stage::Approved),
        FactCell::SystemsReviewed => {
            let reviewed = of.stage() == Stage::Approved && of.of_dossier(super::systems::REVIEW).is_some();
            Cell::new(u64::from(reviewed).to_string(), Origin::Record)
        }
        FactCell::SystemsExpected if of.stage() == Stage::Approved => Cell::new("đã phê duyệt", Origin::Record),
        FactCell::SystemsExpected => {
            of.of_dossier(super::systems::EXPECTED).map_or_else(Cell::missing, |text| Cell::new(text, Origin::Record))
        }
        FactCell::MeasuresMet => of.plan_state(),
        FactCell::Incidents => incidents(of)?,
    })
}

fn devices_by_kind(of: &Gathering<'_>) -> Cell {
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for device in &of.inventory.devices {
        *kinds.entry(device.info.kind.as_str()).or_default() += 1;
    }
    if kinds.is_empty() {
        return Cell::missing();
    }
    let all = of.inventory.devices.len() as u64;
    let word = |(kind, count): (&&str, &u64)| {
        format!("{} {}", wording::count(*count), kind_word(&of.asked.pack, kind).to_lowercase())
    };
    let said = kinds.iter().map(word).collect::<Vec<_>>().join(", ");
    Cell::new(format!("{} thiết bị: {said}", wording::count(all)), Origin::Assets)
}

fn rooms(of: &Gathering<'_>) -> Cell {
    let places: BTreeSet<&str> =
        of.inventory.devices.iter().map(|device| device.place().trim()).filter(|place| !place.is_empty()).collect();
    let rooms: BTreeSet<&str> = places.iter().map(|place| place.split('/').next().unwrap_or_default().trim()).collect();
    let racks = places.iter().filter(|place| place.contains('/')).count();
    let text = if rooms.is_empty() { String::new() } else { format!("{} phòng, {racks} tủ", rooms.len()) };
    Cell::new(text, Origin::Assets)
}

/// Accounts that are in use here, by role.
fn users(of: &Gathering<'_>) -> Cell {
    let active: Vec<_> = of.accounts.iter().filter(|account| !account.disabled).collect();
    let counted = Role::ALL.into_iter().filter_map(|role| {
        let count = active.iter().filter(|account| account.role == role).count();
        (count > 0).then(|| format!("{count} {}", role_word(role)))
    });
    let said = counted.collect::<Vec<_>>().join(", ");
    let text = if active.is_empty() { String::new() } else { format!("{} tài khoản: {said}", active.len()) };
    Cell::new(text, Origin::Record)
}

/// Incidents of the year that a yearly form is about, as far as there is a record; of the last year in the dossier.
fn incidents(of: &Gathering<'_>) -> Result<Cell, StoreError> {
    let from = of.asked.now.plus_millis(-365 * 86_400_000);
    let (mut count, mut closed, mut before) = (0_u64, 0_u64, None);
    'all: loop {
        let page = of.reader.incidents(None, false, before, PAGE)?;
        for incident in &page {
            if incident.opened_at < from {
                break 'all;
            }
            if incident.record.merged_into.is_none() {
                count += 1;
                closed += u64::from(!incident.state.is_active());
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => before = Some(last.id.0),
            _ => break,
        }
    }
    let text = format!("{} sự cố trong 12 tháng, {} đã xử lý xong", wording::count(count), wording::count(closed));
    Ok(Cell::new(text, Origin::Record))
}
