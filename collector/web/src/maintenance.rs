//! Maintenance windows and freezes as a page and in the API (article 11).

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::{Form, Json};
use serde::Deserialize;

use ioc_common::clock::{self, Timestamp};
use ioc_common::id::DeviceId;
use ioc_judge::{DeviceKind, Scope, Window, WindowSchedule};

use crate::api::ApiResult;
use crate::api_types::{self, all};
use crate::app::App;
use crate::page::context::PageContext;
use crate::page::{Failure, PageResult, page_context, refusal_text, show_again};
use crate::person::Person;
use crate::problem::Problem;
use ioc_engine::command::{Command, CommandError};
use ioc_engine::config::Config;
use ioc_engine::refusal_field::Field;
use ioc_engine::refusal_reason::RefusalReason;
use ioc_store::scope::AccessScope;
use ioc_store::{Reader, StoreError};

/// Windows that are over are listed so long, milliseconds, and so many.
const OVER_MS: i64 = 92 * 86_400_000;
const OVER_MAX: usize = 50;

/// A form, as a person filled it in.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct WindowForm {
    title: String,
    devices: String,
    places: String,
    tags: String,
    kind: String,
    repeat: String,
    from: String,
    until: String,
    d1: Option<String>,
    d2: Option<String>,
    d3: Option<String>,
    d4: Option<String>,
    d5: Option<String>,
    d6: Option<String>,
    d7: Option<String>,
    at: String,
    minutes: String,
    freeze: Option<String>,
    overrule: Option<String>,
}

impl WindowForm {
    fn day(&self, day: &usize) -> bool {
        self.days().get(*day).is_some_and(|day| day.is_some())
    }

    fn days(&self) -> [&Option<String>; 8] {
        [&None, &self.d1, &self.d2, &self.d3, &self.d4, &self.d5, &self.d6, &self.d7]
    }

    fn window(&self, config: &Config) -> Result<Window, CommandError> {
        let list = |text: &str| -> Vec<String> {
            text.split([',', '\n']).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
        };
        let kinds = match self.kind.as_str() {
            "" => Vec::new(),
            kind => {
                let kinds = DeviceKind::ALL.map(DeviceKind::as_str).join(", ");
                vec![DeviceKind::parse(kind).ok_or_else(|| Field::Kind.allowed(kind, &kinds).invalid())?]
            }
        };
        let scope = Scope { kinds, devices: list(&self.devices), places: list(&self.places), tags: list(&self.tags) };
        let freeze = self.freeze.is_some();
        if scope == Scope::default() && !freeze {
            let english = "devices: say which devices are worked on";
            return Err(RefusalReason::new("refusal-window-devices", [], english).invalid());
        }
        let when = if self.repeat == "weekly" {
            WindowSchedule::Weekly {
                days: (1..=7_i8).filter(|day| self.day(&usize::from(day.unsigned_abs()))).collect(),
                at: self.at.clone(),
                minutes: self
                    .minutes
                    .trim()
                    .parse()
                    .map_err(|_| Field::Minutes.range(self.minutes.trim(), 1, 1440).invalid())?,
                zone: config.timezone.iana_name().unwrap_or("UTC").to_owned(),
                from: clock::now(),
            }
        } else {
            WindowSchedule::Once {
                from: parse_moment(Field::From, &self.from, config)?,
                until: parse_moment(Field::Until, &self.until, config)?,
            }
        };
        Ok(Window { id: 0, title: self.title.clone(), scope, when, freeze, who: String::new(), overruled: Vec::new() })
    }
}

/// A moment as browsers send it, in the site's time zone.
pub(crate) fn parse_moment(field: Field, text: &str, config: &Config) -> Result<Timestamp, CommandError> {
    let local = text.trim().parse::<jiff::civil::DateTime>().ok();
    let moment = local.and_then(|local| ioc_judge::local_time::instant(local, &config.timezone));
    moment.ok_or_else(|| field.moment(text.trim()).invalid())
}

/// A window as a row.
struct WindowRow {
    window: Window,
    open: bool,
    next: Option<(Timestamp, Timestamp)>,
    subject: String,
}

#[derive(Template)]
#[template(path = "maintenance.html")]
struct MaintenancePage {
    page_context: PageContext,
    rows: Vec<WindowRow>,
    /// Those that are over, the newest first, each with when it ended.
    over: Vec<(Window, Timestamp)>,
    form: WindowForm,
    error: Option<String>,
    /// What speaks against it can be overruled.
    can_overrule: bool,
    kinds: Vec<&'static str>,
}

/// The windows that touch what is within reach; devices and places that are not are left out of them, and so is what spoke against them.
pub(crate) fn visible_windows(reader: &dyn Reader, access: &AccessScope) -> Result<Vec<Window>, StoreError> {
    let mut windows = reader.windows()?;
    if access.is_everywhere() {
        return Ok(windows);
    }
    for window in &mut windows {
        // They may name what is not within reach.
        window.overruled.clear();
        let scope = &mut window.scope;
        let mut seen = Vec::new();
        for id in std::mem::take(&mut scope.devices) {
            let found = DeviceId::new(&id).ok().map(|id| reader.device(&id)).transpose()?.flatten();
            seen.push((id, found.is_some()));
        }
        let places = std::mem::take(&mut scope.places);
        // One that is about more than is within reach is about that, too.
        let touches = |of: &String| {
            access.holds(of)
                || access.places().iter().any(|place| AccessScope::of(std::slice::from_ref(of)).holds(place))
        };
        let hidden = (!seen.is_empty() && !seen.iter().any(|(_, sees)| *sees))
            || (!places.is_empty() && !places.iter().any(touches));
        scope.devices = seen.into_iter().filter(|(_, sees)| *sees).map(|(id, _)| id).collect();
        scope.places = places.into_iter().filter(touches).collect();
        // What is not for them has no number.
        if hidden {
            window.id = 0;
        }
    }
    windows.retain(|window| window.id != 0);
    Ok(windows)
}

async fn render(app: &App, page_context: PageContext, form: WindowForm, error: Option<&CommandError>) -> PageResult {
    let now = page_context.now;
    let access = page_context.scope.clone();
    let found = app.read(&page_context.scope, move |reader| {
        // What is over names what was planned: it is for whoever reaches everywhere.
        let since = now.plus_millis(-OVER_MS);
        let mut over = if access.is_everywhere() { reader.windows_over(since)? } else { Vec::new() };
        over.retain(|(window, _)| !window.freeze);
        over.reverse();
        over.truncate(OVER_MAX);
        Ok((visible_windows(reader, &access)?, over))
    });
    match found.await {
        Ok((windows, over)) => {
            let row = |window: Window| {
                let scope = &window.scope;
                let kinds = scope.kinds.iter().map(|kind| page_context.name("kind", kind.as_str()));
                let tags = scope.tags.iter().map(|tag| format!("#{tag}"));
                let all = scope.devices.iter().cloned().chain(scope.places.iter().cloned()).chain(tags).chain(kinds);
                let subject = all.collect::<Vec<_>>().join(", ");
                WindowRow { open: window.open_until(now).is_some(), next: window.next(now), subject, window }
            };
            let mut rows: Vec<WindowRow> = windows.into_iter().map(row).collect();
            rows.sort_by_key(|row| row.next);
            let text = error.map(|error| refusal_text(&page_context, error));
            let can_overrule = matches!(error, Some(CommandError::Warned(_)));
            let kinds = DeviceKind::ALL.map(DeviceKind::as_str).to_vec();
            let refused = text.is_some();
            Ok(show_again(
                &MaintenancePage { page_context, rows, over, form, error: text, can_overrule, kinds },
                refused,
            ))
        }
        Err(problem) => Err(Failure::new(page_context, problem)),
    }
}

pub(crate) async fn page(State(app): State<App>, person: Person, headers: HeaderMap) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    render(&app, page_context, WindowForm::default(), None).await
}

pub(crate) async fn plan(
    State(app): State<App>,
    person: Person,
    headers: HeaderMap,
    Form(form): Form<WindowForm>,
) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    let planned = match form.window(&app.config()) {
        Ok(window) => {
            let overrule = form.overrule.is_some();
            app.carry_out(&person, Command::PlanWindow { window, overrule, actor: person.name.clone() }).await
        }
        Err(error) => Err(error),
    };
    match planned {
        Ok(_) => Ok(Redirect::to("/maintenance").into_response()),
        Err(error) => render(&app, page_context, form, Some(&error)).await,
    }
}

pub(crate) async fn end(State(app): State<App>, person: Person, headers: HeaderMap, Path(id): Path<u64>) -> PageResult {
    let page_context = page_context(&app, &person, &headers);
    match app.carry_out(&person, Command::EndWindow { id, actor: person.name.clone() }).await {
        Ok(_) => Ok(Redirect::to("/maintenance").into_response()),
        Err(error) => Err(Failure::new(page_context, error.into())),
    }
}

pub(crate) async fn api_list(State(app): State<App>, person: Person) -> ApiResult<Vec<api_types::maintenance::Window>> {
    let access = person.scope.clone();
    Ok(Json(all(app.read(&person.scope, move |reader| visible_windows(reader, &access)).await?)))
}

/// A window as the API takes it.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowBody {
    title: String,
    #[serde(default)]
    scope: api_types::maintenance::Scope,
    when: api_types::maintenance::When,
    #[serde(default)]
    freeze: bool,
    #[serde(default)]
    overrule: bool,
}

pub(crate) async fn api_plan(
    State(app): State<App>,
    person: Person,
    Json(body): Json<WindowBody>,
) -> Result<StatusCode, Problem> {
    let WindowBody { title, scope, when, freeze, overrule } = body;
    let (scope, when) = (scope.into(), when.into());
    let window = Window { id: 0, title, scope, when, freeze, who: String::new(), overruled: Vec::new() };
    app.carry_out(&person, Command::PlanWindow { window, overrule, actor: person.name.clone() }).await?;
    Ok(StatusCode::CREATED)
}

pub(crate) async fn api_end(
    State(app): State<App>,
    person: Person,
    Path(id): Path<u64>,
) -> Result<StatusCode, Problem> {
    app.carry_out(&person, Command::EndWindow { id, actor: person.name.clone() }).await?;
    Ok(StatusCode::NO_CONTENT)
}
