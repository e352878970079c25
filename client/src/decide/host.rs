//! Host names as servers write them. Pure.

/// The longest host name that is accepted, in bytes. Servers accept names of this length, and DNS
/// none longer.
pub(crate) const MAX_HOST_BYTES: usize = 255;

/// The host that a server wrote, or `None` if it wrote that it knows none: an empty name or `?`.
///
/// Servers write IPv6 addresses without brackets. Proxies may add brackets, so they are removed.
pub(crate) fn known_host(host: &str) -> Option<&str> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    Some(bare).filter(|host| !host.is_empty() && *host != "?")
}
