//! The one thing that is said without the store: that it cannot be written, so that nothing else is kept, judged for long or sent.
//!
//! Once for each time it stays so, to whoever listens to all and to those whom the duty plan names first; once more when it is over.
//! What is known of it is in memory alone: a restart in between says it again.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use ioc_common::clock;
use ioc_common::id::IncidentId;
use ioc_judge::{Notice, Occasion, Priority, Severity, Text};

use super::{Office, Wording, carry};
use ioc_engine::config::{Channel, Config};
use ioc_engine::http::SendError;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// What is shorter is not worth a word.
const PATIENCE: Duration = Duration::from_secs(15);
/// It is not said more often than this, however often it comes and goes.
const SAID_EVERY: Duration = Duration::from_secs(3600);
/// Attempts on each channel, and the time between them. One that may have arrived is not repeated.
const ATTEMPTS_MAX: u32 = 5;
const BETWEEN: Duration = Duration::from_secs(10);
/// Most people that are told.
const TOLD_MAX: usize = 20;

/// A way to someone: channel, address, language.
type Way = (Channel, String, String);

/// Tells of it until it is aborted.
pub(super) async fn tell(office: Office, config: watch::Receiver<Arc<Config>>) {
    let (mut since, mut said): (Option<Instant>, Option<Instant>) = (None, None);
    let mut told: Vec<Way> = Vec::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = Instant::now();
        let current = Arc::clone(&config.borrow());
        match office.health.trouble() {
            None => {
                since = None;
                if !told.is_empty() {
                    send(std::mem::take(&mut told), &over(), &current);
                }
            }
            Some(why) => {
                let began = *since.get_or_insert(now);
                let rests = said.is_some_and(|said| now < said + SAID_EVERY);
                if now < began + PATIENCE || rests || !told.is_empty() {
                    continue;
                }
                said = Some(now);
                told = ways(&office, &current).await;
                tracing::error!(ways = told.len(), "the store cannot be written; this is told without it");
                send(told.clone(), &trouble(&why), &current);
            }
        }
    }
}

/// By which ways it is told.
async fn ways(office: &Office, config: &Config) -> Vec<Way> {
    let now = clock::now();
    let all = config.channels.iter().filter(|channel| channel.always);
    let mut found: Vec<Way> = all.map(|channel| (channel.clone(), String::new(), String::new())).collect();
    let covers = office.read(|reader| reader.covers()).await.unwrap_or_default();
    let plan = &config.plan;
    let first = plan.policy_for(Severity::Critical, None).and_then(|policy| policy.steps.first());
    let people: Vec<String> =
        first.into_iter().flat_map(|step| &step.to).flat_map(|to| plan.people_of(to, None, &covers, now)).collect();
    for to in plan.recipients(&people, Severity::Critical, now).into_iter().take(TOLD_MAX) {
        if let Some(channel) = config.channels.iter().find(|channel| channel.name == to.channel) {
            let way = (channel.clone(), to.address, to.language);
            if !found.contains(&way) {
                found.push(way);
            }
        }
    }
    found
}

/// Sends it by each way, beside each other.
fn send(ways: Vec<Way>, notice: &Notice, config: &Arc<Config>) {
    for (place, (channel, address, language)) in ways.into_iter().enumerate() {
        let (notice, config) = (notice.clone(), Arc::clone(config));
        tokio::spawn(async move {
            let language = Some(language.as_str()).filter(|language| !language.is_empty());
            let wording = Wording::new(&notice, &config, language, None);
            let key = format!("0-{}-{}-{place}", notice.opened_at.as_secs(), channel.name);
            for _ in 0..ATTEMPTS_MAX {
                match carry(&channel, &key, &address, &notice, &wording, &config).await {
                    Ok(()) => return,
                    Err(error) => {
                        tracing::warn!(key, %error, "that the store cannot be written could not be told");
                        if matches!(error, SendError::Never(_) | SendError::Unknown(_)) {
                            return;
                        }
                        tokio::time::sleep(error.asked().unwrap_or_default().max(BETWEEN)).await;
                    }
                }
            }
        });
    }
}

fn trouble(why: &str) -> Notice {
    about(
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

fn over() -> Notice {
    let mut notice = about(
        Occasion::Resolved,
        Text::new("Máy thu thập đã ghi được dữ liệu trở lại", "The collector's record can be written again"),
        Text::new("Kho dữ liệu đã ghi được trở lại.", "The store can be written again."),
        Text::new("Không cần làm gì.", "Nothing is to be done."),
    );
    notice.resolved_at = Some(notice.opened_at);
    notice
}

fn about(occasion: Occasion, title: Text, reason: Text, advice: Text) -> Notice {
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
