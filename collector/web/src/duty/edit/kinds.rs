//! The forms of the duty plan, one for each sort of thing in it: what each asks for, and what it makes of the answers. Nothing is checked here: the text
//! that comes of it goes through the parser of the plan.

use ioc_judge::duty::calendar::date_of;
use ioc_judge::duty::public_holidays;
use ioc_judge::duty::written::{
    WrittenContact, WrittenDeadline, WrittenHoliday, WrittenLayer, WrittenPerson, WrittenPlan, WrittenPolicy,
    WrittenQuiet, WrittenRota, WrittenRoute, WrittenStep, WrittenTeam,
};
use ioc_judge::{DeviceKind, Scope, Severity};

use super::fields::{Fields, FormField, FormGroup, Shape};
use crate::page::context::PageContext;
use ioc_engine::config::Config;
use ioc_store::collation;

/// Empty rows at the end of a list.
const BLANK: usize = 2;
/// Fewest people of a layer, and targets of a step, that a form asks for.
const PLACES_MIN: usize = 3;

/// A sort of thing in the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    Team,
    Rota,
    Policy,
    Routes,
    Deadlines,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Person, Self::Team, Self::Rota, Self::Policy, Self::Routes, Self::Deadlines];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Team => "team",
            Self::Rota => "rota",
            Self::Policy => "policy",
            Self::Routes => "routes",
            Self::Deadlines => "deadlines",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// There is one list of it, and no single things with names.
    pub(super) const fn is_whole(self) -> bool {
        match self {
            Self::Routes | Self::Deadlines => true,
            Self::Person | Self::Team | Self::Rota | Self::Policy => false,
        }
    }
}

/// A name as an identifier: small letters without marks, and hyphens.
fn slug(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut id = String::new();
    for letter in name.chars().flat_map(char::to_lowercase).map(collation::plain) {
        if letter.is_ascii_alphanumeric() {
            id.push(letter.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    let id = id.trim_end_matches('-').chars().take(56).collect::<String>();
    let id = if id.is_empty() { "moi".to_owned() } else { id };
    if !taken(&id) {
        return id;
    }
    (2..10_000).map(|number| format!("{id}-{number}")).find(|id| !taken(id)).unwrap_or(id)
}

/// What forms are made with.
pub(super) struct FormMaker<'a> {
    pub(super) page_context: &'a PageContext,
    pub(super) config: &'a Config,
    pub(super) plan: &'a WrittenPlan,
    /// So many rows more than usual.
    pub(super) more: usize,
}

impl FormMaker<'_> {
    fn field(&self, name: impl Into<String>, label: &str, shape: Shape, values: Vec<String>) -> FormField {
        FormField { name: name.into(), label: self.page_context.name("duty-field", label), shape, values }
    }

    fn text(&self, name: impl Into<String>, label: &str, value: &str) -> FormField {
        self.field(name, label, Shape::Text, vec![value.to_owned()])
    }

    fn native(&self, name: impl Into<String>, label: &str, kind: &'static str, value: &str) -> FormField {
        self.field(name, label, Shape::Native(kind), vec![value.to_owned()])
    }

    fn select(&self, name: impl Into<String>, label: &str, from: Vec<(String, String)>, value: &str) -> FormField {
        self.field(name, label, Shape::Select(from), vec![value.to_owned()])
    }

    /// Nothing, and these.
    fn or_none(&self, from: Vec<(String, String)>) -> Vec<(String, String)> {
        [(String::new(), "–".to_owned())].into_iter().chain(from).collect()
    }

    fn people(&self) -> Vec<(String, String)> {
        self.plan.person.iter().map(|one| (one.id.clone(), one.name.clone())).collect()
    }

    fn severities(&self) -> Vec<(String, String)> {
        let shown = |one: Severity| (one.as_str().to_owned(), self.page_context.name("severity", one.as_str()));
        Severity::ALL.into_iter().map(shown).collect()
    }

    fn targets(&self) -> Vec<(String, String)> {
        let rotas = self.plan.rota.iter().map(|one| {
            let name = one.name.as_deref().unwrap_or(&one.id);
            (format!("rota:{}", one.id), format!("{}: {name}", self.page_context.t("form-rota")))
        });
        let teams = self
            .plan
            .team
            .iter()
            .map(|one| (format!("team:{}", one.id), format!("{}: {}", self.page_context.t("duty-team"), one.id)));
        let people = self.plan.person.iter().map(|one| (format!("person:{}", one.id), one.name.clone()));
        let devices = [
            ("officer".to_owned(), self.page_context.t("duty-target-officer")),
            ("leader".to_owned(), self.page_context.t("duty-target-leader")),
        ];
        rotas.chain(teams).chain(people).chain(devices).collect()
    }

    fn group(&self, title: &str, number: Option<usize>, fields: Vec<FormField>) -> FormGroup {
        let title = if title.is_empty() { String::new() } else { self.page_context.name("duty-group", title) };
        let title = match number {
            Some(number) => format!("{title} {number}"),
            None => title,
        };
        FormGroup { title, fields }
    }

    /// The form of a thing; an empty one where there is none of this name.
    pub(super) fn groups(&self, kind: Kind, id: &str) -> Vec<FormGroup> {
        match kind {
            Kind::Person => self.person(&self.plan.person.iter().find(|one| one.id == id).cloned().unwrap_or_default()),
            Kind::Team => self.team(&self.plan.team.iter().find(|one| one.id == id).cloned().unwrap_or_default()),
            Kind::Rota => self.rota(&self.plan.rota.iter().find(|one| one.id == id).cloned().unwrap_or_default()),
            Kind::Policy => self.policy(&self.plan.policy.iter().find(|one| one.id == id).cloned().unwrap_or_default()),
            Kind::Routes => self.routes(),
            Kind::Deadlines => self.deadlines(),
        }
    }

    fn person(&self, one: &WrittenPerson) -> Vec<FormGroup> {
        let languages = vec![("vi".to_owned(), "Tiếng Việt".to_owned()), ("en".to_owned(), "English".to_owned())];
        let mut groups = vec![self.group(
            "",
            None,
            vec![
                self.text("name", "name", &one.name),
                self.text("account", "account", one.account.as_deref().unwrap_or_default()),
                self.select(
                    "language",
                    "language",
                    self.or_none(languages),
                    one.language.as_deref().unwrap_or_default(),
                ),
            ],
        )];
        let channels = self.config.channels.iter().map(|one| (one.name.clone(), one.name.clone())).collect::<Vec<_>>();
        for place in 0..one.contact.len() + BLANK + self.more {
            let contact = one.contact.get(place).cloned().unwrap_or_default();
            let name = |field: &str| format!("contact.{place}.{field}");
            let severity = contact.min_severity.as_deref().unwrap_or("warning");
            groups.push(self.group(
                "contact",
                Some(place + 1),
                vec![
                    self.select(name("channel"), "channel", self.or_none(channels.clone()), &contact.channel),
                    self.text(name("address"), "address", &contact.address),
                    self.select(name("severity"), "min-severity", self.severities(), severity),
                ],
            ));
        }
        let quiet = one.quiet.clone().unwrap_or_default();
        groups.push(self.group(
            "quiet",
            None,
            vec![
                self.native("quiet.from", "from", "time", &quiet.from),
                self.native("quiet.until", "until", "time", &quiet.until),
                self.select("quiet.except", "except", self.severities(), quiet.except.as_deref().unwrap_or("critical")),
            ],
        ));
        groups
    }

    fn team(&self, one: &WrittenTeam) -> Vec<FormGroup> {
        let members = self.field("members", "members", Shape::Checks(self.people()), one.members.clone());
        let mut fields = vec![members];
        if one.id.is_empty() {
            fields.insert(0, self.text("name", "name", ""));
        }
        vec![self.group("", None, fields)]
    }

    fn rota(&self, one: &WrittenRota) -> Vec<FormGroup> {
        let mut groups = vec![self.group(
            "",
            None,
            vec![
                self.text("name", "name", one.name.as_deref().unwrap_or(&one.id)),
                self.text("zone", "zone", one.zone.as_deref().unwrap_or_default()),
            ],
        )];
        let days =
            (1..=7).map(|day| (day.to_string(), self.page_context.name("day", &day.to_string()))).collect::<Vec<_>>();
        let blank = usize::from(one.layer.is_empty()) + self.more;
        for place in 0..one.layer.len() + blank {
            let layer = one.layer.get(place).cloned().unwrap_or_default();
            let name = |field: &str| format!("layer.{place}.{field}");
            let mut fields = Vec::new();
            for turn in 0..(layer.people.len() + BLANK).max(PLACES_MIN) {
                let person = layer.people.get(turn).cloned().unwrap_or_default();
                fields.push(self.select(name("person"), "turn", self.or_none(self.people()), &person));
            }
            let turn_days = layer.turn_days.unwrap_or(7).to_string();
            fields.extend([
                self.native(name("start"), "start", "datetime-local", &layer.start),
                self.native(name("turn_days"), "turn-days", "number", &turn_days),
                self.native(name("from"), "from", "time", layer.from.as_deref().unwrap_or_default()),
                self.native(name("until"), "until", "time", layer.until.as_deref().unwrap_or_default()),
            ]);
            let chosen = layer.days.iter().map(ToString::to_string).collect();
            fields.push(self.field(name("days"), "days", Shape::Checks(days.clone()), chosen));
            groups.push(self.group("layer", Some(place + 1), fields));
        }
        for place in 0..one.holiday.len() + BLANK + self.more {
            let day = one.holiday.get(place).cloned().unwrap_or_default();
            let name = |field: &str| format!("holiday.{place}.{field}");
            let mut fields = vec![self.native(name("date"), "date", "date", &day.date)];
            for turn in 0..(day.people.len() + 1).max(2) {
                let person = day.people.get(turn).cloned().unwrap_or_default();
                fields.push(self.select(name("person"), "person", self.or_none(self.people()), &person));
            }
            groups.push(self.group("holiday", Some(place + 1), fields));
        }
        let today = date_of(self.page_context.now, &self.config.plan.zone);
        let this = today.map_or_else(public_holidays::last_year, jiff::civil::Date::year);
        let years = (this..=public_holidays::last_year()).map(|year| (year.to_string(), year.to_string())).collect();
        groups.push(self.group(
            "public-holidays",
            None,
            vec![
                self.select("public.year", "year", self.or_none(years), ""),
                self.select("public.person", "person", self.or_none(self.people()), ""),
            ],
        ));
        groups
    }

    fn policy(&self, one: &WrittenPolicy) -> Vec<FormGroup> {
        let mut fields = vec![self.native("repeat", "repeat", "number", &one.repeat.unwrap_or(0).to_string())];
        if one.id.is_empty() {
            fields.insert(0, self.text("name", "name", ""));
        }
        let mut groups = vec![self.group("", None, fields)];
        for place in 0..one.step.len() + BLANK + self.more {
            let step = one.step.get(place).cloned().unwrap_or_default();
            let name = |field: &str| format!("step.{place}.{field}");
            let mut fields = vec![self.text(name("after"), "after", &step.after)];
            for to in 0..(step.to.len() + 1).max(PLACES_MIN) {
                let target = step.to.get(to).cloned().unwrap_or_default();
                fields.push(self.select(name("to"), "to", self.or_none(self.targets()), &target));
            }
            groups.push(self.group("step", Some(place + 1), fields));
        }
        groups
    }

    fn routes(&self) -> Vec<FormGroup> {
        let policies = self.plan.policy.iter().map(|one| (one.id.clone(), one.id.clone())).collect::<Vec<_>>();
        let kinds = DeviceKind::ALL.map(DeviceKind::as_str);
        let kinds = kinds.map(|kind| (kind.to_owned(), self.page_context.name("kind", kind))).to_vec();
        let group = |place: usize| {
            let route = self.plan.route.get(place).cloned().unwrap_or_default();
            let name = |field: &str| format!("route.{place}.{field}");
            let severity = route.min_severity.as_deref().unwrap_or("warning");
            let chosen = route.scope.kinds.iter().map(|kind| kind.as_str().to_owned()).collect();
            self.group(
                "route",
                Some(place + 1),
                vec![
                    self.native(name("order"), "order", "number", &(place + 1).to_string()),
                    self.select(name("policy"), "policy", self.or_none(policies.clone()), &route.policy),
                    self.select(name("severity"), "min-severity", self.severities(), severity),
                    self.field(name("kinds"), "kinds", Shape::Checks(kinds.clone()), chosen),
                    self.text(name("places"), "places", &route.scope.places.join(", ")),
                    self.text(name("tags"), "tags", &route.scope.tags.join(", ")),
                    self.text(name("devices"), "devices", &route.scope.devices.join(", ")),
                ],
            )
        };
        (0..self.plan.route.len() + BLANK + self.more).map(group).collect()
    }

    fn deadlines(&self) -> Vec<FormGroup> {
        let group = |priority: &str| {
            let one = self.plan.deadline.iter().find(|one| one.priority == priority).cloned().unwrap_or_default();
            let fields = vec![
                self.text(format!("{priority}.acknowledge"), "acknowledge", &one.acknowledge),
                self.text(format!("{priority}.resolve"), "resolve", &one.resolve),
            ];
            FormGroup { title: priority.to_owned(), fields }
        };
        ["P1", "P2", "P3", "P4"].into_iter().map(group).collect()
    }
}

/// Puts one in the place of the one of the same name, or at the end.
fn put<T>(list: &mut Vec<T>, one: T, is_same: impl Fn(&T) -> bool) {
    match list.iter().position(is_same) {
        Some(place) => list[place] = one,
        None => list.push(one),
    }
}

/// The plan with a thing as the form has it; its identifier, which a new one gets from its name.
pub(super) fn with(plan: &WrittenPlan, kind: Kind, id: &str, fields: &Fields) -> (WrittenPlan, String) {
    let mut plan = plan.clone();
    let name = fields.line("name");
    let ids: Vec<String> = match kind {
        Kind::Person => plan.person.iter().map(|one| one.id.clone()).collect(),
        Kind::Team => plan.team.iter().map(|one| one.id.clone()).collect(),
        Kind::Rota => plan.rota.iter().map(|one| one.id.clone()).collect(),
        Kind::Policy => plan.policy.iter().map(|one| one.id.clone()).collect(),
        Kind::Routes | Kind::Deadlines => Vec::new(),
    };
    let id = if id.is_empty() { slug(&name, |id| ids.iter().any(|one| one == id)) } else { id.to_owned() };
    match kind {
        Kind::Person => put(&mut plan.person, person(id.clone(), name, fields), |one| one.id == id),
        Kind::Team => {
            let one = WrittenTeam { id: id.clone(), members: fields.all("members") };
            put(&mut plan.team, one, |one| one.id == id);
        }
        Kind::Rota => put(&mut plan.rota, rota(id.clone(), name, fields), |one| one.id == id),
        Kind::Policy => put(&mut plan.policy, policy(id.clone(), fields), |one| one.id == id),
        Kind::Routes => plan.route = routes(fields),
        Kind::Deadlines => plan.deadline = deadlines(fields),
    }
    (plan, id)
}

/// The plan without a thing.
pub(super) fn without(plan: &WrittenPlan, kind: Kind, id: &str) -> WrittenPlan {
    let mut plan = plan.clone();
    match kind {
        Kind::Person => plan.person.retain(|one| one.id != id),
        Kind::Team => plan.team.retain(|one| one.id != id),
        Kind::Rota => plan.rota.retain(|one| one.id != id),
        Kind::Policy => plan.policy.retain(|one| one.id != id),
        Kind::Routes => plan.route.clear(),
        Kind::Deadlines => plan.deadline.clear(),
    }
    plan
}

fn person(id: String, name: String, fields: &Fields) -> WrittenPerson {
    let contact = |place: usize| {
        let field = |name: &str| format!("contact.{place}.{name}");
        WrittenContact {
            channel: fields.line(&field("channel")),
            address: fields.line(&field("address")),
            min_severity: fields.text(&field("severity")).filter(|severity| severity != "warning"),
        }
    };
    let quiet = fields.text("quiet.from").zip(fields.text("quiet.until")).map(|(from, until)| WrittenQuiet {
        from,
        until,
        except: fields.text("quiet.except").filter(|except| except != "critical"),
    });
    WrittenPerson {
        id,
        name,
        account: fields.text("account"),
        language: fields.text("language"),
        contact: fields.rows("contact", "channel").into_iter().map(contact).collect(),
        quiet,
    }
}

fn rota(id: String, name: String, fields: &Fields) -> WrittenRota {
    let layer = |place: usize| {
        let field = |name: &str| format!("layer.{place}.{name}");
        WrittenLayer {
            people: fields.all(&field("person")),
            start: fields.line(&field("start")),
            turn_days: fields.number(&field("turn_days")).filter(|days| *days != 7),
            from: fields.text(&field("from")),
            until: fields.text(&field("until")),
            days: fields.all(&field("days")).iter().filter_map(|day| day.parse().ok()).collect(),
        }
    };
    let holiday = |place: usize| WrittenHoliday {
        date: fields.line(&format!("holiday.{place}.date")),
        people: fields.all(&format!("holiday.{place}.person")),
    };
    let mut holidays: Vec<WrittenHoliday> = fields.rows("holiday", "date").into_iter().map(holiday).collect();
    if let (Some(year), Some(person)) = (fields.number("public.year"), fields.text("public.person")) {
        for (day, _) in i16::try_from(year).map(public_holidays::holidays_of).unwrap_or_default() {
            let date = day.to_string();
            if !holidays.iter().any(|one| one.date == date) {
                holidays.push(WrittenHoliday { date, people: vec![person.clone()] });
            }
        }
    }
    holidays.sort_by(|a, b| a.date.cmp(&b.date));
    WrittenRota {
        name: Some(name).filter(|name| !name.is_empty() && *name != id),
        id,
        zone: fields.text("zone"),
        layer: fields.rows("layer", "start").into_iter().map(layer).collect(),
        holiday: holidays,
    }
}

fn policy(id: String, fields: &Fields) -> WrittenPolicy {
    let step = |place: usize| WrittenStep {
        after: fields.line(&format!("step.{place}.after")),
        to: fields.all(&format!("step.{place}.to")),
    };
    let steps = fields.rows("step", "after").into_iter().map(step).collect();
    WrittenPolicy { id, repeat: fields.number("repeat").filter(|times| *times != 0), step: steps }
}

fn routes(fields: &Fields) -> Vec<WrittenRoute> {
    let route = |place: usize| {
        let field = |name: &str| format!("route.{place}.{name}");
        let kinds = fields.all(&field("kinds"));
        WrittenRoute {
            policy: fields.line(&field("policy")),
            min_severity: fields.text(&field("severity")).filter(|severity| severity != "warning"),
            scope: Scope {
                kinds: kinds.iter().filter_map(|kind| DeviceKind::parse(kind)).collect(),
                devices: fields.list(&field("devices")),
                places: fields.list(&field("places")),
                tags: fields.list(&field("tags")),
            },
        }
    };
    fields.rows("route", "policy").into_iter().map(route).collect()
}

fn deadlines(fields: &Fields) -> Vec<WrittenDeadline> {
    let deadline = |priority: &str| {
        let acknowledge = fields.text(&format!("{priority}.acknowledge"));
        let resolve = fields.text(&format!("{priority}.resolve"));
        (acknowledge.is_some() || resolve.is_some()).then(|| WrittenDeadline {
            priority: priority.to_owned(),
            acknowledge: acknowledge.unwrap_or_default(),
            resolve: resolve.unwrap_or_default(),
        })
    };
    ["P1", "P2", "P3", "P4"].into_iter().filter_map(deadline).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_thing_is_called_after_its_name() {
        let taken = ["nguyen-thi-lan".to_owned()];
        let named = |name: &str| slug(name, |id| taken.iter().any(|one| one == id));
        assert_eq!(named("Nguyễn Thị Lan"), "nguyen-thi-lan-2");
        assert_eq!(named("Đỗ  Văn – Ước"), "do-van-uoc");
        assert_eq!((named("!!"), named("đ").as_str()), ("moi".to_owned(), "d"));
    }

    #[test]
    fn what_a_form_shows_and_sends_back_is_the_same_plan() {
        let sent = [
            ("name", "Lan"),
            ("contact.0.channel", "sms"),
            ("contact.0.address", "+84 9"),
            ("contact.0.severity", "critical"),
            ("contact.1.channel", ""),
            ("contact.1.address", "left over"),
            ("quiet.from", "22:00"),
            ("quiet.until", "06:00"),
            ("quiet.except", "critical"),
        ];
        let fields = Fields::of(sent.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        let (plan, id) = with(&WrittenPlan::default(), Kind::Person, "", &fields);
        assert_eq!(id, "lan");
        let lan = &plan.person[0];
        assert_eq!((lan.contact.len(), lan.contact[0].min_severity.as_deref()), (1, Some("critical")));
        assert_eq!(
            lan.quiet.as_ref().map(|quiet| quiet.except.clone()),
            Some(None),
            "what is the default is not written"
        );
        assert!(without(&plan, Kind::Person, "lan").person.is_empty());
        let sent = [
            ("name", "Trực"),
            ("layer.0.person", "lan"),
            ("layer.0.start", "2026-11-02T07:00"),
            ("layer.0.turn_days", "1"),
            ("public.year", "2027"),
            ("public.person", "lan"),
        ];
        let fields = Fields::of(sent.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        let (plan, _) = with(&plan, Kind::Rota, "", &fields);
        let rota = &plan.rota[0];
        assert_eq!((rota.id.as_str(), rota.holiday.len(), rota.layer[0].turn_days), ("truc", 11, Some(1)));
        assert_eq!(rota.holiday[0].date, "2027-01-01");
    }
}
