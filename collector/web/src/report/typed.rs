//! What somebody typed into a form of texts, told from what the form showed: a text that was left as it was shown is not written, and one that somebody else wrote
//! meanwhile is not written over unseen (the engine compares, `Command::WriteReport`). The forms of reports, of filings and of serious incidents go by it.

use std::collections::BTreeMap;

use ioc_report::draft::Texts;

use super::lines_of;

/// Before the name of a text: as it stood when the form was shown.
const WAS: &str = "was-";

/// The texts that a form sent, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TypedTexts {
    /// What was typed over what was shown.
    pub(super) texts: Texts,
    /// What was shown.
    pub(super) was: Texts,
}

impl TypedTexts {
    /// By the form's fields, without those that are no texts.
    pub(super) fn of(fields: BTreeMap<String, String>) -> Self {
        let (was, mut texts): (Texts, Texts) = fields.into_iter().partition(|(name, _)| name.starts_with(WAS));
        let was: Texts =
            was.into_iter().filter_map(|(name, text)| Some((name.strip_prefix(WAS)?.to_owned(), text))).collect();
        texts.retain(|name, text| was.get(name).map(|was| lines_of(was)) != Some(lines_of(text)));
        Self { texts, was }
    }
}

/// What stands there by now of what was typed and refused, where that is something else: the page shows it beside what was typed.
pub(super) fn others<'t>(typed: &'t Texts, stands: impl Fn(&str) -> &'t str) -> Vec<(&'t str, &'t str)> {
    let all = typed.iter().map(|(key, text)| (key.as_str(), text.as_str(), stands(key)));
    let other = all.filter(|(_, text, stands)| !stands.is_empty() && lines_of(text) != lines_of(stands));
    other.map(|(key, _, stands)| (key, stands)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_typed_over_what_was_shown_is_written() {
        let fields = [("a", "x\r\ny\r\n"), ("was-a", "x\ny"), ("b", "z"), ("was-b", ""), ("c", "new")];
        let typed = TypedTexts::of(fields.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
        let of = |all: &Texts| all.iter().map(|(key, text)| format!("{key}={text}")).collect::<Vec<_>>();
        assert_eq!(of(&typed.texts), ["b=z", "c=new"]);
        assert_eq!(of(&typed.was), ["a=x\ny", "b="]);
        let stands = |key: &str| if key == "b" { "another's" } else { "" };
        assert_eq!(others(&typed.texts, stands), [("b", "another's")]);
    }
}
