//! How the lease of the site stands, for `/readyz` and `/metrics`, where several collectors may stand by for each other.

use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use ioc_store::LeaseView;

/// How the lease stands; nothing where the store is not shared.
#[derive(Default)]
pub struct LeaseBoard {
    view: Mutex<Option<LeaseView>>,
    /// Whether it is held at this moment, for who began as its holder.
    holds: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl std::fmt::Debug for LeaseBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseBoard").field("view", &self.view).finish_non_exhaustive()
    }
}

impl LeaseBoard {
    fn view(&self) -> MutexGuard<'_, Option<LeaseView>> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets, once, how a holder finds out at any moment whether it is still one: without the database, and also right after a pause.
    pub fn set_holds(&self, holds: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.holds.set(Box::new(holds));
    }

    /// Whether it was held and is not any more: nothing leaves the house then, for whoever holds it now sends it. False where the store is not shared.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.holds.get().is_some_and(|holds| !holds())
    }

    /// Sets how it stands.
    pub fn set(&self, view: LeaseView) {
        *self.view() = Some(view);
    }

    /// How it stands; none where the store is not shared.
    #[must_use]
    pub fn status(&self) -> Option<LeaseView> {
        self.view().clone()
    }

    /// Why this collector does not do a holder's work, or cannot; none where it does, or where the store is not shared.
    #[must_use]
    pub fn why_not(&self) -> Option<String> {
        let view = self.status()?;
        let LeaseView { name, holder, fence, own, lost, trouble, .. } = view;
        if own && !lost {
            let why = trouble?;
            return Some(format!(
                "{name} holds the lease of this site (fence {fence}), and cannot renew it: {why}; nothing is acknowledged until it can"
            ));
        }
        let stands = if lost {
            format!(
                "{name} has lost the lease of this site: it decides nothing any more, acknowledges nothing, and stands by again"
            )
        } else if holder.is_empty() {
            format!("{name} stands by; who holds the lease of this site is not known")
        } else if holder == name {
            format!(
                "{name} stands by; it held the lease of this site last (fence {fence}), and takes it when it is free"
            )
        } else {
            format!("{name} stands by: {holder} holds the lease of this site (fence {fence})")
        };
        Some(match trouble {
            None => stands,
            Some(why) => format!("{stands}; the database cannot be asked: {why}"),
        })
    }

    /// Where the pages are of another collector that decides; none where this one does, or where that is not known.
    #[must_use]
    pub fn pages_elsewhere(&self) -> Option<String> {
        let view = self.status()?;
        (!view.own && view.trouble.is_none() && view.holder != view.name && !view.pages.is_empty())
            .then_some(view.pages)
    }

    /// A line for `/readyz`; nothing where the store is not shared.
    #[must_use]
    pub fn line(&self) -> String {
        let view = self.status();
        view.map_or_else(String::new, |view| format!("lease: {} holds it (fence {})\n", view.name, view.fence))
    }

    /// The metrics; none where the store is not shared. What is not known is left out.
    pub(crate) fn write(&self, text: &mut String) {
        let Some(view) = self.status() else { return };
        let held = f64::from(u8::from(view.own && !view.lost));
        let reachable = f64::from(u8::from(view.trouble.is_none()));
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let latency = view.latency_ms.and_then(|ms| i64::try_from(ms).ok()).map(seconds);
        for (name, kind, help, value) in [
            ("ioc_lease_held", "gauge", "1 while this collector holds the lease of its site.", Some(held)),
            ("ioc_lease_fence", "gauge", "The newest fence that is known.", Some(view.fence as f64)),
            ("ioc_lease_taken_total", "counter", "Times that this collector took the lease.", Some(view.taken as f64)),
            ("ioc_lease_lost_total", "counter", "Times that this collector lost the lease.", Some(view.losses as f64)),
            ("ioc_lease_database_reachable", "gauge", "1 while the database answers about the lease.", Some(reachable)),
            ("ioc_lease_latency_seconds", "gauge", "How long the database's last answer took.", latency),
            (
                "ioc_lease_clock_ahead_seconds",
                "gauge",
                "By how much the database's clock is ahead of this machine's.",
                view.clock_ahead_ms.map(seconds),
            ),
        ] {
            if let Some(value) = value {
                let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_who_holds_and_nothing_where_nothing_is_shared() {
        let (board, mut text) = (LeaseBoard::default(), String::new());
        board.write(&mut text);
        assert!(!board.is_over());
        board.set_holds(|| false);
        assert!(board.is_over());
        assert_eq!((board.line().as_str(), board.why_not(), text.as_str()), ("", None, ""));
        let standing = LeaseView { name: "một".into(), holder: "hai".into(), fence: 7, ..LeaseView::default() };
        board.set(standing.clone());
        assert_eq!(board.why_not().as_deref(), Some("một stands by: hai holds the lease of this site (fence 7)"));
        assert_eq!(board.pages_elsewhere(), None, "they are not known");
        board.set(LeaseView { pages: "https://hai".into(), ..standing.clone() });
        assert_eq!(board.pages_elsewhere().as_deref(), Some("https://hai"));
        board.set(LeaseView { own: true, holder: "một".into(), pages: "https://một".into(), ..standing.clone() });
        assert_eq!(board.pages_elsewhere(), None);
        board.set(LeaseView { own: true, holder: "một".into(), ..standing.clone() });
        assert_eq!((board.why_not(), board.line().as_str()), (None, "lease: một holds it (fence 7)\n"));
        board.set(LeaseView { lost: true, trouble: Some("gone".into()), latency_ms: None, ..standing });
        assert!(board.why_not().is_some_and(|why| why.contains("has lost the lease") && why.ends_with("gone")));
        board.write(&mut text);
        assert!(text.contains("\nioc_lease_held 0\n") && !text.contains("ioc_lease_latency"), "{text}");
    }
}
