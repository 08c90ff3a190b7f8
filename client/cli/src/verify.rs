//! `pennyblack verify`: the verdict on a call.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use console::style;
use pennyblack_client::verification_service::{OobVerificationService, SpcAuthority};
use pennyblack_http::{RetryPolicy, ServiceAddress};
use pennyblack_passport::{Call, Extension, Party, Refused, Verdict, VerifiedPassport};
use pennyblack_runtime::clock::Clock;
use pennyblack_sealing::envelope::Slots;
use pennyblack_stir::telephone_number::TelephoneNumber;
use serde_json::{Value, json};

use super::options::{NetworkOptions, TrustOptions, load_mailbox_key};
use super::outcome::{Exit, Failure, Outcome};

/// The arguments of `pennyblack verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pennyblack verify --cps https://cps.example --mailbox-key office.mailbox \\
      --roots roots/ --certificates certificates/ \\
      --orig 12155550100 --dest 12125550199
  # fetch certificates that the directory lacks, from these repositories only
  pennyblack verify … --certificate-host certs.example,certs.example.net:8443
  # wait up to ten seconds for it to arrive; a script decides by the exit code
  pennyblack verify … --wait 10 --json
  case $? in 0) ring ;; 3|4) ring_without_name ;; esac

Exit codes: 0 valid, 3 no PASSporT for this call, 4 none that can be verified.
5 and 6 report trouble with the network or the CPS: no verdict on the call.")]
pub(crate) struct VerifyArguments {
    /// The CPS's URL, or authority=URL.
    #[arg(long, value_name = "URL")]
    cps: ServiceAddress,
    /// The mailbox key's file.
    #[arg(long, value_name = "FILE")]
    mailbox_key: PathBuf,
    /// The calling number, as signalled.
    #[arg(long, value_name = "TN")]
    orig: TelephoneNumber,
    /// The called number.
    #[arg(long, value_name = "TN")]
    dest: TelephoneNumber,
    /// Seconds to wait for a valid PASSporT.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    wait: u64,
    /// Milliseconds between two polls while waiting.
    #[arg(long, default_value_t = 1000, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(100..=60_000))]
    every: u64,
    /// Slots (places for PASSporTs) in an answer: 4, 16, 64 or 256. Always use the same
    /// number, so that it tells the CPS nothing.
    #[arg(long, default_value = "16")]
    slots: Slots,
    /// Trust only certificates that cover the calling number, themselves or by
    /// --numbering. Without this, an SPC may vouch for any number, as in SHAKEN.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    network: NetworkOptions,
}

/// Does it.
pub(crate) async fn run(arguments: VerifyArguments) -> Result<Outcome, Failure> {
    let oob_vs = OobVerificationService {
        key: load_mailbox_key(&arguments.mailbox_key)?,
        cps: arguments.cps.clone(),
        client: arguments.network.http().client()?,
        retry: RetryPolicy::SHORT,
        trust: arguments.trust.policy()?,
        certificates: arguments.trust.certificates(&arguments.network),
        authority: match (arguments.trust.numbering()?, arguments.strict) {
            (Some(table), _) => SpcAuthority::Table(table),
            (None, true) => SpcAuthority::None,
            (None, false) => SpcAuthority::Any,
        },
        slots: arguments.slots,
    };
    let call = Call {
        orig: Party::from(arguments.orig.clone()),
        dest: Party::from(arguments.dest.clone()),
    };
    let clock = Clock::system();
    let verdict = if arguments.wait == 0 {
        oob_vs.verify(&call, &clock).await?
    } else {
        let every = Duration::from_millis(arguments.every);
        let max_wait = Duration::from_secs(arguments.wait);
        oob_vs.wait(&call, every, max_wait, &clock).await?
    };
    let mut outcome = report(&call, &verdict);
    let gap = oob_vs.client.clock_gap();
    if let Some(gap) = gap.filter(|_| outcome.exit != Exit::Done) {
        outcome.note(&gap);
    }
    Ok(outcome)
}

fn report(call: &Call, verdict: &Verdict) -> Outcome {
    let (name, exit, passports, refused) = match verdict {
        Verdict::Valid { passports, refused } => {
            ("valid", Exit::Done, passports.as_slice(), refused)
        }
        Verdict::Unverifiable { refused } => ("unverifiable", Exit::Unverifiable, &[][..], refused),
        Verdict::NoPassport { refused } => ("no-passport", Exit::NoPassport, &[][..], refused),
    };
    let headline = match exit {
        Exit::Done => style(name).green().bold(),
        _ => style(name).yellow().bold(),
    };
    let mut lines = vec![format!(
        "{headline}: call from {} to {}",
        call.orig, call.dest
    )];
    lines.extend(
        passports
            .iter()
            .map(|passport| format!("  {}", describe(passport))),
    );
    lines.extend(refused.iter().map(|refused| {
        format!(
            "  {} entry {}: {}",
            style("passed over").dim(),
            refused.index,
            refused.reason
        )
    }));
    let json = json!({
        "verdict": name,
        "orig": call.orig.to_string(),
        "dest": call.dest.to_string(),
        "passports": passports.iter().map(to_json).collect::<Vec<_>>(),
        "refused": refused.iter().map(refused_to_json).collect::<Vec<_>>(),
    });
    Outcome {
        json,
        text: lines.join("\n"),
        exit,
    }
}

fn describe(passport: &VerifiedPassport) -> String {
    let claims = passport.claims();
    let kind = claims.extension.ppt().unwrap_or("base");
    let attest = match &claims.extension {
        Extension::Shaken { attest, .. } => format!(", attestation {attest}"),
        _ => String::new(),
    };
    let diverted = match passport.original() {
        Some(_) => format!(", first called {}", party_list(passport.first())),
        None => String::new(),
    };
    format!(
        "{kind} PASSporT signed by {} at {}{attest}{diverted}",
        passport.signer(),
        claims.iat
    )
}

fn party_list(passport: &VerifiedPassport) -> String {
    let dest = &passport.claims().dest;
    let numbers = dest.numbers().iter().map(ToString::to_string);
    let all: Vec<_> = numbers.chain(dest.uris().iter().cloned()).collect();
    all.join(", ")
}

fn to_json(passport: &VerifiedPassport) -> Value {
    let claims = passport.claims();
    let attest = match &claims.extension {
        Extension::Shaken { attest, .. } => Some(attest.letter()),
        _ => None,
    };
    json!({
        "ppt": claims.extension.ppt(),
        "attest": attest,
        "iat": claims.iat,
        "signer": passport.signer().to_string(),
        "first_dest": party_list(passport.first()),
        "passport": passport.as_str(),
    })
}

fn refused_to_json(refused: &Refused) -> Value {
    json!({ "entry": refused.index, "reason": refused.reason.to_string() })
}
