//! Options by which the CPS of a call is one that a hint names. **It is always one of the
//! roster**, reached by the roster's address.

use std::path::{Path, PathBuf};

use clap::Args;
use pennyblack_base::time::UnixTime;
use pennyblack_client::hints::directories_of;
use pennyblack_client::rosters::{RosterCpss, RosterUse};
use pennyblack_http::ServiceAddress;
use pennyblack_stir::numbering::NumberingTable;
use pennyblack_stir::telephone_number::TelephoneNumber;
use pennyblack_stir::{EXPERIMENTAL_CPS_URI_OID, ObjectIdentifier};

use super::super::directory::hints::of_file;
use super::super::outcome::{Exit, Failure};

/// Where to look keys up, from others' word.
#[derive(Debug, Args)]
#[command(next_help_heading = "Hints")]
pub(super) struct HintOptions {
    /// In place of --cps: a certificate of the called side, or a CPS advertisement, that names
    /// the CPS of the called number. It is asked only if the roster has it.
    #[arg(long, value_name = "CERT|FILE", requires_all = ["dest", "rosters"], conflicts_with = "cps")]
    hints: Option<PathBuf>,
    /// Object identifier of the extension by which a certificate names its CPS.
    #[arg(long, value_name = "OID", default_value = EXPERIMENTAL_CPS_URI_OID, requires = "hints")]
    cps_uri_oid: ObjectIdentifier,
}

impl HintOptions {
    /// Whether there are some.
    pub(super) const fn is_given(&self) -> bool {
        self.hints.is_some()
    }

    /// The CPS that is hinted at for `number`; nothing without hints.
    pub(super) fn cps(
        &self,
        number: &TelephoneNumber,
        numbering: Option<&NumberingTable>,
        rosters: &Path,
        now: UnixTime,
    ) -> Result<Option<ServiceAddress>, Failure> {
        let Some(file) = &self.hints else {
            return Ok(None);
        };
        let hints = of_file(file, &self.cps_uri_oid).map_err(|error| error.of_option("--hints"))?;
        let roster = RosterCpss::read(rosters, RosterUse::Storing, now)?;
        let members = directories_of(number, &hints, numbering, &roster);
        let member = members.first().ok_or_else(|| {
            let text = format!(
                "--hints: {} names no CPS for {number} that is in the roster of {}, and no other \
                 is asked: see `pennyblack directory hints`, or name the CPS with --cps",
                file.display(),
                roster.federation()
            );
            Failure::new(Exit::NoKey, text)
        })?;
        Ok(Some(member.address.clone()))
    }
}
