//! Options that several commands share: how services are reached, whose
//! certificates are trusted, and with which identity to sign.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use pennyblack_base::authority::Authority;
use pennyblack_client::carrier::HttpSection;
use pennyblack_client::certificates::{CertificateStores, Repositories};
use pennyblack_client::identity::{IdentityError, StirIdentity};
use pennyblack_client::trust::TrustFiles;
use pennyblack_client::verification_service;
use pennyblack_http::{Deadline, HttpOptions, TrustRoots};
use pennyblack_numbering::table_file;
use pennyblack_pki::TnAuthEntry;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{LogConfig, LogFormat, LogLevel};
use pennyblack_runtime::logging;
use pennyblack_runtime::reload::{FromFiles, Reload, Reread};
use pennyblack_sealing::mailbox::RecipientKey;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber, require_country_code};

use super::outcome::{Exit, Failure};
use super::standard_error::warn;

/// Reads certificate and key, each named by an option or a key of a configuration.
pub(crate) fn load_identity(
    (certificate, certificate_option): (&Path, &str),
    (key, key_option): (&Path, &str),
    iss: Option<&str>,
) -> Result<StirIdentity, Failure> {
    let identity = StirIdentity::load(certificate, key, iss);
    identity.map_err(|error| wrong_identity(error, certificate_option, key_option))
}

/// The same for a command that outlives certificates, read again by `reload`.
pub(crate) fn renewed_identity(
    (certificate, certificate_option): (&Path, &str),
    (key, key_option): (&Path, &str),
    iss: Option<&str>,
    reload: &Reload,
) -> Result<Arc<FromFiles<StirIdentity>>, Failure> {
    let identity = StirIdentity::renewed(certificate, key, iss);
    let identity =
        identity.map_err(|error| wrong_identity(error, certificate_option, key_option))?;
    let files: Arc<dyn Reread> = Arc::<FromFiles<StirIdentity>>::clone(&identity);
    reload.add(files);
    Ok(identity)
}

fn wrong_identity(error: IdentityError, certificate_option: &str, key_option: &str) -> Failure {
    let option = match &error {
        IdentityError::OtherKey { .. } => format!("{certificate_option} and {key_option}"),
        error if error.is_of_the_key() => key_option.to_owned(),
        _ => certificate_option.to_owned(),
    };
    Failure::from(error).of_option(&option)
}

/// Refuses a certificate that has ended before a service is asked, which would refuse it, too.
pub(crate) fn require_current(
    identity: &StirIdentity,
    (certificate, option): (&Path, &str),
) -> Result<(), Failure> {
    let checked = identity.check_current(Clock::system().now());
    checked.map_err(|error| {
        let option = format!("{option} {}", certificate.display());
        Failure::from(error).of_option(&option)
    })
}

/// Reads a mailbox key, which every command names with the same option.
pub(crate) fn load_mailbox_key(file: &Path) -> Result<RecipientKey, Failure> {
    let key = verification_service::load_mailbox_key(file);
    key.map_err(|error| Failure::from(error).of_option("--mailbox-key"))
}

/// A number that somebody typed: with its country code, or it is asked about.
pub(crate) fn typed_number<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    require_country_code(text).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// The same, for what a certificate covers.
pub(crate) fn typed_entry(text: &str) -> Result<TnAuthEntry, String> {
    require_country_code(text).map_err(|error| error.to_string())?;
    TnAuthEntry::one(text).map_err(|error| error.to_string())
}

/// The same, `START+COUNT`.
pub(crate) fn typed_entry_range(text: &str) -> Result<TnAuthEntry, String> {
    let range = typed_range(text)?;
    let canonical = format!("{}+{}", range.start(), range.count());
    TnAuthEntry::range(&canonical).map_err(|error| error.to_string())
}

/// Numbers that somebody typed, `START+COUNT`.
pub(crate) fn typed_range(text: &str) -> Result<NumberRange, String> {
    // A `+` in front says that a number has its country code.
    let typed = text.rsplit_once('+').filter(|(start, _)| !start.is_empty());
    let (start, count) = typed.ok_or_else(|| {
        format!("{text:?} is not START+COUNT: write the first number and how many, such as 12125550100+100")
    })?;
    let start = typed_number(start)?;
    let count = count
        .parse()
        .map_err(|error| format!("{count:?}: {error}"))?;
    NumberRange::new(start, count).map_err(|error| error.to_string())
}

/// One number that somebody typed, or `START+COUNT`.
pub(crate) fn typed_numbers(text: &str) -> Result<NumberRange, String> {
    match text.trim_start_matches('+').contains('+') {
        true => typed_range(text),
        false => typed_number::<TelephoneNumber>(text).map(NumberRange::from),
    }
}

/// How services are reached by a command that has a limit of time of its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct ConnectionOptions {
    /// PEM file of CAs to trust for TLS besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Proxy to connect through. One of another operator hides this machine's address.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Seconds that one request may take.
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=120))]
    timeout: u64,
}

impl ConnectionOptions {
    /// Those that another command needs to reach the same services.
    fn repeated(&self) -> Vec<String> {
        let ca_file = self
            .ca_file
            .as_ref()
            .map(|file| format!("--ca-file {}", quoted(&file.display().to_string())));
        let proxy = self.proxy.as_ref();
        let proxy = proxy.map(|url| format!("--proxy {}", quoted(url)));
        ca_file.into_iter().chain(proxy).collect()
    }

    /// With what a carrier's configuration says where an option says nothing.
    pub(crate) fn http_beside(&self, config: &HttpSection) -> HttpOptions {
        let ca_file = self.ca_file.clone().or_else(|| config.ca_file.clone());
        HttpOptions {
            trust_roots: TrustRoots::system_and(ca_file),
            proxy: self.proxy.clone().or_else(|| config.proxy.clone()),
            ..self.http()
        }
    }

    pub(crate) fn http(&self) -> HttpOptions {
        HttpOptions {
            trust_roots: TrustRoots::system_and(self.ca_file.clone()),
            proxy: self.proxy.clone(),
            timeout: Duration::from_secs(self.timeout),
            ..HttpOptions::default()
        }
    }
}

/// As a shell reads it as one word.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=+,%~".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// How services are reached by a command that ends at a deadline.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkOptions {
    #[command(flatten)]
    connection: ConnectionOptions,
    /// Seconds that the command may take in all, however many requests it makes, not
    /// counting the time that it is told to wait. Then it ends, and says how far it came.
    #[arg(long, default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: u64,
}

impl NetworkOptions {
    /// Those that another command needs to reach the same services.
    pub(crate) fn repeated(&self) -> Vec<String> {
        self.connection.repeated()
    }

    /// For a command that ends by itself, after `wait` at the earliest.
    pub(crate) fn http_after(&self, wait: Duration) -> HttpOptions {
        HttpOptions {
            deadline: Some(self.deadline_after(wait)),
            ..self.http_without_end()
        }
    }

    /// When an operation that begins now must end.
    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline_after(Duration::ZERO)
    }

    /// The same for one that waits first.
    pub(crate) fn deadline_after(&self, wait: Duration) -> Deadline {
        Deadline::after(wait + Duration::from_secs(self.deadline))
    }

    /// For a command that ends by itself.
    pub(crate) fn http(&self) -> HttpOptions {
        self.http_after(Duration::ZERO)
    }

    /// For a command that goes on until it is stopped: each of its operations has a
    /// deadline of its own.
    pub(crate) fn http_without_end(&self) -> HttpOptions {
        self.connection.http()
    }
}

/// Which certificates are trusted.
#[derive(Debug, Args)]
#[command(next_help_heading = "Trust")]
pub(crate) struct TrustOptions {
    /// Root certificates in PEM or DER: a file, or a directory of .pem, .crt, .cer and .der
    /// files.
    #[arg(long, value_name = "PATH", required = true)]
    roots: Option<PathBuf>,
    /// Revocation lists: a PEM file with its signer's certificate, a DER file, or a directory
    /// of such .crl, .pem and .der files. Without them no certificate counts as revoked.
    #[arg(long, value_name = "PATH")]
    revocation: Option<PathBuf>,
    /// Numbering table: a CSV file of SPC, first number, count.
    #[arg(long, value_name = "FILE")]
    numbering: Option<PathBuf>,
    /// Directory of certificate files, named like the last part of their x5u
    /// URL. Certificates in it are not fetched.
    #[arg(long, value_name = "DIR")]
    certificates: Option<PathBuf>,
    /// Host (with its port, such as :8443, unless that is 443) of a certificate
    /// repository that x5u URLs are fetched from; separate several with commas, or
    /// repeat the option. Nothing is fetched from hosts that are not named here: the
    /// OOB-AS that chose the URL would learn that there is a call. To hide the call
    /// from the repositories too, name none and use --certificates.
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    certificate_host: Vec<Authority>,
}

impl TrustOptions {
    pub(crate) fn policy(&self) -> Result<TrustPolicy, Failure> {
        let now = Clock::system().now();
        let Some(roots) = &self.roots else {
            let text = "--roots is missing: name the root certificates to trust";
            return Err(Failure::new(Exit::Usage, text));
        };
        let loaded = TrustFiles::load(roots, self.revocation.as_deref(), now);
        let TrustFiles { policy, warnings } = loaded.map_err(|error| {
            let option = match error.is_of_the_roots(roots) {
                true => "--roots",
                false => "--revocation",
            };
            Failure::from(error).of_option(option)
        })?;
        for warning in warnings {
            warn(&warning);
        }
        Ok(policy)
    }

    /// The file of the numbering table.
    pub(crate) fn numbering_table(&self) -> Option<&Path> {
        self.numbering.as_deref()
    }

    pub(crate) fn numbering(&self) -> Result<Option<NumberingTable>, Failure> {
        let table = self.numbering.as_deref().map(table_file::read).transpose();
        table.map_err(|error| Failure::from(error).of_option("--numbering"))
    }

    /// From here on the library's warnings go to standard error: a certificate file that is
    /// not used is one.
    pub(crate) fn certificates(&self, http: HttpOptions) -> CertificateStores {
        let log = LogConfig {
            level: LogLevel::Warn,
            format: LogFormat::Text,
        };
        // Something else logs already.
        let _ = logging::start(&log);
        CertificateStores {
            directory: self.certificates.clone(),
            repositories: (!self.certificate_host.is_empty())
                .then(|| Repositories::new(self.certificate_host.clone(), http)),
        }
    }
}

/// With which identity to sign.
#[derive(Debug, Args)]
#[command(next_help_heading = "Identity")]
pub(crate) struct IdentityOptions {
    /// File of the STIR certificate with its path, in PEM or DER.
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: PathBuf,
    /// PEM file of its private key (mode 0600).
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The SPC or number to act for; the certificate's first if not given.
    #[arg(long, value_name = "SPC|TN")]
    pub(crate) iss: Option<String>,
}

impl IdentityOptions {
    /// Reads it, now and again by `reload`.
    pub(crate) fn renewed(&self, reload: &Reload) -> Result<Arc<FromFiles<StirIdentity>>, Failure> {
        let (cert, key) = ((&*self.cert, "--cert"), (&*self.key, "--key"));
        renewed_identity(cert, key, self.iss.as_deref(), reload)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        connection: ConnectionOptions,
    }

    #[test]
    fn a_carriers_configuration_says_what_no_option_says() {
        let config = HttpSection {
            ca_file: Some("its.pem".into()),
            proxy: Some("http://127.0.0.1:1".to_owned()),
            ..HttpSection::default()
        };
        for (arguments, ca_file) in [
            (vec![], "its.pem"),
            (vec!["--ca-file=mine.pem"], "mine.pem"),
        ] {
            let line = Line::try_parse_from([vec!["load"], arguments].concat()).unwrap();
            let http = line.connection.http_beside(&config);
            assert_eq!(http.trust_roots, TrustRoots::SystemAnd(ca_file.into()));
            assert_eq!(http.proxy, config.proxy);
        }
    }

    #[test]
    fn numbers_are_typed_with_their_country_code_one_or_several() {
        let read =
            |text| typed_numbers(text).map(|range| format!("{}+{}", range.start(), range.count()));
        for (typed, expected) in [
            ("12125550100", "12125550100+1"),
            ("+1 212-555-0100", "12125550100+1"),
            ("12125550100+100", "12125550100+100"),
            ("+12125550100+100", "12125550100+100"),
            ("+3225551234", "3225551234+1"),
            ("+3225551234+10", "3225551234+10"),
        ] {
            assert_eq!(read(typed).unwrap(), expected);
        }
        for (wrong, advice) in [
            ("2125550100", "write 12125550100"),
            ("2125550100+100", "write 12125550100"),
            ("12125550100+", "\"\""),
            ("12125550100+0", "at least one"),
            ("99999+2", "99999"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(advice), "{error}");
        }
        assert!(
            typed_range("12125550100")
                .unwrap_err()
                .contains("START+COUNT")
        );
        assert!(
            typed_range("+12125550100")
                .unwrap_err()
                .contains("START+COUNT")
        );
    }
}
