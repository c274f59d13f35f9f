//! What reports are made of: the record's facts for a period, article by article as the regulation has them ([`gather`]), what people wrote
//! ([`draft`]), and the documents that come of both; and the documents of one incident, one shift, one piece of work, one drill ([`record`]).
//!
//! It reads the store through a [`Reader`](ioc_store::Reader), beside the engine, and changes nothing. It reads no clock and no configuration: whoever calls
//! says what time it is. What is not known stays unknown, with its reason, and is never 0.

pub mod calendar;
pub mod draft;
pub mod filing;
pub mod gather;
mod key;
mod moment;
pub mod record;
pub mod review;

pub use key::{KeyError, ReportKey};
