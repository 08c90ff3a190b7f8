//! The parts that a measuring program plays in processes of its own: a service, the floor of
//! one, somebody who fills or opens a store.

use crate::rows::restart;
use crate::{handshakes, no_op, pass_through, services};

/// Plays the part that the command line names; false when it names none, and this
/// process is the one that measures.
#[must_use]
pub fn play(arguments: &[String]) -> bool {
    match arguments.split_first() {
        Some((first, rest)) if first == services::ARGUMENT => services::serve(rest),
        Some((first, rest)) if first == no_op::ARGUMENT => no_op::serve(rest),
        Some((first, rest)) if first == handshakes::ARGUMENT => handshakes::serve(rest),
        Some((first, rest)) if first == pass_through::ARGUMENT => pass_through::serve(rest),
        Some((first, rest)) if first == restart::ARGUMENT => restart::serve(rest),
        _ => return false,
    }
    true
}
