//! The client side of Pennyblack as a library: the carrier that draws tokens,
//! the caller that stores sealed PASSporTs, the recipient that verifies calls,
//! and a development PKI. The program `pennyblack` is a thin layer on top.

pub mod audit;
pub mod caller;
pub mod carrier;
pub mod certificates;
pub mod demo;
pub mod http;
pub mod identity;
pub mod load;
mod missing_file;
pub mod pki;
pub mod recipient;
pub mod span;
pub mod trust;
pub mod wallet;
pub mod witness;
