//! Reading and writing cookies.

use axum::http::{HeaderMap, header};

pub(crate) const SESSION_COOKIE: &str = "__Host-ioc";

pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

pub(crate) fn set_cookie(name: &str, value: &str, seconds: i64) -> String {
    cookie_with_same_site(name, value, "Strict", seconds)
}

/// The same for one that other sites may bring along, or not (`same_site`).
pub(crate) fn cookie_with_same_site(name: &str, value: &str, same_site: &str, seconds: i64) -> String {
    format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={seconds}")
}
