//! The plan: each measure that the level asks for, how it is carried out, whether it is met, what shows it, and who mends what lacks.

use ioc_document::legal::filing::{CellColumn, EvidenceKey, Measure, MeasureCell, MeasureGroup};
use ioc_document::report::filing::{Cell, ColumnRole, FilledTable, Origin};
use ioc_document::wording;
use jiff::ToSpan as _;

use super::Gathering;
use super::evidence::{self, Finding, Status};
use super::table::TableMaker;
use super::work::Fill;

/// How many measures of the level there are, and how many are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct MeasureCounts {
    pub(super) met: u64,
    pub(super) all: u64,
}

const fn role(cell: MeasureCell) -> ColumnRole {
    match cell {
        MeasureCell::Id | MeasureCell::Requirement | MeasureCell::Basis => ColumnRole::Label,
        MeasureCell::Implementation | MeasureCell::Status | MeasureCell::Evidence | MeasureCell::Remedy => {
            ColumnRole::Value
        }
    }
}

fn of_level<'a>(of: &Gathering<'a>) -> impl Iterator<Item = &'a Measure> + use<'a> {
    let level = of.asked.level;
    of.asked.pack.measures.iter().filter(move |measure| measure.levels.contains(&level))
}

/// The number of the level that a measure is held against, in days.
fn limit_days(of: &Gathering<'_>, measure: &Measure) -> Option<u32> {
    let id = measure.requirement.as_ref()?;
    let requirement = of.asked.pack.requirements.iter().find(|one| one.id == *id)?;
    let number = *requirement.levels.get(&of.asked.level)?;
    Some(requirement.unit.days(number))
}

/// Where texts of people on a measure are kept in the dossier, whichever table it stands in.
fn key(id: &str, part: &str) -> String {
    format!("measure/{id}/{part}")
}

/// What people said of a measure that nothing on record shows.
fn said(of: &Gathering<'_>, measure: &Measure) -> Status {
    Status::said(of.of_dossier(&key(&measure.id, "status")))
}

pub(super) fn counts(of: &Gathering<'_>) -> MeasureCounts {
    let mut counts = MeasureCounts::default();
    for measure in of_level(of) {
        counts.all += 1;
        let met = match measure.evidence {
            // That people wrote how says nothing of whether it is met: that they are asked apart.
            EvidenceKey::People => said(of, measure),
            known => evidence::find(of, known, limit_days(of, measure)).status,
        } == Status::Met;
        counts.met += u64::from(met);
    }
    counts
}

pub(super) fn table(
    of: &mut Gathering<'_>,
    columns: &[CellColumn<MeasureCell>],
    groups: &[MeasureGroup],
) -> FilledTable {
    let empty = "Cấp độ này không yêu cầu biện pháp nào thuộc nhóm này";
    let mut table = TableMaker::new(columns, role, "gói pháp lý đang áp dụng", empty);
    let mut lacks = Vec::new();
    for measure in of_level(of).filter(|measure| groups.is_empty() || groups.contains(&measure.group)) {
        let finding = match measure.evidence {
            EvidenceKey::People => None,
            known => Some(evidence::find(of, known, limit_days(of, measure))),
        };
        let row = columns.iter().map(|column| cell(of, measure, finding.as_ref(), column.from)).collect();
        table.push(row);
        match finding {
            Some(finding) if finding.status != Status::Met => {
                lacks.push((format!("biện pháp {}: {}", measure.id, finding.text), finding.fill));
            }
            // That nobody has said it yet is asked for in the cell.
            None if matches!(said(of, measure), Status::Partly | Status::NotMet) => {
                let what = format!("biện pháp {}: {}", measure.id, said(of, measure).word());
                lacks.push((what, Fill::Page("/reports")));
            }
            Some(_) | None => {}
        }
    }
    // The cell is filled, with what it says: that it is not met is work all the same.
    let unit = of.unit();
    for (what, fill) in lacks {
        of.work.add(&unit, 1, || what, fill);
    }
    table.done()
}

fn cell(of: &Gathering<'_>, measure: &Measure, finding: Option<&Finding>, from: MeasureCell) -> Cell {
    let asked = |cell: Cell, part: &str, what: &str| {
        cell.asked(key(&measure.id, part), format!("{what} ({})", measure.what.trim_end_matches('.').to_lowercase()))
    };
    match from {
        MeasureCell::Id => Cell::new(measure.id.clone(), Origin::Pack),
        MeasureCell::Requirement => Cell::new(measure.what.clone(), Origin::Pack),
        MeasureCell::Basis => Cell::new(measure.basis.clone(), Origin::Pack),
        MeasureCell::Implementation => {
            let how = Cell::new(measure.how.clone().unwrap_or_default(), Origin::Pack);
            asked(how, "how", "cách thực hiện")
        }
        MeasureCell::Status => match finding {
            Some(finding) => Cell::new(finding.status.word(), finding.origin),
            None => {
                let what = format!("mức đáp ứng ({})", measure.what.trim_end_matches('.').to_lowercase());
                Cell::missing().chosen(key(&measure.id, "status"), what, &Status::SAID.map(Status::word))
            }
        },
        MeasureCell::Evidence => match finding {
            Some(finding) => Cell::new(finding.said(), finding.origin),
            None => asked(Cell::missing(), "evidence", "căn cứ: số, ngày văn bản hoặc nơi lưu"),
        },
        MeasureCell::Remedy => remedy(of, measure, finding),
    }
}

/// Who mends what lacks, and by when: as a person wrote it, else as settings have it.
fn remedy(of: &Gathering<'_>, measure: &Measure, finding: Option<&Finding>) -> Cell {
    const NOTHING: &str = "không có";
    if finding.is_some_and(|finding| finding.status == Status::Met) {
        return Cell::new(NOTHING, Origin::Record);
    }
    let settings = &of.asked.settings;
    let days = i64::from(settings.mend_days);
    let today = of.asked.date(of.asked.now);
    let by = today.filter(|_| days > 0).and_then(|today| today.checked_add(days.days()).ok());
    let text = match (settings.unit.is_empty(), by) {
        (true, _) | (_, None) => String::new(),
        (false, Some(by)) => format!("{} khắc phục, trước ngày {}", settings.unit, wording::short_date(by)),
    };
    let what = format!("khắc phục và thời hạn ({})", measure.what.trim_end_matches('.').to_lowercase());
    let asked = |cell: Cell| cell.asked(key(&measure.id, "remedy"), what);
    if finding.is_some() {
        return asked(Cell::new(text, Origin::Settings));
    }
    // Nobody mends what nobody has said of yet. What people say is read with the document, whenever the facts were gathered.
    let lacks = matches!(said(of, measure), Status::Partly | Status::NotMet);
    let cell = if lacks { Cell::new(text, Origin::Settings) } else { Cell::missing() };
    asked(cell).unless(key(&measure.id, "status"), Status::Met.word(), NOTHING)
}
