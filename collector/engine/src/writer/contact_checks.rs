//! Ways to reach people on duty: a code that is sent by one and given back shows that it is theirs and works.

use ioc_common::clock::Timestamp;
use ioc_common::encoding::sha256_hex;
use ioc_common::random;
use ioc_judge::duty::Recipient;
use ioc_judge::{Notice, Occasion, Text};

use super::Engine;
use crate::audit_action::AuditLogAction;
use crate::command::{Answer, CommandError};
use crate::refusal_reason::{RefusalReason, Word};
use ioc_store::secret;
use ioc_store::{Change, ContactCheck};

/// How long a code is good, milliseconds: an SMS may take minutes.
const CODE_LIFE_MS: i64 = 30 * 60_000;
/// How long one waits before another is sent, milliseconds.
const AGAIN_MS: i64 = 60_000;
/// Wrong codes after which another has to be sent: of a million, nobody guesses one so.
const WRONG_MAX: u32 = 5;

/// A way to reach somebody: person, channel, address.
type Way<'a> = (&'a str, &'a str, &'a str);

/// What is kept of a code.
fn digest(code: &str, (person, channel, address): Way<'_>) -> String {
    sha256_hex(format!("{code}\n{person}\n{channel}\n{address}").as_bytes())
}

impl Engine {
    /// What is known of a way, with what is not committed yet.
    fn contact_check(&self, (person, channel, address): Way<'_>) -> Result<Option<ContactCheck>, CommandError> {
        let is_it = |one: &ContactCheck| one.person == person && one.channel == channel && one.address == address;
        let pending = self.batch.changes.iter().rev().find_map(|change| match change {
            Change::ContactCheck(check) if is_it(check) => Some((**check).clone()),
            _ => None,
        });
        if pending.is_some() {
            return Ok(pending);
        }
        let all = self.reader.contact_checks().map_err(CommandError::unread)?;
        Ok(all.into_iter().find(is_it))
    }

    pub(super) fn send_contact_code(&mut self, way: Way<'_>, actor: &str, now: Timestamp) -> super::CommandResult {
        let (person, channel, address) = way;
        let plan = self.state.plan();
        let known = plan.people.iter().find(|one| one.id == person);
        let has = known.is_some_and(|one| one.contacts.iter().any(|c| c.channel == channel && c.address == address));
        let Some(known) = known.filter(|_| has) else {
            let english = format!("{person} has no such way to be reached in the duty plan");
            return Err(RefusalReason::new("refusal-contact-missing", [], english).not_found());
        };
        let (name, language) = (known.name.clone(), known.language);
        if self.contact_check(way)?.is_some_and(|one| now.millis_since(one.sent_at) < AGAIN_MS) {
            let english = "a code was sent a moment ago; wait a minute";
            return Err(RefusalReason::new("refusal-code-sent", [], english).conflict());
        }
        let bytes: [u8; 8] = random::secret().map_err(|error| CommandError::Unavailable(error.to_string()))?;
        let code = format!("{:06}", u64::from_le_bytes(bytes) % 1_000_000);
        let to = Recipient {
            person: person.to_owned(),
            language,
            channel: channel.to_owned(),
            address: address.to_owned(),
            not_before: None,
        };
        self.record(now, actor, AuditLogAction::ContactCodeSent, person, channel);
        let title = Text::new(format!("Mã xác minh {code}"), format!("Code {code}"));
        let reason = Text::new(
            format!("{actor} xác minh cách liên lạc với {name}."),
            format!("{actor} verifies how to reach {name}."),
        );
        let advice = Text::new(
            "Đọc mã này cho người gửi, trong 30 phút. Không chờ mã thì bỏ qua.",
            "Give this code to whoever sent it, within 30 minutes. If you do not expect one, ignore it.",
        );
        let notice = Notice { to: vec![to], ..Notice::beside_incidents(Occasion::Test, title, reason, advice, now) };
        self.enqueue_notice(&notice, now);
        self.keep_contact_check(ContactCheck {
            person: person.to_owned(),
            channel: channel.to_owned(),
            address: address.to_owned(),
            digest: digest(&code, way),
            sent_at: now,
            wrong: 0,
            verified_at: None,
            by: actor.to_owned(),
        });
        Ok(Answer::Done)
    }

    pub(super) fn verify_contact(
        &mut self,
        way: Way<'_>,
        code: &str,
        actor: &str,
        now: Timestamp,
    ) -> super::CommandResult {
        let found = self.contact_check(way)?.filter(|one| one.verified_at.is_none());
        let is_good = |one: &ContactCheck| now.millis_since(one.sent_at) < CODE_LIFE_MS && one.wrong < WRONG_MAX;
        let Some(mut check) = found.filter(is_good) else {
            let english = "code: none is waited for, or its time is over; send another";
            return Err(RefusalReason::new("refusal-code-over", [], english).conflict());
        };
        let code: String = code.chars().filter(char::is_ascii_digit).collect();
        if !secret::is_same(&digest(&code, way), &check.digest) {
            check.wrong += 1;
            let left = WRONG_MAX - check.wrong;
            self.keep_contact_check(check);
            let english = format!("code: it is another one; {left} attempts are left");
            let args = [("left", Word::Count(u64::from(left)))];
            return Err(RefusalReason::new("refusal-code-other", args, english).invalid());
        }
        check.verified_at = Some(now);
        actor.clone_into(&mut check.by);
        self.record(now, actor, AuditLogAction::ContactVerified, way.0, way.1);
        self.keep_contact_check(check);
        Ok(Answer::Done)
    }

    fn keep_contact_check(&mut self, check: ContactCheck) {
        self.batch.visible = true;
        self.batch.changes.push(Change::ContactCheck(Box::new(check)));
    }
}
