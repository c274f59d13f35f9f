//! How documents look: the measures of Decree 30/2020 (Annex I), the table of styles that both writers go by, and what stands in the head of a
//! document, broken into lines.

use crate::model::{Align, Block, Document, Kind, Text};
use crate::typeface;
use crate::wording;

/// The long side of A4, in mm.
pub const LONG_SIDE_MM: f64 = 297.0;
/// The short side of A4, in mm.
pub const SHORT_SIDE_MM: f64 = 210.0;
/// Margin at the top and at the bottom (20 to 25 mm).
pub const TOP_MM: f64 = 20.0;
/// Margin at the left (30 to 35 mm).
pub const LEFT_MM: f64 = 30.0;
/// Margin at the right (15 to 20 mm).
pub const RIGHT_MM: f64 = 15.0;
/// From the edge of the paper to the page's number, in the top margin.
pub const NUMBER_FROM_TOP_MM: f64 = 10.0;
/// The head's left column (boxes 2, 3, 5b).
pub const AGENCY_COLUMN_MM: f64 = 66.0;
/// The head's right column (boxes 1, 4): the nation's name has 96 mm.
pub const NATION_COLUMN_MM: f64 = SHORT_SIDE_MM - LEFT_MM - RIGHT_MM - AGENCY_COLUMN_MM;
/// Room in the agency's column: a name does not touch the nation's.
const AGENCY_ROOM_MM: f64 = AGENCY_COLUMN_MM - 4.0;
/// Room for the summary below the title.
const SUMMARY_ROOM_MM: f64 = 130.0;
/// How much of the last line the rules below agency and summary take (a third to a half).
const RULE_SHARE: f64 = 0.4;
/// Between the signer's title and name, for the signature and the seal.
pub const SIGNATURE_GAP_PT: f64 = 72.0;
/// Tables with more columns than this are set smaller.
const WIDE_COLUMNS: usize = 7;

/// The nation's name.
pub const NATION: &str = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM";
/// Its motto.
pub const MOTTO: &str = "Độc lập - Tự do - Hạnh phúc";

/// How the paragraphs of one kind look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// What it is called in files.
    pub id: &'static str,
    /// What people see it called in a word processor.
    pub name: &'static str,
    /// Size, points.
    pub size_pt: f64,
    /// Bold.
    pub bold: bool,
    /// Italic.
    pub italic: bool,
    /// How lines stand.
    pub align: Align,
    /// How far the first line is set in, mm.
    pub first_mm: f64,
    /// Room above, points.
    pub before_pt: f64,
    /// Room below, points.
    pub after_pt: f64,
    /// Stays on the page of what follows.
    pub keep_next: bool,
    /// Its level in the outline, from 1; 0 for none.
    pub outline: u8,
}

const fn style(id: &'static str, name: &'static str, size_pt: f64, align: Align) -> Style {
    Style {
        id,
        name,
        size_pt,
        bold: false,
        italic: false,
        align,
        first_mm: 0.0,
        before_pt: 0.0,
        after_pt: 0.0,
        keep_next: false,
        outline: 0,
    }
}

impl Style {
    const fn bold(mut self) -> Self {
        self.bold = true;
        self
    }
    const fn italic(mut self) -> Self {
        self.italic = true;
        self
    }
    const fn room(mut self, before_pt: f64, after_pt: f64) -> Self {
        self.before_pt = before_pt;
        self.after_pt = after_pt;
        self
    }
    const fn set_in(mut self) -> Self {
        self.first_mm = 10.0;
        self
    }
    const fn indented(mut self, first_mm: f64) -> Self {
        self.first_mm = first_mm;
        self
    }
    const fn kept(mut self) -> Self {
        self.keep_next = true;
        self
    }
    const fn level(mut self, outline: u8) -> Self {
        self.outline = outline;
        self
    }
}

/// All styles. Sizes of the nation's name, its motto and the date are the larger set (13, 14, 14), the text's is 14.
pub const STYLES: &[Style] = &[
    style("Nation", "Quốc hiệu", 13.0, Align::Centre).bold(),
    style("Motto", "Tiêu ngữ", 14.0, Align::Centre).bold(),
    style("Parent", "Cơ quan chủ quản", 13.0, Align::Centre),
    style("Agency", "Cơ quan ban hành", 13.0, Align::Centre).bold(),
    style("Number", "Số, ký hiệu", 13.0, Align::Centre).room(6.0, 0.0),
    style("Regarding", "Trích yếu công văn", 13.0, Align::Centre).room(6.0, 0.0),
    style("Date", "Địa danh, thời gian", 14.0, Align::Centre).italic().room(6.0, 0.0),
    style("Stamp", "Dấu mức độ", 14.0, Align::Centre).bold().room(6.0, 0.0),
    style("Kind", "Tên loại", 14.0, Align::Centre).bold().room(18.0, 0.0).kept(),
    style("Summary", "Trích yếu", 14.0, Align::Centre).bold().kept(),
    style("Addressee", "Kính gửi", 14.0, Align::Centre).room(12.0, 6.0),
    style("AddresseeItem", "Kính gửi (nhiều nơi)", 14.0, Align::Left).indented(60.0),
    style("Basis", "Căn cứ", 14.0, Align::Justified).italic().set_in().room(6.0, 0.0),
    style("Heading1", "heading 1", 14.0, Align::Justified).bold().set_in().room(9.0, 0.0).kept().level(1),
    style("Heading2", "heading 2", 14.0, Align::Justified).bold().set_in().room(6.0, 0.0).kept().level(2),
    style("Heading3", "heading 3", 14.0, Align::Justified).set_in().room(6.0, 0.0).kept().level(3),
    style("Body", "Nội dung", 14.0, Align::Justified).set_in().room(6.0, 0.0),
    style("Item", "Gạch đầu dòng", 14.0, Align::Justified).set_in().room(6.0, 0.0),
    style("TableTitle", "Tên bảng", 13.0, Align::Centre).bold().room(9.0, 3.0).kept(),
    style("TableHead", "Đầu bảng", 12.0, Align::Centre).bold().room(2.0, 2.0),
    style("Cell", "Ô bảng", 12.0, Align::Left).room(2.0, 2.0),
    style("WideHead", "Đầu bảng rộng", 11.0, Align::Centre).bold().room(1.0, 1.0),
    style("WideCell", "Ô bảng rộng", 11.0, Align::Left).room(1.0, 1.0),
    style("Note", "Ghi chú", 12.0, Align::Justified).italic().room(4.0, 2.0),
    style("SignTitle", "Chức vụ người ký", 14.0, Align::Centre).bold().kept(),
    style("SignName", "Họ tên người ký", 14.0, Align::Centre).bold().room(SIGNATURE_GAP_PT, 0.0),
    style("RecipientsLabel", "Nơi nhận", 12.0, Align::Left).bold().italic().kept(),
    style("Recipient", "Nơi nhận cụ thể", 11.0, Align::Left).kept(),
    style("AnnexLabel", "Phụ lục", 14.0, Align::Centre).bold().kept(),
    style("AnnexTitle", "Tên phụ lục", 14.0, Align::Centre).bold().kept(),
    style("AnnexReference", "Kèm theo", 14.0, Align::Centre).italic().room(0.0, 6.0),
    style("PageNumber", "header", 14.0, Align::Centre),
    style("Contact", "footer", 11.0, Align::Centre),
];

/// The style of that name; the text's for a name that none has.
#[must_use]
pub fn style_of(id: &str) -> &'static Style {
    const BODY: Style = style("Body", "Nội dung", 14.0, Align::Justified);
    STYLES.iter().find(|style| style.id == id).unwrap_or(&BODY)
}

/// The paper of one part of a document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Page {
    /// Whether it lies on its side.
    pub landscape: bool,
}

impl Page {
    /// How wide text is on it, mm.
    #[must_use]
    pub fn text_mm(self) -> f64 {
        (if self.landscape { LONG_SIDE_MM } else { SHORT_SIDE_MM }) - LEFT_MM - RIGHT_MM
    }
}

/// Lines above a rule, and how long that is.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruled {
    /// The lines.
    pub lines: Vec<String>,
    /// Length of the rule below them, mm.
    pub rule_mm: f64,
}

impl Ruled {
    fn new(text: &str, room_mm: f64, style: &Style) -> Self {
        let lines = typeface::lines(text, room_mm, style.size_pt, style.bold);
        let last = lines.last().map_or(0.0, |line| typeface::width_mm(line, style.size_pt, style.bold));
        Self { lines, rule_mm: last.min(room_mm) * RULE_SHARE }
    }
}

/// What stands above the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    /// The agency above, in capitals.
    pub parent: Vec<String>,
    /// The agency, in capitals.
    pub agency: Ruled,
    /// `Số: …`.
    pub number: String,
    /// What a letter is about: `V/v …`.
    pub regarding: Vec<String>,
    /// Length of the rule below the motto: the motto's own.
    pub motto_rule_mm: f64,
    /// Place and date.
    pub date: String,
    /// Stamps below the number, each in a frame.
    pub stamps: Vec<&'static str>,
    /// The stamp above everything.
    pub circulation: Option<String>,
    /// The title; none in a letter.
    pub title: Option<String>,
    /// The summary below the title; no lines in a letter.
    pub summary: Ruled,
    /// `Kính gửi: …`; one of several stands in a line of its own.
    pub addressees: Vec<String>,
}

/// What stands above the text of a document.
#[must_use]
pub fn heading(document: &Document) -> Heading {
    let head = &document.head;
    let (parent, agency) = (style_of("Parent"), style_of("Agency"));
    let letter = document.kind == Kind::Letter;
    let number = wording::registered(head.number);
    let mark = [document.kind.abbreviation(), Some(head.abbreviation.as_str())];
    let mark: Vec<&str> = mark.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let regarding = if letter && !document.summary.is_empty() {
        typeface::lines(&format!("V/v {}", document.summary), AGENCY_ROOM_MM, style_of("Regarding").size_pt, false)
    } else {
        Vec::new()
    };
    let date = head.date.map_or_else(wording::date_to_fill_in, wording::date);
    let place = if head.place.is_empty() { date } else { format!("{}, {date}", head.place) };
    let stamps = document.stamps.secrecy.map(crate::model::Secrecy::word).into_iter();
    let summary = if letter { "" } else { document.summary.as_str() };
    Heading {
        parent: head.parent.iter().flat_map(|name| caps(name, AGENCY_ROOM_MM, parent)).collect(),
        agency: Ruled::new(&head.agency.to_uppercase(), AGENCY_ROOM_MM, agency),
        number: format!("Số: {number}/{}", mark.join("-")),
        regarding,
        motto_rule_mm: typeface::width_mm(MOTTO, style_of("Motto").size_pt, true),
        date: place,
        stamps: stamps.chain(document.stamps.urgency.map(crate::model::Urgency::word)).collect(),
        circulation: document.stamps.circulation.as_ref().map(|text| text.to_uppercase()),
        title: document.kind.title(),
        summary: Ruled::new(summary, SUMMARY_ROOM_MM, style_of("Summary")),
        addressees: addressees(&document.addressees),
    }
}

fn caps(text: &str, room_mm: f64, style: &Style) -> Vec<String> {
    typeface::lines(&text.to_uppercase(), room_mm, style.size_pt, style.bold)
}

fn addressees(all: &[String]) -> Vec<String> {
    match all {
        [] => Vec::new(),
        [one] => vec![format!("Kính gửi: {one}")],
        many => {
            let item = |(at, one): (usize, &String)| format!("- {one}{}", if at + 1 == many.len() { "." } else { ";" });
            std::iter::once("Kính gửi:".to_owned()).chain(many.iter().enumerate().map(item)).collect()
        }
    }
}

/// Who gets it, with the signs of box 9b: `- …;`, the last with a full stop.
#[must_use]
pub fn recipients(document: &Document) -> Vec<String> {
    let last = document.recipients.len().saturating_sub(1);
    let item = |(at, one): (usize, &String)| format!("- {one}{}", if at == last { "." } else { ";" });
    document.recipients.iter().enumerate().map(item).collect()
}

/// `PHỤ LỤC`, with a Roman number where there are two or more, and what it belongs to.
#[must_use]
pub fn annex_label(document: &Document, at: usize) -> (String, String) {
    let label = if document.annexes.len() > 1 {
        format!("Phụ lục {}", wording::roman(at + 1))
    } else {
        "Phụ lục".to_owned()
    };
    let head = &document.head;
    let named = document
        .kind
        .title()
        .map_or_else(|| "Công văn".to_owned(), |title| wording::capitalised(&title.to_lowercase()));
    let mark = [document.kind.abbreviation().unwrap_or_default(), &head.abbreviation];
    let mark: Vec<&str> = mark.into_iter().filter(|part| !part.is_empty()).collect();
    let date = head.date.map_or_else(wording::date_to_fill_in, wording::date);
    let number = wording::registered(head.number);
    (label, format!("(Kèm theo {named} số {number}/{} {date} của {})", mark.join("-"), head.agency))
}

/// The styles of a table's head and cells: wide ones are set smaller.
#[must_use]
pub fn table_styles(columns: usize) -> (&'static Style, &'static Style) {
    if columns > WIDE_COLUMNS {
        (style_of("WideHead"), style_of("WideCell"))
    } else {
        (style_of("TableHead"), style_of("Cell"))
    }
}

/// Blocks with the signs of their headings: `I.`, `1.`, `a)`.
pub fn numbered(blocks: &[Block]) -> impl Iterator<Item = (String, &Block)> {
    let mut at = [0_usize; 3];
    blocks.iter().map(move |block| {
        let Block::Heading { level, .. } = block else { return (String::new(), block) };
        let level = usize::from((*level).clamp(1, 3)) - 1;
        at[level] += 1;
        at[level + 1..].fill(0);
        let sign = match level {
            0 => format!("{}. ", wording::roman(at[0])),
            1 => format!("{}. ", at[1]),
            _ => format!("{}) ", wording::letter(at[2])),
        };
        (sign, block)
    })
}

/// What a blank says until somebody writes it.
#[must_use]
pub fn blank(what: &str) -> String {
    format!("[… {what} …]")
}

/// A text as plain text, as it would be read aloud.
#[must_use]
pub fn plain(text: &Text) -> String {
    use crate::model::Run;
    let piece = |run: &Run| match run {
        Run::Plain(text) | Run::Bold(text) | Run::Italic(text) => text.clone(),
        Run::Blank(empty) => blank(&empty.what),
    };
    text.runs().iter().map(piece).collect()
}

#[cfg(test)]
mod tests;
