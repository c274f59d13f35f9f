//! In which language someone reads, and the button that changes it.

use axum::Form;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use ioc_common::language::Language;
use serde::Deserialize;

use crate::cookie::{cookie, set_cookie};

const LANGUAGE_COOKIE: &str = "__Host-ioc-language";

pub(crate) fn language_of(headers: &HeaderMap, default: Language) -> Language {
    cookie(headers, LANGUAGE_COOKIE).and_then(|code| Language::from_code(&code)).unwrap_or(default)
}

#[derive(Debug, Deserialize)]
pub(crate) struct LanguageForm {
    language: String,
}

/// The page that shows what a form was sent to: where only a form goes, it stands on the page above.
fn page_of(path: &str) -> &str {
    let forms = ["/duty", "/accounts", "/account", "/maintenance", "/login"];
    // These are pages of their own.
    let own = ["/duty/calendar", "/duty/who", "/duty/answer/", "/duty/plan"];
    if own.into_iter().any(|page| path.starts_with(page)) {
        return path;
    }
    let path = ["/duty/turns", "/duty/feeds"].into_iter().find(|page| path.starts_with(page)).unwrap_or(path);
    if matches!(path, "/duty/turns" | "/duty/feeds") {
        return path;
    }
    let above = forms.into_iter().find(|page| path.strip_prefix(page).is_some_and(|rest| rest.starts_with('/')));
    let path = path.strip_suffix("/remarks").unwrap_or(path);
    above.unwrap_or(if matches!(path, "/devices/views" | "/devices/many") { "/devices" } else { path })
}

/// The page of ours on which something was pressed, as the browser tells; none where it was elsewhere, or it does not say.
pub(crate) fn referring_page(headers: &HeaderMap) -> Option<String> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let from = text(header::REFERER)?.parse::<Uri>().ok()?;
    let is_ours = from.authority().map(axum::http::uri::Authority::as_str) == text(header::HOST);
    let path = from.path_and_query()?.as_str();
    (is_ours && path.starts_with('/') && !path.starts_with("//")).then(|| page_of(path).to_owned())
}

pub(crate) async fn choose(headers: HeaderMap, Form(form): Form<LanguageForm>) -> Response {
    let language = Language::from_code(&form.language).unwrap_or_default().as_str();
    // Back to the page of ours that it was pressed on, and to nowhere else.
    let back = referring_page(&headers).unwrap_or_else(|| "/".to_owned());
    ([(header::SET_COOKIE, set_cookie(LANGUAGE_COOKIE, language, 31_536_000))], Redirect::to(&back)).into_response()
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn the_other_language_leads_back_to_a_page() {
        for (from, back) in [
            ("/incidents/7?x=1", "/incidents/7?x=1"),
            ("/duty/covers", "/duty"),
            ("/duty/calendar?month=2026-12", "/duty/calendar?month=2026-12"),
            ("/duty/turns/7/answer", "/duty/turns"),
            ("/duty/feeds", "/duty/feeds"),
            ("/devices/views", "/devices"),
            ("/devices/srv-01/remarks", "/devices/srv-01"),
            ("/devices/srv-01", "/devices/srv-01"),
            ("/login/code", "/login"),
        ] {
            assert_eq!(page_of(from), back);
        }
    }
}
