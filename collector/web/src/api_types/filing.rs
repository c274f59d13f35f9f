//! Filings in the API: the security-level dossier, yearly forms.

use std::collections::BTreeMap;

use serde::Serialize;

use ioc_common::clock::Timestamp;
use ioc_document::report::filing::{self, FillTally, FilledContent};
use ioc_report::calendar::FilingStanding;
use ioc_report::draft::Texts;
use ioc_report::filing::Fill;

use super::report::{MissingText, ReportState};

/// A filing that a law in force asks for, and how it stands.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Filing {
    /// As its address has it: `level-dossier`, `form-08.2026`.
    filing: String,
    title: String,
    /// Which article asks for it, of which law.
    article: String,
    law: String,
    state: ReportState,
    /// Texts that people have not written; null where that is known only once the facts are gathered.
    missing: Option<u64>,
    /// How much of it filled itself, as it is written; null before.
    fill_rate: Option<String>,
    /// The day before which it is due; null where no day is given.
    due: Option<String>,
    /// It is past that day and not issued.
    late: bool,
    /// The number of the last version that was issued; null before.
    issued: Option<u64>,
}

impl From<FilingStanding> for Filing {
    fn from(row: FilingStanding) -> Self {
        Self {
            filing: row.key.address(),
            title: row.title,
            article: row.article,
            law: row.law,
            state: row.state.into(),
            missing: row.missing.map(|count| count as u64),
            fill_rate: row.rate,
            due: row.due.map(|day| day.to_string()),
            late: row.late,
            issued: row.issued.map(|issued| issued.number),
        }
    }
}

/// How many cells come from where.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct Fills {
    /// All cells; what the form itself says is none.
    cells: u64,
    /// Those that are filled, and that nobody typed for this filing.
    by_itself: u64,
    /// That share in percent, rounded down to a tenth; null where there are no cells.
    percent: Option<f64>,
    /// By `agent`, `assets`, `software`, `record`, `pack`, `settings`, `person`, `missing`.
    by_origin: BTreeMap<&'static str, u64>,
}

impl From<&FillTally> for Fills {
    fn from(tally: &FillTally) -> Self {
        Self {
            cells: tally.all(),
            by_itself: tally.by_itself(),
            percent: tally.permille().map(|permille| permille as f64 / 10.0),
            by_origin: filing::Origin::ALL.into_iter().map(|origin| (origin.as_str(), tally.of(origin))).collect(),
        }
    }
}

/// A table or text of a filing.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FilingItem {
    part: String,
    item: String,
    title: Option<String>,
    fills: Fills,
    /// Heads of its columns; none of a text.
    columns: Vec<String>,
    /// Its rows.
    rows: Vec<Vec<FilingCell>>,
    /// So many more rows are counted and not listed.
    more: u64,
}

/// A cell, and where it comes from.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FilingCell {
    text: String,
    origin: &'static str,
}

/// Something that is to be filled elsewhere.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FilingWork {
    /// Who is responsible; empty where nobody is.
    responsible: String,
    /// How many cells lack, and how many measures are not met.
    count: u64,
    /// The first of them, each with where it is filled.
    items: Vec<FilingWorkItem>,
}

/// One thing that lacks.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FilingWorkItem {
    what: String,
    /// A device of the asset register, a product of the software register, or an address of a page.
    r#where: String,
}

/// A filing with its facts.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FilingFacts {
    #[serde(flatten)]
    filing: Filing,
    /// When the facts were gathered.
    gathered_at: Timestamp,
    fills: Fills,
    /// Measures of the level that are met, of all.
    measures_met: u64,
    measures: u64,
    items: Vec<FilingItem>,
    work: Vec<FilingWork>,
    /// What people wrote, by key.
    texts: BTreeMap<String, String>,
    /// What they have still to write.
    missing_texts: Vec<MissingText>,
}

/// A part of a filing.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FilledPart {
    part: String,
    title: String,
    fills: Fills,
}

/// How much of a filing fills itself.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FillRate {
    /// As its address has it.
    filing: String,
    title: String,
    /// When the facts were gathered.
    gathered_at: Timestamp,
    fills: Fills,
    /// Measures of the level that are met, of all.
    measures_met: u64,
    measures: u64,
    /// Part by part, in its order.
    parts: Vec<FilledPart>,
}

impl FillRate {
    pub(crate) fn of(
        (filing, title): (String, String),
        facts: &ioc_report::filing::FilingFacts,
        texts: &Texts,
    ) -> Self {
        let filled = facts.filled.clone().with_texts(texts);
        let part = |part: &filing::FilledPart| {
            let mut tally = FillTally::default();
            part.items.iter().for_each(|item| tally.merge(&item.tally()));
            FilledPart { part: part.id.clone(), title: part.title.clone(), fills: (&tally).into() }
        };
        Self {
            filing,
            title,
            gathered_at: facts.at,
            fills: (&filled.tally()).into(),
            measures_met: facts.measures[0],
            measures: facts.measures[1],
            parts: filled.parts.iter().map(part).collect(),
        }
    }
}

impl FilingFacts {
    pub(crate) fn of(filing: Filing, facts: &ioc_report::filing::FilingFacts, texts: Texts) -> Self {
        let filled = facts.filled.clone().with_texts(&texts);
        let cell = |cell: &filing::Cell| FilingCell { text: cell.text.clone(), origin: cell.origin.as_str() };
        let mut items = Vec::new();
        for part in &filled.parts {
            for item in &part.items {
                let (columns, rows, more) = match &item.content {
                    FilledContent::Text(one) => (Vec::new(), vec![vec![cell(one)]], 0),
                    FilledContent::Table(table) => (
                        table.columns.iter().map(|column| column.title.clone()).collect(),
                        table.rows.iter().map(|row| row.iter().map(cell).collect()).collect(),
                        table.more,
                    ),
                };
                let (part, id, title) = (part.id.clone(), item.id.clone(), item.title.clone());
                items.push(FilingItem { part, item: id, title, fills: (&item.tally()).into(), columns, rows, more });
            }
        }
        let place = |fill: &Fill| match fill {
            Fill::Asset(device) => device.to_string(),
            Fill::Product(key) => key.clone(),
            Fill::Assets => "/register/assets".to_owned(),
            Fill::Products => "/register/software".to_owned(),
            Fill::Settings => "/reports/settings".to_owned(),
            Fill::Page(address) => (*address).to_owned(),
        };
        let work = facts.work.groups.iter().map(|(responsible, group)| FilingWork {
            responsible: responsible.clone(),
            count: group.count,
            items: group
                .items
                .iter()
                .map(|item| FilingWorkItem { what: item.what.clone(), r#where: place(&item.fill) })
                .collect(),
        });
        let mut missing: BTreeMap<String, MissingText> = BTreeMap::new();
        for (_, one) in filled.asked().filter(|(_, one)| one.origin == filing::Origin::Missing) {
            if let Some(ask) = &one.ask {
                let (key, what, choices) = (ask.key.clone(), ask.what.clone(), ask.choices.clone());
                missing.insert(ask.key.clone(), MissingText { key, what, choices });
            }
        }
        Self {
            filing,
            gathered_at: facts.at,
            fills: (&filled.tally()).into(),
            measures_met: facts.measures[0],
            measures: facts.measures[1],
            items,
            work: work.collect(),
            texts,
            missing_texts: missing.into_values().collect(),
        }
    }
}
