//! `[backup]`: where the collector's own backups go, when, how many are kept, and how they are sealed.

use std::path::PathBuf;

use serde::Deserialize;

use ioc_common::config::{Bounded, ConfigError, Source, Span, SpanWithin, Spanned};

/// Most recipients, and most words of a command.
const RECIPIENTS_MAX: usize = 20;
const WORDS_MAX: usize = 50;
/// Backups of which none is kept would be made for nothing.
const KEPT_MAX: u64 = 1000;

/// Where the collector's own backups go, when, and how many are kept.
#[allow(missing_docs, reason = "where a field has no words of its own, its name says it")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupPlan {
    /// Where archives lie.
    pub directory: PathBuf,
    /// The local time of the day at which one is made: hour and minute.
    pub at: (i8, i8),
    /// How many days, weeks and months have one that is kept.
    pub keep: KeptBackups,
    pub sealing: Sealing,
    /// The program that is started after each, with its arguments; the archive's path is put behind them. None when it is empty.
    pub command: Vec<String>,
    /// How long that program may take.
    pub command_timeout: SpanWithin<1_000, 86_400_000>,
    /// How often the newest one is restored for a trial.
    pub drill_every: SpanWithin<3_600_000, 31_622_400_000>,
    /// How much is read and written a second at most, MiB, whatever commits take.
    pub max_mib_per_s: Bounded<1, 10_000>,
    /// The same as long as commits are quick. Less than `max_mib_per_s` is as much as that.
    pub peak_mib_per_s: Bounded<1, 10_000>,
}

/// How many backups are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptBackups {
    /// Days that have one, the newest of them.
    pub daily: usize,
    /// Weeks, from Monday on.
    pub weekly: usize,
    /// Months.
    pub monthly: usize,
}

/// How an archive is sealed: it holds the key of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sealing {
    /// By a passphrase, in this file.
    Passphrase(PathBuf),
    /// For these recipients (`age1…`). With the file of an identity of one of them it can be opened here, for a drill.
    Recipients(Vec<String>, Option<PathBuf>),
    /// Not at all: whoever reads it has every key.
    Open,
}

impl Sealing {
    /// The name used in lists and in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passphrase(_) => "passphrase",
            Self::Recipients(..) => "recipients",
            Self::Open => "open",
        }
    }

    /// Whether an archive can be opened here, for a drill.
    #[must_use]
    pub const fn opens_here(&self) -> bool {
        matches!(self, Self::Passphrase(_) | Self::Recipients(_, Some(_)) | Self::Open)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct BackupForm {
    directory: Option<Spanned<PathBuf>>,
    at: Spanned<String>,
    daily: Bounded<1, KEPT_MAX>,
    weekly: Bounded<0, KEPT_MAX>,
    monthly: Bounded<0, KEPT_MAX>,
    #[serde(deserialize_with = "ioc_common::config::secret_file_if")]
    passphrase_file: Option<PathBuf>,
    recipients: Vec<Spanned<String>>,
    #[serde(deserialize_with = "ioc_common::config::secret_file_if")]
    identity_file: Option<PathBuf>,
    unsealed_with_every_key_readable: bool,
    command: Vec<Spanned<String>>,
    command_timeout: SpanWithin<1_000, 86_400_000>,
    drill_every: SpanWithin<3_600_000, 31_622_400_000>,
    max_mib_per_s: Bounded<1, 10_000>,
    peak_mib_per_s: Bounded<1, 10_000>,
}

impl Default for BackupForm {
    fn default() -> Self {
        Self {
            directory: None,
            at: Spanned::new(0..0, "02:30".to_owned()),
            daily: Bounded(7),
            weekly: Bounded(5),
            monthly: Bounded(12),
            passphrase_file: None,
            recipients: Vec::new(),
            identity_file: None,
            unsealed_with_every_key_readable: false,
            command: Vec::new(),
            command_timeout: SpanWithin(Span::secs(3600)),
            drill_every: SpanWithin(Span::secs(7 * 86_400)),
            max_mib_per_s: Bounded(20),
            peak_mib_per_s: Bounded(1000),
        }
    }
}

impl BackupForm {
    /// None when no directory is given: no backup is made then.
    pub(super) fn check(self, source: &Source) -> Result<Option<BackupPlan>, ConfigError> {
        let Some(directory) = self.directory else { return Ok(None) };
        let (span, directory) = (directory.span(), directory.into_inner());
        if !directory.is_absolute() {
            let message = format!("found directory {:?}; allowed is an absolute path", directory.display().to_string());
            return Err(source.fault(span, &message, "write the whole path, on another disk than the data directory"));
        }
        let time = self.at.get_ref().split_once(':').and_then(|(hour, minute)| {
            let number = |text: &str, below: i8| {
                let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
                text.parse::<i8>().ok().filter(|number| plain && *number < below)
            };
            Some((number(hour, 24)?, number(minute, 60)?))
        });
        let Some(at) = time else {
            let message = format!("found at {:?}; allowed are 00:00 to 23:59", self.at.get_ref());
            return Err(source.fault(self.at.span(), &message, "write it like \"02:30\"; it is the site's own time"));
        };
        if let Some(word) = self.recipients.get(RECIPIENTS_MAX) {
            let message = format!("found more than {RECIPIENTS_MAX} recipients");
            return Err(source.fault(word.span(), &message, "give fewer"));
        }
        if let Some(other) = self.recipients.iter().find(|one| !one.get_ref().starts_with("age1")) {
            // The other line of the pair is the private key, which must stand in no log.
            let is_private = other.get_ref().trim_start().to_lowercase().starts_with("age-secret-key");
            let shown = if is_private { "a private key".to_owned() } else { format!("{:?}", other.get_ref()) };
            let message = format!("found recipient {shown}; allowed are public keys of age, age1…");
            return Err(source.fault(other.span(), &message, "make a pair with 'age-keygen' and give its public key"));
        }
        let first = self.recipients.first().map_or(span, Spanned::span);
        let recipients: Vec<String> = self.recipients.into_iter().map(Spanned::into_inner).collect();
        let sealing = match (self.passphrase_file, recipients.is_empty(), self.unsealed_with_every_key_readable) {
            (Some(file), true, false) => Sealing::Passphrase(file),
            (None, false, false) => Sealing::Recipients(recipients, self.identity_file),
            (None, true, true) => Sealing::Open,
            (None, true, false) => {
                let message = "found a directory and nothing that seals: an archive holds the authority's key, and whoever reads it can be any machine";
                let mend = "give passphrase_file or recipients; or say unsealed_with_every_key_readable = true, if only you can ever read that directory";
                return Err(source.fault(first, message, mend));
            }
            _ => {
                let message =
                    "found several of passphrase_file, recipients and unsealed_with_every_key_readable; allowed is one";
                return Err(source.fault(first, message, "keep one of them"));
            }
        };
        if let Some(word) =
            self.command.get(WORDS_MAX).or_else(|| self.command.first().filter(|one| one.get_ref().is_empty()))
        {
            let message = format!("found a command that is empty or has more than {WORDS_MAX} words");
            return Err(source.fault(
                word.span(),
                &message,
                "give the program, and each argument as a word of its own",
            ));
        }
        Ok(Some(BackupPlan {
            directory,
            at,
            keep: KeptBackups { daily: self.daily.usize(), weekly: self.weekly.usize(), monthly: self.monthly.usize() },
            sealing,
            command: self.command.into_iter().map(Spanned::into_inner).collect(),
            command_timeout: self.command_timeout,
            drill_every: self.drill_every,
            max_mib_per_s: self.max_mib_per_s,
            peak_mib_per_s: self.peak_mib_per_s,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, testing};
    use super::*;

    fn parse(text: &str) -> Result<Option<BackupPlan>, ConfigError> {
        Config::parse(&Source::built_in("collector.toml", text), &testing::KINDS).map(|config| config.backup)
    }

    #[test]
    fn a_plan_is_off_without_a_directory_and_sealed_with_one() {
        assert_eq!(parse("").expect("parses"), None);
        assert_eq!(parse("[backup]\nat = \"01:00\"\n").expect("parses"), None);
        let plan =
            parse("[backup]\ndirectory = \"/srv/b\"\npassphrase_file = \"/etc/x\"\n").expect("parses").expect("on");
        assert_eq!((plan.at, plan.keep), ((2, 30), KeptBackups { daily: 7, weekly: 5, monthly: 12 }));
        assert!(plan.sealing.opens_here() && plan.command.is_empty());
        let key = "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq";
        let plan = parse(&format!("[backup]\ndirectory = \"/srv/b\"\nrecipients = [\"{key}\"]\n"))
            .expect("parses")
            .expect("on");
        assert!(!plan.sealing.opens_here(), "nobody here can open it");
    }

    #[test]
    fn faults_point_at_their_line_and_say_the_mend() {
        for (text, line, said) in [
            ("[backup]\ndirectory = \"b\"\n", 2, "absolute"),
            ("[backup]\ndirectory = \"/b\"\n", 2, "authority's key"),
            ("[backup]\ndirectory = \"/b\"\npassphrase_file = \"/x\"\nat = \"25:00\"\n", 4, "00:00 to 23:59"),
            ("[backup]\ndirectory = \"/b\"\npassphrase_file = \"/x\"\nat = \"2:5\"\n", 4, "00:00 to 23:59"),
            ("[backup]\ndirectory = \"/b\"\nrecipients = [\"ssh-ed25519 x\"]\n", 3, "age1"),
            (
                "[backup]\ndirectory = \"/b\"\npassphrase_file = \"/x\"\nunsealed_with_every_key_readable = true\n",
                2,
                "one",
            ),
            ("[backup]\ndirectory = \"/b\"\npassphrase_file = \"/x\"\ncommand = [\"\"]\n", 4, "command"),
            ("[backup]\ndirectory = \"/b\"\npassphrase_file = \"/x\"\ndaily = 0\n", 4, "1 to 1000"),
        ] {
            let fault = parse(text).expect_err(text);
            assert!(fault.line == line && fault.message.contains(said) && !fault.mend.is_empty(), "{text}: {fault}");
        }
        // The wrong line of the pair is told of and never shown.
        let secret = "AGE-SECRET-KEY-1MU8EV6QTL87UH4AGFSLJ03ZZKHVHLT8R6K9KLXKY6DC8KXWARX5QNE46CE";
        for key in
            ["recipients = [\"{}\"]", "recipients = [\"age1x\"]\nidentity_file = \"{}\"", "passphrase_file = \"{}\""]
        {
            for secret in [secret.to_owned(), secret.to_lowercase()] {
                let text = format!("[backup]\ndirectory = \"/b\"\n{}\n", key.replace("{}", &secret));
                let fault = parse(&text).expect_err("refused").to_string();
                assert!(!fault.to_lowercase().contains("mu8ev6") && fault.contains("private key"), "{fault}");
            }
        }
    }
}
