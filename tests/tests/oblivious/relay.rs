//! The relay as a program, between clients of any kind and a gateway that notes what it gets.

mod answers;
mod costs;
mod fairness;
mod gateway;
mod house;
mod known;
mod operating;
mod requests;
mod scene;
mod traces;
