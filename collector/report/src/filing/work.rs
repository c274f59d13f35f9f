//! Blanks as work: what is to be filled, where, and by whom. What people write into the filing itself is in its form.

use std::collections::BTreeMap;

use ioc_common::id::DeviceId;

/// Items of one responsible that are listed; how many there are is counted whole.
const ITEMS_MAX: usize = 50;
/// Who is responsible, at most so many of them.
const GROUPS_MAX: usize = 500;

/// Where something is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// In the asset register.
    Asset(DeviceId),
    /// In the asset register, of several devices.
    Assets,
    /// In the software register, by its key.
    Product(String),
    /// In the software register, of several.
    Products,
    /// In the settings of documents.
    Settings,
    /// Elsewhere in the product: an address.
    Page(&'static str),
}

/// Something that is to be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkItem {
    /// What lacks.
    pub what: String,
    /// Where it is filled.
    pub fill: Fill,
}

/// What one responsible has to fill.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkGroup {
    /// How many cells lack, and how many measures are not met.
    pub count: u64,
    /// The first of them.
    pub items: Vec<WorkItem>,
}

/// What is to be filled, by who is responsible; an empty name where nobody is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkList {
    /// By who is responsible.
    pub groups: BTreeMap<String, WorkGroup>,
}

impl WorkList {
    /// Adds what lacks in one place: so many cells, or a measure.
    pub(super) fn add(&mut self, responsible: &str, count: u64, what: impl FnOnce() -> String, fill: Fill) {
        let is_known = self.groups.contains_key(responsible);
        let whose = if is_known || self.groups.len() < GROUPS_MAX { responsible } else { "" };
        let group = self.groups.entry(whose.to_owned()).or_default();
        group.count += count;
        if group.items.len() < ITEMS_MAX {
            group.items.push(WorkItem { what: what(), fill });
        }
    }

    /// How many cells lack in all, and how many measures are not met.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_whole_and_listed_in_part() {
        let mut work = WorkList::default();
        for n in 0..1_000 {
            work.add("Lan", 2, || format!("{n}"), Fill::Assets);
            work.add(&format!("{n}"), 1, String::new, Fill::Settings);
        }
        assert_eq!((work.count(), work.groups["Lan"].count), (3_000, 2_000));
        assert!(work.groups["Lan"].items.len() == ITEMS_MAX && work.groups.len() <= GROUPS_MAX + 1);
    }
}
