//! What a switch is answered, by the configuration.

use pennyblack_runtime::logging::testing::lines_of;

use super::*;

/// The first answer to an INVITE.
async fn answer(scene: Scene) -> String {
    let said = scene.asks(&request("INVITE", 1)).await;
    scene.shutdown.trigger();
    said
}

fn signs_nothing() -> StandIn {
    StandIn {
        signs_nothing: Some(Reason::NoCertificate),
        ..StandIn::default()
    }
}

#[tokio::test]
async fn a_redirect_carries_what_is_added_where_the_switch_looks() {
    let identity = format!("\r\nIdentity: {}\r\n", field_identity());
    for (settings, code, is_header, contact) in [
        (
            &[][..],
            "302",
            true,
            "<sip:+12155550100@h;user=phone?Identity=",
        ),
        (
            &["sip.sign.answer=300"],
            "300",
            true,
            "<sip:+12155550100@h;user=phone?Identity=",
        ),
        (
            &["sip.sign.carry=header"],
            "302",
            true,
            "<sip:+12155550100@h;user=phone>",
        ),
        (
            &["sip.sign.carry=contact"],
            "302",
            false,
            "<sip:+12155550100@h;user=phone?Identity=",
        ),
        (
            &["sip.sign.next_hop=sbc.example:5070"],
            "302",
            true,
            "<sip:+12155550100@sbc.example:5070;user=phone?Identity=",
        ),
    ] {
        let said = answer(Scene::signing(StandIn::default(), settings)).await;
        assert_eq!(super::code(&said), code, "{settings:?}");
        assert_eq!(said.contains(&identity), is_header, "{settings:?}: {said}");
        assert!(
            said.contains(&format!("\r\nContact: {contact}")),
            "{settings:?}: {said}"
        );
    }
}

#[tokio::test]
async fn a_call_with_nothing_to_add_goes_on_as_the_switch_expects() {
    for (settings, code) in [
        (&[][..], "404"),
        (&["sip.sign.nothing=503"], "503"),
        (&["sip.sign.nothing=302-without"], "302"),
        (
            &["sip.sign.nothing=302-without", "sip.sign.answer=300"],
            "300",
        ),
    ] {
        let said = answer(Scene::signing(signs_nothing(), settings)).await;
        assert_eq!(super::code(&said), code, "{settings:?}");
        assert!(!said.contains("Identity"), "{said}");
        assert_eq!(said.contains("Contact"), code.starts_with('3'), "{said}");
    }
    let said = answer(Scene::verifying(Finding::None(Reason::NoPassport), &[])).await;
    assert_eq!(code(&said), "404");
}

#[tokio::test]
async fn a_call_whose_verification_failed_ends_only_if_it_is_said() {
    let verstat = "P-Asserted-Identity: <sip:+17325551000;verstat=TN-Validation-Failed@h";
    for (settings, code) in [(&[][..], "302"), (&["policy.block_failed=true"], "603")] {
        let said = answer(Scene::verifying(failed(), settings)).await;
        assert_eq!(super::code(&said), code);
        assert!(
            said.contains(verstat) && said.contains("Reason: SIP;cause=438"),
            "{said}"
        );
        assert_eq!(said.contains("Contact"), code == "302", "{said}");
    }
}

#[tokio::test]
async fn a_switch_of_no_trunk_and_an_address_that_may_not_ask_are_forbidden() {
    let elsewhere = "trunk=[{name=\"elsewhere\", addresses=[\"192.0.2.1/32\"]}]";
    let scene = Scene::signing(StandIn::default(), &[elsewhere]);
    assert_eq!(code(&scene.asks(&request("INVITE", 1)).await), "403");
    // The ACK may come when it is forbidden, and then it is none.
    let scene = Scene::signing(StandIn::default(), &["public.limits.drain=50ms"]);
    assert_eq!(code(&scene.asks(&request("INVITE", 1)).await), "302");
    scene.next.lock().unwrap().sip.sign.as_mut().unwrap().allow =
        vec!["192.0.2.0/24".parse().unwrap()];
    scene.settings.reread();
    for method in ["INVITE", "OPTIONS", "REGISTER"] {
        assert_eq!(
            code(&scene.asks(&request(method, 2)).await),
            "403",
            "{method}"
        );
    }
    let mut stream = TcpStream::connect(scene.tcp).await.unwrap();
    stream
        .write_all(request("INVITE", 3).as_bytes())
        .await
        .unwrap();
    assert_eq!(code(&heard_by(&mut stream).await), "403");
    assert_eq!(scene.engine.signed.lock().unwrap().len(), 1);
    scene.stops().await;
}

/// The log lines of an INVITE to a gateway with `settings` from `address`, which no other test
/// has: one cause has one line in a while.
fn lines_about(address: &str, settings: &'static [&'static str]) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    lines_of(|| {
        runtime.unwrap().block_on(async {
            let scene = Scene::signing(StandIn::default(), settings);
            let socket = UdpSocket::bind(format!("{address}:0")).await.unwrap();
            let invite = request("INVITE", 1).into_bytes();
            socket.send_to(&invite, scene.udp).await.unwrap();
            assert_eq!(code(&heard(&socket).await), "403");
            scene.stops().await;
        });
    })
}

#[test]
fn the_operator_reads_who_is_forbidden_and_by_what() {
    let allow = &[
        "sip.sign.allow=[\"192.0.2.0/24\"]",
        "public.limits.drain=50ms",
    ];
    let trunk = &[
        "trunk=[{name=\"a\", addresses=[\"192.0.2.1/32\"]}]",
        "public.limits.drain=50ms",
    ];
    for (address, settings, by) in [
        ("127.0.0.41", allow, "sip.sign.allow"),
        ("127.0.0.42", trunk, "[[trunk]]"),
    ] {
        let lines = lines_about(address, settings);
        let places = [
            "switches can ask by SIP",
            "sip.sign",
            "udp:127.0.0.1:",
            "tcp:127.0.0.1:",
        ];
        let has_places = |line: &String| places.iter().all(|place| line.contains(place));
        assert!(lines.iter().any(has_places), "{lines:?}");
        let is_it = |line: &&String| line.starts_with("WARN") && line.contains(by);
        let line = lines.iter().find(is_it);
        assert!(line.is_some_and(|line| line.contains(address)), "{lines:?}");
    }
}

#[tokio::test]
async fn who_may_ask_is_judged_by_the_sockets_that_are_open() {
    let open = [
        "sip.sign.listen=[\"udp:0.0.0.0:0\", \"tcp:0.0.0.0:0\"]".to_owned(),
        "sip.sign.allow=[\"192.0.2.0/24\"]".to_owned(),
    ];
    let scene = Scene::new(StandIn::default(), &open);
    let first = scene.settings.current().sip_signing.clone();
    // Good for a gateway that begins anew, and not for this one.
    let local = example_with(&["sip.sign.listen=[\"udp:127.0.0.1:5060\"]"]).unwrap();
    *scene.next.lock().unwrap() = local;
    scene.settings.reread();
    assert_eq!(scene.settings.current().sip_signing, first);
    // Without the section, who might ask still may, until a restart.
    *scene.next.lock().unwrap() = example_with(&[]).unwrap();
    scene.settings.reread();
    assert_eq!(scene.settings.current().sip_signing, first);
    scene.stops().await;
}

#[tokio::test]
async fn options_say_whether_it_is_ready() {
    let scene = Scene::signing(StandIn::default(), &[]);
    assert_eq!(code(&scene.asks(&request("OPTIONS", 1)).await), "200");
    scene.readiness.lacks("tokens", "there are none");
    assert_eq!(code(&scene.asks(&request("OPTIONS", 2)).await), "503");
    // Who asks all the same is answered.
    assert_eq!(code(&scene.asks(&request("INVITE", 3)).await), "302");
    scene.readiness.has("tokens");
    assert_eq!(code(&scene.asks(&request("OPTIONS", 4)).await), "200");
    scene.stops().await;
}
