//! Addresses of other services that a configuration may name.

use pennyblack_base::authority::Authority;

/// Whether this is `https://host[:port]`, or `http://` to loopback; no path.
#[must_use]
pub fn is_safe_url(url: &str) -> bool {
    let is_host = |host: &str| host.parse::<Authority>().is_ok();
    let is_loopback = |host: &str| {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        matches!(name, "127.0.0.1" | "localhost" | "[::1]")
    };
    match url.split_once("://") {
        Some(("https", host)) => is_host(host),
        Some(("http", host)) => is_host(host) && is_loopback(host),
        _ => false,
    }
}
