//! A form without script: groups of fields with their values, and what was sent of them. Rows of a list have their place in their names
//! (`contact.0.channel`); there are always empty ones at the end, and a row whose first field is empty is no row.

use std::collections::BTreeMap;

/// Most rows of a list that a form has: more than a plan of a centre.
pub(super) const ROWS_MAX: usize = 120;

/// How a field is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// A line.
    Text,
    /// By the browser's own means: `date`, `time`, `datetime-local`, `number`.
    Native(&'static str),
    /// One of these: value and text.
    Select(Vec<(String, String)>),
    /// Any of these.
    Checks(Vec<(String, String)>),
}

/// A field with what stands in it.
#[derive(Debug, Clone)]
pub(super) struct FormField {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) shape: Shape,
    pub(super) values: Vec<String>,
}

impl FormField {
    /// What stands in it.
    pub(super) fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// Whether this is chosen.
    pub(super) fn has(&self, value: &str) -> bool {
        self.values.iter().any(|one| one == value) || (value.is_empty() && self.values.is_empty())
    }
}

/// Fields that belong together.
#[derive(Debug, Clone, Default)]
pub(super) struct FormGroup {
    pub(super) title: String,
    pub(super) fields: Vec<FormField>,
}

/// What was sent.
#[derive(Debug, Default, Clone)]
pub(super) struct Fields(BTreeMap<String, Vec<String>>);

impl Fields {
    pub(super) fn of(sent: Vec<(String, String)>) -> Self {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in sent {
            all.entry(name).or_default().push(value.trim().to_owned());
        }
        Self(all)
    }

    /// What was written into a field; nothing where it is empty.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(|all| all.first()).filter(|text| !text.is_empty()).cloned()
    }

    /// The same, empty where it is.
    pub(super) fn line(&self, name: &str) -> String {
        self.text(name).unwrap_or_default()
    }

    /// All that was chosen.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        self.0.get(name).into_iter().flatten().filter(|text| !text.is_empty()).cloned().collect()
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// The names of a list, written with commas.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = self.line(name);
        text.split([',', '\n']).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
    }

    /// The places of the rows of a list whose `first` field is filled in, in the order of `order` where that is given.
    pub(super) fn rows(&self, list: &str, first: &str) -> Vec<usize> {
        let is_filled = |place: &usize| self.text(&format!("{list}.{place}.{first}")).is_some();
        let mut rows: Vec<usize> = (0..ROWS_MAX).filter(is_filled).collect();
        rows.sort_by_key(|place| self.number(&format!("{list}.{place}.order")).unwrap_or(i64::MAX));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_that_are_filled_in_in_the_order_that_is_asked_for() {
        let sent = [
            ("step.0.after", "0s"),
            ("step.0.order", "2"),
            ("step.1.after", " "),
            ("step.4.after", "5m"),
            ("step.4.order", "1"),
            ("step.4.to", "rota:r"),
            ("step.4.to", ""),
            ("step.4.to", "leader"),
            ("step.999.after", "5m"),
        ];
        let fields = Fields::of(sent.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        assert_eq!(fields.rows("step", "after"), [4, 0]);
        assert_eq!(fields.all("step.4.to"), ["rota:r", "leader"]);
        assert_eq!((fields.text("step.1.after"), fields.number("step.0.order")), (None, Some(2)));
    }
}
