//! `POST /v1/agents/{agent}/next`: work for an agent that speaks only HTTP.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Path, State};
use axum::response::{IntoResponse, Response};
use durable_sessions_protocol::error::{ErrorCode, Problem};
use durable_sessions_protocol::event::{Draft, Event, Principal, PrincipalKind, RunStarted};
use durable_sessions_protocol::id::{Id, SessionId};
use durable_sessions_protocol::limits::{LEASE_MAX_MS, LEASE_MIN_MS};
use durable_sessions_protocol::offset::Offset;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::problem::{Refused, invalid, outcome_unknown, unavailable};
use super::request::{SESSION_LOG, json_text_if_any, log_value};
use super::{App, Phase, draining, reached};
use crate::auth;
use crate::hub::{Patterns, Publish, Session, Task, Wake, Writer};
use crate::limits::{NEXT_WAIT_MAX_MS, NEXT_WAIT_MS};

/// The agent a path names.
pub(super) struct AgentPath(Id);

/// A request's body. All of it may be left out.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    /// Session names, or `prefix*`; absent: all.
    sessions: Option<Vec<String>>,
    wait_ms: Option<u64>,
    lease_ms: Option<u64>,
}

/// An input, and the run that has claimed it.
#[derive(Debug, Serialize)]
struct Work<'a> {
    session: &'a SessionId,
    run: &'a Id,
    input: &'a Id,
    attempt: u32,
    /// The input's event as it is stored.
    message: &'a RawValue,
}

/// Waits for an input of the agent and claims it by a run of the caller's: 200 with both, or 204
/// when the time is up.
pub(super) async fn next(
    State(app): State<App>,
    AgentPath(agent): AgentPath,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let principal = auth::of_request(&headers)?;
    if principal.kind != PrincipalKind::Agent {
        let detail = "only an agent works: name one, as `Session-As: agent/ID`";
        return Err(Problem::new(ErrorCode::Forbidden, detail).into());
    }
    let wanted = match json_text_if_any(&headers, body).await? {
        Some(text) => serde_json::from_str(&text)
            .map_err(|error| invalid(format!("the request's body is not valid: {error}")))?,
        None => Wanted::default(),
    };
    let sessions = Patterns::parse(wanted.sessions.as_deref())?;
    let deadline = Instant::now() + wanted.wait()?;
    let lease_ms = wanted.lease()?;
    app.check_serving()?;

    let mut phase = app.phase.clone();
    loop {
        let mut parked = app.hub.park(agent.clone(), sessions.clone());
        let offered = tokio::select! {
            biased;
            () = reached(&mut phase, Phase::Draining) => return Err(draining().into()),
            offered = timeout_at(deadline, parked.offered()) => offered,
        };
        let Ok(wake) = offered else { return Ok(StatusCode::NO_CONTENT.into_response()) };
        app.metrics.wakes.add(1);
        // Whoever is gone before this is done gives the input back by dropping `parked`.
        let claimed = claim(&app, &principal, &wake, lease_ms).await?;
        parked.settle();
        if let Some(response) = claimed {
            return Ok(response);
        }
    }
}

/// Claims an input; `None` when it is not to be had any more.
async fn claim(
    app: &App,
    principal: &Principal,
    wake: &Wake,
    lease_ms: Option<u64>,
) -> Result<Option<Response>, Refused> {
    let Task::Claim(offset) = wake.task else { return Ok(None) };
    let session = app.hub.session(&wake.session).await?;
    // Before the claim: a run nobody hears of would only run out.
    let message = message(&session, offset).await?;
    let run = random_run().ok_or_else(|| invalid("a run needs an id"))?;
    let event = Event::RunStarted(RunStarted {
        run: run.clone(),
        agent: wake.agent.clone(),
        parent: None,
        in_reply_to: Some(wake.input.clone()),
        lease_ms,
        data: None,
    });
    let writer = Writer { principal: principal.clone(), connection: None };
    let drafts = Ok(vec![Draft::parse(&event.to_json())?]);
    let publish = Publish {
        writer,
        log: Some(session.log().clone()),
        producer: None,
        declare_epoch: true,
        drafts,
    };
    match session.publish(publish).await.await.map_err(|_| outcome_unknown())? {
        Ok(published) => app.metrics.published(&published),
        Err(refusal) => {
            not_claimed(refusal.problem)?;
            return Ok(None);
        }
    }
    let work = Work {
        session: &wake.session,
        run: &run,
        input: &wake.input,
        attempt: wake.attempt,
        message: &message,
    };
    let body = serde_json::to_string(&work).unwrap_or_default();
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    let mut response = (headers, body).into_response();
    if let Some(log) = log_value(&session) {
        response.headers_mut().insert(SESSION_LOG, log);
    }
    Ok(Some(response))
}

/// Whether to wait on after a refused claim: when the input went another way meanwhile.
fn not_claimed(problem: Problem) -> Result<(), Problem> {
    if problem.code == ErrorCode::Draining {
        Err(draining())
    } else if problem.status == StatusCode::UNPROCESSABLE_ENTITY.as_u16()
        // Nothing is wrong with a claim of the server's own: too many runs are open.
        || problem.code == ErrorCode::Invalid
    {
        Ok(())
    } else {
        Err(problem)
    }
}

/// The event at an offset, as it is stored.
async fn message(session: &Session, offset: Offset) -> Result<Box<RawValue>, Problem> {
    let mut reader = session.reader(offset.prev());
    // A single event comes however small the page.
    let page = reader.poll_page(1).await.map_err(|_| unavailable())?;
    let text = page.as_ref().and_then(|page| page.events().next()).ok_or_else(unavailable)?;
    RawValue::from_string(text.to_owned()).map_err(|_| unavailable())
}

fn random_run() -> Option<Id> {
    Id::parse(&format!("run-{:032x}", rand::random::<u128>())).ok()
}

impl Wanted {
    fn wait(&self) -> Result<Duration, Problem> {
        match self.wait_ms {
            None => Ok(Duration::from_millis(NEXT_WAIT_MS)),
            Some(wait_ms) if wait_ms <= NEXT_WAIT_MAX_MS => Ok(Duration::from_millis(wait_ms)),
            Some(_) => Err(invalid(format!("`wait_ms` is at most {NEXT_WAIT_MAX_MS}: ask again"))),
        }
    }

    fn lease(&self) -> Result<Option<u64>, Problem> {
        match self.lease_ms {
            Some(lease_ms) if !(LEASE_MIN_MS..=LEASE_MAX_MS).contains(&lease_ms) => {
                Err(invalid(format!("`lease_ms` is from {LEASE_MIN_MS} to {LEASE_MAX_MS}")))
            }
            lease_ms => Ok(lease_ms),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AgentPath {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(id) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|error| invalid(format!("the path is not valid: {error}")))?;
        let id = Id::parse(&id).map_err(|error| invalid(format!("the agent's name {error}")))?;
        Ok(Self(id))
    }
}
