//! What is too much for one cycle of the engine is done in pieces, with a commit and everybody else's inputs between them: tables of assets, machines of a
//! product that is forbidden or allowed, reviews of all accounts.

use ioc_common::clock::Timestamp;
use tokio::sync::oneshot;

use super::{CommandResult, Engine};
use crate::command::{Answer, Piecework};

impl Engine {
    /// Does the next piece of each.
    pub(super) fn work_in_pieces(&mut self, now: Timestamp) {
        self.settle_software(now);
        self.work_on_import(now);
        self.work_on_account_review(now);
    }

    /// Whether more of it waits: the next cycle comes at once.
    pub(super) fn has_more(&self) -> bool {
        self.has_unsettled_software() || self.has_import() || self.account_work.is_under_way()
    }

    /// Whoever asks is answered once it is committed; where it goes on in pieces, once the last one is.
    pub(super) fn answer(&mut self, reply: oneshot::Sender<CommandResult>, answer: CommandResult) {
        match answer {
            Ok(Answer::Begun(Piecework::AssetImport)) => self.answer_import_at_end(reply),
            Ok(Answer::Begun(Piecework::AccountReview)) => self.answer_review_at_end(reply),
            answer => self.batch.answers.push((reply, answer)),
        }
    }
}
