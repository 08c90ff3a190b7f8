//! The indirect CRL of the development PKI: one list by the policy
//! administrator that revokes certificates of other authorities, as in the
//! field (RFC 5280 section 5, `indirectCRL` and `certificateIssuer`). Not here:
//! reading one, and deciding by it.

use std::fmt;
use std::time::Duration;

use pennyblack_base::time::UnixTime;
use rcgen::{KeyPair, SigningKey as _};
use serde::{Deserialize, Serialize};
use yasna::models::{GeneralizedTime, ObjectIdentifier, UTCTime};
use yasna::{DERWriter, DERWriterSeq, Tag};

use super::PkiError;
use super::credential::Serial;

const ECDSA_WITH_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
const CRL_NUMBER: &[u64] = &[2, 5, 29, 20];
const REASON_CODE: &[u64] = &[2, 5, 29, 21];
const ISSUING_DISTRIBUTION_POINT: &[u64] = &[2, 5, 29, 28];
const CERTIFICATE_ISSUER: &[u64] = &[2, 5, 29, 29];
const AUTHORITY_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 35];

/// RFC 5280 writes times from this one (the year 2050) on as GeneralizedTime.
const FIRST_GENERALIZED: u64 = 2_524_608_000;

/// Why a certificate is revoked (RFC 5280 section 5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RevocationReason {
    /// The private key is, or may be, in other hands.
    KeyCompromise,
    /// The holder's name or numbers changed.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// The holder is out of business.
    CessationOfOperation,
    /// The holder lost the right, for example its SPC token.
    PrivilegeWithdrawn,
}

/// As the command line names it.
impl fmt::Display for RevocationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        })
    }
}

impl RevocationReason {
    const fn code(self) -> i64 {
        match self {
            Self::KeyCompromise => 1,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::PrivilegeWithdrawn => 9,
        }
    }
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Its serial number.
    pub serial: Serial,
    /// DER of the name of the authority that issued it.
    pub issuer: Vec<u8>,
    /// When it was revoked.
    pub at: UnixTime,
    /// Why.
    pub reason: RevocationReason,
}

/// What the list says of itself.
pub(super) struct ListHeader<'a> {
    /// DER of the CRL signer's name.
    pub(super) issuer: &'a [u8],
    /// The CRL signer's subject key identifier.
    pub(super) key_identifier: &'a [u8],
    /// Grows by one with every list.
    pub(super) number: u64,
    /// When it is made.
    pub(super) this_update: UnixTime,
    /// How long it may be relied upon.
    pub(super) validity: Duration,
}

/// Signs the list with `key`, which belongs to the CRL signer; DER.
pub(super) fn sign(
    header: &ListHeader<'_>,
    revoked: &[RevokedCertificate],
    key: &KeyPair,
) -> Result<Vec<u8>, PkiError> {
    let list = yasna::construct_der(|writer| write_list(writer, header, revoked));
    let signature = key.sign(&list)?;
    Ok(yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(&list);
            write_algorithm(writer.next());
            writer
                .next()
                .write_bitvec_bytes(&signature, signature.len() * 8);
        });
    }))
}

fn write_list(writer: DERWriter<'_>, header: &ListHeader<'_>, revoked: &[RevokedCertificate]) {
    writer.write_sequence(|writer| {
        writer.next().write_u8(1); // v2, section 5.1.2.1
        write_algorithm(writer.next());
        writer.next().write_der(header.issuer);
        write_time(writer.next(), header.this_update);
        write_time(writer.next(), header.this_update.plus(header.validity));
        // An empty list must be absent (section 5.1.2.6).
        if !revoked.is_empty() {
            writer.next().write_sequence(|writer| {
                for certificate in revoked {
                    write_revoked(writer.next(), certificate);
                }
            });
        }
        writer.next().write_tagged(Tag::context(0), |writer| {
            writer.write_sequence(|writer| write_list_extensions(writer, header));
        });
    });
}

/// Every line names its `certificateIssuer`: without one it would inherit that
/// of the line above, and a reader who sorts lines would be misled.
fn write_revoked(writer: DERWriter<'_>, certificate: &RevokedCertificate) {
    writer.write_sequence(|writer| {
        writer
            .next()
            .write_bigint_bytes(certificate.serial.as_bytes(), true);
        write_time(writer.next(), certificate.at);
        writer.next().write_sequence(|writer| {
            write_extension(writer, REASON_CODE, false, |writer| {
                writer.write_enum(certificate.reason.code());
            });
            write_extension(writer, CERTIFICATE_ISSUER, true, |writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_tagged(Tag::context(4), |writer| {
                        writer.write_der(&certificate.issuer);
                    });
                });
            });
        });
    });
}

fn write_list_extensions(writer: &mut DERWriterSeq<'_>, header: &ListHeader<'_>) {
    write_extension(writer, AUTHORITY_KEY_IDENTIFIER, false, |writer| {
        writer.write_sequence(|writer| {
            writer
                .next()
                .write_tagged_implicit(Tag::context(0), |writer| {
                    writer.write_bytes(header.key_identifier);
                });
        });
    });
    write_extension(writer, CRL_NUMBER, false, |writer| {
        writer.write_u64(header.number);
    });
    write_extension(writer, ISSUING_DISTRIBUTION_POINT, true, |writer| {
        writer.write_sequence(|writer| {
            // indirectCRL [4] BOOLEAN
            writer
                .next()
                .write_tagged_implicit(Tag::context(4), |writer| writer.write_bool(true));
        });
    });
}

fn write_extension(
    writer: &mut DERWriterSeq<'_>,
    oid: &[u64],
    critical: bool,
    value: impl FnOnce(DERWriter<'_>),
) {
    writer.next().write_sequence(|writer| {
        writer.next().write_oid(&ObjectIdentifier::from_slice(oid));
        if critical {
            writer.next().write_bool(true);
        }
        writer.next().write_bytes(&yasna::construct_der(value));
    });
}

fn write_algorithm(writer: DERWriter<'_>) {
    writer.write_sequence(|writer| {
        writer
            .next()
            .write_oid(&ObjectIdentifier::from_slice(ECDSA_WITH_SHA256));
    });
}

fn write_time(writer: DERWriter<'_>, time: UnixTime) {
    let moment = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(time.0);
    if time.0 < FIRST_GENERALIZED {
        writer.write_utctime(&UTCTime::from_datetime(moment));
    } else {
        writer.write_generalized_time(&GeneralizedTime::from_datetime(moment));
    }
}
