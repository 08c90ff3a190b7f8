//! Evaluating a batch of blinded elements with the one proof that all are under the
//! same key (RFC 9497 sections 2.2.1, 2.2.2 and 3.3.2). The `voprf` crate has this
//! too; here sums over a whole batch of public elements are made at once, which is
//! several times as fast, so that checking our own proof costs little. The tests
//! hold both against each other.

use pennyblack_base::wire::put_vec_u16;
use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq as _;
use voprf::{CipherSuite, Group};
use zeroize::Zeroize as _;

use super::VoprfError;

/// An element of a suite's group.
pub(super) type Element<S> = <<S as CipherSuite>::Group as Group>::Elem;
/// A number modulo the order of a suite's group.
pub(super) type Scalar<S> = <<S as CipherSuite>::Group as Group>::Scalar;

/// What the proof asks of a cipher suite beyond the library's groups.
pub(super) trait Suite: CipherSuite {
    /// The suite's hash of all parts together.
    fn hash(parts: &[&[u8]]) -> Vec<u8>;

    /// The sum of each element times its factor, in a time that depends on both: they
    /// must be public.
    fn sum(factors: &[Scalar<Self>], elements: &[Element<Self>]) -> Element<Self>;
}

/// An element, and its encoding: as it is, and with the length in front, as it is hashed.
struct Encoded<S: Suite> {
    element: Element<S>,
    bytes: Vec<u8>,
    prefixed: Vec<u8>,
}

impl<S: Suite> Encoded<S> {
    fn new(element: Element<S>) -> Self {
        Self::of(element, &S::Group::serialize_elem(element))
    }

    fn of(element: Element<S>, bytes: &[u8]) -> Self {
        Self {
            element,
            bytes: bytes.to_vec(),
            prefixed: prefixed(bytes),
        }
    }
}

/// Bytes with their length in front.
fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + bytes.len());
    put_vec_u16(&mut out, bytes);
    out
}

/// The proof: its challenge and its response.
struct Proof<S: Suite> {
    c: Scalar<S>,
    s: Scalar<S>,
}

/// Evaluates with the key `k`, whose public half is `key`, and proves it, with a nonce drawn from `rng`: the
/// evaluated elements one after the other, and the proof behind them, which was
/// checked as a client would check it.
///
/// # Errors
/// [`VoprfError`]: not an element, no batch, or a failure of the machine.
pub(super) fn evaluate<S: Suite>(
    k: &Scalar<S>,
    key: Element<S>,
    blinded: &[&[u8]],
    rng: &mut impl TryCryptoRng,
) -> Result<Vec<u8>, VoprfError> {
    if !(1..=usize::from(u16::MAX)).contains(&blinded.len()) {
        return Err(VoprfError::Batch);
    }
    let blinded = blinded.iter().map(|bytes| read::<S>(bytes));
    let blinded = blinded.collect::<Result<Vec<_>, _>>()?;
    let evaluate = |one: &Encoded<S>| Encoded::new(one.element * k);
    let evaluated: Vec<_> = blinded.iter().map(evaluate).collect();
    let batch = Batch::<S> {
        key: Encoded::new(key),
        blinded,
        evaluated,
    };
    let proof = batch.prove(k, rng)?;
    if !batch.verify(&proof) {
        return Err(VoprfError::Proof);
    }
    let mut out = Vec::new();
    for element in &batch.evaluated {
        out.extend_from_slice(&element.bytes);
    }
    out.extend_from_slice(&S::Group::serialize_scalar(proof.c));
    out.extend_from_slice(&S::Group::serialize_scalar(proof.s));
    Ok(out)
}

fn read<S: Suite>(bytes: &[u8]) -> Result<Encoded<S>, VoprfError> {
    let element = S::Group::deserialize_elem(bytes).map_err(|_| VoprfError::Encoding {
        what: "the blinded message",
    })?;
    Ok(Encoded::of(element, bytes))
}

/// What is proven: that each evaluated element is the blinded one under the key.
struct Batch<S: Suite> {
    key: Encoded<S>,
    blinded: Vec<Encoded<S>>,
    evaluated: Vec<Encoded<S>>,
}

impl<S: Suite> Batch<S> {
    /// RFC 9497 section 2.2.1, `GenerateProof`.
    fn prove(&self, k: &Scalar<S>, rng: &mut impl TryCryptoRng) -> Result<Proof<S>, VoprfError> {
        let m = S::sum(&self.weights()?, &elements(&self.blinded));
        let mut r = S::Group::random_scalar(rng)
            .map_err(|_| VoprfError::Encoding { what: "randomness" })?;
        let (t2, t3) = (S::Group::base_elem() * &r, m * &r);
        let c = self.challenge([m, m * k, t2, t3])?;
        let s = r - &(c * k);
        r.zeroize();
        Ok(Proof { c, s })
    }

    /// Section 2.2.2, `VerifyProof`, with nothing taken over from the proving.
    fn verify(&self, proof: &Proof<S>) -> bool {
        let Ok(weights) = self.weights() else {
            return false;
        };
        let m = S::sum(&weights, &elements(&self.blinded));
        let z = S::sum(&weights, &elements(&self.evaluated));
        let factors = [proof.s, proof.c];
        let t2 = S::sum(&factors, &[S::Group::base_elem(), self.key.element]);
        let t3 = S::sum(&factors, &[m, z]);
        let challenge = self.challenge([m, z, t2, t3]);
        challenge.is_ok_and(|c| c.ct_eq(&proof.c).into())
    }

    /// By what each pair goes into the composites (`ComputeComposites`).
    fn weights(&self) -> Result<Vec<Scalar<S>>, VoprfError> {
        let tag = prefixed(&[b"Seed-".as_slice(), &context::<S>()].concat());
        let seed = prefixed(&S::hash(&[&self.key.prefixed, &tag]));
        let pairs = self.blinded.iter().zip(&self.evaluated).zip(0u16..);
        let weight = |((blinded, evaluated), place): ((&Encoded<S>, &Encoded<S>), u16)| {
            to_scalar::<S>(&[
                &seed,
                &place.to_be_bytes(),
                &blinded.prefixed,
                &evaluated.prefixed,
                b"Composite",
            ])
        };
        pairs.map(weight).collect()
    }

    fn challenge(&self, [m, z, t2, t3]: [Element<S>; 4]) -> Result<Scalar<S>, VoprfError> {
        let others = [m, z, t2, t3].map(Encoded::<S>::new);
        let mut parts = vec![self.key.prefixed.as_slice()];
        parts.extend(others.iter().map(|one| one.prefixed.as_slice()));
        parts.push(b"Challenge");
        to_scalar::<S>(&parts)
    }
}

fn elements<S: Suite>(encoded: &[Encoded<S>]) -> Vec<Element<S>> {
    encoded.iter().map(|one| one.element).collect()
}

/// The context string of the verifiable mode (section 3.1).
fn context<S: Suite>() -> Vec<u8> {
    [b"OPRFV1-\x01-".as_slice(), S::ID.as_bytes()].concat()
}

fn to_scalar<S: Suite>(parts: &[&[u8]]) -> Result<Scalar<S>, VoprfError> {
    let scalar = S::Group::hash_to_scalar::<S::Hash>(parts, &[b"HashToScalar-", &context::<S>()]);
    // Only inputs of more than 65,535 bytes are refused.
    scalar.map_err(|_| VoprfError::Batch)
}

#[cfg(test)]
mod tests {
    use p384::NistP384;
    use rand_core::OsRng;
    use voprf::{BlindedElement, EvaluationElement, Ristretto255, VoprfClient};

    use super::*;

    fn batch<S: Suite>(size: usize) -> (Scalar<S>, Batch<S>) {
        let k = S::Group::random_scalar(&mut OsRng).unwrap();
        let random = || S::Group::random_scalar(&mut OsRng).unwrap();
        let elements: Vec<_> = (0..size)
            .map(|_| S::Group::base_elem() * &random())
            .collect();
        let evaluated = elements.iter().map(|e| Encoded::new(*e * &k)).collect();
        let batch = Batch {
            key: Encoded::new(S::Group::base_elem() * &k),
            blinded: elements.into_iter().map(Encoded::new).collect(),
            evaluated,
        };
        (k, batch)
    }

    fn what_was_computed_wrongly_is_caught<S: Suite>() {
        for wrong in 0..5 {
            let (k, mut batch) = batch::<S>(5);
            assert!(batch.verify(&batch.prove(&k, &mut OsRng).unwrap()));
            let other = S::Group::random_scalar(&mut OsRng).unwrap();
            batch.evaluated[wrong] = Encoded::new(batch.blinded[wrong].element * &other);
            assert!(!batch.verify(&batch.prove(&k, &mut OsRng).unwrap()));
        }
        let (k, batch) = batch::<S>(3);
        let mut proof = batch.prove(&k, &mut OsRng).unwrap();
        proof.s = S::Group::random_scalar(&mut OsRng).unwrap();
        assert!(!batch.verify(&proof));
    }

    #[test]
    fn a_wrong_evaluation_or_proof_does_not_leave_the_house() {
        what_was_computed_wrongly_is_caught::<NistP384>();
        what_was_computed_wrongly_is_caught::<Ristretto255>();
    }

    fn sums_are_those_of_the_library<S: Suite>(sizes: &[usize]) {
        for &size in sizes {
            let (_, batch) = batch::<S>(size);
            let weights = batch.weights().unwrap();
            let elements = elements(&batch.blinded);
            let each = weights.iter().zip(&elements);
            let expected = each.fold(S::Group::identity_elem(), |sum, (weight, element)| {
                sum + &(*element * weight)
            });
            assert!(bool::from(S::sum(&weights, &elements).ct_eq(&expected)));
        }
    }

    #[test]
    fn a_sum_of_many_is_the_sum_of_each() {
        sums_are_those_of_the_library::<NistP384>(&[1, 2, 128, 129]);
        sums_are_those_of_the_library::<Ristretto255>(&[1, 2, 128, 300]);
    }

    /// The library, in the client's part, takes our proofs of any size of batch.
    fn the_library_accepts<S: Suite>(sizes: &[usize]) {
        let k = S::Group::random_scalar(&mut OsRng).unwrap();
        let key = S::Group::base_elem() * &k;
        for &size in sizes {
            let blind = |_| VoprfClient::<S>::blind(b"input", &mut OsRng).unwrap();
            let blinds: Vec<_> = (0..size).map(blind).collect();
            let serialize = |one: &BlindedElement<S>| one.serialize().to_vec();
            let blinded: Vec<_> = blinds.iter().map(|one| serialize(&one.message)).collect();
            let blinded: Vec<_> = blinded.iter().map(Vec::as_slice).collect();
            let answer = evaluate::<S>(&k, key, &blinded, &mut OsRng).unwrap();
            let width = blinded[0].len();
            let (elements, proof) = answer.split_at(size * width);
            let read = |bytes| EvaluationElement::<S>::deserialize(bytes).unwrap();
            let evaluated: Vec<_> = elements.chunks(width).map(read).collect();
            let clients: Vec<_> = blinds.into_iter().map(|one| one.state).collect();
            let inputs = vec![b"input".as_slice(); size];
            let proof = voprf::Proof::deserialize(proof).unwrap();
            let tokens = VoprfClient::batch_finalize(&inputs, &clients, &evaluated, &proof, key);
            assert_eq!(tokens.unwrap().count(), size);
        }
    }

    #[test]
    fn proofs_of_batches_are_accepted_by_the_library() {
        the_library_accepts::<NistP384>(&[1, 7, 130]);
        the_library_accepts::<Ristretto255>(&[1, 7, 130]);
    }
}
