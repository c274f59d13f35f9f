//! What is asked of a search, and what of it is not understood: said in the language of whoever asks.

use std::fmt::Write as _;

use serde::Deserialize;

use ioc_common::clock::Timestamp;
use ioc_store::Right;
use ioc_store::search::{SearchKind, SearchQuery, TYPED_MAX_CHARS, WordsQuery};
use ioc_store::template::percent_encoded;

use crate::api::{device_id, number_of_cursor, page_limit};
use crate::app::App;
use crate::page::context::PageContext;
use crate::person::Person;
use crate::problem::Problem;

/// Longest piece of what was typed that is given back, characters.
const ECHO_MAX_CHARS: usize = 60;

/// What is asked.
#[derive(Debug, Clone, Default, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(crate) struct SearchForm {
    /// Words, `"phrases"`, beginnings (`từ*`), and what must not be there (`-từ`). With marks as written, without them however written.
    pub(super) q: String,
    /// Only this kind: `audit`, `event`, `fault`, `incident`, `step` or `notice`; of all that may be seen without it.
    pub(super) kind: String,
    /// From this moment on, or this day of the site's.
    pub(super) from: String,
    /// Before this moment, or up to the end of this day.
    pub(super) to: String,
    /// Done by this account.
    pub(super) actor: String,
    /// On this device, by its identifier.
    pub(super) device: String,
    /// About this article of the regulation, or a part of it, such as `7` or `7.1`.
    pub(super) article: String,
    /// What `next_cursor` gave.
    pub(super) cursor: String,
    /// At most so many records, 100 without it, 500 at most.
    pub(super) limit: Option<usize>,
}

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Kind,
    From,
    To,
    Device,
    Article,
    Cursor,
}

impl Field {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::From => "from",
            Self::To => "to",
            Self::Device => "device",
            Self::Article => "article",
            Self::Cursor => "cursor",
        }
    }
}

/// What was not understood.
#[derive(Debug)]
pub(super) struct Refused {
    field: Field,
    found: String,
}

impl Refused {
    fn new(field: Field, found: &str) -> Self {
        Self { field, found: found.chars().take(ECHO_MAX_CHARS).collect() }
    }

    /// For people.
    pub(super) fn text(&self, page_context: &PageContext) -> String {
        page_context.t_with(&format!("search-refused-{}", self.field.as_str()), "found", self.found.clone())
    }
}

/// For programs.
impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let Refused { field, found } = refused;
        let allowed = match field {
            Field::Kind => format!("allowed are {}", SearchKind::ALL.map(SearchKind::as_str).join(", ")),
            Field::From | Field::To => {
                "allowed is a day such as 2026-11-29, or a moment such as 2026-11-29T03:00:00Z".to_owned()
            }
            Field::Device => "allowed is an identifier of a device".to_owned(),
            Field::Article => "allowed is a number such as 7 or 7.1".to_owned(),
            Field::Cursor => "allowed is what next_cursor gave".to_owned(),
        };
        Self::invalid(format!("{}: found {found:?}; {allowed}", field.as_str()))
    }
}

/// A moment, or a day of the site's; `end` gives the end of that day.
fn moment(app: &App, field: Field, text: &str, end: bool) -> Result<Option<Timestamp>, Refused> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Some(at));
    }
    let day = text.parse::<jiff::civil::Date>().and_then(|day| {
        let day = if end { day.tomorrow()? } else { day };
        day.to_datetime(jiff::civil::Time::midnight()).to_zoned_datetime(app.config().timezone.clone())
    });
    let found = day.map_err(|_| Refused::new(field, text))?;
    Ok(Some(Timestamp::from_millis(found.timestamp().as_millisecond())))
}

impl SearchForm {
    /// What the store is asked for a person; names of people are not looked through yet.
    pub(super) fn query(&self, app: &App, person: &Person) -> Result<SearchQuery, Refused> {
        let may = |kind: &SearchKind| *kind != SearchKind::Audit || person.may(Right::Audit);
        let mut kinds: Vec<SearchKind> = SearchKind::ALL.into_iter().filter(may).collect();
        if !self.kind.is_empty() {
            let kind = SearchKind::parse(&self.kind).ok_or_else(|| Refused::new(Field::Kind, &self.kind))?;
            kinds.retain(|one| *one == kind);
        }
        let article = self.article.trim();
        if !article.is_empty() && !article.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(Refused::new(Field::Article, article));
        }
        let cursor = Some(self.cursor.as_str()).filter(|cursor| !cursor.is_empty());
        Ok(SearchQuery {
            words: WordsQuery::parse(&self.q),
            kinds,
            from: moment(app, Field::From, &self.from, false)?,
            until: moment(app, Field::To, &self.to, true)?,
            actor: self.actor.trim().chars().take(TYPED_MAX_CHARS).collect(),
            device: Some(self.device.trim())
                .filter(|id| !id.is_empty())
                .map(|id| device_id(id).map_err(|_| Refused::new(Field::Device, id)))
                .transpose()?,
            article: article.chars().take(20).collect(),
            personal: false,
            before: number_of_cursor(cursor).map_err(|_| Refused::new(Field::Cursor, &self.cursor))?,
            limit: page_limit(self.limit),
        })
    }

    /// The same in an address, without where it goes on.
    pub(super) fn address(&self) -> String {
        let fields = [
            ("q", &self.q),
            ("kind", &self.kind),
            ("from", &self.from),
            ("to", &self.to),
            ("actor", &self.actor),
            ("device", &self.device),
            ("article", &self.article),
        ];
        let mut text = String::new();
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(text, "{}{name}={}", if text.is_empty() { "" } else { "&" }, percent_encoded(value));
        }
        text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.address().is_empty()
    }
}
