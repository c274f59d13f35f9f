//! The form of a part: its items, one of them to fill in, and for channels a test with all that was said and heard.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use serde::Deserialize;

use super::form::{self, Field, FieldKind, FormOf};
use super::{current, save_all, trial};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show, show_again};
use crate::person::Person;
use ioc_common::config::{TomlTable, TomlValue, to_text};
use ioc_engine::command::{CommandError, PartChange};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_engine::sealed_secret::{self, SEALED, SECRET_MAX_BYTES};
use ioc_store::configuration::Part;

/// How long a test of a channel may take.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(90);
/// Before the name of a field with a secret that was typed and is not saved yet, sealed.
const KEPT: &str = "kept.";

/// Channels that are begun with the settings of a service: its name, and what is shipped for it.
const TEMPLATES: [(&str, &str); 3] = [
    ("sms", include_str!("../../../../config/channels/sms.toml")),
    ("telegram", include_str!("../../../../config/channels/telegram.toml")),
    ("zalo", include_str!("../../../../config/channels/zalo.toml")),
];

/// What is asked of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FormQuery {
    /// The name of an item.
    item: Option<String>,
    /// A kind of which a new one is made.
    new: Option<String>,
}

/// A field as it is shown.
struct ShownField {
    field: Field,
    text: String,
    /// Of a secret: when it was set, or the file that is named for it.
    set: Option<String>,
    /// A secret that was typed and is not saved yet, sealed.
    kept: String,
}

impl ShownField {
    /// Its name as a part of an address.
    fn id(&self) -> String {
        self.field.key.replace('.', "-")
    }

    fn is(&self, value: &str) -> bool {
        self.text == value
    }
}

/// The item that is filled in.
struct Edited {
    /// The name by which it stands in the text; none for a new one.
    was: Option<String>,
    name: String,
    kind: String,
    fields: Vec<ShownField>,
}

#[derive(Template)]
#[template(path = "configuration-form.html")]
struct FormPage {
    page_context: PageContext,
    part: Part,
    version: u64,
    file: Option<String>,
    /// Comments of the text would be lost.
    has_comments: bool,
    /// The name and kind of each item.
    items: Vec<(String, String)>,
    has_items: bool,
    /// Kinds, and templates, of which a new one can be made.
    kinds: Vec<&'static str>,
    edited: Option<Edited>,
    reason: String,
    error: Option<String>,
    /// How a test went, and what was said and heard.
    tried: Option<(bool, String, Vec<String>)>,
    test_address: String,
}

impl FormPage {
    fn name(&self) -> String {
        self.page_context.name("configuration-part", self.part.as_str())
    }

    fn about(&self) -> String {
        self.page_context.name("configuration-about", self.part.as_str())
    }

    /// What a field is called.
    fn label(&self, field: &Field) -> String {
        self.page_context.name("configuration-field", &field.key.replace('.', "-"))
    }

    fn choice_text(&self, choice: &str) -> String {
        match choice {
            "info" | "warning" | "critical" => self.page_context.name("severity", choice),
            other => other.to_owned(),
        }
    }

    fn kind_text(&self, kind: &str) -> String {
        self.page_context.name("configuration-kind", if kind.is_empty() { "new" } else { kind })
    }
}

/// An item that is begun.
fn begun(form: &FormOf, of: &str) -> Option<TomlTable> {
    if let Some((_, text)) = TEMPLATES.iter().find(|(name, _)| *name == of) {
        let table: TomlTable = text.parse().ok()?;
        let mut item = form.items_of(&table).into_iter().next()?;
        // It names files and channels of nobody.
        item.retain(|key, _| !key.ends_with("_file") && key != "fallback");
        return Some(item);
    }
    form.kinds.iter().find(|(kind, _)| *kind == of)?;
    let mut item = TomlTable::new();
    if !of.is_empty() {
        item.insert("type".to_owned(), TomlValue::String(of.to_owned()));
    }
    Some(item)
}

fn kind_of(item: &TomlTable) -> String {
    item.get("type").and_then(TomlValue::as_str).unwrap_or_default().to_owned()
}

/// What is said of a secret that is set: its day, or the file.
fn said_of(secret: &str) -> String {
    secret.strip_prefix(SEALED).and_then(|rest| rest.split(':').next()).unwrap_or(secret).to_owned()
}

fn edited(form: &FormOf, item: &TomlTable, was: Option<String>) -> Edited {
    let kind = if form.items.is_some() { kind_of(item) } else { String::new() };
    let shown = |field: Field| {
        let text = form::read(item, field);
        if field.kind == FieldKind::Secret {
            let set = (!text.is_empty()).then(|| said_of(&text));
            return ShownField { field, text: String::new(), set, kept: String::new() };
        }
        ShownField { field, text, set: None, kept: String::new() }
    };
    let fields = form.fields(&kind).into_iter().map(shown).collect();
    Edited { was, name: form::name_of(item).to_owned(), kind, fields }
}

/// The text of a part as the form reads it: with its secrets, sealed as they are.
fn table_of(app: &App, part: Part) -> TomlTable {
    app.config().part(part).text.parse().unwrap_or_default()
}

fn made(app: &App, page_context: PageContext, part: Part, form: &FormOf) -> FormPage {
    let now = current(app, part);
    let table = table_of(app, part);
    let items = form.items_of(&table);
    let is_set = now.holder == ioc_engine::config::PartHolder::Stored;
    let templates = TEMPLATES.iter().map(|(name, _)| *name).filter(|_| part == Part::Channels);
    FormPage {
        page_context,
        part,
        version: now.version,
        file: now.held_by().map(|path| path.display().to_string()),
        has_comments: is_set && now.text.lines().any(|line| line.trim_start().starts_with('#')),
        items: items.iter().map(|item| (form::name_of(item).to_owned(), kind_of(item))).collect(),
        has_items: form.items.is_some(),
        kinds: form.kinds.iter().filter(|(_, own)| !own.is_empty()).map(|(kind, _)| *kind).chain(templates).collect(),
        edited: None,
        reason: String::new(),
        error: None,
        tried: None,
        test_address: String::new(),
    }
}

pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(part): Path<String>,
    Query(query): Query<FormQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Some((part, form)) = Part::parse(&part).and_then(|part| Some((part, form::of(part)?))) else {
        return Err(Failure::not_found(page_context));
    };
    let mut page = made(&app, page_context, part, &form);
    if page.file.is_some() {
        return Ok(show(&page));
    }
    let table = table_of(&app, part);
    page.edited = match (&query.item, &query.new) {
        _ if !page.has_items => Some(edited(&form, &table, None)),
        (Some(name), _) => {
            let item = form.items_of(&table).into_iter().find(|item| form::name_of(item) == *name);
            let Some(item) = item else { return Err(Failure::not_found(page.page_context)) };
            Some(edited(&form, &item, Some(name.clone())))
        }
        (None, Some(of)) => {
            let Some(item) = begun(&form, of) else { return Err(Failure::not_found(page.page_context)) };
            Some(edited(&form, &item, None))
        }
        (None, None) => None,
    };
    Ok(show(&page))
}

/// The form as it was sent.
struct Sent {
    fields: BTreeMap<String, String>,
}

impl Sent {
    fn text(&self, name: &str) -> String {
        self.fields.get(name).cloned().unwrap_or_default()
    }

    /// The name by which the item stood, where it did.
    fn was(&self) -> Option<String> {
        Some(self.text("was")).filter(|name| !name.is_empty())
    }
}

/// The item as it was filled in, on top of what stood there; secrets that were typed are sealed.
fn filled(app: &App, form: &FormOf, table: &TomlTable, sent: &mut Sent) -> Result<TomlTable, CommandError> {
    let was = sent.was();
    let kind = sent.text("type");
    let mut item = match (form.items, &was) {
        (None, _) => table.clone(),
        (Some(_), Some(name)) => {
            let known = form.items_of(table).into_iter().find(|item| form::name_of(item) == *name);
            known.unwrap_or_default()
        }
        (Some(_), None) => TomlTable::new(),
    };
    if form.items.is_some() {
        form::put(&mut item, "name", Some(TomlValue::String(sent.text("name").trim().to_owned())));
        if !kind.is_empty() {
            form::put(&mut item, "type", Some(TomlValue::String(kind.clone())));
        }
    }
    let fields = form.fields(&kind);
    let number = |key: &'static str| {
        let found = sent.text(key);
        let english = format!("{key}: found {found:?}; allowed is a whole number");
        let args = [("field", Word::named("configuration-field", key.replace('.', "-"))), ("found", Word::text(found))];
        RefusalReason::new("refusal-number", args, english).invalid()
    };
    form::write(&mut item, &fields, &sent.fields).map_err(number)?;
    for field in fields.iter().filter(|field| field.kind == FieldKind::Secret) {
        let (typed, kept) = (sent.text(field.key), sent.text(&format!("{KEPT}{}", field.key)));
        let value = if sent.text(&format!("remove.{}", field.key)) == "true" {
            None
        } else if !typed.trim().is_empty() {
            let sealed = sealed(app, typed.trim())?;
            sent.fields.insert(format!("{KEPT}{}", field.key), sealed.clone());
            Some(sealed)
        } else if kept.starts_with(SEALED) {
            Some(kept)
        } else {
            continue;
        };
        form::put(&mut item, field.key, value.map(TomlValue::String));
    }
    Ok(item)
}

/// What was typed: the secret itself, sealed, or where it lies.
fn sealed(app: &App, typed: &str) -> Result<String, CommandError> {
    if typed.starts_with('/') || typed.starts_with("credential:") {
        return Ok(typed.to_owned());
    }
    if typed.len() > SECRET_MAX_BYTES {
        let english = format!("a secret has at most {SECRET_MAX_BYTES} bytes");
        let args = [("found", Word::count(typed.len())), ("most", Word::count(SECRET_MAX_BYTES))];
        return Err(RefusalReason::new("refusal-configuration-large", args, english).invalid());
    }
    let day = jiff::Timestamp::from_millisecond(app.judged_now().as_millis()).unwrap_or_default();
    sealed_secret::seal(typed, day.to_zoned_datetime(app.config().timezone.clone()).date())
        .map_err(CommandError::unread)
}

/// The text of the part with the item as it is now; none takes it out.
fn with_item(form: &FormOf, mut table: TomlTable, was: Option<&str>, item: Option<TomlTable>) -> String {
    let Some(array) = form.items else { return to_text(&item.unwrap_or_default()) };
    let mut items = form.items_of(&table);
    let place = was.and_then(|name| items.iter().position(|item| form::name_of(item) == name));
    match (place, item) {
        (Some(place), Some(item)) => {
            if let Some(slot) = items.get_mut(place) {
                *slot = item;
            }
        }
        (Some(place), None) => drop(items.remove(place)),
        (None, Some(item)) => items.push(item),
        (None, None) => {}
    }
    if items.is_empty() {
        table.remove(array);
    } else {
        table.insert(array.to_owned(), TomlValue::Array(items.into_iter().map(TomlValue::Table).collect()));
    }
    to_text(&table)
}

pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(part): Path<String>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let Some((part, form)) = Part::parse(&part).and_then(|part| Some((part, form::of(part)?))) else {
        return Err(Failure::not_found(page_context));
    };
    let mut sent = Sent { fields };
    let (table, version) = (table_of(&app, part), sent.text("version").parse().unwrap_or(0));
    let mut page = made(&app, page_context, part, &form);
    let filled = filled(&app, &form, &table, &mut sent);
    let asked = sent.text("do");
    let item = if asked == "remove" { Ok(None) } else { filled.map(Some) };
    let text = item.as_ref().map(|item| with_item(&form, table.clone(), sent.was().as_deref(), item.clone()));
    let done: Result<bool, CommandError> = match text {
        Err(error) => Err(error.clone()),
        Ok(text) if asked == "test" => {
            let (name, address) = (sent.text("name").trim().to_owned(), sent.text("test_address"));
            let change = PartChange { part, text: Some(text), version };
            match trial::run(&app, &person, change, (&name, &address), TRIAL_TIMEOUT).await {
                Ok((went, heard)) => {
                    let said = match &went {
                        Ok(()) => page.page_context.t("configuration-tried"),
                        Err(error) => format!("{} {error}", page.page_context.t("configuration-tried-in-vain")),
                    };
                    page.tried = Some((went.is_ok(), said, heard));
                    Ok(false)
                }
                Err(error) => Err(error),
            }
        }
        Ok(text) => {
            let change = PartChange { part, text: Some(text), version };
            save_all(&app, &person, vec![change], &sent.text("reason")).await.map(|_| true)
        }
    };
    if matches!(done, Ok(true)) {
        return Ok(Redirect::to(&format!("/configuration/{}/form", part.as_str())).into_response());
    }
    page.error = done.as_ref().err().map(|error| refusal_text(&page.page_context, error));
    // All that was typed stays, and so do secrets, sealed.
    let item = item.ok().flatten().unwrap_or_default();
    let mut shown = edited(&form, &item, sent.was());
    (shown.name, shown.kind) = (sent.text("name"), sent.text("type"));
    for one in &mut shown.fields {
        if one.field.kind == FieldKind::Secret {
            one.kept = sent.text(&format!("{KEPT}{}", one.field.key));
        } else {
            one.text = sent.text(one.field.key);
        }
    }
    page.edited = Some(shown);
    (page.reason, page.test_address) = (sent.text("reason"), sent.text("test_address"));
    Ok(show_again(&page, page.error.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_takes_the_place_of_what_it_was() {
        let form = form::of(Part::Sources).expect("a form");
        let table: TomlTable =
            "[[source]]\nname = \"a\"\ntoken_file = \"/x\"\n[[source]]\nname = \"b\"\n".parse().expect("TOML");
        let item: TomlTable = "name = \"c\"\n".parse().expect("TOML");
        let changed = with_item(&form, table.clone(), Some("a"), Some(item.clone()));
        assert!(changed.find("\"c\"") < changed.find("\"b\"") && !changed.contains("\"a\""), "{changed}");
        let added = with_item(&form, table.clone(), None, Some(item));
        assert_eq!(added.matches("[[source]]").count(), 3, "{added}");
        let gone = with_item(&form, table, Some("b"), None);
        assert_eq!(gone.matches("[[source]]").count(), 1, "{gone}");
    }

    #[test]
    fn a_service_is_begun_with_what_is_shipped_for_it_and_no_file() {
        let form = form::of(Part::Channels).expect("a form");
        for (name, _) in TEMPLATES {
            let item = begun(&form, name).unwrap_or_else(|| panic!("{name}"));
            assert!(
                kind_of(&item) == "http" && !form::name_of(&item).is_empty() && item.contains_key("url"),
                "{item:?}"
            );
            assert!(item.keys().all(|key| !key.ends_with("_file")), "{item:?}");
        }
        assert!(begun(&form, "fax").is_none());
    }
}
