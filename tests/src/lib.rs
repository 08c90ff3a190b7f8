//! What whole-system tests stand on: a PKI and services started on loopback
//! sockets, and a network that loses answers. Not here: any test.

pub mod federation;
pub mod lossy_proxy;
