//! The relay as a program, between clients of any kind and a gateway that notes what it gets.

mod answers;
mod fairness;
mod gateway;
mod memory;
mod requests;
mod scene;
mod traces;
