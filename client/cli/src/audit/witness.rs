//! `pennyblack audit witness`: runs a witness until it is asked to stop. Not here:
//! what it does.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use pennyblack_runtime::clock::Clock;
use pennyblack_runtime::config::{LogConfig, PublicConfig, TlsConfig};
use pennyblack_runtime::logging;
use pennyblack_tlog::{KeyName, VerifierKey};
use pennyblack_witness::{Witness, WitnessServer, limits};
use serde_json::json;

use super::super::outcome::{Exit, Failure, Outcome};
use super::super::signals::Signals;

/// What `witness` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  pennyblack audit witness --name witness.example.org --state witness \\
      --log \"$CPS_KEY\" --listen 0.0.0.0:443 \\
      --tls-certificate witness.pem --tls-key witness.key")]
pub(crate) struct WitnessArguments {
    /// Key of a log to cosign for, `NAME+ID+KEY`, as the log publishes it;
    /// repeat the option for several.
    #[arg(long = "log", value_name = "KEY", required_unless_present = "new_log")]
    logs: Vec<VerifierKey>,
    /// Records that this witness has never known the log with this key, and stops: needed
    /// once for each log that is added to a directory in which there is a key already.
    /// Never for a log that it may have cosigned for: it would cosign a second history.
    #[arg(long, value_name = "KEY")]
    new_log: Option<VerifierKey>,
    /// Name of the witness's own key: its host, without https://, such as
    /// witness.example.org.
    #[arg(long)]
    name: KeyName,
    /// Directory for its key, which is made at the first start, and for the
    /// checkpoints that it has seen. Never continue from an older copy: a witness
    /// that forgets cosigns checkpoints that contradict its earlier ones.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Address and port to listen at; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// PEM file of the TLS certificate chain, leaf first. Without it the witness
    /// serves plain HTTP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// PEM file of its private key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// A proxy in front terminates TLS: serve plain HTTP beyond this machine.
    #[arg(long)]
    behind_proxy: bool,
}

impl WitnessArguments {
    fn public(&self) -> Result<PublicConfig, Failure> {
        let files = self.tls_certificate.clone().zip(self.tls_key.clone());
        let public = PublicConfig {
            listen: self.listen,
            behind_proxy: self.behind_proxy,
            tls: files.map(|(certificate, key)| TlsConfig { certificate, key }),
            limits: limits(),
        };
        if public.transport().is_err() {
            let why = format!(
                "{} can be reached from other machines, and there is no TLS: give \
                 --tls-certificate and --tls-key, listen at 127.0.0.1, or say --behind-proxy if \
                 a proxy in front ends TLS",
                self.listen
            );
            return Err(Failure::new(Exit::Usage, why));
        }
        Ok(public)
    }
}

/// Runs it. Its first line says its key and where it listens, its last that it has
/// stopped; what its operator should look at goes to standard error.
pub(crate) async fn run(arguments: WitnessArguments, json: bool) -> Result<Outcome, Failure> {
    let failed = |error: Box<dyn std::error::Error>| Failure::new(Exit::Failed, error);
    if let Some(log) = &arguments.new_log {
        Witness::begin_log(&arguments.state, log).map_err(|error| failed(error.into()))?;
        return Ok(Outcome::done(
            json!({ "new_log": log.name().as_str() }),
            format!("recorded: nothing of {} was seen yet", log.name()),
        ));
    }
    let public = arguments.public()?;
    logging::start(&LogConfig::default()).map_err(|error| failed(error.into()))?;
    let witness = Witness::open(&arguments.state, &arguments.name, arguments.logs)
        .map_err(|error| failed(error.into()))?;
    let key = witness.key().clone();
    let server = WitnessServer::bind(&public, witness, Clock::system()).await;
    let server = server.map_err(|error| failed(error.into()))?;
    let shutdown = Signals::catch()?.heed(server.reload())?;
    let announced = announce(&key, server.address(), json);
    announced.map_err(|error| failed(error.into()))?;
    server.serve(shutdown).await;
    Ok(Outcome::done(
        json!({ "key": key.to_string(), "stopped": true }),
        "stopped",
    ))
}

fn announce(key: &VerifierKey, address: SocketAddr, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let line = json!({ "key": key.to_string(), "listening": address });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{key}\nlistening at {address}")?;
    }
    out.flush()
}
