//! Which certificates a list revokes: its entries, read as strict DER. A lenient reader
//! passes over extensions that it cannot read, and with them over the authority that an
//! entry of an indirect list names: what that authority revoked would stay good.

use std::collections::HashSet;

use x509_parser::asn1_rs::Oid;
use x509_parser::prelude::{CertificateRevocationList, FromDer as _};
use x509_parser::x509::X509Name;

use super::certificate_key::CertificateKey;
use super::der::{DerError, DerReader, tag};
use super::name::Name;
use super::revocation_error::RevocationError;

/// 2.5.29.29
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
/// `[4]` of GeneralName: a directory name.
const DIRECTORY_NAME: u8 = tag::explicit(4);
const TIMES: [u8; 2] = [0x17, 0x18];

/// All revoked certificates. In an indirect list an entry's issuer holds for those after
/// it too, until another is named (RFC 5280 section 5.3.3).
pub(super) fn revoked_in(
    list: &CertificateRevocationList<'_>,
    issuer: &Name,
    indirect: bool,
) -> Result<HashSet<CertificateKey>, RevocationError> {
    let mut current = issuer.clone();
    // Most entries name the issuer of the one before, in the same bytes.
    let mut named: Option<&[u8]> = None;
    let mut revoked = HashSet::new();
    let mut entries = entries_of(list.tbs_cert_list.as_ref()).map_err(form)?;
    while !entries.is_empty() {
        let entry = Entry::read(&mut entries)?;
        if let Some(der) = entry.issuer.filter(|der| named != Some(*der)) {
            current = read_name(der)?;
            named = Some(der);
            if !indirect && current != *issuer {
                let what = "the list is not an indirect one".to_owned();
                return Err(RevocationError::EntryIssuer(what));
            }
        }
        revoked.insert(CertificateKey::new(&current, entry.serial));
    }
    Ok(revoked)
}

/// The `revokedCertificates` of a `TBSCertList`; nothing if there are none.
fn entries_of(list: &[u8]) -> Result<DerReader<'_>, DerError> {
    let mut list = DerReader::new(list).inside(tag::SEQUENCE)?;
    list.optional(tag::INTEGER)?;
    // The algorithm, the issuer and thisUpdate.
    for _ in 0..3 {
        list.skip()?;
    }
    for next_update in TIMES {
        list.optional(next_update)?;
    }
    let entries = list.optional(tag::SEQUENCE)?;
    Ok(entries.unwrap_or(DerReader::new(&[])))
}

/// A revoked certificate.
struct Entry<'a> {
    serial: &'a [u8],
    /// The name of its issuer in DER, if it has its own.
    issuer: Option<&'a [u8]>,
}

impl<'a> Entry<'a> {
    fn read(entries: &mut DerReader<'a>) -> Result<Self, RevocationError> {
        let mut entry = entries.inside(tag::SEQUENCE).map_err(form)?;
        let serial = entry.element(tag::INTEGER).map_err(form)?;
        entry.skip().map_err(form)?;
        let extensions = entry.optional(tag::SEQUENCE).map_err(form)?;
        entry.finish().map_err(form)?;
        let mut issuer = None;
        let mut extensions = extensions.unwrap_or(DerReader::new(&[]));
        while !extensions.is_empty() {
            let extension = Extension::read(&mut extensions).map_err(form)?;
            if extension.oid == CERTIFICATE_ISSUER {
                if issuer.is_some() {
                    return Err(RevocationError::EntryIssuer(
                        "it stands there twice".to_owned(),
                    ));
                }
                let name = directory_name(extension.value)
                    .map_err(|error| RevocationError::EntryIssuer(error.to_string()))?;
                issuer = Some(name);
            } else if extension.is_critical {
                let oid = Oid::new(extension.oid.into()).to_id_string();
                return Err(RevocationError::UnknownExtension(oid));
            }
        }
        Ok(Self { serial, issuer })
    }
}

struct Extension<'a> {
    oid: &'a [u8],
    is_critical: bool,
    value: &'a [u8],
}

impl<'a> Extension<'a> {
    fn read(extensions: &mut DerReader<'a>) -> Result<Self, DerError> {
        let mut extension = extensions.inside(tag::SEQUENCE)?;
        let oid = extension.element(tag::OBJECT_IDENTIFIER)?;
        let is_critical = match extension.peek()? {
            tag::BOOLEAN => match extension.element(tag::BOOLEAN)? {
                [value] => *value != 0,
                _ => return Err(DerError::Length),
            },
            _ => false,
        };
        let value = extension.element(tag::OCTET_STRING)?;
        extension.finish()?;
        Ok(Self {
            oid,
            is_critical,
            value,
        })
    }
}

/// The name in GeneralNames that hold exactly one directory name.
fn directory_name(der: &[u8]) -> Result<&[u8], DerError> {
    let mut reader = DerReader::new(der);
    let mut names = reader.inside(tag::SEQUENCE)?;
    reader.finish()?;
    let name = names.element(DIRECTORY_NAME)?;
    names.finish()?;
    Ok(name)
}

fn read_name(der: &[u8]) -> Result<Name, RevocationError> {
    let (rest, name) =
        X509Name::from_der(der).map_err(|error| RevocationError::EntryIssuer(error.to_string()))?;
    if rest.is_empty() {
        return Name::of(&name).map_err(|error| RevocationError::EntryIssuer(error.to_string()));
    }
    let what = format!("{} bytes follow the name", rest.len());
    Err(RevocationError::EntryIssuer(what))
}

fn form(error: DerError) -> RevocationError {
    RevocationError::Form(error.to_string())
}
