//! The one notice that is sent without the store: that it cannot be written, so that nothing else is kept, judged for long or sent, or
//! that notices cannot be read from it.
//!
//! It goes to the channels that carry every notice and to those whom the duty plan names first, and once more when it is over. What is
//! known of it is in memory alone: a restart in between sends it again.
//!
//! Each is sent only what is true now: what could not be delivered before is dropped when it is over, and that it is over is sent only
//! to whom may have heard of it. However often the store comes and goes, the last word is never that it works while it does not: it is
//! "works again" that is held back.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use ioc_common::backoff::doubled_ms;
use ioc_common::clock;
use ioc_common::language::Language;
use ioc_judge::{Notice, Occasion, Priority, Severity, Text};

use super::{MESSAGE_TIMEOUT, NotifyDeps, text};
use ioc_engine::config::{Channel, Config};
use ioc_engine::health::NoticesBlocked;
use ioc_engine::http::SendError;
use ioc_engine::notifier::Message;

/// How often the store's state is looked at.
const POLL: Duration = Duration::from_secs(1);
/// What is shorter is not worth a notice, either way.
const HOLD: Duration = Duration::from_secs(15);
/// That it is over is not told more often than this, however often it comes and goes.
const OVER_AGAIN_AFTER: Duration = Duration::from_secs(3600);
/// Attempts on each channel, and the time between them, doubled from the first to the last: a day. One that may have arrived is not
/// repeated.
const ATTEMPTS_MAX: u32 = 300;
const RETRY_FIRST_MS: u64 = 10_000;
const RETRY_LAST_MS: u64 = 300_000;
/// Most people that are notified.
const PEOPLE_MAX: usize = 20;

/// Whom it goes to.
#[derive(Debug, Clone)]
struct AlarmRecipient {
    channel: Channel,
    /// Empty where it is for everyone on the channel.
    address: String,
    /// None for all languages.
    language: Option<Language>,
}

impl AlarmRecipient {
    fn is(&self, other: &Self) -> bool {
        self.channel.name == other.channel.name && self.address == other.address && self.language == other.language
    }
}

/// Which announcement is due when.
#[derive(Debug, Default)]
struct Announcements {
    /// Since when the store has been as it is, but not as was told last.
    since: Option<Instant>,
    /// It was told that the store cannot be written, and not yet that this is over.
    open: bool,
    over_told: Option<Instant>,
}

impl Announcements {
    /// What is to be told now of a store that is in trouble, or well.
    fn look(&mut self, trouble: bool, now: Instant) -> Option<Occasion> {
        if trouble == self.open {
            self.since = None;
            return None;
        }
        let due = *self.since.get_or_insert(now) + HOLD;
        let early = |told: Instant| !trouble && now < told + OVER_AGAIN_AFTER;
        if now < due || self.over_told.is_some_and(early) {
            return None;
        }
        (self.open, self.since) = (trouble, None);
        if trouble {
            return Some(Occasion::Opened);
        }
        self.over_told = Some(now);
        Some(Occasion::Resolved)
    }
}

/// What one recipient is still to be told: the newest, and nothing else.
#[derive(Debug)]
struct Outstanding {
    recipient: AlarmRecipient,
    /// Tells its messages from those to others on the same channel.
    place: u64,
    wanted: Option<Arc<Notice>>,
    /// What is being sent.
    under_way: Option<Arc<Notice>>,
    /// It may have heard that the store cannot be written, and not that this is over.
    may_know: bool,
    attempts: u32,
    due: Instant,
    /// Until when the other side asked us to stay away.
    away_until: Option<Instant>,
}

impl Outstanding {
    const fn new(recipient: AlarmRecipient, place: u64, now: Instant) -> Self {
        let (wanted, under_way, away_until) = (None, None, None);
        Self { recipient, place, wanted, under_way, may_know: false, attempts: 0, due: now, away_until }
    }

    /// From now on this is to be told, and nothing that was to be told before.
    fn want(&mut self, notice: &Arc<Notice>, now: Instant) {
        (self.wanted, self.attempts) = (Some(Arc::clone(notice)), 0);
        self.due = self.away_until.map_or(now, |until| until.max(now));
    }

    /// What is to be begun now; it is under way then.
    fn begin(&mut self, now: Instant) -> Option<Arc<Notice>> {
        if self.under_way.is_some() {
            return None;
        }
        if !self.may_know && self.wanted.as_ref().is_some_and(|notice| notice.occasion == Occasion::Resolved) {
            self.wanted = None;
        }
        if now >= self.due {
            self.under_way.clone_from(&self.wanted);
        }
        self.under_way.clone()
    }

    /// What became of what was under way.
    fn ended(&mut self, result: &Result<(), SendError>, now: Instant) {
        let Some(sent) = self.under_way.take() else { return };
        let may_have_arrived = matches!(result, Ok(()) | Err(SendError::Unknown(_)));
        if may_have_arrived {
            self.may_know = sent.occasion == Occasion::Opened;
        }
        self.away_until = result.as_ref().err().and_then(|error| Some(now + error.retry_after()?));
        self.attempts += 1;
        let is_over =
            may_have_arrived || result.as_ref().is_err_and(SendError::is_final) || self.attempts >= ATTEMPTS_MAX;
        if !self.wanted.as_ref().is_some_and(|wanted| Arc::ptr_eq(wanted, &sent)) {
            // It was replaced meanwhile.
            (self.attempts, self.due) = (0, self.away_until.unwrap_or(now));
        } else if is_over {
            self.wanted = None;
        } else {
            let pause = Duration::from_millis(doubled_ms(self.attempts - 1, RETRY_FIRST_MS, RETRY_LAST_MS));
            self.due = self.away_until.map_or(now + pause, |until| until.max(now + pause));
        }
    }

    /// There is nothing to be told, and nothing that will have to be taken back.
    const fn is_done(&self) -> bool {
        self.wanted.is_none() && self.under_way.is_none() && !self.may_know
    }
}

/// Watches the store until it is aborted.
pub(super) async fn run(deps: NotifyDeps, config: watch::Receiver<Arc<Config>>) {
    let mut announcements = Announcements::default();
    let (mut all, mut last_place): (Vec<Outstanding>, u64) = (Vec::new(), 0);
    let mut sending: JoinSet<(u64, Result<(), SendError>)> = JoinSet::new();
    loop {
        tokio::time::sleep(POLL).await;
        let current = Arc::clone(&config.borrow());
        let trouble = deps.health.notices_blocked();
        let told = announcements.look(trouble.is_some(), Instant::now());
        if let Some(trouble) = trouble.filter(|_| told == Some(Occasion::Opened)) {
            let recipients = recipients(&deps, &current).await;
            tracing::error!(recipients = recipients.len(), %trouble, "this is told without the store");
            let notice = Arc::new(opened(&trouble));
            for recipient in recipients {
                if !all.iter().any(|one| one.recipient.is(&recipient)) {
                    last_place += 1;
                    all.push(Outstanding::new(recipient.clone(), last_place, Instant::now()));
                }
                let known = all.iter_mut().filter(|one| one.recipient.is(&recipient));
                known.for_each(|one| one.recipient = recipient.clone());
            }
            // Who is still to hear that the last time is over hears this instead.
            all.iter_mut().for_each(|one| one.want(&notice, Instant::now()));
        } else if told == Some(Occasion::Resolved) {
            let notice = Arc::new(resolved());
            all.iter_mut().for_each(|one| one.want(&notice, Instant::now()));
        }
        while let Some(ended) = sending.try_join_next() {
            let Ok((place, result)) = ended else { continue };
            if let Err(error) = &result {
                tracing::warn!(place, %error, "that the store cannot be used, or can again, could not be told");
            }
            all.iter_mut().filter(|one| one.place == place).for_each(|one| one.ended(&result, Instant::now()));
        }
        for one in &mut all {
            if let Some(notice) = one.begin(Instant::now()) {
                let (place, sent) = (one.place, send(one.recipient.clone(), one.place, notice, Arc::clone(&current)));
                sending.spawn(async move { (place, sent.await) });
            }
        }
        all.retain(|one| announcements.open || !one.is_done());
    }
}

async fn recipients(deps: &NotifyDeps, config: &Config) -> Vec<AlarmRecipient> {
    let now = clock::now();
    let recipient =
        |channel: &Channel, address, language| AlarmRecipient { channel: channel.clone(), address, language };
    let all = config.channels.iter().filter(|channel| channel.always);
    let mut found: Vec<AlarmRecipient> = all.map(|channel| recipient(channel, String::new(), None)).collect();
    let covers = deps.read(|reader| reader.covers()).await.unwrap_or_default();
    let plan = &config.plan;
    let first = plan.policy_for(Severity::Critical, None).and_then(|policy| policy.steps.first());
    let people: Vec<String> =
        first.into_iter().flat_map(|step| &step.to).flat_map(|to| plan.people_of(to, None, &covers, now)).collect();
    for to in plan.recipients(&people, Severity::Critical, now).into_iter().take(PEOPLE_MAX) {
        let Some(channel) = config.channels.iter().find(|channel| channel.name == to.channel) else { continue };
        let one = recipient(channel, to.address, Some(to.language));
        if !found.iter().any(|known| known.is(&one)) {
            found.push(one);
        }
    }
    found
}

/// Sends it to one, whatever comes of it.
async fn send(to: AlarmRecipient, place: u64, notice: Arc<Notice>, config: Arc<Config>) -> Result<(), SendError> {
    let sending = tokio::spawn(async move {
        let wording = text::wording(&notice, &config, to.language, None);
        let key = format!("0-{}-{}-{place}", notice.opened_at.as_secs(), to.channel.name);
        let message = Message {
            channel: &to.channel.name,
            key: &key,
            address: &to.address,
            notice: &notice,
            wording: &wording,
            site_name: &config.site_name,
            web_url: &config.web_url,
        };
        tokio::time::timeout(MESSAGE_TIMEOUT, to.channel.notifier.notify(message)).await
    });
    match sending.await {
        Ok(Ok(sent)) => sent,
        Ok(Err(_)) => Err(SendError::Unknown("no answer in time".to_owned())),
        Err(error) => Err(SendError::Unknown(format!("it broke off: {error}"))),
    }
}

pub(super) fn opened(trouble: &NoticesBlocked) -> Notice {
    let (title, reason, advice) = match trouble {
        NoticesBlocked::Unwritable(why) => (
            Text::new("Máy thu thập không ghi được dữ liệu", "The collector's record cannot be written"),
            Text::new(
                format!("Không ghi được kho dữ liệu: {why}. Trong lúc này không có thông báo nào khác được gửi."),
                format!("The store cannot be written: {why}. No other notice is sent meanwhile."),
            ),
            Text::new(
                "Dọn chỗ trên ổ đĩa của máy thu thập; xem «ioc-collector doctor» và /readyz. Dữ liệu của các máy được giữ tại máy và gửi lại sau.",
                "Make room on the collector's disk; see 'ioc-collector doctor' and /readyz. Machines keep what they have and send it later.",
            ),
        ),
        NoticesBlocked::Unreadable(why) => (
            Text::new("Máy thu thập không đọc được thông báo cần gửi", "The collector cannot read what is to be sent"),
            Text::new(
                format!(
                    "Không đọc được kho dữ liệu: {why}. Sự cố vẫn được ghi, nhưng không có thông báo nào khác được gửi."
                ),
                format!(
                    "The store cannot be read: {why}. Incidents are still recorded, and no other notice is sent meanwhile."
                ),
            ),
            Text::new(
                "Theo dõi trang Sự cố cho đến khi xử lý xong. Xem nhật ký dịch vụ và ổ đĩa của máy thu thập, rồi chạy «ioc-collector store check».",
                "Watch the page Incidents until this is over. See the service's log and the collector's disk, then run 'ioc-collector store check'.",
            ),
        ),
    };
    notice(Occasion::Opened, title, reason, advice)
}

fn resolved() -> Notice {
    let mut notice = notice(
        Occasion::Resolved,
        Text::new("Máy thu thập đã ghi và đọc được dữ liệu trở lại", "The collector's record can be used again"),
        Text::new("Kho dữ liệu đã dùng được trở lại.", "The store can be written and read again."),
        Text::new("Không cần làm gì.", "Nothing is to be done."),
    );
    notice.resolved_at = Some(notice.opened_at);
    notice
}

fn notice(occasion: Occasion, title: Text, reason: Text, advice: Text) -> Notice {
    Notice {
        step: 0,
        severity: Severity::Critical,
        rule: "store-unwritable".to_owned(),
        priority: Priority::P1,
        to_all: true,
        ..Notice::beside_incidents(occasion, title, reason, advice, clock::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is told while the store is in trouble (`true`) and well for so many seconds, one after the other: after how many seconds, what.
    fn told(course: &[(bool, u32)]) -> Vec<(u32, Occasion)> {
        let (mut announcements, begin, mut passed) = (Announcements::default(), Instant::now(), 0);
        let mut out = Vec::new();
        for (trouble, seconds) in course {
            for _ in 0..*seconds {
                passed += 1;
                out.extend(announcements.look(*trouble, begin + SECOND * passed).map(|what| (passed, what)));
            }
        }
        out
    }

    #[test]
    fn a_second_outage_is_told_at_once_and_only_its_end_waits() {
        use Occasion::{Opened, Resolved};
        assert_eq!(told(&[(true, 14), (false, 100)]), []);
        assert_eq!(told(&[(true, 30), (false, 30)]), [(16, Opened), (46, Resolved)]);
        assert_eq!(told(&[(true, 30), (false, 10), (true, 30)]), [(16, Opened)], "it is not over");
        let twice = told(&[(true, 30), (false, 60), (true, 60), (false, 7200)]);
        assert_eq!(twice, [(16, Opened), (46, Resolved), (106, Opened), (3646, Resolved)]);
        // However often it comes and goes: three in an hour, and the last word is right or too bad.
        let course: Vec<_> = (0..7200 / 40).flat_map(|_| [(true, 20), (false, 20)]).collect();
        let all = told(&course);
        assert!(all.len() <= 6 && all[..3].iter().map(|one| one.1).eq([Opened, Resolved, Opened]), "{all:?}");
    }

    fn outstanding() -> (Outstanding, Instant) {
        let hook = "[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://x/\"\n";
        let (address, language) = (String::new(), None);
        let recipient = AlarmRecipient { channel: crate::notify::testing::channel(hook), address, language };
        let now = Instant::now();
        (Outstanding::new(recipient, 1, now), now)
    }

    fn what(notice: Option<Arc<Notice>>) -> Option<Occasion> {
        notice.map(|notice| notice.occasion)
    }

    #[test]
    fn what_was_not_delivered_is_dropped_when_it_is_over() {
        let (mut one, now) = outstanding();
        one.want(&Arc::new(opened(&NoticesBlocked::Unwritable("no room".to_owned()))), now);
        assert_eq!(what(one.begin(now)), Some(Occasion::Opened));
        let after = Some(Duration::from_secs(900));
        one.ended(&Err(SendError::Away { why: "503".to_owned(), after }), now);
        assert_eq!(what(one.begin(now + Duration::from_secs(899))), None, "as it asked");
        one.want(&Arc::new(resolved()), now + Duration::from_secs(60));
        assert_eq!(what(one.begin(now + Duration::from_secs(901))), None, "neither that it was, nor that it is over");
        assert!(one.is_done());
    }

    #[test]
    fn what_may_have_arrived_is_taken_back_and_never_overtaken() {
        for first in [Ok(()), Err(SendError::Unknown("no answer".to_owned()))] {
            let (mut one, now) = outstanding();
            one.want(&Arc::new(opened(&NoticesBlocked::Unwritable("no room".to_owned()))), now);
            assert!(one.begin(now).is_some());
            one.want(&Arc::new(resolved()), now);
            assert_eq!(what(one.begin(now)), None, "the first is still under way");
            one.ended(&first, now);
            assert_eq!(what(one.begin(now)), Some(Occasion::Resolved));
            one.ended(&Err(SendError::away("nobody there")), now);
            assert_eq!(what(one.begin(now + SECOND)), None);
            assert_eq!(what(one.begin(now + SECOND * 10)), Some(Occasion::Resolved), "again, until it is told");
            one.ended(&Ok(()), now);
            assert!(one.is_done() && one.begin(now).is_none());
        }
    }
}
