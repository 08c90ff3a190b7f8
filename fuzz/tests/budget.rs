//! The memory budget notices what it should. One test in a process of its own,
//! for the allocator counts what every thread holds.

use pennyblack_fuzz::budget;

#[test]
fn the_promised_amount_passes_and_a_length_that_was_trusted_does_not() {
    let promised = budget::keep(1024, || vec![0_u8; 16 * 1024].len());
    assert_eq!(promised, 16 * 1024);
    let trusted = || budget::keep(4, || vec![0_u8; 1 << 20].len());
    assert!(std::panic::catch_unwind(trusted).is_err());
}
