//! What people are called: whoever acted is known by the account that they signed in with, or by their key in the duty plan.

use std::collections::HashMap;

use ioc_judge::duty::Plan;
use ioc_store::{Reader, StoreError, collation};

use crate::app::App;

/// The names of people, by account and by key.
#[derive(Debug, Default, Clone)]
pub(crate) struct People(HashMap<String, String>);

impl People {
    /// Everybody who has an account or stands in the duty plan. An account goes before the plan: it is who signed.
    pub(crate) fn read(plan: &Plan, reader: &dyn Reader) -> Result<Self, StoreError> {
        let mut names: HashMap<String, String> =
            plan.people.iter().map(|person| (person.id.clone(), person.name.clone())).collect();
        let accounts = reader.accounts()?.into_iter().filter(|account| !account.full_name.trim().is_empty());
        names.extend(accounts.map(|account| (account.name, account.full_name)));
        Ok(Self(names))
    }

    /// The person's own name, or what is known of them where they have gone.
    pub(crate) fn name<'s>(&'s self, who: &'s str) -> &'s str {
        self.0.get(who).filter(|name| !name.trim().is_empty()).map_or(who, String::as_str)
    }

    /// Everyone's name, once, sorted as people look for it.
    pub(crate) fn all(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.values().map(String::as_str).filter(|name| !name.trim().is_empty()).collect();
        names.sort_by_cached_key(|name| collation::key(name));
        names.dedup();
        names
    }

    /// Every way in which whoever has this name is written down.
    pub(crate) fn written(&self, name: &str) -> Vec<String> {
        let keys = self.0.iter().filter(|(key, known)| *known == name || *key == name);
        let mut found: Vec<String> = keys.flat_map(|(key, known)| [key.clone(), known.clone()]).collect();
        found.push(name.to_owned());
        found.sort();
        found.dedup();
        found
    }
}

/// Everybody's names, for a page of whoever may see who people are; for others, and where they cannot be read, everybody is called by the key by
/// which they acted.
pub(crate) async fn people(app: &App, may_see_people: bool) -> People {
    if !may_see_people {
        return People::default();
    }
    let config = app.config();
    let everywhere = ioc_store::scope::AccessScope::EVERYWHERE;
    app.read(&everywhere, move |reader| People::read(&config.plan, reader)).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_known_is_called_by_their_name_and_found_by_each_of_their_keys() {
        let of = [("lan", "Nguyễn Thị Lan"), ("lan.nt", "Nguyễn Thị Lan"), ("binh", " ")];
        let people = People(of.into_iter().map(|(key, name)| (key.to_owned(), name.to_owned())).collect());
        assert_eq!((people.name("lan"), people.name("binh"), people.name("gone")), ("Nguyễn Thị Lan", "binh", "gone"));
        assert_eq!(people.all(), ["Nguyễn Thị Lan"]);
        assert_eq!(people.written("Nguyễn Thị Lan"), ["Nguyễn Thị Lan", "lan", "lan.nt"]);
    }
}
