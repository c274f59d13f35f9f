//! What is known of a probe by its name alone, to whoever does not see its reader: the collector, and what is handed on.

pub(super) const MINUTE_S: u64 = 60;
pub(super) const HOUR_S: u64 = 3600;
pub(super) const DAY_S: u64 = 86_400;

/// A probe, as both sides know it. It stands once, with the probe's reading; the descriptor of the probe takes it from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeInfo {
    /// In configuration, status, pages, and of its document: a name of [`crate::document::is_name`].
    pub name: &'static str,
    /// How often its survey is made where nothing changes, seconds; none where it is read at samples.
    pub every_s: Option<u64>,
    /// Beginnings of the names of metrics that are its own.
    pub metrics: &'static [&'static str],
    /// Beginnings of the names of another probe's metrics that it gives, too.
    pub shared_metrics: &'static [&'static str],
    /// Where its document says who someone is (article 12), by how paths begin; `*` stands for each of a list, `/` for all of it.
    pub personal_paths: &'static [&'static str],
    /// Its events that tell of people, by how their names begin.
    pub personal_events: &'static [&'static str],
    /// Which fields tell the members of its document's lists from each other, by the path of the list. A list that is not named here goes by
    /// what its members have (`ioc_store::document_history`).
    pub member_keys: &'static [(&'static str, &'static [&'static str])],
    /// What of its document changes though the machine does not: counters, ages, times of surveys. Their history is that of the numbers; that of
    /// documents leaves them out, so that they make no change by themselves.
    pub volatile_paths: &'static [&'static str],
}

impl ProbeInfo {
    /// One that is read at samples.
    pub(crate) const fn sampled(name: &'static str, metrics: &'static [&'static str]) -> Self {
        Self {
            name,
            every_s: None,
            metrics,
            shared_metrics: &[],
            personal_paths: &[],
            personal_events: &[],
            member_keys: &[],
            volatile_paths: &[],
        }
    }

    /// One whose survey is made every so many seconds.
    pub(crate) const fn survey(name: &'static str, every_s: u64, metrics: &'static [&'static str]) -> Self {
        Self { every_s: Some(every_s), ..Self::sampled(name, metrics) }
    }

    /// It gives these metrics of another probe, too.
    pub(super) const fn sharing(self, shared_metrics: &'static [&'static str]) -> Self {
        Self { shared_metrics, ..self }
    }

    /// Its document and its events say who someone is.
    pub(super) const fn personal(
        self,
        personal_paths: &'static [&'static str],
        personal_events: &'static [&'static str],
    ) -> Self {
        Self { personal_paths, personal_events, ..self }
    }

    /// These fields tell the members of its document's lists from each other.
    pub(super) const fn members(self, member_keys: &'static [(&'static str, &'static [&'static str])]) -> Self {
        Self { member_keys, ..self }
    }

    /// This of its document changes though the machine does not.
    pub(super) const fn volatile(self, volatile_paths: &'static [&'static str]) -> Self {
        Self { volatile_paths, ..self }
    }
}
