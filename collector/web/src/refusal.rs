//! Why something was refused, in the reader's language: refusals are made where the decision is, in English, for the API and the command line.
//! A page looks up which of them one is, and says it by a text of its own, with the words that it names.
//!
//! The rooms in which people sign in, change accounts and let machines come in ask here. One that has no text is told by its kind; the test below
//! finds it before that.

use axum::http::StatusCode;
use fluent_bundle::FluentArgs;
use ioc_common::language::Language;

use crate::i18n::Texts;
use crate::page::Failure;
use crate::page::context::PageContext;
use crate::problem::Problem;

/// What refusals say, with `{}` for what they name, and the key of the text that says it; the first that fits. What is named is `a`, `b`, `c`.
const SAID: &[(&str, &str)] = &[
    ("name: found none; every device is named (article 6.1)", "refusal-device-name"),
    ("label: found none; say what the token is for", "refusal-token-label"),
    ("role: found none; allowed are {}", "refusal-role-none"),
    ("role: {} may do what you may not; choose another", "refusal-role-beyond"),
    ("name: allowed are 2 to 40 characters of a-z 0-9 . _ -, the first a letter", "refusal-account-name"),
    ("name: there is an account {} already", "refusal-account-there"),
    ("code: it is wrong, or was used; wait for the next one", "refusal-code-wrong"),
    ("code: this account has a second factor; give its code, too", "refusal-code-needed"),
    ("places: an {} reaches everywhere; leave them empty, or choose another role", "refusal-places-everywhere"),
    ("uplink: {} would be behind itself", "refusal-uplink-itself"),
    ("uplink: there is no device {}; register it first", "refusal-uplink-missing"),
    ("uplink: allowed are {} above each other", "refusal-uplink-depth"),
    ("{}found device identifier {}; allowed are 1 to 64 characters of {}", "refusal-device-id"),
    ("label: no registered asset has the label {}; register it first, or leave --label out", "refusal-label-missing"),
    ("{}: found {}; allowed is a number", "refusal-number"),
    ("{}: found {}; allowed are {}", "refusal-allowed"),
    ("{}: found {}; allowed is {}", "refusal-allowed"),
    ("{}: allowed are {} characters without control characters", "refusal-characters"),
    ("{}: allowed are {} to {} characters in one line", "refusal-line"),
    ("{}: allowed are {}", "refusal-most"),
    ("{}: there is no such field", "refusal-field-unknown"),
    ("life: {}", "refusal-life"),
    ("there is no device {}", "refusal-device-missing"),
    ("there is a device {} already", "refusal-device-there"),
    ("{} is not kept out", "refusal-not-kept-out"),
    ("there is no account {} here; ask an administrator", "refusal-account-not-here"),
    ("there is no account {}", "refusal-account-missing"),
    ("there is no such token", "refusal-token-missing"),
    ("no machine waits as {}", "refusal-request-missing"),
    ("{} wait already; approve or refuse some", "refusal-waiting-many"),
    ("you have no session or token {}", "refusal-session-missing"),
    ("a token cannot change accounts, passwords, second factors or tokens; sign in", "refusal-token-changes"),
    ("a token cannot show who you are; sign in", "refusal-token-shows"),
    ("this session has ended; sign in again", "refusal-session-ended"),
    ("your role does not allow this", "refusal-role"),
    ("this is your own account; choose a new password on its page", "refusal-own-account"),
    ("the account was changed meanwhile; begin again", "refusal-account-changed"),
    ("this is the last administrator; make another one first", "refusal-last-administrator"),
    ("there is a second factor already; end it first", "refusal-second-there"),
    ("the second factor is not confirmed yet", "refusal-second-unconfirmed"),
    ("there is no second factor", "refusal-second-missing"),
    ("name, password or code is wrong", "refusal-sign-in-wrong"),
    ("the identity provider says who you are; sign in there again: {}", "refusal-provider-again"),
    ("no identity provider is configured", "refusal-provider-none"),
    (
        "the identity provider did not ask anew who you are: {}; mend it there: asked with prompt=login and max_age=0, it must have people \
         sign in again, and say when they did (the claim auth_time, seconds, a number)",
        "refusal-provider-stale",
    ),
    ("the identity provider's answer: {}", "refusal-provider-answer"),
    ("the identity provider: {}", "refusal-provider-away"),
    ("the identity provider refused: {}", "refusal-provider-refused"),
    ("this sign-in was not begun here, or took too long; begin again", "refusal-sign-in-late"),
    ("this request comes from another site", "refusal-other-site"),
    ("too many people sign in at this moment; try again in {} s", "refusal-busy"),
    ("too many attempts; try again in {} s", "refusal-attempts-wait"),
    ("too many attempts from this address; wait a minute", "refusal-attempts"),
    ("too many attempts; wait a minute", "refusal-attempts"),
    ("password: allowed are 12 to 256 bytes", "refusal-password-bytes"),
    ("this is for administrators who may see personal data", "refusal-personal-data"),
    ("this is about the whole centre, and your account is limited to places", "refusal-whole-centre"),
    ("there are more than {} assets; divide the table", "refusal-table-long"),
    ("there is no asset in the table", "refusal-table-empty"),
    ("{}: {} stands in line {} already", "refusal-line-twice"),
    ("heading {}: {} stands there twice", "refusal-heading-twice"),
    ("heading {} is not known; allowed are {}", "refusal-heading-unknown"),
    ("there is no column {}", "refusal-column-missing"),
    ("there are {} fields and {} headings", "refusal-fields-headings"),
    ("device: neither label nor name gives an identifier; fill in the column device", "refusal-device-column"),
];
/// What is named, in its order.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// A refusal as a page says it.
pub(crate) fn text_of(page_context: &PageContext, problem: &Problem) -> String {
    said(page_context.texts(), page_context.language, problem.status(), problem.detail())
}

/// A fault of a table, or another refusal that is a text alone.
pub(crate) fn text_of_fault(page_context: &PageContext, fault: &str) -> String {
    said(page_context.texts(), page_context.language, StatusCode::UNPROCESSABLE_ENTITY, fault)
}

/// A refusal that is a page of its own.
pub(crate) fn failure(page_context: PageContext, problem: &Problem) -> Failure {
    let detail = text_of(&page_context, problem);
    Failure::new(page_context, Problem::new(problem.status(), detail))
}

fn said(texts: &Texts, language: Language, status: StatusCode, detail: &str) -> String {
    if let Some(text) = known(texts, language, detail) {
        return text;
    }
    // Of one row of a table, with its name before it.
    if let Some((row, rest)) = detail.strip_prefix('"').and_then(|rest| rest.split_once("\": "))
        && let Some(text) = known(texts, language, rest)
    {
        return format!("{row}: {text}");
    }
    match (language, status.as_u16()) {
        (Language::English, _) => detail.to_owned(),
        (Language::Vietnamese, code @ (403 | 404 | 409 | 422 | 429 | 503)) => {
            texts.get(language, &format!("refusal-other-{code}"))
        }
        (Language::Vietnamese, _) => texts.get(language, "refusal-other-other"),
    }
}

fn known(texts: &Texts, language: Language, detail: &str) -> Option<String> {
    let (key, named) = SAID.iter().find_map(|(pattern, key)| Some((*key, named_in(pattern, detail)?)))?;
    let mut args = FluentArgs::new();
    for (name, value) in NAMES.into_iter().zip(named) {
        let field = format!("refusal-field-{}", value.replace('_', "-"));
        args.set(name, if texts.has(language, &field) { texts.get(language, &field) } else { value.to_owned() });
    }
    Some(texts.with(language, key, &args))
}

/// What stands at the places of a pattern, where it fits the whole of a text.
fn named_in<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut named = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let end = if parts.peek().is_none() {
            // The last one takes all that is left.
            rest.len().checked_sub(part.len()).filter(|end| rest.get(*end..) == Some(part))?
        } else {
            rest.find(part)?
        };
        let (name, behind) = (rest.get(..end)?, rest.get(end + part.len()..)?);
        // The name of a field is one word.
        if named.is_empty() && pattern.starts_with("{}:") && name.contains(' ') {
            return None;
        }
        named.push(name);
        rest = behind;
    }
    rest.is_empty().then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where refusals are made that these rooms show.
    const SOURCES: [&str; 11] = [
        include_str!("account/accounts.rs"),
        include_str!("account/my_account.rs"),
        include_str!("account/personal_data_of.rs"),
        include_str!("sign_in/confirm.rs"),
        include_str!("sign_in/password.rs"),
        include_str!("sign_in/sso.rs"),
        include_str!("enrolment.rs"),
        include_str!("../../engine/src/writer/accounts.rs"),
        include_str!("../../engine/src/writer/accounts/authorization.rs"),
        include_str!("../../engine/src/writer/enrolment.rs"),
        include_str!("../../engine/src/inventory/device.rs"),
    ];
    const CALLS: [&str; 10] = [
        "Problem::invalid(",
        "Problem::forbidden(",
        "Problem::conflict(",
        "Problem::not_found(",
        "Problem::unauthorized(",
        "CommandError::Invalid(",
        "CommandError::Conflict(",
        "CommandError::Forbidden(",
        "CommandError::NotFound(",
        "Err(invalid(",
    ];

    /// The first text in a call, with a word in the place of each value; none where it is put together elsewhere.
    fn literal(call: &str) -> Option<String> {
        let (before, rest) = call.split_once('"')?;
        if before.contains(';') || before.contains("=>") || before.contains(')') {
            return None;
        }
        let end = rest.match_indices('"').map(|(at, _)| at).find(|at| !rest[..*at].ends_with('\\'))?;
        let mut text = String::new();
        let mut inside = false;
        for letter in rest[..end].chars() {
            match letter {
                '{' => {
                    inside = true;
                    text.push('7');
                }
                '}' => inside = false,
                _ if inside => {}
                letter => text.push(letter),
            }
        }
        Some(text.replace("\\\n", ""))
    }

    /// Not only values: who refused says the rest.
    fn is_said(text: &str) -> bool {
        text.contains(' ') && text.chars().any(char::is_alphabetic)
    }

    #[test]
    fn every_refusal_of_these_rooms_is_said_in_vietnamese() {
        let texts = Texts::load();
        let mut found = 0;
        for source in SOURCES {
            let code = source.split("#[cfg(test)]").next().unwrap_or_default();
            for call in CALLS.iter().flat_map(|call| code.split(call).skip(1)) {
                let Some(text) = literal(call).filter(|text| is_said(text)) else { continue };
                found += 1;
                assert!(known(&texts, Language::Vietnamese, &text).is_some(), "{text:?} has no text for pages");
            }
        }
        assert!(found > 30, "{found}");
    }

    #[test]
    fn a_refusal_says_what_it_names_in_the_readers_words() {
        let texts = Texts::load();
        let vi = |status: StatusCode, detail: &str| said(&texts, Language::Vietnamese, status, detail);
        let bad = StatusCode::UNPROCESSABLE_ENTITY;
        let told = vi(bad, "kind: found \"x\"; allowed are server, switch");
        assert_eq!(told, "Loại: nhận được \"x\"; cho phép server, switch.");
        assert_eq!(
            vi(bad, "uses: found \"a b\"; allowed is a number"),
            "Số lần dùng: nhận được \"a b\"; chỉ nhận một số."
        );
        let told = vi(bad, &ioc_common::id::DeviceId::new("a b").expect_err("no identifier").to_string());
        assert!(told.starts_with("Mã thiết bị \"a b\" không dùng được"), "{told}");
        let told = vi(bad, "\"Máy 1\": name: found none; every device is named (article 6.1)");
        assert!(told.starts_with("Máy 1: Tên: chưa điền"), "{told}");
        // What nobody thought of is not shown in another language, and an English reader has it as it is.
        let odd = "something odd: it broke";
        assert_eq!(vi(StatusCode::CONFLICT, odd), texts.get(Language::Vietnamese, "refusal-other-409"));
        assert_eq!(vi(StatusCode::INTERNAL_SERVER_ERROR, odd), texts.get(Language::Vietnamese, "refusal-other-other"));
        assert_eq!(said(&texts, Language::English, StatusCode::CONFLICT, odd), odd);
    }
}
