//! `pennyblack call`: store a call's PASSporT for the called number.

mod block;
mod copies;
mod hints;
mod identity_text;
mod mirrored;
mod output;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::future::{Either, select};
use pennyblack_client::auth_service::{
    ClockGaps, DEFAULT_MAX_COPIES, KeyLookup, KeySource, OobAuthenticationError,
    OobAuthenticationService, ShakenCall, StoreDelivery, read_passport,
};
use pennyblack_client::block_look_ups::BlockLookUps;
use pennyblack_client::wallet::{DEFAULT_MINIMUM_AGE, Wallet};
use pennyblack_http::{HttpOptions, RetryPolicy, ServiceAddress};
use pennyblack_passport::{Attestation, UnverifiedPassport};
use pennyblack_runtime::clock::Clock;
use pennyblack_stir::TrustPolicy;
use pennyblack_stir::jws::X5u;
use pennyblack_stir::telephone_number::TelephoneNumber;
use tokio::time::timeout;

use super::carrier::existing_wallet;
use super::options::{NetworkOptions, TrustOptions, load_identity, quoted, typed_number};
use super::outcome::{Exit, Failure, Outcome};
use super::relays::RelayOptions;
use super::standard_error::warn;
use block::BlockOptions;
use copies::store_copies;
use hints::HintOptions;
use identity_text::read_text;
use output::{Withheld, no_key, no_key_in, report_resent};

/// How long requests of earlier calls may take when the call is done.
const MOMENT: Duration = Duration::from_secs(2);

/// The arguments of `pennyblack call`.
#[derive(Debug, Args)]
#[command(mut_arg("roots", |roots| roots.required(false).required_unless_present("resend")))]
#[command(after_help = "\
Examples:
  # a PASSporT that an STI-AS signed: compact JWS or Identity header
  pennyblack call --cps https://cps.example --wallet wallet.db --roots roots/ \\
      --identity \"$IDENTITY\"
  # on standard input; the CPS sees seven digits of the called number
  pennyblack call … --identity - --block 7 < identity.txt
  # sign one here
  pennyblack call … --orig 12155550100 --dest 12125550199 \\
      --cert carrier-a.pem --key carrier-a.key \\
      --x5u https://certs.example/carrier-a.pem
  # through a relay, so that the CPS does not see this machine's address
  pennyblack call … --relay https://relay.example/cps-a
  # look up the whole block of the called number through a relay, keep it for an
  # hour, and hide which block it was among those of earlier calls
  pennyblack call … --relay https://relay.example/cps-a \\
      --block-look-up blocks.db
  # ask the CPS that the called side's certificate names, if the roster has it
  pennyblack call … --dest 12125550199 --hints callee.pem --rosters rosters
  # with keys at hand: no CPS is asked for one, and so none sees the look-up
  pennyblack call … --directory directory.db --rosters rosters
  # send again what was signed and never answered
  pennyblack call --resend --wallet wallet.db

One token is spent for each key that the called number has, and for no more than
--max-copies: the keys whose certificates cover the fewest numbers come first.")]
pub(crate) struct CallArguments {
    /// The CPS's URL, or authority=URL.
    #[arg(long, value_name = "URL",
          required_unless_present_any = ["resend", "hints", "directory"])]
    cps: Option<ServiceAddress>,
    /// File of `directory sync`: keys come of it, and no CPS is asked for one. Copies go to the
    /// CPSs of the roster alone; --cps says how one of them is reached, if not by its own URL.
    #[arg(long, value_name = "FILE", requires = "rosters",
          conflicts_with_all = ["block", "block_look_up", "hints"])]
    directory: Option<PathBuf>,
    /// The wallet's file.
    #[arg(long, value_name = "FILE")]
    wallet: PathBuf,
    /// A PASSporT, or the value of an Identity header; - reads standard input,
    /// @FILE reads a file.
    #[arg(long, value_name = "TEXT|-|@FILE", conflicts_with_all = ["orig", "cert"])]
    identity: Option<String>,
    /// The calling number, to sign a PASSporT here.
    #[arg(long, value_name = "TN", requires_all = ["dest", "cert", "key"],
          value_parser = typed_number::<TelephoneNumber>)]
    orig: Option<TelephoneNumber>,
    /// The called number; if not given, the PASSporT's.
    #[arg(long, value_name = "TN", value_parser = typed_number::<TelephoneNumber>)]
    dest: Option<TelephoneNumber>,
    /// File of the certificate to sign with, with its path, in PEM or DER.
    #[arg(long, value_name = "FILE", requires = "orig")]
    cert: Option<PathBuf>,
    /// PEM file of its private key (mode 0600).
    #[arg(long, value_name = "FILE", requires = "orig")]
    key: Option<PathBuf>,
    /// URL of the certificate. Without it the PASSporT carries the whole
    /// certificate, and is then usually too long for a mailbox.
    #[arg(long, value_name = "URL", requires = "orig")]
    x5u: Option<X5u>,
    /// Attestation level: A, B or C.
    #[arg(long, default_value = "A")]
    attest: Attestation,
    /// Tell the CPS only this many digits of the called number.
    #[arg(long, value_name = "DIGITS")]
    block: Option<usize>,
    #[command(flatten)]
    blocks: BlockOptions,
    /// Minimum age of a token in the wallet, in seconds. A younger one may let
    /// issuer and CPS together infer from the times who stored; 0 is for tests.
    #[arg(long, default_value_t = DEFAULT_MINIMUM_AGE.as_secs(), value_name = "SECONDS")]
    minimum_age: u64,
    /// Most copies, each for a token. If the called number has more keys, those whose
    /// certificates cover the fewest numbers get one.
    #[arg(
        long,
        default_value_t = DEFAULT_MAX_COPIES as u64,
        value_name = "COPIES",
        value_parser = clap::value_parser!(u64).range(1..=32)
    )]
    max_copies: u64,
    /// Only resend requests that were signed and not answered. It needs the wallet, and
    /// what it takes to reach the CPS.
    #[arg(long, conflicts_with_all = ["identity", "orig"])]
    resend: bool,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    hints: HintOptions,
    #[command(flatten)]
    relays: RelayOptions,
    #[command(flatten)]
    network: NetworkOptions,
}

/// Does it.
pub(crate) async fn run(mut arguments: CallArguments) -> Result<Outcome, Failure> {
    let wallet = existing_wallet(&arguments.wallet)?;
    let clock = Clock::system();
    let look_ups = arguments.block_look_ups()?;
    arguments.choose_cps(&clock)?;
    let http = arguments.network.http();
    let cps = arguments.cps.as_ref();
    let oblivious = arguments.relays.http(http.clone(), cps, &wallet).await?;
    if arguments.resend {
        let delivery = delivery(oblivious);
        let resent = delivery.resend(&wallet, clock.now()).await?;
        return Ok(report_resent(resent));
    }
    let caller = arguments.caller(http, oblivious)?;
    let earlier = wallet.off_thread(Wallet::outbox).await;
    let earlier = earlier.map_err(OobAuthenticationError::Wallet)?;
    let delivery = caller.delivery();
    let resent = delivery.send_again(&wallet, earlier, clock.now());
    let stored = store(&arguments, look_ups, &caller, &wallet, &clock);
    let (resent, outcome) = beside(resent, stored).await;
    match resent {
        Some(Ok(resent)) => {
            if let Some(withheld) = Withheld::of(resent) {
                warn(&withheld);
            }
        }
        Some(Err(error)) => warn(&error),
        // They stay in the outbox.
        None => {}
    }
    outcome
}

/// What earlier calls have left is sent again beside this call, **which never waits for it**: it
/// was most often left by a CPS that does not answer. When the call is done it has a moment more.
async fn beside<R, C>(
    resent: impl Future<Output = R>,
    call: impl Future<Output = C>,
) -> (Option<R>, C) {
    match select(pin!(resent), pin!(call)).await {
        Either::Left((resent, call)) => (Some(resent), call.await),
        Either::Right((done, resent)) => (timeout(MOMENT, resent).await.ok(), done),
    }
}

/// Looks the called number up, and stores the copies of the PASSporT.
async fn store(
    arguments: &CallArguments,
    look_ups: Option<BlockLookUps>,
    caller: &OobAuthenticationService,
    wallet: &Wallet,
    clock: &Clock,
) -> Result<Outcome, Failure> {
    let passport = arguments.passport(&caller.trust, clock)?;
    let is_fresh = passport.check_fresh(clock.now());
    is_fresh.map_err(OobAuthenticationError::NotFresh)?;
    let dest = arguments.called_number(&passport)?;
    let look_up = match arguments.block {
        Some(digits) => KeyLookup::Block { digits },
        None => KeyLookup::Number,
    };
    let found = match look_ups {
        Some(blocks) => {
            let block = BlockOptions::block_of(&dest, arguments.block)?;
            caller
                .keys_of_block(&dest, &block, &blocks, clock.now())
                .await?
        }
        None => caller.keys_of(&dest, look_up, clock.now()).await?,
    };
    if found.keys.is_empty() {
        let table = arguments.trust.numbering_table();
        return Err(match &arguments.directory {
            Some(directory) => no_key_in(directory, &dest, &found, table),
            None => no_key(&dest, &found, table),
        });
    }
    let resend = arguments.resend_command();
    store_copies(caller, wallet, &passport, &found, (&dest, &resend), clock).await
}

fn delivery(http: HttpOptions) -> StoreDelivery {
    StoreDelivery {
        transport: Arc::new(http),
        retry: RetryPolicy::SHORT,
        clock_gaps: ClockGaps::default(),
    }
}

impl CallArguments {
    /// Where blocks are kept, if whole blocks are looked up.
    fn block_look_ups(&self) -> Result<Option<BlockLookUps>, Failure> {
        self.blocks.open(!self.relays.is_empty())
    }

    /// Takes the CPS that is hinted at, if hints are given.
    fn choose_cps(&mut self, clock: &Clock) -> Result<(), Failure> {
        let Some(rosters) = self.relays.rosters() else {
            return Ok(());
        };
        if !self.hints.is_given() && self.relays.is_empty() && self.directory.is_none() {
            let text = "--rosters: name a relay, hints or a directory, which are held against the \
                        roster";
            return Err(Failure::new(Exit::Usage, text));
        }
        let Some(dest) = self.dest.as_ref().filter(|_| self.hints.is_given()) else {
            return Ok(());
        };
        let numbering = self.trust.numbering()?;
        let now = clock.now();
        self.cps = self.hints.cps(dest, numbering.as_ref(), rosters, now)?;
        Ok(())
    }

    /// The command that sends again what this one could not, word by word.
    fn resend_command(&self) -> String {
        let wallet = quoted(&self.wallet.display().to_string());
        let command = format!("pennyblack call --resend --wallet {wallet}");
        let cps = self.cps.as_ref().filter(|_| !self.relays.is_empty());
        let cps = cps.map(|cps| format!("--cps {}", quoted(&cps.to_string())));
        let relays = cps.into_iter().chain(self.relays.repeated());
        let more = relays.chain(self.network.repeated());
        std::iter::once(command)
            .chain(more)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Certificates are fetched by `http`, and CPSs asked by `oblivious`.
    fn caller(
        &self,
        http: HttpOptions,
        oblivious: HttpOptions,
    ) -> Result<OobAuthenticationService, Failure> {
        Ok(OobAuthenticationService {
            keys: self.key_source()?,
            http: oblivious.clone(),
            transport: Arc::new(oblivious),
            trust: self.trust.policy()?,
            numbering: self.trust.numbering()?,
            certificates: self.trust.certificates(http),
            minimum_age: Duration::from_secs(self.minimum_age),
            max_copies: usize::try_from(self.max_copies).unwrap_or(DEFAULT_MAX_COPIES),
            retry: RetryPolicy::SHORT,
            clock_gaps: ClockGaps::default(),
        })
    }

    fn key_source(&self) -> Result<KeySource, Failure> {
        match (&self.directory, self.relays.rosters()) {
            (Some(file), Some(rosters)) => Ok(KeySource::Directory(mirrored::open(
                file,
                rosters,
                self.cps.as_slice(),
            )?)),
            _ => {
                let missing = || Failure::new(Exit::Usage, "--cps is missing: name the CPS to ask");
                Ok(KeySource::Cps(self.cps.clone().ok_or_else(missing)?))
            }
        }
    }

    fn passport(&self, trust: &TrustPolicy, clock: &Clock) -> Result<UnverifiedPassport, Failure> {
        let text = match (
            &self.identity,
            &self.orig,
            &self.dest,
            &self.cert,
            &self.key,
        ) {
            (Some(text), ..) => read_text(text)?,
            (None, Some(orig), Some(dest), Some(cert), Some(key)) => {
                let call = ShakenCall {
                    orig: orig.clone(),
                    dest: dest.clone(),
                    attest: self.attest,
                    x5u: self.x5u.clone(),
                };
                let identity = load_identity((cert, "--cert"), (key, "--key"), None)?;
                let now = clock.now();
                // Before a token is spent for what nobody accepts.
                let signed = identity
                    .check_not_revoked(trust, now)
                    .and_then(|()| call.sign(&identity, now));
                let option = format!("--cert {}", cert.display());
                signed.map_err(|error| Failure::from(error).of_option(&option))?
            }
            _ => {
                let text = "give a PASSporT with --identity, or sign one with --orig, --dest, --cert and --key";
                return Err(Failure::new(Exit::Usage, text));
            }
        };
        let read = read_passport(&text);
        read.map_err(|error| Failure::from(error).of_option("--identity"))
    }

    fn called_number(&self, passport: &UnverifiedPassport) -> Result<TelephoneNumber, Failure> {
        let numbers = passport.claims().dest.numbers();
        match (&self.dest, numbers) {
            (Some(dest), _) => Ok(dest.clone()),
            (None, [only]) => only.to_telephone_number().ok_or_else(|| {
                let text = format!(
                    "the PASSporT's dest {only} has more digits than a key record can name: say \
                     with --dest for which number it is to be stored"
                );
                Failure::new(Exit::Usage, text)
            }),
            (None, _) => Err(Failure::new(
                Exit::Usage,
                format!(
                    "the PASSporT names {} numbers as dest: say which one is called with --dest",
                    numbers.len()
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
