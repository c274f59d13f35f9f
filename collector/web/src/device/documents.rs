//! What surveys found on a device: any document becomes pairs and tables on its page, and is whole in the API.
//!
//! A document of an agent that is newer than this collector is shown, too; what has no word of its own is shown by its name.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Map, Value};

use ioc_common::audit_head;
use ioc_common::clock::Timestamp;
use ioc_common::settings::DOCUMENT;
use ioc_judge::Authenticity;

use crate::api::{ApiResult, device_id};
use crate::api_types;
use crate::app::App;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::personal_data;
use ioc_store::DocumentRecord;
use ioc_store::inventory::DeviceRecord;

/// Most rows of one table on the page; the API has all.
const ROWS_MAX: usize = 60;

/// Fields that are sizes in bytes.
const SIZES: [&str; 2] = ["size", "memory"];

/// A document, ready to be laid out.
pub(crate) struct DocumentCard {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) at: Timestamp,
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) tables: Vec<DocumentTable>,
    /// How far it can be believed; none of how a machine once was.
    pub(crate) authenticity: Option<Authenticity>,
    /// What could not be read, and why.
    pub(crate) lacks: Vec<String>,
}

/// A list within a document.
pub(crate) struct DocumentTable {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) more: u64,
    pub(crate) count: usize,
}

impl DocumentTable {
    /// Long lists are folded: the page is for looking over.
    pub(crate) fn is_long(&self) -> bool {
        self.count > 8
    }
}

/// Lays out documents; what is not of the expected form is left out of the page, not of the store.
pub(crate) fn cards_of(
    page_context: &PageContext,
    records: &[DocumentRecord],
    device: &DeviceRecord,
    collector_clock_doubted: bool,
) -> Vec<DocumentCard> {
    // The probes have a card of their own, and so have settings; what it witnessed of the audit log says nothing of the machine.
    let records =
        records.iter().filter(|record| !["probes", DOCUMENT, audit_head::DOCUMENT].contains(&record.name.as_str()));
    let authenticity = |record| device.document_authenticity(record, page_context.now, collector_clock_doubted);
    records.filter_map(|record| show(page_context, record, Some(authenticity(record)))).collect()
}

pub(super) fn show(
    page_context: &PageContext,
    record: &DocumentRecord,
    authenticity: Option<Authenticity>,
) -> Option<DocumentCard> {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(&record.body) else { return None };
    let mut shown = DocumentCard {
        name: record.name.clone(),
        title: page_context.word("doc", &record.name),
        at: record.at,
        authenticity,
        pairs: Vec::new(),
        tables: Vec::new(),
        lacks: Vec::new(),
    };
    for (key, value) in &fields {
        match value {
            Value::String(text) if key == "unknown" => shown.lacks.extend((!text.is_empty()).then(|| text.clone())),
            Value::Array(texts) if key == "unknown" => {
                shown.lacks.extend(texts.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            Value::Array(rows) if rows.iter().any(Value::is_object) => {
                shown.tables.push(table(page_context, key, rows));
            }
            Value::Array(list) if list.is_empty() => {}
            other => {
                let text = field_text(page_context, key, other);
                if !text.is_empty() {
                    shown.pairs.push((page_context.word("field", key), text));
                }
            }
        }
    }
    Some(shown)
}

fn table(page_context: &PageContext, key: &str, rows: &[Value]) -> DocumentTable {
    let objects: Vec<&Map<String, Value>> = rows.iter().filter_map(Value::as_object).collect();
    // A column that is empty in every row says nothing.
    let mut columns: Vec<&String> = Vec::new();
    for (column, value) in objects.iter().flat_map(|object| object.iter()) {
        if !columns.contains(&column) && !text_of(page_context, value).is_empty() {
            columns.push(column);
        }
    }
    let cells = |object: &&Map<String, Value>| {
        columns
            .iter()
            .map(|column| object.get(*column).map(|value| field_text(page_context, column, value)).unwrap_or_default())
            .collect()
    };
    DocumentTable {
        title: page_context.word("field", key),
        head: columns.iter().map(|column| page_context.word("field", column)).collect(),
        rows: objects.iter().take(ROWS_MAX).map(cells).collect(),
        more: objects.len().saturating_sub(ROWS_MAX) as u64,
        count: objects.len(),
    }
}

/// The value of a field, as people read it: sizes are bytes.
fn field_text(page_context: &PageContext, field: &str, value: &Value) -> String {
    match value.as_f64().filter(|_| SIZES.contains(&field)) {
        Some(bytes) => page_context.bytes(bytes),
        None => text_of(page_context, value),
    }
}

/// A day as documents have it, as people write it.
fn day_of(text: &str) -> Option<String> {
    let day: jiff::civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
    Some(day.strftime("%d/%m/%Y").to_string())
}

/// A value, as people read it.
pub(super) fn text_of(page_context: &PageContext, value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => page_context.t("yes"),
        Value::Bool(false) => page_context.t("no"),
        Value::Number(number) => match number.as_f64().filter(|value| value.fract() != 0.0) {
            Some(value) => page_context.plain_number(value),
            None => number.to_string(),
        },
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(at) if text.len() >= 20 => page_context.short(&at),
            _ => day_of(text).unwrap_or_else(|| text.clone()),
        },
        Value::Array(list) => list
            .iter()
            .map(|one| text_of(page_context, one))
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(", "),
        Value::Object(fields) => {
            let parts = fields
                .iter()
                .map(|(key, value)| (key, text_of(page_context, value)))
                .filter(|(_, text)| !text.is_empty() && text != "0");
            parts
                .map(|(key, text)| format!("{}: {text}", page_context.word("field", key)))
                .collect::<Vec<_>>()
                .join(" · ")
        }
    }
}

/// What a survey found.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct DocumentItem {
    name: String,
    at: Timestamp,
    /// How far it can be believed.
    authenticity: api_types::authenticity::Authenticity,
    /// What it says (docs/probes).
    doc: Value,
}

/// What surveys of a device found, each whole.
pub(crate) async fn api(
    State(app): State<App>,
    person: Person,
    Path(id): Path<String>,
) -> ApiResult<Vec<DocumentItem>> {
    let id = device_id(&id)?;
    let asked = id.clone();
    let found = app.read(&person.scope, move |reader| Ok((reader.device(&asked)?, reader.documents(&asked)?))).await?;
    let (Some(device), mut found) = found else { return Ok(Json(Vec::new())) };
    let (now, doubted) = (app.judged_now(), app.is_clock_doubted());
    personal_data::retain_allowed(&app, &person, &id, &mut found).await;
    let whole = found.into_iter().map(|record| {
        let doc: Value = serde_json::from_str(&record.body).unwrap_or_default();
        let authenticity = device.document_authenticity(&record, now, doubted).into();
        DocumentItem { name: record.name, at: record.at, authenticity, doc }
    });
    Ok(Json(whole.collect()))
}
