//! A room's floor plan: its picture, devices in their places on it, and the form by which both are set. A picture is served as what it was found to be, and as
//! nothing else.

use askama::Template;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Form, FromRequest as _, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use ioc_common::id::DeviceId;

use crate::api::ApiResult;
use crate::app::App;
use crate::device::row::{DeviceRow, rows_of};
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, multipart, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use crate::tone::Tone;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_store::floor::{
    FLOOR_DEVICES_MAX, FLOOR_EDGE, FLOOR_PICTURE_MAX_BYTES, FloorPlace, FloorPlan, PictureFormat, picture_of,
};
use ioc_store::template::percent_encoded;
use ioc_store::{DeviceQuery, DeviceSort, Reader, StoreError, place};

/// A picture and what is sent around it.
pub(crate) const UPLOAD_MAX_BYTES: usize = FLOOR_PICTURE_MAX_BYTES + 64 * 1024;
/// A form with a place for each device of a room.
pub(crate) const FORM_MAX_BYTES: usize = 256 * 1024;
/// How wide the drawing is in its own units.
const WIDTH: u32 = 1_000;

/// Which room.
#[derive(Debug, Default, Clone, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct RoomQuery {
    room: String,
}

/// A device on the drawing.
pub(crate) struct Marker {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) state: &'static str,
    /// In the drawing's own units.
    pub(crate) x: u32,
    pub(crate) y: u32,
    /// Its name stands to the left of it: there is no room to the right.
    pub(crate) is_right: bool,
}

/// A room's picture with devices on it, ready to be drawn.
pub(crate) struct FloorDrawing {
    pub(crate) picture: String,
    pub(crate) height: u32,
    pub(crate) markers: Vec<Marker>,
}

/// The drawing of a plan, of the devices that stand in the room now; none without a picture.
pub(crate) fn drawing(plan: &FloorPlan, rows: &[DeviceRow]) -> Option<FloorDrawing> {
    let picture = plan.picture.as_ref()?;
    let height = (u64::from(WIDTH) * u64::from(picture.height) / u64::from(picture.width.max(1))).clamp(1, 20_000);
    let height = u32::try_from(height).unwrap_or(WIDTH);
    let edge = u32::from(FLOOR_EDGE);
    let marker = |one: &FloorPlace| {
        let row = rows.iter().find(|row| row.record.info.id == one.device)?;
        Some(Marker {
            id: one.device.to_string(),
            name: row.record.info.name.clone(),
            tone: row.tone,
            state: row.state_key(),
            x: u32::from(one.x) * WIDTH / edge,
            y: u32::from(one.y) * height / edge,
            is_right: one.x > FLOOR_EDGE * 3 / 4,
        })
    };
    let address = format!(
        "/plan/floor/picture?room={}&v={}",
        percent_encoded(&plan.room),
        &picture.sha256[..12.min(picture.sha256.len())]
    );
    Some(FloorDrawing { picture: address, height, markers: plan.places.iter().filter_map(marker).collect() })
}

/// A device of the room in the form.
struct PlacedRow {
    id: String,
    name: String,
    rack: String,
    x: String,
    y: String,
}

#[derive(Template)]
#[template(path = "floor-plan.html")]
struct FloorPage {
    page_context: PageContext,
    room: String,
    version: u64,
    floor: Option<FloorDrawing>,
    rows: Vec<PlacedRow>,
    is_editable: bool,
    error: Option<String>,
}

/// The plan of a room and the devices that stand in it; none where whoever asks sees nothing of it.
fn read_room(
    reader: &dyn Reader,
    room: &str,
    now: ioc_common::clock::Timestamp,
) -> Result<Option<(FloorPlan, Vec<DeviceRow>)>, StoreError> {
    let in_room = |found: &str| place::parts(found).0 == room;
    let mut places: Vec<String> =
        reader.places_by_state()?.into_iter().map(|found| found.place).filter(|found| in_room(found)).collect();
    places.sort();
    places.dedup();
    if room.is_empty() || places.is_empty() {
        return Ok(None);
    }
    let query = DeviceQuery { places, sort: DeviceSort::Name, limit: FLOOR_DEVICES_MAX, ..DeviceQuery::default() };
    let rows = rows_of(&query, reader, now)?;
    let none = || FloorPlan { room: room.to_owned(), version: 0, picture: None, places: Vec::new() };
    Ok(Some((reader.floor_plan(room)?.unwrap_or_else(none), rows)))
}

/// A place in percent, as people write it.
fn percent(page_context: &PageContext, at: u16) -> String {
    page_context.decimal(&(f64::from(at) / 10.0), 1)
}

async fn render(
    app: &App,
    page_context: PageContext,
    (room, typed): (String, Vec<(String, String, String)>),
    error: Option<String>,
) -> PageResult {
    let (now, asked) = (page_context.now, room.clone());
    let found = app.read(&page_context.scope, move |reader| read_room(reader, &asked, now)).await;
    let (plan, rows) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Err(Failure::not_found(page_context)),
        Err(problem) => return Err(Failure::new(page_context, problem)),
    };
    let row = |row: &DeviceRow| {
        let info = &row.record.info;
        let kept = plan.places.iter().find(|one| one.device == info.id);
        let mut at =
            kept.map_or_else(Default::default, |one| (percent(&page_context, one.x), percent(&page_context, one.y)));
        // What was typed stays when it was refused.
        if let Some((_, x, y)) = typed.iter().find(|(device, ..)| device == info.id.as_str()) {
            at = (x.clone(), y.clone());
        }
        let rack = place::parts(&info.place).1.to_owned();
        PlacedRow { id: info.id.to_string(), name: info.name.clone(), rack, x: at.0, y: at.1 }
    };
    let (rows, floor) = (rows.iter().map(row).collect(), drawing(&plan, &rows));
    let refused = error.is_some();
    let is_editable = page_context.may_plan();
    Ok(show_again(&FloorPage { page_context, room, version: plan.version, floor, rows, is_editable, error }, refused))
}

/// The form.
pub(crate) async fn page(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<RoomQuery>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, (query.room, Vec::new()), None).await
}

fn unreadable() -> CommandError {
    RefusalReason::new("refusal-floor-form", [], "the form is not whole; send it again").invalid()
}

/// A picture by a form with a file.
async fn picture_form(request: Request) -> Result<(String, Vec<u8>), CommandError> {
    let boundary = multipart::boundary(request.headers()).ok_or_else(unreadable)?;
    let body = Bytes::from_request(request, &()).await.map_err(|_| {
        let most = FLOOR_PICTURE_MAX_BYTES >> 20;
        let english = format!("the file is too large; allowed are {most} MiB");
        RefusalReason::new("refusal-floor-large", [("most", Word::count(most))], english).invalid()
    })?;
    let (mut room, mut content) = (String::new(), Vec::new());
    for field in multipart::fields(&body, &boundary).ok_or_else(unreadable)? {
        match field.name.as_str() {
            "room" => room = String::from_utf8_lossy(field.content).into_owned(),
            "file" => content = field.content.to_vec(),
            _ => {}
        }
    }
    Ok((room, content))
}

/// A new picture.
pub(crate) async fn upload(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Query(query): Query<RoomQuery>,
    request: Request,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let done = match picture_form(request).await {
        Ok((room, content)) => {
            let command = Command::SetFloorPicture { room, content, actor: person.name.clone() };
            app.carry_out(&person, command).await.map(drop)
        }
        Err(error) => Err(error),
    };
    back(&app, page_context, (query.room, Vec::new()), done).await
}

async fn back(
    app: &App,
    page_context: PageContext,
    (room, typed): (String, Vec<(String, String, String)>),
    done: Result<(), CommandError>,
) -> PageResult {
    match done {
        Ok(()) => Ok(Redirect::to(&format!("/plan/floor?room={}", percent_encoded(&room))).into_response()),
        Err(error) => {
            let text = refusal_text(&page_context, &error);
            render(app, page_context, (room, typed), Some(text)).await
        }
    }
}

/// A place as somebody typed it, percent: `12,5` or `12.5`.
fn typed_percent(text: &str) -> Option<u16> {
    let number: f64 = text.trim().trim_end_matches('%').trim_end().replace(',', ".").parse().ok()?;
    // The range was looked at: nothing is cut off.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 1000")]
    (0.0..=100.0).contains(&number).then(|| (number * 10.0).round() as u16)
}

/// The rows of the form; a device without both numbers is not on the plan.
fn places_of(typed: &[(String, String, String)]) -> Result<Vec<FloorPlace>, CommandError> {
    let mut places = Vec::new();
    for (device, x, y) in typed {
        if x.trim().is_empty() && y.trim().is_empty() {
            continue;
        }
        let device = DeviceId::new(device).map_err(|_| unreadable())?;
        let (Some(x), Some(y)) = (typed_percent(x), typed_percent(y)) else {
            let english = format!("{device}: allowed are two numbers from 0 to 100, or none");
            let args = [("device", Word::text(device.to_string()))];
            return Err(RefusalReason::new("refusal-floor-number", args, english).invalid());
        };
        places.push(FloorPlace { device, x, y });
    }
    Ok(places)
}

/// Where devices stand, by a form: `device`, `x` and `y` for each.
pub(crate) async fn submit(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let (mut room, mut version, mut typed) = (String::new(), 0, Vec::new());
    for (name, value) in fields {
        match (name.as_str(), typed.last_mut()) {
            ("room", _) => room = value,
            ("version", _) => version = value.parse().unwrap_or(0),
            ("device", _) => typed.push((value, String::new(), String::new())),
            ("x", Some((_, x, _))) => *x = value,
            ("y", Some((_, _, y))) => *y = value,
            _ => {}
        }
    }
    let done = match places_of(&typed) {
        Ok(places) => {
            let actor = person.name.clone();
            let command = Command::PlaceOnFloor { room: room.clone(), version, places, actor };
            app.carry_out(&person, command).await.map(drop)
        }
        Err(error) => Err(error),
    };
    back(&app, page_context, (room, typed), done).await
}

/// The picture of a room, as what it was found to be.
pub(crate) async fn picture(
    State(app): State<App>,
    person: Person,
    Query(query): Query<RoomQuery>,
) -> Result<Response, Problem> {
    let room = query.room;
    let is_within = person.scope.holds(&room);
    let found =
        app.read(&person.scope, move |reader| if is_within { reader.floor_picture(&room) } else { Ok(None) }).await?;
    let known = found.and_then(|content| picture_of(&content).map(|(format, ..)| (format, content)));
    let (format, content): (PictureFormat, Vec<u8>) =
        known.ok_or_else(|| Problem::from(RefusalReason::no_file().not_found()))?;
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CONTENT_DISPOSITION, "inline; filename=\"floor-plan\""),
        (header::CACHE_CONTROL, "private, max-age=3600"),
    ];
    Ok((headers, content).into_response())
}

/// A device on a plan, in the API.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceItem {
    device: String,
    /// From the left of the picture, %.
    x: f64,
    /// From its top, %.
    y: f64,
}

/// The plan of a room, in the API.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(crate) struct FloorAnswer {
    room: String,
    version: u64,
    /// The digest of its picture; not said where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    places: Vec<PlaceItem>,
}

pub(crate) async fn api_get(
    State(app): State<App>,
    person: Person,
    Query(query): Query<RoomQuery>,
) -> ApiResult<FloorAnswer> {
    let now = ioc_common::clock::now();
    let found = app.read(&person.scope, move |reader| read_room(reader, &query.room, now)).await?;
    let missing = || {
        let args = [("which", Word::text("room"))];
        RefusalReason::new("refusal-thing-missing", args, "there is no such room with devices").not_found()
    };
    let (plan, rows) = found.ok_or_else(missing)?;
    let is_here = |one: &&FloorPlace| rows.iter().any(|row| row.record.info.id == one.device);
    let item = |one: &FloorPlace| PlaceItem {
        device: one.device.to_string(),
        x: f64::from(one.x) / 10.0,
        y: f64::from(one.y) / 10.0,
    };
    Ok(Json(FloorAnswer {
        places: plan.places.iter().filter(is_here).map(item).collect(),
        room: plan.room,
        version: plan.version,
        picture: plan.picture.map(|picture| picture.sha256),
    }))
}

/// Where devices stand, in the version that was seen.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FloorBody {
    room: String,
    version: u64,
    places: Vec<PlaceItem>,
}

pub(crate) async fn api_put(
    State(app): State<App>,
    person: Person,
    Json(body): Json<FloorBody>,
) -> Result<StatusCode, Problem> {
    let row = |one: PlaceItem| (one.device, one.x.to_string(), one.y.to_string());
    let places = places_of(&body.places.into_iter().map(row).collect::<Vec<_>>())?;
    let command = Command::PlaceOnFloor { room: body.room, version: body.version, places, actor: person.name.clone() };
    app.carry_out(&person, command).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A room's picture: the body is its content.
pub(crate) async fn api_picture(
    State(app): State<App>,
    person: Person,
    Query(query): Query<RoomQuery>,
    content: Bytes,
) -> Result<StatusCode, Problem> {
    let (room, content) = (query.room, content.to_vec());
    app.carry_out(&person, Command::SetFloorPicture { room, content, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_typed_with_either_decimal_sign_and_only_on_the_picture() {
        let all = ["12,5", "12.5", " 100 % ", "0", "100.1", "-1", "x", "NaN", "inf", ""].map(typed_percent);
        assert_eq!(all, [Some(125), Some(125), Some(1000), Some(0), None, None, None, None, None, None]);
        let typed = |x: &str, y: &str| [("srv-1".to_owned(), x.to_owned(), y.to_owned())];
        assert!(places_of(&typed("", " ")).is_ok_and(|places| places.is_empty()), "it is not on the plan");
        assert!(places_of(&typed("5", "")).is_err());
        assert!(places_of(&[("../x".to_owned(), "1".to_owned(), "1".to_owned())]).is_err());
    }
}
