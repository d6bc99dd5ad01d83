//! Who is at the other end of a connection, seen through the proxies that are trusted.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::http::Extensions;
use axum::http::request::Parts;

use super::line::Line;
use super::settings::Network;
use super::{AppState, HeaderMap, Problem};

/// A connection: the address of its other end, as the socket has it, and the line itself.
#[derive(Debug, Clone)]
pub(super) struct Socket(pub(super) IpAddr, pub(super) Line);

/// The address of the client.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl FromRequestParts<AppState> for Peer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        Ok(Self::of(state, &parts.extensions, &parts.headers))
    }
}

impl Peer {
    /// Who sent what has these extensions and headers.
    pub fn of(state: &AppState, extensions: &Extensions, headers: &HeaderMap) -> Self {
        // Without a socket, as in a test that calls the router, all requests come from one place.
        let socket = extensions.get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Socket(ip, _)| *ip);
        Self(client(socket, headers, &state.settings.trusted_proxies))
    }
}

/// The last address of X-Forwarded-For that no trusted proxy has: what stands before it anybody may have written.
fn client(socket: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_proxy = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    let mut client = socket.to_canonical();
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").into_iter().filter_map(|line| line.to_str().ok()).collect();
    for hop in lines.iter().flat_map(|line| line.split(',')).rev().take(50) {
        if !is_proxy(client) {
            break;
        }
        let Ok(ip) = hop.trim().parse::<IpAddr>() else { break };
        client = ip.to_canonical();
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap()];
        let seen = |socket: &str, forwarded: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().unwrap());
            client(socket.parse().unwrap(), &headers, &trusted).to_string()
        };
        assert_eq!(seen("203.0.113.1", "1.1.1.1"), "203.0.113.1");
        assert_eq!(seen("10.0.0.1", "1.1.1.1, 203.0.113.1"), "203.0.113.1");
        assert_eq!(seen("10.0.0.1", "1.1.1.1, 203.0.113.1, 10.0.0.2"), "203.0.113.1");
        assert_eq!(seen("10.0.0.1", "rubbish"), "10.0.0.1");
        assert_eq!(seen("::ffff:10.0.0.1", "203.0.113.1"), "203.0.113.1");
    }
}
