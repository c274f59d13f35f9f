//! The configuration as this program takes it: read by `ioc-engine`, with the kinds of channels and of ticket systems that live here.

use std::path::Path;

use ioc_common::config::{ConfigError, Source};

use ioc_engine::config::{Config, ConnectorKinds};

use crate::{notify, ticket};

const KINDS: ConnectorKinds = ConnectorKinds { channels: notify::CHANNELS, tickets: ticket::SYSTEMS };

/// Reads the configuration at `path`, or the built-in defaults.
///
/// # Errors
/// [`ConfigError`] with the place of the first fault.
pub fn read(path: Option<&Path>) -> Result<Config, ConfigError> {
    match path {
        Some(path) => parse(&Source::read_filled(path)?),
        None => parse(&Source::built_in("(defaults)", "")),
    }
}

/// Reads a configuration.
///
/// # Errors
/// [`ConfigError`] with the place of the first fault.
pub fn parse(source: &Source) -> Result<Config, ConfigError> {
    Config::parse(source, &KINDS)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use ioc_engine::config::ConnectorKind;

    use super::*;

    pub(crate) fn parse(text: &str) -> Result<Config, ConfigError> {
        super::parse(&Source::built_in("collector.toml", text))
    }

    /// The fault in a text that has one.
    fn fault(text: &str) -> ConfigError {
        parse(text).expect_err("a fault")
    }

    fn keys<T: ?Sized>(kind: &ConnectorKind<T>) -> BTreeSet<&'static str> {
        kind.required.iter().chain(kind.optional).copied().collect()
    }

    #[test]
    fn a_file_that_is_named_and_lost_its_content_is_refused_with_its_name() {
        let dir = tempfile::tempdir().expect("directory");
        for table in ["rules", "retention", "duty", "register"] {
            let (path, key) = (dir.path().join(table), if table == "register" { "software" } else { "file" });
            std::fs::write(&path, "").expect("written");
            let fault = fault(&format!("[{table}]\n{key} = {path:?}\n"));
            assert!(fault.path == path && fault.message.contains("power was lost"), "{fault}");
        }
    }

    /// Each kind refuses each key of every other one that it does not have itself: at its line, with the keys that it has.
    fn refuses_keys_of_others<T: ?Sized>(table: &str, kinds: &[ConnectorKind<T>]) {
        let mut refused = 0;
        for kind in kinds {
            let others: BTreeSet<&str> = kinds.iter().flat_map(keys).collect();
            for key in others.difference(&keys(kind)) {
                let text = format!("[[{table}]]\nname = \"x\"\ntype = \"{}\"\n\n{key} = \"y\"\n", kind.name);
                let fault = fault(&text);
                assert_eq!((fault.line, fault.column), (5, 1), "{fault}");
                assert!(fault.message.starts_with(&format!("found {key} in a ")), "{fault}");
                assert!(keys(kind).iter().all(|own| fault.message.contains(own)), "{fault}");
                assert!(fault.message.contains("min_severity") && fault.mend.contains("type = "), "{fault}");
                refused += 1;
            }
            for lacking in kind.required {
                let fault = fault(&format!("\n[[{table}]]\nname = \"x\"\ntype = \"{}\"\n", kind.name));
                let first = kind.required.first().copied().unwrap_or_default();
                assert!(fault.line == 2 && fault.message.contains(&format!("found no {first}")), "{lacking}: {fault}");
            }
            let fault = fault(&format!("[[{table}]]\nname = \"x\"\ntype = \"{}\"\nurk = 1\n", kind.name));
            assert!(fault.line == 4 && fault.message.contains("unknown field `urk`"), "{fault}");
        }
        assert!(refused > kinds.len(), "{refused}");
    }

    #[test]
    fn a_key_of_another_kind_of_channel_is_refused_at_its_place() {
        refuses_keys_of_others("channel", notify::CHANNELS);
        let hook = "[[channel]]\nname = \"hook\"\ntype = \"webhook\"\nurl = \"http://x\"\nheaders = { A = \"b\" }\n";
        let fault = fault(hook);
        assert_eq!(
            (fault.line, fault.message.as_str(), fault.mend.as_str()),
            (
                5,
                "found headers in a channel of the type webhook; allowed are url, secret_file, \
                 and for every type name, type, min_severity, always, fallback, per_minute",
                "remove this line, or write type = \"http\""
            )
        );
        assert!(!fault.to_string().contains("\"b\""), "a header may be secret: {fault}");
    }

    #[test]
    fn a_key_of_another_kind_of_ticket_system_is_refused_at_its_place() {
        refuses_keys_of_others("ticket", ticket::SYSTEMS);
    }

    #[test]
    fn an_unknown_kind_is_refused_with_those_that_there_are() {
        let kind = fault("[[channel]]\nname = \"sms\"\ntype = \"sms\"\n");
        assert!(kind.line == 3 && kind.message.contains("`webhook`"), "{kind}");
        let kind = fault("[[ticket]]\nname = \"x\"\ntype = \"otrs\"\n");
        assert_eq!((kind.line, kind.message.as_str()), (3, "unknown variant `otrs`, expected `rt` or `http`"));
    }
}
