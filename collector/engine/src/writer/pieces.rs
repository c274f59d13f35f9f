//! What is too much for one cycle of the engine is done in pieces, with a commit and everybody else's inputs between them: tables of assets, machines of a
//! product that is forbidden or allowed.

use ioc_common::clock::Timestamp;
use tokio::sync::oneshot;

use super::{CommandResult, Engine};
use crate::command::Answer;

impl Engine {
    /// Does the next piece of each.
    pub(super) fn work_in_pieces(&mut self, now: Timestamp) {
        self.settle_software(now);
        self.work_on_import(now);
    }

    /// Whether more of it waits: the next cycle comes at once.
    pub(super) fn has_more(&self) -> bool {
        self.has_unsettled_software() || self.has_import()
    }

    /// Whoever asks is answered once it is committed; where it goes on in pieces, once the last one is.
    pub(super) fn answer(&mut self, reply: oneshot::Sender<CommandResult>, answer: CommandResult) {
        match answer {
            Ok(Answer::Begun(_)) => self.answer_at_end(reply),
            answer => self.batch.answers.push((reply, answer)),
        }
    }
}
