//! The page of all parts of the configuration, and one page a part: its text, what a change would do before it is done, its versions.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use serde::Deserialize;

use super::{check, current, form, save, save_all};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{CommandError, PartChange};
use ioc_engine::config::{PartHolder, PartInForce, shipped, tables_of};
use ioc_engine::configuration::{LineChange, difference, without_secrets};
use ioc_engine::sealed_secret::shown;
use ioc_engine::writer::configuration::CHANGED_SINCE;
use ioc_store::configuration::{ConfigurationVersion, Part};

/// Versions on a page.
const VERSIONS: usize = 20;
/// Lines that stay the same and are shown around each change.
const CONTEXT: usize = 3;

/// A part in the list of all.
struct PartRow {
    part: Part,
    /// Where it is looked at and changed.
    href: String,
    holder: PartHolder,
    left_out: bool,
    newest: Option<ConfigurationVersion>,
}

#[derive(Template)]
#[template(path = "configuration.html")]
struct ListPage {
    page_context: PageContext,
    parts: Vec<PartRow>,
}

/// Where a part is looked at: its own form, where it has one, else its text.
fn href(part: Part) -> String {
    let form = form::of(part).map_or("", |_| "/form");
    format!("/configuration/{}{form}", part.as_str())
}

/// A file's name, as it is shown.
fn file(holder: &PartHolder) -> Option<String> {
    match holder {
        PartHolder::File(path) => Some(path.display().to_string()),
        PartHolder::Stored | PartHolder::Shipped => None,
    }
}

impl ListPage {
    fn name(&self, part: &Part) -> String {
        self.page_context.name("configuration-part", part.as_str())
    }

    fn about(&self, part: &Part) -> String {
        self.page_context.name("configuration-about", part.as_str())
    }
}

pub(crate) async fn list(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let config = app.config();
    let row = |part: Part| {
        let now = config.part(part);
        let newest = config.stored().get(&part).cloned();
        PartRow { part, href: href(part), holder: now.holder, left_out: now.left_out.is_some(), newest }
    };
    Ok(show(&ListPage { page_context, parts: Part::ALL.into_iter().map(row).collect() }))
}

/// What is asked of a part's page.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PartQuery {
    /// Begin with the text of this version.
    text_of: Option<u64>,
    /// Compare this version …
    from: Option<u64>,
    /// … with this one.
    to: Option<u64>,
    /// Versions before this one.
    before: Option<u64>,
}

/// A line of a difference.
struct DiffLine {
    sign: char,
    class: &'static str,
    text: String,
}

/// What differs, with some lines around it; a gap is a line of its own.
fn shown_difference(old: &str, new: &str) -> Vec<DiffLine> {
    let all = difference(old, new);
    let near = |at: usize| {
        let from = at.saturating_sub(CONTEXT);
        all.iter().skip(from).take(at - from + CONTEXT + 1).any(|(change, _)| *change != LineChange::Same)
    };
    let mut lines: Vec<DiffLine> = Vec::new();
    let mut is_gap = false;
    for (at, (change, text)) in all.iter().enumerate() {
        if !near(at) {
            is_gap = true;
            continue;
        }
        if std::mem::take(&mut is_gap) && !lines.is_empty() {
            lines.push(DiffLine { sign: ' ', class: "gap", text: "…".to_owned() });
        }
        let (sign, class) = match change {
            LineChange::Same => (' ', "same"),
            LineChange::Removed => ('−', "removed"),
            LineChange::Added => ('+', "added"),
        };
        lines.push(DiffLine { sign, class, text: (*text).to_owned() });
    }
    if lines.iter().all(|line| line.class == "same") { Vec::new() } else { lines }
}

/// What was typed, and what came of it.
#[derive(Default)]
struct Typed {
    text: Option<String>,
    reason: String,
    error: Option<String>,
    /// It was checked, and holds: what it changes.
    planned: Option<Vec<DiffLine>>,
    /// What others changed since whoever types has seen the part.
    since: Vec<DiffLine>,
}

#[derive(Template)]
#[template(path = "configuration-part.html")]
struct PartPage {
    page_context: PageContext,
    part: Part,
    now: PartInForce,
    file: Option<String>,
    tables: &'static [&'static str],
    has_form: bool,
    /// What stands in the editor.
    text: String,
    /// It is not what is in force, but another version.
    text_of: Option<u64>,
    typed: Typed,
    versions: Vec<ConfigurationVersion>,
    /// There are earlier ones.
    more: Option<u64>,
    /// Two versions that are compared.
    compared: Option<(u64, u64, Vec<DiffLine>)>,
}

impl PartPage {
    fn name(&self) -> String {
        self.page_context.name("configuration-part", self.part.as_str())
    }

    fn about(&self) -> String {
        self.page_context.name("configuration-about", self.part.as_str())
    }

    fn rows(&self) -> usize {
        self.text.lines().count().clamp(8, 40)
    }
}

/// What a version says; what is shipped before the first.
async fn text_of(app: &App, person: &Person, part: Part, number: u64) -> Result<Option<String>, Problem> {
    if number == 0 {
        return Ok(Some(shipped(part)));
    }
    let before = Some(number.saturating_add(1));
    let found = app.read(&person.scope, move |reader| reader.configuration_versions(part, before, 1)).await?;
    let found = found.into_iter().find(|version| version.number == number);
    Ok(found.map(|version| version.text.as_deref().map_or_else(|| shipped(part), shown)))
}

async fn made(
    app: &App,
    person: &Person,
    page_context: PageContext,
    (part, query): (Part, PartQuery),
    typed: Typed,
) -> Result<PartPage, Failure> {
    let now = current(app, part);
    let before = query.before;
    let read = async {
        let found =
            app.read(&person.scope, move |reader| reader.configuration_versions(part, before, VERSIONS)).await?;
        let other = match query.text_of {
            Some(number) => text_of(app, person, part, number).await?,
            None => None,
        };
        let compared = match query.from.zip(query.to) {
            Some((from, to)) => {
                let (old, new) = (text_of(app, person, part, from).await?, text_of(app, person, part, to).await?);
                old.zip(new).map(|(old, new)| (from, to, shown_difference(&old, &new)))
            }
            None => None,
        };
        Ok::<_, Problem>((found, other, compared))
    };
    let (versions, other, compared) = match read.await {
        Ok(read) => read,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let more = versions.last().map(|last| last.number).filter(|number| versions.len() == VERSIONS && *number > 1);
    let file = file(&now.holder);
    let in_force = if file.is_some() { without_secrets(&now.text) } else { now.text.clone() };
    let text_of = query.text_of.filter(|_| other.is_some());
    let text = typed.text.clone().or(other).unwrap_or(in_force);
    Ok(PartPage {
        page_context,
        part,
        now,
        file,
        tables: tables_of(part),
        has_form: form::of(part).is_some(),
        text,
        text_of,
        typed,
        versions,
        more,
        compared,
    })
}

pub(crate) async fn part(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(part): Path<String>,
    Query(query): Query<PartQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Some(part) = Part::parse(&part) else { return Err(Failure::not_found(page_context)) };
    Ok(show(&made(&app, &person, page_context, (part, query), Typed::default()).await?))
}

pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(part): Path<String>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Some(part) = Part::parse(&part) else { return Err(Failure::not_found(page_context)) };
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    // Browsers send lines as the mail does.
    let text = field("text").replace("\r\n", "\n");
    let (reason, seen) = (field("reason"), field("version").parse().unwrap_or(0));
    let now = current(&app, part);
    let mut typed = Typed { text: Some(text.clone()), reason: reason.clone(), ..Typed::default() };
    let changed = |text| vec![PartChange { part, text, version: seen }];
    let done = match field("do").as_str() {
        "save" => save(&app, &person, part, text.clone(), seen, &reason).await.map(|_| true),
        "back" => save_all(&app, &person, changed(None), &reason).await.map(|_| true),
        _ => check(&app, &changed(Some(text.clone()))).await.map(|()| false),
    };
    let refused = match done {
        Ok(true) => return Ok(Redirect::to(&format!("/configuration/{}", part.as_str())).into_response()),
        Ok(false) => None,
        Err(error) => Some(error),
    };
    if seen != now.version {
        typed.since = match text_of(&app, &person, part, seen).await {
            Ok(before) => shown_difference(&before.unwrap_or_default(), &now.text),
            Err(problem) => return Err(Failure::new(page_context, problem)),
        };
    }
    let is_refused = refused.is_some() || !typed.since.is_empty();
    match &refused {
        None => typed.planned = Some(shown_difference(&now.text, &text)),
        Some(error) => typed.error = Some(refusal_text(&page_context, error)),
    }
    if typed.error.is_none() && !typed.since.is_empty() {
        typed.error = Some(page_context.t("configuration-since"));
    }
    debug_assert!(refused.as_ref().and_then(CommandError::reason_key) != Some(CHANGED_SINCE) || seen != now.version);
    Ok(show_again(&made(&app, &person, page_context, (part, PartQuery::default()), typed).await?, is_refused))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_with_what_stands_around_it() {
        let old: String = (0..30).map(|line| format!("line {line}\n")).collect();
        let new = old.replace("line 2\n", "two\n").replace("line 20\n", "");
        let shown = shown_difference(&old, &new);
        let text: String = shown.iter().map(|line| format!("{}{}|", line.sign, line.text)).collect();
        let expected = " line 0| line 1|−line 2|+two| line 3| line 4| line 5| …| line 17| line 18| line 19|−line 20| line 21| line 22| line 23|";
        assert_eq!(text, expected);
        assert!(shown_difference(&old, &old).is_empty());
    }
}
