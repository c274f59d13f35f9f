//! One question to a local socket, with a deadline and a bound on the answer.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends `question` and reads the answer until the other side is done, at most `max` bytes.
///
/// # Errors
/// When nobody listens, or the answer does not come in time.
pub fn ask(path: &Path, question: &[u8], max: u64, deadline: Duration) -> std::io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(deadline))?;
    stream.set_write_timeout(Some(deadline))?;
    stream.write_all(question)?;
    let mut answer = Vec::new();
    stream.take(max).read_to_end(&mut answer)?;
    Ok(answer)
}
