//! What stands around every page: its reader and their rights, and texts, times and numbers as they read them.

use fluent_bundle::FluentArgs;

use ioc_common::clock::{self, Timestamp};
use ioc_common::language::Language;
use ioc_judge::Scope;

use crate::app::App;
use crate::i18n::Texts;
use crate::person::Person;
use ioc_engine::health::Health;
use ioc_engine::writer::time::step_text;
use ioc_store::Right;
use ioc_store::scope::AccessScope;

/// Begins the name of whoever asks by the command line of this machine; the number of their user follows.
pub(crate) const LOCAL_ACTOR: &str = "local:";

/// What stands around every page.
pub(crate) struct PageContext {
    app: App,
    pub(crate) language: Language,
    pub(crate) site: String,
    /// The agencies that own and run it.
    pub(crate) agencies: Vec<String>,
    pub(crate) person: String,
    /// The path of what is asked for.
    path: String,
    /// What that person may do.
    rights: Vec<Right>,
    /// They are an administrator who has no second factor yet.
    pub(crate) second_factor_advised: bool,
    /// The places where that person may look and act.
    pub(crate) scope: AccessScope,
    /// Only the inside is asked for, to be put into a page that stands.
    pub(crate) fragment: bool,
    pub(crate) now: Timestamp,
}

impl PageContext {
    pub(crate) fn new(app: &App, language: Language, person: &str, fragment: bool) -> Self {
        Self {
            app: app.clone(),
            language,
            site: app.config().site_name.clone(),
            agencies: app.config().agencies.clone(),
            person: person.to_owned(),
            path: String::new(),
            rights: Vec::new(),
            second_factor_advised: false,
            scope: AccessScope::EVERYWHERE,
            fragment,
            now: clock::now(),
        }
    }

    /// The same for this person.
    pub(crate) fn for_person(self, person: &Person) -> Self {
        let rights = Right::ALL.into_iter().filter(|right| person.may(*right)).collect();
        let (path, scope) = (person.path.clone(), person.scope.clone());
        Self { rights, path, second_factor_advised: person.second_factor_advised, scope, ..self }
    }

    /// Whether the page stands below one of these places of the navigation, which a space is between.
    pub(crate) fn is_at(&self, places: &str) -> bool {
        is_below(&self.path, places)
    }

    fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }

    /// Acknowledge incidents, write in them, repair and resolve: whether pages show what does so.
    pub(crate) fn may_handle(&self) -> bool {
        self.may(Right::Handle)
    }

    /// See who people are: accounts of machines, files that name whoever attested something.
    pub(crate) fn may_see_people(&self) -> bool {
        self.may(Right::Personal)
    }

    /// Plan and end maintenance windows.
    pub(crate) fn may_plan(&self) -> bool {
        self.may(Right::Plan)
    }

    /// Have people stand in, swap shifts, write in the duty book.
    pub(crate) fn may_lead_duty(&self) -> bool {
        self.may(Right::Duty)
    }

    /// Write, issue and register reports.
    pub(crate) fn may_report(&self) -> bool {
        self.may(Right::Report)
    }

    pub(crate) fn may_audit(&self) -> bool {
        self.may(Right::Audit)
    }

    /// Change accounts, tokens and devices, and what concerns the collector itself.
    pub(crate) fn may_administer(&self) -> bool {
        self.may(Right::Administer)
    }

    /// In which language it is; for templates, which hand on fields by reference.
    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    pub(crate) fn t(&self, key: &str) -> String {
        self.app.texts.get(self.language, key)
    }

    pub(crate) fn count(&self, key: &str, count: impl std::borrow::Borrow<u64>) -> String {
        let mut args = FluentArgs::new();
        args.set("count", *count.borrow());
        self.app.texts.with(self.language, key, &args)
    }

    /// A text with one argument.
    pub(crate) fn t_with(&self, key: &str, name: &str, value: String) -> String {
        let mut args = FluentArgs::new();
        args.set(name, value);
        self.app.texts.with(self.language, key, &args)
    }

    /// Who did something, as people read it: an account by its name, the command line of this machine in words.
    pub(crate) fn who(&self, actor: &str) -> String {
        match actor.strip_prefix(LOCAL_ACTOR) {
            Some(user) => self.t_with("actor-local", "user", user.to_owned()),
            None => actor.to_owned(),
        }
    }

    pub(crate) fn texts(&self) -> &Texts {
        &self.app.texts
    }

    pub(crate) fn health(&self) -> &Health {
        &self.app.health
    }

    /// What is wrong with the machine's clock, for everyone who is signed in.
    pub(crate) fn clock_warning(&self) -> Option<String> {
        if self.person.is_empty() {
            return None;
        }
        let state = self.health().clock();
        let key = if state.step_ms.is_some() { "clock-stepped" } else { "clock-doubted" };
        state.unconfirmed_ms().map(|by_ms| self.t_with(key, "by", step_text(by_ms)))
    }

    /// A moment to the second in the site's time zone, which stands below every page.
    pub(crate) fn local(&self, at: &Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(moment) => {
                let here = moment.to_zoned_datetime(self.app.config().timezone.clone());
                here.strftime("%d/%m/%Y %H:%M:%S").to_string()
            }
            Err(_) => at.to_string(),
        }
    }

    /// A moment in the site's time zone, which stands below every page; a day where it is no moment but a date.
    pub(crate) fn short(&self, at: &Timestamp) -> String {
        let format = if at.as_millis() % 86_400_000 == 0 { "%d/%m/%Y" } else { "%d/%m/%Y %H:%M" };
        let zone =
            if at.as_millis() % 86_400_000 == 0 { jiff::tz::TimeZone::UTC } else { self.app.config().timezone.clone() };
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(moment) => moment.to_zoned_datetime(zone).strftime(format).to_string(),
            Err(_) => at.to_string(),
        }
    }

    /// A moment to the minute, in the site's time zone, with its day of the week: for plans.
    pub(crate) fn minute(&self, at: &Timestamp) -> String {
        match jiff::Timestamp::from_millisecond(at.as_millis()) {
            Ok(moment) => {
                let here = moment.to_zoned_datetime(self.app.config().timezone.clone());
                let day = self.name("day", &here.weekday().to_monday_one_offset().to_string());
                format!("{day} {}", here.strftime("%d/%m/%Y %H:%M"))
            }
            Err(_) => at.to_string(),
        }
    }

    /// A moment as a person writes it into a field, in the site's time zone.
    pub(crate) fn moment_field(&self, at: &Timestamp) -> String {
        let here = |at: jiff::Timestamp| at.to_zoned_datetime(self.app.config().timezone.clone());
        let moment = jiff::Timestamp::from_millisecond(at.as_millis());
        moment.map(|at| here(at).strftime("%d/%m/%Y %H:%M").to_string()).unwrap_or_default()
    }

    /// A moment below a chart of this span, milliseconds.
    pub(crate) fn axis_label(&self, at: i64, span: i64) -> String {
        let format = match span / 3_600_000 {
            0..=26 => "%H:%M",
            27..=200 => "%d/%m %H:%M",
            201..=1000 => "%d/%m",
            _ => "%m/%Y",
        };
        let here = |moment: jiff::Timestamp| moment.to_zoned_datetime(self.app.config().timezone.clone());
        jiff::Timestamp::from_millisecond(at).map(|at| here(at).strftime(format).to_string()).unwrap_or_default()
    }

    /// A number as people of this language write it.
    pub(crate) fn decimal(&self, value: &f64, digits: usize) -> String {
        self.localized_number(format!("{value:.digits$}"))
    }

    /// A number that was written with a point, as people of this language write it.
    pub(crate) fn localized_number(&self, number: String) -> String {
        match self.language {
            Language::Vietnamese => number.replace('.', ","),
            Language::English => number,
        }
    }

    /// The site's time zone.
    pub(crate) fn zone(&self) -> String {
        self.app.config().timezone.iana_name().unwrap_or("UTC").to_owned()
    }

    /// How long ago, in words.
    pub(crate) fn ago(&self, at: &Timestamp) -> String {
        let seconds = self.now.millis_since(*at).max(0).unsigned_abs() / 1000;
        let (t, number) = match seconds {
            0..60 => (self.t_key("ago-seconds"), seconds),
            60..3600 => (self.t_key("ago-minutes"), seconds / 60),
            3600..86_400 => (self.t_key("ago-hours"), seconds / 3600),
            _ => (self.t_key("ago-days"), seconds / 86_400),
        };
        self.count(t, number)
    }

    /// A length of time in words, in its largest unit.
    pub(crate) fn duration(&self, ms: i64) -> String {
        let seconds = ms.max(0).unsigned_abs() / 1000;
        if seconds < 10 {
            // Whoever is texts within seconds wants to see the tenths.
            return format!("{} s", self.decimal(&(ms.max(0) as f64 / 1000.0), 1));
        }
        let (key, number) = match seconds {
            0..120 => (self.t_key("span-seconds"), seconds),
            120..7200 => (self.t_key("span-minutes"), seconds / 60),
            7200..172_800 => (self.t_key("span-hours"), seconds / 3600),
            _ => (self.t_key("span-days"), seconds / 86_400),
        };
        self.count(key, number)
    }

    /// Marks a key as used, for the test that finds unused texts.
    fn t_key(&self, key: &'static str) -> &'static str {
        debug_assert!(!self.t(key).is_empty());
        key
    }

    /// The word for a name that agents made: a document, a field, an event. What has no word is shown by its name.
    pub(crate) fn word(&self, family: &str, name: &str) -> String {
        let key = format!("{family}-{}", name.replace(['_', '.'], "-"));
        if self.app.texts.has(self.language, &key) { self.t(&key) } else { name.replace('_', " ") }
    }

    /// The text of a kind, a state or a severity.
    pub(crate) fn name(&self, family: &str, name: &str) -> String {
        self.t(&format!("{family}-{}", name.replace('_', "-")))
    }

    /// For whom something is; nothing when it is for everyone.
    pub(crate) fn scope_text(&self, scope: &Scope) -> String {
        let kinds = scope.kinds.iter().map(|kind| self.name("kind", kind.as_str()));
        let others = scope.devices.iter().chain(&scope.places).chain(&scope.tags).cloned();
        kinds.chain(others).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a path is one of these, or below it; the first page is above nothing.
fn is_below(path: &str, places: &str) -> bool {
    places.split(' ').any(|place| {
        let rest = path.strip_prefix(place);
        rest.is_some_and(|rest| rest.is_empty() || (place != "/" && rest.starts_with('/')))
    })
}

#[cfg(test)]
mod tests {
    use super::is_below;

    #[test]
    fn a_page_stands_below_its_place_in_the_navigation() {
        for (path, places, is) in [
            ("/", "/", true),
            ("/devices", "/", false),
            ("/devices/srv-01/history", "/devices /labels", true),
            ("/labels", "/devices /labels", true),
            ("/devices-of-others", "/devices", false),
            ("", "/", false),
        ] {
            assert_eq!(is_below(path, places), is, "{path} {places}");
        }
    }
}
