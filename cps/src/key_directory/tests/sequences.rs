//! Sequences of registrations, renewals, withdrawals, ends and restarts, in which holders
//! share numbers: what is charged is what is kept, whatever came before.

use proptest::prelude::*;

use super::*;

/// What somebody does.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Registers a record of a key, by one of two certificates, that lives so long.
    Register(usize, usize, u64),
    /// Time passes, and what has ended is removed.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let lifetime = prop_oneof![Just(1), Just(50), Just(86_400)];
    prop_oneof![
        4 => (0usize..3, 0usize..2, lifetime).prop_map(|(k, h, l)| Step::Register(k, h, l)),
        1 => (1u64..200).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_charged_is_what_a_fresh_start_charges(
        steps in proptest::collection::vec(step(), 1..24),
    ) {
        let home = tempfile::tempdir().unwrap();
        let holders = [&Holder::new(), &Holder::of_block()];
        let directory = open(home.path(), &holders, NOW);
        let keys = [(); 3].map(|()| holders[0].record());
        let mut now = NOW;
        for step in steps {
            now = UnixTime(now.0 + 1);
            match step {
                Step::Register(key, holder, seconds) => {
                    let record = KeyRecord {
                        iat: now,
                        exp: now.plus(Duration::from_secs(seconds)),
                        ..keys[key].clone()
                    };
                    directory.register(&holders[holder].sign(&record), now).unwrap();
                }
                Step::Wait(seconds) => now = UnixTime(now.0 + seconds),
            }
            directory.purge(now);
            let fresh = open(home.path(), &holders, now);
            prop_assert_eq!(listed(&fresh), listed(&directory));
            prop_assert_eq!(fresh.read().taken(), directory.read().taken());
        }
        directory.purge(now.plus(MAX_LIFETIME));
        prop_assert_eq!(directory.read().taken(), (0, 0));
    }
}
