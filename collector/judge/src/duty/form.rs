//! Reading the duty plan: from TOML to checked types, with the place of every fault.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source, SpanWithin, Spanned};
use ioc_common::language::Language;

use super::{
    Contact, Deadlines, Department, DutyPerson, EscalationStep, EscalationTarget, Holiday, Layer, Plan, Policy,
    QuietHours, Rota, Route, Team,
};
use crate::scope::Scope;
use crate::severity::Severity;

/// Most people, teams, rotas, policies or routes.
const NAMES_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    person: Vec<PersonForm>,
    #[serde(default)]
    team: Vec<TeamForm>,
    #[serde(default)]
    rota: Vec<RotaForm>,
    #[serde(default)]
    policy: Vec<PolicyForm>,
    #[serde(default)]
    route: Vec<RouteForm>,
    #[serde(default)]
    deadline: Vec<DeadlineForm>,
    regulator: Option<RegulatorForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonForm {
    id: Spanned<String>,
    name: String,
    account: Option<Spanned<String>>,
    language: Option<Spanned<String>>,
    #[serde(default)]
    contact: Vec<ContactForm>,
    quiet: Option<QuietForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactForm {
    channel: Spanned<String>,
    address: Spanned<String>,
    #[serde(default = "warning")]
    min_severity: Severity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietForm {
    from: Spanned<String>,
    until: Spanned<String>,
    #[serde(default = "critical")]
    except: Severity,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamForm {
    id: Spanned<String>,
    members: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotaForm {
    id: Spanned<String>,
    name: Option<String>,
    zone: Option<Spanned<String>>,
    layer: Vec<LayerForm>,
    #[serde(default)]
    holiday: Vec<HolidayForm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerForm {
    people: Spanned<Vec<Spanned<String>>>,
    start: Spanned<String>,
    #[serde(default = "week")]
    turn_days: Bounded<1, 366>,
    from: Option<Spanned<String>>,
    until: Option<Spanned<String>>,
    #[serde(default)]
    days: Vec<Bounded<1, 7>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayForm {
    date: Spanned<String>,
    people: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyForm {
    id: Spanned<String>,
    step: Spanned<Vec<StepForm>>,
    repeat: Option<Bounded<0, 100>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepForm {
    after: SpanWithin<0, 604_800_000>,
    to: Spanned<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteForm {
    policy: Spanned<String>,
    #[serde(default = "warning")]
    min_severity: Severity,
    #[serde(default)]
    scope: Scope,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeadlineForm {
    priority: Spanned<String>,
    acknowledge: SpanWithin<60_000, 31_622_400_000>,
    resolve: SpanWithin<60_000, 31_622_400_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegulatorForm {
    department: String,
    #[serde(default)]
    people: Vec<Spanned<String>>,
}

const fn warning() -> Severity {
    Severity::Warning
}

const fn critical() -> Severity {
    Severity::Critical
}

const fn week() -> Bounded<1, 366> {
    Bounded(7)
}

impl Plan {
    /// Reads a duty plan. `zone` and `language` are the site's; `channels` are the names that contacts may use.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of the first fault.
    pub fn parse(source: &Source, zone: &TimeZone, language: Language, channels: &[&str]) -> Result<Self, ConfigError> {
        let form: Form = source.parse()?;
        let checker = PlanChecker { source, people: ids(source, form.person.iter().map(|one| &one.id))? };
        let mut plan = Self { zone: zone.clone(), ..Self::default() };
        for person in form.person {
            let span = person.account.as_ref().map_or_else(|| person.id.span(), Spanned::span);
            let person = checker.person(person, language, channels)?;
            if let Some(other) = plan.person_of_account(&person.account) {
                let message = format!("found account {:?}, which is {}'s already", person.account, other.id);
                return Err(source.fault(span, &message, "give each person an account of their own: account = \"…\""));
            }
            plan.people.push(person);
        }
        ids(source, form.team.iter().map(|one| &one.id))?;
        for team in form.team {
            plan.teams.push(Team { members: checker.named(&team.members)?, id: team.id.into_inner() });
        }
        ids(source, form.rota.iter().map(|one| &one.id))?;
        for rota in form.rota {
            plan.rotas.push(checker.rota(rota, zone)?);
        }
        let policies = ids(source, form.policy.iter().map(|one| &one.id))?;
        for policy in form.policy {
            plan.policies.push(checker.policy(policy, &plan)?);
        }
        for route in form.route {
            if !policies.contains(route.policy.get_ref()) {
                return Err(checker.unknown(&route.policy, "policy", &policies));
            }
            let (policy, min_severity) = (route.policy.into_inner(), route.min_severity);
            plan.routes.push(Route { policy, min_severity, scope: route.scope });
        }
        for deadline in form.deadline {
            let place = ["P1", "P2", "P3", "P4"].iter().position(|one| one == deadline.priority.get_ref());
            let Some(place) = place else {
                let message = format!("found priority {:?}; allowed are P1, P2, P3, P4", deadline.priority.get_ref());
                return Err(source.fault(deadline.priority.span(), &message, "choose one of them"));
            };
            let (acknowledge_ms, resolve_ms) = (deadline.acknowledge.as_millis(), deadline.resolve.as_millis());
            plan.deadlines[place] = Deadlines { acknowledge_ms, resolve_ms };
        }
        if let Some(regulator) = form.regulator {
            plan.regulator = Some(Department { people: checker.named(&regulator.people)?, name: regulator.department });
        }
        Ok(plan)
    }
}

/// The identifiers of one sort of thing: shaped, and each once.
fn ids<'a>(source: &Source, all: impl Iterator<Item = &'a Spanned<String>>) -> Result<Vec<String>, ConfigError> {
    let mut found: Vec<String> = Vec::new();
    for id in all {
        let text = id.get_ref();
        let shaped = !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !shaped || found.contains(text) || found.len() >= NAMES_MAX {
            let message = format!("found id {text:?}; allowed are unique ids of 1 to 64 characters of a-z 0-9 -");
            return Err(source.fault(id.span(), &message, "name it like \"truc-ban\""));
        }
        found.push(text.clone());
    }
    Ok(found)
}

/// Makes the plan of its form, and holds every name to what there is.
struct PlanChecker<'s> {
    source: &'s Source,
    people: Vec<String>,
}

impl PlanChecker<'_> {
    fn unknown(&self, found: &Spanned<String>, what: &str, allowed: &[String]) -> ConfigError {
        let allowed = if allowed.is_empty() { "none yet".to_owned() } else { allowed.join(", ") };
        let message = format!("found {what} {:?}; allowed are {allowed}", found.get_ref());
        self.source.fault(found.span(), &message, "correct the name, or describe it in this file first")
    }

    fn named(&self, names: &[Spanned<String>]) -> Result<Vec<String>, ConfigError> {
        let known = |name: &Spanned<String>| {
            let found = self.people.contains(name.get_ref());
            if found { Ok(name.get_ref().clone()) } else { Err(self.unknown(name, "person", &self.people)) }
        };
        names.iter().map(known).collect()
    }

    fn time(&self, text: &Spanned<String>) -> Result<Time, ConfigError> {
        text.get_ref().parse().map_err(|_| {
            let message = format!("found time {:?}; allowed is hours and minutes", text.get_ref());
            self.source.fault(text.span(), &message, "write it like \"22:00\"")
        })
    }

    fn person(&self, form: PersonForm, language: Language, channels: &[&str]) -> Result<DutyPerson, ConfigError> {
        let own = form.language.as_ref().map(|code| {
            Language::from_code(code.get_ref()).ok_or_else(|| {
                let message = format!("found language {:?}; allowed are {}", code.get_ref(), Language::codes());
                self.source.fault(code.span(), &message, "choose one of them")
            })
        });
        let language = own.transpose()?.unwrap_or(language);
        let contact = |form: ContactForm| {
            if !channels.contains(&form.channel.get_ref().as_str()) {
                let channels: Vec<String> = channels.iter().map(|one| (*one).to_owned()).collect();
                return Err(self.unknown(&form.channel, "channel", &channels));
            }
            if form.address.get_ref().trim().is_empty() {
                let mend = "write the e-mail address, telephone number or chat that the channel sends to";
                return Err(self.source.fault(form.address.span(), "found an empty address", mend));
            }
            let (channel, address) = (form.channel.into_inner(), form.address.into_inner());
            Ok(Contact { channel, address, min_severity: form.min_severity })
        };
        let quiet = match form.quiet {
            Some(quiet) => Some(QuietHours {
                from: self.time(&quiet.from)?,
                until: self.time(&quiet.until)?,
                except: quiet.except,
            }),
            None => None,
        };
        let id = form.id.into_inner();
        Ok(DutyPerson {
            account: form.account.map_or_else(|| id.clone(), Spanned::into_inner),
            id,
            name: form.name,
            language,
            contacts: form.contact.into_iter().map(contact).collect::<Result<_, _>>()?,
            quiet,
        })
    }

    fn rota(&self, form: RotaForm, site: &TimeZone) -> Result<Rota, ConfigError> {
        let zone = match &form.zone {
            None => site.clone(),
            Some(zone) => TimeZone::get(zone.get_ref()).map_err(|_| {
                let message = format!("found time zone {:?}; allowed are IANA names", zone.get_ref());
                self.source.fault(zone.span(), &message, "write it like \"Asia/Ho_Chi_Minh\"")
            })?,
        };
        let holiday = |form: HolidayForm| {
            let date: Date = form.date.get_ref().parse().map_err(|_| {
                let message = format!("found date {:?}; allowed is year, month and day", form.date.get_ref());
                self.source.fault(form.date.span(), &message, "write it like \"2027-01-01\"")
            })?;
            Ok(Holiday { date, people: self.named(&form.people)? })
        };
        Ok(Rota {
            name: form.name.unwrap_or_else(|| form.id.get_ref().clone()),
            id: form.id.into_inner(),
            zone,
            layers: form.layer.into_iter().map(|layer| self.layer(&layer)).collect::<Result<_, _>>()?,
            holidays: form.holiday.into_iter().map(holiday).collect::<Result<_, _>>()?,
        })
    }

    fn layer(&self, form: &LayerForm) -> Result<Layer, ConfigError> {
        if form.people.get_ref().is_empty() {
            let mend = "name at least one person, or remove the layer";
            return Err(self.source.fault(form.people.span(), "found a layer without people", mend));
        }
        let start: DateTime = form.start.get_ref().parse().map_err(|_| {
            let message = format!("found start {:?}; allowed is a local date and time", form.start.get_ref());
            self.source.fault(form.start.span(), &message, "write it like \"2026-11-02T07:00\"")
        })?;
        let day = Time::midnight();
        let quarter = |text: &Spanned<String>| {
            let time = self.time(text)?;
            // What looks through the calendar looks at quarters of an hour.
            if time.minute() % 15 != 0 || time.second() != 0 {
                let message = format!("found time {:?}; allowed are whole quarters of an hour", text.get_ref());
                return Err(self.source.fault(text.span(), &message, "write it like \"07:00\" or \"07:15\""));
            }
            Ok(time)
        };
        if start.minute() % 15 != 0 || start.second() != 0 {
            let message = format!("found start {:?}; allowed are whole quarters of an hour", form.start.get_ref());
            return Err(self.source.fault(form.start.span(), &message, "write it like \"2026-11-02T07:00\""));
        }
        Ok(Layer {
            people: self.named(form.people.get_ref())?,
            start,
            turn_days: i64::try_from(form.turn_days.0).unwrap_or(7),
            from: form.from.as_ref().map_or(Ok(day), quarter)?,
            until: form.until.as_ref().map_or(Ok(day), quarter)?,
            days: form.days.iter().filter_map(|day| i8::try_from(day.0).ok()).collect(),
        })
    }

    fn policy(&self, form: PolicyForm, plan: &Plan) -> Result<Policy, ConfigError> {
        if form.step.get_ref().is_empty() {
            let mend = "add a step, or remove the policy";
            return Err(self.source.fault(form.step.span(), "found a policy without steps", mend));
        }
        let step = |form: StepForm| {
            let to = form.to.get_ref().iter().map(|one| self.target(one, plan)).collect::<Result<Vec<_>, _>>()?;
            if to.is_empty() {
                let mend = "name who is told, such as \"rota:truc-ban\"";
                return Err(self.source.fault(form.to.span(), "found a step that tells nobody", mend));
            }
            Ok(EscalationStep { after_ms: form.after.as_millis(), to })
        };
        let steps = form.step.into_inner().into_iter().map(step).collect::<Result<_, _>>()?;
        Ok(Policy {
            id: form.id.into_inner(),
            steps,
            repeat: form.repeat.and_then(|times| u32::try_from(times.0).ok()).unwrap_or(0),
        })
    }

    fn target(&self, text: &Spanned<String>, plan: &Plan) -> Result<EscalationTarget, ConfigError> {
        let known = |what: &str, id: &str, all: Vec<String>, target: fn(String) -> EscalationTarget| {
            if all.iter().any(|one| one == id) {
                Ok(target(id.to_owned()))
            } else {
                Err(self.unknown(text, what, &all))
            }
        };
        match text.get_ref().split_once(':') {
            Some(("rota", id)) => {
                known("rota", id, plan.rotas.iter().map(|one| one.id.clone()).collect(), EscalationTarget::Rota)
            }
            Some(("team", id)) => {
                known("team", id, plan.teams.iter().map(|one| one.id.clone()).collect(), EscalationTarget::Team)
            }
            Some(("person", id)) => known("person", id, self.people.clone(), EscalationTarget::Person),
            None if text.get_ref() == "officer" => Ok(EscalationTarget::Officer),
            None if text.get_ref() == "leader" => Ok(EscalationTarget::Leader),
            _ => {
                let message =
                    format!("found {:?}; allowed are rota:…, team:…, person:…, officer and leader", text.get_ref());
                Err(self.source.fault(text.span(), &message, "write it like \"rota:truc-ban\""))
            }
        }
    }
}
