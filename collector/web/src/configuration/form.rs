//! Forms of parts beside their texts: which fields each has, how they are read out of the text and written into it. What a form does not name
//! stays as it stands in the text; comments do not, which is said before.

use std::collections::BTreeMap;

use ioc_common::config::{TomlTable, TomlValue};
use ioc_store::configuration::Part;

/// What is filled into a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FieldKind {
    Text,
    /// Several lines of text.
    Area,
    /// A list, an entry a line.
    Lines,
    /// Names and values, as `name: value` a line.
    Pairs,
    /// A whole number.
    Number,
    /// Yes, or what it is without being said.
    Switch,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Where a file of a secret is named, or the secret itself is sealed.
    Secret,
}

/// A field: its key in the item, tables before dots.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) kind: FieldKind,
    pub(super) required: bool,
}

const fn must(key: &'static str, kind: FieldKind) -> Field {
    Field { key, kind, required: true }
}

const fn may(key: &'static str, kind: FieldKind) -> Field {
    Field { key, kind, required: false }
}

/// The form of a part.
#[derive(Debug, Clone, Copy)]
pub(super) struct FormOf {
    /// The array whose tables are its items; none where the part is one thing.
    pub(super) items: Option<&'static str>,
    /// Kinds of items (`type`), each with its fields; one without a name where there are no kinds.
    pub(super) kinds: &'static [(&'static str, &'static [Field])],
    /// Fields of all kinds, after their own.
    pub(super) common: &'static [Field],
}

const SEVERITIES: FieldKind = FieldKind::Choice(&["info", "warning", "critical"]);

const CHANNELS: FormOf = FormOf {
    items: Some("channel"),
    kinds: &[
        (
            "smtp",
            &[
                must("server", FieldKind::Text),
                may("tls", FieldKind::Choice(&["starttls", "tls", "none"])),
                must("from", FieldKind::Text),
                may("to", FieldKind::Lines),
                may("user", FieldKind::Text),
                may("password_file", FieldKind::Secret),
            ],
        ),
        (
            "http",
            &[
                must("url", FieldKind::Text),
                may("method", FieldKind::Choice(&["POST", "PUT", "GET"])),
                may("content_type", FieldKind::Text),
                may("headers", FieldKind::Pairs),
                may("body", FieldKind::Area),
                may("secret_file", FieldKind::Secret),
                may("success", FieldKind::Text),
            ],
        ),
        ("webhook", &[must("url", FieldKind::Text), may("secret_file", FieldKind::Secret)]),
        (
            "mqtt",
            &[
                must("server", FieldKind::Text),
                must("topic", FieldKind::Text),
                may("tls", FieldKind::Choice(&["tls", "none"])),
                may("user", FieldKind::Text),
                may("password_file", FieldKind::Secret),
            ],
        ),
        ("syslog", &[must("server", FieldKind::Text)]),
    ],
    common: &[
        may("min_severity", SEVERITIES),
        may("always", FieldKind::Switch),
        may("fallback", FieldKind::Text),
        may("per_minute", FieldKind::Number),
    ],
};

const SOURCES: FormOf =
    FormOf { items: Some("source"), kinds: &[("", &[must("token_file", FieldKind::Secret)])], common: &[] };

const JOBS: FormOf = FormOf {
    items: Some("job"),
    kinds: &[(
        "",
        &[
            may("title", FieldKind::Text),
            may("device", FieldKind::Text),
            must("every", FieldKind::Text),
            may("grace", FieldKind::Text),
            may("severity", SEVERITIES),
            may("advice", FieldKind::Area),
            must("token_file", FieldKind::Secret),
        ],
    )],
    common: &[],
};

const TICKETS: FormOf = FormOf {
    items: Some("ticket"),
    kinds: &[
        ("rt", &[must("url", FieldKind::Text), must("queue", FieldKind::Text), must("user", FieldKind::Text)]),
        // Its requests are templates: they are written in the text.
        ("http", &[]),
    ],
    common: &[
        may("secret_file", FieldKind::Secret),
        may("min_severity", SEVERITIES),
        may("every", FieldKind::Text),
        may("page", FieldKind::Text),
    ],
};

const AGENT_GROUPS: FormOf = FormOf {
    items: Some("settings"),
    kinds: &[(
        "",
        &[
            may("scope.kinds", FieldKind::Lines),
            may("scope.devices", FieldKind::Lines),
            may("scope.places", FieldKind::Lines),
            may("scope.tags", FieldKind::Lines),
            may("interval", FieldKind::Text),
            may("every", FieldKind::Pairs),
            may("forbid", FieldKind::Lines),
        ],
    )],
    common: &[],
};

/// A part that is one thing.
const fn one(kinds: &'static [(&'static str, &'static [Field])]) -> FormOf {
    FormOf { items: None, kinds, common: &[] }
}

const SITE: FormOf = one(&[(
    "",
    &[
        must("site.name", FieldKind::Text),
        may("site.agencies", FieldKind::Lines),
        may("site.language", FieldKind::Choice(&["vi", "en"])),
        may("site.timezone", FieldKind::Text),
    ],
)]);

const LEGAL: FormOf = one(&[(
    "",
    &[
        may("legal.level", FieldKind::Choice(&["1", "2", "3", "4", "5"])),
        may("legal.regulation", FieldKind::Text),
        may("legal.regime", FieldKind::Text),
        may("legal.files", FieldKind::Lines),
    ],
)]);

const REGISTER: FormOf =
    one(&[("", &[may("register.complete_within", FieldKind::Text), may("register.required", FieldKind::Lines)])]);

const IDENTITY: FormOf = one(&[(
    "",
    &[
        may("people.second_factor_for", FieldKind::Lines),
        may("oidc.name", FieldKind::Text),
        may("oidc.issuer", FieldKind::Text),
        may("oidc.client_id", FieldKind::Text),
        may("oidc.secret_file", FieldKind::Secret),
        may("oidc.claim", FieldKind::Text),
        may("oidc.second_factor_acr", FieldKind::Lines),
        may("oidc.second_factor_always", FieldKind::Switch),
    ],
)]);

const BACKUP: FormOf = one(&[(
    "",
    &[
        may("backup.directory", FieldKind::Text),
        may("backup.at", FieldKind::Text),
        may("backup.daily", FieldKind::Number),
        may("backup.weekly", FieldKind::Number),
        may("backup.monthly", FieldKind::Number),
        may("backup.passphrase_file", FieldKind::Text),
        may("backup.recipients", FieldKind::Lines),
        may("backup.identity_file", FieldKind::Text),
        may("backup.unsealed_with_every_key_readable", FieldKind::Switch),
        may("backup.drill_every", FieldKind::Text),
    ],
)]);

const HEARTBEAT: FormOf =
    one(&[("", &[may("heartbeat.url", FieldKind::Text), may("heartbeat.every", FieldKind::Text)])]);

const METRICS: FormOf = one(&[(
    "",
    &[
        may("prometheus.labels", FieldKind::Lines),
        may("remote_write.url", FieldKind::Text),
        may("remote_write.token_file", FieldKind::Secret),
    ],
)]);

const TIMESTAMPS: FormOf = one(&[(
    "",
    &[
        may("timestamp.url", FieldKind::Text),
        may("timestamp.authority_file", FieldKind::Text),
        may("timestamp.policy", FieldKind::Text),
        may("timestamp.every", FieldKind::Text),
    ],
)]);

/// The form of a part; none where its text is all there is.
pub(super) const fn of(part: Part) -> Option<FormOf> {
    Some(match part {
        Part::Site => SITE,
        Part::Channels => CHANNELS,
        Part::Sources => SOURCES,
        Part::Jobs => JOBS,
        Part::Tickets => TICKETS,
        Part::AgentGroups => AGENT_GROUPS,
        Part::Legal => LEGAL,
        Part::Register => REGISTER,
        Part::Identity => IDENTITY,
        Part::Backup => BACKUP,
        Part::Heartbeat => HEARTBEAT,
        Part::Metrics => METRICS,
        Part::Timestamps => TIMESTAMPS,
        Part::Duty
        | Part::Rules
        | Part::Retention
        | Part::Software
        | Part::Sensors => return None,
    })
}

impl FormOf {
    /// The fields of an item of a kind.
    pub(super) fn fields(&self, kind: &str) -> Vec<Field> {
        let own = self.kinds.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, fields)| *fields);
        own.iter().chain(self.common).copied().collect()
    }

    /// The items of a text, in their order.
    pub(super) fn items_of(&self, table: &TomlTable) -> Vec<TomlTable> {
        let all = self.items.and_then(|name| table.get(name)).and_then(TomlValue::as_array);
        all.into_iter().flatten().filter_map(|one| one.as_table().cloned()).collect()
    }
}

/// What a field of an item says, as it stands in a form.
pub(super) fn read(item: &TomlTable, field: Field) -> String {
    let Some(value) = at(item, field.key) else { return String::new() };
    match (field.kind, value) {
        (FieldKind::Lines, TomlValue::Array(all)) => all.iter().map(plain).collect::<Vec<_>>().join("\n"),
        (FieldKind::Pairs, TomlValue::Table(table)) => {
            table.iter().map(|(name, value)| format!("{name}: {}", plain(value))).collect::<Vec<_>>().join("\n")
        }
        (_, value) => plain(value),
    }
}

fn plain(value: &TomlValue) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn at<'t>(table: &'t TomlTable, key: &str) -> Option<&'t TomlValue> {
    match key.split_once('.') {
        Some((first, rest)) => at(table.get(first)?.as_table()?, rest),
        None => table.get(key),
    }
}

/// Writes fields into an item as they were filled in; an empty one is taken out. Secrets are written by whoever seals them.
///
/// # Errors
/// The key of a number that is none.
pub(super) fn write(
    item: &mut TomlTable,
    fields: &[Field],
    filled: &BTreeMap<String, String>,
) -> Result<(), &'static str> {
    for field in fields.iter().filter(|field| field.kind != FieldKind::Secret) {
        let Some(text) = filled.get(field.key) else { continue };
        let text = text.replace("\r\n", "\n");
        let said = text.trim();
        let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
        let value = match field.kind {
            _ if said.is_empty() => None,
            FieldKind::Lines => {
                Some(TomlValue::Array(lines().map(|line| TomlValue::String(line.to_owned())).collect()))
            }
            FieldKind::Pairs => {
                let pair = |line: &str| {
                    let (name, value) = line.split_once(':').unwrap_or((line, ""));
                    (name.trim().to_owned(), TomlValue::String(value.trim().to_owned()))
                };
                Some(TomlValue::Table(lines().map(pair).collect()))
            }
            FieldKind::Number => Some(TomlValue::Integer(said.parse().map_err(|_| field.key)?)),
            FieldKind::Switch => Some(TomlValue::Boolean(said == "true")),
            // Levels are numbers.
            FieldKind::Choice(_) if said.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(TomlValue::Integer(said.parse().map_err(|_| field.key)?))
            }
            FieldKind::Text | FieldKind::Area | FieldKind::Choice(_) | FieldKind::Secret => {
                Some(TomlValue::String(said.to_owned()))
            }
        };
        put(item, field.key, value);
    }
    Ok(())
}

/// Puts a value at a key, tables before dots; none takes it out, and a table that is empty by then.
pub(super) fn put(table: &mut TomlTable, key: &str, value: Option<TomlValue>) {
    let Some((first, rest)) = key.split_once('.') else {
        match value {
            Some(value) => drop(table.insert(key.to_owned(), value)),
            None => drop(table.remove(key)),
        }
        return;
    };
    let within = table.entry(first).or_insert_with(|| TomlValue::Table(TomlTable::new()));
    if let TomlValue::Table(within) = within {
        put(within, rest, value);
        if within.is_empty() {
            table.remove(first);
        }
    }
}

/// What an item is called in its list.
pub(super) fn name_of(item: &TomlTable) -> &str {
    item.get("name").and_then(TomlValue::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_writes_what_was_filled_in_and_leaves_the_rest() {
        let text = "[[channel]]\nname = \"sms\"\ntype = \"http\"\nurl = \"http://x\"\nheaders = { A = \"b\" }\nper_minute = 30\n";
        let table: TomlTable = text.parse().expect("TOML");
        let form = of(Part::Channels).expect("a form");
        let mut item = form.items_of(&table).remove(0);
        let fields = form.fields("http");
        let filled = |name: &str| fields.iter().find(|field| field.key == name).map(|field| read(&item, *field));
        assert_eq!(filled("headers").as_deref(), Some("A: b"));
        assert_eq!(filled("per_minute").as_deref(), Some("30"));
        let typed = [("url", "https://y"), ("headers", "A: c:d\r\nB: e\r\n"), ("per_minute", ""), ("always", "true")];
        let typed = typed.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        write(&mut item, &fields, &typed).expect("good");
        let said = ioc_common::config::to_text(&item);
        for line in ["name = \"sms\"", "url = \"https://y\"", "A = \"c:d\"", "B = \"e\"", "always = true"] {
            assert!(said.contains(line), "{line}: {said}");
        }
        assert!(!said.contains("per_minute"), "{said}");
        let wrong = BTreeMap::from([("per_minute".to_owned(), "many".to_owned())]);
        assert_eq!(write(&mut item, &fields, &wrong), Err("per_minute"));
    }

    #[test]
    fn every_part_kind_and_field_has_its_word() {
        let texts = crate::i18n::Texts::load();
        let has = |key: String| {
            for language in ioc_common::language::Language::ALL {
                assert!(texts.has(language, &key), "{key} has no word");
            }
        };
        for part in Part::ALL {
            has(format!("configuration-part-{}", part.as_str()));
            has(format!("configuration-about-{}", part.as_str()));
            let Some(form) = of(part) else { continue };
            for (kind, own) in form.kinds {
                has(format!("configuration-kind-{}", if kind.is_empty() { "new" } else { kind }));
                for field in own.iter().chain(form.common) {
                    has(format!("configuration-field-{}", field.key.replace(['.', '_'], "-")));
                }
            }
        }
    }

    #[test]
    fn a_table_that_nothing_is_left_of_goes() {
        let mut table: TomlTable = "[oidc]\nissuer = \"https://x\"\n".parse().expect("TOML");
        put(&mut table, "oidc.issuer", None);
        put(&mut table, "people.second_factor_for", None);
        assert!(table.is_empty(), "{table:?}");
        put(&mut table, "legal.level", Some(TomlValue::Integer(3)));
        assert_eq!(ioc_common::config::to_text(&table), "[legal]\nlevel = 3\n");
    }
}
