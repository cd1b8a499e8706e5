//! The native class NodeSession: one engine, made from checked options.

use std::path::PathBuf;
use std::rc::Rc;

use napi::bindgen_prelude::{Env, Function, ObjectFinalize};
use napi_derive::napi;

use super::engine::Engine;
use super::handler;
use super::js::{Js, Kept, Scope};
use super::registry::{self, Realm};
use super::reply;
use super::settings;
use super::tray::Tray;
use crate::clock::Clock;
use crate::config::{self, Config, Engine as Db};
use crate::manager::Manager;
use crate::panics::{self, caught, point};
use crate::session::Thrown;

/// An engine: the options of one NodeSession, its driver and its sessions. Functions take it by its `number`.
#[napi(custom_finalize)]
#[derive(Debug)]
pub struct NodeSession {
    number: Option<u32>,
    warnings: Vec<String>,
    refused: Option<crate::error::Error>,
}

/// Takes the JavaScript functions an engine calls out of the object the face passes.
fn hook(scope: Scope, hooks: Js, name: &str) -> Result<Kept, Thrown> {
    Kept::new(scope, scope.named(hooks, name)?)
}

fn make(scope: Scope, options: Js, directory: &str, hooks: Js) -> Result<Made, Thrown> {
    let options = settings::members(scope, options)?;
    let parsed = Config::parse(&options, &PathBuf::from(directory));
    let built =
        parsed.and_then(|(config, warnings)| Ok((Manager::new(config, Clock::System)?, warnings)));
    let (manager, warnings) = match built {
        Ok(built) => built,
        Err(error) => return Ok(Made::Refused(error)),
    };
    let realm = Realm {
        parse: hook(scope, hooks, "parse")?,
        stringify: hook(scope, hooks, "stringify")?,
    };
    let call_handler = hook(scope, hooks, "callHandler")?;
    let call_codec = hook(scope, hooks, "callCodec")?;
    let number_of = hook(scope, hooks, "numberOf")?;
    let tray = Tray::new(scope, scope.named(hooks, "tray")?)?;
    let engine = Engine::new(
        manager,
        scope,
        realm,
        call_handler,
        call_codec,
        number_of,
        tray,
    );
    Ok(Made::Engine(Box::new(engine), warnings))
}

/// Called by Node itself, where a panic would end the process.
fn close(scope: Scope) {
    let _ = caught(|| {
        point("close");
        registry::close(scope);
    });
}

/// An object of named numbers.
fn counts(scope: Scope, list: impl IntoIterator<Item = (&'static str, u64)>) -> Result<Js, Thrown> {
    let object = scope.object()?;
    for (name, count) in list {
        scope.set(object, scope.string(name)?, scope.number(count as f64)?)?;
    }
    Ok(object)
}

enum Made {
    Engine(Box<Engine>, Vec<String>),
    Refused(crate::error::Error),
}

#[napi]
impl NodeSession {
    /// @param options the options of a NodeSession
    /// @param directory the absolute path at which relative paths start
    /// @param hooks `{parse, stringify, callHandler, callCodec, numberOf, tray}`: functions of the application's realm, and a
    ///   `Uint32Array` where functions leave numbers
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "object")] options: Js,
        directory: String,
        #[napi(ts_arg_type = "object")] hooks: Js,
    ) -> napi::Result<Self> {
        let scope = Scope(env.raw());
        let made = make(scope, options, &directory, hooks)
            .map_err(|Thrown| napi::Error::from_reason("the options cannot be read"))?;
        let (engine, warnings) = match made {
            Made::Engine(engine, warnings) => (engine, warnings),
            Made::Refused(error) => {
                return Ok(NodeSession {
                    number: None,
                    warnings: Vec::new(),
                    refused: Some(error),
                });
            }
        };
        let number = registry::add_engine(Rc::from(engine));
        // The hook runs while values of the environment can still be released.
        env.add_env_cleanup_hook(scope, close)?;
        Ok(NodeSession {
            number: Some(number),
            warnings,
            refused: None,
        })
    }

    /// Why the options were refused, as `{kind, code, message}`; `undefined` when they were not.
    #[napi(catch_unwind, ts_return_type = "object | undefined")]
    pub fn refused(&self, env: Env) -> Js {
        point("entry");
        let scope = Scope(env.raw());
        let report = self
            .refused
            .as_ref()
            .and_then(|error| reply::report(scope, "error", error).ok());
        report.unwrap_or(Js::UNDEFINED)
    }

    /// Sets the function that is called when operations are ready for `runOperations`.
    #[napi(catch_unwind)]
    pub fn on_wake_up(&self, function: Function<'_, (), ()>) -> napi::Result<()> {
        let Some(number) = self.number else {
            return Ok(());
        };
        match registry::engine(number) {
            Some(engine) => engine.set_wake_up(number, function),
            None => Ok(()),
        }
    }

    /// What functions call this engine.
    #[napi(getter, catch_unwind)]
    pub fn number(&self) -> u32 {
        point("entry");
        self.number.unwrap_or(u32::MAX)
    }

    /// What has happened so far, as counts.
    #[napi(catch_unwind, ts_return_type = "Record<string, number>")]
    pub fn stats(&self, env: Env) -> Js {
        let engine = self.number.and_then(registry::engine);
        let stats = engine.map(|engine| counts(Scope(env.raw()), engine.manager.stats.list()));
        stats.and_then(Result::ok).unwrap_or(Js::UNDEFINED)
    }

    /// How much is held now, by the engine and by its thread, as counts: for tests.
    #[napi(catch_unwind, ts_return_type = "Record<string, number>")]
    pub fn sizes(&self, env: Env) -> Js {
        let engine = self.number.and_then(registry::engine);
        let sizes = engine.map(|engine| {
            let own = [
                ("operations", engine.operations()),
                ("calls", handler::calls()),
            ];
            let all = engine.manager.sizes().into_iter().chain(registry::sizes());
            let all = all.chain(own).map(|(name, size)| (name, size as u64));
            counts(Scope(env.raw()), all)
        });
        sizes.and_then(Result::ok).unwrap_or(Js::UNDEFINED)
    }

    /// Sentences for `process.emitWarning`.
    #[napi(getter, catch_unwind)]
    pub fn warnings(&self) -> Vec<String> {
        point("entry");
        self.warnings.clone()
    }

    /// The name of the configured driver, as `memory` for `Memory`; as given when there is no built-in one of that name.
    #[napi(getter, catch_unwind)]
    pub fn driver(&self) -> String {
        let Some(engine) = self.number.and_then(registry::engine) else {
            return String::new();
        };
        let config = &engine.manager.config;
        crate::driver::find(config).map_or_else(
            |_| config.driver.clone(),
            |built_in| built_in.name.to_owned(),
        )
    }

    /// Whether the session cookie goes over https only.
    #[napi(getter, catch_unwind)]
    pub fn secure(&self) -> bool {
        self.with(|engine| engine.manager.config.cookie.secure)
    }

    /// Whether a failed save turns the response into a 500.
    #[napi(getter, catch_unwind)]
    pub fn strict_save(&self) -> bool {
        self.with(|engine| engine.manager.config.strict_save)
    }

    /// Longest time in which a session is loaded, in milliseconds.
    #[napi(getter, catch_unwind)]
    pub fn read_timeout(&self) -> f64 {
        let engine = self.number.and_then(registry::engine);
        engine.map_or(0.0, |engine| engine.manager.config.read_timeout.0 as f64)
    }

    /// How long a record that a handler keeps has to live after its activity was recorded, in milliseconds.
    #[napi(getter, catch_unwind)]
    pub fn record_lifetime(&self) -> f64 {
        let engine = self.number.and_then(registry::engine);
        engine.map_or(0.0, |engine| engine.manager.record_lifetime().0 as f64)
    }

    /// Closes connections to servers; the next operation makes new ones.
    #[napi(catch_unwind)]
    pub fn disconnect(&self) {
        point("entry");
        if let Some(engine) = self.number.and_then(registry::engine) {
            engine.manager.disconnect();
        }
    }

    fn with(&self, ask: impl FnOnce(&Engine) -> bool) -> bool {
        self.number
            .and_then(registry::engine)
            .is_some_and(|engine| ask(&engine))
    }
}

/// The names that `connection.adapter` has for databases which are built in.
#[napi(catch_unwind)]
pub fn built_in_adapters() -> Vec<&'static str> {
    point("entry");
    Db::adapters().collect()
}

/// The driver that a connection asks for where none is given; nothing for that of a Waterline adapter.
///
/// @param options an object with `connection`
#[napi(catch_unwind)]
pub fn implied_driver(
    env: Env,
    #[napi(ts_arg_type = "object")] options: Js,
) -> napi::Result<Option<&'static str>> {
    point("entry");
    let members = settings::members(Scope(env.raw()), options)
        .map_err(|Thrown| napi::Error::from_reason("the options cannot be read"))?;
    let connection = members.iter().find(|(name, _)| name == "connection");
    Ok(connection.and_then(|(_, connection)| config::implied_driver(connection)))
}

/// Whether a panic is what the last call threw. From its first call on, panics are told without their message.
#[napi(catch_unwind)]
pub fn take_panic() -> bool {
    panics::install_hook();
    panics::take()
}

impl ObjectFinalize for NodeSession {
    fn finalize(self, _env: Env) -> napi::Result<()> {
        if let Some(number) = self.number {
            // Called by Node itself, where a panic would end the process.
            let _ = caught(|| registry::remove_engine(number));
        }
        Ok(())
    }
}
