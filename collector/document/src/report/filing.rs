//! A filing as it is filled: each cell with where it comes from, how much of it filled itself, and the document that it becomes.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::office::Office;
use crate::legal::Pack;
use crate::legal::filing::{Filing, FilingKind};
use crate::model::{Align, Annex, Block, Document, Kind, Stamps, Table, Text};
use crate::wording::{self, NO_DATA};

/// Where what stands in a cell comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An agent read it from its machine.
    Agent,
    /// The asset register.
    Assets,
    /// The software register.
    Software,
    /// What the collector has on record: accounts, backups, incidents, its own log.
    Record,
    /// The legal pack.
    Pack,
    /// Settings of documents, and the configuration.
    Settings,
    /// A person wrote it for this filing.
    Person,
    /// Nothing is known, or nobody has written it yet.
    Missing,
}

impl Origin {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 8] = [
        Self::Agent,
        Self::Assets,
        Self::Software,
        Self::Record,
        Self::Pack,
        Self::Settings,
        Self::Person,
        Self::Missing,
    ];

    /// Its name in the API and in texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Assets => "assets",
            Self::Software => "software",
            Self::Record => "record",
            Self::Pack => "pack",
            Self::Settings => "settings",
            Self::Person => "person",
            Self::Missing => "missing",
        }
    }

    /// As documents say it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent đọc từ máy",
            Self::Assets => "danh mục tài sản",
            Self::Software => "danh mục phần mềm",
            Self::Record => "hồ sơ của hệ thống giám sát",
            Self::Pack => "văn bản pháp lý",
            Self::Settings => "thông tin văn bản, cấu hình",
            Self::Person => "người lập hồ sơ",
            Self::Missing => "chưa có",
        }
    }
}

/// A cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What stands in it; empty where nothing is known.
    pub text: String,
    /// Where that comes from.
    pub origin: Origin,
    /// What a person may write here; where nothing stands, one must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
}

/// Something that a person is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// By what it is kept.
    pub key: String,
    /// What is to be written.
    pub what: String,
    /// What alone may stand there; empty where any text may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// Where another text says so, this cell asks nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<Unless>,
}

/// What a person wrote elsewhere, and what a cell says then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unless {
    /// By what the other text is kept.
    pub key: String,
    /// What it says.
    pub text: String,
    /// What stands in this cell then.
    pub says: String,
}

impl Cell {
    /// A cell that is filled; one without a text is missing.
    #[must_use]
    pub fn new(text: impl Into<String>, origin: Origin) -> Self {
        let text = text.into();
        let origin = if text.trim().is_empty() { Origin::Missing } else { origin };
        Self { text, origin, ask: None }
    }

    /// Something of which nothing is known: it is filled elsewhere.
    #[must_use]
    pub const fn missing() -> Self {
        Self { text: String::new(), origin: Origin::Missing, ask: None }
    }

    /// The same, and a person may write something else.
    #[must_use]
    pub fn asked(mut self, key: impl Into<String>, what: impl Into<String>) -> Self {
        self.ask = Some(Ask { key: key.into(), what: what.into(), choices: Vec::new(), unless: None });
        self
    }

    /// The same, and a person chooses one of these.
    #[must_use]
    pub fn chosen(mut self, key: impl Into<String>, what: impl Into<String>, choices: &[&str]) -> Self {
        let choices = choices.iter().map(|one| (*one).to_owned()).collect();
        self.ask = Some(Ask { key: key.into(), what: what.into(), choices, unless: None });
        self
    }

    /// The same; where another text is this one, the cell says that instead.
    #[must_use]
    pub fn unless(mut self, key: impl Into<String>, text: &str, says: &str) -> Self {
        if let Some(ask) = &mut self.ask {
            ask.unless = Some(Unless { key: key.into(), text: text.to_owned(), says: says.to_owned() });
        }
        self
    }

    /// The same with what a person wrote.
    fn written(&mut self, texts: &BTreeMap<String, String>) {
        let Some(ask) = &self.ask else { return };
        let written = |key: &str| texts.get(key).map(|text| text.trim()).filter(|text| !text.is_empty());
        if let Some(unless) = ask.unless.as_ref().filter(|unless| written(&unless.key) == Some(unless.text.as_str())) {
            unless.says.clone_into(&mut self.text);
            self.origin = Origin::Person;
            return;
        }
        let text = written(&ask.key);
        // Where one of a few is asked for, nothing else answers it.
        let is_allowed = |text: &&str| ask.choices.is_empty() || ask.choices.iter().any(|one| one == text);
        if let Some(text) = text.filter(is_allowed) {
            text.clone_into(&mut self.text);
            self.origin = Origin::Person;
        }
    }

    /// As it is printed: what a person has to write is a blank, what is filled elsewhere says that nothing is known.
    fn printed(&self) -> Text {
        match (self.origin, &self.ask) {
            (Origin::Missing, Some(ask)) => Text::new().blank(ask.key.clone(), ask.what.clone()),
            (Origin::Missing, None) => Text::new().italic(NO_DATA),
            _ => self.text.as_str().into(),
        }
    }
}

/// How many cells come from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FillTally([u64; 8]);

impl FillTally {
    /// Counts a cell.
    pub fn count(&mut self, origin: Origin) {
        self.add(origin, 1);
    }

    /// Counts so many cells.
    pub fn add(&mut self, origin: Origin, cells: u64) {
        self.0[origin as usize] += cells;
    }

    /// Counts what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (all, more) in self.0.iter_mut().zip(other.0) {
            *all += more;
        }
    }

    /// How many cells come from there.
    #[must_use]
    pub const fn of(&self, origin: Origin) -> u64 {
        self.0[origin as usize]
    }

    /// All cells.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Cells that are filled and that nobody typed for this filing.
    #[must_use]
    pub fn by_itself(&self) -> u64 {
        self.all() - self.of(Origin::Person) - self.of(Origin::Missing)
    }

    /// The share of these, in tenths of a percent, rounded down; none where there are no cells.
    #[must_use]
    pub fn permille(&self) -> Option<u64> {
        (self.by_itself() * 1000).checked_div(self.all())
    }

    /// The same as it is written: `93,4%`.
    #[must_use]
    pub fn rate(&self) -> String {
        self.permille()
            .map_or_else(|| NO_DATA.to_owned(), |permille| format!("{}%", wording::number(permille as f64 / 10.0, 1)))
    }
}

/// A column as it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledColumn {
    /// What its head says.
    pub title: String,
    /// How wide it is against the others.
    pub width: u16,
    /// What it is for.
    pub role: ColumnRole,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// It numbers the rows.
    Number,
    /// What the form itself says: it is not filled, and counts as no cell.
    Label,
    /// What is filled.
    Value,
}

/// A table that is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledTable {
    /// Its columns.
    pub columns: Vec<FilledColumn>,
    /// Its rows, each with a cell for each column.
    pub rows: Vec<Vec<Cell>>,
    /// So many more rows are not listed.
    pub more: u64,
    /// Cells of those.
    pub beyond: FillTally,
    /// Where all rows are found, for who reads the document.
    pub whole_at: &'static str,
    /// What it says without rows.
    pub empty: &'static str,
}

impl FilledTable {
    /// How many cells come from where, those that are not listed among them.
    #[must_use]
    pub fn tally(&self) -> FillTally {
        let mut tally = self.beyond;
        for row in &self.rows {
            for (cell, column) in row.iter().zip(&self.columns) {
                if column.role == ColumnRole::Value {
                    tally.count(cell.origin);
                }
            }
        }
        tally
    }

    /// Where what stands in each column comes from, as a remark below the table.
    fn sources(&self) -> Option<String> {
        let mut said = Vec::new();
        for (at, column) in self.columns.iter().enumerate().filter(|(_, column)| column.role == ColumnRole::Value) {
            let mut tally = FillTally::default();
            self.rows.iter().filter_map(|row| row.get(at)).for_each(|cell| tally.count(cell.origin));
            let found: Vec<(Origin, u64)> = Origin::ALL
                .into_iter()
                .map(|origin| (origin, tally.of(origin)))
                .filter(|(_, count)| *count > 0)
                .collect();
            let words = match found.as_slice() {
                [] => continue,
                [(one, _)] => one.word().to_owned(),
                several => {
                    let counted =
                        |(origin, count): &(Origin, u64)| format!("{} {}", origin.word(), wording::count(*count));
                    several.iter().map(counted).collect::<Vec<_>>().join(", ")
                }
            };
            said.push(format!("{}: {words}", column.title));
        }
        (!said.is_empty()).then(|| format!("Nguồn số liệu. {}.", said.join("; ")))
    }
}

/// What an item holds once it is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilledContent {
    /// A text.
    Text(Cell),
    /// A table.
    Table(FilledTable),
}

/// An item that is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledItem {
    /// In keys.
    pub id: String,
    /// What stands above it.
    pub title: Option<String>,
    /// What it holds.
    pub content: FilledContent,
}

impl FilledItem {
    /// How many cells come from where.
    #[must_use]
    pub fn tally(&self) -> FillTally {
        match &self.content {
            FilledContent::Text(cell) => {
                let mut tally = FillTally::default();
                tally.count(cell.origin);
                tally
            }
            FilledContent::Table(table) => table.tally(),
        }
    }
}

/// A part that is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilledPart {
    /// In keys.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// Which article asks for it.
    pub basis: String,
    /// It is enclosed.
    pub annex: bool,
    /// Enclosed, it lies on its side.
    pub landscape: bool,
    /// What stands in it.
    pub items: Vec<FilledItem>,
}

/// A filing that is filled, as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filled {
    /// Its parts.
    pub parts: Vec<FilledPart>,
}

impl Filled {
    /// The same with what people wrote.
    #[must_use]
    pub fn with_texts(mut self, texts: &BTreeMap<String, String>) -> Self {
        for cell in self.cells_mut() {
            cell.written(texts);
        }
        self
    }

    fn cells_mut(&mut self) -> impl Iterator<Item = &mut Cell> {
        self.parts.iter_mut().flat_map(|part| &mut part.items).flat_map(|item| match &mut item.content {
            FilledContent::Text(cell) => vec![cell],
            FilledContent::Table(table) => table.rows.iter_mut().flatten().collect(),
        })
    }

    /// Cells that people may write, in their order.
    pub fn asked(&self) -> impl Iterator<Item = (&FilledPart, &Cell)> {
        self.parts.iter().flat_map(|part| {
            let cells = part.items.iter().flat_map(|item| match &item.content {
                FilledContent::Text(cell) => vec![cell],
                FilledContent::Table(table) => table.rows.iter().flatten().collect(),
            });
            cells.filter(|cell| cell.ask.is_some()).map(move |cell| (part, cell))
        })
    }

    /// How many texts people have still to write.
    #[must_use]
    pub fn texts_missing(&self) -> usize {
        let missing: std::collections::BTreeSet<&str> = self
            .asked()
            .filter(|(_, cell)| cell.origin == Origin::Missing)
            .filter_map(|(_, cell)| cell.ask.as_ref().map(|ask| ask.key.as_str()))
            .collect();
        missing.len()
    }

    /// How many cells come from where.
    #[must_use]
    pub fn tally(&self) -> FillTally {
        let mut tally = FillTally::default();
        self.parts.iter().flat_map(|part| &part.items).for_each(|item| tally.merge(&item.tally()));
        tally
    }
}

/// The document of a filing on a day: `{system}` and `{year}` of its summary are given.
#[must_use]
pub fn document(
    filing: &Filing,
    filled: &Filled,
    pack: &Pack,
    (system, year): (&str, i16),
    office: Office,
    date: Option<Date>,
) -> Document {
    let mut body = Vec::new();
    let mut annexes = Vec::new();
    for part in &filled.parts {
        let blocks = blocks(part);
        if part.annex {
            annexes.push(Annex { title: part.title.clone(), landscape: part.landscape, body: blocks });
        } else {
            body.push(Block::heading(1, part.title.clone()));
            body.extend(blocks);
        }
    }
    body.push(Block::paragraph(closing(filled, annexes.len())));
    let kind = match &filing.kind {
        FilingKind::Letter => Kind::Letter,
        FilingKind::Dossier { title, abbreviation } => {
            Kind::Other { title: title.clone(), abbreviation: abbreviation.clone() }
        }
    };
    let summary = filing.summary.replace("{system}", system).replace("{year}", &year.to_string());
    Document {
        head: office.head(date),
        kind,
        summary,
        addressees: office.addressees.clone(),
        stamps: Stamps::default(),
        bases: vec![format!("{};", pack.basis.trim_end_matches([';', '.', ',']))],
        body,
        recipients: office.recipients.clone(),
        signatures: if filing.signed { vec![office.signature] } else { Vec::new() },
        annexes,
    }
}

/// What is enclosed, and how many cells nothing is known of: the last sentence of the text.
fn closing(filled: &Filled, annexes: usize) -> String {
    let enclosed = match annexes {
        0 => "Không có phụ lục kèm theo.".to_owned(),
        many => format!("Kèm theo {} phụ lục.", wording::count(many as u64)),
    };
    let lacking = filled.tally().of(Origin::Missing);
    if lacking == 0 {
        return enclosed;
    }
    format!(
        "{enclosed} Còn {} ô chưa có số liệu, ghi là \"{NO_DATA}\" hoặc để chỗ trống; chưa có số liệu không phải là bằng không.",
        wording::count(lacking)
    )
}

fn blocks(part: &FilledPart) -> Vec<Block> {
    let mut out = vec![Block::Note(format!("Căn cứ: {}.", part.basis.trim_end_matches('.')).into())];
    for item in &part.items {
        match &item.content {
            FilledContent::Text(cell) => {
                if let Some(title) = &item.title {
                    out.push(Block::heading(2, title.clone()));
                }
                match cell.origin {
                    // Each line that a person wrote is a paragraph of its own.
                    Origin::Missing => out.push(Block::Paragraph(cell.printed())),
                    _ => out.extend(cell.text.lines().filter(|line| !line.trim().is_empty()).map(Block::paragraph)),
                }
            }
            FilledContent::Table(table) => {
                let mut made = printed(table);
                if let Some(title) = &item.title {
                    made = made.titled(title.clone());
                }
                out.push(Block::Table(made));
                if table.more > 0 {
                    let more = wording::count(table.more);
                    out.push(Block::Note(format!("Còn {more} dòng khác; toàn bộ ở {}.", table.whole_at).into()));
                }
                out.extend(table.sources().map(|text| Block::Note(text.into())));
            }
        }
    }
    out
}

fn printed(table: &FilledTable) -> Table {
    let columns: Vec<(&str, u16, Align)> = table
        .columns
        .iter()
        .map(|column| {
            let align = if column.role == ColumnRole::Number { Align::Centre } else { Align::Left };
            (column.title.as_str(), column.width, align)
        })
        .collect();
    let mut out = Table::new(&columns, table.empty);
    // In narrow columns row and heading say what is to be written; the sentence that asks for it fills the page.
    let narrow = columns.len() > WIDE_COLUMNS;
    let cell = |cell: &Cell| match (&cell.ask, cell.origin) {
        (Some(ask), Origin::Missing) if narrow => Text::new().blank(ask.key.clone(), "điền"),
        _ => cell.printed(),
    };
    for row in &table.rows {
        out.push(row.iter().map(cell));
    }
    out
}

/// A table with more columns than these has no room for sentences.
const WIDE_COLUMNS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: Vec<Vec<Cell>>) -> FilledTable {
        let column = |title: &str, role| FilledColumn { title: title.to_owned(), width: 1, role };
        FilledTable {
            columns: vec![
                column("TT", ColumnRole::Number),
                column("Tên", ColumnRole::Value),
                column("Mục đích", ColumnRole::Value),
            ],
            rows,
            more: 2,
            beyond: FillTally::default(),
            whole_at: "danh mục tài sản",
            empty: "Không có",
        }
    }

    fn filled() -> Filled {
        let row =
            |name: &str, purpose: Cell| vec![Cell::new("1", Origin::Record), Cell::new(name, Origin::Assets), purpose];
        let rows = vec![
            row("CSDL", Cell::new("dữ liệu", Origin::Agent)),
            row("Web", Cell::missing().asked("a/web", "mục đích")),
            row("In", Cell::missing()),
        ];
        let items = vec![FilledItem { id: "t".into(), title: None, content: FilledContent::Table(table(rows)) }];
        let part = FilledPart {
            id: "a".into(),
            title: "A".into(),
            basis: "Điều 1".into(),
            annex: false,
            landscape: false,
            items,
        };
        Filled { parts: vec![part] }
    }

    #[test]
    fn what_fills_itself_is_counted_apart_from_what_people_type() {
        let tally = filled().tally();
        assert_eq!((tally.all(), tally.by_itself(), tally.of(Origin::Missing)), (6, 4, 2), "numbers are no cells");
        assert_eq!((tally.permille(), tally.rate().as_str()), (Some(666), "66,6%"));
        let texts = BTreeMap::from([("a/web".to_owned(), " trang tin ".to_owned())]);
        let tally = filled().with_texts(&texts).tally();
        assert_eq!((tally.by_itself(), tally.of(Origin::Person), tally.of(Origin::Missing)), (4, 1, 1));
        assert_eq!((FillTally::default().permille(), FillTally::default().rate().as_str()), (None, NO_DATA));
        assert_eq!(Cell::new(" ", Origin::Agent).origin, Origin::Missing, "nothing is no reading");
    }

    #[test]
    fn in_narrow_columns_a_blank_is_short() {
        let asked = |what: &str| Cell::missing().asked("zones/x/ip", what);
        let mut wide = table(vec![vec![asked("địa chỉ IP của Vùng máy chủ"), Cell::missing(), Cell::missing()]]);
        let first = |table: &FilledTable| crate::layout::plain(&printed(table).rows()[0][0]);
        assert_eq!(first(&wide), "[… địa chỉ IP của Vùng máy chủ …]");
        wide.columns.push(FilledColumn { title: "Yêu cầu".to_owned(), width: 1, role: ColumnRole::Value });
        wide.rows[0].push(Cell::missing());
        assert_eq!(first(&wide), "[… điền …]");
    }

    #[test]
    fn blanks_are_of_people_and_what_is_filled_elsewhere_says_that_it_is_unknown() {
        let blocks = blocks(&filled().parts[0]);
        let texts: String = blocks
            .iter()
            .map(|block| match block {
                Block::Table(table) => {
                    table.rows().iter().flatten().map(crate::layout::plain).collect::<Vec<_>>().join("|")
                }
                Block::Note(text) | Block::Paragraph(text) => crate::layout::plain(text),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join("\n");
        assert!(texts.contains("[… mục đích …]") && texts.contains(NO_DATA), "{texts}");
        assert!(texts.contains("Còn 2 dòng khác; toàn bộ ở danh mục tài sản."), "{texts}");
        assert!(texts.contains("Tên: danh mục tài sản; Mục đích: agent đọc từ máy 1, chưa có 2."), "{texts}");
    }
}
