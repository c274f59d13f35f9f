//! Dashboards: the newest version of each is kept, and one that is taken out is gone.

use std::path::Path;

use super::{Open, at, id};
use crate::dashboard::{Dashboard, Panel, PanelKind};
use crate::{Change, Role, Store};

pub(super) fn dashboards(open: Open<'_>, dir: &Path) {
    let mut store = open(dir);
    let panel = Panel {
        kind: PanelKind::Chart,
        title: "CPU".into(),
        devices: vec![id(1)],
        metric: "cpu.busy".into(),
        room: String::new(),
        width: 2,
    };
    let board = |number: u64, name: &str| Dashboard {
        number,
        version: 1,
        name: name.into(),
        owner: "lan".into(),
        roles: vec![Role::DutyOfficer],
        panels: vec![panel.clone()],
        by: "lan".into(),
        at: at(1),
    };
    let list = |store: &dyn Store| store.reader().expect("reads").dashboards().expect("reads");
    let put = [Change::Dashboard(Box::new(board(1, "Đêm"))), Change::Dashboard(Box::new(board(2, "Ban ngày")))];
    store.commit(&put).expect("commits");
    assert_eq!(list(store.as_ref()), [board(2, "Ban ngày"), board(1, "Đêm")], "as people sort");
    let next = Dashboard { version: 2, owner: "minh".into(), panels: Vec::new(), ..board(1, "An ninh") };
    store.commit(&[Change::Dashboard(Box::new(next.clone()))]).expect("commits");
    store.commit(&[Change::DashboardGone(2)]).expect("commits");
    assert_eq!(list(store.as_ref()), [next]);
    store.commit(&[Change::DashboardGone(9)]).expect("what is not there goes without a word");
}
