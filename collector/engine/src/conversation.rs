//! What is said and heard while a channel is tried out, for whoever set it up: each step of a mail, status and answer of a request. Nobody listens
//! while notices go out as usual. What is noted has no secret in it: whoever notes sees to that.

use std::cell::RefCell;

/// Most lines that are kept, and longest one, characters.
const LINES_MAX: usize = 200;
const LINE_MAX_CHARS: usize = 400;

tokio::task_local! {
    static LINES: RefCell<Vec<String>>;
}

/// Notes what was said or heard, where somebody listens.
pub fn note(line: impl FnOnce() -> String) {
    let _ = LINES.try_with(|lines| {
        let mut lines = lines.borrow_mut();
        if lines.len() < LINES_MAX {
            let line: String = line().chars().filter(|one| !one.is_control() || *one == ' ').take(LINE_MAX_CHARS).collect();
            lines.push(line);
        }
    });
}

/// Does something, and gives what was noted meanwhile, too.
pub async fn listened<T>(work: impl Future<Output = T>) -> (T, Vec<String>) {
    LINES
        .scope(RefCell::default(), async {
            let done = work.await;
            (done, LINES.with(RefCell::take))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_noted_is_heard_by_who_listens_alone() {
        note(|| unreachable!("nobody listens"));
        let ((), lines) = listened(async {
            note(|| "→ EHLO\r\nx".to_owned());
            (0..300).for_each(|_| note(|| "x".repeat(1000)));
        })
        .await;
        assert_eq!((lines.len(), lines[0].as_str(), lines[1].len()), (200, "→ EHLOx", 400));
    }
}
