//! `audit follow --roster`: the logs of all CPSs and issuers of a roster. Not here: following
//! them (`pennyblack_audit`).

use std::path::Path;
use std::time::Duration;

use pennyblack_audit::{
    AuditError, CpsFollowed, FederationAuditor, FollowedFederation, FollowedLog, IssuerFollowed,
    Log, LogPlace, Misbehaviour,
};
use pennyblack_evidence::key_log_view::LOG_PATH;
use pennyblack_http::HttpClient;
use pennyblack_roster::{KeptRosters, Member, Role, Roster, Standing};
use pennyblack_runtime::clock::Clock;
use pennyblack_tlog::{KeyName, WitnessPolicy};
use serde_json::{Value, json};

use super::super::federation::standing;
use super::super::outcome::{Exit, Failure, Outcome, exit_of_audit};
use super::super::table::{Cell, Color, Table, numbers, words};
use super::super::wording::{count, plural, wrapped};

/// What is followed, and how.
pub(super) struct FederationOptions<'a> {
    pub(super) rosters: &'a Path,
    pub(super) state: &'a Path,
    /// Who must have cosigned the logs of CPSs.
    pub(super) policy: WitnessPolicy,
    pub(super) own_tokens: bool,
    pub(super) limit: Duration,
}

impl FederationOptions<'_> {
    /// Follows all of them. The worst that is found is the exit code.
    pub(super) async fn follow(
        &self,
        client: &HttpClient,
        progress: impl Fn(&KeyName, u64, u64),
    ) -> Result<Outcome, Failure> {
        let now = Clock::system().now();
        let chain = KeptRosters::chain_in(self.rosters);
        let chain = chain.map_err(|error| Failure::from(error).of_option("--roster"))?;
        let roster = chain.in_force(now).roster();
        // Nothing new is believed by one that has ended.
        if !matches!(roster.validity.standing(now), Standing::Current { .. }) {
            let text = standing(&roster.validity, now);
            let text = format!("--roster: roster {}: {text}", roster.sequence());
            return Err(Failure::new(Exit::RosterNotCurrent, text));
        }
        let cpss = logs(roster, Role::Cps, client, &self.policy)?;
        // The witnesses are those of the CPSs' logs.
        let issuers = logs(roster, Role::Issuer, client, &WitnessPolicy::default())?;
        let auditor = FederationAuditor::new(cpss, issuers, self.state)?;
        let followed = auditor.follow(now, self.limit, progress).await;
        Ok(self.outcome(roster, &followed))
    }

    fn outcome(&self, roster: &Roster, followed: &FollowedFederation) -> Outcome {
        let together = match self.own_tokens {
            true => wrong_together(followed),
            false => Vec::new(),
        };
        let cpss = followed.cpss.iter().map(Service::of_cps);
        let issuers = followed.issuers.iter().map(Service::of_issuer);
        let services: Vec<_> = cpss.chain(issuers).collect();
        let exits = services.iter().map(Service::exit);
        let exits = exits.chain(together.iter().map(exit_of_audit));
        let exit = Exit::worst(exits);
        let mut lines: Vec<_> = services.iter().flat_map(Service::sentences).collect();
        lines.extend(together.iter().map(|error| sentence(&error.to_string())));
        lines.push(summary(followed, self.own_tokens));
        let text = format!("{}\n{}", table(roster, &services), lines.join("\n"));
        let json = json!({
            "federation": roster.origin,
            "roster": roster.sequence().get(),
            "services": services.iter().map(|one| one.to_json(roster)).collect::<Vec<_>>(),
            "together": followed.together,
            "wrong_together": together.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "exit_code": exit as u8,
        });
        Outcome::new(json, text, exit)
    }
}

/// The logs of the members with this role, by the keys of the roster.
fn logs(
    roster: &Roster,
    role: Role,
    client: &HttpClient,
    policy: &WitnessPolicy,
) -> Result<Vec<Log>, Failure> {
    let members = roster.members.iter().filter(|member| member.role() == role);
    let logs = members.filter_map(|member| {
        let log = format!("{}{LOG_PATH}", member.uri().authority());
        let key = member
            .keys()
            .iter()
            .find(|key| key.name().as_str() == log)?;
        let place = LogPlace::new(&format!("{}{LOG_PATH}", member.uri()), client);
        Some(place.map(|place| Log {
            place,
            key: key.clone(),
            policy: policy.clone(),
        }))
    });
    Ok(logs.collect::<Result<_, _>>()?)
}

/// Keys of which all CPSs together have accepted more than were issued.
fn wrong_together(followed: &FollowedFederation) -> Vec<AuditError> {
    let sums = followed.together.iter();
    sums.filter_map(|sum| sum.reconcile().err()).collect()
}

/// A log that was to be followed, for a row.
struct Service<'a> {
    log: &'a KeyName,
    role: &'static str,
    followed: Option<&'a FollowedLog>,
    errors: &'a [AuditError],
    unfollowed: &'a [String],
    uncompared: &'a [String],
    double_spends: Option<u64>,
}

impl<'a> Service<'a> {
    fn of_cps(cps: &'a CpsFollowed) -> Self {
        Self {
            log: &cps.log,
            role: Role::Cps.as_str(),
            followed: cps.followed.as_ref(),
            errors: &cps.errors,
            unfollowed: &cps.unfollowed,
            uncompared: &cps.uncompared,
            double_spends: Some(cps.double_spends),
        }
    }

    fn of_issuer(issuer: &'a IssuerFollowed) -> Self {
        Self {
            log: &issuer.log,
            role: Role::Issuer.as_str(),
            followed: issuer.followed.as_ref(),
            errors: &issuer.errors,
            unfollowed: &[],
            uncompared: &[],
            double_spends: None,
        }
    }

    /// Its authority.
    fn name(&self) -> &str {
        let log = self.log.as_str();
        log.strip_suffix(LOG_PATH).unwrap_or(log)
    }

    fn exit(&self) -> Exit {
        let errors = self.errors.iter().map(exit_of_audit);
        let rest = match self.followed {
            // No CPS's audit has come to it.
            None if self.errors.is_empty() => Exit::Network,
            Some(log) if !log.is_complete && self.errors.is_empty() => Exit::Unfinished,
            _ if !self.unfollowed.is_empty() => Exit::IssuerNotFollowed,
            _ => Exit::Done,
        };
        Exit::worst(errors.chain([rest]))
    }

    /// What was found, in a word or two.
    fn finding(&self) -> String {
        if self.followed.is_none() && self.errors.is_empty() {
            return "not asked".to_owned();
        }
        let misbehaviour = self.errors.first().and_then(AuditError::misbehaviour);
        match (misbehaviour, self.exit()) {
            (Some(misbehaviour), _) => word(misbehaviour),
            (None, Exit::Done) => "sound".to_owned(),
            (None, Exit::Network) => "away".to_owned(),
            (None, Exit::Unfinished) => "not read to its end".to_owned(),
            (None, Exit::IssuerNotFollowed) => "an issuer that is no member".to_owned(),
            (None, _) => "not followed".to_owned(),
        }
    }

    /// A sentence for each thing that is not as it should be.
    fn sentences(&self) -> Vec<String> {
        let name = self.name();
        let mut all: Vec<_> = self.errors.iter().map(|error| {
            let text = error.to_string();
            let help = match error.misbehaviour() {
                Some(Misbehaviour::BadSignature) => {
                    ". The roster names the key that it must be signed with: ask the operator and \
                     the governors which is right"
                }
                _ => "",
            };
            match text.starts_with(name) {
                true => sentence(&format!("{text}{help}")),
                false => sentence(&format!("{name}: {text}{help}")),
            }
        }).collect();
        if !self.unfollowed.is_empty() {
            let issuers = self.unfollowed.join(", ");
            all.push(sentence(&format!(
                "{name} takes keys of {issuers}, which the roster does not name: nobody has checked \
                 them"
            )));
        }
        if !self.uncompared.is_empty() {
            let issuers = self.uncompared.join(", ");
            all.push(sentence(&format!(
                "{name} takes keys of {issuers} that were not compared with that log, which was \
                 not read to its end: the next run compares them"
            )));
        }
        if let Some(log) = self.followed.filter(|log| !log.skipped.is_empty()) {
            all.push(sentence(&format!(
                "{name} has {}: they were not checked; update this program",
                log.skipped
            )));
        }
        all
    }

    fn to_json(&self, roster: &Roster) -> Value {
        let operator = member_of(roster, self).map(Member::operator);
        let followed = self.followed;
        let errors = self.errors.iter().map(
            |error| json!({"message": error.to_string(), "exit_code": exit_of_audit(error) as u8}),
        );
        json!({
            "service": self.name(),
            "role": self.role,
            "operator": operator.map(ToString::to_string),
            "log": self.log.as_str(),
            "entries": followed.map(|log| log.now),
            "new": followed.map(|log| log.now - log.before),
            "signed": followed.map(|log| log.signed),
            "complete": followed.is_some_and(|log| log.is_complete),
            "new_double_spends": self.double_spends,
            "issuers_not_followed": self.unfollowed,
            "issuers_not_compared": self.uncompared,
            "errors": errors.collect::<Vec<_>>(),
            "exit_code": self.exit() as u8,
        })
    }
}

/// Who it is by the roster.
fn member_of<'r>(roster: &'r Roster, service: &Service<'_>) -> Option<&'r Member> {
    let mut members = roster.members.iter();
    members.find(|member| member.uri().authority().as_str() == service.name())
}

/// `rewritten entry`.
fn word(misbehaviour: Misbehaviour) -> String {
    let word = serde_json::to_value(misbehaviour).unwrap_or_default();
    word.as_str().unwrap_or_default().replace('-', " ")
}

fn sentence(text: &str) -> String {
    wrapped(text, "", "  ")
}

fn table(roster: &Roster, services: &[Service<'_>]) -> Table {
    let mut table = Table::new([
        words("service"),
        words("is").whole(),
        words("operator"),
        numbers("entries"),
        numbers("new"),
        words("finding"),
    ]);
    for service in services {
        let member = member_of(roster, service);
        let (entries, new) = match service.followed {
            Some(log) => (log.now.to_string(), (log.now - log.before).to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let color = match service.exit() {
            Exit::Done => Color::Green,
            Exit::Unfinished | Exit::Network => Color::Yellow,
            _ => Color::Red,
        };
        table.row([
            Cell::new(service.name()),
            Cell::new(service.role),
            Cell::new(
                member
                    .map(Member::operator)
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            ),
            Cell::new(entries),
            Cell::new(new),
            Cell::new(service.finding()).fg(color),
        ]);
    }
    table
}

/// What the logs say together.
fn summary(followed: &FollowedFederation, own_tokens: bool) -> String {
    let double_spends = followed
        .cpss
        .iter()
        .map(|cps| cps.double_spends)
        .sum::<u64>();
    let closed = followed.together.iter().filter(|sum| sum.issued.is_some());
    let (spent, issued) = closed.clone().fold((0, 0), |(spent, issued), sum| {
        (spent + sum.spent, issued + sum.issued.unwrap_or_default())
    });
    let mut text = match double_spends {
        0 => "No new double spends".to_owned(),
        number => format!(
            "{}, the evidence of each verified",
            plural(number, "new double spend")
        ),
    };
    let keys = closed.count() as u64;
    if keys > 0 {
        text.push_str(&format!(
            ". At all CPSs together {spent} of {issued} tokens of {} were spent",
            count(keys, "closed key", "closed keys")
        ));
        if !own_tokens {
            text.push_str(
                "; with --own-tokens that is judged, too, which needs tokens that are good at one \
                 CPS alone",
            );
        }
    }
    sentence(&text)
}
