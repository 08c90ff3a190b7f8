//! `mailbox advertise`: a CPS advertisement for those who read them (RFC 9888 section 4).

use clap::Args;
use pennyblack_stir::telephone_number::{NumberRange, TelephoneNumber};
use pennyblack_stir::{Advertisement, HintedCps, Spc, TnEntry};

use super::super::options::{typed_number, typed_range};
use super::super::outcome::{Failure, Outcome, json_of};

/// `mailbox advertise`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack mailbox advertise --cps https://cps.example --spc 683G \\
      --range 12125550100+100 > advertisement.json

It tells others in which CPS the keys of these numbers are, in the form of RFC
9888 section 4. It is a hint and has no signature: what a key is worth is in the
key record, which `pennyblack mailbox register` signs. `pennyblack directory
hints` reads it.")]
pub(crate) struct Advertise {
    /// URL by which others reach the CPS.
    #[arg(long, value_name = "URL")]
    cps: HintedCps,
    /// A service provider code; repeat the option.
    #[arg(long, value_name = "SPC", required_unless_present_any = ["range", "tn"])]
    spc: Vec<Spc>,
    /// A block of numbers; repeat the option.
    #[arg(long, value_name = "START+COUNT", value_parser = typed_range)]
    range: Vec<NumberRange>,
    /// A number; repeat the option.
    #[arg(long, value_name = "TN", value_parser = typed_number::<TelephoneNumber>)]
    tn: Vec<TelephoneNumber>,
}

/// Makes it.
pub(super) fn advertise(arguments: Advertise) -> Result<Outcome, Failure> {
    let spcs = arguments.spc.into_iter().map(TnEntry::Spc);
    let ranges = arguments.range.into_iter();
    let numbers = ranges.chain(arguments.tn.into_iter().map(NumberRange::from));
    let mut advertisement = Advertisement::default();
    for entry in spcs.chain(numbers.map(TnEntry::Numbers)) {
        advertisement.advertise(entry, arguments.cps.clone());
    }
    let json = json_of(&advertisement)?;
    let text = json.to_string();
    Ok(Outcome::done(json, text))
}
