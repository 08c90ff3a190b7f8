//! What the fuzz targets share: the memory budget, and a small world with keys
//! of its own for what comes after parsing. The targets themselves stand in
//! `fuzz_targets/`, one for each parser of outside bytes.

pub mod budget;
pub mod compact;
pub mod world;

/// Runs `check` over every input, as UTF-8 text, within the memory budget.
/// Inputs that are not text are passed over: no parser of text is given them.
#[macro_export]
macro_rules! fuzz_text {
    ($check:path) => {
        libfuzzer_sys::fuzz_target!(init: { $crate::world::world(); }, |bytes: &[u8]| {
            if let Ok(text) = std::str::from_utf8(bytes) {
                $crate::budget::keep(bytes.len(), || $check(text));
            }
        });
    };
}

/// Runs `check` over every input within the memory budget.
#[macro_export]
macro_rules! fuzz_bytes {
    ($check:path) => {
        libfuzzer_sys::fuzz_target!(init: { $crate::world::world(); }, |bytes: &[u8]| {
            $crate::budget::keep(bytes.len(), || $check(bytes));
        });
    };
}
