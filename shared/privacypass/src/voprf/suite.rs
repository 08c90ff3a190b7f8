//! The two cipher suites behind one interface of bytes: the only file that knows
//! which types of the `voprf` crate they are.

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::traits::VartimeMultiscalarMul as _;
use generic_array::typenum::Unsigned as _;
use p384::elliptic_curve::PrimeField as _;
use p384::elliptic_curve::point::Double as _;
use p384::{NistP384, ProjectivePoint};
use rand_core::{OsRng, TryCryptoRng};
use sha2::{Digest, Sha384, Sha512};
use voprf::{
    BlindedElement, CipherSuite, EvaluationElement, Group, Proof, Ristretto255, VoprfClient,
    VoprfServer,
};
use zeroize::{Zeroize as _, Zeroizing};

use super::evaluation::{self, Element, Scalar, Suite};
use super::{VoprfError, VoprfKind};

const fn encoding(what: &'static str) -> impl FnOnce(voprf::Error) -> VoprfError {
    move |_| VoprfError::Encoding { what }
}

/// Whether these bytes are a group element.
pub(super) fn check_element(
    kind: VoprfKind,
    bytes: &[u8],
    what: &'static str,
) -> Result<(), VoprfError> {
    // The library reads what it needs and leaves the rest.
    if bytes.len() != kind.element_size() {
        return Err(VoprfError::Encoding { what });
    }
    match kind {
        VoprfKind::P384 => BlindedElement::<NistP384>::deserialize(bytes).map(|_| ()),
        VoprfKind::Ristretto255 => BlindedElement::<Ristretto255>::deserialize(bytes).map(|_| ()),
    }
    .map_err(encoding(what))
}

/// A private key.
pub(super) enum Server {
    P384(VoprfServer<NistP384>),
    Ristretto255(VoprfServer<Ristretto255>),
}

impl Server {
    pub(super) fn generate(kind: VoprfKind) -> Result<Self, VoprfError> {
        let failed = encoding("randomness");
        match kind {
            VoprfKind::P384 => VoprfServer::new(&mut OsRng).map(Self::P384),
            VoprfKind::Ristretto255 => VoprfServer::new(&mut OsRng).map(Self::Ristretto255),
        }
        .map_err(failed)
    }

    pub(super) fn from_bytes(kind: VoprfKind, scalar: &[u8]) -> Result<Self, VoprfError> {
        let what = "the private key";
        if scalar.len() != kind.scalar_size() {
            return Err(VoprfError::Encoding { what });
        }
        match kind {
            VoprfKind::P384 => VoprfServer::new_with_key(scalar).map(Self::P384),
            VoprfKind::Ristretto255 => VoprfServer::new_with_key(scalar).map(Self::Ristretto255),
        }
        .map_err(encoding(what))
    }

    pub(super) fn public(&self) -> Vec<u8> {
        match self {
            Self::P384(server) => element_bytes::<NistP384>(server.get_public_key()),
            Self::Ristretto255(server) => element_bytes::<Ristretto255>(server.get_public_key()),
        }
    }

    /// The library's form is the scalar and behind it the public key.
    pub(super) fn scalar(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(match self {
            Self::P384(server) => server.serialize().to_vec(),
            Self::Ristretto255(server) => server.serialize().to_vec(),
        });
        bytes.truncate(match self {
            Self::P384(_) => VoprfKind::P384.scalar_size(),
            Self::Ristretto255(_) => VoprfKind::Ristretto255.scalar_size(),
        });
        bytes
    }

    /// Evaluates, with a proof whose nonce is drawn from `rng`.
    pub(super) fn evaluate(
        &self,
        blinded: &[&[u8]],
        rng: &mut impl TryCryptoRng,
    ) -> Result<Vec<u8>, VoprfError> {
        match self {
            Self::P384(server) => evaluate(server, blinded, rng),
            Self::Ristretto255(server) => evaluate(server, blinded, rng),
        }
    }

    /// The PRF's output for this input.
    pub(super) fn output(&self, input: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::P384(server) => server.evaluate(input).ok().map(|output| output.to_vec()),
            Self::Ristretto255(server) => server.evaluate(input).ok().map(|output| output.to_vec()),
        }
    }
}

fn element_bytes<CS: CipherSuite>(element: <CS::Group as Group>::Elem) -> Vec<u8> {
    CS::Group::serialize_elem(element).to_vec()
}

fn evaluate<S: Suite>(
    server: &VoprfServer<S>,
    blinded: &[&[u8]],
    rng: &mut impl TryCryptoRng,
) -> Result<Vec<u8>, VoprfError> {
    let what = "the private key";
    let bytes = Zeroizing::new(server.serialize().to_vec());
    let size = <S::Group as Group>::ScalarLen::USIZE;
    let scalar = bytes.get(..size).ok_or(VoprfError::Encoding { what })?;
    let mut k = S::Group::deserialize_scalar(scalar).map_err(encoding(what))?;
    let evaluated = evaluation::evaluate::<S>(&k, server.get_public_key(), blinded, rng);
    k.zeroize();
    evaluated
}

fn hash<H: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = H::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

impl Suite for Ristretto255 {
    fn hash(parts: &[&[u8]]) -> Vec<u8> {
        hash::<Sha512>(parts)
    }

    fn sum(factors: &[Scalar<Self>], elements: &[Element<Self>]) -> Element<Self> {
        RistrettoPoint::vartime_multiscalar_mul(factors, elements)
    }
}

/// Elements whose multiples are in memory at one time, 2 kB for each.
const AT_ONCE: usize = 128;

impl Suite for NistP384 {
    fn hash(parts: &[&[u8]]) -> Vec<u8> {
        hash::<Sha384>(parts)
    }

    /// Straus' method: four bits of all factors at a time, so that all elements share
    /// the doublings. The library has none that does.
    fn sum(factors: &[Scalar<Self>], elements: &[Element<Self>]) -> Element<Self> {
        let some = factors.chunks(AT_ONCE).zip(elements.chunks(AT_ONCE));
        some.map(|(factors, elements)| straus(factors, elements))
            .sum()
    }
}

fn straus(factors: &[Scalar<NistP384>], elements: &[ProjectivePoint]) -> ProjectivePoint {
    let digits: Vec<_> = factors.iter().map(|factor| factor.to_repr()).collect();
    let multiples: Vec<_> = elements.iter().map(first_multiples).collect();
    let mut sum = ProjectivePoint::IDENTITY;
    for place in 0..2 * VoprfKind::P384.scalar_size() {
        for _ in 0..4 {
            sum = sum.double();
        }
        for (digits, multiples) in digits.iter().zip(&multiples) {
            // All factors have `scalar_size` bytes, and a digit of zero adds nothing. A sum
            // that is wrong all the same is caught: what is proven here is verified.
            let digit = digits.get(place / 2).map(|both| match place % 2 {
                0 => both >> 4,
                _ => both & 15,
            });
            let index = digit.and_then(|digit| digit.checked_sub(1));
            if let Some(multiple) = index.and_then(|index| multiples.get(usize::from(index))) {
                sum += multiple;
            }
        }
    }
    sum
}

/// An element once to fifteen times.
fn first_multiples(element: &ProjectivePoint) -> [ProjectivePoint; 15] {
    let mut multiple = ProjectivePoint::IDENTITY;
    std::array::from_fn(|_| {
        multiple += element;
        multiple
    })
}

/// Reads the library's form of a client: the blinding factor and behind it the
/// blinded element.
fn client<CS: CipherSuite>(state: &[u8]) -> Result<VoprfClient<CS>, VoprfError> {
    VoprfClient::deserialize(state).map_err(encoding("the stored blinding state"))
}

/// Whether these bytes are a client's state.
pub(super) fn check_client(kind: VoprfKind, state: &[u8]) -> Result<(), VoprfError> {
    if state.len() != kind.scalar_size() + kind.element_size() {
        return Err(VoprfError::Encoding {
            what: "the stored blinding state",
        });
    }
    match kind {
        VoprfKind::P384 => client::<NistP384>(state).map(drop),
        VoprfKind::Ristretto255 => client::<Ristretto255>(state).map(drop),
    }
}

/// Blinds an input with a factor drawn from `rng`, and returns the client's state.
pub(super) fn blind(
    kind: VoprfKind,
    input: &[u8],
    rng: &mut impl TryCryptoRng,
) -> Result<Zeroizing<Vec<u8>>, VoprfError> {
    fn state<CS: CipherSuite>(
        input: &[u8],
        rng: &mut impl TryCryptoRng,
    ) -> voprf::Result<Zeroizing<Vec<u8>>> {
        let result = VoprfClient::<CS>::blind(input, rng)?;
        Ok(Zeroizing::new(result.state.serialize().to_vec()))
    }
    match kind {
        VoprfKind::P384 => state::<NistP384>(input, rng),
        VoprfKind::Ristretto255 => state::<Ristretto255>(input, rng),
    }
    .map_err(encoding("the token input"))
}

/// One message of a batch: what was blinded, what was kept, what came back.
pub(super) struct Answered<'a> {
    pub(super) input: Vec<u8>,
    pub(super) state: &'a [u8],
    pub(super) evaluated: &'a [u8],
}

/// Checks the one proof of a batch and unblinds all of it.
pub(super) fn finalize(
    kind: VoprfKind,
    public: &[u8],
    batch: &[Answered<'_>],
    proof: &[u8],
) -> Result<Vec<Vec<u8>>, VoprfError> {
    match kind {
        VoprfKind::P384 => finalize_in::<NistP384>(public, batch, proof),
        VoprfKind::Ristretto255 => finalize_in::<Ristretto255>(public, batch, proof),
    }
}

fn finalize_in<CS: CipherSuite>(
    public: &[u8],
    batch: &[Answered<'_>],
    proof: &[u8],
) -> Result<Vec<Vec<u8>>, VoprfError> {
    let clients = batch.iter().map(|one| client::<CS>(one.state));
    let clients = clients.collect::<Result<Vec<_>, _>>()?;
    let evaluated = batch
        .iter()
        .map(|one| EvaluationElement::<CS>::deserialize(one.evaluated))
        .collect::<Result<Vec<_>, _>>()
        .map_err(encoding("the evaluated message"))?;
    let inputs: Vec<_> = batch.iter().map(|one| one.input.as_slice()).collect();
    let proof = Proof::<CS>::deserialize(proof).map_err(encoding("the proof"))?;
    let public = CS::Group::deserialize_elem(public).map_err(|_| VoprfError::Encoding {
        what: "the token key",
    })?;
    let outputs = VoprfClient::batch_finalize(&inputs, &clients, &evaluated, &proof, public)
        .map_err(|_| VoprfError::Proof)?;
    outputs
        .map(|output| output.map(|output| output.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(encoding("the token input"))
}
