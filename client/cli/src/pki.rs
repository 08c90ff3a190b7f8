//! `pennyblack pki`: a development STI certification authority in a directory.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use console::style;
use pennyblack_pki::{CaNames, CpsUris, LeafRequest, PkiDirectory, RevocationReason, TnAuthEntry};
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::{EXPERIMENTAL_CPS_URI_OID, HintedCps, ObjectIdentifier};
use serde_json::json;

use super::options::{typed_entry, typed_entry_range};
use super::outcome::{Failure, Outcome};
use super::table::{Table, words};

const DAY: u64 = 86_400;

/// What to do with the development PKI.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  pennyblack pki init ./pki
  pennyblack pki issue ./pki --name carrier-a --spc 683G
  pennyblack pki issue ./pki --name office --tn 12125550100 \\
      --range 12125550200+100
  pennyblack pki revoke ./pki carrier-a --reason key-compromise
  pennyblack pki list ./pki

For development and tests only. Its certificates look like those in the field;
only services to which you give its root certificate trust them.")]
pub(crate) enum PkiCommand {
    /// Make root, intermediate, CRL signer and an empty CRL.
    Init(Init),
    /// Issue a certificate with a fresh key.
    Issue(Box<Issue>),
    /// Revoke a certificate and publish a new CRL.
    Revoke(Revoke),
    /// Publish a fresh CRL, before the last one expires.
    Crl(Crl),
    /// List the certificates that were issued.
    List(List),
}

/// `pki init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack pki init ./pki")]
pub(crate) struct Init {
    /// The directory to make.
    directory: PathBuf,
    /// The organization in the names of the CAs.
    #[arg(long, default_value_t = CaNames::default().organization)]
    organization: String,
    /// Days that the CRL is valid.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=3650))]
    crl_days: u64,
}

/// `pki issue`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # for a carrier
  pennyblack pki issue ./pki --name carrier-a --spc 683G
  # for a block of numbers
  pennyblack pki issue ./pki --name office --range 12125550100+100
  # with a hint where the keys of these numbers are
  pennyblack pki issue ./pki --name office --range 12125550100+100 \\
      --cps-uri https://cps.example")]
pub(crate) struct Issue {
    /// The PKI's directory.
    directory: PathBuf,
    /// Name of the files issued/NAME.pem and issued/NAME.key.
    #[arg(long)]
    name: String,
    /// A service provider code that the certificate covers, such as 683G.
    #[arg(long, value_parser = TnAuthEntry::spc)]
    spc: Vec<TnAuthEntry>,
    /// A telephone number that the certificate covers.
    #[arg(long, value_parser = typed_entry)]
    tn: Vec<TnAuthEntry>,
    /// A block of numbers that the certificate covers, START+COUNT.
    #[arg(long, value_parser = typed_entry_range)]
    range: Vec<TnAuthEntry>,
    /// The organization in the certificate's name.
    #[arg(long, default_value = "Example Carrier")]
    organization: String,
    /// Days that the certificate is valid; six is most common in the field.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
    /// Allow it to issue delegate certificates (RFC 9060).
    #[arg(long)]
    may_delegate: bool,
    /// Issue a delegate certificate below the one of this name (RFC 9060).
    #[arg(long, value_name = "NAME")]
    parent: Option<String>,
    /// URL of the CRL.
    #[arg(long, value_name = "URL")]
    crl_url: Option<String>,
    /// A CPS at which the keys of these numbers are; repeat the option. It is a hint: nobody
    /// connects to it because of that (`pennyblack directory hints`).
    #[arg(long, value_name = "URL")]
    cps_uri: Vec<HintedCps>,
    /// Object identifier of the extension that names the CPS. None is registered: the default
    /// is for trials.
    #[arg(long, value_name = "OID", default_value = EXPERIMENTAL_CPS_URI_OID, requires = "cps_uri")]
    cps_uri_oid: ObjectIdentifier,
}

/// `pki revoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack pki revoke ./pki carrier-a --reason key-compromise")]
pub(crate) struct Revoke {
    /// The PKI's directory.
    directory: PathBuf,
    /// Name of the certificate.
    name: String,
    /// Reason for the revocation.
    #[arg(long, value_enum, default_value_t = RevocationReason::KeyCompromise)]
    reason: RevocationReason,
    /// Days that the new CRL is valid.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=3650))]
    crl_days: u64,
}

/// `pki crl`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack pki crl ./pki --crl-days 30")]
pub(crate) struct Crl {
    /// The PKI's directory.
    directory: PathBuf,
    /// Days that the CRL is valid.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=3650))]
    crl_days: u64,
}

/// `pki list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack pki list ./pki")]
pub(crate) struct List {
    /// The PKI's directory.
    directory: PathBuf,
}

/// Does it.
pub(crate) fn run(command: PkiCommand) -> Result<Outcome, Failure> {
    match command {
        PkiCommand::Init(arguments) => init(arguments),
        PkiCommand::Issue(arguments) => issue(*arguments),
        PkiCommand::Revoke(arguments) => revoke(&arguments),
        PkiCommand::Crl(arguments) => crl(&arguments),
        PkiCommand::List(arguments) => list(&arguments),
    }
}

fn init(arguments: Init) -> Result<Outcome, Failure> {
    let names = CaNames {
        organization: arguments.organization,
    };
    let validity = days(arguments.crl_days);
    let pki = PkiDirectory::init(
        &arguments.directory,
        &names,
        validity,
        Clock::system().now(),
    )?;
    let (root, crl) = (pki.roots_path(), pki.revocation_path());
    let text = format!(
        "{} a development PKI in {}\n  roots             {}\n  revocation lists  {}\nNext: pennyblack pki issue {} --name carrier-a --spc 683G",
        style("made").green(),
        arguments.directory.display(),
        root.display(),
        crl.display(),
        arguments.directory.display(),
    );
    Ok(Outcome::done(
        json!({ "roots": root, "revocation": crl }),
        text,
    ))
}

fn issue(arguments: Issue) -> Result<Outcome, Failure> {
    let mut pki = PkiDirectory::open(&arguments.directory)?;
    let has_cps = !arguments.cps_uri.is_empty();
    let cps_uris = has_cps.then_some(CpsUris {
        oid: arguments.cps_uri_oid,
        uris: arguments.cps_uri,
    });
    let request = LeafRequest {
        holds: [arguments.spc, arguments.tn, arguments.range].concat(),
        organization: arguments.organization,
        validity: days(arguments.days),
        may_delegate: arguments.may_delegate,
        crl_url: arguments.crl_url,
        cps_uris,
    };
    let parent = arguments.parent.as_deref();
    let credential = pki.issue(&arguments.name, &request, parent, Clock::system().now())?;
    let certificate = pki.certificate_path(&arguments.name);
    let key = pki.key_path(&arguments.name);
    let text = format!(
        "{} {} for {}\n  certificate  {}\n  key          {}",
        style("issued").green(),
        arguments.name,
        entries(&request.holds),
        certificate.display(),
        key.display(),
    );
    let json = json!({
        "name": arguments.name,
        "serial": credential.serial(),
        "holds": request.holds,
        "certificate": certificate,
        "key": key,
    });
    Ok(Outcome::done(json, text))
}

fn revoke(arguments: &Revoke) -> Result<Outcome, Failure> {
    let mut pki = PkiDirectory::open(&arguments.directory)?;
    let validity = days(arguments.crl_days);
    pki.revoke(
        &arguments.name,
        arguments.reason,
        validity,
        Clock::system().now(),
    )?;
    let text = format!(
        "{} {}; services that read {} refuse it from now on",
        style("revoked").yellow(),
        arguments.name,
        pki.revocation_path().display()
    );
    let json = json!({ "name": arguments.name, "revocation": pki.revocation_path(), "crl_number": pki.register().crl_number });
    Ok(Outcome::done(json, text))
}

fn crl(arguments: &Crl) -> Result<Outcome, Failure> {
    let mut pki = PkiDirectory::open(&arguments.directory)?;
    pki.publish_revocation_list(days(arguments.crl_days), Clock::system().now())?;
    let number = pki.register().crl_number;
    let text = format!(
        "{} CRL number {number} in {}",
        style("published").green(),
        pki.revocation_path().display()
    );
    let json = json!({ "revocation": pki.revocation_path(), "crl_number": number });
    Ok(Outcome::done(json, text))
}

fn list(arguments: &List) -> Result<Outcome, Failure> {
    let pki = PkiDirectory::open(&arguments.directory)?;
    let register = pki.register();
    let mut table = Table::new([
        words("name"),
        words("speaks for"),
        words("valid until").whole(),
        words("state"),
    ]);
    for record in &register.issued {
        let state = match &record.revoked {
            Some(revocation) => format!("revoked: {}", revocation.reason),
            None if record.not_after < Clock::system().now() => "expired".to_owned(),
            None => "valid".to_owned(),
        };
        table.row([
            record.name.clone(),
            entries(&record.holds),
            record.not_after.to_string(),
            state,
        ]);
    }
    let text = match register.issued.as_slice() {
        [] => "nothing was issued yet".to_owned(),
        _ => table.to_string(),
    };
    Ok(Outcome::done(json!(register), text))
}

fn entries(holds: &[TnAuthEntry]) -> String {
    let texts: Vec<_> = holds.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

const fn days(count: u64) -> Duration {
    Duration::from_secs(count * DAY)
}
