//! The one room that starts processes: with a deadline, a bound on what is read, a clean environment, and nothing inherited.
//!
//! Called by surveys, which run in a child of the agent with a low priority of their own. A program that outlives its
//! deadline is killed with all that it started. What of its words is a value is decided in [`ioc_probe::program`].

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use ioc_probe::program::{OUTPUT_MAX_BYTES, ProgramError, ProgramFailure, ProgramOutput};

/// Most bytes of its complaints that are kept.
const COMPLAINT_MAX_BYTES: usize = 2048;
/// The stack of a thread that reads what it says: as large as those of the agent's other threads, which go on with what is left of it
/// instead of memory of their own.
const STACK_BYTES: usize = 256 * 1024;

/// Runs `program` to its end, at most for `deadline`.
///
/// # Errors
/// [`ProgramError`] names the program.
pub fn run(program: &Path, arguments: &[&str], deadline: Duration) -> Result<ProgramOutput, ProgramError> {
    let fault = |failure: ProgramFailure| ProgramError { program: program.display().to_string(), failure };
    let not_run = |error: std::io::Error| fault(ProgramFailure::NotRun(error.to_string()));
    let hung = || fault(ProgramFailure::Hung { within_s: deadline.as_secs() });
    #[allow(clippy::disallowed_methods, reason = "this is the one room that starts processes")]
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .current_dir("/")
        .process_group(0);
    let mut child = command.spawn().map_err(not_run)?;
    let (sender, receiver) = mpsc::channel();
    let out = child.stdout.take();
    let err = child.stderr.take();
    let complaint_sender = sender.clone();
    let beside = |read: Box<dyn FnOnce() + Send>| std::thread::Builder::new().stack_size(STACK_BYTES).spawn(read);
    let started = beside(Box::new(move || {
        let _ = sender.send((true, bounded(out, OUTPUT_MAX_BYTES)));
    }))
    .and_then(|_| {
        beside(Box::new(move || {
            let _ = complaint_sender.send((false, bounded(err, COMPLAINT_MAX_BYTES)));
        }))
    });
    if let Err(error) = started {
        stop(&mut child);
        return Err(not_run(error));
    }
    let mut output = ProgramOutput::default();
    let until = ioc_common::clock::boottime_ms() + u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX / 2);
    for _ in 0..2 {
        let left = until.saturating_sub(ioc_common::clock::boottime_ms());
        match receiver.recv_timeout(Duration::from_millis(left)) {
            Ok((true, (text, more))) => {
                if more {
                    stop(&mut child);
                    return Err(fault(ProgramFailure::Flooded));
                }
                output.text = text;
            }
            Ok((false, (text, _))) => output.complaint = String::from_utf8_lossy(&text).trim().to_owned(),
            Err(_) => {
                stop(&mut child);
                return Err(hung());
            }
        }
    }
    // Both pipes are closed; a program that closes them and stays is given what is left.
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                output.code = status.code();
                return Ok(output);
            }
            Ok(None) if ioc_common::clock::boottime_ms() < until => std::thread::sleep(Duration::from_millis(2)),
            Ok(None) => {
                stop(&mut child);
                return Err(hung());
            }
            Err(error) => return Err(not_run(error)),
        }
    }
}

/// Kills a program with all that it started.
fn stop(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.try_wait();
}

/// Reads at most `max` bytes, and whether there was more. What is beyond is read and thrown away for complaints, so that
/// a talkative program is not held up.
fn bounded(pipe: Option<impl Read>, max: usize) -> (Vec<u8>, bool) {
    let Some(mut pipe) = pipe else { return (Vec::new(), false) };
    let mut kept = Vec::new();
    let _ = pipe.by_ref().take(max as u64).read_to_end(&mut kept);
    if max == COMPLAINT_MAX_BYTES {
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        return (kept, false);
    }
    let mut one = [0];
    let more = kept.len() == max && matches!(pipe.read(&mut one), Ok(1));
    (kept, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, deadline_ms: u64) -> Result<ProgramOutput, ProgramError> {
        run(Path::new("/bin/sh"), &["-c", script], Duration::from_millis(deadline_ms))
    }

    #[test]
    fn output_status_and_complaint() {
        let output = shell("echo yes; echo no >&2; exit 3", 5000).expect("runs");
        assert_eq!((output.code, output.text.as_slice(), output.complaint.as_str()), (Some(3), &b"yes\n"[..], "no"));
        assert_eq!(shell("test -z \"$HOME$USER\"", 5000).expect("runs").code, Some(0), "nothing is inherited");
        assert!(run(Path::new("/nonexistent"), &[], Duration::from_secs(1)).is_err());
    }

    #[test]
    fn what_hangs_or_floods_is_stopped_with_its_children() {
        let started = ioc_common::clock::boottime_ms();
        let hung = shell("sleep 1000 & sleep 1000", 300).expect_err("hangs");
        assert!(matches!(hung.failure, ProgramFailure::Hung { .. }), "{hung}");
        let flood = shell("yes", 20_000).expect_err("floods");
        assert_eq!(flood.failure, ProgramFailure::Flooded, "{flood}");
        assert!(ioc_common::clock::boottime_ms() - started < 15_000);
    }
}
