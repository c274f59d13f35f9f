//! The second probe: when an agent is lost, its host is asked whether it is there (lesson 5).
//!
//! A TCP connection that is accepted or refused comes from a living host; only silence from every port says that it is down.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use ioc_judge::HostAnswer;

use ioc_engine::writer::{EngineHandle, EngineMessage, HostProbe};

/// How long a host may take, its name included; the judge waits a little longer. A lost first packet is sent again after a second.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Probes under way: a whole floor that loses its power is asked at once.
const PROBES_MAX: usize = 1024;

/// How many sockets it would have for probes of these ports.
#[must_use]
pub const fn sockets(ports: &[u16]) -> usize {
    PROBES_MAX * if ports.is_empty() { 1 } else { ports.len() }
}

/// Asks hosts as the engine wishes, until it ends. A probe has a socket for each port, and all of them together `sockets_max`; one probe
/// is always under way.
pub async fn run(
    mut wishes: mpsc::UnboundedReceiver<HostProbe>,
    ports: Vec<u16>,
    sockets_max: usize,
    engine: EngineHandle,
) {
    let probes_max = (sockets_max / ports.len().max(1)).clamp(1, PROBES_MAX);
    let slots = std::sync::Arc::new(tokio::sync::Semaphore::new(probes_max));
    while let Some(HostProbe { device, peer, address }) = wishes.recv().await {
        let Ok(slot) = std::sync::Arc::clone(&slots).acquire_owned().await else { return };
        let (ports, engine) = (ports.clone(), engine.clone());
        tokio::spawn(async move {
            let until = Instant::now() + TIMEOUT;
            let answer = match (resolve_address(&address, until).await, peer) {
                (Some(written), _) => ask(written, &ports, until).await,
                // What was written down and cannot be found is not the address it last came from.
                (None, Some(peer)) if address.is_empty() => ask(peer, &ports, until).await,
                (None, _) => HostAnswer::Unknown,
            };
            drop(slot);
            engine.send(EngineMessage::HostProbed { device, answer }).await;
        });
    }
}

/// The address that people wrote down, by name or number.
async fn resolve_address(address: &str, until: Instant) -> Option<SocketAddr> {
    if address.is_empty() {
        return None;
    }
    let found = tokio::time::timeout_at(until, tokio::net::lookup_host((address, 0))).await;
    found.ok()?.ok()?.next()
}

/// Tries all ports at once; the first sign of life decides.
async fn ask(peer: SocketAddr, ports: &[u16], until: Instant) -> HostAnswer {
    if ports.is_empty() {
        return HostAnswer::Unknown;
    }
    let mut tries = tokio::task::JoinSet::new();
    for port in ports {
        let address = SocketAddr::new(peer.ip(), *port);
        tries.spawn(async move {
            match tokio::time::timeout_at(until, TcpStream::connect(address)).await {
                Ok(Ok(_)) => true,
                Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
                Err(_) => false,
            }
        });
    }
    while let Some(alive) = tries.join_next().await {
        if alive.unwrap_or(false) {
            return HostAnswer::Yes;
        }
    }
    HostAnswer::No
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_is_a_sign_of_life() {
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let until = Instant::now() + TIMEOUT;
        assert_eq!(ask(here, &[1], until).await, HostAnswer::Yes);
        assert_eq!(ask(here, &[], until).await, HostAnswer::Unknown);
    }
}
