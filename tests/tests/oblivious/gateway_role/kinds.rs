//! Requests of every kind and outcome that a CPS has, each with the status of its answer.

use http::uri::Scheme;
use http::{HeaderValue, Method};
use pennyblack_ohttp::binary_http::Request;
use pennyblack_protocol::key_record::{KEY_RECORD_MEDIA_TYPE, KEYS_PATH};
use pennyblack_protocol::store_request::MEDIA_TYPE;
use pennyblack_tests::mailbox::Mailbox;
use pennyblack_tests::sealed::{inner, inner_get, inner_store, padded_to};
use pennyblack_tests::world::{FIRST_NUMBER, World};

/// One of them.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) request: Request,
    pub(super) status: u16,
    /// Bytes of its answer with padding, without the seal.
    pub(super) class: usize,
}

const SMALLEST: usize = 2_048;
const FOUR: usize = 9_216;
const SIXTEEN: usize = 34_816;

/// All of them; each can be sent again with the same outcome.
pub(super) async fn every_kind(world: &World) -> Vec<Kind> {
    let (mailbox, unknown) = (world.mailbox().await, stranger());
    let mut kinds = stores(world, &mailbox, &unknown).await;
    kinds.extend(polls(world, &mailbox, &unknown));
    kinds.extend(records(world));
    kinds.extend(odd_requests(world));
    kinds
}

fn kind(name: &'static str, request: Request, status: u16, class: usize) -> Kind {
    Kind {
        name,
        request,
        status,
        class,
    }
}

fn small(name: &'static str, request: Request, status: u16) -> Kind {
    kind(name, request, status, SMALLEST)
}

fn stranger() -> Mailbox {
    Mailbox::new(pennyblack_sealing::mailbox::Kem::DhkemX25519, FIRST_NUMBER)
}

async fn stores(world: &World, mailbox: &Mailbox, unknown: &Mailbox) -> Vec<Kind> {
    let tokens = world.draw(3).await;
    let stored = world.spend(&tokens[0], mailbox, "a.b.c");
    world.store(&stored).await.unwrap().assert_created();
    let conflict = world.spend(&tokens[0], mailbox, "d.e.f");
    let nobody = world.spend(&tokens[1], unknown, "a.b.c");
    let unsent = inner_store(world, &world.spend(&tokens[2], mailbox, "a.b.c"));
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = unsent.clone();
        change(&mut request);
        request
    };
    let without = |field: &'static str| {
        with(&move |request: &mut Request| {
            request.fields.remove(field);
        })
    };
    let short = with(&|request: &mut Request| {
        request.content.pop();
        request.fields.remove("content-length");
    });
    let other_type = with(&|request: &mut Request| {
        let json = HeaderValue::from_static("application/json");
        request.fields.insert("content-type", json);
    });
    let queried = with(&|request: &mut Request| {
        request.path = "/v1/passports?a=b".parse().unwrap();
    });
    let mut nothing = inner(world, Method::POST, "/v1/passports");
    nothing
        .fields
        .insert("content-type", HeaderValue::from_static(MEDIA_TYPE));
    nothing.content = vec![0; 2_080];
    vec![
        small("stored before", inner_store(world, &stored), 201),
        small("double spend", inner_store(world, &conflict), 409),
        small("unknown mailbox", inner_store(world, &nobody), 404),
        small("no token", without("authorization"), 401),
        small("nothing", nothing, 401),
        small("no signature", without("signature"), 400),
        small("no digest", without("content-digest"), 400),
        small("a byte short", short, 413),
        small("another media type", other_type, 415),
        small("a query", queried, 400),
    ]
}

fn polls(world: &World, mailbox: &Mailbox, unknown: &Mailbox) -> Vec<Kind> {
    let poll = |mailbox: &Mailbox, slots: &str| {
        inner_get(
            world,
            &format!("/v1/mailboxes/{}?slots={slots}", mailbox.id()),
        )
    };
    vec![
        kind("4 slots", poll(mailbox, "4"), 200, FOUR),
        kind("16 slots", poll(mailbox, "16"), 200, SIXTEEN),
        kind("64 slots", poll(mailbox, "64"), 200, 135_168),
        kind("256 slots", poll(mailbox, "256"), 200, 529_408),
        kind("4 slots of nobody", poll(unknown, "4"), 200, FOUR),
        kind("16 slots of nobody", poll(unknown, "16"), 200, SIXTEEN),
        small("5 slots", poll(mailbox, "5"), 400),
        small("no mailbox", inner_get(world, "/v1/mailboxes/x"), 400),
    ]
}

fn records(world: &World) -> Vec<Kind> {
    let get = |path: &str| inner_get(world, &format!("{KEYS_PATH}{path}"));
    let mut register = inner(world, Method::PUT, KEYS_PATH);
    let media_type = HeaderValue::from_static(KEY_RECORD_MEDIA_TYPE);
    register.fields.insert("content-type", media_type);
    register.content = b"no record".to_vec();
    let known = format!("/{FIRST_NUMBER}");
    vec![
        kind("a number", get(&known), 200, FOUR),
        kind("a number of nobody", get("/19995550100"), 200, FOUR),
        small("no number", get("/x"), 400),
        kind("a prefix of nobody", get("?prefix=1999555"), 200, SIXTEEN),
        kind("a prefix of somebody", get("?prefix=1212555"), 200, SIXTEEN),
        small("a prefix of everybody", get("?prefix=1"), 400),
        small("no record", register, 400),
    ]
}

fn odd_requests(world: &World) -> Vec<Kind> {
    let get = |path: &str| inner_get(world, path);
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = get("/log/key");
        change(&mut request);
        request
    };
    let field = |name: &'static str, value: &'static str| {
        changed(&move |request: &mut Request| {
            request.fields.insert(name, HeaderValue::from_static(value));
        })
    };
    let elsewhere = changed(&|request: &mut Request| {
        request.authority = Some("other.example".parse().unwrap());
    });
    let nowhere = changed(&|request: &mut Request| request.authority = None);
    let plain = changed(&|request: &mut Request| request.scheme = Scheme::HTTP);
    let mut twice = inner(world, Method::POST, "/.well-known/ohttp-gateway");
    let sealed = HeaderValue::from_static("message/ohttp-req");
    twice.fields.insert("content-type", sealed);
    vec![
        small("the log's key", get("/log/key"), 200),
        small("no such path", get("/v2"), 404),
        small("the keys", get("/.well-known/ohttp-gateway"), 404),
        small("the gateway", twice, 404),
        small("metrics", get("/metrics"), 404),
        small("readiness", get("/readyz"), 404),
        small("health", get("/healthz"), 404),
        small("the dashboard", get("/status.json"), 404),
        small("HEAD", inner(world, Method::HEAD, "/log/key"), 405),
        small("DELETE", inner(world, Method::DELETE, "/v1/passports"), 405),
        small(
            "CONNECT",
            inner(world, Method::CONNECT, "/v1/passports"),
            405,
        ),
        small("another authority", elsewhere, 421),
        small("no authority", nowhere, 421),
        small("http", plain, 421),
        small("expect", field("expect", "100-continue"), 400),
        small("pad of 1", field("pennyblack-pad", "1"), 400),
        small("pad of a megabyte", field("pennyblack-pad", "1056768"), 400),
    ]
}

/// The same kinds with their answers padded to at least so many bytes. One that asks for
/// another padding already is left out.
pub(super) fn with_padding(kinds: &[Kind], least: usize) -> Vec<Kind> {
    let kinds = kinds.iter().filter(|kind| !kind.name.starts_with("pad "));
    let padded = kinds.map(|kind| {
        // What is refused before its fields are looked at has the class of its answer.
        let is_looked_at = !matches!(kind.status, 421) && kind.name != "expect";
        Kind {
            request: padded_to(kind.request.clone(), least),
            class: if is_looked_at {
                kind.class.max(least)
            } else {
                kind.class
            },
            ..*kind
        }
    });
    padded.collect()
}
