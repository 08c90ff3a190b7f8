//! The two suites behind one face of bytes. The `voprf` crate is generic over a
//! suite, with bounds that only an older generation of crates can name; here they
//! are written out once for each suite, and nobody else sees its types.

use p384::NistP384;
use p384::elliptic_curve::rand_core as older;
use rand::CryptoRng;
use voprf::{
    BlindedElement, CipherSuite, EvaluationElement, Group, Proof, Ristretto255, VoprfClient,
    VoprfServer,
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Suite, VoprfError};

/// An element in its encoding.
pub(super) type Element = Box<[u8]>;

/// What a client remembers of one blinded element: the blind, then the element.
pub(super) type State = Zeroizing<Box<[u8]>>;

/// What an issuer publishes of one evaluation of several elements.
#[derive(Clone, Copy)]
pub(super) struct Proven<'a> {
    pub(super) public_key: &'a [u8],
    pub(super) evaluated: &'a [Element],
    pub(super) proof: &'a [u8],
}

/// Everything that needs no private key.
pub(super) trait Operations: Sync {
    /// A private key of its encoding.
    fn server(&self, private_key: &[u8]) -> Result<Box<dyn Server>, VoprfError>;

    /// A private key of a seed (DeriveKeyPair of RFC 9497 section 3.2.1).
    fn derive(&self, seed: &[u8], info: &[u8]) -> Result<Zeroizing<Box<[u8]>>, VoprfError>;

    /// Whether these bytes are the one encoding of an element that is not the identity.
    fn is_element(&self, bytes: &[u8]) -> bool;

    /// Blinds a message.
    fn blind(&self, message: &[u8], rng: &mut dyn CryptoRng) -> Result<State, VoprfError>;

    /// Verifies the proof over a batch of blinded elements.
    fn verify(&self, blinded: &[Element], proven: Proven<'_>) -> Result<(), VoprfError>;

    /// Verifies the proof over a batch and makes an output of each message.
    fn finalize(
        &self,
        messages: &[Vec<u8>],
        states: &[State],
        proven: Proven<'_>,
    ) -> Result<Vec<Box<[u8]>>, VoprfError>;
}

/// Everything that needs the private key. Wiped when dropped.
pub(super) trait Server: Send + Sync {
    /// The public half.
    fn public_key(&self) -> Element;

    /// Evaluates blinded elements together, with one proof that is not checked yet.
    fn evaluate(
        &self,
        blinded: &[Element],
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<Element>, Box<[u8]>), VoprfError>;

    /// The PRF's output for a message.
    fn output(&self, message: &[u8]) -> Result<Zeroizing<Box<[u8]>>, VoprfError>;
}

impl Suite {
    pub(super) const fn operations(self) -> &'static dyn Operations {
        match self {
            Self::P384 => &P384Operations,
            Self::Ristretto255 => &Ristretto255Operations,
        }
    }
}

struct P384Operations;
struct Ristretto255Operations;

/// Randomness of today for a library of yesterday.
struct OlderRng<'a>(&'a mut dyn CryptoRng);

impl older::RngCore for OlderRng<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), older::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl older::CryptoRng for OlderRng<'_> {}

macro_rules! operations_of {
    ($operations:ty, $cipher:ty, $suite:expr, $one:expr) => {
        impl $operations {
            fn clients<'a>(
                states: impl Iterator<Item = &'a [u8]>,
            ) -> Result<Vec<VoprfClient<$cipher>>, VoprfError> {
                states
                    .map(|state| VoprfClient::deserialize(state))
                    .collect::<Result<_, _>>()
                    .map_err(|_| VoprfError::Element($suite))
            }

            fn evaluated(
                elements: &[Element],
            ) -> Result<Vec<EvaluationElement<$cipher>>, VoprfError> {
                let read = elements.iter().map(|bytes| {
                    <$operations>::is_element(bytes)
                        .then(|| EvaluationElement::deserialize(bytes).ok())
                        .flatten()
                });
                read.collect::<Option<_>>()
                    .ok_or(VoprfError::Element($suite))
            }

            fn is_element(bytes: &[u8]) -> bool {
                let read = BlindedElement::<$cipher>::deserialize(bytes);
                read.is_ok_and(|element| *element.serialize() == *bytes)
            }

            fn public_key(
                bytes: &[u8],
            ) -> Result<<<$cipher as CipherSuite>::Group as Group>::Elem, VoprfError> {
                <<$cipher as CipherSuite>::Group as Group>::deserialize_elem(bytes)
                    .map_err(|_| VoprfError::Element($suite))
            }

            fn proof(bytes: &[u8]) -> Result<Proof<$cipher>, VoprfError> {
                if bytes.len() != $suite.proof_size() {
                    return Err(VoprfError::Proof);
                }
                Proof::deserialize(bytes).map_err(|_| VoprfError::Proof)
            }
        }

        impl Operations for $operations {
            fn server(&self, private_key: &[u8]) -> Result<Box<dyn Server>, VoprfError> {
                if private_key.len() != $suite.scalar_size() {
                    return Err(VoprfError::PrivateKey($suite));
                }
                match VoprfServer::<$cipher>::new_with_key(private_key) {
                    Ok(server) => Ok(Box::new(server)),
                    Err(_) => Err(VoprfError::PrivateKey($suite)),
                }
            }

            fn derive(&self, seed: &[u8], info: &[u8]) -> Result<Zeroizing<Box<[u8]>>, VoprfError> {
                let server = VoprfServer::<$cipher>::new_from_seed(seed, info)
                    .map_err(|_| VoprfError::PrivateKey($suite))?;
                let mut both = server.serialize();
                let private_key = both.iter().copied().take($suite.scalar_size()).collect();
                both.iter_mut().zeroize();
                Ok(Zeroizing::new(private_key))
            }

            fn is_element(&self, bytes: &[u8]) -> bool {
                <$operations>::is_element(bytes)
            }

            fn blind(&self, message: &[u8], rng: &mut dyn CryptoRng) -> Result<State, VoprfError> {
                let made = VoprfClient::<$cipher>::blind(message, &mut OlderRng(rng))
                    .map_err(|_| VoprfError::Input)?;
                let mut state = made.state.serialize();
                let copy = Zeroizing::new(Box::from(&*state));
                state.iter_mut().zeroize();
                Ok(copy)
            }

            // The library verifies only on the way to the outputs, which it computes
            // when they are asked for, one by one. Here none is asked for, so that
            // the blinds may be anything.
            fn verify(&self, blinded: &[Element], proven: Proven<'_>) -> Result<(), VoprfError> {
                let states: Vec<_> = blinded
                    .iter()
                    .map(|element| [$one.as_slice(), element].concat())
                    .collect();
                let clients = Self::clients(states.iter().map(Vec::as_slice))?;
                let messages = vec![[0_u8; 0]; clients.len()];
                let outputs = VoprfClient::batch_finalize(
                    &messages,
                    &clients,
                    &Self::evaluated(proven.evaluated)?,
                    &Self::proof(proven.proof)?,
                    Self::public_key(proven.public_key)?,
                )
                .map(|_unasked| ());
                outputs.map_err(|_| VoprfError::Proof)
            }

            fn finalize(
                &self,
                messages: &[Vec<u8>],
                states: &[State],
                proven: Proven<'_>,
            ) -> Result<Vec<Box<[u8]>>, VoprfError> {
                let clients = Self::clients(states.iter().map(|state| &***state))?;
                let evaluated = Self::evaluated(proven.evaluated)?;
                let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
                let outputs = VoprfClient::batch_finalize(
                    &messages,
                    &clients,
                    &evaluated,
                    &Self::proof(proven.proof)?,
                    Self::public_key(proven.public_key)?,
                );
                let outputs = outputs.map_err(|_| VoprfError::Proof)?;
                outputs
                    .map(|output| output.map(|output| Box::from(&*output)))
                    .collect::<Result<_, _>>()
                    .map_err(|_| VoprfError::Input)
            }
        }

        impl Server for VoprfServer<$cipher> {
            fn public_key(&self) -> Element {
                let element = self.get_public_key();
                Box::from(&*<<$cipher as CipherSuite>::Group as Group>::serialize_elem(element))
            }

            fn evaluate(
                &self,
                blinded: &[Element],
                rng: &mut dyn CryptoRng,
            ) -> Result<(Vec<Element>, Box<[u8]>), VoprfError> {
                let elements = blinded.iter();
                let elements = elements
                    .map(|bytes| BlindedElement::<$cipher>::deserialize(bytes))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|_| VoprfError::Element($suite))?;
                let result = self
                    .batch_blind_evaluate(&mut OlderRng(rng), &elements)
                    .map_err(|_| VoprfError::BatchSize(blinded.len()))?;
                let evaluated = result.messages.iter();
                let evaluated = evaluated.map(|element| Box::from(&*element.serialize()));
                Ok((evaluated.collect(), Box::from(&*result.proof.serialize())))
            }

            fn output(&self, message: &[u8]) -> Result<Zeroizing<Box<[u8]>>, VoprfError> {
                let mut output = Self::evaluate(self, message).map_err(|_| VoprfError::Input)?;
                let copy = Zeroizing::new(Box::from(&*output));
                output.iter_mut().zeroize();
                Ok(copy)
            }
        }
    };
}

operations_of!(P384Operations, NistP384, Suite::P384, ONE_BIG_ENDIAN);
operations_of!(
    Ristretto255Operations,
    Ristretto255,
    Suite::Ristretto255,
    ONE_LITTLE_ENDIAN
);

/// The scalar one as P-384 writes it.
const ONE_BIG_ENDIAN: [u8; 48] = {
    let mut one = [0; 48];
    one[47] = 1;
    one
};

/// The scalar one as ristretto255 writes it.
const ONE_LITTLE_ENDIAN: [u8; 32] = {
    let mut one = [0; 32];
    one[0] = 1;
    one
};
