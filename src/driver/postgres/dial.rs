//! Making a connection: where to, as whom, encrypted or not, and what each is told at first.
//!
//! Knows nothing of how many there are, nor of what they are used for.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, NoTls, Socket, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Fault;
use crate::config::{Address, Server};
use crate::driver::{Bounds, tls};
use crate::error::Result;

/// What is sent and not confirmed for so long means that nobody is there any more.
const UNCONFIRMED: Duration = Duration::from_secs(5);
/// Silence after which a connection is tried, and the pause between tries.
const SILENCE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_secs(3);
const TRIES: u32 = 3;

/// How connections are made.
pub(super) struct Dial {
    config: Config,
    tls: Option<Encrypted>,
    /// What a new connection is told first.
    greeting: String,
    /// Connections that are open.
    open: Arc<AtomicUsize>,
}

impl Dial {
    /// # Errors
    ///
    /// `ERR_SESSION_CONFIG` for certificates and keys that cannot be read.
    pub(super) fn new(server: &Server, bounds: Bounds) -> Result<Self> {
        let patience = bounds.write_patience.duration();
        let mut config = Config::new();
        config
            .user(&server.user)
            .dbname(&server.database)
            .application_name("node-session")
            .connect_timeout(patience)
            .tcp_user_timeout(UNCONFIRMED)
            .keepalives_idle(SILENCE)
            .keepalives_interval(BETWEEN_TRIES)
            .keepalives_retries(TRIES)
            .ssl_mode(match server.tls {
                Some(_) => SslMode::Require,
                None => SslMode::Disable,
            });
        if let Some(password) = &server.password {
            config.password(password.reveal());
        }
        match &server.address {
            Address::Tcp(host, port) => config.host(host).port(*port),
            Address::Socket(folder, port) => config.host_path(folder).port(*port),
        };
        let encrypted = |tls| {
            let config = tls::client_config(tls)?;
            let name = tls.server_name.clone();
            Ok(Encrypted(MakeRustlsConnect::new(config), name))
        };
        let tls = server.tls.as_ref().map(encrypted).transpose()?;
        Ok(Self {
            config,
            tls,
            greeting: greeting(statement_time(bounds)),
            open: Arc::default(),
        })
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Makes one. `generation` is the caller's mark.
    pub(super) async fn connect(&self, generation: u64) -> std::result::Result<Connection, Fault> {
        let (client, task) = match &self.tls {
            None => self.start(NoTls).await,
            Some(tls) => self.start(tls.clone()).await,
        }?;
        let connection = Connection {
            client,
            task,
            prepared: Mutex::default(),
            generation,
            _counted: Counted::new(&self.open),
        };
        let greeted = connection.client.batch_execute(&self.greeting).await;
        greeted.map_err(|error| Fault::of_connecting(&error))?;
        Ok(connection)
    }

    /// A task of its own carries what goes over the connection, until the client is dropped or the connection ends.
    async fn start<T>(&self, tls: T) -> std::result::Result<(Client, JoinHandle<()>), Fault>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connected = self.config.connect(tls).await;
        let (client, connection) = connected.map_err(|error| Fault::of_connecting(&error))?;
        let task = tokio::spawn(async move {
            // Whoever uses the connection learns of its end.
            connection.await.ok();
        });
        Ok((client, task))
    }
}

/// How long a statement may take: the server gives it up a little before we do, so that silence means that it is not there.
pub(super) fn statement_time(bounds: Bounds) -> Duration {
    bounds.write_patience.duration() * 19 / 20
}

/// Compare and swap counts on seeing what others have committed meanwhile, whatever the database's own settings are. And a plan
/// that was made while the table was small must not go on reading all of it when it is large. Where no index spares that, it counts as
/// so dear that the server would compile each statement first, for a fifth of a second; servers before 11 know no such thing.
fn greeting(time: Duration) -> String {
    format!(
        "{}; SET default_transaction_isolation = 'read committed'; SET enable_seqscan = off;
        SELECT set_config('jit', 'off', false) FROM pg_settings WHERE name = 'jit'",
        allow(time)
    )
}

/// The sentence that says how long statements may take.
pub(super) fn allow(time: Duration) -> String {
    let millis = time.as_millis().clamp(1, i32::MAX as u128);
    format!("SET statement_timeout = {millis}")
}

/// TLS, where the certificate may be for another name than the host's.
#[derive(Clone)]
struct Encrypted(MakeRustlsConnect, Option<String>);

impl MakeTlsConnect<Socket> for Encrypted {
    type Stream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;
    type TlsConnect = <MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect;
    type Error = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Error;

    fn make_tls_connect(
        &mut self,
        host: &str,
    ) -> std::result::Result<Self::TlsConnect, Self::Error> {
        let name = self.1.as_deref().unwrap_or(host);
        MakeTlsConnect::<Socket>::make_tls_connect(&mut self.0, name)
    }
}

/// A connection, and what was prepared on it.
pub(super) struct Connection {
    pub(super) client: Client,
    task: JoinHandle<()>,
    prepared: Mutex<HashMap<String, Statement>>,
    pub(super) generation: u64,
    _counted: Counted,
}

impl Connection {
    /// A statement, prepared at its first use.
    pub(super) async fn statement(&self, sql: &str) -> std::result::Result<Statement, Fault> {
        if let Some(statement) = self.prepared().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.prepared().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Forgets what was prepared.
    pub(super) fn forget(&self) {
        self.prepared().clear();
    }

    /// Ends it at once, without waiting for what was asked. One that is merely dropped says good-bye.
    pub(super) fn cut(&self) {
        self.task.abort();
    }

    /// Held for a line at a time.
    fn prepared(&self) -> MutexGuard<'_, HashMap<String, Statement>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the connections that are open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
