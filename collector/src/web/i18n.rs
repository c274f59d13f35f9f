//! Texts of the pages, in Fluent, Vietnamese first.

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

const VI: &str = include_str!("../../locales/vi.ftl");
const EN: &str = include_str!("../../locales/en.ftl");

/// The texts of both languages.
pub(super) struct Texts {
    vi: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
}

impl Texts {
    pub(super) fn load() -> Self {
        Self { vi: bundle("vi", VI), en: bundle("en", EN) }
    }

    /// The text `key` in `language`; the key itself when there is none, which a test rules out.
    pub(super) fn get(&self, language: &str, key: &str) -> String {
        self.with(language, key, &FluentArgs::new())
    }

    /// The text `key` with arguments.
    pub(super) fn with(&self, language: &str, key: &str, args: &FluentArgs<'_>) -> String {
        let bundle = if language == "en" { &self.en } else { &self.vi };
        let pattern = bundle.get_message(key).and_then(|message| message.value());
        match pattern {
            Some(pattern) => bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned(),
            None => key.to_owned(),
        }
    }
}

fn bundle(language: &str, source: &str) -> FluentBundle<FluentResource> {
    let id: LanguageIdentifier = language.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    bundle.set_use_isolating(false);
    // What is faulty is left out here and found by the test below.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, _)| resource);
    let _ = bundle.add_resource(resource);
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn keys(source: &str) -> BTreeSet<&str> {
        let starts = |line: &&str| line.starts_with(|c: char| c.is_ascii_lowercase());
        source.lines().filter(starts).filter_map(|line| line.split_once(" =")).map(|(key, _)| key).collect()
    }

    #[test]
    fn both_languages_have_every_text() {
        assert!(FluentResource::try_new(VI.to_owned()).is_ok() && FluentResource::try_new(EN.to_owned()).is_ok());
        assert_eq!(keys(VI), keys(EN));
        let texts = Texts::load();
        for key in keys(VI) {
            assert!(texts.vi.has_message(key) && texts.en.has_message(key), "{key}");
        }
        assert_eq!(texts.get("en", "sign-in"), "Sign in");
    }

    #[test]
    fn every_text_that_is_used_exists_and_every_text_is_used() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
        let templates = std::fs::read_dir(dir)
            .expect("templates")
            .flatten()
            .map(|entry| std::fs::read_to_string(entry.path()).expect("read"));
        let sources = [include_str!("view.rs"), include_str!("pages.rs"), include_str!("auth.rs")];
        let all: String = templates.chain(sources.map(str::to_owned)).collect();
        let calls = [".t(\"", " t(\"", "t_key(\""];
        let used: BTreeSet<&str> =
            calls.iter().flat_map(|call| all.split(call).skip(1)).filter_map(|rest| rest.split('"').next()).collect();
        let known = keys(VI);
        for key in &used {
            assert!(known.contains(key), "{key} is used and has no text");
        }
        for key in &known {
            // Families such as state-… are put together from names that the code knows.
            let family =
                ["state-", "kind-", "severity-", "incident-state-"].iter().any(|family| key.starts_with(family));
            assert!(family || used.contains(key), "{key} is not used");
        }
    }
}
