//! An administrative document: its head, what stands in it, who signs it and who gets it. It says what a document holds; how it looks is in
//! [`layout`](crate::layout). Agencies, titles and places are whoever calls' own: they change with every reform, and none stands in the code.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Who issues it, where and when.
    pub head: Head,
    /// What kind of document it is.
    pub kind: Kind,
    /// What it is about (*trích yếu*), in one sentence without a full stop.
    pub summary: String,
    /// To whom it is sent up; none where it is not (box 9a).
    pub addressees: Vec<String>,
    /// Stamps of secrecy and urgency.
    pub stamps: Stamps,
    /// What it rests on, each a sentence beginning with `Căn cứ`.
    pub bases: Vec<String>,
    /// What it says.
    pub body: Vec<Block>,
    /// Who gets it, the archive last: `Lưu: VT, …` (box 9b). Their signs (`- `, `;`, `.`) come with the layout.
    pub recipients: Vec<String>,
    /// Who signs: one, or, in minutes, several side by side.
    pub signatures: Vec<Signature>,
    /// What is enclosed, each with pages of its own.
    pub annexes: Vec<Annex>,
}

/// Who issues a document, where and when.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Head {
    /// The agency above, if it is named.
    pub parent: Option<String>,
    /// The agency that issues it.
    pub agency: String,
    /// The agency's abbreviation in the number: `TTGSĐH`.
    pub abbreviation: String,
    /// The place, as in `An Giang, ngày …`.
    pub place: String,
    /// The day of issue; left for a pen while there is none.
    pub date: Option<Date>,
    /// The number that the registrar gave; blank until then.
    pub number: Option<u32>,
    /// Address, telephone and the like for the foot of the first page (box 13), if they are wanted there.
    pub contact: Option<String>,
}

/// What kind of document it is, with the abbreviations of Annex III.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// *Báo cáo* (BC).
    Report,
    /// *Biên bản* (BB).
    Minutes,
    /// *Tờ trình* (TTr).
    Submission,
    /// *Kế hoạch* (KH).
    Plan,
    /// *Phương án* (PA).
    Scheme,
    /// *Thông báo* (TB).
    Announcement,
    /// *Quyết định* (QĐ).
    Decision,
    /// *Công văn*: a letter, which has no title and says what it is about as `V/v` below its number.
    Letter,
    /// One that the decree does not list, such as a dossier.
    Other {
        /// Its title.
        title: String,
        /// How it stands in the number.
        abbreviation: String,
    },
}

impl Kind {
    /// The title in capitals; none for a letter.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        Some(match self {
            Self::Report => "BÁO CÁO".to_owned(),
            Self::Minutes => "BIÊN BẢN".to_owned(),
            Self::Submission => "TỜ TRÌNH".to_owned(),
            Self::Plan => "KẾ HOẠCH".to_owned(),
            Self::Scheme => "PHƯƠNG ÁN".to_owned(),
            Self::Announcement => "THÔNG BÁO".to_owned(),
            Self::Decision => "QUYẾT ĐỊNH".to_owned(),
            Self::Letter => return None,
            Self::Other { title, .. } => title.to_uppercase(),
        })
    }

    /// How it stands in the number; none for a letter.
    #[must_use]
    pub fn abbreviation(&self) -> Option<&str> {
        Some(match self {
            Self::Report => "BC",
            Self::Minutes => "BB",
            Self::Submission => "TTr",
            Self::Plan => "KH",
            Self::Scheme => "PA",
            Self::Announcement => "TB",
            Self::Decision => "QĐ",
            Self::Letter => return None,
            Self::Other { abbreviation, .. } => abbreviation,
        })
    }
}

/// Stamps (boxes 10a, 10b and 11).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamps {
    /// How secret it is.
    pub secrecy: Option<Secrecy>,
    /// How urgent it is.
    pub urgency: Option<Urgency>,
    /// Who may have it, as `LƯU HÀNH NỘI BỘ`.
    pub circulation: Option<String>,
}

/// How secret a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Secrecy {
    /// *Mật*.
    Secret,
    /// *Tối mật*.
    HighlySecret,
    /// *Tuyệt mật*.
    TopSecret,
}

impl Secrecy {
    /// What the stamp says.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Secret => "MẬT",
            Self::HighlySecret => "TỐI MẬT",
            Self::TopSecret => "TUYỆT MẬT",
        }
    }
}

/// How urgent a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Urgency {
    /// *Khẩn*.
    Urgent,
    /// *Thượng khẩn*.
    VeryUrgent,
    /// *Hỏa tốc*.
    Express,
}

impl Urgency {
    /// What the stamp says.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Urgent => "KHẨN",
            Self::VeryUrgent => "THƯỢNG KHẨN",
            Self::Express => "HỎA TỐC",
        }
    }
}

/// By what authority somebody signs. Titles are as they are spoken (`Giám đốc`); they are printed in capitals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Authority {
    /// The head, in person.
    Own {
        /// The head's title.
        title: String,
    },
    /// *Q.*: acting head.
    Acting {
        /// The head's title.
        title: String,
    },
    /// *KT.*: a deputy for the head.
    Deputy {
        /// The head's title.
        head: String,
        /// The signer's.
        title: String,
    },
    /// *TL.*: by order of the head.
    ByOrder {
        /// The head's title.
        head: String,
        /// The signer's.
        title: String,
    },
    /// *TUQ.*: by written authority of the head, for a time.
    ByWrittenAuthority {
        /// The head's title.
        head: String,
        /// The signer's.
        title: String,
    },
}

/// Who signs (boxes 7a, 7b and 7c).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// *TM.*: the body in whose name it is signed, if the agency is led by one.
    pub for_body: Option<String>,
    /// By what authority.
    pub authority: Authority,
    /// Full name without degrees; left for a pen where nobody is named.
    pub name: Option<String>,
}

impl Signature {
    /// A signature in person.
    #[must_use]
    pub fn of(title: &str, name: Option<&str>) -> Self {
        let authority = Authority::Own { title: title.to_owned() };
        Self { for_body: None, authority, name: name.map(str::to_owned) }
    }

    /// Authority and titles, a line each: `TM. ỦY BAN NHÂN DÂN`, `KT. CHỦ TỊCH`, `PHÓ CHỦ TỊCH`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let own = match &self.authority {
            Authority::Own { title } => vec![title.to_uppercase()],
            Authority::Acting { title } => vec![format!("Q. {}", title.to_uppercase())],
            Authority::Deputy { head, title } => vec![format!("KT. {}", head.to_uppercase()), title.to_uppercase()],
            Authority::ByOrder { head, title } => vec![format!("TL. {}", head.to_uppercase()), title.to_uppercase()],
            Authority::ByWrittenAuthority { head, title } => {
                vec![format!("TUQ. {}", head.to_uppercase()), title.to_uppercase()]
            }
        };
        self.for_body.iter().map(|body| format!("TM. {}", body.to_uppercase())).chain(own).collect()
    }
}

/// An annex: it has a title, and its pages are numbered from 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Annex {
    /// Its title.
    pub title: String,
    /// Whether its pages lie on their side, for wide tables.
    pub landscape: bool,
    /// What stands in it.
    pub body: Vec<Block>,
}

/// A part of the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Block {
    /// A heading of level 1 (`I.`), 2 (`1.`) or 3 (`a)`): its sign comes with the layout.
    Heading {
        /// 1, 2 or 3.
        level: u8,
        /// What it says.
        text: Text,
    },
    /// A paragraph.
    Paragraph(Text),
    /// Items, each after a dash.
    List(Vec<Text>),
    /// A table.
    Table(Table),
    /// Bars that compare numbers.
    Bars(Bars),
    /// A small remark below a table or figure.
    Note(Text),
}

impl Block {
    /// A heading.
    #[must_use]
    pub fn heading(level: u8, text: impl Into<Text>) -> Self {
        Self::Heading { level, text: text.into() }
    }

    /// A paragraph.
    #[must_use]
    pub fn paragraph(text: impl Into<Text>) -> Self {
        Self::Paragraph(text.into())
    }
}

/// Text in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Text(Vec<Run>);

/// A piece of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Run {
    /// As its paragraph is.
    Plain(String),
    /// Bold.
    Bold(String),
    /// Italic.
    Italic(String),
    /// Something that a person has to write: it is marked, and whoever is to write it is told ([`Document::blanks`]).
    Blank(Blank),
}

/// Something that a person has to write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Blank {
    /// By what a form finds it again: `16.3/text`.
    pub key: String,
    /// What is to be written.
    pub what: String,
}

impl Text {
    /// No text.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With more text.
    #[must_use]
    pub fn plain(mut self, text: impl Into<String>) -> Self {
        self.0.push(Run::Plain(text.into()));
        self
    }

    /// With more text, in bold.
    #[must_use]
    pub fn bold(mut self, text: impl Into<String>) -> Self {
        self.0.push(Run::Bold(text.into()));
        self
    }

    /// With more text, in italics.
    #[must_use]
    pub fn italic(mut self, text: impl Into<String>) -> Self {
        self.0.push(Run::Italic(text.into()));
        self
    }

    /// With a blank that a person has to fill.
    #[must_use]
    pub fn blank(mut self, key: impl Into<String>, what: impl Into<String>) -> Self {
        self.0.push(Run::Blank(Blank { key: key.into(), what: what.into() }));
        self
    }

    /// With another piece.
    #[must_use]
    pub fn run(mut self, run: Run) -> Self {
        self.0.push(run);
        self
    }

    /// Its pieces.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.0
    }

    /// The same ended as documents end: `./.`.
    fn closed(mut self) -> Self {
        match self.0.last_mut() {
            Some(Run::Plain(text) | Run::Bold(text) | Run::Italic(text)) => {
                let kept = text.trim_end_matches(['.', ';', ' ', '/']).len();
                text.truncate(kept);
                text.push_str("./.");
            }
            Some(Run::Blank(_)) | None => self.0.push(Run::Plain("./.".to_owned())),
        }
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new().plain(text)
    }
}

/// How the cells of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Align {
    /// At the left.
    Left,
    /// In the middle.
    Centre,
    /// At the right.
    Right,
    /// At both sides.
    Justified,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What its head says.
    pub title: String,
    /// How wide it is against the others.
    pub weight: u16,
    /// How its cells stand.
    pub align: Align,
}

/// A table, whose head is printed again on each page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What stands above it, if anything does.
    pub title: Option<String>,
    columns: Vec<Column>,
    /// What its one row says when it has none: nothing found and nothing known are different.
    empty: String,
    rows: Vec<Vec<Text>>,
}

impl Table {
    /// A table without rows, and what it says while it has none.
    #[must_use]
    pub fn new(columns: &[(&str, u16, Align)], empty: &str) -> Self {
        let column = |&(title, weight, align): &(&str, u16, Align)| Column {
            title: title.to_owned(),
            weight: weight.max(1),
            align,
        };
        Self { title: None, columns: columns.iter().map(column).collect(), empty: empty.to_owned(), rows: Vec::new() }
    }

    /// With a title.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Adds a row. Cells that are missing are empty; what is too much stands in the last one.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Text>) {
        let mut row: Vec<Text> = cells.into_iter().collect();
        let width = self.columns.len();
        let more = if row.len() > width { row.split_off(width) } else { Vec::new() };
        if let Some(last) = row.last_mut() {
            last.0.extend(more.into_iter().flat_map(|cell| cell.0));
        }
        row.resize_with(width, Text::new);
        self.rows.push(row);
    }

    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Its rows, each with a cell for each column.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Text>] {
        &self.rows
    }

    /// What it says when it has no rows.
    #[must_use]
    pub fn empty(&self) -> &str {
        &self.empty
    }

    /// How wide its columns are in `whole`, which they fill together.
    #[must_use]
    pub fn widths(&self, whole: u32) -> Vec<u32> {
        let sum: u32 = self.columns.iter().map(|column| u32::from(column.weight)).sum();
        let (mut gone, mut given) = (0, 0);
        let share = |column: &Column| {
            gone += u32::from(column.weight);
            // The end of each column is rounded, not its width: nothing is left over at the last one.
            let end = (u64::from(whole) * u64::from(gone) / u64::from(sum.max(1))) as u32;
            let width = end - given;
            given = end;
            width
        };
        self.columns.iter().map(share).collect()
    }
}

/// Bars that compare numbers of one unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bars {
    /// What stands above them.
    pub title: String,
    /// What a full bar stands for, above 0.
    pub full: f64,
    /// Each with its name, its number and how that is written.
    pub items: Vec<Bar>,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// What it stands for.
    pub name: String,
    /// How long it is; without one there is no bar.
    pub number: Option<f64>,
    /// The number as it is written, with its unit, or that there is none.
    pub written: String,
}

impl Bars {
    /// How long a bar is, in parts of `whole`; 0 where there is no number.
    #[must_use]
    pub fn length(&self, bar: &Bar, whole: u32) -> u32 {
        let share = bar.number.filter(|number| number.is_finite() && self.full > 0.0).map_or(0.0, |n| n / self.full);
        (share.clamp(0.0, 1.0) * f64::from(whole)).round() as u32
    }
}

impl Document {
    /// The body as it is printed: its last sentence ends with `./.`.
    #[must_use]
    pub fn closed_body(&self) -> Vec<Block> {
        let mut body = self.body.clone();
        match body.last_mut() {
            Some(Block::Paragraph(text)) => *text = std::mem::take(text).closed(),
            Some(Block::List(items)) if !items.is_empty() => {
                if let Some(last) = items.last_mut() {
                    *last = std::mem::take(last).closed();
                }
            }
            _ => body.push(Block::Paragraph(Text::new().closed())),
        }
        body
    }

    /// What people have to write before it can be issued, in its order.
    #[must_use]
    pub fn blanks(&self) -> Vec<&Blank> {
        fn texts(block: &Block) -> Vec<&Text> {
            match block {
                Block::Heading { text, .. } | Block::Paragraph(text) | Block::Note(text) => vec![text],
                Block::List(items) => items.iter().collect(),
                Block::Table(table) => table.rows.iter().flatten().collect(),
                Block::Bars(_) => Vec::new(),
            }
        }
        fn blank(run: &Run) -> Option<&Blank> {
            match run {
                Run::Blank(blank) => Some(blank),
                Run::Plain(_) | Run::Bold(_) | Run::Italic(_) => None,
            }
        }
        let blocks = self.body.iter().chain(self.annexes.iter().flat_map(|annex| &annex.body));
        let found: Vec<&Blank> = blocks.flat_map(texts).flat_map(Text::runs).filter_map(blank).collect();
        let mut seen = std::collections::BTreeSet::new();
        found.into_iter().filter(|blank| seen.insert(&blank.key)).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests;
