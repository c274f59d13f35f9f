//! How far a backup, a drill or a restore has come, as a bar on the terminal of whoever waits for it.
//!
//! It is drawn on standard error, and only where that is a terminal: what is printed stays what programs read.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use ioc_common::clock;

use super::pace::Pace;
use crate::cli;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Signs of a bar.
const WIDTH: u64 = 30;
/// Before this part of it is done, a hundredth each, how long the rest takes is a guess.
const GUESS_PERCENT: u64 = 3;

/// A bar that is being drawn; it is wiped at the end.
struct Bar {
    began_us: u64,
}

impl Bar {
    /// None where nobody looks.
    fn begin() -> Option<Self> {
        std::io::stderr().is_terminal().then(|| Self { began_us: clock::boottime_us() })
    }

    fn draw(&self, (done, all): (u64, u64)) {
        if all > 0 {
            let line = line((done, all), clock::boottime_us().saturating_sub(self.began_us) / 1_000_000);
            write(&format!("\r{line}\x1b[K"));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        write("\r\x1b[K");
    }
}

fn write(text: &str) {
    let mut to = std::io::stderr();
    // A terminal that is gone takes nothing from the work.
    let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
}

/// A bar, how much of it is done, and about how long the rest takes.
fn line((done, all): (u64, u64), elapsed_s: u64) -> String {
    let percent = (done.saturating_mul(100)).checked_div(all).unwrap_or(0).min(100);
    let full = percent * WIDTH / 100;
    let sign = |sign: &str, count: u64| sign.repeat(usize::try_from(count).unwrap_or(0));
    let mut text = format!("[{}{}] {percent:>3} %", sign("#", full), sign(".", WIDTH - full));
    if percent >= GUESS_PERCENT {
        let left_s = (elapsed_s.saturating_mul(all - done.min(all))).checked_div(done).unwrap_or(0);
        text += &match left_s {
            0..60 => format!(", about {left_s} s left"),
            60..7200 => format!(", about {} min left", left_s.div_ceil(60)),
            _ => format!(", about {} h left", left_s.div_ceil(3600)),
        };
    }
    text
}

/// Draws how far the running collector's work has come, until it is dropped.
pub(super) async fn of_running(runtime: &Path) -> Infallible {
    let bar = Bar::begin();
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(bar) = &bar else { continue };
        // One answer that fails says nothing of the work.
        if let Ok(status) = cli::ask(runtime, "GET", "/api/v1/backups", None).await {
            let number = |name: &str| status["running"][name].as_u64().unwrap_or(0);
            bar.draw((number("done"), number("all")));
        }
    }
}

/// Does work of this process, and draws how far it has come.
pub(super) fn shown<T>(pace: &Pace, work: impl FnOnce() -> T) -> T {
    /// Says that it is over, though it panics.
    struct Over<'o>(&'o AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Relaxed);
        }
    }
    let Some(bar) = Bar::begin() else { return work() };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                bar.draw(pace.progress());
                std::thread::sleep(LOOK / 2);
            }
        });
        let _over = Over(&is_over);
        work()
    })
}

/// Does work of this process that says itself how much of how much is done, and draws that.
pub(crate) fn with_bar<T>(work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> T) -> T {
    let (bar, mut drawn_us) = (Bar::begin(), 0);
    work(&mut |done, all| {
        let now_us = clock::boottime_us();
        if let Some(bar) = bar.as_ref().filter(|_| Duration::from_micros(now_us.saturating_sub(drawn_us)) >= LOOK) {
            drawn_us = now_us;
            bar.draw((done, all));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_much_is_done_and_how_long_the_rest_takes() {
        assert_eq!(line((0, 1000), 9), "[..............................]   0 %");
        assert_eq!(line((500, 1000), 45), "[###############...............]  50 %, about 45 s left");
        assert_eq!(line((100, 1000), 60), "[###...........................]  10 %, about 9 min left");
        assert_eq!(line((100, 1000), 3600), "[###...........................]  10 %, about 9 h left");
        assert_eq!(line((1000, 1000), 3600), "[##############################] 100 %, about 0 s left");
        assert_eq!(line((7, 0), 1), "[..............................]   0 %", "neither is known yet");
    }

    #[test]
    fn work_is_done_whether_anybody_looks_or_not() {
        assert_eq!(shown(&Pace::unbounded(), || 7), 7);
        let said = |progress: &mut dyn FnMut(u64, u64)| {
            progress(1, 2);
            7
        };
        assert_eq!(with_bar(said), 7);
    }
}
