//! The one notice that is sent without the store: that it cannot be written, so that nothing else is kept, judged for long or sent.
//!
//! Once for each time it stays so, to the channels that carry every notice and to those whom the duty plan names first; once more when
//! it is over. What is known of it is in memory alone: a restart in between sends it again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use ioc_common::clock;
use ioc_common::id::IncidentId;
use ioc_judge::{Notice, Occasion, Priority, Severity, Text};

use super::{NotifyDeps, text};
use ioc_engine::config::{Channel, Config};
use ioc_engine::http::SendError;
use ioc_engine::notifier::Message;

/// How often the store's state is looked at.
const POLL: Duration = Duration::from_secs(1);
/// What is shorter is not worth a notice.
const HOLD: Duration = Duration::from_secs(15);
/// It is not sent more often than this, however often it comes and goes.
const RENOTIFY_AFTER: Duration = Duration::from_secs(3600);
/// Attempts on each channel, and the time between them. One that may have arrived is not repeated.
const ATTEMPTS_MAX: u32 = 5;
const BETWEEN: Duration = Duration::from_secs(10);
/// Most people that are notified.
const PEOPLE_MAX: usize = 20;

/// Whom it goes to.
#[derive(Clone)]
struct AlarmRecipient {
    channel: Channel,
    /// Empty where it is for everyone on the channel.
    address: String,
    /// Empty for all languages.
    language: String,
}

/// Watches the store until it is aborted.
pub(super) async fn run(deps: NotifyDeps, config: watch::Receiver<Arc<Config>>) {
    let (mut since, mut last_sent): (Option<Instant>, Option<Instant>) = (None, None);
    let mut notified: Vec<AlarmRecipient> = Vec::new();
    loop {
        tokio::time::sleep(POLL).await;
        let now = Instant::now();
        let current = Arc::clone(&config.borrow());
        match deps.health.trouble() {
            None => {
                since = None;
                if !notified.is_empty() {
                    send(std::mem::take(&mut notified), &resolved(), &current);
                }
            }
            Some(why) => {
                let began = *since.get_or_insert(now);
                let recent = last_sent.is_some_and(|sent| now < sent + RENOTIFY_AFTER);
                if now < began + HOLD || recent || !notified.is_empty() {
                    continue;
                }
                last_sent = Some(now);
                notified = recipients(&deps, &current).await;
                tracing::error!(recipients = notified.len(), "the store cannot be written; this is told without it");
                send(notified.clone(), &opened(&why), &current);
            }
        }
    }
}

async fn recipients(deps: &NotifyDeps, config: &Config) -> Vec<AlarmRecipient> {
    let now = clock::now();
    let recipient =
        |channel: &Channel, address, language| AlarmRecipient { channel: channel.clone(), address, language };
    let all = config.channels.iter().filter(|channel| channel.always);
    let mut found: Vec<AlarmRecipient> = all.map(|channel| recipient(channel, String::new(), String::new())).collect();
    let covers = deps.read(|reader| reader.covers()).await.unwrap_or_default();
    let plan = &config.plan;
    let first = plan.policy_for(Severity::Critical, None).and_then(|policy| policy.steps.first());
    let people: Vec<String> =
        first.into_iter().flat_map(|step| &step.to).flat_map(|to| plan.people_of(to, None, &covers, now)).collect();
    for to in plan.recipients(&people, Severity::Critical, now).into_iter().take(PEOPLE_MAX) {
        let known = |one: &AlarmRecipient| {
            one.channel.name == to.channel && one.address == to.address && one.language == to.language
        };
        if let Some(channel) = config.channels.iter().find(|channel| channel.name == to.channel)
            && !found.iter().any(known)
        {
            found.push(recipient(channel, to.address, to.language));
        }
    }
    found
}

/// Sends it to each, beside each other.
fn send(recipients: Vec<AlarmRecipient>, notice: &Notice, config: &Arc<Config>) {
    for (place, AlarmRecipient { channel, address, language }) in recipients.into_iter().enumerate() {
        let (notice, config) = (notice.clone(), Arc::clone(config));
        tokio::spawn(async move {
            let language = Some(language.as_str()).filter(|language| !language.is_empty());
            let wording = text::wording(&notice, &config, language, None);
            let key = format!("0-{}-{}-{place}", notice.opened_at.as_secs(), channel.name);
            let (address, notice, wording, config) = (address.as_str(), &notice, &wording, config.as_ref());
            let message = Message {
                channel: &channel.name,
                key: &key,
                address,
                notice,
                wording,
                site_name: &config.site_name,
                web_url: &config.web_url,
            };
            for _ in 0..ATTEMPTS_MAX {
                match channel.notifier.notify(message).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(key, %error, "that the store cannot be written could not be told");
                        if error.is_final() || matches!(error, SendError::Unknown(_)) {
                            return;
                        }
                        tokio::time::sleep(error.retry_after().unwrap_or_default().max(BETWEEN)).await;
                    }
                }
            }
        });
    }
}

fn opened(why: &str) -> Notice {
    notice(
        Occasion::Opened,
        Text::new("Máy thu thập không ghi được dữ liệu", "The collector's record cannot be written"),
        Text::new(
            format!("Không ghi được kho dữ liệu: {why}. Trong lúc này không có thông báo nào khác được gửi."),
            format!("The store cannot be written: {why}. No other notice is sent meanwhile."),
        ),
        Text::new(
            "Dọn chỗ trên ổ đĩa của máy thu thập; xem «ioc-collector doctor» và /readyz. Dữ liệu của các máy được giữ tại máy và gửi lại sau.",
            "Make room on the collector's disk; see 'ioc-collector doctor' and /readyz. Machines keep what they have and send it later.",
        ),
    )
}

fn resolved() -> Notice {
    let mut notice = notice(
        Occasion::Resolved,
        Text::new("Máy thu thập đã ghi được dữ liệu trở lại", "The collector's record can be written again"),
        Text::new("Kho dữ liệu đã ghi được trở lại.", "The store can be written again."),
        Text::new("Không cần làm gì.", "Nothing is to be done."),
    );
    notice.resolved_at = Some(notice.opened_at);
    notice
}

fn notice(occasion: Occasion, title: Text, reason: Text, advice: Text) -> Notice {
    let opened_at = clock::now();
    Notice {
        // No incident has this number: none can be kept.
        incident: IncidentId(0),
        step: 0,
        occasion,
        severity: Severity::Critical,
        rule: "store-unwritable".to_owned(),
        article: String::new(),
        device: None,
        title,
        reason,
        advice,
        opened_at,
        resolved_at: None,
        priority: Priority::P1,
        acknowledge_by: None,
        affected: 0,
        to_all: true,
        to: Vec::new(),
    }
}
