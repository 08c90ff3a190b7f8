//! The forms of Oblivious HTTP (docs/protocol.md section 8): binary HTTP messages, key
//! configurations, what is encapsulated and how long it is, and the keys of a gateway.
//! Bytes, time and randomness go in. Not here: who asks, who answers, and which key
//! configuration a client trusts.

pub mod binary_http;
pub mod encapsulation;
pub mod exchange;
pub mod key_config;
pub mod key_ratchet;
pub mod size_class;
