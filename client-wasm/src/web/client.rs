//! What the facade calls.

use std::rc::Rc;

use durable_sessions_protocol::id::{Id, SessionId};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::driver::Driver;
use super::listener::Listener;
use super::options::Options;
use crate::core::{Act, Body, Follow, Input, StopTarget, Token};

/// One client of one server, for the facade.
///
/// Methods may be called at any time, from within the listener too. Those that take ids answer
/// `false`, and do nothing, when one of them is not an id. Texts come as JavaScript has them: the
/// glue for a `&str` is several times the size of asking the value here.
#[wasm_bindgen]
#[derive(Debug)]
pub struct RawClient {
    driver: Rc<Driver>,
}

#[wasm_bindgen]
impl RawClient {
    /// A client that has not connected. `options` is `{url, client, as?, WebSocket?, hasTokens?}`.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue, listener: Listener) -> Result<RawClient, JsValue> {
        let Some(options) = Options::read(options) else {
            return Err(JsValue::from_str("`client` is not an id"));
        };
        Ok(Self { driver: Driver::start(options, listener) })
    }

    /// Follows a session; the first one opens the connection. `events` asks for the events beside
    /// the patches, and is changed by calling it again.
    pub fn attach(&self, session: &JsValue, events: bool) -> bool {
        let follow = Follow { events, ..Follow::PATCHES };
        self.session(session, |session| Input::Attach { session, follow })
    }

    /// Follows a session no longer.
    pub fn detach(&self, session: &JsValue) -> bool {
        self.session(session, |session| Input::Detach { session })
    }

    /// Delivers an event, given as its JSON with `kind` and id.
    pub fn send(&self, session: &JsValue, id: &JsValue, event: &JsValue) -> bool {
        let Some(event) = event.as_string() else { return false };
        self.act(session, id, Body::Event(event))
    }

    /// Stops a run, what answers a message, or all that was seen.
    pub fn stop(
        &self,
        session: &JsValue,
        id: &JsValue,
        run: &JsValue,
        message: &JsValue,
        cascade: bool,
    ) -> bool {
        let target = match (run.as_string(), message.as_string()) {
            (Some(run), _) => Id::parse(&run).map(StopTarget::Run),
            (None, Some(message)) => Id::parse(&message).map(StopTarget::Message),
            (None, None) => Ok(StopTarget::All),
        };
        let Ok(target) = target else { return false };
        self.act(session, id, Body::Stop { target, cascade })
    }

    /// Answers the facade's word for a needed token: `null` means signed out, and no value at all
    /// that the app's function failed.
    pub fn token(&self, attempt: u32, token: &JsValue) {
        let token = match token.as_string() {
            Some(token) => Token::Granted(token),
            None if token.is_null() => Token::SignedOut,
            None => Token::Failed,
        };
        self.driver.handle(Input::Token { socket: attempt, token });
    }

    /// Connects at once when waiting, and again when closed by the server.
    pub fn reconnect(&self) {
        self.driver.handle(Input::Reconnect);
    }

    /// Ends it for good; the listener is told what that refuses, and then nothing more.
    pub fn close(&self) {
        self.driver.close();
    }

    fn act(&self, session: &JsValue, id: &JsValue, body: Body) -> bool {
        let Some(Ok(id)) = id.as_string().map(|id| Id::parse(&id)) else { return false };
        self.session(session, |session| Input::Send { session, act: Act { id, body } })
    }

    fn session(
        &self,
        session: &JsValue,
        input: impl FnOnce(SessionId) -> Input<super::JsNode>,
    ) -> bool {
        let session = session.as_string().map(|session| SessionId::parse(&session));
        let Some(Ok(session)) = session else { return false };
        self.driver.handle(input(session));
        true
    }
}
