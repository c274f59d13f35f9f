//! Coming in: signing in and out, showing again who one is, and finding out of each request who asks.

pub(crate) mod authentication;
pub(crate) mod confirm;
pub(crate) mod password;
pub(crate) mod sso;
pub(crate) mod system_token;
pub(crate) mod way_back;
