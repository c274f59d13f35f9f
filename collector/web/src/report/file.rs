//! A document as a file to be saved, and as a page to be read and printed.

use std::sync::OnceLock;

use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;

use ioc_document::docx;
use ioc_document::model::Document;
use ioc_document::print::{self, Part, Sheet};

use crate::app::App;
use crate::page::{Failure, PageResult, page_context};
use crate::person::Person;
use crate::problem::Problem;
use ioc_store::template::percent_encoded;

/// What browsers call a DOCX.
pub(crate) const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
/// Where the style sheet of documents lies.
const SHEET: &str = "/static/document.css";

/// Which part of a document is shown.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct PartQuery {
    /// `main`, or the number of an annex from 1; all of it without.
    part: String,
}

impl PartQuery {
    fn part(&self) -> Part {
        match (self.part.as_str(), self.part.parse::<usize>()) {
            ("main", _) => Part::Main,
            (_, Ok(annex)) if annex > 0 => Part::Annex(annex - 1),
            _ => Part::Whole,
        }
    }
}

/// The style sheet of documents, made once.
pub(crate) async fn style_sheet() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(print::style_sheet);
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=300")];
    (headers, text.as_str()).into_response()
}

/// The document as a page of its own.
pub(crate) fn page(document: &Document, query: &PartQuery) -> Response {
    Html(print::page(document, query.part(), Sheet::Linked(SHEET))).into_response()
}

/// The document as DOCX.
pub(crate) fn bytes(document: &Document) -> Result<Vec<u8>, Problem> {
    docx::write(document).map_err(|error| Problem::internal(error.to_string()))
}

/// The page that says why there is no document.
pub(crate) fn why_not(app: &App, person: &Person, headers: &HeaderMap) -> impl FnOnce(Problem) -> Failure {
    move |problem| Failure::new(page_context(app, person, headers), problem)
}

/// The print view of what was made, or the page that says why there is none.
pub(crate) fn printed(
    made: Result<Document, Problem>,
    query: &PartQuery,
    why_not: impl FnOnce(Problem) -> Failure,
) -> PageResult {
    made.map(|document| page(&document, query)).map_err(why_not)
}

/// What was made as a DOCX to be saved under a name without its ending, or the page that says why there is none.
pub(crate) fn downloaded(
    made: Result<(String, Document), Problem>,
    why_not: impl FnOnce(Problem) -> Failure,
) -> PageResult {
    made.and_then(|(name, document)| Ok(saved(&format!("{name}.docx"), bytes(&document)?))).map_err(why_not)
}

/// A file that is saved under a name.
pub(crate) fn saved(name: &str, content: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, DOCX.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{}", percent_encoded(name))),
    ];
    (headers, content).into_response()
}
