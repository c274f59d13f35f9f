//! The documents that the product makes of figures: each a pure function from what is known to a [`Document`](crate::model::Document). Whoever calls reads the record,
//! gives times as the site reads them, and keeps what comes out. What nobody knows is said to be unknown, and what only people know is a blank.

pub mod account_review;
pub mod clause;
pub mod filing;
pub mod handover;
pub mod incident;
pub mod inventory;
pub mod maintenance;
pub mod notice;
mod office;
pub mod restore;
mod value;

pub use office::Office;
pub use value::{Value, change};

#[cfg(test)]
mod tests;
