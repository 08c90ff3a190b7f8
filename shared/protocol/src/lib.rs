//! What is said to a CPS: the store request with every check that needs no state, and
//! key records. Everything takes bytes and the present time and returns values or
//! errors; there is no socket, no clock and no storage here.

#[cfg(test)]
mod evidence_tests;
pub mod key_record;
pub mod store_request;
