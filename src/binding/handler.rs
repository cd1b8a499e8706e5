//! Handlers and encrypters written in JavaScript, as the engine's handlers and codecs.
//!
//! Their methods are called by the face (`lib/handlers.js`), which turns what they do into one call of `handlerReplied`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::engine::Engine;
use super::js::{Js, Kept, Scope};
use super::reply;
use crate::clock::Millis;
use crate::driver::Answer;
use crate::driver::handler::Handler;
use crate::error::{Code, Error, Result};
use crate::manager::Codec;
use crate::payload::Loaded;
use crate::session::Thrown;
use crate::session_id::SessionId;

/// What a handler called back with.
pub type Replied = Result<Option<Arc<str>>>;

/// A call of a handler that has not been answered, or whose answer has not been taken.
#[derive(Default)]
struct Step {
    reply: Option<Replied>,
    waker: Option<Waker>,
}

/// The calls of handlers that are under way on this thread.
#[derive(Default)]
struct Steps {
    last: u32,
    waiting: HashMap<u32, Step>,
}

thread_local! {
    static STEPS: RefCell<Steps> = RefCell::default();
}

/// Calls of handlers that are under way on this thread.
pub fn calls() -> usize {
    STEPS.with(|steps| steps.borrow().waiting.len())
}

/// Takes a handler's answer; a second one to the same call is ignored. Gives whether anybody still waited for it.
pub fn replied(step: u32, reply: Replied) -> bool {
    let waker = STEPS.with(|steps| {
        let mut steps = steps.borrow_mut();
        let step = steps
            .waiting
            .get_mut(&step)
            .filter(|step| step.reply.is_none())?;
        step.reply = Some(reply);
        Some(step.waker.take())
    });
    let is_heard = waker.is_some();
    if let Some(waker) = waker.flatten() {
        waker.wake();
    }
    is_heard
}

/// Waits for the answer to a call; forgets the call when nobody waits any more.
struct Waiting(u32);

impl Waiting {
    fn begin() -> Self {
        STEPS.with(|steps| {
            let mut steps = steps.borrow_mut();
            steps.last = steps.last.wrapping_add(1);
            let number = steps.last;
            steps.waiting.insert(number, Step::default());
            Waiting(number)
        })
    }

    async fn answer(self) -> Replied {
        poll_fn(|context| {
            STEPS.with(|steps| {
                let mut steps = steps.borrow_mut();
                let Some(step) = steps.waiting.get_mut(&self.0) else {
                    return Poll::Ready(Err(Error::new(
                        Code::Internal,
                        "a handler's call was forgotten",
                    )));
                };
                match step.reply.take() {
                    Some(reply) => Poll::Ready(reply),
                    None => {
                        step.waker = Some(context.waker().clone());
                        Poll::Pending
                    }
                }
            })
        })
        .await
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let step = STEPS.with(|steps| steps.borrow_mut().waiting.remove(&self.0));
        drop(step);
    }
}

/// A JavaScript handler.
pub struct JsHandler {
    engine: Rc<Engine>,
    handler: Kept,
}

impl fmt::Debug for JsHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsHandler")
    }
}

impl JsHandler {
    /// A handler for the operations of one request.
    pub fn new(engine: Rc<Engine>, handler: Js) -> std::result::Result<Self, Thrown> {
        let handler = Kept::new(engine.scope, handler)?;
        Ok(JsHandler { engine, handler })
    }

    /// What tells this handler object from others.
    pub fn number(&self) -> std::result::Result<u32, Thrown> {
        let scope = self.engine.scope;
        scope.scoped(|| {
            let number = scope.call(self.engine.number_of.get()?, &[self.handler.get()?])?;
            Ok(scope.number_of(number).unwrap_or_default() as u32)
        })
    }

    /// Has the face call `method`; the arguments after the step's number are as `lib/handlers.js` takes them.
    fn call(
        &self,
        step: u32,
        method: &str,
        id: &str,
        data: Option<&str>,
        extra: Js,
    ) -> std::result::Result<(), Thrown> {
        let scope = self.engine.scope;
        let data = match data {
            Some(data) => scope.string(data)?,
            None => Js::UNDEFINED,
        };
        let arguments = [
            scope.number(f64::from(step))?,
            self.handler.get()?,
            scope.string(method)?,
            scope.string(id)?,
            data,
            extra,
        ];
        scope
            .call(self.engine.call_handler.get()?, &arguments)
            .map(drop)
    }

    fn ask(
        &self,
        code: Code,
        method: &str,
        id: &SessionId,
        data: Option<&str>,
        exists: bool,
    ) -> Answer<Option<Arc<str>>> {
        let waiting = Waiting::begin();
        let scope = self.engine.scope;
        let called = scope.scoped(|| {
            let exists = scope.boolean(exists)?;
            self.call(waiting.0, method, id.as_str(), data, exists)
        });
        if called.is_err() {
            let failed = Error::new(
                code,
                format!("cannot call `{method}` of the session handler"),
            );
            return Answer::now(Err(because_caught(scope, failed)));
        }
        Answer::later(async move { waiting.answer().await })
    }
}

impl Handler for JsHandler {
    fn read(&self, id: &SessionId) -> Answer<Option<Arc<str>>> {
        self.ask(Code::Read, "read", id, None, false)
    }

    fn write(&self, id: &SessionId, payload: &Arc<str>, exists: bool) -> Answer<()> {
        let written = self.ask(Code::Write, "write", id, Some(payload), exists);
        Answer::later(async move { written.await.map(drop) })
    }

    fn touch(&self, id: &SessionId, payload: &Arc<str>) -> Answer<()> {
        let touched = self.ask(Code::Write, "touch", id, Some(payload), true);
        Answer::later(async move { touched.await.map(drop) })
    }

    fn destroy(&self, id: &SessionId) -> Answer<()> {
        let destroyed = self.ask(Code::Write, "destroy", id, None, false);
        Answer::later(async move { destroyed.await.map(drop) })
    }

    fn collect_garbage(&self, max_age: Millis) -> Result<()> {
        let scope = self.engine.scope;
        let called = scope.scoped(|| {
            let max_age = scope.number(max_age.0 as f64)?;
            self.call(0, "gc", "", None, max_age)
        });
        called.map_err(|Thrown| {
            let failed = Error::new(Code::Write, "cannot call `gc` of the session handler");
            because_caught(scope, failed)
        })
    }
}

/// The payload hooks of a JavaScript session class, or an encrypter behind them.
pub struct JsCodec {
    engine: Rc<Engine>,
    store: Kept,
}

impl JsCodec {
    /// The codec of one session.
    pub fn new(engine: Rc<Engine>, store: Js) -> std::result::Result<Self, Thrown> {
        let store = Kept::new(engine.scope, store)?;
        Ok(JsCodec { engine, store })
    }

    fn call(&self, code: Code, method: &str, text: &str, what: &str) -> Result<Arc<str>> {
        let scope = self.engine.scope;
        let called = scope.scoped(|| {
            let arguments = [
                self.store.get()?,
                scope.string(method)?,
                scope.string(text)?,
            ];
            let result = scope.call(self.engine.call_codec.get()?, &arguments)?;
            Ok(scope.text(result).map(|text| Arc::from(text.as_str())))
        });
        match called {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(Error::new(code, what).because("the encrypter gave no string", None)),
            Err(Thrown) => Err(because_caught(scope, Error::new(code, what))),
        }
    }
}

impl Codec for JsCodec {
    fn to_payload(&self, _id: &SessionId, text: &Arc<str>) -> Result<Arc<str>> {
        self.call(
            Code::Serialize,
            "__prepareForStorage",
            text,
            "cannot encrypt the session",
        )
    }

    fn to_text(&self, _id: &SessionId, payload: &Arc<str>) -> Result<Loaded> {
        let text = self.call(
            Code::Decrypt,
            "__prepareForParse",
            payload,
            "cannot decrypt a stored session",
        )?;
        Ok(Loaded { text, stale: false })
    }
}

/// Adds what JavaScript threw to an error.
fn because_caught(scope: Scope, error: Error) -> Error {
    match scope
        .caught()
        .and_then(|thrown| reply::message_of(scope, thrown))
    {
        Some(message) => error.because(message, None),
        None => error,
    }
}
