use ioc_judge::FaultState;
use ioc_store::{FaultQuery, NewDevice, ProductQuery};
use tokio::sync::oneshot;

use super::super::EngineMessage;
use super::super::time::tests::{Machine, Rig, deps};
use super::not_allowed::{FAULT, MACHINES_MAX};
use super::*;
use crate::command::Command;

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("valid")
}

fn register(rig: &mut Rig, device: &str) {
    let info = NewDevice { device: device.into(), kind: "server".into(), name: device.into(), ..NewDevice::default() };
    rig.command(Command::Register { info, actor: "lan".into() }).expect("registered");
}

/// A machine's products, each with its packages and version.
fn grouped(device: &str, list: &str, catalogue: &str, all: &[(&str, &[&str], &str)], made_at: Timestamp) -> Command {
    let products = all.iter().map(|(key, packages, version)| GroupedProduct {
        name: key.to_uppercase(),
        found: [(ProductField::Licence, "MIT".to_owned())].into(),
        packages: packages.iter().map(|name| (*name).to_owned()).collect(),
        used: ProductUse {
            key: (*key).to_owned(),
            versions: vec![(*version).to_owned()],
            packages: 1,
            place: String::new(),
        },
    });
    let (list, catalogue, products) = (list.to_owned(), catalogue.to_owned(), products.collect());
    Command::GroupSoftware { device: id(device), list, catalogue, products, made_at }
}

fn group(rig: &mut Rig, device: &str, list: &str, all: &[(&str, &str)]) {
    let packages: Vec<[&str; 1]> = all.iter().map(|(key, _)| [*key]).collect();
    let all: Vec<(&str, &[&str], &str)> =
        all.iter().zip(&packages).map(|((key, version), packages)| (*key, packages.as_slice(), *version)).collect();
    let command = grouped(device, list, "c", &all, rig.engine.time.now());
    rig.command(command).expect("grouped");
}

/// Another catalogue groups the same packages.
fn regroup(rig: &mut Rig, device: &str, catalogue: &str, all: &[(&str, &[&str])]) {
    let all: Vec<(&str, &[&str], &str)> = all.iter().map(|(key, packages)| (*key, *packages, "1")).collect();
    let command = grouped(device, "1", catalogue, &all, rig.engine.time.now());
    rig.command(command).expect("grouped");
}

fn seen(keys: &[&str]) -> Vec<SeenProduct> {
    keys.iter().map(|key| SeenProduct { key: (*key).to_owned(), mark: String::new() }).collect()
}

fn saying(products: Vec<SeenProduct>, fields: &[(ProductField, &str)]) -> Command {
    let fields = fields.iter().map(|(field, text)| (*field, (*text).to_owned())).collect();
    let (was, keep, actor) = (BTreeMap::new(), Vec::new(), "bình".into());
    Command::ChangeProducts { products, fields, was, keep, actor }
}

fn say(rig: &mut Rig, keys: &[&str], fields: &[(ProductField, &str)]) -> CommandResult {
    rig.command(saying(seen(keys), fields))
}

fn product(rig: &Rig, key: &str) -> Product {
    rig.reader.all_products().expect("reads").into_iter().find(|one| one.key == key).expect("there is one")
}

/// What stands in a column, what was decided of others and waits.
fn stands(rig: &Rig, key: &str, field: ProductField) -> (String, usize) {
    let one = product(rig, key);
    (one.written(field).to_owned(), one.inherited.len())
}

/// State and device of each fault, the newest first.
fn faults(rig: &Rig) -> Vec<(FaultState, String)> {
    let faults = rig.reader.faults(&FaultQuery::default(), 2000).expect("reads").into_iter();
    faults.filter(|fault| fault.rule == FAULT).map(|fault| (fault.state, fault.device.to_string())).collect()
}

#[test]
fn a_table_is_taken_in_whole_in_pieces_and_put_back_but_for_what_somebody_wrote_since() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1");
    let keys: Vec<String> = (0..450).map(|n| format!("p{n:03}")).collect();
    let all: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "1")).collect();
    group(&mut rig, "srv-1", "1", &all);
    let import = |rig: &mut Rig, table: &str| {
        let rows = crate::inventory::product_table::read(table).expect("reads");
        rig.command(Command::ImportProducts { rows, actor: "boss".into() })
    };
    // One row that is about nothing, and nothing is written.
    let wrong = import(&mut rig, "key,owner\np001,VNPT\nnone,VNPT\n").expect_err("no such product");
    assert!(wrong.to_string().contains("\"none\""), "{wrong}");
    assert_eq!(stands(&rig, "p001", ProductField::Owner).0, "");
    let lines = keys.iter().map(|key| format!("{key},VNPT,approved,MIT\n"));
    let table: String = std::iter::once("key,owner,state,licence\n".to_owned()).chain(lines).collect();
    assert!(matches!(import(&mut rig, &table), Ok(Answer::Imported(450))));
    assert!(!product(&rig, "p449").said.contains_key(&ProductField::Licence), "it is known by itself");
    assert!(matches!(import(&mut rig, &table), Ok(Answer::Imported(0))), "it is so already");
    say(&mut rig, &["p007"], &[(ProductField::Owner, "Tổ vận hành")]).expect("said");
    let undo = Command::UndoImport { register: ioc_store::ImportRegister::Software, number: 1, actor: "lan".into() };
    assert!(matches!(rig.command(undo), Ok(Answer::Imported(450))), "of that one the state goes back");
    assert_eq!(stands(&rig, "p007", ProductField::Owner).0, "Tổ vận hành");
    assert_eq!(stands(&rig, "p449", ProductField::Owner).0, "");
    assert_eq!(product(&rig, "p007").state(), ProductState::Review);
    assert_eq!((rig.audit("software.imported").len(), rig.audit("software.import_undone").len()), (1, 1));
}

#[test]
fn what_is_not_allowed_is_a_fault_of_each_machine_until_it_is_gone() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    for device in ["srv-1", "srv-2"] {
        register(&mut rig, device);
        group(&mut rig, device, "1", &[("nmap", "7.93"), ("nginx", "1.22")]);
    }
    assert!(faults(&rig).is_empty());
    say(&mut rig, &["nmap"], &[(ProductField::State, "not_allowed")]).expect("forbidden");
    let raised = |device: &str| (FaultState::Raised, device.to_owned());
    assert_eq!(faults(&rig), [raised("srv-2"), raised("srv-1")]);
    let fault = rig.reader.faults(&FaultQuery::default(), 1).expect("reads").remove(0);
    assert_eq!(fault.title.map(|title| title.vi).as_deref(), Some("Phần mềm không được phép: NMAP (Điều 9.1)"));
    // One matter of one product: one incident, of which people are told once, and under it each machine.
    let incidents = |rig: &Rig| rig.reader.incidents(None, false, None, 9).expect("reads");
    let told = incidents(&rig);
    assert_eq!((told.len(), told[0].device.as_ref(), told[0].raised), (1, None, 2), "{told:?}");
    let notices = rig.notices().len();
    assert_eq!(notices, 1, "{:?}", rig.notices());
    // Over a restart it stands, once; where it is gone it ends.
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    group(&mut rig, "srv-1", "2", &[("nginx", "1.24")]);
    assert_eq!(faults(&rig), [raised("srv-2"), (FaultState::Cleared, "srv-1".to_owned())]);
    // Where it comes anew it is one at once, and where it is allowed it ends everywhere.
    register(&mut rig, "srv-3");
    group(&mut rig, "srv-3", "1", &[("nmap", "7.94")]);
    assert_eq!(faults(&rig)[0], raised("srv-3"));
    assert_eq!(incidents(&rig).len(), 1, "it is the same matter");
    say(&mut rig, &["nmap"], &[(ProductField::State, "approved")]).expect("allowed");
    assert!(incidents(&rig).iter().all(|one| !one.state.is_active()));
    assert!(faults(&rig).iter().all(|(state, _)| *state == FaultState::Cleared), "{:?}", faults(&rig));
}

#[test]
fn what_people_say_is_kept_of_all_or_of_none() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1");
    group(&mut rig, "srv-1", "1", &[("nmap", "7.93"), ("nginx", "1.22")]);
    let row = |rig: &Rig, key: &str| rig.reader.product(key).expect("reads").expect("there is one").product;
    assert_eq!(row(&rig, "nmap").blanks, [ProductField::Purpose, ProductField::Scope, ProductField::Owner]);
    let fields = [
        (ProductField::Purpose, "Máy chủ web"),
        (ProductField::Scope, "Phòng máy"),
        (ProductField::Owner, "Tổ 1"),
        (ProductField::SupportEnd, "1/2/2027"),
        (ProductField::LicenceCount, "5"),
    ];
    say(&mut rig, &["nginx", "nothing"], &fields).expect_err("there is no such product");
    assert!(row(&rig, "nginx").said.is_empty());
    for (field, text) in
        [(ProductField::State, "perhaps"), (ProductField::LicenceCount, "many"), (ProductField::SupportEnd, "soon")]
    {
        say(&mut rig, &["nginx"], &[(field, text)]).expect_err(text);
    }
    say(&mut rig, &["nginx", "nmap"], &fields).expect("said");
    let said = row(&rig, "nginx");
    assert_eq!((said.text(ProductField::SupportEnd), said.text(ProductField::Licence)), ("2027-02-01", "MIT"));
    assert_eq!(said.said[&ProductField::Owner].by.as_deref(), Some("bình"));
    assert!(said.blanks.is_empty() && row(&rig, "nmap").blanks.is_empty());
    assert_eq!(rig.audit("software.described").len(), 2);
    // What is grouped again keeps what people said, over a restart, too.
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    group(&mut rig, "srv-1", "2", &[("nginx", "1.24")]);
    let query = ProductQuery { limit: 9, ..ProductQuery::default() };
    let rows = rig.reader.products(&query).expect("reads");
    assert_eq!(
        (rows.len(), rows[0].product.text(ProductField::Owner), rows[0].versions.join(" ")),
        (1, "Tổ 1", "1.24".into())
    );
}

/// All of these in one cycle of the engine, with one commit.
fn at_once(rig: &mut Rig, commands: Vec<Command>) {
    let mut inputs: Vec<EngineMessage> =
        commands.into_iter().map(|one| EngineMessage::Command(Box::new(one), oneshot::channel().0)).collect();
    rig.engine.run_once(&mut inputs);
}

#[test]
fn what_is_forbidden_is_found_where_it_is_not_committed_yet_and_on_many_machines_in_pieces() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    let names: Vec<String> = (0..2 * MACHINES_MAX + 50).map(|number| format!("srv-{number:03}")).collect();
    let now = rig.engine.time.now();
    let registered = |name: &String| {
        let (device, kind) = (name.clone(), "server".into());
        let info = NewDevice { device, kind, name: name.clone(), ..NewDevice::default() };
        Command::Register { info, actor: "lan".into() }
    };
    at_once(&mut rig, names.iter().map(registered).collect());
    let has = |name: &String| grouped(name, "1", "c", &[("nmap", &["nmap"], "7.93")], now);
    let (last, others) = names.split_last().expect("some");
    at_once(&mut rig, others.iter().map(has).collect());
    // The last one tells of it in the same commit in which it is forbidden.
    let forbid = saying(seen(&["nmap"]), &[(ProductField::State, "not_allowed")]);
    at_once(&mut rig, vec![has(last), forbid]);
    let first = faults(&rig);
    assert!(first.iter().any(|(_, device)| device == last), "{}", first.len());
    assert!(first.len() <= MACHINES_MAX + 1, "a commit waits for no more than a piece: {}", first.len());
    while rig.engine.has_more() {
        at_once(&mut rig, Vec::new());
    }
    assert_eq!(faults(&rig).len(), names.len());
    let told = rig.reader.incidents(None, false, None, 9).expect("reads");
    assert_eq!((told.len(), told[0].raised as usize), (1, names.len()), "one matter");
    // It is allowed again, in pieces, too; in the middle of which the collector stops.
    at_once(&mut rig, vec![saying(seen(&["nmap"]), &[(ProductField::State, "approved")])]);
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    while rig.engine.has_more() {
        at_once(&mut rig, Vec::new());
    }
    assert!(faults(&rig).iter().all(|(state, _)| *state == FaultState::Cleared));
}

#[test]
fn what_people_decided_follows_its_packages_through_every_change_of_the_catalogue() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1");
    let state = ProductField::State;
    regroup(
        &mut rig,
        "srv-1",
        "c1",
        &[("pkg.nmap", &["nmap"]), ("pkg.zenmap", &["zenmap"]), ("office", &["writer", "calc"])],
    );
    say(&mut rig, &["pkg.nmap"], &[(state, "not_allowed"), (ProductField::Note, "quét mạng")]).expect("said");
    say(&mut rig, &["pkg.zenmap"], &[(state, "approved"), (ProductField::Owner, "Tổ 2")]).expect("said");
    say(&mut rig, &["office"], &[(ProductField::Owner, "Tổ 1")]).expect("said");
    assert_eq!(faults(&rig).len(), 1);
    // Two become one: the ban stays, and what cannot both be so is work to do; one becomes two: each has what was said.
    let merged: [(&str, &[&str]); 3] = [("nmap", &["nmap", "zenmap"]), ("writer", &["writer"]), ("calc", &["calc"])];
    regroup(&mut rig, "srv-1", "c2", &merged);
    assert_eq!(stands(&rig, "nmap", state), ("not_allowed".to_owned(), 1));
    let nmap = product(&rig, "nmap");
    assert_eq!((nmap.text(ProductField::Owner), nmap.text(ProductField::Note)), ("Tổ 2", "quét mạng"));
    assert_eq!(nmap.inherited[0].value.text, "approved");
    assert_eq!(
        [stands(&rig, "writer", ProductField::Owner).0, stands(&rig, "calc", ProductField::Owner).0],
        ["Tổ 1", "Tổ 1"]
    );
    let open = |rig: &Rig| faults(rig).into_iter().filter(|(state, _)| *state == FaultState::Raised).count();
    assert_eq!(open(&rig), 1, "it is forbidden all the time");
    assert!(!rig.audit("software.regrouped").is_empty());
    let query = ProductQuery { blank: true, limit: 9, ..ProductQuery::default() };
    let work = rig.reader.products(&query).expect("reads");
    assert!(work.iter().any(|row| row.product.key == "nmap"), "it stands in the list of work");
    // Whoever decides settles it; over a restart, and back to the catalogue as it was, that decision holds.
    say(&mut rig, &["nmap"], &[(state, "approved")]).expect("decided");
    assert_eq!((stands(&rig, "nmap", state), open(&rig)), (("approved".to_owned(), 0), 0));
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    let back: [(&str, &[&str]); 3] =
        [("pkg.nmap", &["nmap"]), ("pkg.zenmap", &["zenmap"]), ("office", &["writer", "calc"])];
    regroup(&mut rig, "srv-1", "c1", &back);
    assert_eq!(stands(&rig, "pkg.nmap", state), ("approved".to_owned(), 0), "what was decided last");
    assert_eq!(stands(&rig, "office", ProductField::Owner).0, "Tổ 1");
    // A ban survives that the rule of its product is taken out of the catalogue.
    say(&mut rig, &["office"], &[(state, "not_allowed")]).expect("said");
    regroup(&mut rig, "srv-1", "c3", &[("pkg.writer", &["writer"]), ("pkg.calc", &["calc"])]);
    assert_eq!(
        [stands(&rig, "pkg.writer", state).0, stands(&rig, "pkg.calc", state).0],
        ["not_allowed", "not_allowed"]
    );
    assert_eq!(open(&rig), 2);
}

#[test]
fn who_was_shown_something_else_overwrites_nothing() {
    let (dir, machine) = (tempfile::tempdir().expect("directory"), Machine::new());
    let mut rig = Rig::open(dir.path(), &machine);
    register(&mut rig, "srv-1");
    group(&mut rig, "srv-1", "1", &[("nmap", "7.93"), ("nginx", "1.22")]);
    let shown = |rig: &Rig, key: &str| SeenProduct { key: key.to_owned(), mark: product(rig, key).mark() };
    let both = [shown(&rig, "nginx"), shown(&rig, "nmap")];
    say(&mut rig, &["nmap"], &[(ProductField::Owner, "Tổ 1")]).expect("said");
    let all = saying(both.to_vec(), &[(ProductField::Owner, "Tổ 2")]);
    let refused = rig.command(all).expect_err("somebody was faster");
    assert!(refused.to_string().contains("NMAP"), "{refused}");
    assert_eq!(stands(&rig, "nginx", ProductField::Owner).0, "", "of all or of none");
    // On its page, what nobody changed can be changed, and what somebody did is refused.
    let write = |was: &str| {
        let mut command = saying(seen(&["nmap"]), &[(ProductField::Owner, "Tổ 3")]);
        if let Command::ChangeProducts { was: seen, .. } = &mut command {
            seen.insert(ProductField::Owner, was.to_owned());
        }
        command
    };
    let refused = rig.command(write("")).expect_err("somebody was faster");
    assert!(matches!(refused, CommandError::Explained(..)), "{refused}");
    rig.command(write("Tổ 1")).expect("seen");
    assert_eq!(stands(&rig, "nmap", ProductField::Owner).0, "Tổ 3");
}
