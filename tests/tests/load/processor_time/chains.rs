//! Certificates that cost nothing to make: their keys, names and key identifiers are as
//! the sender likes, and no CA has signed them.

use std::fs;

use pennyblack_client::identity::StirIdentity;
use pennyblack_stir::certificates_of_file;
use pennyblack_stir::jws::{CertificateReference, StirSigningKey, X5c};
use pennyblack_tests::world::World;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P521_SHA512, SignatureAlgorithm,
};

/// id-pe-TNAuthList (RFC 8226 section 9).
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];

/// cRLDistributionPoints (RFC 5280 section 4.2.1.13).
const DISTRIBUTION_POINTS: &[u64] = &[2, 5, 29, 31];

/// subjectAltName and extKeyUsage (RFC 5280 sections 4.2.1.6 and 4.2.1.12).
const OTHER_NAMES: &[u64] = &[2, 5, 29, 17];
const PURPOSES: &[u64] = &[2, 5, 29, 37];

/// The SPC 683G, alone.
const ONE_SPC: &[u8] = b"\x30\x08\xa0\x06\x16\x04683G";

/// Who signs with what certificates.
pub(super) struct Sender {
    pub(super) certificate: CertificateReference,
    pub(super) key: StirSigningKey,
    /// Whether the certificates are good, and somebody else's.
    pub(super) is_published: bool,
}

/// One of each kind, all with as much as a token has room for that is read, with what is hard about it; `honest` has published its certificates.
pub(super) fn senders(world: &World, honest: &StirIdentity) -> Vec<(&'static str, Sender)> {
    let root = first_certificate(&fs::read(roots_file(world)).unwrap());
    let CertificateReference::X5c(true_chain) = honest.certificate() else {
        panic!("the honest certificates are not at hand");
    };
    let true_chain = true_chain.certificates();
    let p521 = &PKCS_ECDSA_P521_SHA512;
    let unknown = Issuer::new(ca_params("alike"), KeyPair::generate_for(p521).unwrap());
    let published = |extra: &[Vec<u8>]| Sender {
        is_published: true,
        ..Sender::new([true_chain, extra].concat(), new_key())
    };
    vec![
        (
            "five CAs named alike, the right one last",
            alike(unknown, p521),
        ),
        (
            "the same, below the name of a root",
            alike(impostor_of(&root, p521), p521),
        ),
        (
            "the same with P-256",
            alike(
                impostor_of(&root, &PKCS_ECDSA_P256_SHA256),
                &PKCS_ECDSA_P256_SHA256,
            ),
        ),
        ("a forged leaf below a published CA", {
            let ca = impostor_of(&true_chain[1], &PKCS_ECDSA_P256_SHA256);
            let (leaf, key) = leaf(&ca, ONE_SPC, Vec::new());
            Sender::new(vec![leaf, true_chain[1].clone()], key)
        }),
        ("somebody's published chain", published(&[])),
        ("the same with a certificate too many", {
            let spare = leaf(&impostor_of(&root, p521), ONE_SPC, Vec::new()).0;
            published(&[spare])
        }),
        ("400 extensions", {
            let many = (0..400).map(|n| CustomExtension::from_oid_content(&[1, 2, n], vec![5, 0]));
            Sender::alone(&root, ONE_SPC, many.collect())
        }),
        ("a long object identifier", {
            let oid: Vec<u64> = [1, 2].into_iter().chain((0..2500).map(|_| 300)).collect();
            Sender::alone(
                &root,
                ONE_SPC,
                vec![CustomExtension::from_oid_content(&oid, vec![5, 0])],
            )
        }),
        (
            "names that take long to compare",
            alike_with(
                3,
                ca_params(&format!("{}{}", "É".repeat(128), "A".repeat(220))),
                impostor_of(&root, &PKCS_ECDSA_P256_SHA256),
                &PKCS_ECDSA_P256_SHA256,
                ONE_SPC,
            ),
        ),
        ("the same, and 150 numbers", {
            let ca = ca_params(&format!("{}{}", "É".repeat(128), "A".repeat(220)));
            let top = impostor_of(&root, &PKCS_ECDSA_P256_SHA256);
            alike_with(3, ca, top, &PKCS_ECDSA_P256_SHA256, &numbers(150))
        }),
        ("a name that folds to 18 times as many letters", {
            let ca = ca_params(&"\u{fdfa}".repeat(160));
            let top = impostor_of(&root, &PKCS_ECDSA_P256_SHA256);
            alike_with(3, ca, top, &PKCS_ECDSA_P256_SHA256, ONE_SPC)
        }),
        ("600 places of revocation lists", {
            let points = b"\x30\x06\xa0\x04\xa0\x02\x86\x00".repeat(600);
            let places = CustomExtension::from_oid_content(DISTRIBUTION_POINTS, sequence(&points));
            Sender::alone(&root, ONE_SPC, vec![places])
        }),
        ("thousands of URLs in one place of revocation lists", {
            let urls = b"\x86\x00".repeat(2_700);
            let names = explicit(0, &explicit(0, &urls));
            let places = sequence(&sequence(&names));
            let places = CustomExtension::from_oid_content(DISTRIBUTION_POINTS, places);
            Sender::alone(&root, ONE_SPC, vec![places])
        }),
        ("thousands of other names", {
            let names = sequence(&b"\x82\x01a".repeat(1_800));
            let names = CustomExtension::from_oid_content(OTHER_NAMES, names);
            Sender::alone(&root, ONE_SPC, vec![names])
        }),
        ("thousands of purposes", {
            let purposes = sequence(&b"\x06\x01\x2a".repeat(1_800));
            let purposes = CustomExtension::from_oid_content(PURPOSES, purposes);
            Sender::alone(&root, ONE_SPC, vec![purposes])
        }),
        (
            "850 numbers",
            Sender::alone(&root, &numbers(850), Vec::new()),
        ),
        ("250 numbers in each of three certificates", {
            let ca = || impostor_of(&root, &PKCS_ECDSA_P256_SHA256);
            let [first, second, third] = [(); 3].map(|()| leaf(&ca(), &numbers(250), Vec::new()));
            Sender::new(vec![first.0, second.0, third.0], first.1)
        }),
    ]
}

impl Sender {
    fn new(chain: Vec<Vec<u8>>, key: StirSigningKey) -> Self {
        let certificate = CertificateReference::X5c(X5c::new(chain).unwrap());
        Self {
            certificate,
            key,
            is_published: false,
        }
    }

    /// With one certificate, in the name of a root.
    fn alone(root: &[u8], list: &[u8], extensions: Vec<CustomExtension>) -> Self {
        let impostor = impostor_of(root, &PKCS_ECDSA_P256_SHA256);
        let (leaf, key) = leaf(&impostor, list, extensions);
        Self::new(vec![leaf], key)
    }
}

/// A TNAuthList.
fn numbers(count: usize) -> Vec<u8> {
    sequence(&b"\xa2\x04\x16\x0212".repeat(count))
}

/// A SEQUENCE of 256 bytes or more.
fn sequence(elements: &[u8]) -> Vec<u8> {
    long_element(0x30, elements)
}

/// `[n]` of 256 bytes or more.
fn explicit(n: u8, elements: &[u8]) -> Vec<u8> {
    long_element(0xa0 | n, elements)
}

fn long_element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low], contents].concat()
}

type AnyIssuer = Issuer<'static, KeyPair>;

/// A leaf below CAs of one name and one key identifier, of which each has signed the one
/// before it; the first of them is below `top`.
fn alike(top: AnyIssuer, algorithm: &'static SignatureAlgorithm) -> Sender {
    alike_with(5, ca_params("alike"), top, algorithm, ONE_SPC)
}

fn alike_with(
    count: usize,
    ca: CertificateParams,
    top: AnyIssuer,
    algorithm: &'static SignatureAlgorithm,
    list: &[u8],
) -> Sender {
    let (mut above, mut chain) = (top, Vec::new());
    for _ in 0..count {
        let (params, key) = (ca.clone(), KeyPair::generate_for(algorithm).unwrap());
        chain.push(params.signed_by(&key, &above).unwrap().der().to_vec());
        above = Issuer::new(params, key);
    }
    let (leaf, key) = leaf(&above, list, Vec::new());
    chain.insert(0, leaf);
    Sender::new(chain, key)
}

/// Signs in the name of a CA, with a key of the sender's.
fn impostor_of(ca: &[u8], algorithm: &'static SignatureAlgorithm) -> AnyIssuer {
    let key = KeyPair::generate_for(algorithm).unwrap();
    Issuer::from_ca_cert_der(&ca.into(), key).unwrap()
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.key_identifier_method = KeyIdMethod::PreSpecified(b"alike".to_vec());
    params
}

fn leaf(
    issuer: &AnyIssuer,
    list: &[u8],
    mut extensions: Vec<CustomExtension>,
) -> (Vec<u8>, StirSigningKey) {
    let list = CustomExtension::from_oid_content(TN_AUTH_LIST, list.to_vec());
    extensions.push(list);
    let mut params = params("leaf");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.custom_extensions = extensions;
    let key = new_key();
    let pair = KeyPair::from_pem(&key.to_pkcs8_pem().unwrap()).unwrap();
    (params.signed_by(&pair, issuer).unwrap().der().to_vec(), key)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    params
}

fn new_key() -> StirSigningKey {
    StirSigningKey::generate(&mut rand::rng())
}

fn roots_file(world: &World) -> std::path::PathBuf {
    let files = fs::read_dir(world.pki.roots_path()).unwrap();
    let mut pem = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pem"));
    pem.next().unwrap()
}

fn first_certificate(pem: &[u8]) -> Vec<u8> {
    certificates_of_file(pem).unwrap().swap_remove(0)
}
