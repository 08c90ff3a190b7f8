//! A client that is not ours, on the crates `ohttp` and `bhttp`, asks a CPS through a relay.

use std::io::Cursor;

use bhttp::{Message, Mode};
use http::StatusCode;
use ohttp::ClientRequest;
use pennyblack_base::service_paths::{OHTTP_GATEWAY_PATH, OHTTP_REQUEST_MEDIA_TYPE};
use pennyblack_evidence::spend::STORE_PATH;
use pennyblack_tests::answer::Answer;
use pennyblack_tests::world::World;

use crate::clients::start_relay;
use crate::gateway_role::gateway;

/// The client: what it knows of the CPS, and where its relay is.
struct TheirClient<'a> {
    world: &'a World,
    relay: String,
    keys: Vec<u8>,
}

impl TheirClient<'_> {
    fn request(&self, method: &str, path: &str) -> Message {
        let authority = self.world.cps_name().as_str();
        let [method, authority, path] =
            [method, authority, path].map(|part| part.as_bytes().into());
        Message::request(method, b"https".to_vec(), authority, path)
    }

    /// Sends it in this framing; the answer inside.
    async fn ask(&self, request: &Message, mode: Mode) -> (u16, Message) {
        let mut bytes = Vec::new();
        request.write_bhttp(mode, &mut bytes).unwrap();
        let client = ClientRequest::from_encoded_config_list(&self.keys).unwrap();
        let (sealed, opener) = client.encapsulate(&bytes).unwrap();
        let post = self.world.client.post(&self.relay).body(sealed);
        let post = post.header("content-type", OHTTP_REQUEST_MEDIA_TYPE);
        let outer = Answer::to(post).await.unwrap();
        assert_eq!(outer.status, StatusCode::OK, "{}", outer.text());
        let bytes = opener.decapsulate(&outer.body).unwrap();
        let answer = Message::read_bhttp(&mut Cursor::new(bytes)).unwrap();
        (answer.control().status().unwrap().code(), answer)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_on_the_crate_ohttp_looks_up_stores_and_polls_through_a_relay() {
    let scene = gateway(|_| ()).await;
    let world = &scene.world;
    let relay = start_relay(world.cps_name().as_str().parse().unwrap()).await;
    let client = TheirClient {
        world,
        relay: format!("http://{}/cps", relay.addresses().public),
        keys: world.get(OHTTP_GATEWAY_PATH).await.body,
    };
    let mailbox = world.mailbox().await;
    let token = world.draw_one().await;
    let signed = world.spend(&token, &mailbox, "a.b.c");
    let look_up = format!("/v1/keys/{}", mailbox.number());
    let poll = format!("/v1/mailboxes/{}?slots=4", mailbox.id());
    for mode in [Mode::KnownLength, Mode::IndeterminateLength] {
        let (status, answer) = client.ask(&client.request("GET", &look_up), mode).await;
        assert_eq!(status, 200);
        let direct = world.get(&look_up).await;
        assert_eq!(answer.content(), direct.content());

        let mut store = client.request("POST", STORE_PATH);
        for (name, value) in signed.headers() {
            store.put_header(name.to_ascii_lowercase(), value);
        }
        store.write_content(signed.body());
        // The second one is the first again, and no other spend.
        let (status, answer) = client.ask(&store, mode).await;
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(answer.content()));

        let (status, page) = client.ask(&client.request("GET", &poll), mode).await;
        assert_eq!(status, 200);
        let page = mailbox.open(world.cps_name(), page.content());
        assert_eq!(mailbox.read(world.cps_name(), &page), ["a.b.c"]);
    }
    relay.stop().await;
    scene.close().await;
}
