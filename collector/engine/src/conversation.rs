//! What is said and heard while a channel is tried out, for whoever set it up: each step of a mail, status and answer of a request. Nobody listens
//! while notices go out as usual. What is noted has no secret in it: whoever notes sees to that.

use std::cell::RefCell;

/// Most lines that are kept, and longest one, characters.
const LINES_MAX: usize = 200;
const LINE_MAX_CHARS: usize = 400;

/// Shortest secret that is taken out of what others answer: anything shorter stands in many words.
const HIDDEN_MIN_CHARS: usize = 4;

#[derive(Default)]
struct Conversation {
    lines: Vec<String>,
    /// Secrets that were used in it.
    hidden: Vec<String>,
}

tokio::task_local! {
    static CONVERSATION: RefCell<Conversation>;
}

/// Notes what was said or heard, where somebody listens.
pub fn note(line: impl FnOnce() -> String) {
    let _ = CONVERSATION.try_with(|conversation| {
        let mut conversation = conversation.borrow_mut();
        if conversation.lines.len() < LINES_MAX {
            let line = conversation.hidden.iter().fold(line(), |line, secret| line.replace(secret, "(not shown)"));
            let line = line.chars().filter(|one| !one.is_control()).take(LINE_MAX_CHARS).collect();
            conversation.lines.push(line);
        }
    });
}

/// A secret is in use: should the other side answer with it, it is not noted.
pub fn hide(secret: &str) {
    let _ = CONVERSATION.try_with(|conversation| {
        if secret.chars().count() >= HIDDEN_MIN_CHARS {
            conversation.borrow_mut().hidden.push(secret.to_owned());
        }
    });
}

/// Does something, and gives what was noted meanwhile, too.
pub async fn listened<T>(work: impl Future<Output = T>) -> (T, Vec<String>) {
    CONVERSATION
        .scope(RefCell::default(), async {
            let done = work.await;
            (done, CONVERSATION.with(|conversation| conversation.take().lines))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_noted_is_heard_by_who_listens_alone_and_without_secrets() {
        note(|| unreachable!("nobody listens"));
        let ((), lines) = listened(async {
            hide("S3CRET");
            note(|| "→ EHLO\r\nS3CRET".to_owned());
            (0..300).for_each(|_| note(|| "x".repeat(1000)));
        })
        .await;
        assert_eq!((lines.len(), lines[0].as_str(), lines[1].len()), (200, "→ EHLO(not shown)", 400));
    }
}
