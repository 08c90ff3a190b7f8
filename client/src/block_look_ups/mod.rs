//! Looking up whole blocks of numbers in place of a called number, for numbers that no mirror
//! has (docs/protocol.md section 5.4): which block, what is kept of it for how long, and what
//! is asked beside it so that nobody sees which block was called. Not here: the request
//! (`auth_service`).

mod called_block;
mod error;
mod file;
mod plan;

use std::path::Path;
use std::time::Duration;

use pennyblack_base::authority::Authority;
use pennyblack_base::time::UnixTime;
use pennyblack_protocol::key_record::PAGE_MAX_AGE;

pub use called_block::{BlockError, CalledBlock};
pub use error::BlockFileError;
use file::BlockFile;
pub(crate) use file::KeptBlock;

/// The longest that a block is kept.
const LONGEST: Duration = Duration::from_secs(PAGE_MAX_AGE);

/// What is known of blocks of numbers, in a file that several calls share.
#[derive(Debug, Clone)]
pub struct BlockLookUps {
    file: BlockFile,
}

/// What a call goes by: a block that is kept, or those that are to be asked for.
pub(crate) enum Plan {
    /// Nobody is asked.
    Kept(KeptBlock),
    /// All of these are asked for at once, and the call goes on when all are answered.
    Ask(Vec<CalledBlock>),
}

impl BlockLookUps {
    /// Those in the file, which is made (mode 0600) if there is none. Waits for the disk.
    ///
    /// # Errors
    /// [`BlockFileError`].
    pub fn open(path: &Path) -> Result<Self, BlockFileError> {
        let file = BlockFile::open(path)?;
        Ok(Self { file })
    }

    /// What a call to a number of `block` goes by. The call is counted, so that later ones
    /// hide behind it.
    pub(crate) async fn plan(
        &self,
        cps: &Authority,
        block: &CalledBlock,
        now: UnixTime,
    ) -> Result<Plan, BlockFileError> {
        let (cps, block) = (cps.clone(), block.clone());
        let look = move |file: &rusqlite::Transaction<'_>| {
            let key = (&cps, &block);
            let kept = file::kept(file, key, now, LONGEST)?;
            let plan = match kept {
                Some(kept) => Plan::Kept(kept),
                None => {
                    let past = file::past(file, &cps, now)?;
                    Plan::Ask(plan::plan(&block, &past, &mut rand::rng()))
                }
            };
            file::count_call(file, key, now)?;
            Ok(plan)
        };
        self.file.off_thread(look).await
    }

    /// Keeps what a CPS listed for as long as it counts, and an hour at most.
    pub(crate) async fn keep(
        &self,
        cps: &Authority,
        block: &CalledBlock,
        mut listed: KeptBlock,
        now: UnixTime,
    ) -> Result<(), BlockFileError> {
        let (cps, block) = (cps.clone(), block.clone());
        listed.until = listed.until.min(now.plus(LONGEST));
        let keep =
            move |file: &rusqlite::Transaction<'_>| file::keep(file, (&cps, &block), &listed, now);
        self.file.off_thread(keep).await
    }
}
