//! The history of a device's documents: how they stood at a moment (`as_of`), what `changes` there were, and two moments or two devices held
//! against each other (`compare`). `words` says what changed as a technician would.
//!
//! Who may not see people's data in documents sees none of it here; that someone does is recorded, as with the documents of now.

pub(crate) mod as_of;
pub(crate) mod changes;
pub(crate) mod compare;
mod words;

use serde::Serialize;
use serde_json::Value;

use ioc_common::clock::Timestamp;
use ioc_common::id::DeviceId;

use crate::api_types::names;
use crate::app::App;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::personal_data;
use crate::problem::Problem;
use ioc_engine::config::Config;
use ioc_store::document_history::{Difference, PastState, Segment};

names! {
    /// What is known of a document at a moment.
    StateKind {
        /// It stood so.
        Known = "known",
        /// Nothing: it had not come yet, or its history was forgotten.
        Unknown = "unknown",
        /// It was known, and what leads back to it is damaged or was too large to be kept.
        Lost = "lost",
    }
}

/// A document, as it stood at a moment.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct PastItem {
    name: String,
    /// Whether that is known.
    state: StateKind,
    /// Since when it had stood so.
    since: Option<Timestamp>,
    /// Until when it stood so; none while it still does.
    until: Option<Timestamp>,
    /// What it said, without what changes though the machine does not.
    doc: Option<Value>,
    /// Why it is lost.
    why: Option<String>,
}

impl PastItem {
    fn new((name, state): (String, PastState)) -> Self {
        let nothing = Self { name, state: StateKind::Unknown, since: None, until: None, doc: None, why: None };
        match state {
            PastState::Unknown => nothing,
            PastState::Lost(why) => Self { state: StateKind::Lost, why: Some(why), ..nothing },
            PastState::Known(known) => Self {
                state: StateKind::Known,
                since: Some(known.since),
                until: known.until,
                doc: Some(known.body),
                ..nothing
            },
        }
    }
}

/// What differs at one place of a document.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct DifferenceItem {
    /// Where: fields after slashes, members of lists by their keys, as `/accounts/[name=minh]/by`.
    path: String,
    /// Of a list without keys: from which place on.
    index: Option<usize>,
    /// What was there; none where nothing was.
    old: Option<Value>,
    /// What is there; none where nothing is.
    new: Option<Value>,
}

impl From<&Difference> for DifferenceItem {
    fn from(one: &Difference) -> Self {
        Self { path: path_of(one), index: one.index, old: one.old.clone(), new: one.new.clone() }
    }
}

/// Where a difference is, as text.
fn path_of(one: &Difference) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Field(name) => format!("/{name}"),
        Segment::Member(key) => {
            let fields = key.iter().map(|(field, value)| match value {
                Value::String(text) => format!("{field}={text}"),
                other => format!("{field}={other}"),
            });
            format!("/[{}]", fields.collect::<Vec<_>>().join(","))
        }
    };
    let path: String = one.path.iter().map(part).collect();
    if path.is_empty() { "/".to_owned() } else { path }
}

/// How the documents of a device stood at a moment, and the device's name: what the person may see of it, which is recorded.
async fn states_at(
    app: &App,
    person: &Person,
    id: &DeviceId,
    moment: Timestamp,
) -> Result<(String, Vec<(String, PastState)>), Problem> {
    let asked = id.clone();
    let found = app
        .read(&person.scope, move |reader| {
            let Some(record) = reader.device(&asked)? else { return Ok(None) };
            Ok(Some((record.info.name, reader.documents_at(&asked, None, moment)?)))
        })
        .await?;
    let Some((device, mut states)) = found else {
        return Err(Problem::not_found(format!("there is no device {id}")));
    };
    let known = states.iter().filter(|(_, state)| matches!(state, PastState::Known(_)));
    if !personal_data::may_see(app, person, id, known.map(|(name, _)| name.as_str())).await {
        states = states
            .into_iter()
            .filter_map(|(name, state)| Some((name.clone(), state.without_personal(&name)?)))
            .collect();
    }
    Ok((device, states))
}

/// A moment as a person or a browser writes it: `2026-10-03T08:30` or `03/10/2026 08:30` in the site's time zone, or with a zone of its own.
pub(super) fn parse_moment(field: &str, text: &str, config: &Config) -> Result<Timestamp, Problem> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let written = |format: &str| jiff::civil::DateTime::strptime(format, text).ok();
    let day =
        || jiff::civil::Date::strptime("%d/%m/%Y", text).ok().map(|day| day.to_datetime(jiff::civil::Time::midnight()));
    let local = text.parse::<jiff::civil::DateTime>().ok();
    let local = local.or_else(|| written("%d/%m/%Y %H:%M:%S")).or_else(|| written("%d/%m/%Y %H:%M")).or_else(day);
    let moment = local.and_then(|local| ioc_judge::local_time::instant(local, &config.timezone));
    moment.ok_or_else(|| {
        Problem::invalid(format!("{field}: found {text:?}; allowed is a date and a time, as 03/10/2026 08:30"))
    })
}

/// The same, where nothing may be written.
fn optional_moment(field: &str, text: &str, config: &Config) -> Result<Option<Timestamp>, Problem> {
    if text.trim().is_empty() { Ok(None) } else { parse_moment(field, text, config).map(Some) }
}

/// A moment as the browser's field for one wants it.
fn field_value(at: Timestamp, config: &Config) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.as_millis()).ok();
    let here = moment.map(|moment| moment.to_zoned_datetime(config.timezone.clone()));
    here.map(|here| here.strftime("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default()
}

/// What a document is called.
fn title_of(page_context: &PageContext, name: &str) -> String {
    page_context.word("doc", name)
}
