//! Which witnesses must have cosigned the logs of CPSs, as a configuration says it. Not here:
//! cosignatures (`pennyblack-tlog`).

use pennyblack_runtime::config::ConfigurationError;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};

/// What `oblivious.witnesses` and `oblivious.witnesses_needed` demand: all of them, unless it
/// is said how many.
///
/// # Errors
/// [`ConfigurationError`].
pub fn witness_policy(
    witnesses: &[VerifierKey],
    needed: Option<usize>,
) -> Result<WitnessPolicy, ConfigurationError> {
    let needed = needed.unwrap_or(witnesses.len());
    WitnessPolicy::new(witnesses.to_vec(), needed).map_err(|error| {
        ConfigurationError::refused(
            "oblivious.witnesses",
            error.to_string(),
            "name each witness once, by the key that it publishes, and no more of them in \
             oblivious.witnesses_needed",
        )
    })
}

#[cfg(test)]
mod tests {
    use pennyblack_tlog::NoteSigner;
    use pennyblack_tlog::note_key::SignatureType;

    use super::*;

    fn key(kind: SignatureType) -> VerifierKey {
        let name = "witness.example".parse().unwrap();
        let signer = NoteSigner::generate(name, kind, &mut rand::rng());
        signer.verifier().clone()
    }

    #[test]
    fn all_are_demanded_unless_it_is_said_how_many_and_never_more_than_there_are() {
        let two = [(); 2].map(|()| key(SignatureType::CosignatureV1));
        assert_eq!(witness_policy(&two, None).unwrap().threshold(), 2);
        assert_eq!(witness_policy(&two, Some(1)).unwrap().threshold(), 1);
        assert_eq!(witness_policy(&[], None).unwrap().threshold(), 0);
        assert!(witness_policy(&[], Some(1)).is_err());
        let of_a_log = key(SignatureType::Ed25519);
        let refused = witness_policy(&[of_a_log], None).unwrap_err().to_string();
        assert!(refused.contains("oblivious.witnesses"), "{refused}");
    }
}
