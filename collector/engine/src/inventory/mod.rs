//! What people say of devices: one by one, and as a table.

pub mod account_table;
pub mod asset;
pub mod asset_table;
pub mod device;
pub mod import;
pub mod pasted_table;
pub mod product_table;
pub mod undoing;
