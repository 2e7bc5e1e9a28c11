//! Requests the hub has not answered yet.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use durable_sessions_protocol::error::Problem;
use durable_sessions_protocol::frame::{ProducerGrant, RequestId};
use tokio::sync::oneshot;

use super::outbox::Attaching;
use crate::hub::{Published, Refusal};

/// A request on its way; resolves to its answer.
pub(super) enum Pending {
    /// A publish.
    Publish(Option<RequestId>, oneshot::Receiver<Result<Published, Refusal>>),
    /// An attach whose producer's place is being granted.
    Claim(Option<Box<Attaching>>, oneshot::Receiver<Result<ProducerGrant, Problem>>),
}

/// What the hub said.
pub(super) enum Answer {
    /// About a publish.
    Publish(Option<RequestId>, Result<Published, Refusal>),
    /// About a producer's place.
    Claim(Box<Attaching>, Result<ProducerGrant, Problem>),
    /// Nothing: the store failed, and what became of the request is not known.
    Unknown,
}

impl Future for Pending {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match self.get_mut() {
            Self::Publish(request, answer) => Pin::new(answer).poll(context).map(|answer| {
                answer.map_or(Answer::Unknown, |result| Answer::Publish(*request, result))
            }),
            Self::Claim(attaching, answer) => {
                Pin::new(answer).poll(context).map(|answer| match (answer, attaching.take()) {
                    (Ok(result), Some(attaching)) => Answer::Claim(attaching, result),
                    (_, _) => Answer::Unknown,
                })
            }
        }
    }
}
