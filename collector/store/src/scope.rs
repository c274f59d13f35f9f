//! Where an account may look and act: everywhere, or only at some places and what is below them. Pure.

use std::sync::Arc;

/// Most places that one account is limited to.
pub const PLACES_MAX: usize = 50;

/// How far an account reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessScope(Option<Arc<[String]>>, Identities);

/// Whether what is read may name the people of machines: accounts, who is signed in (article 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Identities {
    #[default]
    Shown,
    Sealed,
}

impl AccessScope {
    /// Everywhere.
    pub const EVERYWHERE: Self = Self(None, Identities::Shown);

    /// Only these places and what is below them; everywhere when there are none.
    #[must_use]
    pub fn of(places: &[String]) -> Self {
        Self(Some(places).filter(|places| !places.is_empty()).map(Into::into), Identities::Shown)
    }

    /// The same for whoever may not see who has an account on a machine.
    #[must_use]
    pub fn without_names(self) -> Self {
        Self(self.0, Identities::Sealed)
    }

    /// Whether who has an account on a machine may be seen.
    #[must_use]
    pub const fn sees_names(&self) -> bool {
        matches!(self.1, Identities::Shown)
    }

    /// Whether nothing is out of reach.
    #[must_use]
    pub const fn is_everywhere(&self) -> bool {
        self.0.is_none()
    }

    /// The places; none when it is everywhere.
    #[must_use]
    pub fn places(&self) -> &[String] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether a place is within reach: one of these, or below one. *Tầng 2* holds *Tầng 2, phòng máy* and *Tầng 2/Tủ 1*, and not
    /// *Tầng 20*. Where a device stands nowhere that is known, only those who reach everywhere see it.
    #[must_use]
    pub fn holds(&self, place: &str) -> bool {
        let Some(places) = &self.0 else { return true };
        let place = place.trim();
        places.iter().any(|of| {
            let rest = place.strip_prefix(of.as_str());
            rest.is_some_and(|rest| rest.chars().next().is_none_or(|next| !next.is_alphanumeric()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_what_is_below_it_and_nothing_that_only_begins_alike() {
        let scope = AccessScope::of(&["Tầng 2".to_owned(), "Phòng máy chủ".to_owned()]);
        for place in ["Tầng 2", " Tầng 2 ", "Tầng 2, phòng máy", "Tầng 2/Tủ 1", "Phòng máy chủ · Tủ 3"]
        {
            assert!(scope.holds(place), "{place}");
        }
        for place in ["", "Tầng 20", "Tầng 2a", "Tầng", "tầng 2", "Phòng máy"] {
            assert!(!scope.holds(place), "{place}");
        }
        assert!(AccessScope::EVERYWHERE.holds("") && AccessScope::of(&[]).is_everywhere());
    }
}
