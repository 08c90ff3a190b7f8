//! The shape of the certificates: the SHAKEN certificate profile of
//! ATIS-1000080 section 6.4.1 as certificates in the field have it, on top of
//! RFC 5280 and RFC 8226. Pure: parameters in, `rcgen` parameters out.

use std::time::Duration;

use pennyblack_base::time::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa,
    KeyUsagePurpose, SerialNumber,
};
use yasna::Tag;
use yasna::models::ObjectIdentifier;

use super::PkiError;
use super::credential::Serial;
use super::request::{CaNames, CpsUris, LeafRequest};
use super::tn_auth_list::tn_auth_list_der;

/// id-pe-TNAuthList (RFC 8226 section 12).
const TN_AUTH_LIST: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 26];
const CERTIFICATE_POLICIES: &[u64] = &[2, 5, 29, 32];
const CRL_DISTRIBUTION_POINTS: &[u64] = &[2, 5, 29, 31];
/// The SHAKEN certificate policy, version 1.4, that nearly all live leaves name.
const SHAKEN_POLICY: &[u64] = &[2, 16, 840, 1, 114_569, 1, 1, 4];

/// Certificates begin to be valid this much before they are made, since the
/// clocks of those who check them differ.
const BACKDATED: Duration = Duration::from_secs(60);
const CA_VALIDITY: Duration = Duration::from_secs(3650 * 86_400);
const LONGEST_VALIDITY: Duration = Duration::from_secs(36_525 * 86_400);

/// A self-signed root: keyCertSign only, path of any length, no policies.
pub(super) fn root(names: &CaNames, now: UnixTime) -> Result<CertificateParams, PkiError> {
    let mut params = base(name(names, "SHAKEN Development Root"), now, CA_VALIDITY)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

/// The intermediate that signs leaves. Its path length is not constrained,
/// since a delegating certificate (RFC 9060) is itself an authority below it.
pub(super) fn intermediate(names: &CaNames, now: UnixTime) -> Result<CertificateParams, PkiError> {
    let mut params = base(
        name(names, "SHAKEN Development Intermediate"),
        now,
        CA_VALIDITY,
    )?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.custom_extensions.push(certificate_policies());
    Ok(params)
}

/// The policy administrator's CRL signer: in the field one list, signed by the
/// STI-PA and not by the authorities, revokes certificates of all of them.
pub(super) fn crl_signer(names: &CaNames, now: UnixTime) -> Result<CertificateParams, PkiError> {
    let mut params = base(name(names, "STI-PA Development CRL"), now, CA_VALIDITY)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A leaf, or a certificate that may delegate. `crl_issuer` is the DER name of
/// the CRL signer, and is written when the request names a URL for the CRL.
pub(super) fn leaf(
    request: &LeafRequest,
    serial: &Serial,
    crl_issuer: &[u8],
    now: UnixTime,
) -> Result<CertificateParams, PkiError> {
    let first = request.holds.first().ok_or(PkiError::EmptyTnAuthList)?;
    let spoken_for = first.to_string();
    let (_, spoken_for) = spoken_for.split_once(':').unwrap_or(("", &spoken_for));

    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "US");
    subject.push(DnType::OrganizationName, request.organization.as_str());
    subject.push(DnType::CommonName, format!("SHAKEN {spoken_for}"));

    let mut params = base(subject, now, request.validity)?;
    params.serial_number = Some(SerialNumber::from(serial.as_bytes().to_vec()));
    (params.is_ca, params.key_usages) = if request.may_delegate {
        (
            IsCa::Ca(BasicConstraints::Unconstrained),
            vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
            ],
        )
    } else {
        (IsCa::ExplicitNoCa, vec![KeyUsagePurpose::DigitalSignature])
    };
    params.custom_extensions.push(certificate_policies());
    params
        .custom_extensions
        .push(CustomExtension::from_oid_content(
            TN_AUTH_LIST,
            tn_auth_list_der(&request.holds),
        ));
    if let Some(url) = &request.crl_url {
        params
            .custom_extensions
            .push(crl_distribution_point(url, crl_issuer));
    }
    params
        .custom_extensions
        .extend(request.cps_uris.as_ref().map(cps_uris));
    Ok(params)
}

fn base(
    subject: DistinguishedName,
    now: UnixTime,
    validity: Duration,
) -> Result<CertificateParams, PkiError> {
    if validity < Duration::from_secs(1) || validity > LONGEST_VALIDITY {
        return Err(PkiError::Validity);
    }
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: UnixTime| {
        i64::try_from(time.0)
            .ok()
            .filter(|&seconds| seconds < 200_000_000_000)
            .map(|seconds| epoch + Duration::from_secs(seconds.unsigned_abs()))
            .ok_or(PkiError::Validity)
    };
    let mut params = CertificateParams::default();
    params.not_before = at(now.minus(BACKDATED))?;
    params.not_after = at(now.plus(validity))?;
    params.distinguished_name = subject;
    params.serial_number = Some(SerialNumber::from(Serial::random().as_bytes().to_vec()));
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn name(names: &CaNames, common_name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "US");
    subject.push(DnType::OrganizationName, names.organization.as_str());
    subject.push(DnType::CommonName, common_name);
    subject
}

/// `certificatePolicies` with the SHAKEN policy, not critical (RFC 5280
/// section 4.2.1.4).
fn certificate_policies() -> CustomExtension {
    let der = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer
                    .next()
                    .write_oid(&ObjectIdentifier::from_slice(SHAKEN_POLICY));
            });
        });
    });
    CustomExtension::from_oid_content(CERTIFICATE_POLICIES, der)
}

/// A SEQUENCE of IA5Strings, not critical (draft-sliwa-stir-cert-cps-ext).
fn cps_uris(CpsUris { oid, uris }: &CpsUris) -> CustomExtension {
    let der = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            for uri in uris {
                writer.next().write_ia5_string(&uri.to_string());
            }
        });
    });
    CustomExtension::from_oid_content(oid.arcs(), der)
}

/// One distribution point with a URL and a `cRLIssuer`, which tells that the
/// list is an indirect one (RFC 5280 section 4.2.1.13).
fn crl_distribution_point(url: &str, crl_issuer: &[u8]) -> CustomExtension {
    let der = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_sequence(|writer| {
                writer.next().write_tagged(Tag::context(0), |writer| {
                    writer.write_tagged_implicit(Tag::context(0), |writer| {
                        writer.write_sequence(|writer| {
                            writer
                                .next()
                                .write_tagged_implicit(Tag::context(6), |writer| {
                                    writer.write_ia5_string(url);
                                });
                        });
                    });
                });
                writer
                    .next()
                    .write_tagged_implicit(Tag::context(2), |writer| {
                        writer.write_sequence(|writer| {
                            // directoryName [4] is a CHOICE below, hence explicit.
                            writer.next().write_tagged(Tag::context(4), |writer| {
                                writer.write_der(crl_issuer);
                            });
                        });
                    });
            });
        });
    });
    CustomExtension::from_oid_content(CRL_DISTRIBUTION_POINTS, der)
}
