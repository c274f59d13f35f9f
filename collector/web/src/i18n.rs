//! The texts of the pages in Fluent, Vietnamese first.

use std::collections::HashMap;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use ioc_common::language::Language;
use unic_langid::LanguageIdentifier;

const VI: &str = include_str!("../locales/vi.ftl");
const EN: &str = include_str!("../locales/en.ftl");

/// The texts of both languages.
pub(crate) struct Texts {
    vi: LanguageTexts,
    en: LanguageTexts,
}

/// The texts of one language.
///
/// Parsed, each takes most of a kilobyte. Nine of ten are one line and say the same whatever is given: those are read where they lie in the
/// program.
struct LanguageTexts {
    plain: HashMap<&'static str, &'static str>,
    others: FluentBundle<FluentResource>,
}

impl LanguageTexts {
    fn load(language: Language, source: &'static str) -> Self {
        let (mut plain, mut others) = (HashMap::new(), String::new());
        let mut lines = source.lines().peekable();
        while let Some(line) = lines.next() {
            // What goes on is indented, or the end of a choice.
            let goes_on = lines.peek().is_some_and(|next| next.starts_with([' ', '}', '[', '*']));
            match line.split_once(" = ") {
                Some((key, text)) if !goes_on && !text.contains(['{', '}']) && is_key(key) => {
                    plain.insert(key, text.trim_matches(' '));
                }
                _ => {
                    others.push_str(line);
                    others.push('\n');
                }
            }
        }
        plain.shrink_to_fit();
        Self { plain, others: bundle(language, others) }
    }

    fn has(&self, key: &str) -> bool {
        self.plain.contains_key(key) || self.others.has_message(key)
    }

    /// The text `key`; none when there is none.
    fn with(&self, key: &str, args: &FluentArgs<'_>) -> Option<String> {
        if let Some(text) = self.plain.get(key) {
            return Some((*text).to_owned());
        }
        let pattern = self.others.get_message(key).and_then(|message| message.value())?;
        Some(self.others.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned())
    }
}

impl Texts {
    pub(crate) fn load() -> Self {
        let load = LanguageTexts::load;
        Self { vi: load(Language::Vietnamese, VI), en: load(Language::English, EN) }
    }

    fn of(&self, language: Language) -> &LanguageTexts {
        language.choose(&self.vi, &self.en)
    }

    /// The text `key` in `language`; the key itself when there is none, which a test rules out.
    pub(crate) fn get(&self, language: Language, key: &str) -> String {
        self.with(language, key, &FluentArgs::new())
    }

    /// Whether there is a text `key`.
    pub(crate) fn has(&self, language: Language, key: &str) -> bool {
        self.of(language).has(key)
    }

    /// The text `key` with arguments.
    pub(crate) fn with(&self, language: Language, key: &str, args: &FluentArgs<'_>) -> String {
        self.of(language).with(key, args).unwrap_or_else(|| key.to_owned())
    }
}

/// Whether a line that begins so is the beginning of a text, and neither goes on nor is a comment.
fn is_key(text: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.chars().all(part)
}

fn bundle(language: Language, source: String) -> FluentBundle<FluentResource> {
    let id: LanguageIdentifier = language.as_str().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![id]);
    bundle.set_use_isolating(false);
    // What is faulty is left out here and found by the test below.
    let resource = FluentResource::try_new(source).unwrap_or_else(|(resource, _)| resource);
    let _ = bundle.add_resource(resource);
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

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
            assert!(texts.vi.has(key) && texts.en.has(key), "{key}");
        }
        assert_eq!(texts.get(Language::English, "sign-in"), "Sign in");
    }

    #[test]
    fn what_is_read_where_it_lies_is_what_fluent_makes_of_it() {
        for (language, source) in [(Language::Vietnamese, VI), (Language::English, EN)] {
            let (texts, whole) = (LanguageTexts::load(language, source), bundle(language, source.to_owned()));
            assert!(texts.plain.len() * 5 > keys(source).len() * 4, "{} are plain", texts.plain.len());
            let mut args = FluentArgs::new();
            for name in ["count", "at", "name", "value"] {
                args.set(name, 3);
            }
            for key in keys(source) {
                let pattern = whole.get_message(key).and_then(|message| message.value()).expect("a text");
                let said = whole.format_pattern(pattern, Some(&args), &mut Vec::new());
                assert_eq!(texts.with(key, &args).as_deref(), Some(&*said), "{key}");
            }
        }
    }

    #[test]
    fn every_document_has_its_words() {
        // Whatever a reading type can say has a word: its default says every field.
        fn fields(value: &serde_json::Value, found: &mut BTreeSet<String>) {
            match value {
                serde_json::Value::Object(object) => {
                    for (key, value) in object {
                        found.insert(key.clone());
                        fields(value, found);
                    }
                }
                serde_json::Value::Array(list) => list.iter().for_each(|one| fields(one, found)),
                _ => {}
            }
        }
        use ioc_common::reading as r;
        let mut found = BTreeSet::new();
        let mut take =
            |value: Result<serde_json::Value, serde_json::Error>| fields(&value.expect("writes"), &mut found);
        let (updates, phased, unknown) = (vec![r::Update::default()], vec![String::new()], vec![String::new()]);
        let counts = (Some(0), Some(0));
        take(serde_json::to_value(r::Patches {
            updates,
            phased,
            unknown,
            pending: counts.0,
            security: counts.1,
            ..r::Patches::default()
        }));
        let detections = vec![r::Detection::default()];
        take(serde_json::to_value(r::Antivirus { products: vec![r::Product { detections, ..r::Product::default() }] }));
        take(serde_json::to_value(r::Accounts { accounts: vec![r::Account::default()], ..r::Accounts::default() }));
        take(serde_json::to_value(r::Sessions { sessions: vec![r::Session::default()], ..r::Sessions::default() }));
        take(serde_json::to_value(r::Protection { listening: vec![r::Port::default()], ..r::Protection::default() }));
        take(serde_json::to_value(r::Smart { disks: vec![r::SmartDisk::default()] }));
        take(serde_json::to_value(r::Raid { arrays: vec![r::Array::default()], ..r::Raid::default() }));
        let connectors = vec![r::Connector { panel: Some(r::Panel::default()), ..r::Connector::default() }];
        let differences = vec![r::Difference::default()];
        take(serde_json::to_value(r::Displays { connectors, differences, ..r::Displays::default() }));
        take(serde_json::to_value(r::Services { watched: vec![r::Service::default()], ..r::Services::default() }));
        take(serde_json::to_value(r::TimeSync::default()));
        take(serde_json::to_value(r::Ipmi::default()));
        take(serde_json::to_value(r::Gpus { gpus: vec![r::Gpu::default()], ..r::Gpus::default() }));
        take(serde_json::to_value(r::Endpoints { endpoints: vec![r::Endpoint::default()] }));
        take(serde_json::to_value(r::Certificates { certificates: vec![r::CertificateFile::default()] }));
        take(serde_json::to_value(r::Backups { jobs: vec![r::Backup::default()] }));
        assert!(found.len() > 90, "{}", found.len());
        let known = keys(VI);
        for field in &found {
            let key = format!("field-{}", field.replace('_', "-"));
            assert!(known.contains(key.as_str()), "{key} has no word");
        }
    }

    /// The text of all files below a folder.
    fn read_all(dir: &Path, all: &mut String) {
        for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
            if entry.path().is_dir() {
                read_all(&entry.path(), all);
            } else {
                *all += &std::fs::read_to_string(entry.path()).expect("read");
            }
        }
    }

    #[test]
    fn every_reason_of_a_refusal_is_a_text_and_every_text_of_one_is_given() {
        let mut all = String::new();
        read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut all);
        read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/src")), &mut all);
        let families = ["register-refused-", "report-refused-", "refusal-"];
        // Fields and kinds are put together from names; another test has the fields, and the page the kinds.
        let is_one = |text: &str| {
            let of = families.iter().any(|of| text.len() > of.len() && text.starts_with(of));
            of && text != "refusal-field" && !text.starts_with("refusal-field-") && !text.starts_with("refusal-other-")
        };
        let given: BTreeSet<&str> = all.split('"').filter(|text| is_one(text)).collect();
        let known: BTreeSet<&str> = keys(VI).into_iter().filter(|key| is_one(key)).collect();
        assert!(known.len() > 150, "{}", known.len());
        assert_eq!(given, known);
    }

    #[test]
    fn every_field_that_a_refusal_names_has_its_word() {
        let known = keys(VI);
        for field in ioc_engine::refusal_field::Field::ALL {
            let key = format!("refusal-field-{}", field.as_str().replace('_', "-"));
            assert!(known.contains(key.as_str()), "{key} has no word");
        }
        // The judge names fields of its forms.
        let mut all = String::new();
        read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../judge/src")), &mut all);
        let calls = ["field: \"", "invalid(\"", "required(\"", "required_text(\"", "in_own_words(\"", "Err((\""];
        let named: BTreeSet<&str> =
            calls.iter().flat_map(|call| all.split(call).skip(1)).filter_map(|rest| rest.split('"').next()).collect();
        assert!(named.len() > 20, "{named:?}");
        for field in named {
            let key = format!("form-{}", field.replace('_', "-"));
            assert!(known.contains(key.as_str()), "{key} has no word");
        }
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "one list of families")]
    fn every_text_that_is_used_exists_and_every_text_is_used() {
        let mut all = String::new();
        read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/templates")), &mut all);
        read_all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut all);
        let calls = [".t(\"", " t(\"", ".t_with(\"", "t_key(\"", ".count(\"", ".get(language, \""];
        let used: BTreeSet<&str> =
            calls.iter().flat_map(|call| all.split(call).skip(1)).filter_map(|rest| rest.split('"').next()).collect();
        let known = keys(VI);
        for key in &used {
            assert!(known.contains(key), "{key} is used and has no text");
        }
        let is_unused = |key: &&str| {
            // Families such as state-… are put together from names that the code knows.
            let families = [
                "state-",
                "health-",
                "find-",
                "probe-name-",
                "setup-",
                "kind-",
                "severity-",
                "incident-state-",
                "incidents-state-",
                "fault-state-",
                "doc-",
                "change-",
                "past-side-",
                "field-",
                "event-",
                "gate-",
                "form-",
                "day-",
                "time-to-",
                "in-common-",
                "history-span-",
                "role-",
                "coverage-",
                "wall-",
                "list-",
                "view-",
                "why-",
                "collector-",
                "certificate-",
                "second-factor-",
                "assets-",
                "password-",
                "rooms-",
                "tone-",
                "chart-mark-",
                "panel-kind-",
                "fresh-",
                "source-",
                "person-kind-",
                "screen-",
                "settings-state-",
                "clock-",
                "backups-",
                "records-class-",
                "records-kind-",
                "records-end-",
                "job-state-",
                "rule-kind-",
                "csv-",
                "figures-",
                "rule-state-",
                "rule-whom-",
                "rule-field-",
                "rule-refused-",
                "backup-kind-",
                "backup-state-",
                "backup-missing-",
                "backup-view-",
                "report-state-",
                "report-period-",
                "report-refused-",
                "origin-",
                "deadline-state-",
                "counted-",
                "notice-text-",
                "sign-own",
                "sign-acting",
                "sign-deputy",
                "sign-by-",
                "search-kind-",
                "asset-field-",
                "issued-kind-",
                "account-field-",
                "asset-state-",
                "asset-importance-",
                "product-field-",
                "product-state-",
                // Headings that a file has, and tabs.
                "product-first-seen",
                "product-last-seen",
                "product-key",
                // What a table is called that is taken into a register (`register/import.rs`).
                "import-title",
                "import-about",
                "import-hint",
                "import-rows",
                "import-undo-about",
                "import-accounts",
                "import-software-",
                "reports-laws-kind-",
                "reports-laws-sure-",
                "register-",
                "search-reached",
                "search-refused-",
                "evidence-kind-",
                "person-word-",
                "person-data-not-older",
                "person-notice-",
                "refusal-",
                "duty-origin-",
                "duty-kind-",
                "duty-group-",
                "duty-field-",
                "duty-edit-about-",
                "why-not-",
                "turn-state-",
                "shift-event-",
                "handover-side-",
                "configuration-part-",
                "configuration-about-",
                "configuration-field-",
                "configuration-kind-",
            ];
            !used.contains(key) && !families.iter().any(|family| key.starts_with(family))
        };
        let unused: Vec<&str> = known.iter().copied().filter(is_unused).collect();
        assert!(unused.is_empty(), "not used: {}", unused.join(", "));
    }
}
