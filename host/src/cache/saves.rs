//! What the cache asks of whoever keeps the store's changes on disk. The server implements it over the journal.
//!
//! Only where answers wait for the disk: otherwise the store tells its changes to the journal, and nobody else knows.

use std::fmt::Debug;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The disk, as far as answers depend on it.
pub trait Saves: Debug + Send + Sync {
    /// This thread has read the key with this hash: if the key's last change is not on disk, the answer has to wait.
    fn has_read(&self, hash: u64);

    /// What the answers to all that this thread has done since this was last asked have to wait for: a number for
    /// [`Saves::poll_saved`], 0 for nothing.
    fn take_unsaved(&self) -> u64;

    /// Whether all that leads to this number is on disk.
    ///
    /// # Errors
    /// When it is not known whether it ever will be.
    fn poll_saved(&self, number: u64, context: &mut Context<'_>) -> Poll<Result<(), NotSaved>>;

    /// Whether nothing can be saved at present, so that writes had better be refused.
    fn refuses_writes(&self) -> bool;
}

/// The disk, if answers wait for one.
#[derive(Clone, Debug)]
pub(super) struct Disk(Option<Arc<dyn Saves>>);

impl Disk {
    pub(super) fn new(saves: Option<&Arc<dyn Saves>>) -> Disk {
        Disk(saves.cloned())
    }

    /// See [`Saves::has_read`].
    #[inline(always)]
    pub(super) fn has_read(&self, hash: u64) {
        if let Some(saves) = &self.0 {
            saves.has_read(hash);
        }
    }

    /// See [`Saves::take_unsaved`].
    #[inline]
    pub(super) fn take_unsaved(&self) -> u64 {
        self.0.as_ref().map_or(0, |saves| saves.take_unsaved())
    }

    /// See [`Saves::poll_saved`].
    pub(super) fn poll_saved(
        &self,
        number: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), NotSaved>> {
        match &self.0 {
            Some(saves) if number > 0 => saves.poll_saved(number, context),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// See [`Saves::refuses_writes`].
    #[inline]
    pub(super) fn refuses_writes(&self) -> bool {
        self.0.as_ref().is_some_and(|saves| saves.refuses_writes())
    }
}

/// A change may be lost when the process ends: the disk has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not saved: the disk fails")]
pub struct NotSaved;
