//! Reading on: from what was read before to a later checkpoint, whole or until the time
//! is up. Not here: what a position is, and single files and proofs.

use std::pin::pin;

use futures_util::future::{Either, pending, select, try_join};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    EntryPosition, LogReader, LogSource, Position, ReadLogError, known, require_no_rollback, wanted,
};
use crate::edge::Edge;
use crate::{EntryBundle, FULL_TILE, Frontier, Hash, SignedCheckpoint, TreeHead};

/// Bundles that are read ahead, so that a network's way is not waited for each time.
const READ_AHEAD: usize = 8;

/// How far [`LogReader::advance_until`] came.
#[derive(Debug)]
pub struct Reached<E = ReadLogError> {
    /// What is proven. Where `visit` found something, or the proof could not be had, these
    /// are the entries of before, though `visit` saw more, with the new checkpoint.
    pub position: Position,
    /// What kept it from going on; all of it is found again from there.
    pub stopped: Option<E>,
}

impl<S: LogSource> LogReader<S> {
    /// Reads on from a position to a later checkpoint; `visit` sees every new entry
    /// with its place, first to last. When this returns the position there, it is
    /// proven that the log still begins with all that was read before, that each
    /// entry is in the tree that was signed, and that all new tiles are made of
    /// them. What `visit` saw before an error is proven to be in the signed tree only
    /// if the error is its own. Memory does not grow with the log.
    ///
    /// # Errors
    /// [`ReadLogError`], or what `visit` says of a signed entry.
    pub async fn advance<E: From<ReadLogError>>(
        &self,
        from: &Position,
        to: &SignedCheckpoint,
        visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<Position, E> {
        let reached = self.advance_until(from, to, visit, pending()).await?;
        match reached.stopped {
            None => Ok(reached.position),
            Some(error) => Err(error),
        }
    }

    /// The same, as far as it comes before `over` is ready. The position then is behind
    /// the checkpoint, and the same is proven of the entries up to there: `visit` saw
    /// exactly these. What is under way when `over` is ready ends later by the requests
    /// of one proof. A file that cannot be had, or is not what was signed, ends it likewise,
    /// and so does what `visit` says, once the checkpoint is proven to continue the one
    /// before: a log that could make a reader forget that by an error could sign another
    /// history afterwards. **What `visit` says counts only of an entry that is proven to be
    /// signed**: what is in between could have made it.
    ///
    /// # Errors
    /// [`ReadLogError`] before that.
    pub async fn advance_until<E: From<ReadLogError>>(
        &self,
        from: &Position,
        to: &SignedCheckpoint,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
        over: impl Future<Output = ()>,
    ) -> Result<Reached<E>, E> {
        let mut over = pin!(over);
        {
            let continued = pin!(self.continue_to(from, to));
            match select(over.as_mut(), continued).await {
                Either::Right((continued, _)) => _ = continued?,
                Either::Left(_) => {
                    return Ok(Reached {
                        position: from.clone(),
                        stopped: None,
                    });
                }
            }
        }
        let new = to.checkpoint().head;
        let mut edge = from.edge.clone();
        let known: Vec<Vec<u8>> = edge.bundle().entries().map(<[u8]>::to_vec).collect();
        let (first, end) = bundles(edge.size(), new.size);
        let files = stream::iter(first..end).map(async |index| {
            let (leaves, bundle) = (self.leaves(index, new.size), self.bundle(index, new.size));
            let (leaves, bundle) = try_join(leaves, bundle).await?;
            Ok::<_, ReadLogError>((index, leaves, bundle))
        });
        let mut files = pin!(files.buffered(READ_AHEAD));
        let (mut stopped, mut found) = (None, None);
        'files: while let Either::Right((file, _)) = select(over.as_mut(), files.try_next()).await {
            let (index, leaves, bundle) = match file {
                Ok(Some(file)) => file,
                Ok(None) => break,
                Err(error) => {
                    stopped = Some(error.into());
                    break;
                }
            };
            let start = index.saturating_mul(u64::from(FULL_TILE));
            let known: &[_] = if index == first { &known } else { &[] };
            match self
                .join(&edge, &bundle, (start, leaves), known, new.size)
                .await
            {
                Ok(longer) => edge = longer,
                Err(error) => {
                    stopped = Some(error.into());
                    break;
                }
            }
            for (place, entry) in (start..).zip(bundle.entries()).skip(known.len()) {
                if let Err(error) = visit(place, entry) {
                    found = Some(error);
                    break 'files;
                }
            }
        }
        let proven = self.require_read(from, &edge, &new).await;
        let mut position = Position {
            checkpoint: Some(to.clone()),
            edge,
        };
        if proven.is_err() || found.is_some() {
            position = position.with_entries_of(from);
        }
        let stopped = match proven {
            Ok(tiles) => found.or(stopped).or(tiles.map(E::from)),
            Err(error) => stopped.or(Some(error.into())),
        };
        Ok(Reached { position, stopped })
    }

    /// Reads none of the entries up to a later checkpoint, and remembers it: its tree begins
    /// with all that was signed before.
    ///
    /// # Errors
    /// [`ReadLogError`].
    pub async fn continue_to(
        &self,
        from: &Position,
        to: &SignedCheckpoint,
    ) -> Result<Position, ReadLogError> {
        let (old, new) = (from.signed(), self.require_signed(to)?);
        // Every log begins with nothing.
        if old.size > 0 {
            self.require_consistent(&old, &new).await?;
        }
        Ok(Position {
            checkpoint: Some(to.clone()),
            edge: from.edge.clone(),
        })
    }

    /// The edge behind the entries of one more bundle, of which `known` were read before:
    /// each is in the signed tree, and so are the tiles that they fill.
    async fn join(
        &self,
        edge: &Edge,
        bundle: &EntryBundle,
        (start, leaves): (u64, Vec<Hash>),
        known: &[Vec<u8>],
        size: u64,
    ) -> Result<Edge, ReadLogError> {
        let (mut edge, mut full) = (edge.clone(), Vec::new());
        let mut known = known.iter();
        for ((index, entry), leaf) in (start..).zip(bundle.entries()).zip(leaves) {
            let before = known.next();
            if Hash::of_leaf(entry) != leaf || before.is_some_and(|before| before != entry) {
                return Err(ReadLogError::Rewritten { index });
            }
            if before.is_none() {
                edge.push(entry, &mut full)?;
            }
        }
        self.compare(full, size).await?;
        Ok(edge)
    }

    /// Requires that a signed tree begins with what was read of it. At its end, what is
    /// wrong with the tiles there comes as a value: the entries are proven without them.
    async fn require_read(
        &self,
        from: &Position,
        edge: &Edge,
        new: &TreeHead,
    ) -> Result<Option<ReadLogError>, ReadLogError> {
        if edge.size() == new.size {
            let tiles = self.compare(edge.partial(0), new.size).await.err();
            return match (edge.head() == *new, tiles) {
                (true, tiles) => Ok(tiles),
                (false, Some(error)) => Err(error),
                (false, None) => Err(ReadLogError::Root { size: new.size }),
            };
        }
        if edge.size() > from.edge.size() {
            self.require_leads_to(new, &edge.head()).await?;
        }
        Ok(None)
    }

    /// Requires that a signed tree begins with the entries that were read of it.
    async fn require_leads_to(
        &self,
        signed: &TreeHead,
        read: &TreeHead,
    ) -> Result<(), ReadLogError> {
        let begins = self.require_consistent(read, signed).await;
        begins.map_err(|error| match error {
            // Nobody has signed for what was read: it is only not what was signed.
            ReadLogError::Fork { .. } => ReadLogError::Root { size: signed.size },
            other => other,
        })
    }

    /// A position behind the first `size` entries of a signed tree, as the log's tiles have
    /// it: for a reader that has no use of those entries. **Nothing is proven by it** until
    /// the entries behind it are read by [`Self::advance_entries`], which end at the signed
    /// root only if the tiles were right.
    ///
    /// # Errors
    /// [`ReadLogError`].
    pub async fn position_at(
        &self,
        size: u64,
        to: &SignedCheckpoint,
    ) -> Result<EntryPosition, ReadLogError> {
        let signed = self.require_signed(to)?;
        if size >= signed.size {
            return Err(ReadLogError::PastTheEnd {
                index: size,
                size: signed.size,
            });
        }
        let nodes = wanted(|node| Frontier::read(size, node));
        let nodes = self.nodes(nodes, signed.size).await?;
        Ok(EntryPosition {
            checkpoint: None,
            roots: Frontier::read(size, |node| known(&nodes, node))?,
            unread: None,
        })
    }

    /// Reads on as [`Self::advance`] does, and fetches nothing but new entries: that they
    /// lead from the remembered roots to the signed one proves that the log still begins
    /// with all that was read before. It costs the reader less, and accuses the operator
    /// of less: the log's tiles are not compared. Entries that do not lead there may be forged
    /// on their way: **only if the log's hashes, which do lead there, begin with another tree
    /// than before, has it signed two histories**. They must lead by the tree of
    /// [`EntryPosition::unread`], too.
    ///
    /// # Errors
    /// [`ReadLogError`], or what `visit` says.
    pub async fn advance_entries<E: From<ReadLogError>>(
        &self,
        from: &EntryPosition,
        to: &SignedCheckpoint,
        visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<EntryPosition, E> {
        let end = to.checkpoint().head.size;
        self.advance_entries_up_to(end, from, to, visit).await
    }

    /// The same, but no further than to the end of the bundle with the entry before `end`. If
    /// that is not all, a position inside of the checkpoint, whose tree is proven to begin with
    /// what was read, and with all that was signed before.
    ///
    /// # Errors
    /// The same.
    pub async fn advance_entries_up_to<E: From<ReadLogError>>(
        &self,
        end: u64,
        from: &EntryPosition,
        to: &SignedCheckpoint,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<EntryPosition, E> {
        let (old, new) = (from.head(), self.require_signed(to)?);
        let signed = from.signed();
        require_no_rollback(&signed, &new)?;
        let mut roots = from.roots.clone();
        let (first, end) = bundles(old.size, end.min(new.size));
        let unread = if old == new { end..end } else { first..end };
        let files = stream::iter(unread).map(async |index| {
            let bundle = self.bundle(index, new.size).await?;
            Ok::<_, ReadLogError>((index.saturating_mul(u64::from(FULL_TILE)), bundle))
        });
        let mut files = pin!(files.buffered(READ_AHEAD));
        while let Some((start, bundle)) = files.try_next().await? {
            let entries = (start..).zip(bundle.entries());
            for (place, entry) in entries.skip_while(|(place, _)| *place < old.size) {
                roots.push(Hash::of_leaf(entry));
                visit(place, entry)?;
                if roots.size() == signed.size && roots.head() != signed {
                    let diverged = ReadLogError::diverged(&signed, &new);
                    return Err(self.fork_or(diverged, &signed, &new).await.into());
                }
            }
        }
        if roots.size() < new.size {
            self.require_consistent(&signed, &new).await?;
            self.require_leads_to(&new, &roots.head()).await?;
            return Ok(EntryPosition {
                checkpoint: None,
                roots,
                unread: Some(to.clone()),
            });
        }
        if roots.head() != new {
            let diverged = ReadLogError::diverged(&old, &new);
            return Err(self.fork_or(diverged, &signed, &new).await.into());
        }
        Ok(EntryPosition {
            checkpoint: Some(to.clone()),
            roots,
            unread: None,
        })
    }

    /// That two signed trees are those of two histories, if that is proven; else `diverged`.
    async fn fork_or(
        &self,
        diverged: ReadLogError,
        signed: &TreeHead,
        new: &TreeHead,
    ) -> ReadLogError {
        match self.require_consistent(signed, new).await {
            Err(fork @ ReadLogError::Fork { .. }) => fork,
            _ => diverged,
        }
    }
}

/// The bundles that hold the entries from `old` to `new`.
const fn bundles(old: u64, new: u64) -> (u64, u64) {
    let full = FULL_TILE as u64;
    (old / full, new.div_ceil(full))
}
