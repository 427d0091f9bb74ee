//! Where a tree's bytes live: the one thing a tree asks of the store.

/// Names a blob. The numbers are the holder's; all values are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub u32);

/// There is no memory for a new blob, and none can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room")]
pub struct NoRoom;

/// Holds blobs of bytes: nodes of at most [`NODE_BYTES_MAX`](super::NODE_BYTES_MAX) bytes unless a name is very
/// long, and values of any length.
///
/// Nobody needs to remember how long a blob is: trees know what they wrote and ignore what lies behind, so a holder
/// may round up as it likes. Only `alloc` can fail; a batch calls it for everything new before it changes or frees
/// anything, which is what makes batches all or nothing.
pub trait Nodes {
    /// Stores a new blob; never an empty one.
    ///
    /// # Errors
    /// When there is no room; then nothing changed.
    fn alloc(&mut self, bytes: &[u8]) -> Result<NodeId, NoRoom>;

    /// Shows a blob: the bytes written last and, if the holder rounds up, more behind them. `see` may call the other
    /// methods that take `&self`. Called for nodes only, so a scattered one is cheaply put together.
    fn read<R>(&self, id: NodeId, see: impl FnOnce(&[u8]) -> R) -> R;

    /// Appends the first `len` bytes of a blob to `out`.
    fn append_to(&self, id: NodeId, len: usize, out: &mut Vec<u8>);

    /// Whether `overwrite` can put `len` bytes into this blob without failing and without wasting much. Always true of
    /// the length that the blob has.
    fn fits(&self, id: NodeId, len: usize) -> bool;

    /// Replaces all bytes of a blob, after `fits` agreed to the length.
    fn overwrite(&mut self, id: NodeId, bytes: &[u8]);

    /// Takes a blob back.
    fn free(&mut self, id: NodeId);
}
