//! What surveys have done for them on this host: programs that are run, sockets and other hosts that are asked. Readers
//! ([`ioc_probe`]) do none of it themselves; here each has a deadline and a bound.

pub mod endpoint;
pub mod http;
pub mod local_socket;
pub mod program;

use std::path::Path;
use std::time::Duration;

use ioc_probe::program::{ProgramError, ProgramOutput};
use ioc_probe::{HostAccess, HttpsHead};

/// The machine the agent runs on.
#[derive(Debug, Clone, Copy)]
pub struct LiveHost;

impl HostAccess for LiveHost {
    fn run(&self, program: &Path, arguments: &[&str], deadline: Duration) -> Result<ProgramOutput, ProgramError> {
        program::run(program, arguments, deadline)
    }

    fn ask_socket(&self, path: &Path, question: &[u8], max: u64, deadline: Duration) -> std::io::Result<Vec<u8>> {
        local_socket::ask(path, question, max, deadline)
    }

    fn tcp(&self, address: &str) -> Result<(), String> {
        endpoint::tcp(address)
    }

    fn https(&self, address: &str, path: &str) -> Result<HttpsHead, String> {
        endpoint::https(address, path)
    }

    fn dns(&self, server: &str, name: &str) -> Result<(), String> {
        endpoint::dns(server, name)
    }

    fn icmp(&self, address: &str) -> Result<(), String> {
        endpoint::icmp(address)
    }
}
