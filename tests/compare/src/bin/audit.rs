//! Fills a CPS's log with double spends, follows it over HTTP as an auditor does, and
//! prints what that took.

use std::error::Error;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use http::StatusCode;
use pennyblack_audit::{Auditor, Log, LogPlace, StateDirectory, verify_proof};
use pennyblack_base::time::UnixTime;
use pennyblack_compare::machine::Machine;
use pennyblack_evidence::double_spend::DoubleSpendEvidence;
use pennyblack_evidence::log_entry::{LogEntry, Minute, Statement};
use pennyblack_http::{HttpClient, HttpOptions};
use pennyblack_logserver::TransparencyLog;
use pennyblack_logserver::routes;
use pennyblack_privacypass::token_key::TokenKey;
use pennyblack_tests::scene::Scene;
use pennyblack_tlog::LogReader;
use pennyblack_tlog::{VerifierKey, WitnessPolicy};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Appends under way at a time.
const AT_ONCE: usize = 512;
/// Double spends that really happen; the log repeats them, and each entry is
/// verified all the same.
const REAL: usize = 32;
/// Longest time of a run.
const LIMIT: Duration = Duration::from_secs(86_400);
/// Proofs that are made and verified.
const PROOFS: u64 = 200;

/// Appends double spends to a transparency log, follows it over HTTP with the
/// evidence of every entry verified, and proves entries. Wants a machine that does
/// nothing else, and 1.5 GB of disk for a million entries.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// How many double spends.
    #[arg(default_value_t = 1_000_000)]
    entries: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { entries } = Arguments::parse();
    let machine = Machine::here();
    println!(
        "{}, {} cores, {}",
        machine.processor, machine.cores, machine.system
    );
    let (cps, token_key, evidence) = double_spends().await?;
    let home = tempfile::tempdir()?;
    let name = format!("{cps}{}", routes::PREFIX).parse()?;
    let log = Arc::new(TransparencyLog::open(home.path(), &name, |_, _| ())?);
    let opened = Statement::KeyEpochOpened {
        issuer: "issuer.example".parse()?,
        key: token_key,
        not_before: UnixTime(0),
    };
    log.append(entry(opened)).await?;
    fill(&log, entries, evidence).await?;
    let (url, key) = serve(&log).await?;
    println!(
        "{:.1} bytes an entry on disk",
        ratio(size_of_directory(home.path())?, entries)
    );
    let state = tempfile::tempdir()?;
    follow(&url, &key, state.path(), entries).await?;
    let begin = Instant::now();
    follow_once(&url, &key, state.path(), |_, _| ()).await?;
    println!("followed again, nothing new: {:.1?}", begin.elapsed());
    prove(&url, &key, entries).await
}

/// Double spends of tokens that a real issuer signed, found by a real CPS: its name,
/// the token key, and what it logged.
async fn double_spends() -> Result<(String, TokenKey, Vec<DoubleSpendEvidence>), Box<dyn Error>> {
    let scene = Scene::open().await;
    let world = &scene.world;
    let mailbox = world.mailbox().await;
    for _ in 0..REAL {
        let token = world.draw_one().await;
        for passport in ["a.b.c", "d.e.f"] {
            world
                .store(&world.spend(&token, &mailbox, passport))
                .await?;
        }
    }
    let answer = world.get("/v1/double-spends").await;
    if answer.status != StatusCode::OK {
        return Err(format!("double spends: {}", answer.status).into());
    }
    let lines = String::from_utf8(answer.content().to_vec())?;
    let evidence = lines.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let evidence = line.get("evidence").ok_or("a line without evidence")?;
        Ok::<DoubleSpendEvidence, Box<dyn Error>>(evidence.to_string().parse()?)
    });
    let evidence = evidence.collect::<Result<Vec<_>, _>>()?;
    let (cps, key) = (world.cps_name().to_string(), world.signing_key().await);
    scene.close().await;
    Ok((cps, key, evidence))
}

fn entry(statement: Statement) -> Vec<u8> {
    let minute = Minute::of(UnixTime(1_800_000_000));
    LogEntry { minute, statement }.to_bytes()
}

async fn fill(
    log: &Arc<TransparencyLog>,
    entries: u64,
    evidence: Vec<DoubleSpendEvidence>,
) -> Result<(), Box<dyn Error>> {
    let bytes = evidence.into_iter().map(|evidence| {
        let statement = Statement::DoubleSpend(Box::new(evidence));
        entry(statement)
    });
    let bytes: Arc<Vec<Vec<u8>>> = Arc::new(bytes.collect());
    let (begin, before) = (Instant::now(), resident()?);
    let mut tasks = JoinSet::new();
    for worker in 0..AT_ONCE {
        let (log, bytes) = (Arc::clone(log), Arc::clone(&bytes));
        let share = (0..entries).skip(worker).step_by(AT_ONCE);
        tasks.spawn(async move {
            for (_, entry) in share.zip(bytes.iter().cycle().skip(worker)) {
                log.append(entry.clone()).await?;
            }
            Ok::<_, pennyblack_logserver::AppendError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    let size = log.size();
    let mut checkpoints = log.checkpoints();
    let signed = checkpoints.wait_for(|last| last.checkpoint().head.size == size);
    signed.await?;
    println!(
        "appended and signed: {:.0} entries/s, memory {} -> {} kB",
        rate(entries, begin.elapsed()),
        before,
        resident()?
    );
    Ok(())
}

async fn serve(log: &Arc<TransparencyLog>) -> Result<(String, VerifierKey), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}{}", listener.local_addr()?, routes::PREFIX);
    let router = routes::router(Arc::clone(log)).into_router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((url, log.verifier().clone()))
}

fn http() -> Result<HttpClient, Box<dyn Error>> {
    Ok(HttpOptions::default().client()?)
}

async fn follow(
    url: &str,
    key: &VerifierKey,
    state: &Path,
    entries: u64,
) -> Result<(), Box<dyn Error>> {
    let (begin, mut memory) = (Instant::now(), Vec::new());
    let quarter = (entries / 4).max(1);
    let seen = |place: u64, _| {
        if place.is_multiple_of(quarter) {
            memory.push(resident().unwrap_or(0).to_string());
        }
    };
    let found = follow_once(url, key, state, seen).await?;
    println!(
        "followed over HTTP, {found} double spends verified: {:.0} entries/s, memory {} kB",
        rate(entries, begin.elapsed()),
        memory.join(", ")
    );
    Ok(())
}

async fn follow_once(
    url: &str,
    key: &VerifierKey,
    state: &Path,
    mut seen: impl FnMut(u64, u64),
) -> Result<u64, Box<dyn Error>> {
    let directory = StateDirectory::new(state);
    let (place, policy) = (LogPlace::new(url, &http()?)?, WitnessPolicy::default());
    let key = key.clone();
    let auditor = Auditor::new(Log { place, key, policy }, None)?;
    let followed = auditor.follow(
        UnixTime(1_800_000_000),
        || directory.load(),
        LIMIT,
        |_, done, of| seen(done, of),
    );
    let mut followed = followed.await?;
    directory.keep(&followed.state)?;
    if let Some(error) = followed.stopped.take() {
        return Err(error.into());
    }
    Ok(followed.double_spends)
}

async fn prove(url: &str, key: &VerifierKey, entries: u64) -> Result<(), Box<dyn Error>> {
    let place = LogPlace::new(url, &http()?)?;
    let reader = LogReader::new(place, key.clone(), WitnessPolicy::default());
    let (mut proving, mut verifying, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
    for index in (0..PROOFS).map(|number| number * entries / PROOFS) {
        let begin = Instant::now();
        let checkpoint = reader.checkpoint().await?;
        let proof = reader.prove(index, &checkpoint).await?.to_string();
        proving += begin.elapsed();
        bytes += proof.len();
        let begin = Instant::now();
        verify_proof(&proof, key, &WitnessPolicy::default())?;
        verifying += begin.elapsed();
    }
    let each = u32::try_from(PROOFS)?;
    println!(
        "a proof over HTTP: {:.1?}; verified in {:.1?}; {} bytes",
        proving / each,
        verifying / each,
        bytes as u64 / PROOFS
    );
    Ok(())
}

fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// Memory that this process holds, in kB: log, server and auditor together.
fn resident() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes.ok_or("no VmRSS")?.trim().parse()?)
}

/// What the partial tiles, which the log removes meanwhile, took does not count.
fn size_of_directory(path: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for found in std::fs::read_dir(path)? {
        let found = found?;
        total += match found.metadata() {
            Ok(metadata) if metadata.is_dir() => size_of_directory(&found.path())?,
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(total)
}
