//! SIP over TCP.

use std::sync::Arc;
use std::time::Duration;

use super::super::judge;
use super::desk::Desk;
use super::peer::{Message, Peer, SOON};

pub(super) async fn reads_an_invite_in_pieces(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::tcp(desk.sign, &from).await;
    let invite = Message {
        body: "v=0\r\n".repeat(400),
        ..peer.invite(&from)
    };
    for piece in invite.text().as_bytes().chunks(97) {
        peer.send(piece).await;
        tokio::task::yield_now().await;
    }
    let reply = peer.final_answer(SOON).await.unwrap();
    assert_eq!(reply.code(), 302, "{reply:?}");
    judge::claims(reply.one("Identity")).unwrap();
    peer.send(invite.as_method("ACK").text()).await;
}

pub(super) async fn reads_two_requests_after_a_keep_alive(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::tcp(desk.sign, &from).await;
    let invite = peer.invite(&from);
    let options = Message {
        vias: peer.via().replace("z9hG4bK", "z9hG4bKother"),
        ..invite.as_method("OPTIONS")
    };
    let both = format!("\r\n\r\n{}{}", options.text(), invite.text());
    peer.send(both).await;
    let mut codes = Vec::new();
    for _ in 0..2 {
        codes.push(peer.final_answer(SOON).await.unwrap().code());
    }
    codes.sort_unstable();
    assert_eq!(codes, [200, 302]);
}

/// TCP loses nothing.
pub(super) async fn answers_once(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::tcp(desk.sign, &from).await;
    let reply = peer.ask(&peer.invite(&from)).await;
    assert_eq!(reply.code(), 302, "{reply:?}");
    let again = peer.final_answer(Duration::from_millis(1_200)).await;
    assert_eq!(again, None);
}

/// And no other connection.
pub(super) async fn closes_a_connection_whose_next_message_begins_nobody_knows_where(
    desk: Arc<Desk>,
) {
    let from = desk.caller();
    let mut peer = Peer::tcp(desk.sign, &from).await;
    let mut odd = Peer::tcp(desk.sign, &from).await;
    let text = odd.invite(&from).text();
    odd.send(text.replace("Content-Length", "X")).await;
    odd.is_closed().await;
    let reply = peer.call(&peer.invite(&from)).await;
    assert_eq!(reply.code(), 302, "{reply:?}");
}

/// The half of a message is none, and the same message may come by another connection.
pub(super) async fn lives_on_when_a_message_breaks_off(desk: Arc<Desk>) {
    let from = desk.caller();
    let mut peer = Peer::tcp(desk.sign, &from).await;
    let invite = peer.invite(&from);
    let text = invite.text();
    peer.send(&text[..text.len() / 2]).await;
    drop(peer);
    let mut peer = Peer::tcp(desk.sign, &from).await;
    let reply = peer.call(&invite).await;
    assert_eq!(reply.code(), 302, "{reply:?}");
}
