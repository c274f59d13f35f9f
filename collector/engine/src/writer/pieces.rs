//! What is too much for one cycle of the engine is done in pieces, with a commit and everybody else's inputs between them: tables that are taken into
//! registers, machines of a product that is forbidden or allowed, reviews of all accounts, inventory takings that are closed.

use ioc_common::clock::Timestamp;
use ioc_store::{Reader, StoreError};
use tokio::sync::oneshot;

use super::account_register::review::ReviewJob;
use super::inventory_counts::ClosingJob;
use super::table_import::TableImports;
use super::{CommandResult, Engine};
use crate::command::{Answer, Piecework};

/// What is under way, but for software, whose register knows it.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    pub(super) imports: TableImports,
    /// The review that is being opened.
    pub(super) review: Option<ReviewJob>,
    /// The inventory taking that is being closed.
    pub(super) closing: Option<ClosingJob>,
}

impl Unfinished {
    /// As the store has it: a review that was being opened is not, nor is a taking closed that was being; either is asked for anew.
    pub(super) fn read(reader: &dyn Reader) -> Result<Self, StoreError> {
        Ok(Self { imports: TableImports::read(reader)?, review: None, closing: None })
    }
}

impl Engine {
    /// Does the next piece of each.
    pub(super) fn work_in_pieces(&mut self, now: Timestamp) {
        self.settle_software(now);
        self.work_on_import(now);
        self.work_on_account_review(now);
        self.work_on_closing(now);
    }

    /// Whether more of it waits: the next cycle comes at once.
    pub(super) fn has_more(&self) -> bool {
        self.has_unsettled_software()
            || self.piecework.imports.is_under_way()
            || self.piecework.review.is_some()
            || self.piecework.closing.is_some()
    }

    /// Whoever asks is answered once it is committed; where it goes on in pieces, once the last one is.
    pub(super) fn answer(&mut self, reply: oneshot::Sender<CommandResult>, answer: CommandResult) {
        match answer {
            Ok(Answer::Begun(Piecework::TableImport)) => self.answer_import_at_end(reply),
            Ok(Answer::Begun(Piecework::AccountReview)) => self.answer_review_at_end(reply),
            Ok(Answer::Begun(Piecework::CountClosing)) => {
                if let Some(job) = &mut self.piecework.closing {
                    job.answers(reply);
                }
            }
            answer => self.batch.answers.push((reply, answer)),
        }
    }
}
