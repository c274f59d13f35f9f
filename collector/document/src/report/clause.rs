//! The clause report (*báo cáo tình hình hoạt động*, article 16.6): what a regulation asks, article by article, with figures, what they rest on,
//! gaps with who mends them by when, and how it was in the period before. It is made for any period; the law pack says which articles there are.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::office::Office;
use super::value::{Value, change};
use crate::legal::{Article, Pack};
use crate::model::{Align, Annex, Bar, Bars, Block, Document, Kind, Stamps, Table, Text};
use crate::wording::{self, NO_DATA};

/// Everything that the report is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct ClauseReport {
    /// Who issues it.
    pub office: Office,
    /// The period.
    pub period: ReportPeriod,
    /// The day of issue, once there is one.
    pub date: Option<Date>,
    /// What is known, by article. Articles of the pack that are missing here have no data; others are left out.
    pub articles: Vec<ArticleState>,
    /// What people say of the whole period, ahead of all articles.
    pub overview: Option<String>,
    /// What people plan and ask for.
    pub outlook: Option<String>,
}

/// The period of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportPeriod {
    /// As in `quý IV năm 2026`.
    pub name: String,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

impl ReportPeriod {
    /// A quarter, 1 to 4, that begins and ends with the calendar's; another quarter is brought into that range.
    #[must_use]
    pub fn quarter(year: i16, quarter: i8) -> Self {
        let quarter = quarter.clamp(1, 4);
        let from = Date::new(year, quarter * 3 - 2, 1).unwrap_or(Date::MIN);
        let to = Date::new(year, quarter * 3, 1).map_or(Date::MAX, Date::last_of_month);
        Self { name: format!("quý {} năm {year}", wording::roman(quarter as usize)), from, to }
    }
}

/// What is known of an article.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ArticleState {
    /// Its number in the pack.
    pub number: String,
    /// Its figures, by the names that the pack has; more are printed after them.
    pub figures: Vec<Figure>,
    /// What they rest on, for the annex.
    pub evidence: Vec<Evidence>,
    /// What is not as it should be.
    pub gaps: Vec<Gap>,
    /// What people say of it.
    pub text: Option<String>,
    /// Numbers side by side, such as months.
    pub chart: Option<Bars>,
}

/// A figure of an article.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name.
    pub name: String,
    /// In this period.
    pub now: Value,
    /// In the one before, where there was one.
    pub before: Option<Value>,
}

/// What a figure rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is.
    pub what: String,
    /// Where it is found: a page, records of the audit log, a file with its digest.
    pub place: String,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// By what texts of people find it again, whatever else is a gap: lower case, digits and `-`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// Who must mend it; nobody is named yet where it is none.
    pub who: Option<String>,
    /// By when.
    pub by: Option<Date>,
}

impl ClauseReport {
    fn state(&self, article: &Article) -> Option<&ArticleState> {
        self.articles.iter().find(|state| state.number == article.number)
    }
}

/// Makes the report after a pack.
#[must_use]
pub fn document(input: &ClauseReport, pack: &Pack) -> Document {
    let period = &input.period;
    let mut body = vec![Block::heading(1, "Tình hình chung"), Block::Paragraph(intro(input))];
    body.push(text_or_blank(input.overview.as_deref(), "overview", "nhận xét chung của người phụ trách về kỳ báo cáo"));
    body.push(Block::Table(totals(input, pack)));
    body.push(Block::heading(1, "Kết quả thực hiện theo từng điều, khoản"));
    for article in &pack.articles {
        describe(&mut body, article, input.state(article));
    }
    body.push(Block::heading(1, "Tồn tại, hạn chế và việc phải khắc phục"));
    body.push(Block::Table(gaps(input, pack)));
    body.push(Block::heading(1, "Phương hướng, kiến nghị"));
    body.push(text_or_blank(input.outlook.as_deref(), "outlook", "phương hướng kỳ tới, kiến nghị với cấp trên"));
    let to = if input.office.addressees.is_empty() {
        "để các cơ quan, đơn vị liên quan biết, thực hiện".to_owned()
    } else {
        format!("kính báo cáo {} xem xét, chỉ đạo", input.office.addressees.join(", "))
    };
    body.push(Block::paragraph(format!(
        "Trên đây là báo cáo tình hình hoạt động {} của {}, {to}.",
        period.name, input.office.agency
    )));
    Document {
        head: input.office.head(input.date),
        kind: Kind::Report,
        summary: format!("Tình hình hoạt động {}", period.name),
        addressees: input.office.addressees.clone(),
        stamps: Stamps::default(),
        bases: vec![format!("{};", pack.basis.trim_end_matches([';', '.', ',']))],
        body,
        recipients: input.office.recipients.clone(),
        signatures: vec![input.office.signature.clone()],
        annexes: vec![evidence(input, pack)],
    }
}

fn intro(input: &ClauseReport) -> Text {
    let ReportPeriod { name, from, to } = &input.period;
    format!(
        "{} báo cáo tình hình hoạt động {name} (từ {} đến {}). Số liệu do hệ thống giám sát ghi nhận; nội dung ghi \"{NO_DATA}\" là chưa đo được \
         hoặc chưa được cung cấp, không phải bằng không.",
        input.office.agency,
        wording::date(*from),
        wording::date(*to)
    )
    .into()
}

fn text_or_blank(text: Option<&str>, key: &str, what: &str) -> Block {
    match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => Block::paragraph(text),
        None => Block::Paragraph(Text::new().blank(key, what)),
    }
}

/// A figure of the pack's list that nobody brought: unknown, like one that was brought as such.
fn figures<'a>(article: &'a Article, state: Option<&'a ArticleState>) -> Vec<(&'a str, Option<&'a Figure>)> {
    let known = state.map_or(&[][..], |state| &state.figures);
    let named = article.figures.iter().map(|name| (name.as_str(), known.iter().find(|figure| figure.name == *name)));
    let more = known.iter().filter(|figure| !article.figures.contains(&figure.name));
    named.chain(more.map(|figure| (figure.name.as_str(), Some(figure)))).collect()
}

/// How far the articles are shown.
fn totals(input: &ClauseReport, pack: &Pack) -> Table {
    let states: Vec<_> = pack.articles.iter().map(|article| (article, input.state(article))).collect();
    let all: Vec<_> = states.iter().flat_map(|(article, state)| figures(article, *state)).collect();
    let known = all.iter().filter(|(_, figure)| figure.is_some_and(|figure| figure.now.is_known())).count();
    let gaps = |state: &Option<&ArticleState>| state.map_or(0, |state| state.gaps.len());
    let lacks_text = |(article, state): &&(&Article, Option<&ArticleState>)| {
        article.input && state.and_then(|state| state.text.as_deref()).is_none_or(|text| text.trim().is_empty())
    };
    let of = |part: usize, whole: usize| Value::Of { part: part as u64, whole: whole as u64 }.written();
    let mut table =
        Table::new(&[("TT", 1, Align::Centre), ("Nội dung", 9, Align::Left), ("Kết quả", 4, Align::Right)], NO_DATA)
            .titled("Bảng 1. Tổng hợp kết quả");
    let rows = [
        ("Điều, khoản thuộc phạm vi báo cáo", wording::count(states.len() as u64)),
        ("Chỉ tiêu có số liệu", of(known, all.len())),
        ("Điều, khoản còn tồn tại", of(states.iter().filter(|(_, state)| gaps(state) > 0).count(), states.len())),
        ("Tồn tại phải khắc phục", wording::count(states.iter().map(|(_, state)| gaps(state) as u64).sum())),
        ("Nội dung người báo cáo chưa bổ sung", wording::count(states.iter().filter(lacks_text).count() as u64)),
    ];
    for (at, (what, value)) in rows.into_iter().enumerate() {
        table.push([(at + 1).to_string().into(), what.into(), value.into()]);
    }
    table
}

fn describe(body: &mut Vec<Block>, article: &Article, state: Option<&ArticleState>) {
    body.push(Block::heading(2, format!("{}: {}", cited(&article.number), article.title)));
    let figures = figures(article, state);
    if !figures.is_empty() {
        let columns = [
            ("Chỉ tiêu", 5, Align::Left),
            ("Kỳ này", 6, Align::Right),
            ("Kỳ trước", 4, Align::Right),
            ("So sánh", 4, Align::Right),
        ];
        let mut table = Table::new(&columns, NO_DATA);
        for (name, figure) in figures {
            let unknown = || NO_DATA.to_owned();
            let before = figure.and_then(|figure| figure.before.as_ref());
            table.push([
                name.into(),
                figure.map_or_else(unknown, |figure| figure.now.written()).into(),
                before.map_or_else(unknown, Value::written).into(),
                figure.map_or_else(unknown, |figure| change(&figure.now, before)).into(),
            ]);
        }
        body.push(Block::Table(table));
    }
    if let Some(bars) = state.and_then(|state| state.chart.clone()) {
        body.push(Block::Bars(bars));
    }
    if let Some(evidence) = &article.evidence {
        let place = if state.is_some_and(|state| !state.evidence.is_empty()) { " (Phụ lục)" } else { "" };
        body.push(Block::Note(format!("Căn cứ số liệu: {evidence}{place}.").into()));
    }
    let text = state.and_then(|state| state.text.as_deref());
    if article.input || text.is_some() {
        let key = format!("{}/text", article.number);
        body.push(text_or_blank(text, &key, "người phụ trách báo cáo nội dung này"));
    }
    let gaps = state.map_or(&[][..], |state| &state.gaps);
    let is_known = |figure: &Figure| figure.now.is_known();
    match (gaps.len(), state) {
        (0, Some(state)) if lacks_nothing(article, state) => {
            body.push(Block::paragraph("Không ghi nhận tồn tại trong kỳ."));
        }
        (0, Some(state)) if state.figures.iter().any(is_known) => {
            body.push(Block::paragraph("Không ghi nhận tồn tại ở các chỉ tiêu có số liệu."));
        }
        (0, _) => {}
        (more, _) => body.push(Block::paragraph(format!("Còn {} tồn tại (Mục III).", wording::count(more as u64)))),
    }
}

/// Whether every figure that the article asks for is known.
fn lacks_nothing(article: &Article, state: &ArticleState) -> bool {
    let all = figures(article, Some(state));
    !all.is_empty() && all.iter().all(|(_, figure)| figure.is_some_and(|figure| figure.now.is_known()))
}

/// An article as it is cited: `Điều 6 khoản 1`.
fn cited(number: &str) -> String {
    match number.split_once('.') {
        Some((article, part)) if part.contains('-') => {
            format!("Điều {article} các khoản {}", part.replace('-', " đến "))
        }
        Some((article, part)) => format!("Điều {article} khoản {part}"),
        None => format!("Điều {number}"),
    }
}

fn gaps(input: &ClauseReport, pack: &Pack) -> Table {
    let columns = [
        ("TT", 2, Align::Centre),
        ("Điều, khoản", 5, Align::Left),
        ("Tồn tại", 12, Align::Left),
        ("Người khắc phục", 6, Align::Left),
        ("Thời hạn", 5, Align::Centre),
    ];
    let mut table = Table::new(&columns, "Không ghi nhận tồn tại ở các nội dung có số liệu")
        .titled("Bảng 2. Tồn tại, người khắc phục và thời hạn");
    let mut at = 0;
    for article in &pack.articles {
        for gap in input.state(article).map_or(&[][..], |state| &state.gaps) {
            at += 1;
            let blank =
                |what: &str, part: &str| Text::new().blank(format!("{}/gap/{}/{part}", article.number, gap.key), what);
            table.push([
                at.to_string().into(),
                cited(&article.number).into(),
                gap.what.as_str().into(),
                gap.who.as_deref().map_or_else(|| blank("người khắc phục", "who"), Text::from),
                gap.by.map_or_else(|| blank("thời hạn", "by"), |by| wording::short_date(by).into()),
            ]);
        }
    }
    table
}

/// What the figures rest on: an annex on its side.
fn evidence(input: &ClauseReport, pack: &Pack) -> Annex {
    let columns = [
        ("TT", 1, Align::Centre),
        ("Điều, khoản", 3, Align::Left),
        ("Căn cứ", 8, Align::Left),
        ("Nơi lưu", 8, Align::Left),
    ];
    let mut table = Table::new(&columns, "Không có căn cứ nào được đính kèm");
    let mut at = 0;
    for article in &pack.articles {
        for evidence in input.state(article).map_or(&[][..], |state| &state.evidence) {
            at += 1;
            table.push([
                at.to_string().into(),
                cited(&article.number).into(),
                evidence.what.as_str().into(),
                evidence.place.as_str().into(),
            ]);
        }
    }
    Annex {
        title: "Căn cứ số liệu của báo cáo".to_owned(), landscape: true, body: vec![Block::Table(table)]
    }
}

/// Bars of shares in percent, by name; one without a number says so.
#[must_use]
pub fn percents(title: &str, items: &[(&str, Option<f64>)]) -> Bars {
    let item = |&(name, number): &(&str, Option<f64>)| {
        let number = number.filter(|number| number.is_finite());
        let written = number.map_or_else(|| NO_DATA.to_owned(), |number| format!("{}%", wording::number(number, 2)));
        Bar { name: name.to_owned(), number, written }
    };
    Bars { title: title.to_owned(), full: 100.0, items: items.iter().map(item).collect() }
}
