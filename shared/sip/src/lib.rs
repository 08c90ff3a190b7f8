//! As much of SIP (RFC 3261) as a redirect server beside a switch needs: reading and
//! writing messages, URIs and the numbers in them, the INVITE server transaction, and a
//! small calling side for demonstrations and tests. Not here: sockets, a clock, dialogs,
//! and what a call is answered. Bytes and the time come in, [`Action`](server::Action)s
//! go out.
//!
//! The way of a call: [`StreamDecoder`](stream::StreamDecoder) (TCP only) →
//! [`RawMessage`](message::RawMessage) → [`Server`](server::Server) →
//! [`Action::Decide`](server::Action::Decide) with a [`Request`](request::Request) →
//! [`Answer`](answer::Answer) → [`Action::Send`](server::Action::Send).

pub mod answer;
pub mod answer_headers;
pub mod caller;
pub mod field;
mod grammar;
pub mod header;
pub mod header_name;
pub mod message;
pub mod name_addr;
pub mod number;
pub mod parameters;
pub mod peer;
pub mod request;
pub mod response;
pub mod server;
pub mod status;
pub mod stream;
mod transaction;
pub mod uri;
pub mod via;

pub use grammar::SyntaxError;
