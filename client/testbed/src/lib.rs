//! A whole federation on one machine: the demonstration and the load generator. May
//! depend on both services; nothing that is deployed depends on it.

pub mod demo;
pub mod load;
