//! What a service writes to standard error: text for people at a terminal, one
//! JSON object a line for machines. There is no request log, and the code of
//! other people is not let in: nothing here may say who stored, from where, or
//! for whom (docs/threat-model.md).

#[cfg(any(test, feature = "testing"))]
pub mod testing;

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Every package of this project, and no other, logs under this prefix.
const OUR_TARGETS: &str = "pennyblack";

/// Starts logging for the whole process.
///
/// # Errors
/// When something in this process logs already.
pub fn start(config: &LogConfig) -> Result<(), TryInitError> {
    let ours = Targets::new().with_target(OUR_TARGETS, level(config.level));
    let layer = fmt::layer().with_writer(std::io::stderr);
    let layer = match as_text(config.format) {
        true => layer
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
        false => layer.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(ours))
        .try_init()
}

fn as_text(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => std::io::stderr().is_terminal(),
        LogFormat::Text => true,
        LogFormat::Json => false,
    }
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}
