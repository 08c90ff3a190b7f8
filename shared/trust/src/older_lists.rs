//! What `--accept-older-lists` does and says, the same in each program that has it.

use std::path::Path;

use pennyblack_service::program::Outcome;

use super::Trust;

/// Has a service that keeps its marks in `marks` forget which lists it has seen, and tells
/// the operator.
///
/// # Errors
/// [`TrustError`](super::TrustError): the service runs, or the disk refuses.
pub fn accept_older_lists(marks: &Path) -> Outcome {
    match Trust::accept_older_lists(marks)? {
        true => println!("This node accepts the revocation lists as they are."),
        false => println!("This node remembers no revocation list."),
    }
    Ok(())
}
