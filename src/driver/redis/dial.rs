//! Making a connection to one server: the address, TLS, and who we are.
//!
//! Makes one attempt. When there is another, and what is sent then, is `link.rs`'s matter.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, Value, cmd,
};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault::{Fault, answered};
use crate::config::{Address, Password, Tls};
use crate::driver::remote::Reason;
use crate::driver::tls;

/// When an idle connection is first asked whether it still leads anywhere.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// What servers list our connections by.
const CLIENT_NAME: &str = "node-session";

/// How servers are reached and told who we are.
#[derive(Clone, Debug)]
pub(super) struct Access {
    pub(super) user: Option<String>,
    pub(super) password: Option<Password>,
    pub(super) database: u32,
    pub(super) tls: Option<Tls>,
    /// How long an attempt may take.
    pub(super) patience: Duration,
}

impl Access {
    /// A connection that is ready for commands.
    pub(super) async fn dial(&self, address: &Address) -> Result<MultiplexedConnection, Fault> {
        let attempt = async {
            let mut connection = self.connect(address).await?;
            self.introduce(&mut connection).await?;
            Ok(connection)
        };
        let late = |_| Fault::unsent("the server does not answer", Some("ETIMEDOUT"));
        let connection = tokio::time::timeout(self.patience, attempt).await;
        connection.map_err(late)?.map_err(Fault::before_sending)
    }

    async fn connect(&self, address: &Address) -> Result<MultiplexedConnection, Fault> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        if let (Address::Tcp(host, port), Some(tls)) = (address, &self.tls) {
            let stream = encrypted(host, *port, tls).await.map_err(unencrypted)?;
            let made = MultiplexedConnection::new_with_config(&settings(), stream, config).await;
            let (connection, driving) = made?;
            // It ends with the connection.
            tokio::spawn(driving);
            return Ok(connection);
        }
        let client = client(address)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        connection.await.map_err(Fault::from)
    }

    /// Logs in, by RESP3 where the server speaks it, and chooses the database.
    async fn introduce(&self, connection: &mut MultiplexedConnection) -> Result<(), Fault> {
        let mut hello = cmd("HELLO");
        hello.arg(3);
        if let Some(password) = &self.password {
            hello
                .arg("AUTH")
                .arg(self.user.as_deref().unwrap_or("default"));
            hello.arg(password.reveal());
        }
        hello.arg("SETNAME").arg(CLIENT_NAME);
        match ask(connection, &hello).await {
            Ok(_) => {}
            Err(Fault::Said(said)) if speaks_no_resp3(&said.code, &said.text) => {
                self.log_in(connection).await?;
            }
            Err(fault) => return Err(fault),
        }
        if self.database > 0 {
            ask(connection, cmd("SELECT").arg(self.database)).await?;
        }
        Ok(())
    }

    /// Logs in by RESP2.
    async fn log_in(&self, connection: &mut MultiplexedConnection) -> Result<(), Fault> {
        let Some(password) = &self.password else {
            return Ok(());
        };
        let mut auth = cmd("AUTH");
        if let Some(user) = &self.user {
            auth.arg(user);
        }
        ask(connection, auth.arg(password.reveal())).await?;
        Ok(())
    }
}

/// Whether a refusal of `HELLO 3` means the command, and not who we are.
fn speaks_no_resp3(code: &str, text: &str) -> bool {
    matches!(code, "NOPROTO" | "NOPERM") || (code == "ERR" && text.contains("unknown command"))
}

/// What the server answers to one command on a connection of our own.
pub(super) async fn ask(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
) -> Result<Value, Fault> {
    answered(connection.send_packed_command(command).await?)
}

fn settings() -> RedisConnectionInfo {
    RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP2)
        .set_skip_set_lib_name()
}

fn keep_alive() -> TcpKeepalive {
    TcpKeepalive::new().with_time(KEEP_ALIVE)
}

fn client(address: &Address) -> Result<Client, Fault> {
    let unusable = |_| Fault::unsent("the options of the connection cannot be used", None);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keep_alive());
    let to = match address {
        Address::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
        Address::Socket(path, _) => ConnectionAddr::Unix(path.clone()),
    };
    let info = to.into_connection_info().map_err(unusable)?;
    let info = info.set_redis_settings(settings()).set_tcp_settings(tcp);
    Client::open(info).map_err(unusable)
}

/// A connection by TLS, whose other end has shown the certificate that it has to have.
async fn encrypted(host: &str, port: u16, tls: &Tls) -> io::Result<TlsStream<TcpStream>> {
    let unusable = |_| io::Error::other("the options of TLS cannot be used");
    let config = tls::client_config(tls).map_err(unusable)?;
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&keep_alive())?;
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await
}

fn unencrypted(error: io::Error) -> Fault {
    Fault::Unsent(Reason::of_io(&error))
}

/// Where a connection is made to.
#[derive(Debug)]
pub(super) enum Target {
    /// To one server.
    Server(Address),
    /// To the primary that sentinels know by that name.
    Primary {
        sentinels: Vec<Address>,
        name: String,
        /// What the sentinels themselves are told.
        access: Access,
    },
}

impl Target {
    pub(super) async fn dial(&self, access: &Access) -> Result<MultiplexedConnection, Fault> {
        match self {
            Target::Server(address) => access.dial(address).await,
            Target::Primary {
                sentinels,
                name,
                access: of_sentinels,
            } => {
                let address = super::sentinel::primary(sentinels, name, of_sentinels).await?;
                let mut connection = access.dial(&address).await?;
                super::sentinel::check_role(&mut connection).await?;
                Ok(connection)
            }
        }
    }
}
