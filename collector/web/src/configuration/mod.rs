//! The configuration on pages and in the API: what each part says, who says so, and how it is changed. Forms of single parts are views of the same
//! texts: they read by [`current`] and save by [`save`].

use ioc_engine::command::{Answer, Command, CommandError, PartChange};
use ioc_engine::config::PartInForce;
use ioc_engine::writer::configuration::faulty;
use ioc_store::configuration::{ConfigurationVersion, Part};

use crate::app::App;
use crate::person::Person;

/// A part as it is in force: its text, the newest version that was saved here (0 for none), and the file that holds it, where one does
/// ([`PartInForce::held_by`]): then it is shown and not changed.
pub(crate) fn current(app: &App, part: Part) -> PartInForce {
    app.config().part(part)
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
    let (reason, actor) = (reason.to_owned(), person.name.clone());
    app.carry_out(person, Command::SetConfiguration { changes, reason, actor }).await
}

/// Checks the whole configuration with some parts as they would be, and saves nothing.
///
/// # Errors
/// [`CommandError`] with the place and the mend where it does not hold.
pub(crate) async fn check(app: &App, changes: &[PartChange]) -> Result<(), CommandError> {
    let config = app.config();
    let as_version = |change: &PartChange| {
        let (part, number, text) = (change.part, change.version + 1, change.text.clone());
        ConfigurationVersion { part, number, text, at: app.judged_now(), who: String::new(), why: String::new() }
    };
    let versions: Vec<ConfigurationVersion> = changes.iter().map(as_version).collect();
    // Rules and catalogues are large texts.
    let checked = tokio::task::spawn_blocking(move || config.with_versions(&versions).map(drop)).await;
    checked.map_err(CommandError::unread)?.map_err(|error| faulty(&error))
}
