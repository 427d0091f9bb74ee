//! The frame header of UDP datagrams.
