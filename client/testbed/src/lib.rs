//! A whole federation on one machine: the demonstration, the load generator
//! and the exercise for auditors. May depend on both services and the telephone gateway;
//! nothing that is deployed by itself depends on it.

pub mod demo;
pub mod load;
pub mod practice;
