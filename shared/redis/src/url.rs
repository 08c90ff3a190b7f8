//! The address of a Redis: one server, a cluster, or a primary that Sentinels
//! know. Only reading it; nothing is resolved or connected here.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const DEFAULT_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;
/// Most nodes of a URL; a few are enough to find the others.
const MOST_NODES: usize = 64;

/// What stands at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server, at the first address.
    Single {
        /// The number of the database.
        database: u32,
    },
    /// A cluster; the addresses are some of its nodes.
    Cluster,
    /// Sentinels at the addresses, which know the primary of this name.
    Sentinel {
        /// The name under which they watch it.
        primary: String,
        /// The number of the database.
        database: u32,
    },
}

/// `redis://`, `rediss://` (TLS), `redis+cluster://`, `rediss+cluster://`,
/// `redis+sentinel://` or `rediss+sentinel://`; then `user:password@` if need be,
/// `host:port` with commas between several, and `/` with the number of a database,
/// or with the primary's name for Sentinels.
///
/// `Display`, `Debug` and serialization leave the password out.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedisUrl {
    topology: Topology,
    tls: bool,
    nodes: Vec<(String, u16)>,
    user: Option<String>,
    password: Option<Zeroizing<String>>,
}

/// What is wrong with a URL. It is never repeated: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// None of the six schemes.
    #[error(
        "the store's URL begins with redis://, rediss://, redis+cluster://, rediss+cluster://, \
         redis+sentinel:// or rediss+sentinel://"
    )]
    Scheme,
    /// A node without a name, with a port that is none, or too many nodes.
    #[error("the store's URL names its nodes as host:port, with commas between them")]
    Node,
    /// More than one node, and no cluster.
    #[error("redis:// names one server: for a cluster write redis+cluster://")]
    SeveralNodes,
    /// The number of a database is none.
    #[error("the path of the store's URL is the number of a database")]
    Database,
    /// A cluster has only one database.
    #[error("a Redis Cluster has no databases: leave the path of the store's URL away")]
    ClusterDatabase,
    /// Sentinels, and no name of a primary.
    #[error(
        "redis+sentinel:// ends with the name of the primary: redis+sentinel://host:26379/NAME"
    )]
    NoPrimary,
    /// Percent-encoding that is not UTF-8.
    #[error("user and password in the store's URL are UTF-8, percent-encoded")]
    Encoding,
}

impl RedisUrl {
    /// What stands there.
    #[must_use]
    pub const fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        self.tls
    }

    /// Host and port of each node; at least one.
    #[must_use]
    pub fn nodes(&self) -> &[(String, u16)] {
        &self.nodes
    }

    /// The user, unless it is Redis' default one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|password| password.as_str())
    }
}

impl FromStr for RedisUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", kind) => (false, kind),
            ("rediss", kind) => (true, kind),
            _ => return Err(UrlError::Scheme),
        };
        // A password may hold anything that is encoded, so no raw '@' or '/'.
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let (nodes, path) = rest.split_once('/').unwrap_or((rest, ""));
        let default_port = match kind {
            "sentinel" => SENTINEL_PORT,
            _ => DEFAULT_PORT,
        };
        let nodes = parse_nodes(nodes, default_port)?;
        let topology = match kind {
            "" if nodes.len() > 1 => return Err(UrlError::SeveralNodes),
            "" => Topology::Single {
                database: parse_database(path)?,
            },
            "cluster" if path.is_empty() => Topology::Cluster,
            "cluster" => return Err(UrlError::ClusterDatabase),
            "sentinel" => {
                let (primary, database) = path.split_once('/').unwrap_or((path, ""));
                if primary.is_empty() {
                    return Err(UrlError::NoPrimary);
                }
                Topology::Sentinel {
                    primary: decode(primary)?,
                    database: parse_database(database)?,
                }
            }
            _ => return Err(UrlError::Scheme),
        };
        let (user, password) = parse_credentials(credentials)?;
        Ok(Self {
            topology,
            tls,
            nodes,
            user,
            password,
        })
    }
}

type Credentials = (Option<String>, Option<Zeroizing<String>>);

fn parse_credentials(credentials: Option<&str>) -> Result<Credentials, UrlError> {
    let Some(credentials) = credentials else {
        return Ok((None, None));
    };
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(Zeroizing::new(decode(password)?))),
        None => (credentials, None),
    };
    let user = decode(user)?;
    Ok((Some(user).filter(|user| !user.is_empty()), password))
}

fn parse_nodes(text: &str, default_port: u16) -> Result<Vec<(String, u16)>, UrlError> {
    if text.split(',').count() > MOST_NODES {
        return Err(UrlError::Node);
    }
    text.split(',')
        .map(|node| parse_node(node, default_port))
        .collect()
}

fn parse_node(text: &str, default_port: u16) -> Result<(String, u16), UrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(UrlError::Node)?;
            (
                host,
                port.strip_prefix(':')
                    .or_else(|| port.is_empty().then_some("")),
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port).filter(|port| !port.is_empty())),
            None => (text, Some("")),
        },
    };
    let port = match port.ok_or(UrlError::Node)? {
        "" => default_port,
        port => port.parse().map_err(|_| UrlError::Node)?,
    };
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    if host.is_empty() || port == 0 || !host.chars().all(is_plain) {
        return Err(UrlError::Node);
    }
    Ok((host.to_owned(), port))
}

fn parse_database(text: &str) -> Result<u32, UrlError> {
    match text {
        "" => Ok(0),
        number => number.parse().map_err(|_| UrlError::Database),
    }
}

fn decode(text: &str) -> Result<String, UrlError> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| UrlError::Encoding)
}

impl TryFrom<String> for RedisUrl {
    type Error = UrlError;

    fn try_from(text: String) -> Result<Self, UrlError> {
        Zeroizing::new(text).parse()
    }
}

impl From<RedisUrl> for String {
    fn from(url: RedisUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "rediss" } else { "redis" })?;
        f.write_str(match self.topology {
            Topology::Single { .. } => "://",
            Topology::Cluster => "+cluster://",
            Topology::Sentinel { .. } => "+sentinel://",
        })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        for (place, (host, port)) in self.nodes.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            match host.contains(':') {
                true => write!(f, "{comma}[{host}]:{port}")?,
                false => write!(f, "{comma}{host}:{port}")?,
            }
        }
        match &self.topology {
            Topology::Cluster | Topology::Single { database: 0 } => Ok(()),
            Topology::Single { database } => write!(f, "/{database}"),
            Topology::Sentinel { primary, database } => write!(f, "/{primary}/{database}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<RedisUrl, UrlError> {
        text.parse()
    }

    #[test]
    fn every_form_is_read() {
        let single = parse("redis://localhost").unwrap();
        assert_eq!(*single.topology(), Topology::Single { database: 0 });
        assert_eq!(single.nodes(), [("localhost".to_owned(), 6379)]);
        assert!(!single.is_tls());

        let secured = parse("rediss://cps:p%40ss%2Fword@db.example:7000/3").unwrap();
        assert_eq!(*secured.topology(), Topology::Single { database: 3 });
        assert_eq!(secured.user(), Some("cps"));
        assert_eq!(secured.password(), Some("p@ss/word"));
        assert!(secured.is_tls());

        let cluster = parse("redis+cluster://:secret@a:7000,b:7001,[::1]:7002").unwrap();
        assert_eq!(*cluster.topology(), Topology::Cluster);
        assert_eq!(cluster.nodes().len(), 3);
        assert_eq!(cluster.nodes()[2], ("::1".to_owned(), 7002));
        assert_eq!((cluster.user(), cluster.password()), (None, Some("secret")));

        let sentinel = parse("rediss+sentinel://s1,s2:5000/main/2").unwrap();
        assert_eq!(sentinel.nodes()[0].1, 26379);
        let primary = "main".to_owned();
        assert_eq!(
            *sentinel.topology(),
            Topology::Sentinel {
                primary,
                database: 2
            }
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (text, error) in [
            ("localhost:6379", UrlError::Scheme),
            ("http://localhost", UrlError::Scheme),
            ("redis+ring://localhost", UrlError::Scheme),
            ("redis://a,b", UrlError::SeveralNodes),
            ("redis://", UrlError::Node),
            ("redis://a:", UrlError::Node),
            ("redis://a:0", UrlError::Node),
            ("redis://a:65536", UrlError::Node),
            ("redis://[::1", UrlError::Node),
            ("redis+cluster://a,,b", UrlError::Node),
            ("redis://a/one", UrlError::Database),
            ("redis+cluster://a/1", UrlError::ClusterDatabase),
            ("redis+sentinel://a", UrlError::NoPrimary),
            ("redis://:%ff@a", UrlError::Encoding),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_password_is_shown_nowhere() {
        let url = parse("redis://cps:hush@localhost:6380/1").unwrap();
        assert_eq!(url.to_string(), "redis://cps@localhost:6380/1");
        assert!(!format!("{url:?}").contains("hush"));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = parse(&text);
            let _ = parse(&format!("redis+sentinel://{text}"));
        }

        #[test]
        fn without_a_password_it_reads_what_it_writes(
            host in "[a-z]{1,8}", port in 1u16.., database in 0u32..16, tls: bool,
        ) {
            let scheme = if tls { "rediss" } else { "redis" };
            let url = parse(&format!("{scheme}://{host}:{port}/{database}")).unwrap();
            prop_assert_eq!(parse(&url.to_string()), Ok(url));
        }
    }
}
