//! Information systems: what this collector watches is one. How far its dossier is, is taken from the dossier.

use ioc_document::legal::filing::{CellColumn, SystemCell};
use ioc_document::report::filing::{Cell, ColumnRole, FilledTable, Origin};
use ioc_document::wording;

use super::Gathering;
use super::table::TableMaker;

/// Texts of the dossier that say how far it is: the keys of its part on approval, as the packs that are shipped have them.
pub(super) const APPRAISAL: &str = "approval/progress/appraisal";
/// The decision that approved the level.
pub const DECISION: &str = "approval/progress/decision";
pub(super) const REGULATION: &str = "approval/progress/regulation";
pub(super) const EXPECTED: &str = "approval/progress/expected";
pub(super) const EXPECTED_PLAN: &str = "approval/progress/expected-plan";
pub(super) const REVIEW: &str = "approval/progress/review";

const fn role(cell: SystemCell) -> ColumnRole {
    match cell {
        SystemCell::Number => ColumnRole::Number,
        SystemCell::System
        | SystemCell::Owner
        | SystemCell::Operator
        | SystemCell::Level
        | SystemCell::LevelBasis
        | SystemCell::Approval
        | SystemCell::Decision
        | SystemCell::Regulation
        | SystemCell::ExpectedApproval
        | SystemCell::Plan
        | SystemCell::ExpectedPlan
        | SystemCell::Review => ColumnRole::Value,
    }
}

/// How far the dossier is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Drafting,
    Sent,
    Appraised,
    Approved,
}

impl Gathering<'_> {
    /// What people wrote into the dossier.
    pub(super) fn of_dossier(&self, key: &str) -> Option<&str> {
        self.dossier.get(key).map(|text| text.trim()).filter(|text| !text.is_empty())
    }

    pub(super) fn stage(&self) -> Stage {
        match (self.of_dossier(DECISION), self.of_dossier(APPRAISAL), self.dossier_issued) {
            (Some(_), ..) => Stage::Approved,
            (None, Some(_), _) => Stage::Appraised,
            (None, None, Some(_)) => Stage::Sent,
            (None, None, None) => Stage::Drafting,
        }
    }

    /// Who owns the system: the agency above, else the first that the configuration names.
    pub(super) fn owner(&self) -> Cell {
        let (settings, agencies) = (&self.asked.settings, &self.asked.agencies);
        let first = agencies.first().filter(|_| agencies.len() > 1).cloned().unwrap_or_default();
        Cell::new(if settings.parent.is_empty() { first } else { settings.parent.clone() }, Origin::Settings)
    }

    /// Who runs it.
    pub(super) fn operator(&self) -> Cell {
        let last = self.asked.agencies.last().cloned().unwrap_or_default();
        let agency = &self.asked.settings.agency;
        Cell::new(if agency.is_empty() { last } else { agency.clone() }, Origin::Settings)
    }

    pub(super) fn level_basis(&self) -> Cell {
        let found = self.asked.pack.levels.iter().find(|one| one.level == self.asked.level);
        found.map_or_else(Cell::missing, |one| Cell::new(one.text.clone(), Origin::Pack))
    }

    /// How far the plan is carried out, by the measures that are met.
    pub(super) fn plan_state(&self) -> Cell {
        let counts = &self.measures;
        let word = match (counts.met, counts.all) {
            (_, 0) => return Cell::missing(),
            (met, all) if met == all => "đã triển khai đầy đủ",
            (0, _) => "chưa triển khai",
            _ => "đã triển khai một phần",
        };
        let said = format!("{word} ({}/{} biện pháp)", wording::count(counts.met), wording::count(counts.all));
        Cell::new(said, Origin::Record)
    }
}

/// One row: the system that this collector watches.
pub(super) fn table(of: &Gathering<'_>, key: &str, columns: &[CellColumn<SystemCell>]) -> FilledTable {
    let mut table = TableMaker::new(columns, role, "hồ sơ cấp độ", "Chưa có hệ thống thông tin");
    let asked = |cell: Cell, part: &str, what: &str| cell.asked(format!("{key}/{part}"), what);
    let dossier = |text: &str| of.of_dossier(text).map_or_else(Cell::missing, |said| Cell::new(said, Origin::Record));
    let approved = of.stage() == Stage::Approved;
    let cell = |from: SystemCell| match from {
        SystemCell::Number => table.number(),
        SystemCell::System => Cell::new(of.asked.system.clone(), Origin::Settings),
        SystemCell::Owner => asked(of.owner(), "owner", "chủ quản hệ thống thông tin"),
        SystemCell::Operator => asked(of.operator(), "operator", "đơn vị vận hành"),
        SystemCell::Level => Cell::new(format!("Cấp độ {}", of.asked.level), Origin::Settings),
        SystemCell::LevelBasis => asked(of.level_basis(), "level-basis", "căn cứ đề xuất cấp độ"),
        SystemCell::Approval => Cell::new(
            match of.stage() {
                Stage::Drafting => "đang xây dựng hồ sơ",
                Stage::Sent => "đã lập hồ sơ, gửi thẩm định",
                Stage::Appraised => "đã thẩm định",
                Stage::Approved => "đã phê duyệt",
            },
            Origin::Record,
        ),
        // That the dossier says nothing of a decision is not that there is none.
        SystemCell::Decision => asked(dossier(DECISION), "decision", "số, ngày của quyết định phê duyệt, hoặc chưa có"),
        SystemCell::Regulation => asked(dossier(REGULATION), "regulation", "số, ngày của quy chế bảo đảm an toàn"),
        SystemCell::ExpectedApproval if approved => Cell::new("đã phê duyệt", Origin::Record),
        SystemCell::ExpectedApproval => asked(dossier(EXPECTED), "expected", "thời gian dự kiến phê duyệt"),
        SystemCell::Plan => of.plan_state(),
        SystemCell::ExpectedPlan if of.measures.all > 0 && of.measures.met == of.measures.all => {
            Cell::new("đã hoàn thành", Origin::Record)
        }
        SystemCell::ExpectedPlan => {
            asked(dossier(EXPECTED_PLAN), "expected-plan", "thời gian dự kiến hoàn thành phương án")
        }
        SystemCell::Review => {
            asked(dossier(REVIEW), "review", "kiểm tra, đánh giá trước khi sử dụng hoặc định kỳ, hoặc chưa có")
        }
    };
    let row = columns.iter().map(|column| cell(column.from)).collect();
    table.push(row);
    table.done()
}
