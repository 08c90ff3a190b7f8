//! Every refusal that docs/protocol.md sections 3 to 5 know, provoked over HTTP:
//! each is a problem document of its type that says what to do, and none costs
//! the token.

mod draft;
mod keys;
mod limits;
mod poll;
mod slots;
mod store;
