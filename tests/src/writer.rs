//! Agents by hand: a producer on a socket of its own, one publish at a time.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use crate::socket::Socket;

/// A producer that is attached to one session.
#[derive(Debug)]
pub struct Writer {
    socket: Socket,
    session: String,
    producer: String,
    epoch: u64,
    seq: u64,
}

impl Writer {
    /// A new process: the producer's next epoch. It goes on with the runs it names.
    pub async fn attach(
        server: SocketAddr,
        principal: &str,
        session: &str,
        producer: &str,
        runs: &[&str],
    ) -> Result<Self, Error> {
        let mut socket = Socket::hello(server, principal).await?;
        let claim = json!({"id": producer, "runs": runs});
        let attach = json!({
            "type": "attach", "request": 0, "session": session, "last": 0, "producer": claim,
        });
        socket.send(&attach).await?;
        let granted = socket.until("attached").await?["producer"].take();
        Ok(Self {
            socket,
            session: session.to_owned(),
            producer: producer.to_owned(),
            epoch: granted["epoch"].as_u64().expect("an epoch is granted"),
            seq: granted["seq"].as_u64().expect("a place is granted"),
        })
    }

    /// Publishes events as one, and answers the `ack` or the `refused`.
    pub async fn publish(&mut self, events: &Value) -> Result<Value, Error> {
        let request = self.seq + 1;
        let producer = json!({"id": self.producer, "epoch": self.epoch, "seq": self.seq});
        self.seq += 1;
        let frame = json!({
            "type": "publish", "request": request, "session": self.session, "producer": producer,
            "events": events,
        });
        self.socket.send(&frame).await?;
        answer(&mut self.socket, request).await
    }

    /// Publishes what has to be accepted, and answers its first offset.
    pub async fn must(&mut self, events: &Value) -> u64 {
        let answer = self.publish(events).await.expect("a server that lives");
        assert_eq!(answer["type"], "ack", "{events}: {answer}");
        answer["first"].as_u64().expect("an ack names an offset")
    }

    /// Writes a delta of the run every `pace` until it is refused; then ends the run as stopped.
    /// Answers the code of the refusal.
    pub async fn stream(&mut self, run: &str, pace: Duration) -> Result<String, Error> {
        let mut words = 0;
        loop {
            let refused = self.publish(&json!([delta(run, &format!("{words} "))])).await?;
            words += 1;
            if refused["type"] == "refused" {
                let code = refused["error"]["code"].as_str().unwrap_or_default().to_owned();
                self.publish(&json!([ended(run, "stopped")])).await?;
                return Ok(code);
            }
            tokio::time::sleep(pace).await;
        }
    }
}

/// Publishes one act without a producer, and answers the `ack` or the `refused`.
pub async fn act(socket: &mut Socket, session: &str, event: &Value) -> Result<Value, Error> {
    let request: u64 = rand::random_range(1..1 << 50);
    let frame =
        json!({"type": "publish", "request": request, "session": session, "events": [event]});
    socket.send(&frame).await?;
    answer(socket, request).await
}

async fn answer(socket: &mut Socket, request: u64) -> Result<Value, Error> {
    loop {
        let frame = socket.next().await?;
        if frame["request"] == request && (frame["type"] == "ack" || frame["type"] == "refused") {
            return Ok(frame);
        }
    }
}

/// A delta of the one message a run writes.
pub fn delta(run: &str, text: &str) -> Value {
    json!({"kind": "delta", "run": run, "message": format!("{run}-answer"), "text": text})
}

/// The end of a run.
pub fn ended(run: &str, outcome: &str) -> Value {
    json!({"kind": "run.ended", "run": run, "outcome": outcome})
}
