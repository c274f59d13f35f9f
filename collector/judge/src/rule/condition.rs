//! What a rule looks at. Several kinds may look at the same: at a number, or into a document.

use super::document::DocumentRule;
use super::number::NumberRule;

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleCondition {
    /// A number of a series beyond a limit.
    Number(NumberRule),
    /// A document that holds something else than it should.
    Document(DocumentRule),
    /// The device is no longer heard ([`crate::presence`]).
    Silent,
    /// The device brings more than any honest one would ([`crate::Input::OverBudget`]).
    Budget,
}
