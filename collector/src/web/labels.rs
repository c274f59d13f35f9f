//! Labels for assets: a sheet of A4 or one, each with a code that opens the device's page.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use qrcode::{Color, EcLevel, QrCode};

use ioc_common::id::DeviceId;

use super::App;
use super::auth::Person;
use super::fleet::ListAddress;
use super::pages::{Failure, Paged, chrome, show};
use super::problem::Problem;
use super::view::Chrome;
use crate::inventory::DeviceRecord;
use crate::store::DeviceQuery;

/// Labels in one go: twenty sheets.
const LABELS_MAX: usize = 480;

/// One label.
struct Label {
    name: String,
    label: String,
    place: String,
    officer: String,
    /// What is written below the code.
    id: String,
    code: Code,
}

/// A code as a path of squares.
struct Code {
    /// Modules on a side, with the quiet zone that readers need.
    side: usize,
    path: String,
}

/// Modules that stay empty around a code (ISO/IEC 18004).
const QUIET: usize = 4;

fn code_of(text: &str) -> Option<Code> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (place, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path += &format!("M{} {}h1v1h-1z", place % width + QUIET, place / width + QUIET);
        }
    }
    Some(Code { side: width + 2 * QUIET, path })
}

#[derive(Template)]
#[template(path = "labels.html")]
struct LabelsPage {
    chrome: Chrome,
    labels: Vec<Label>,
    /// One label, in its own size.
    single: bool,
    /// There are more devices than labels in one go.
    cut: bool,
    places: Vec<String>,
    address: ListAddress,
}

fn label_of(record: &DeviceRecord, url: &str) -> Option<Label> {
    let info = &record.info;
    let code = code_of(&format!("{}/devices/{}", url.trim_end_matches('/'), info.id))?;
    Some(Label {
        name: info.name.clone(),
        label: info.label.clone(),
        place: info.place.clone(),
        officer: info.officer.clone(),
        id: info.id.to_string(),
        code,
    })
}

/// Labels of the devices that an address of the list of devices means.
pub(super) async fn sheet(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(address): Query<ListAddress>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let query = DeviceQuery { skip: 0, limit: LABELS_MAX + 1, ..address.query() };
    let url = app.config().web_url.clone();
    let found = app.read(move |reader| Ok((reader.devices(&query)?, reader.places()?))).await;
    match found {
        Ok((records, places)) => {
            let cut = records.len() > LABELS_MAX;
            let labels = records.iter().take(LABELS_MAX).filter_map(|record| label_of(record, &url)).collect();
            Ok(show(&LabelsPage { chrome, labels, single: false, cut, places, address }))
        }
        Err(problem) => Err(Failure::new(chrome, problem)),
    }
}

/// One label.
pub(super) async fn single(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Paged {
    let chrome = chrome(&app, &person, &headers);
    let Ok(id) = DeviceId::new(&id) else { return Err(Failure::not_found(chrome)) };
    let url = app.config().web_url.clone();
    match app.read(move |reader| reader.device(&id)).await {
        Ok(Some(record)) => match label_of(&record, &url) {
            Some(label) => {
                let (places, address) = (Vec::new(), ListAddress::default());
                Ok(show(&LabelsPage { chrome, labels: vec![label], single: true, cut: false, places, address }))
            }
            None => Err(Failure::new(chrome, Problem::internal("the address of the page is too long for a code"))),
        },
        Ok(None) => Err(Failure::not_found(chrome)),
        Err(problem) => Err(Failure::new(chrome, problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_finders_and_room_around() {
        let code = code_of("https://ioc.example/devices/srv-01").expect("fits");
        assert_eq!((code.side - 2 * QUIET - 17) % 4, 0, "sides of codes are 17 + 4 times the version");
        let end = code.side - QUIET - 1;
        for (x, y) in [(QUIET, QUIET), (end, QUIET), (QUIET, end)] {
            assert!(code.path.contains(&format!("M{x} {y}h1")), "{x} {y}");
        }
        assert!(!code.path.contains("M0 ") && code_of(&"x".repeat(5000)).is_none());
    }
}
