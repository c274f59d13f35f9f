//! The configuration on pages and in the API: what each part says, who says so, and how it is changed. Forms of single parts are views of the same
//! texts: they read by [`current`] and save by [`save`].

pub(crate) mod api;
mod form;
pub(crate) mod form_page;
pub(crate) mod page;
mod trial;

use ioc_engine::command::{Answer, Command, CommandError, PartChange};
use ioc_engine::config::PartInForce;
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_engine::sealed_secret;
use ioc_engine::writer::configuration::faulty;
use ioc_store::configuration::{ConfigurationVersion, Part};

use crate::app::App;
use crate::person::Person;
use crate::problem::Problem;

/// A part as it is in force: its text, the newest version that was saved here (0 for none), and the file that holds it, where one does
/// ([`PartInForce::held_by`]): then it is shown and not changed. Secrets that were typed into forms stand in it by what they are known by: a text
/// that is saved with that in it keeps them.
pub(crate) fn current(app: &App, part: Part) -> PartInForce {
    let now = app.config().part(part);
    PartInForce { text: sealed_secret::shown(&now.text), ..now }
}

/// Saves a text as the next version of a part, in force from then on. `version` is the one that whoever saves has seen: where another is there by
/// now it is refused ([`ioc_engine::writer::configuration::CHANGED_SINCE`]), and [`current`] says what stands there.
///
/// # Errors
/// [`CommandError`] with the place and the mend where the whole configuration does not hold with it, where a file holds the part, where another
/// version is there, and where whoever asks may not.
pub(crate) async fn save(
    app: &App,
    person: &Person,
    part: Part,
    text: String,
    version: u64,
    reason: &str,
) -> Result<Answer, CommandError> {
    save_all(app, person, vec![PartChange { part, text: Some(text), version }], reason).await
}

/// Saves several parts: all of them, or none.
pub(crate) async fn save_all(
    app: &App,
    person: &Person,
    changes: Vec<PartChange>,
    reason: &str,
) -> Result<Answer, CommandError> {
    let changes = with_secrets(app, person, changes).await?;
    let (reason, actor) = (reason.to_owned(), person.name.clone());
    app.carry_out(person, Command::SetConfiguration { changes, reason, actor }).await
}

/// Versions in which a secret is looked for that a text keeps.
const SECRETS_IN: usize = 200;

/// The texts with the secrets that they keep: of what is in force, or of an earlier version.
async fn with_secrets(app: &App, person: &Person, changes: Vec<PartChange>) -> Result<Vec<PartChange>, CommandError> {
    let mut whole = Vec::new();
    for PartChange { part, text, version } in changes {
        let Some(said) = text.filter(|_| app.config().held_by(part).is_none()) else {
            whole.push(PartChange { part, text: None, version });
            continue;
        };
        let text = match sealed_secret::known_in(&said, [app.config().part(part).text.as_str()]) {
            Some(text) => text,
            None => {
                let read = app.read(&person.scope, move |reader| reader.configuration_versions(part, None, SECRETS_IN));
                let versions = read.await.map_err(Problem::refused)?;
                let texts = versions.iter().filter_map(|version| version.text.as_deref());
                sealed_secret::known_in(&said, texts).ok_or_else(|| {
                    let english = format!(
                        "a secret of the part {} is not known here; type it into its form, or name a file of it",
                        part.as_str()
                    );
                    let args = [("part", Word::named("configuration-part", part.as_str()))];
                    RefusalReason::new("refusal-configuration-secret", args, english).invalid()
                })?
            }
        };
        whole.push(PartChange { part, text: Some(text), version });
    }
    Ok(whole)
}

/// Checks the whole configuration with some parts as they would be, and saves nothing.
///
/// # Errors
/// [`CommandError`] with the place and the mend where it does not hold.
pub(crate) async fn check(app: &App, changes: &[PartChange]) -> Result<(), CommandError> {
    let (config, versions) = (app.config(), as_versions(app, changes));
    // Rules and catalogues are large texts.
    let checked = tokio::task::spawn_blocking(move || config.with_versions(&versions).map(drop)).await;
    checked.map_err(CommandError::unread)?.map_err(|error| faulty(&error))
}

/// Changes as they would be kept.
fn as_versions(app: &App, changes: &[PartChange]) -> Vec<ConfigurationVersion> {
    let as_version = |change: &PartChange| {
        let (part, number, text) = (change.part, change.version + 1, change.text.clone());
        ConfigurationVersion { part, number, text, at: app.judged_now(), who: String::new(), why: String::new() }
    };
    changes.iter().map(as_version).collect()
}
