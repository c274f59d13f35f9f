//! Search over what is on record (*Tra cứu*): the page, the route of the API, and what was found as a file for a spreadsheet.
//!
//! Who may see what is decided by the store, record by record; names of people are looked through only for who may see them, once it is on
//! record that they do.

mod form;

use askama::Template;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_common::language::Language;
use ioc_judge::Text;
use ioc_store::Right;
use ioc_store::audit_text;
use ioc_store::search::{FoundRecord, SearchHit, SearchKind, SearchPage, SearchQuery, WordsQuery};
use ioc_store::template::{csv_field, percent_encoded};
use serde::Serialize;

use crate::api::ApiResult;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, show};
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
pub(crate) use form::SearchForm;

/// Records on one page.
const ROWS: usize = 50;
/// Most records of a file, and how long all of it may be looked for, microseconds: an answer of the store's ends by itself before that.
const CSV_MAX: usize = 5000;
const CSV_US: u64 = 3_000_000;
/// Longest text that stands around what was found, characters.
const SHOWN_MAX_CHARS: usize = 400;
/// How much of it stands before what was found, characters.
const BEFORE_CHARS: usize = 60;

/// A record that was found.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SearchItem {
    /// `audit`, `event`, `fault`, `incident`, `step` or `notice`.
    kind: &'static str,
    /// When it happened; of a fault or an incident, when it began.
    at: Timestamp,
    /// Number of the audit record, event, fault or incident; of a step within its incident. Null for a notice.
    number: Option<u64>,
    /// What happened, as `noun.verb`; the rule of a fault, an incident or a notice; empty for a step.
    name: String,
    /// Who did it; empty where nobody did, or it is not known.
    actor: String,
    /// On which device.
    device: Option<String>,
    /// The incident that it belongs to, by its number.
    incident: Option<u64>,
    /// The articles of the regulation that it is about; may be empty.
    article: String,
    /// What it says, in a line, in the language of whoever asks.
    title: String,
    /// What else it says, in the same language; may be empty.
    text: String,
    /// The page that shows it.
    link: String,
}

/// What was found, the newest first.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct SearchAnswer {
    items: Vec<SearchItem>,
    /// Give this as `cursor` to go on; null at the end.
    next_cursor: Option<String>,
    /// The answer ended early because it took long, having looked back to this moment; going on with `next_cursor` looks further.
    reached: Option<Timestamp>,
    /// About how many older records are not in the index yet and were not looked through; 0 but for a while after a start with a new index.
    not_indexed: u64,
}

/// Asks the store. Who may see names of people is asked for with them; where it cannot be put on record that they saw any, without.
pub(crate) async fn find(app: &App, person: &Person, mut query: SearchQuery) -> Result<SearchPage, Problem> {
    query.personal = person.may(Right::Personal);
    let scope = if query.personal { person.scope.clone() } else { person.scope.clone().without_names() };
    let asked = query.clone();
    let mut page = app.read(&scope, move |reader| reader.search(&asked)).await?;
    if !query.personal || !page.hits.iter().any(|hit| hit.is_personal) {
        return Ok(page);
    }
    if personal_data::record_list_access(app, person, "search").await {
        page.hits.iter_mut().for_each(open);
        return Ok(page);
    }
    query.personal = false;
    app.read(&person.scope.clone().without_names(), move |reader| reader.search(&query)).await
}

/// Puts the names into what a record says.
fn open(hit: &mut SearchHit) {
    match &mut hit.record {
        // Events are read with or without them; notices have none.
        FoundRecord::Audit(_) | FoundRecord::Event { .. } | FoundRecord::Notice(_) => {}
        FoundRecord::Fault { fault, .. } => {
            fault.reason.open();
            fault.title.iter_mut().for_each(Text::open);
        }
        FoundRecord::Incident(one) => {
            [&mut one.title, &mut one.reason, &mut one.advice].into_iter().for_each(Text::open);
        }
        FoundRecord::Step { step, title, .. } => [&mut step.note, title].into_iter().for_each(Text::open),
    }
}

/// What is not empty of these, in a line.
fn joined(all: &[&str]) -> String {
    let all: Vec<&str> = all.iter().copied().filter(|one| !one.is_empty()).collect();
    all.join(" · ")
}

/// What a record says in a line, and what else: the texts that are shown, in both languages.
fn texts_of(record: &FoundRecord) -> (Text, Text) {
    let same = |text: &str| Text::new(text, text);
    match record {
        FoundRecord::Audit(one) => {
            let Some((vi, en)) = audit_text::text_of(&one.action) else {
                let rest = [one.subject.as_str(), &one.detail];
                return (same(&one.action), same(&joined(&rest)));
            };
            (Text::new(vi, en), same(&joined(&[&one.action, &one.subject, &one.detail])))
        }
        FoundRecord::Event { event, .. } => {
            let fields: Vec<String> = event.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            (same(if event.text.is_empty() { &event.name } else { &event.text }), same(&fields.join("; ")))
        }
        FoundRecord::Fault { fault, .. } => {
            (fault.title.clone().unwrap_or_else(|| same(&fault.rule)), fault.reason.clone())
        }
        FoundRecord::Incident(one) => (one.title.clone(), one.reason.clone()),
        FoundRecord::Step { step, title, .. } => (title.clone(), step.note.clone()),
        FoundRecord::Notice(one) => (one.notice.title.clone(), one.notice.reason.clone()),
    }
}

fn link_of(record: &FoundRecord) -> String {
    match record {
        // The page goes on below a number.
        FoundRecord::Audit(one) => format!("/audit?before={}", one.number.saturating_add(1)),
        FoundRecord::Event { device, .. } => format!("/devices/{device}#events"),
        _ => record.incident().map_or_else(
            || record.device().map_or_else(|| "/incidents?state=all".to_owned(), |device| format!("/devices/{device}")),
            |incident| format!("/incidents/{}", incident.0),
        ),
    }
}

fn item(hit: &SearchHit, language: Language) -> SearchItem {
    let record = &hit.record;
    let (title, text) = texts_of(record);
    let (number, name) = match record {
        FoundRecord::Audit(one) => (Some(one.number), one.action.clone()),
        FoundRecord::Event { event, .. } => (Some(event.number), event.name.clone()),
        FoundRecord::Fault { fault, .. } => (Some(fault.id.0), fault.rule.clone()),
        FoundRecord::Incident(one) => (Some(one.id.0), one.rule.clone()),
        FoundRecord::Step { step, .. } => (Some(u64::from(step.number)), String::new()),
        FoundRecord::Notice(one) => (None, one.notice.rule.clone()),
    };
    SearchItem {
        kind: record.kind().as_str(),
        at: record.at(),
        number,
        name,
        actor: record.actor().to_owned(),
        device: record.device().map(DeviceId::to_string),
        incident: record.incident().map(|incident| incident.0),
        article: record.article().to_owned(),
        title: title.get(language).to_owned(),
        text: text.get(language).to_owned(),
        link: link_of(record),
    }
}

/// A piece of a text, found or not.
struct Piece {
    found: bool,
    text: String,
}

/// A text with what was found marked; of a long one, what stands around the first of it.
fn pieces(words: &WordsQuery, text: &str) -> Vec<Piece> {
    let found = words.found_in(text);
    let mut from = 0;
    if let Some((first, _)) = found.first() {
        let before = text.get(..*first).unwrap_or_default();
        if before.chars().count() > BEFORE_CHARS && text.chars().count() > SHOWN_MAX_CHARS {
            from = before.char_indices().rev().nth(BEFORE_CHARS - 1).map_or(0, |(at, _)| at);
        }
    }
    let shown = text.get(from..).unwrap_or_default();
    let until = shown.char_indices().nth(SHOWN_MAX_CHARS).map_or(text.len(), |(at, _)| from + at);
    let mut all = Vec::new();
    let mut push = |found: bool, from: usize, until: usize| {
        if let Some(text) = text.get(from..until).filter(|text| !text.is_empty()) {
            all.push(Piece { found, text: text.to_owned() });
        }
    };
    let mut at = from;
    for (begin, end) in found.into_iter().filter(|(begin, end)| *begin >= from && *end <= until) {
        push(false, at, begin);
        push(true, begin, end);
        at = end;
    }
    push(false, at, until);
    if from > 0 {
        all.insert(0, Piece { found: false, text: "… ".to_owned() });
    }
    if until < text.len() {
        all.push(Piece { found: false, text: " …".to_owned() });
    }
    all
}

/// A record on the page.
struct Row {
    kind: &'static str,
    at: Timestamp,
    link: String,
    title: Vec<Piece>,
    texts: Vec<Vec<Piece>>,
    actor: String,
    device: String,
    article: String,
    incident: String,
}

impl Row {
    fn new(hit: &SearchHit, words: &WordsQuery, language: Language) -> Self {
        let record = &hit.record;
        let (title, text) = texts_of(record);
        let mut texts = vec![pieces(words, text.get(language))];
        let mut marked = pieces(words, title.get(language));
        let has_found = |pieces: &[Piece]| pieces.iter().any(|piece| piece.found);
        if !words.is_empty() && !has_found(&marked) && !texts.iter().any(|one| has_found(one)) {
            // It stands elsewhere in the record: in the other language, or in what people wrote down.
            let document = record.document();
            let all = document.open.iter().chain(&document.personal);
            let elsewhere = all.map(|text| pieces(words, text)).find(|pieces| has_found(pieces));
            texts.extend(elsewhere);
        }
        if marked.is_empty() {
            marked = vec![Piece { found: false, text: record.kind().as_str().to_owned() }];
        }
        texts.retain(|one| !one.is_empty());
        Self {
            kind: record.kind().as_str(),
            at: record.at(),
            link: link_of(record),
            title: marked,
            texts,
            actor: record.actor().to_owned(),
            device: record.device().map(DeviceId::to_string).unwrap_or_default(),
            article: record.article().to_owned(),
            incident: record.incident().map(|incident| incident.to_string()).unwrap_or_default(),
        }
    }
}

#[derive(Template)]
#[template(path = "search.html")]
struct FoundPage {
    page_context: PageContext,
    form: SearchForm,
    kinds: Vec<&'static str>,
    rows: Vec<Row>,
    next: Option<u64>,
    reached: Option<Timestamp>,
    not_indexed: u64,
    is_cut: bool,
    /// What was not understood of what was asked.
    refused: String,
    asked: bool,
}

impl FoundPage {
    fn older(&self, before: &u64) -> String {
        format!("/search?{}&cursor={before}", self.form.address())
    }

    fn file(&self) -> String {
        format!("/api/v1/search.csv?{}", self.form.address())
    }

    /// Registers in which the same is looked for: what stands in them is no record, and each is searched on its own page. Each by the key of its name.
    fn registers(&self) -> Vec<(&'static str, String)> {
        let words = plain_words(&self.form.q);
        if words.is_empty() {
            return Vec::new();
        }
        let all = [
            ("register-assets", "/register/assets"),
            ("register-software", "/register/software"),
            ("register-accounts", "/register/accounts"),
        ];
        all.map(|(name, page)| (name, format!("{page}?search={}", percent_encoded(&words)))).into()
    }
}

/// What registers are asked for of what was typed here: they know words alone, no phrases, beginnings or words that must not be there.
fn plain_words(typed: &str) -> String {
    let typed = typed.replace('"', " ");
    let words = typed.split_whitespace().filter(|word| !word.starts_with('-'));
    words.map(|word| word.trim_end_matches('*')).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The page.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(form): Query<SearchForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let language = page_context.language;
    let may = |kind: &SearchKind| *kind != SearchKind::Audit || person.may(Right::Audit);
    let kinds = SearchKind::ALL.into_iter().filter(may).map(SearchKind::as_str).collect();
    let asked = !form.is_empty();
    let mut shown = FoundPage {
        page_context,
        kinds,
        rows: Vec::new(),
        next: None,
        reached: None,
        not_indexed: 0,
        is_cut: false,
        refused: String::new(),
        asked,
        form,
    };
    match shown.form.query(&app, &person) {
        Err(refused) => shown.refused = refused.text(&shown.page_context),
        Ok(query) if asked => {
            let words = query.words.clone();
            match find(&app, &person, SearchQuery { limit: ROWS, ..query }).await {
                Ok(page) => {
                    shown.rows = page.hits.iter().map(|hit| Row::new(hit, &words, language)).collect();
                    (shown.next, shown.reached, shown.not_indexed) = (page.next, page.reached, page.not_indexed);
                    shown.is_cut = words.is_cut;
                }
                Err(problem) => return Err(Failure::new(shown.page_context, problem)),
            }
        }
        Ok(_) => {}
    }
    Ok(show(&shown))
}

/// The same for programs.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Query(form): Query<SearchForm>,
) -> ApiResult<SearchAnswer> {
    let query = form.query(&app, &person)?;
    let page = find(&app, &person, query).await?;
    let items = page.hits.iter().map(|hit| item(hit, person.language)).collect();
    let next_cursor = page.next.map(|next| next.to_string());
    Ok(Json(SearchAnswer { items, next_cursor, reached: page.reached, not_indexed: page.not_indexed }))
}

/// The same as a file for a spreadsheet: the newest records, at most [`CSV_MAX`], and those that are found in [`CSV_US`]. Where there may be more,
/// its name says so.
pub(crate) async fn csv(
    State(app): State<App>,
    person: Person,
    Query(form): Query<SearchForm>,
) -> Result<Response, Problem> {
    let mut query = SearchQuery { limit: ioc_store::search::PAGE_MAX, ..form.query(&app, &person)? };
    let mut items: Vec<SearchItem> = Vec::new();
    let mut more;
    let ends_us = clock::boottime_us() + CSV_US;
    loop {
        let page = find(&app, &person, query.clone()).await?;
        items.extend(page.hits.iter().map(|hit| item(hit, person.language)));
        query.before = page.next;
        more = page.next.is_some();
        if !more || items.len() >= CSV_MAX || clock::boottime_us() > ends_us {
            break;
        }
    }
    more |= items.len() > CSV_MAX;
    items.truncate(CSV_MAX);
    // A mark at the beginning tells spreadsheets that this is UTF-8.
    let mut text = "\u{feff}at,kind,number,name,actor,device,incident,article,title,text\r\n".to_owned();
    for one in &items {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let fields = [
            one.at.to_string(),
            one.kind.to_owned(),
            number(one.number),
            one.name.clone(),
            one.actor.clone(),
            one.device.clone().unwrap_or_default(),
            number(one.incident),
            one.article.clone(),
            one.title.clone(),
            one.text.clone(),
        ];
        text += &fields.map(|field| csv_field(&field)).join(",");
        text += "\r\n";
    }
    let name = if more { format!("search-first-{}.csv", items.len()) } else { "search.csv".to_owned() };
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(typed: &str, text: &str) -> String {
        let piece = |one: &Piece| if one.found { format!("[{}]", one.text) } else { one.text.clone() };
        pieces(&WordsQuery::parse(typed), text).iter().map(piece).collect()
    }

    #[test]
    fn what_was_found_is_marked_and_a_long_text_is_shown_around_it() {
        assert_eq!(marked("dia cung", "Đĩa cứng hỏng"), "[Đĩa] [cứng] hỏng");
        assert_eq!(marked("", "Đĩa <b>"), "Đĩa <b>");
        let long = format!("{} đĩa {}", "trước ".repeat(200), "sau ".repeat(200));
        let shown = marked("đĩa", &long);
        assert!(shown.starts_with("… ") && shown.contains("[đĩa]") && shown.ends_with(" …"), "{shown}");
        assert!(shown.chars().count() < SHOWN_MAX_CHARS + 20);
    }

    #[test]
    fn registers_are_asked_for_words_alone() {
        assert_eq!(plain_words("\"nguyễn an\" -usb may*"), "nguyễn an may");
        assert_eq!(plain_words(" -a \" "), "");
    }

    #[test]
    fn an_address_has_what_was_asked_and_nothing_else() {
        let form =
            SearchForm {
                q: "đĩa & cứng".into(), kind: "fault".into(), cursor: "7".into(), ..SearchForm::default()
            };
        assert_eq!(form.address(), "q=%C4%91%C4%A9a%20%26%20c%E1%BB%A9ng&kind=fault");
        assert!(SearchForm { cursor: "7".into(), ..SearchForm::default() }.is_empty());
    }
}
