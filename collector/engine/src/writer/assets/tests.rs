use ioc_common::layout::Layout;
use ioc_common::report::{Facts, Losses};
use ioc_judge::FaultState;
use ioc_store::{AssetWork, FaultQuery, ImportRegister};

use super::super::time::tests::{Machine, Rig, deps};
use super::*;
use crate::command::Command;

const DAY_MS: i64 = 86_400_000;

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("valid")
}

fn register(rig: &mut Rig, device: &str, kind: &str) {
    let info = NewDevice { device: device.into(), kind: kind.into(), name: device.into(), ..NewDevice::default() };
    rig.command(Command::Register { info, actor: "lan".into() }).expect("registered");
}

fn write(rig: &mut Rig, device: &str, fields: &[(AssetField, &str)], keep: &[AssetField]) -> CommandResult {
    let fields = fields.iter().map(|(field, text)| (*field, (*text).to_owned())).collect();
    let change = AssetChange { device: id(device), fields, keep: keep.to_vec(), was: BTreeMap::new() };
    rig.command(Command::ChangeAssets { changes: vec![change], actor: "bình".into() })
}

fn hello(serial: &str) -> Hello {
    let facts = Facts {
        vendor: "Dell Inc.".into(),
        product: "PowerEdge R450".into(),
        serial: serial.into(),
        ..Facts::default()
    };
    Hello {
        agent_version: String::new(),
        boot_id: String::new(),
        run: String::new(),
        fingerprint: String::new(),
        interval_s: 10,
        keep_alive_s: 10,
        facts,
        probes: Vec::new(),
        layout: Layout::new(Vec::new()).expect("empty"),
        losses: Losses::default(),
        former: Vec::new(),
        sensor: None,
    }
}

fn says(rig: &mut Rig, device: &str, serial: &str) {
    let now = rig.engine.time.now();
    rig.engine.find_asset(&id(device), &hello(serial), now);
    rig.pass(10_000);
}

fn asset(rig: &Rig, device: &str) -> Asset {
    rig.reader.asset(&id(device)).expect("reads").expect("there is one")
}

fn faults(rig: &Rig) -> Vec<(FaultState, String, String)> {
    let faults = rig.reader.faults(&FaultQuery::default(), 20).expect("reads").into_iter();
    let faults = faults.filter(|fault| fault.rule == FAULT);
    faults.map(|fault| (fault.state, fault.device.to_string(), fault.reason.vi)).collect()
}

/// The deadline is thirty days; the engine looks at it when it runs.
fn days(rig: &mut Rig, machine: &Machine, days: i64) {
    machine.pass(days * DAY_MS);
    rig.pass(10_000);
}

#[test]
fn what_stays_blank_past_its_deadline_is_a_fault_until_it_is_written_down() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1", "server");
    register(&mut rig, "sw-1", "other");
    let all = [AssetField::Label, AssetField::Place, AssetField::Officer, AssetField::Leader];
    assert_eq!(asset(&rig, "srv-1").blanks, all);
    let filled = all.map(|field| (field, "x"));
    write(&mut rig, "sw-1", &filled, &[]).expect("written");
    assert!(asset(&rig, "sw-1").blanks.is_empty());
    days(&mut rig, &machine, 29);
    assert!(faults(&rig).is_empty(), "{:?}", faults(&rig));
    days(&mut rig, &machine, 2);
    let missing = "Còn thiếu: nhãn tài sản, nơi đặt, cán bộ phụ trách, lãnh đạo phụ trách. Bổ sung tại trang tài sản.";
    assert_eq!(faults(&rig), [(FaultState::Raised, "srv-1".to_owned(), missing.to_owned())]);
    assert!(rig.notices().is_empty(), "paperwork wakes nobody");
    // Over a restart it stands, once.
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    rig.pass(20_000);
    assert_eq!(faults(&rig).len(), 1);
    write(&mut rig, "srv-1", &filled[1..], &[]).expect("written");
    assert_eq!((faults(&rig)[0].0, asset(&rig, "srv-1").blanks), (FaultState::Raised, vec![AssetField::Label]));
    write(&mut rig, "srv-1", &filled[..1], &[]).expect("written");
    assert_eq!(faults(&rig)[0].0, FaultState::Past, "nobody was told, so it is past");
    // Taken out again it is blank for longer than it may be; what is retired lacks nothing.
    write(&mut rig, "srv-1", &[(AssetField::Label, "")], &[]).expect("written");
    assert_eq!(faults(&rig)[0].0, FaultState::Raised);
    write(&mut rig, "srv-1", &[(AssetField::State, "retired")], &[]).expect("written");
    assert_eq!(faults(&rig)[0].0, FaultState::Past);
}

#[test]
fn each_value_knows_who_wrote_it_and_what_agents_say_fills_or_contradicts() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1", "server");
    says(&mut rig, "srv-1", "To Be Filled By O.E.M.");
    assert_eq!(asset(&rig, "srv-1").text(AssetField::Serial), "", "that is no serial number");
    says(&mut rig, "srv-1", "SN-9");
    let found = asset(&rig, "srv-1");
    let of = |field| found.value(field).map(|value| (value.text.as_str(), value.by.as_deref()));
    assert_eq!(of(AssetField::Serial), Some(("SN-9", None)));
    assert_eq!(of(AssetField::Name), Some(("srv-1", Some("lan"))));
    write(&mut rig, "srv-1", &[(AssetField::Serial, "SN-7"), (AssetField::Supplier, "VNPT")], &[]).expect("written");
    let said = asset(&rig, "srv-1");
    let of = |field| said.value(field).map(|value| (value.text.as_str(), value.by.as_deref()));
    assert_eq!(of(AssetField::Serial), Some(("SN-7", Some("bình"))));
    assert_eq!(of(AssetField::Name), Some(("srv-1", Some("lan"))), "what did not change keeps who wrote it");
    assert_eq!(
        (said.contradictions.as_slice(), &said.found[&AssetField::Serial].text[..]),
        (&[AssetField::Serial][..], "SN-9")
    );
    assert!(faults(&rig).is_empty(), "it is work, and no fault");
    let work = |rig: &Rig| {
        let query = AssetQuery { work: AssetWork::Contradiction, limit: 9, ..AssetQuery::default() };
        rig.reader.assets(&query).expect("reads").len()
    };
    assert_eq!(work(&rig), 1);
    write(&mut rig, "srv-1", &[], &[AssetField::Serial]).expect("known");
    assert_eq!(work(&rig), 0);
    says(&mut rig, "srv-1", "SN-8");
    assert_eq!(work(&rig), 1, "another machine's number is work again");
    write(&mut rig, "srv-1", &[(AssetField::Serial, "sn-8")], &[]).expect("written");
    assert_eq!(work(&rig), 0);
    let log = rig.audit("asset.described").join("\n");
    assert!(log.contains("supplier: \"\" -> \"VNPT\"") && log.contains("SN-9"), "{log}");
    // All of a change, or nothing of it.
    let changes = ["srv-1", "nobody"].map(|device| AssetChange {
        device: id(device),
        fields: [(AssetField::Maker, "IBM".to_owned())].into(),
        keep: Vec::new(),
        was: BTreeMap::new(),
    });
    rig.command(Command::ChangeAssets { changes: changes.into(), actor: "bình".into() }).expect_err("nobody");
    assert_eq!(asset(&rig, "srv-1").text(AssetField::Maker), "Dell Inc.");
    let refused = write(&mut rig, "srv-1", &[(AssetField::Bought, "soon")], &[]).expect_err("no day").to_string();
    assert!(refused.starts_with("srv-1: bought: found \"soon\""), "{refused}");
    // Whoever registers it anew begins anew.
    rig.command(Command::Revoke { device: id("srv-1"), actor: "lan".into() }).expect("revoked");
    register(&mut rig, "srv-1", "server");
    assert_eq!(asset(&rig, "srv-1").text(AssetField::Supplier), "");
}

#[test]
fn a_person_answers_for_a_machine_that_no_agent_looks_at() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "win-1", "workstation");
    register(&mut rig, "sw-1", "other");
    let attest = |rig: &mut Rig, device: &str, area: &str, days: i64| {
        let now = rig.engine.time.now();
        let (area, valid_until) = (area.to_owned(), now.plus_millis(days * DAY_MS));
        let (note, by) = ("ảnh chụp màn hình số 4".to_owned(), "someone else".to_owned());
        let attestation = AssetAttestation { area, good: true, note, valid_until, by, at: now, files: Vec::new() };
        rig.command(Command::AttestAsset { device: id(device), attestation, actor: "bình".into() })
    };
    attest(&mut rig, "win-1", "antivirus", 90).expect("attested");
    assert_eq!(rig.reader.asset_attestations(&id("win-1"), 9).expect("reads")[0].by, "bình");
    assert_eq!(rig.reader.coverage().expect("reads").attested["antivirus"].len(), 1);
    for (device, area, days) in
        [("win-1", "colour", 9), ("win-1", "patches", 0), ("win-1", "patches", 500), ("sw-1", "patches", 9)]
    {
        attest(&mut rig, device, area, days).expect_err("refused");
    }
    // A file stays with the word that it shows, and whatever is said anew begins without.
    let show = |rig: &mut Rig, area: &str| {
        let (area, name, content) = (area.to_owned(), "ảnh 4.png".to_owned(), b"\x89PNG\r\n\x1a\n".to_vec());
        rig.command(Command::AddAssetEvidence { device: id("win-1"), area, name, content, actor: "bình".into() })
    };
    let files = |rig: &Rig| rig.reader.asset_attestations(&id("win-1"), 1).expect("reads")[0].files.len();
    assert!(show(&mut rig, "patches").expect_err("nobody said it").to_string().contains("do that first"));
    for _ in 0..2 {
        show(&mut rig, "antivirus").expect("kept once");
    }
    assert_eq!((files(&rig), rig.audit("asset.evidence_added").len()), (1, 1));
    attest(&mut rig, "win-1", "antivirus", 95).expect("attested anew");
    assert_eq!(files(&rig), 0);
    // Where the agent tells, nobody's word is taken.
    let body = "{}".to_owned();
    let at = rig.engine.time.now();
    rig.engine.batch.changes.push(Change::Document { device: id("win-1"), name: "patches".into(), at, body });
    rig.pass(10_000);
    let refused = attest(&mut rig, "win-1", "patches", 9).expect_err("refused").to_string();
    assert!(refused.contains("tells of this itself"), "{refused}");
    assert_eq!(rig.audit("asset.attested").len(), 2);
}

#[test]
fn a_table_is_taken_in_whole_or_not_at_all_and_can_be_undone_once() {
    use crate::inventory::asset_table::read;

    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1", "server");
    write(&mut rig, "srv-1", &[(AssetField::Zone, "LAN")], &[]).expect("written");
    let import = |rig: &mut Rig, text: &str| {
        let rows = read(text).expect("reads");
        rig.command(Command::ImportAssets { rows, actor: "bình".into() })
    };
    let refused =
        import(&mut rig, "device\tname\tkind\tzone\nsrv-1\t\t\tDMZ\nnew-1\tMáy mới\t\tDMZ\n").expect_err("no kind");
    assert!(refused.to_string().contains("row 3, column kind"), "{refused}");
    assert_eq!(asset(&rig, "srv-1").text(AssetField::Zone), "LAN", "nothing of it");
    let table = "device\tname\tkind\tzone\tsupplier\nsrv-1\t\t\tDMZ\tVNPT\nnew-1\tMáy mới\tother\tDMZ\t\nnew-2\tMáy nữa\tother\t\t\n";
    assert!(matches!(import(&mut rig, table), Ok(Answer::Imported(3))));
    assert!(matches!(import(&mut rig, table), Ok(Answer::Imported(0))), "the same again changes nothing");
    assert_eq!(
        (asset(&rig, "srv-1").text(AssetField::Zone), asset(&rig, "new-1").text(AssetField::Zone)),
        ("DMZ", "DMZ")
    );
    // Over a restart it is undone all the same; what was changed since stays.
    write(&mut rig, "srv-1", &[(AssetField::Supplier, "FPT")], &[]).expect("written");
    write(&mut rig, "new-2", &[(AssetField::Name, "Máy khác")], &[]).expect("written");
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    let undo = |rig: &mut Rig| {
        rig.command(Command::UndoImport { register: ImportRegister::Assets, number: 1, actor: "lan".into() })
    };
    assert!(matches!(undo(&mut rig), Ok(Answer::Imported(2))), "one put back, one taken out");
    let back = asset(&rig, "srv-1");
    assert_eq!((back.text(AssetField::Zone), back.text(AssetField::Supplier)), ("LAN", "FPT"));
    let left = rig.reader.assets(&AssetQuery { limit: 9, ..AssetQuery::default() }).expect("reads");
    assert_eq!(left.iter().map(|one| one.device.as_str()).collect::<Vec<_>>(), ["new-2", "srv-1"]);
    undo(&mut rig).expect_err("once");
    let kept = rig.reader.table_imports(ImportRegister::Assets, None, 9).expect("reads");
    assert_eq!((kept.len(), kept[0].count, kept[0].undone.as_ref().map(|(_, by)| by.as_str())), (1, 3, Some("lan")));
    assert_eq!((rig.audit("asset.imported").len(), rig.audit("asset.import_undone").len()), (1, 1));
}

#[test]
fn what_people_have_counted_or_opened_an_incident_of_stays_when_its_import_is_undone() {
    use crate::inventory::asset_table::read;
    use ioc_judge::{NewIncident, Severity, Text};
    use ioc_store::inventory_count::{Tick, TickState};

    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let table = "device\tname\tkind\nnew-1\tMột\tother\nnew-2\tHai\tother\nnew-3\tBa\tother\n";
    rig.command(Command::ImportAssets { rows: read(table).expect("reads"), actor: "bình".into() }).expect("taken in");
    rig.command(Command::OpenCount { place: String::new(), actor: "lan".into() }).expect("opened");
    let (place, remark, by) = (String::new(), String::new(), String::new());
    let tick = Tick { device: id("new-1"), state: TickState::Found, place, remark, by, at: rig.engine.time.now() };
    rig.command(Command::TickAsset { count: 1, tick, seen: None, actor: "lan".into() }).expect("ticked");
    let manual = NewIncident {
        device: Some(id("new-2")),
        severity: Severity::Warning,
        title: Text::new("Hỏng", "Broken"),
        reason: Text::new("x", "x"),
        advice: Text::default(),
        report: None,
    };
    rig.command(Command::Open { manual, actor: "lan".into() }).expect("opened");
    rig.command(Command::UndoImport { register: ImportRegister::Assets, number: 1, actor: "lan".into() })
        .expect("undone");
    let left = rig.reader.assets(&AssetQuery { limit: 9, ..AssetQuery::default() }).expect("reads");
    let mut left: Vec<&str> = left.iter().map(|one| one.device.as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["new-1", "new-2"]);
}

/// A command that is not waited for, in a cycle of its own.
fn begin(rig: &mut Rig, command: Command) -> tokio::sync::oneshot::Receiver<CommandResult> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    rig.engine.run_once(&mut vec![super::super::EngineMessage::Command(Box::new(command), sender)]);
    receiver
}

#[test]
fn a_large_table_is_taken_in_in_pieces_over_a_restart_and_undone_as_one() {
    use super::PIECE;
    use crate::inventory::asset_table::read;

    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-0000", "server");
    let count = 4 * PIECE + 50;
    let rows = (0..count).map(|n| format!("srv-{n:04}\tserver\tMáy {n}\tTS-{n:04}\tDMZ\n"));
    let table: String = std::iter::once("device\tkind\tname\tlabel\tzone\n".to_owned()).chain(rows).collect();
    let import = Command::ImportAssets { rows: read(&table).expect("reads"), actor: "bình".into() };
    let mut answer = begin(&mut rig, import);
    let zoned = |rig: &Rig| {
        let query = AssetQuery { search: "dmz".into(), limit: usize::MAX, ..AssetQuery::default() };
        rig.reader.assets_count(&query).expect("counts") as usize
    };
    while zoned(&rig) == 0 {
        rig.engine.run_once(&mut Vec::new());
    }
    assert_eq!((zoned(&rig), answer.try_recv().is_ok()), (PIECE, false), "no commit waits for all of it");
    // Meanwhile others are heard; what they write is not written over, and no other table comes between.
    let name = [(AssetField::Name, "Máy của Lan")];
    write(&mut rig, "srv-0000", &name, &[]).expect("written");
    let other = Command::ImportAssets { rows: read("name\tkind\nA\tother\n").expect("reads"), actor: "lan".into() };
    let refused = begin(&mut rig, other).try_recv().expect("answered").expect_err("one at a time");
    assert!(refused.to_string().contains("import 1 is under way"), "{refused}");
    // It goes on where it was when the collector stopped.
    let done = zoned(&rig);
    assert!(done < count);
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    while rig.engine.has_more() {
        rig.engine.run_once(&mut Vec::new());
    }
    assert_eq!((zoned(&rig), asset(&rig, "srv-0000").text(AssetField::Name)), (count, "Máy của Lan"));
    assert_eq!(rig.reader.table_imports(ImportRegister::Assets, None, 1).expect("reads")[0].left, 0);
    // Registered once, with all that the table says.
    assert_eq!(rig.audit("device.described").len(), 2, "{:?}", rig.audit("device.described"));
    let mut answer =
        begin(&mut rig, Command::UndoImport { register: ImportRegister::Assets, number: 1, actor: "lan".into() });
    while rig.engine.has_more() {
        rig.engine.run_once(&mut Vec::new());
    }
    assert!(matches!(answer.try_recv().expect("answered at its end"), Ok(Answer::Imported(undone)) if undone == count));
    let left = rig.reader.assets(&AssetQuery { limit: 9, ..AssetQuery::default() }).expect("reads");
    assert_eq!(left.iter().map(|one| one.device.as_str()).collect::<Vec<_>>(), ["srv-0000"]);
    assert_eq!((zoned(&rig), asset(&rig, "srv-0000").text(AssetField::Name)), (0, "Máy của Lan"));
}

#[test]
fn who_was_shown_something_else_overwrites_nothing() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1", "server");
    let written = |rig: &mut Rig, was: &str| {
        let fields = [(AssetField::Zone, "LAN".to_owned())].into();
        let was = [(AssetField::Zone, was.to_owned())].into();
        let changes = vec![AssetChange { device: id("srv-1"), fields, keep: Vec::new(), was }];
        rig.command(Command::ChangeAssets { changes, actor: "lan".into() })
    };
    write(&mut rig, "srv-1", &[(AssetField::Zone, "DMZ")], &[]).expect("written");
    let refused = written(&mut rig, "").expect_err("somebody was faster");
    assert!(matches!(refused, CommandError::Explained(..)) && refused.to_string().contains("zone"), "{refused}");
    assert_eq!(asset(&rig, "srv-1").text(AssetField::Zone), "DMZ");
    written(&mut rig, "DMZ").expect("seen");
    // The mark that stands in place of a name is none.
    write(&mut rig, "srv-1", &[(AssetField::Officer, "Lê Thị Lan")], &[]).expect("written");
    write(&mut rig, "srv-1", &[(AssetField::Officer, ioc_common::document::HIDDEN)], &[]).expect("nothing");
    assert_eq!(asset(&rig, "srv-1").text(AssetField::Officer), "Lê Thị Lan");
}
