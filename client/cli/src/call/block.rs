//! Options by which a call looks up the whole block of the called number.

use std::path::PathBuf;

use clap::Args;
use pennyblack_client::block_look_ups::{BlockFileError, BlockLookUps, CalledBlock};
use pennyblack_stir::telephone_number::TelephoneNumber;

use super::super::outcome::{Exit, Failure};

/// Whether, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Block look-ups")]
pub(super) struct BlockOptions {
    /// Look up the whole block of the called number (all but its last three digits, or --block
    /// of them), through a relay, and keep it in this file for up to an hour: calls to the
    /// block ask nobody then. Look-ups of blocks that were called before are sent beside it.
    /// The file has the blocks of your calls: guard it.
    #[arg(long, value_name = "FILE")]
    block_look_up: Option<PathBuf>,
    /// Without a relay: the CPS sees from which address a block is asked for.
    #[arg(long, requires = "block_look_up", conflicts_with = "relays")]
    direct_block_look_up: bool,
}

impl BlockOptions {
    /// Where blocks are kept, if whole blocks are looked up.
    pub(super) fn open(&self, through_relays: bool) -> Result<Option<BlockLookUps>, Failure> {
        let Some(file) = &self.block_look_up else {
            return Ok(None);
        };
        if !through_relays && !self.direct_block_look_up {
            let text = "--block-look-up: name a relay with --relay, so that the CPS does not see \
                        who asks; or say --direct-block-look-up, and it does";
            return Err(Failure::new(Exit::Usage, text));
        }
        Ok(Some(BlockLookUps::open(file)?))
    }

    /// The block of a number.
    pub(super) fn block_of(
        number: &TelephoneNumber,
        digits: Option<usize>,
    ) -> Result<CalledBlock, Failure> {
        let block = CalledBlock::of(number, digits);
        block.map_err(|error| Failure::new(Exit::Usage, error).of_option("--block"))
    }
}

impl From<BlockFileError> for Failure {
    fn from(error: BlockFileError) -> Self {
        Self::new(Exit::Failed, error).of_option("--block-look-up")
    }
}
