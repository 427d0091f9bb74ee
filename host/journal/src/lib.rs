//! The operation log and the snapshots of the store: what keeps its content over the end of the process.
