//! The software list of `up/software` (article 9.1): sent whole once, in parts, and then as differences.
//!
//! A list has an identifier computed from its items. A difference names the list it starts from; a collector that has
//! another one asks for the whole list, so that a lost report heals itself.

use serde::{Deserialize, Serialize, Serializer};

/// Most items in one part of a list. The agent keeps a part in memory until it is committed, and what is smaller than 128 KiB
/// its allocator gives back.
pub const PART_MAX_ITEMS: usize = 300;
/// Most items that a difference adds and removes; a list of more changes is sent whole.
pub const CHANGES_MAX_ITEMS: usize = 600;
/// Most items in one list.
pub const LIST_MAX_ITEMS: usize = 20_000;
/// Longest text of an item, in bytes.
pub const TEXT_MAX_BYTES: usize = 300;

/// One piece of software. On the wire an array in this order, so that names are not repeated thousands of times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize)]
#[serde(from = "SoftwareRow")]
pub struct Item {
    /// Where it is known from: `dpkg`, `rpm`, `flatpak`, `snap` or `file`.
    pub source: String,
    /// Name; with the architecture where two may be installed together (`libc6:i386`).
    pub name: String,
    /// Version, as its package manager writes it.
    pub version: String,
    /// Publisher or maintainer.
    pub publisher: String,
    /// Licence, where the package tells.
    pub licence: String,
    /// Directory or file it was found in; empty for packages.
    pub place: String,
    /// Installed or last changed on, `YYYY-MM-DD`.
    pub installed_on: String,
}

type SoftwareRow = (String, String, String, String, String, String, String);

impl From<SoftwareRow> for Item {
    fn from((source, name, version, publisher, licence, place, installed_on): SoftwareRow) -> Self {
        Self { source, name, version, publisher, licence, place, installed_on }
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { source, name, version, publisher, licence, place, installed_on } = self;
        (source, name, version, publisher, licence, place, installed_on).serialize(serializer)
    }
}

impl Item {
    /// What tells it from others in one list: source, name, and place for plain files.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.source, self.name)
    }

    /// Whether every text is within its bound and holds no control character.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let sound = |text: &str| text.len() <= TEXT_MAX_BYTES && !text.chars().any(char::is_control);
        let all =
            [&self.source, &self.name, &self.version, &self.publisher, &self.licence, &self.place, &self.installed_on];
        !self.source.is_empty() && !self.name.is_empty() && all.into_iter().all(|text| sound(text))
    }
}

/// The body of `up/software`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "lowercase")]
pub enum Software {
    /// A part of a whole list.
    Whole {
        /// The list it belongs to.
        list: String,
        /// Number of this part, from 1.
        part: u32,
        /// How many there are.
        parts: u32,
        /// At most [`PART_MAX_ITEMS`].
        items: Vec<Item>,
    },
    /// The changes since the list `base`.
    Difference {
        /// The list it starts from.
        base: String,
        /// The list it leads to.
        list: String,
        /// New or changed items.
        added: Vec<Item>,
        /// Keys of items that are gone.
        removed: Vec<String>,
    },
}

impl Software {
    /// Whether it is within its bounds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let id = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match self {
            Self::Whole { list, part, parts, items } => {
                id(list) && (1..=*parts).contains(part) && *parts <= 100 && items.iter().all(Item::is_sound)
            }
            Self::Difference { base, list, added, removed } => {
                id(base)
                    && id(list)
                    && added.iter().all(Item::is_sound)
                    && removed.iter().all(|key| key.len() <= 2 * TEXT_MAX_BYTES)
            }
        }
    }
}

/// The identifier of a list of these items, which must be sorted: the first 64 bits of SHA-256, hex.
#[must_use]
pub fn list_id(items: &[Item]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for item in items {
        for text in
            [&item.source, &item.name, &item.version, &item.publisher, &item.licence, &item.place, &item.installed_on]
        {
            context.update(text.as_bytes());
            context.update(b"\x1f");
        }
        context.update(b"\n");
    }
    crate::encoding::hex(&context.finish().as_ref()[..8])
}

/// The reports that bring a collector from `old` (none: it has nothing) to `new`. Both lists must be sorted.
#[must_use]
pub fn reports(old: Option<&[Item]>, new: Vec<Item>) -> Vec<Software> {
    let list = list_id(&new);
    if let Some(old) = old {
        let old_set: std::collections::HashSet<&Item> = old.iter().collect();
        let new_keys: std::collections::HashSet<String> = new.iter().map(Item::key).collect();
        let added: Vec<Item> = new.iter().filter(|item| !old_set.contains(item)).cloned().collect();
        let removed: Vec<String> = old.iter().map(Item::key).filter(|key| !new_keys.contains(key)).collect();
        // A difference that is longer than the list (a release upgrade) is sent as the list.
        if added.len() + removed.len() <= CHANGES_MAX_ITEMS.min(new.len().max(1)) {
            return vec![Software::Difference { base: list_id(old), list, added, removed }];
        }
    }
    // An empty list is a list, too.
    let count = u32::try_from(new.len().div_ceil(PART_MAX_ITEMS).max(1)).unwrap_or(u32::MAX);
    let mut rest = new.into_iter();
    (1..=count)
        .map(|part| {
            let items = rest.by_ref().take(PART_MAX_ITEMS).collect();
            Software::Whole { list: list.clone(), part, parts: count, items }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, version: &str) -> Item {
        Item { source: "dpkg".into(), name: name.into(), version: version.into(), ..Item::default() }
    }

    #[test]
    fn whole_once_then_differences() {
        let old: Vec<Item> = (0..1500).map(|n| item(&format!("p{n:04}"), "1")).collect();
        let whole = reports(None, old.clone());
        assert_eq!(whole.len(), 5);
        assert!(whole.iter().all(Software::is_sound));
        let mut new = old.clone();
        new[7].version = "2".into();
        new.remove(9);
        let change = reports(Some(&old), new.clone());
        let [Software::Difference { base, list, added, removed }] = change.as_slice() else { panic!("{change:?}") };
        assert_eq!((base, list), (&list_id(&old), &list_id(&new)));
        assert_eq!((added.len(), removed.as_slice()), (1, &["dpkg:p0009".to_owned()][..]));
        assert!(serde_json::to_vec(&change[0]).expect("writes").len() < 1000, "one upgrade stays below 1 kB");
        assert_eq!(reports(Some(&old), Vec::new()).len(), 1);
    }

    #[test]
    fn an_item_is_an_array() {
        let text = serde_json::to_string(&item("a", "1")).expect("writes");
        assert_eq!(text, r#"["dpkg","a","1","","","",""]"#);
        assert_eq!(serde_json::from_str::<Item>(&text).expect("reads"), item("a", "1"));
        assert!(!Item { name: "a\u{7}".into(), ..item("a", "1") }.is_sound());
    }
}
