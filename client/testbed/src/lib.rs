//! A whole federation on one machine: the demonstration, the load generator
//! and the exercise for auditors. May
//! depend on both services; nothing that is deployed depends on it.

pub mod demo;
pub mod load;
pub mod practice;
