//! Reading a segment.
