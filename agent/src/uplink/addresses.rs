//! At which of several addresses the collector, or a broker before it, is tried next: in their order, beginning with the one that worked last.
//! One works when something was committed by it: a broker that nobody reads takes reports, too. Pure.

/// The addresses, and which is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    all: Vec<String>,
    at: usize,
    /// Something was committed by the link that is open, or was last.
    worked: bool,
}

impl Addresses {
    /// These, beginning with the one that worked last where it is among them. Without any there is nowhere to go, and an empty one is tried.
    #[must_use]
    pub fn new(all: Vec<String>, last: Option<&str>) -> Self {
        let at = last.and_then(|last| all.iter().position(|one| one == last)).unwrap_or(0);
        Self { all, at, worked: false }
    }

    /// Which is in use, or tried next.
    #[must_use]
    pub fn current(&self) -> &str {
        self.all.get(self.at).map_or("", String::as_str)
    }

    /// How many there are, at least one.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.all.len()).unwrap_or(u32::MAX).max(1)
    }

    /// Something was committed by it. True the first time on this link.
    pub const fn commits(&mut self) -> bool {
        !std::mem::replace(&mut self.worked, true)
    }

    /// The link is closed: one that worked is tried once more, since it may only have been restarted; else the next one's turn has come.
    pub fn closed(&mut self) {
        if !std::mem::take(&mut self.worked) {
            self.at = if self.at + 1 < self.all.len() { self.at + 1 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(last: Option<&str>) -> Addresses {
        Addresses::new(["a:1", "b:1", "c:1"].map(str::to_owned).to_vec(), last)
    }

    #[test]
    fn they_are_tried_in_their_order_beginning_with_what_worked() {
        let mut all = of(Some("b:1"));
        let mut tried = Vec::new();
        for _ in 0..4 {
            tried.push(all.current().to_owned());
            all.closed();
        }
        assert_eq!(tried, ["b:1", "c:1", "a:1", "b:1"]);
        assert_eq!((of(None).current(), of(Some("gone:1")).current(), all.count()), ("a:1", "a:1", 3));
    }

    #[test]
    fn one_that_worked_is_tried_once_more_before_the_next() {
        let mut all = of(None);
        assert!(all.commits() && !all.commits());
        all.closed();
        assert_eq!(all.current(), "a:1");
        all.closed();
        assert_eq!(all.current(), "b:1");
    }

    #[test]
    fn without_any_there_is_nowhere_to_go() {
        let mut none = Addresses::new(Vec::new(), Some("a:1"));
        none.closed();
        assert_eq!((none.current(), none.count()), ("", 1));
    }
}
