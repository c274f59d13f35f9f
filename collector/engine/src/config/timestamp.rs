//! `[timestamp]`: the authority that stamps heads of the audit log and exports of records (RFC 3161).

use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{ConfigError, Source, Span, SpanWithin, Spanned};

/// Longest identifier of a policy, characters.
const POLICY_MAX_CHARS: usize = 100;

/// Who stamps, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimestampPlan {
    /// Where it answers: `http://` or `https://`.
    pub url: String,
    /// The certificates, PEM, by which its answers are checked.
    pub authority_file: PathBuf,
    /// The certificates, PEM, by which its server's is checked; without them those that this machine trusts.
    pub server_authority_file: Option<PathBuf>,
    /// The policy that is asked for, as numbers apart by dots; the authority's own where it is empty.
    pub policy: String,
    /// Between two stamps of a log that grows.
    pub every: SpanWithin<60_000, 604_800_000>,
    /// How long an answer is waited for.
    pub timeout: SpanWithin<1_000, 300_000>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TimestampForm {
    url: Option<Spanned<String>>,
    authority_file: Option<Spanned<PathBuf>>,
    server_authority_file: Option<Spanned<PathBuf>>,
    policy: Spanned<String>,
    every: SpanWithin<60_000, 604_800_000>,
    timeout: SpanWithin<1_000, 300_000>,
}

impl Default for TimestampForm {
    fn default() -> Self {
        Self {
            url: None,
            authority_file: None,
            server_authority_file: None,
            policy: Spanned::new(0..0, String::new()),
            every: SpanWithin(Span::secs(3600)),
            timeout: SpanWithin(Span::secs(30)),
        }
    }
}

impl TimestampForm {
    /// None when no address is given: nothing is stamped then.
    pub(super) fn check(self, source: &Source) -> Result<Option<TimestampPlan>, ConfigError> {
        let Some(url) = self.url else {
            return match self.authority_file {
                None => Ok(None),
                Some(file) => {
                    let message = "found authority_file without url; allowed are both or none";
                    Err(source.fault(file.span(), message, "add url = \"https://…\", where the authority answers"))
                }
            };
        };
        let Some(authority_file) = self.authority_file else {
            let message = "found url without authority_file: an answer could not be checked";
            let mend = "save the authority's root certificate, PEM, and name the file";
            return Err(source.fault(url.span(), message, mend));
        };
        for file in std::iter::once(&authority_file).chain(&self.server_authority_file) {
            if !file.get_ref().is_absolute() {
                let message = format!("found {:?}; allowed is an absolute path", file.get_ref().display().to_string());
                return Err(source.fault(file.span(), &message, "write the whole path"));
            }
        }
        let policy = self.policy.get_ref();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !policy.is_empty() && (policy.len() > POLICY_MAX_CHARS || !policy.split('.').all(is_number)) {
            let message =
                format!("found policy {policy:?}; allowed are numbers apart by dots, such as 1.3.6.1.4.1.4146.2.3");
            return Err(source.fault(
                self.policy.span(),
                &message,
                "ask the authority for its identifier, or leave it out",
            ));
        }
        Ok(Some(TimestampPlan {
            url: super::kind::whole_url(source, url)?,
            authority_file: authority_file.into_inner(),
            server_authority_file: self.server_authority_file.map(Spanned::into_inner),
            policy: self.policy.into_inner(),
            every: self.every,
            timeout: self.timeout,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, testing};
    use super::*;

    fn parse(text: &str) -> Result<Option<TimestampPlan>, ConfigError> {
        Config::parse(&Source::built_in("collector.toml", text), &testing::KINDS).map(|config| config.timestamp)
    }

    #[test]
    fn it_is_off_without_an_address_and_checks_by_a_file_with_one() {
        assert_eq!(parse("").expect("parses"), None);
        assert_eq!(parse("[timestamp]\nevery = \"2h\"\n").expect("parses"), None);
        let text = "[timestamp]\nurl = \"http://tsa.example/tsr\"\nauthority_file = \"/etc/tsa.pem\"\n";
        let plan = parse(text).expect("parses").expect("on");
        assert_eq!((plan.every.as_millis(), plan.timeout.as_millis(), plan.policy.as_str()), (3_600_000, 30_000, ""));
    }

    #[test]
    fn faults_point_at_their_line_and_say_the_mend() {
        let url = "[timestamp]\nurl = \"http://tsa.example/tsr\"\n";
        let both = format!("{url}authority_file = \"/etc/tsa.pem\"\n");
        for (text, line, said) in [
            (url.to_owned(), 2, "without authority_file"),
            ("[timestamp]\nauthority_file = \"/etc/tsa.pem\"\n".to_owned(), 2, "without url"),
            (format!("{url}authority_file = \"tsa.pem\"\n"), 3, "absolute"),
            (format!("{both}server_authority_file = \"x.pem\"\n"), 4, "absolute"),
            (format!("{both}policy = \"1..2\"\n"), 4, "numbers apart by dots"),
            (format!("{both}every = \"1s\"\n"), 4, "1m"),
            ("[timestamp]\nurl = \"tsa\"\nauthority_file = \"/etc/tsa.pem\"\n".to_owned(), 2, "http"),
        ] {
            let fault = parse(&text).expect_err(&text);
            assert!(fault.line == line && fault.message.contains(said) && !fault.mend.is_empty(), "{text}: {fault}");
        }
    }
}
