//! What the centre says of itself in documents: agencies, place, who signs and who gets them (Decree 30/2020). On record, with old and new in the audit log.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};

use super::everywhere;
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use ioc_engine::command::{Command, CommandError};
use ioc_store::report::{DocumentSettings, SignAuthority, Signer};

/// Rows for signers that the form has beside those that are there.
const FREE_ROWS: usize = 2;

#[derive(Template)]
#[template(path = "report-settings.html")]
struct SettingsPage {
    page_context: PageContext,
    settings: DocumentSettings,
    error: Option<String>,
}

impl SettingsPage {
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

fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

fn number(field: &str, text: &str) -> Result<u32, CommandError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| CommandError::Invalid(format!("{field}: found {text:?}; allowed is a number of days")))
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

fn without_wrong_numbers(mut form: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for name in ["mend_days", "quarter_due_days"] {
        if form.get(name).is_some_and(|text| number(name, text.trim()).is_err()) {
            form.remove(name);
        }
    }
    form
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    if let Err(problem) = everywhere(&person) {
        return Err(Failure::new(page_context, problem));
    }
    match app.read(&person.scope, |reader| reader.document_settings()).await {
        Ok(settings) => Ok(show_again(&SettingsPage { page_context, settings, error: None }, false)),
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
    let form: BTreeMap<String, String> = pairs.into_iter().collect();
    let (settings, refused) = match read(&form) {
        Ok(settings) => {
            let command =
                Command::SetDocumentSettings { settings: Box::new(settings.clone()), actor: person.name.clone() };
            (settings, app.carry_out(&person, command).await.err())
        }
        // What was typed stays; only the number that is none is as it was.
        Err(error) => (read(&without_wrong_numbers(form)).unwrap_or_default(), Some(error)),
    };
    match refused {
        None => Ok(Redirect::to("/reports/settings").into_response()),
        Some(error) => {
            let error = Some(refusal_text(&page_context, &error));
            Ok(show_again(&SettingsPage { page_context, settings, error }, true))
        }
    }
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
        let typed = BTreeMap::from([
            ("agency".to_owned(), "Trung tâm".to_owned()),
            ("mend_days".to_owned(), "soon".to_owned()),
        ]);
        let shown = read(&without_wrong_numbers(typed)).expect("good");
        assert_eq!(shown.agency, "Trung tâm", "what was typed beside it stays in the form");
    }
}
