//! Incidents by what people look for, and what figures are made of.

use ioc_common::clock::Timestamp;
use ioc_common::id::IncidentId;
use ioc_judge::{Incident, IncidentState, Severity, TimelineStep};

use crate::StoreError;

/// Which incidents to list; the default lists all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IncidentQuery {
    /// Only those on which someone still has to do something.
    pub active: bool,
    /// Only in this state.
    pub state: Option<IncidentState>,
    /// Only as bad as this.
    pub severity: Option<Severity>,
    /// Only those that were opened within these two moments, the second not included.
    pub opened: Option<(Timestamp, Timestamp)>,
    /// Only of devices at these places, exactly as they are written; anywhere when there are none.
    pub places: Vec<String>,
    /// Only those that one of these names took or was given; anyone when there are none.
    pub people: Vec<String>,
    /// Only below this number.
    pub before: Option<u64>,
}

/// A notice that reached a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct DeliveredNotice {
    /// The person's key in the duty plan.
    pub person: String,
    pub incident: IncidentId,
    pub at: Timestamp,
}

/// What finds incidents, and what reached people; every [`crate::Reader`] does.
pub trait IncidentSearch {
    /// Incidents by what people look for, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn find_incidents(&self, query: &IncidentQuery, limit: usize) -> Result<Vec<Incident>, StoreError>;

    /// The first step of every incident within these numbers, both included: when it was found. In the order of their numbers.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn first_steps(&self, within: (IncidentId, IncidentId), limit: usize) -> Result<Vec<TimelineStep>, StoreError>;

    /// What reached people within these two moments, the second not included, in no order; what is for everyone on a channel is not among it.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn delivered_to_people(
        &self,
        within: (Timestamp, Timestamp),
        limit: usize,
    ) -> Result<Vec<DeliveredNotice>, StoreError>;
}
