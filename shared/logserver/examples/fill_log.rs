//! Fills a log and reads it again, and prints what that took: entries a second,
//! bytes an entry on disk, memory, the time of a start and of a proof.
//!
//! Usage: `cargo run --release -p pennyblack-tlog --example fill_log -- [entries]`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pennyblack_logserver::TransparencyLog;
use pennyblack_tlog::Hash;
use pennyblack_tlog::proof::verify_inclusion;
use tokio::task::JoinSet;

/// Bytes of an entry: a double spend has about as many.
const ENTRY: usize = 590;
/// Appends under way at a time.
const AT_ONCE: u64 = 512;
/// Proofs that are made.
const PROOFS: u64 = 1_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let entries: u64 = match std::env::args().nth(1) {
        Some(entries) => entries.parse()?,
        None => 1_000_000,
    };
    let home = tempfile::tempdir()?;
    let name = "log.example/log".parse()?;
    let log = Arc::new(TransparencyLog::open(home.path(), &name, |_, _| ())?);
    println!("memory before: {} kB", resident()?);
    let begin = Instant::now();
    let half = fill(&log, 0..entries / 2).await?;
    println!("first half: {half:.0} entries/s, memory {} kB", resident()?);
    let rest = fill(&log, entries / 2..entries).await?;
    println!(
        "second half: {rest:.0} entries/s, memory {} kB",
        resident()?
    );
    let mut checkpoints = log.checkpoints();
    checkpoints
        .wait_for(|last| last.checkpoint().head.size == entries)
        .await?;
    println!("all under a checkpoint after {:.1?}", begin.elapsed());
    drop(checkpoints);
    drop(log);
    let bytes = size_of_directory(home.path())?;
    println!(
        "{:.1} bytes an entry on disk",
        bytes as f64 / entries as f64
    );
    let begin = Instant::now();
    let log = TransparencyLog::open(home.path(), &name, |_, _| ())?;
    println!("start, every entry checked: {:.1?}", begin.elapsed());
    prove(&log, entries)
}

/// Appends entries with these numbers; how many a second.
async fn fill(
    log: &Arc<TransparencyLog>,
    numbers: std::ops::Range<u64>,
) -> Result<f64, Box<dyn Error>> {
    let (begin, count) = (Instant::now(), numbers.end - numbers.start);
    let mut tasks = JoinSet::new();
    for worker in 0..AT_ONCE {
        let (log, numbers) = (Arc::clone(log), numbers.clone());
        tasks.spawn(async move {
            for number in numbers.skip(worker as usize).step_by(AT_ONCE as usize) {
                let mut entry = vec![0x55; ENTRY];
                entry.extend(number.to_be_bytes());
                log.append(entry).await?;
            }
            Ok::<_, pennyblack_logserver::AppendError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

fn prove(log: &TransparencyLog, entries: u64) -> Result<(), Box<dyn Error>> {
    let head = log.checkpoint().verify(log.verifier())?;
    let (mut inclusion, mut consistency, mut longest) = (Duration::ZERO, Duration::ZERO, 0);
    for place in (0..PROOFS).map(|i| i * entries / PROOFS) {
        let begin = Instant::now();
        let proof = log.prove_inclusion(place, entries)?;
        inclusion += begin.elapsed();
        for (_, entry) in log.entries(place, 1)? {
            verify_inclusion(Hash::of_leaf(&entry), place, &head, &proof)?;
        }
        let begin = Instant::now();
        let hashes = log.prove_consistency(place, entries)?.len();
        consistency += begin.elapsed();
        longest = longest.max(hashes);
    }
    let each = |total: Duration| total / u32::try_from(PROOFS).unwrap_or(1);
    println!("an inclusion proof: {:.1?}", each(inclusion));
    println!("a consistency proof: {:.1?}", each(consistency));
    println!("the longest of those has {longest} hashes");
    Ok(())
}

/// Memory that this process holds, in kB.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes.ok_or("no VmRSS")?.trim().parse()?)
}

fn size_of_directory(path: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for found in std::fs::read_dir(path)? {
        let found = found?;
        total += if found.file_type()?.is_dir() {
            size_of_directory(&found.path())?
        } else {
            found.metadata()?.len()
        };
    }
    Ok(total)
}
