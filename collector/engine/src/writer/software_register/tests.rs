use ioc_judge::FaultState;
use ioc_store::{FaultQuery, NewDevice, ProductQuery};

use super::super::time::tests::{Machine, Rig, deps};
use super::*;
use crate::command::Command;

fn id(name: &str) -> DeviceId {
    DeviceId::new(name).expect("valid")
}

fn register(rig: &mut Rig, device: &str) {
    let info = NewDevice { device: device.into(), kind: "server".into(), name: device.into(), ..NewDevice::default() };
    rig.command(Command::Register { info, actor: "lan".into() }).expect("registered");
}

fn group(rig: &mut Rig, device: &str, list: &str, all: &[(&str, &str)]) {
    let products = all.iter().map(|(key, version)| GroupedProduct {
        name: key.to_uppercase(),
        found: [(ProductField::Licence, "MIT".to_owned())].into(),
        used: ProductUse {
            key: (*key).to_owned(),
            versions: vec![(*version).to_owned()],
            packages: 1,
            place: String::new(),
        },
    });
    let (list, products, made_at) = (list.to_owned(), products.collect(), rig.engine.time.now());
    let command = Command::GroupSoftware { device: id(device), list, catalogue: "c".into(), products, made_at };
    rig.command(command).expect("grouped");
}

fn say(rig: &mut Rig, keys: &[&str], fields: &[(ProductField, &str)]) -> CommandResult {
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    let fields = fields.iter().map(|(field, text)| (*field, (*text).to_owned())).collect();
    rig.command(Command::ChangeProducts { keys, fields, actor: "bình".into() })
}

/// State and device of each fault, the newest first.
fn faults(rig: &Rig) -> Vec<(FaultState, String)> {
    let faults = rig.reader.faults(&FaultQuery::default(), 20).expect("reads").into_iter();
    faults.filter(|fault| fault.rule == FAULT).map(|fault| (fault.state, fault.device.to_string())).collect()
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
    assert!(!rig.notices().is_empty(), "and people are told");
    // Over a restart it stands, once; where it is gone it ends.
    drop(rig);
    let mut rig = Rig::start(deps(dir.path(), &machine, |store| store), &machine);
    group(&mut rig, "srv-1", "2", &[("nginx", "1.24")]);
    assert_eq!(faults(&rig), [raised("srv-2"), (FaultState::Cleared, "srv-1".to_owned())]);
    // Where it comes anew it is one at once, and where it is allowed it ends everywhere.
    register(&mut rig, "srv-3");
    group(&mut rig, "srv-3", "1", &[("nmap", "7.94")]);
    assert_eq!(faults(&rig)[0], raised("srv-3"));
    say(&mut rig, &["nmap"], &[(ProductField::State, "approved")]).expect("allowed");
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
