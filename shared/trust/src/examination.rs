//! What a start would find of roots and revocation lists, for the check of a configuration.

use std::path::Path;

use pennyblack_base::time::UnixTime;
use pennyblack_service::findings::Findings;
use pennyblack_service::start_error::StartContext as _;
use pennyblack_storage::data_directory;

use crate::config::TrustConfig;
use crate::trust::Trust;

/// Finds it out, and changes nothing. `marks` is where the service keeps how far lists have
/// come.
pub fn examine(config: &TrustConfig, marks: &Path, now: UnixTime, findings: &mut Findings) {
    const USE_TRUST: &str = "cannot use [trust]";
    for directory in config.directories().filter(|path| !path.is_dir()) {
        // It would be made.
        findings.keep(data_directory::check_writable(directory).context(USE_TRUST));
    }
    let trust = Trust::look_at(config, marks, now).context(USE_TRUST);
    let Some(trust) = findings.keep(trust) else {
        return;
    };
    if let Some(lack) = trust.lack(now) {
        findings.lack(format!("trust: {lack}"));
    }
    if let Some(warnings) = trust.warnings(now) {
        findings.note(format!("trust: {warnings}"));
    }
}
