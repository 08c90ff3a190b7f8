//! `pennyblack carrier status`: what a wallet holds.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::HumanCount;
use pennyblack_client::wallet::{DEFAULT_MINIMUM_AGE, Holding};
use pennyblack_privacypass::token::TokenScope;
use pennyblack_runtime::clock::Clock;
use serde_json::json;

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::table::{Table, numbers, words};
use super::super::wording::plural;
use super::existing_wallet;

/// `carrier status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack carrier status --wallet wallet.db

Exits with 7 when for some CPS, or of the federation's tokens, none may be spent
now: what a monitor asks.")]
pub(crate) struct StatusArguments {
    /// The wallet's file.
    #[arg(long, value_name = "FILE")]
    wallet: PathBuf,
    /// Minimum age of a usable token in the wallet, in seconds.
    #[arg(long, default_value_t = DEFAULT_MINIMUM_AGE.as_secs(), value_name = "SECONDS")]
    minimum_age: u64,
}

/// Shows it.
pub(super) fn status(arguments: &StatusArguments) -> Result<Outcome, Failure> {
    let wallet = existing_wallet(&arguments.wallet)?;
    let minimum_age = Duration::from_secs(arguments.minimum_age);
    let holdings = wallet.holdings(minimum_age, Clock::system().now())?;
    let pending = wallet.pending_draws()?.len();
    let unanswered = wallet.outbox()?.len();
    let mut table = Table::new([
        words("CPS").said_once(),
        words("issuer").said_once(),
        words("token key"),
        numbers("tokens"),
        numbers("usable"),
        words("all usable from").whole(),
    ]);
    for holding in &holdings {
        table.row([
            holding.scope.to_string(),
            holding.issuer.clone(),
            holding.token_key_id.chars().take(12).collect(),
            HumanCount(holding.tokens).to_string(),
            HumanCount(holding.ready).to_string(),
            match holding.ready < holding.tokens {
                true => holding.youngest.plus(minimum_age).to_string(),
                false => "now".to_owned(),
            },
        ]);
    }
    let held = match holdings.as_slice() {
        [] => "no tokens: `pennyblack carrier run` draws them".to_owned(),
        _ => table.to_string(),
    };
    let mut text = format!(
        "{held}\n{} pending, {} without an answer",
        plural(pending as u64, "draw"),
        plural(unanswered as u64, "signed request"),
    );
    let out = out_of_tokens(wallet.drawn_for()?, &holdings);
    for scope in &out {
        text.push_str(&match scope {
            TokenScope::Cps(cps) => format!("\nno token for {cps} may be spent now"),
            TokenScope::Federation => "\nno federation token may be spent now".to_owned(),
        });
    }
    let json = json!({
        "tokens": holdings,
        "pending_draws": pending,
        "unanswered": unanswered,
        "out_of_tokens": out,
    });
    let exit = match holdings.is_empty() || !out.is_empty() {
        true => Exit::NoToken,
        false => Exit::Done,
    };
    Ok(Outcome::new(json, text, exit))
}

/// What tokens were drawn for of which none may be spent now.
fn out_of_tokens(mut drawn_for: Vec<TokenScope>, holdings: &[Holding]) -> Vec<TokenScope> {
    let is_usable = |scope: &TokenScope| {
        let mut usable = holdings.iter().filter(|holding| holding.ready > 0);
        usable.any(|holding| holding.scope == *scope)
    };
    drawn_for.retain(|scope| !is_usable(scope));
    drawn_for
}

#[cfg(test)]
mod tests {
    use pennyblack_base::time::UnixTime;

    use super::*;

    fn holding(scope: TokenScope, tokens: u64, ready: u64) -> Holding {
        Holding {
            issuer: "issuer.example".to_owned(),
            scope,
            token_key_id: "00".repeat(32),
            tokens,
            ready,
            youngest: UnixTime(1_800_000_000),
        }
    }

    #[test]
    fn a_cps_is_out_of_tokens_when_none_of_any_key_is_usable() {
        let [a, b, c] = ["a.example", "b.example", "c.example"]
            .map(|name| TokenScope::Cps(name.parse().unwrap()));
        let holdings = [
            holding(a.clone(), 64, 0),
            holding(a.clone(), 64, 1),
            holding(b.clone(), 64, 0),
        ];
        // All that was drawn for the last two is spent.
        let drawn_for = vec![a, b.clone(), c.clone(), TokenScope::Federation];
        let out = out_of_tokens(drawn_for, &holdings);
        assert_eq!(out, [b, c, TokenScope::Federation]);
    }
}
