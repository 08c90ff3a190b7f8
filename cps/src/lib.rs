//! The Call Placement Service: stores sealed PASSporTs against one-time tokens
//! and serves them to whoever asks (docs/protocol.md sections 3 to 5).

pub mod store;
