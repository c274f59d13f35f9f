//! A channel as it would be, tried out before it is saved: one message, and all that was said and heard for it.

use std::time::Duration;

use ioc_judge::{Notice, Occasion, Text};

use super::as_versions;
use crate::app::App;
use crate::person::Person;
use ioc_engine::audit_action::AuditLogAction;
use ioc_engine::command::{CommandError, PartChange};
use ioc_engine::conversation;
use ioc_engine::http::SendError;
use ioc_engine::notifier::{Brief, Message, Wording};
use ioc_engine::refusal_reason::{RefusalReason, Word};
use ioc_engine::writer::configuration::faulty;
use ioc_store::Right;
use ioc_store::audit::AuditEntry;

/// How it went, and what was said and heard.
pub(super) type Trial = (Result<(), SendError>, Vec<String>);

/// Sends one message by a channel of a text that is not saved.
///
/// # Errors
/// [`CommandError`] where the configuration does not hold with the text, there is no such channel in it, it needs the address of a person and none
/// was given, or whoever asks may not.
pub(super) async fn run(
    app: &App,
    person: &Person,
    change: PartChange,
    (name, address): (&str, &str),
    limit: Duration,
) -> Result<Trial, CommandError> {
    if !person.may(Right::Administer) {
        return Err(RefusalReason::role().forbidden());
    }
    let (config, versions) = (app.config(), as_versions(app, &[change]));
    let checked = tokio::task::spawn_blocking(move || config.with_versions(&versions)).await;
    let config = checked.map_err(CommandError::unread)?.map_err(|error| faulty(&error))?;
    let Some(channel) = config.channels.iter().find(|channel| channel.name == name) else {
        let english = format!("there is no channel {name:?}");
        return Err(
            RefusalReason::new("refusal-configuration-channel", [("name", Word::text(name))], english).not_found()
        );
    };
    let address = address.trim();
    if channel.notifier.needs_address() && address.is_empty() {
        let english = "this channel sends to the addresses of people; give one to try it with";
        return Err(RefusalReason::new("refusal-configuration-address", [], english).invalid());
    }
    let now = app.judged_now();
    let (actor, action) = (person.name.clone(), AuditLogAction::ContactTested.as_str().to_owned());
    let (subject, detail) = (name.to_owned(), channel.notifier.target());
    app.engine.record_access(AuditEntry { at: now, actor, action, subject, detail }).await?;
    let title = Text::new("Thử kênh thông báo", "Test of a channel");
    let reason = Text::new(
        format!("{} thử kênh {name} trước khi lưu.", person.name),
        format!("{} tries the channel {name} before it is saved.", person.name),
    );
    let advice = Text::new("Không cần làm gì.", "Nothing is to be done.");
    let say = |text: &Text| text.get(config.language).to_owned();
    let wording = Wording {
        subject: format!("[{}] {}", config.site_name, say(&title)),
        body: format!("{}\n{}\n", say(&reason), say(&advice)),
        link: config.web_url.clone(),
        brief: Brief { what: say(&title), site: config.site_code.clone(), ..Brief::default() },
    };
    let notice = Notice::beside_incidents(Occasion::Test, title, reason, advice, now);
    let key = format!("0-{}-{name}", notice.step);
    let address = if channel.notifier.needs_address() { address } else { "" };
    let message = Message {
        channel: name,
        key: &key,
        address,
        notice: &notice,
        wording: &wording,
        site_name: &config.site_name,
        web_url: &config.web_url,
    };
    let sent = conversation::listened(tokio::time::timeout(limit, channel.notifier.notify(message))).await;
    let (went, heard) = sent;
    let late = || Err(SendError::Later(format!("no end within {} s", limit.as_secs())));
    Ok((went.unwrap_or_else(|_| late()), heard))
}
