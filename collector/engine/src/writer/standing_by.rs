//! In the engine's place at a collector that stands by: it decides nothing, and says to whoever asks for something who does.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{EngineHandle, EngineMessage, QUEUE_MAX};
use crate::command_error::CommandError;

/// Between two times that pages are told to look again: nobody here knows when something changed.
const PAGES_EVERY: Duration = Duration::from_secs(5);

/// A handle by which every command is refused, with the name of who holds the lease and where its pages are, as `holder` gives them then; empty where nobody
/// is known. It ends with the last of its copies.
pub fn standing_by(holder: impl Fn() -> (String, String) + Send + 'static) -> EngineHandle {
    let (sender, mut receiver) = mpsc::channel(QUEUE_MAX);
    let ((outbox_sender, outbox), (pages_sender, pages)) = (watch::channel(0_u64), watch::channel(0_u64));
    tokio::spawn(async move {
        // Notices are sent by who holds the lease; the channel stays open for whoever listens.
        let _outbox = outbox_sender;
        let mut look_again = tokio::time::interval(PAGES_EVERY);
        loop {
            let message = tokio::select! {
                message = receiver.recv() => message,
                _ = look_again.tick() => {
                    pages_sender.send_modify(|count| *count += 1);
                    continue;
                }
            };
            match message {
                Some(EngineMessage::Command(_, reply) | EngineMessage::SessionCommand(_, _, reply)) => {
                    let (holder, pages) = holder();
                    let _ = reply.send(Err(CommandError::stands_by(&holder, &pages)));
                }
                Some(EngineMessage::Stop) | None => return,
                // No device is let in here.
                Some(
                    EngineMessage::Opened(_)
                    | EngineMessage::Subscribed { .. }
                    | EngineMessage::Closed { .. }
                    | EngineMessage::Quiet { .. }
                    | EngineMessage::Report { .. }
                    | EngineMessage::Values { .. }
                    | EngineMessage::Renew { .. }
                    | EngineMessage::HostProbed { .. },
                ) => {}
            }
        }
    });
    EngineHandle { sender, executor: None, outbox, pages }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    #[tokio::test]
    async fn whoever_asks_is_told_who_holds() {
        let engine = standing_by(|| ("hai".to_owned(), "https://hai:8443".to_owned()));
        let refused = engine.command(Command::CheckDuty).await.expect_err("it decides nothing");
        assert!(
            refused.to_string().ends_with("hai holds the lease of the site; ask there: https://hai:8443"),
            "{refused}"
        );
        let unknown = standing_by(Default::default).command(Command::CheckDuty).await.expect_err("it decides nothing");
        assert!(unknown.to_string().contains("not known"), "{unknown}");
        assert!(engine.send(EngineMessage::Stop).await);
        engine.gone().await;
    }
}
