//! One connection to a server: how it is made, what is set on it, and how it is left.
//!
//! Asks nothing about sessions.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Conn, Opts, OptsBuilder, Row, SslOpts, Value};

use super::fault::Fault;
use crate::config::{Address, Password, Server, Tls};

/// When the system asks an idle connection's other end for the first time whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// What the protocol's own layer is told of the longest packet, which is watched over here. Units: bytes.
const MOST_PACKET: usize = 1 << 30;
/// Bytes of a packet that are not a statement's values, and more; and those that tell a value's type and length, and more.
const PACKET_REST: usize = 512;
const VALUE_REST: usize = 12;
/// The same of the time after which the server closes an idle connection, which is found out by asking. Units: seconds.
const IDLE_TIMEOUT: usize = 28_800;

/// In a strict mode nothing is cut to fit a column. No statement waits for a lock longer than a second, also when nobody
/// waits for its answer any more.
const SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION autocommit = 1, \
                        SESSION innodb_lock_wait_timeout = 1, SESSION lock_wait_timeout = 1";
/// Statements then lock the rows that they change and no gaps between rows. A server that logs statements cannot do so.
const ISOLATION: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
const LIMITS: &str = "SHOW SESSION VARIABLES WHERE Variable_name IN ('max_allowed_packet', 'log_bin', 'binlog_format')";

/// A connection. Dropped, it is closed.
pub(super) struct Open {
    /// `None` while it is being closed.
    conn: Option<Conn>,
    made: Instant,
    /// The longest packet that the server takes. Units: bytes.
    most_packet: usize,
}

/// What came of a statement.
#[derive(Debug)]
pub(super) struct Reply {
    /// What a query found.
    pub(super) rows: Vec<Row>,
    /// Rows that a change found, whether they were as they had to be already or not.
    pub(super) found: u64,
}

impl Open {
    /// Makes a connection.
    pub(super) async fn dial(opts: &Opts) -> Result<Self, Fault> {
        let mut open = Self {
            conn: Some(Conn::new(opts.clone()).await?),
            made: Instant::now(),
            most_packet: MOST_PACKET,
        };
        let conn = open.conn()?;
        conn.query_drop(SETTINGS).await?;
        let limits: Vec<Row> = conn.query(LIMITS).await?;
        let text = |row: &Row, index| row.get_opt::<String, _>(index)?.ok();
        let value = |wanted: &str| {
            let is_it = |row: &&Row| text(row, 0).as_deref() == Some(wanted);
            let found = limits.iter().find(is_it);
            found.and_then(|row| text(row, 1)).unwrap_or_default()
        };
        let logs_statements = value("log_bin") == "ON" && value("binlog_format") == "STATEMENT";
        if !logs_statements {
            conn.query_drop(ISOLATION).await?;
        }
        let most_packet = value("max_allowed_packet").parse();
        open.most_packet = most_packet.unwrap_or(MOST_PACKET);
        Ok(open)
    }

    pub(super) fn age(&self) -> Duration {
        self.made.elapsed()
    }

    /// Whether the server answers on it.
    pub(super) async fn lives(&mut self) -> bool {
        match self.conn.as_mut() {
            Some(conn) => conn.ping().await.is_ok(),
            None => false,
        }
    }

    /// Runs one statement, which is prepared the first time.
    pub(super) async fn ask(&mut self, sql: &str, values: Vec<Value>) -> Result<Reply, Fault> {
        // A longer packet would not be refused but cost the connection.
        let bytes: usize = values.iter().map(length).sum();
        if bytes + PACKET_REST > self.most_packet {
            let message = format!(
                "the session needs a packet of {bytes} bytes, and the server's max_allowed_packet is {}",
                self.most_packet
            );
            return Err(Fault::refused(message, "ER_NET_PACKET_TOO_LARGE"));
        }
        let conn = self.conn()?;
        let rows = conn.exec(sql, values).await?;
        let found = conn.affected_rows();
        Ok(Reply { rows, found })
    }

    fn conn(&mut self) -> Result<&mut Conn, Fault> {
        let closed = || Fault::refused("the connection is closed", "ECONNRESET");
        self.conn.as_mut().ok_or_else(closed)
    }
}

/// Takes leave of the server as far as that is possible at once: who has gone away in the middle of an answer, or does not
/// read, is not waited for.
impl Drop for Open {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            let leaving = pin!(conn.disconnect());
            let _ = leaving.poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

fn length(value: &Value) -> usize {
    VALUE_REST
        + match value {
            Value::Bytes(bytes) => bytes.len(),
            _ => size_of::<u64>(),
        }
}

/// How a server is reached.
pub(super) fn options(server: &Server) -> Opts {
    let password = server.password.as_ref().map(Password::reveal);
    let builder = OptsBuilder::default()
        .user(Some(&server.user))
        .pass(password)
        .db_name(Some(&server.database))
        .ssl_opts(server.tls.as_ref().map(ssl))
        .prefer_socket(false)
        .client_found_rows(true)
        .tcp_keepalive(Some(KEEPALIVE))
        .max_allowed_packet(Some(MOST_PACKET))
        .wait_timeout(Some(IDLE_TIMEOUT));
    let builder = match &server.address {
        Address::Tcp(host, port) => builder.ip_or_hostname(host).tcp_port(*port),
        Address::Socket(path, _) => builder.socket(Some(path.to_string_lossy())),
    };
    builder.into()
}

fn ssl(tls: &Tls) -> SslOpts {
    let identity = tls.identity.clone();
    let identity = identity.map(|(cert, key)| ClientIdentity::new(cert.into(), key.into()));
    let own = tls.authorities.clone();
    SslOpts::default()
        .with_client_identity(identity)
        .with_disable_built_in_roots(own.is_some())
        .with_root_certs(own.into_iter().map(Into::into).collect())
        .with_danger_accept_invalid_certs(!tls.is_verified)
        .with_danger_tls_hostname_override(tls.server_name.clone())
}
