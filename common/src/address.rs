//! Addresses as people write them: a host and a port.

/// Splits `host:port` or `[v6]:port`.
///
/// # Errors
/// The text as it was found, and that host and port are allowed.
pub fn split_address(address: &str) -> Result<(String, u16), String> {
    let fault = || format!("found address {address:?}; allowed is host:port");
    let (host, port) = address.rsplit_once(':').ok_or_else(fault)?;
    let port: u16 = port.parse().map_err(|_| fault())?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(v6) => v6,
        None if host.contains(':') => return Err(fault()),
        None => host,
    };
    if host.is_empty() || port == 0 {
        return Err(fault());
    }
    Ok((host.to_owned(), port))
}

/// Whether an address is a host without a port.
#[must_use]
pub fn is_portless(address: &str) -> bool {
    !address.contains(':') || address.parse::<core::net::Ipv6Addr>().is_ok()
}

/// Splits an address whose port may be left out.
///
/// # Errors
/// The text as it was found, and that host and port are allowed.
pub fn split_address_or(address: &str, port: u16) -> Result<(String, u16), String> {
    if !address.is_empty() && is_portless(address) { Ok((address.to_owned(), port)) } else { split_address(address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(split_address("a.b:1"), Ok(("a.b".to_owned(), 1)));
        assert_eq!(split_address("[::1]:8883"), Ok(("::1".to_owned(), 8883)));
        for bad in ["", "a", "a:0", ":1", "::1:8883", "a:70000"] {
            assert!(split_address(bad).is_err(), "{bad}");
        }
    }
}
