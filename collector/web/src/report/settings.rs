//! What the centre says of itself in documents: agencies, place, who signs and who gets them (Decree 30/2020). On record, with old and new in the audit log.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use serde_json::Value;

use super::everywhere;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::report::{DocumentSettings, SignAuthority, Signer};

/// Rows for signers that the form has beside those that are there.
const FREE_ROWS: usize = 2;
/// The settings as they were shown, JSON: what somebody else changed since is not written over unseen.
const SHOWN: &str = "shown";

#[derive(Template)]
#[template(path = "report-settings.html")]
struct SettingsPage {
    page_context: PageContext,
    /// What stands in the form: what was typed, where it was refused.
    settings: DocumentSettings,
    /// What stands in the record.
    now: DocumentSettings,
    /// What stood there when the form was shown, where somebody else changed it since.
    before: Option<DocumentSettings>,
    /// Days that are no numbers, as they were typed.
    days: BTreeMap<&'static str, String>,
    error: Option<String>,
}

/// A field that somebody else changed.
struct OtherField {
    name: String,
    was: String,
    now: String,
}

impl SettingsPage {
    /// The settings that this form was made of, as it sends them back.
    fn shown(&self) -> String {
        serde_json::to_string(&self.now).unwrap_or_default()
    }

    /// What somebody else changed since the form was shown.
    fn others(&self) -> Vec<OtherField> {
        let Some(before) = &self.before else { return Vec::new() };
        let (Ok(Value::Object(was)), Ok(Value::Object(now))) =
            (serde_json::to_value(before), serde_json::to_value(&self.now))
        else {
            return Vec::new();
        };
        let differing = now.iter().filter(|(field, text)| was.get(*field) != Some(*text));
        let other = |(field, text): (&String, &Value)| OtherField {
            name: self.page_context.name("reports", field),
            was: was.get(field).map(plain).unwrap_or_default(),
            now: plain(text),
        };
        differing.map(other).collect()
    }

    /// Days as they are typed: also those that are no number.
    fn typed_days(&self, field: &str, days: &u32) -> String {
        self.days.get(field).cloned().unwrap_or_else(|| Self::days(days))
    }

    fn signers(&self) -> Vec<Signer> {
        let free = std::iter::repeat_with(Signer::default).take(FREE_ROWS);
        self.settings.signers.iter().cloned().chain(free).collect()
    }

    const fn authorities() -> [SignAuthority; 5] {
        SignAuthority::ALL
    }

    fn days(days: &u32) -> String {
        if *days == 0 { String::new() } else { days.to_string() }
    }
}

/// A value of settings as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let filled = fields.values().map(plain).filter(|text| !text.is_empty());
            filled.collect::<Vec<_>>().join(", ")
        }
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn number(field: &str, text: &str) -> Result<u32, CommandError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let english = format!("{field}: found {text:?}; allowed is a number of days");
        let args = [("field", Word::named("reports", field)), ("found", Word::text(text))];
        RefusalReason::new("report-refused-days-number", args, english).invalid()
    })
}

/// The form as it was sent; a signer's fields have its place in their names, and one without a title is left out.
fn read(form: &BTreeMap<String, String>) -> Result<DocumentSettings, CommandError> {
    let text = |name: &str| form.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
    let mut signers = Vec::new();
    for place in 0.. {
        let of = |part: &str| text(&format!("{part}{place}"));
        if !form.contains_key(&format!("title{place}")) {
            break;
        }
        let signer = Signer {
            authority: SignAuthority::parse(&of("authority")).unwrap_or_default(),
            for_body: of("for_body"),
            head: of("head"),
            title: of("title"),
            name: of("name"),
        };
        if !(signer.title.is_empty() && signer.name.is_empty()) {
            signers.push(signer);
        }
    }
    Ok(DocumentSettings {
        parent: text("parent"),
        agency: text("agency"),
        abbreviation: text("abbreviation"),
        place: text("place"),
        contact: text("contact"),
        signers,
        addressees: lines(&text("addressees")),
        recipients: lines(&text("recipients")),
        unit: text("unit"),
        mend_days: number("mend_days", &text("mend_days"))?,
        quarter_due_days: number("quarter_due_days", &text("quarter_due_days"))?,
    })
}

/// Fields that hold a number of days.
const DAYS: [&str; 2] = ["mend_days", "quarter_due_days"];

/// Takes out the days that are no numbers, so that what was typed beside them can be read.
fn take_wrong_days(form: &mut BTreeMap<String, String>) -> BTreeMap<&'static str, String> {
    let wrong = DAYS.into_iter().filter(|name| form.get(*name).is_some_and(|text| number(name, text.trim()).is_err()));
    let wrong: Vec<&'static str> = wrong.collect();
    wrong.into_iter().filter_map(|name| Some((name, form.remove(name)?))).collect()
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    if let Err(problem) = everywhere(&person) {
        return Err(Failure::new(page_context, problem));
    }
    match app.read(&person.scope, |reader| reader.document_settings()).await {
        Ok(now) => {
            let (settings, before, days) = (now.clone(), None, BTreeMap::new());
            Ok(show_again(&SettingsPage { page_context, settings, now, before, days, error: None }, false))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn change(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(pairs): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let mut form: BTreeMap<String, String> = pairs.into_iter().collect();
    let shown = form.remove(SHOWN).and_then(|text| serde_json::from_str::<DocumentSettings>(&text).ok());
    let found = read(&form);
    let days = take_wrong_days(&mut form);
    let (settings, refused) = match found {
        Ok(settings) => {
            let seen = shown.as_ref().map(DocumentSettings::version).unwrap_or_default();
            let actor = person.name.clone();
            let command = Command::SetDocumentSettings { settings: Box::new(settings.clone()), seen, actor };
            (settings, app.carry_out(&person, command).await.err())
        }
        // All that was typed stays in the form, what is no number too.
        Err(error) => (read(&form).unwrap_or_default(), Some(error)),
    };
    let Some(error) = refused else { return Ok(Redirect::to("/reports/settings").into_response()) };
    let now = match app.read(&person.scope, |reader| reader.document_settings()).await {
        Ok(now) => now,
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let error = Some(refusal_text(&page_context, &error));
    let before = shown.filter(|shown| *shown != now);
    Ok(show_again(&SettingsPage { page_context, settings, now, before, days, error }, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_signers_row_by_row() {
        let form = [
            ("agency", " Trung tâm "),
            ("recipients", "Như trên\n\nLưu: VT\n"),
            ("title0", "Phó Giám đốc"),
            ("authority0", "deputy"),
            ("head0", "Giám đốc"),
            ("name0", "Nguyễn Văn A"),
            ("title1", ""),
            ("title2", "Giám đốc"),
            ("mend_days", "30"),
        ];
        let form: BTreeMap<String, String> =
            form.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        let settings = read(&form).expect("good");
        assert_eq!(settings.agency, "Trung tâm");
        assert_eq!(settings.recipients, ["Như trên", "Lưu: VT"]);
        assert_eq!((settings.mend_days, settings.quarter_due_days), (30, 0));
        let signers: Vec<(&str, SignAuthority)> =
            settings.signers.iter().map(|one| (one.title.as_str(), one.authority)).collect();
        assert_eq!(signers, [("Phó Giám đốc", SignAuthority::Deputy), ("Giám đốc", SignAuthority::Own)]);
        let wrong = BTreeMap::from([("mend_days".to_owned(), "soon".to_owned())]);
        assert!(read(&wrong).is_err_and(|error| error.to_string().starts_with("mend_days:")));
        let mut typed = BTreeMap::from([
            ("agency".to_owned(), "Trung tâm".to_owned()),
            ("mend_days".to_owned(), "soon".to_owned()),
        ]);
        let days = take_wrong_days(&mut typed);
        assert_eq!(days.get("mend_days").map(String::as_str), Some("soon"), "it stays in the form");
        assert_eq!(read(&typed).expect("good").agency, "Trung tâm", "and what was typed beside it");
    }
}
