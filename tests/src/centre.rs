//! A made-up centre with registers as people keep them: servers and workstations with agents and without, sensors behind gateways, switches, UPS; some of
//! it written down, some not. What is in it goes by its size alone, so that each run has the same.

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;
use ioc_common::layout::{Layout, Series};
use ioc_common::reading::{Account, Accounts, Port, Protection};
use ioc_common::report::{Facts, Hello, Losses, Position};
use ioc_judge::{DeviceInfo, DeviceKind};
use ioc_store::report::{DocumentSettings, SignAuthority, Signer};
use ioc_store::{Asset, AssetField, AssetValue, Change, Product, ProductField, ProductUse, history};

const DAY_MS: i64 = 86_400_000;
/// What of a hundred devices is of which kind.
const KINDS: [(DeviceKind, usize); 8] = [
    (DeviceKind::Server, 20),
    (DeviceKind::Workstation, 48),
    (DeviceKind::Display, 4),
    (DeviceKind::Sensor, 14),
    (DeviceKind::Ups, 3),
    (DeviceKind::Meter, 2),
    (DeviceKind::Cooling, 3),
    (DeviceKind::Other, 6),
];
const OFFICERS: [&str; 5] = ["Nguyễn Văn An", "Trần Thị Bình", "Lê Minh Châu", "Phạm Quốc Dũng", "Võ Thị Hạnh"];
/// Numbers that agents report and a dossier is filled from.
const SERIES: [&str; 7] = [
    "os.support_days",
    "patch.security",
    "protect.firewall",
    "protect.ports_unapproved",
    "protect.ssh_root",
    "time.synchronised",
    "protect.disk_encrypted",
];

/// What a server is called, what it is for, and which ports its programs listen at.
type ServerRole = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What a machine serves by its place in the list of servers.
const ROLES: [ServerRole; 5] = [
    ("CSDL", "Cơ sở dữ liệu của các phân hệ", &[("tcp/5432", "postgres")]),
    ("Ứng dụng", "Chạy ứng dụng của Trung tâm", &[("tcp/8080", "java"), ("tcp/9999", "ioc-bus")]),
    ("Web", "", &[("tcp/80", "nginx"), ("tcp/443", "nginx")]),
    ("Tệp", "Kho tệp dùng chung", &[("tcp/445", "smbd"), ("tcp/2049", "")]),
    ("Camera", "Nhận và lưu hình camera", &[("tcp/554", "mediamtx"), ("tcp/443", "nginx")]),
];

fn kind_of(n: usize) -> DeviceKind {
    let mut place = n % 100;
    for (kind, share) in KINDS {
        if place < share {
            return kind;
        }
        place -= share;
    }
    DeviceKind::Other
}

fn id(n: usize) -> DeviceId {
    DeviceId::new(&format!("tb-{n:05}")).expect("an identifier")
}

/// So many of a hundred, spread over the devices.
const fn some(n: usize, seed: usize, percent: usize) -> bool {
    (n * 7919 + seed * 104_729) % 100 < percent
}

/// Whether an agent runs on it: on all servers, and on workstations that run Linux.
fn has_agent(n: usize, kind: DeviceKind) -> bool {
    match kind {
        DeviceKind::Server | DeviceKind::Display => true,
        DeviceKind::Workstation => some(n, 1, 60),
        _ => false,
    }
}

fn info(n: usize, kind: DeviceKind) -> DeviceInfo {
    let name = match kind {
        DeviceKind::Server => format!("{} {:02}", ROLES[n % ROLES.len()].0, n),
        DeviceKind::Workstation => format!("Máy trạm {n:03}"),
        DeviceKind::Display => format!("Bộ điều khiển tường {n:02}"),
        DeviceKind::Sensor => format!("Cảm biến {n:03}"),
        DeviceKind::Ups => format!("UPS {n:03}"),
        DeviceKind::Meter => format!("Đồng hồ {n:03}"),
        DeviceKind::Cooling => format!("Điều hòa {n:03}"),
        _ => format!("Chuyển mạch {n:03}"),
    };
    let mut info = DeviceInfo::new(id(n), kind, name);
    if some(n, 2, 98) {
        info.label = format!("TS-{n:05}");
    }
    if some(n, 3, 97) {
        info.place = match kind {
            DeviceKind::Workstation => format!("Phòng điều hành {}", n % 3 + 1),
            DeviceKind::Display => "Phòng điều hành 1".to_owned(),
            _ => format!("Phòng máy chủ {}/Tủ {}", n % 2 + 1, n % 8 + 1),
        };
    }
    if some(n, 4, 94) {
        OFFICERS[n % OFFICERS.len()].clone_into(&mut info.officer);
        "Đặng Hoàng Giang".clone_into(&mut info.leader);
    }
    match kind {
        // Sensors and meters hang on a gateway and have nothing of their own on the network.
        DeviceKind::Sensor | DeviceKind::Meter | DeviceKind::Ups | DeviceKind::Cooling => {
            info.parent = Some(id(n / 100 * 100));
        }
        DeviceKind::Other => {}
        _ => info.uplink = Some(id(n / 100 * 100 + 95)),
    }
    if info.parent.is_none() && some(n, 5, 92) {
        info.address = format!("10.{}.{}.{}", n / 100 % 200 + 10, n / 10 % 10, n % 250 + 2);
        if kind == DeviceKind::Server && n % ROLES.len() == 2 {
            info.address = format!("203.0.113.{}", n % 250 + 1);
        }
    }
    info
}

/// A row of the register: what people wrote, and what agents found.
fn asset(n: usize, info: &DeviceInfo, since: Timestamp) -> Asset {
    let mut asset = Asset::new(info.id.clone(), since);
    let agent = has_agent(n, info.kind);
    let mut said = |field: AssetField, text: String| {
        if !text.is_empty() {
            asset.said.insert(field, AssetValue { text, by: Some("an".to_owned()), at: since });
        }
    };
    said(AssetField::Name, info.name.clone());
    said(AssetField::Label, info.label.clone());
    said(AssetField::Kind, info.kind.as_str().to_owned());
    said(AssetField::Place, info.place.clone());
    said(AssetField::Officer, info.officer.clone());
    said(AssetField::Leader, info.leader.clone());
    said(AssetField::Address, info.address.clone());
    if info.kind == DeviceKind::Server {
        said(AssetField::Purpose, ROLES[n % ROLES.len()].1.to_owned());
    } else if info.kind == DeviceKind::Other && some(n, 6, 80) {
        said(AssetField::Purpose, "Chuyển mạch lớp truy cập".to_owned());
    }
    if info.parent.is_none() && some(n, 7, 93) {
        let zone = match info.kind {
            DeviceKind::Server => ["Máy chủ CSDL", "Máy chủ nội bộ", "DMZ", "Máy chủ nội bộ", "Mạng quản trị"][n % 5],
            DeviceKind::Other => "Mạng biên",
            _ => "Mạng nội bộ",
        };
        said(AssetField::Zone, zone.to_owned());
        said(AssetField::SwitchPort, format!("SW-{:02}/{}", n / 100 + 1, n % 48 + 1));
    }
    if !agent && info.parent.is_none() && some(n, 8, 88) {
        said(AssetField::Serial, format!("SN{n:08}"));
        said(AssetField::Maker, "HP".to_owned());
        said(AssetField::Model, "ProDesk 400".to_owned());
    }
    if !agent && some(n, 9, 75) {
        said(AssetField::SupportEnd, format!("20{}-06-30", 28 + n % 5));
    }
    if agent {
        let found = [
            (AssetField::Maker, "Dell Inc.".to_owned()),
            (AssetField::Model, "PowerEdge R750".to_owned()),
            (AssetField::Serial, format!("CN{n:07}")),
            (AssetField::Mac, format!("00:1a:2b:{:02x}:{:02x}:{:02x}", n / 65_536 % 256, n / 256 % 256, n % 256)),
        ];
        for (field, text) in found {
            asset.found.insert(field, AssetValue { text, by: None, at: since });
        }
    }
    asset
}

fn hello(layout: &Layout) -> Hello {
    Hello {
        agent_version: "made-up".into(),
        boot_id: "00000000-0000-4000-8000-000000000000".into(),
        run: "00000000".into(),
        fingerprint: "made-up".into(),
        interval_s: 10,
        keep_alive_s: 30,
        facts: Facts { os: "Debian GNU/Linux 12 (bookworm)".into(), ..Facts::default() },
        probes: Vec::new(),
        layout: layout.clone(),
        losses: Losses::default(),
        former: Vec::new(),
        sensor: None,
    }
}

/// What an agent brought of its machine.
fn agent(n: usize, info: &DeviceInfo, layout: &Layout, now: Timestamp) -> Vec<Change> {
    let (device, hello) = (info.id.clone(), hello(layout));
    let position = Position { epoch: 1, seq: 1 };
    let values: Vec<Option<f64>> =
        vec![Some(560.0), Some(f64::from(u8::from(some(n, 10, 12)))), Some(1.0), Some(0.0), Some(0.0), Some(1.0), None];
    let mut listening = vec![Port { port: "tcp/22".into(), address: "*".into(), program: "sshd".into() }];
    if info.kind == DeviceKind::Server {
        let ports = ROLES[n % ROLES.len()].2.iter();
        listening.extend(ports.map(|(port, program)| Port {
            port: (*port).to_owned(),
            address: info.address.clone(),
            program: (*program).to_owned(),
        }));
    }
    let protection = Protection { firewall: Some(true), listening, ..Protection::default() };
    let account = |name: &str, administrator: bool, locked: bool| Account {
        name: name.to_owned(),
        administrator,
        locked: Some(locked),
        changed_at: (!locked).then(|| now.plus_millis(-(n as i64 % 50) * DAY_MS)),
        ..Account::default()
    };
    let accounts = Accounts {
        accounts: vec![
            account("root", true, true),
            account("quantri", true, false),
            account(&format!("vh{:02}", n % 12), false, false),
        ],
        ..Accounts::default()
    };
    let document =
        |name: &str, body: String| Change::Document { device: device.clone(), name: name.to_owned(), at: now, body };
    vec![
        Change::Hello {
            device: device.clone(),
            at: now,
            boot_id: hello.boot_id.clone(),
            fingerprint: hello.fingerprint.clone(),
            interval_s: hello.interval_s,
            keep_alive_s: hello.keep_alive_s,
            body: serde_json::to_string(&hello).expect("writes"),
        },
        Change::Sample {
            device: device.clone(),
            position,
            at: now,
            layout: layout.id(),
            row: history::pack(&values),
            newest: true,
        },
        Change::Watermark {
            device: device.clone(),
            position,
            last_heard: Some(now),
            last_sample: Some(now),
            clock_error_ms: Some(0),
        },
        document("protection", serde_json::to_string(&protection).expect("writes")),
        document("accounts", serde_json::to_string(&accounts).expect("writes")),
    ]
}

/// Software of machines with agents, as the catalogue groups it, and packages that nobody named.
fn software(machines: &[DeviceId], now: Timestamp) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut uses = Vec::new();
    for n in 0..160_usize {
        let named = n < 60;
        let key = if named { format!("phan-mem-{n:02}") } else { format!("pkg.lib{n:03}") };
        let mut product = Product {
            key: key.clone(),
            name: if named { format!("Phần mềm {n:02}") } else { format!("lib{n:03}") },
            said: std::collections::BTreeMap::new(),
            found: std::collections::BTreeMap::new(),
            blanks: Vec::new(),
            packages: std::collections::BTreeSet::new(),
            inherited: Vec::new(),
        };
        if named {
            product.found.insert(ProductField::Purpose, "Phục vụ vận hành".to_owned());
            if some(n, 11, 92) {
                product.found.insert(ProductField::Licence, "GPL-2.0-only".to_owned());
            }
            if some(n, 12, 60) {
                let text = "Trung tâm Giám sát, điều hành".to_owned();
                product.said.insert(ProductField::Owner, AssetValue { text, by: Some("an".to_owned()), at: now });
            }
        }
        changes.push(Change::Product(Box::new(product)));
        uses.push(ProductUse { key, versions: vec![format!("1.{n}")], packages: 1, place: String::new() });
    }
    for device in machines {
        changes.push(Change::ProductUses {
            device: device.clone(),
            list: "made-up".to_owned(),
            catalogue: "made-up".to_owned(),
            uses: uses.clone(),
            at: now,
        });
    }
    changes
}

/// What the centre says of itself.
#[must_use]
pub fn settings() -> DocumentSettings {
    let signer = Signer {
        authority: SignAuthority::Own,
        title: "Giám đốc".into(),
        name: "Đặng Hoàng Giang".into(),
        ..Signer::default()
    };
    DocumentSettings {
        parent: "Sở Khoa học và Công nghệ".into(),
        agency: "Trung tâm Giám sát, điều hành thông minh".into(),
        abbreviation: "TTGSĐH".into(),
        place: "An Giang".into(),
        contact: "Số 1 đường Thử nghiệm. Điện thoại: 0000 000 000".into(),
        signers: vec![signer],
        addressees: vec!["Ủy ban nhân dân tỉnh".into()],
        recipients: vec!["Như trên".into(), "Lưu: VT, VH".into()],
        unit: "Tổ Vận hành".into(),
        mend_days: 30,
        quarter_due_days: 0,
    }
}

/// A centre of so many devices, as it stands at a moment: changes for a store that is new, in parts that are committed one after the other.
#[must_use]
pub fn of(devices: usize, now: Timestamp) -> Vec<Vec<Change>> {
    let since = now.plus_millis(-200 * DAY_MS);
    let series = SERIES.into_iter().map(|metric| Series::new(metric, "")).collect();
    let layout = Layout::new(series).expect("a layout");
    let mut parts = vec![vec![Change::Layout(layout.clone()), Change::DocumentSettings(Box::new(settings()))]];
    let mut machines = Vec::new();
    for n in 0..devices {
        let info = info(n, kind_of(n));
        let mut changes = vec![Change::Device { info: info.clone(), at: since }];
        changes.push(Change::Asset(Box::new(asset(n, &info, since))));
        if has_agent(n, info.kind) {
            changes.extend(agent(n, &info, &layout, now));
            machines.push(info.id.clone());
        }
        parts.push(changes);
    }
    parts.push(software(&machines[..machines.len().min(200)], now));
    parts
}

/// Puts a centre into a store.
///
/// # Panics
/// When the store takes it not.
pub fn fill(store: &mut dyn ioc_store::Store, devices: usize, now: Timestamp) {
    let mut all = Vec::new();
    for part in of(devices, now) {
        all.extend(part);
        if all.len() > 2_000 {
            store.commit(&std::mem::take(&mut all)).expect("commits");
        }
    }
    store.commit(&all).expect("commits");
}
