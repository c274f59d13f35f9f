//! What a reader cannot do itself: run a program, ask a local socket or another host. Whoever makes the survey does it and hands
//! in what came of it, so that everything here is a reader and nothing else.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::program::{ProgramError, ProgramFailure, ProgramOutput};

/// What an HTTPS server said.
#[derive(Debug, Clone, Default)]
pub struct HttpsHead {
    /// Status of the answer; none when what answered speaks no HTTP.
    pub status: Option<u16>,
    /// The certificate that it showed, DER; nobody has checked it.
    pub certificate: Vec<u8>,
}

/// Programs, sockets and other hosts, as a survey asks them. Shared by threads that ask several hosts side by side.
pub trait HostAccess: Sync + std::fmt::Debug {
    /// Runs a program to its end, at most for `deadline`.
    ///
    /// # Errors
    /// [`ProgramError`] names the program.
    fn run(&self, program: &Path, arguments: &[&str], deadline: Duration) -> Result<ProgramOutput, ProgramError>;

    /// Asks a daemon at its socket; the answer has at most `max` bytes.
    ///
    /// # Errors
    /// When nobody listens, or the answer does not come in time.
    fn ask_socket(&self, path: &Path, question: &[u8], max: u64, deadline: Duration) -> io::Result<Vec<u8>>;

    /// Opens a TCP connection to `host:port` and closes it.
    ///
    /// # Errors
    /// No such name, refused, or no answer in time.
    fn tcp(&self, address: &str) -> Result<(), String>;

    /// Asks `host:port` for the head of `path`.
    ///
    /// # Errors
    /// No connection, no TLS, or no answer in time.
    fn https(&self, address: &str, path: &str) -> Result<HttpsHead, String>;

    /// Asks the DNS server at `host:port` for the address of `name`.
    ///
    /// # Errors
    /// No answer in time, or a refusal; a name that does not exist is an answer.
    fn dns(&self, server: &str, name: &str) -> Result<(), String>;

    /// Sends an echo request to a host.
    ///
    /// # Errors
    /// No answer in time, another kind of answer, or that this is not allowed here, with the mend.
    fn icmp(&self, address: &str) -> Result<(), String>;
}

/// Nothing can be asked: a machine that is looked at elsewhere, with all it ever said lying below its root.
#[derive(Debug, Clone, Copy)]
pub struct NoAccess;

const NOT_HERE: &str = "a captured machine cannot be asked";

impl HostAccess for NoAccess {
    fn run(&self, program: &Path, _: &[&str], _: Duration) -> Result<ProgramOutput, ProgramError> {
        Err(ProgramError {
            program: program.display().to_string(),
            failure: ProgramFailure::NotRun(NOT_HERE.to_owned()),
        })
    }

    fn ask_socket(&self, _: &Path, _: &[u8], _: u64, _: Duration) -> io::Result<Vec<u8>> {
        Err(io::Error::other(NOT_HERE))
    }

    fn tcp(&self, _: &str) -> Result<(), String> {
        Err(NOT_HERE.to_owned())
    }

    fn https(&self, _: &str, _: &str) -> Result<HttpsHead, String> {
        Err(NOT_HERE.to_owned())
    }

    fn dns(&self, _: &str, _: &str) -> Result<(), String> {
        Err(NOT_HERE.to_owned())
    }

    fn icmp(&self, _: &str) -> Result<(), String> {
        Err(NOT_HERE.to_owned())
    }
}
