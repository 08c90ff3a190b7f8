//! Files that survive: atomic replacement, a lock per data directory, a journal
//! of checksummed frames, and the group commit that lets one sync serve many
//! requests. Nothing here knows what is stored.

pub mod atomic_file;
pub mod data_directory;
pub mod disk;
#[cfg(any(test, feature = "testing"))]
pub mod fault_disk;
pub mod file_listing;
mod frame;
pub mod group_commit;
mod health;
pub mod journal;
pub mod limited_file;
pub mod log;
pub mod secret_file;
