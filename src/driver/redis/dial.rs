//! Making a connection to one server: the address, TLS, and who we are.
//!
//! Makes one attempt. When there is another, and what is sent then, is `link.rs`'s matter.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepidle};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::fault::Fault;
use super::resp::{Command, Part};
use super::wire::{Socket, Wire};
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
    /// Most bytes of one answer.
    pub(super) longest: usize,
}

impl Access {
    /// A connection that is ready for commands.
    pub(super) async fn dial(&self, address: &Address) -> Result<Wire, Fault> {
        let attempt = async {
            let lost = |error: io::Error| Fault::Lost(Reason::of_io(&error));
            let wire = self.connect(address).await.map_err(lost)?;
            self.introduce(&wire).await?;
            Ok(wire)
        };
        let late = |_| Fault::unsent("the server does not answer", Some("ETIMEDOUT"));
        let wire = tokio::time::timeout(self.patience, attempt).await;
        wire.map_err(late)?.map_err(Fault::before_sending)
    }

    async fn connect(&self, address: &Address) -> io::Result<Wire> {
        let (host, port) = match address {
            Address::Tcp(host, port) => (host, *port),
            Address::Socket(path, _) => {
                let stream = UnixStream::connect(path).await?.into_std()?;
                return Wire::new(Socket::Unix(stream), None, self.longest);
            }
        };
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        set_socket_keepalive(&stream, true)?;
        set_tcp_keepidle(&stream, KEEP_ALIVE)?;
        let (stream, tls) = match &self.tls {
            None => (stream, None),
            Some(tls) => {
                let (stream, tls) = encrypted(stream, host, tls).await?;
                (stream, Some(Box::new(tls)))
            }
        };
        Wire::new(Socket::Tcp(stream.into_std()?), tls, self.longest)
    }

    /// Logs in, by RESP3 where the server speaks it, and chooses the database.
    async fn introduce(&self, wire: &Wire) -> Result<(), Fault> {
        let mut hello = Command::of(&["HELLO", "3"]);
        if let Some(password) = &self.password {
            let user = self.user.as_deref().unwrap_or("default");
            hello.add(&["AUTH", user, password.reveal()].map(Part::Text));
        }
        hello.add(&["SETNAME", CLIENT_NAME].map(Part::Text));
        match wire.ask(&hello).await {
            Ok(_) => {}
            Err(Fault::Said(said)) if speaks_no_resp3(&said.code, &said.text) => {
                self.log_in(wire).await?;
            }
            Err(fault) => return Err(fault),
        }
        if self.database > 0 {
            let number = self.database.to_string();
            wire.ask(&Command::of(&["SELECT", &number])).await?;
        }
        Ok(())
    }

    /// Logs in by RESP2.
    async fn log_in(&self, wire: &Wire) -> Result<(), Fault> {
        let Some(password) = &self.password else {
            return Ok(());
        };
        let auth = match &self.user {
            Some(user) => Command::of(&["AUTH", user, password.reveal()]),
            None => Command::of(&["AUTH", password.reveal()]),
        };
        wire.ask(&auth).await?;
        Ok(())
    }
}

/// Whether a refusal of `HELLO 3` means the command, and not who we are.
fn speaks_no_resp3(code: &str, text: &str) -> bool {
    matches!(code, "NOPROTO" | "NOPERM") || (code == "ERR" && text.contains("unknown command"))
}

/// What encrypts a connection whose other end has shown the certificate that it has to have.
async fn encrypted(
    stream: TcpStream,
    host: &str,
    tls: &Tls,
) -> io::Result<(TcpStream, ClientConnection)> {
    let unusable = |_| io::Error::other("the options of TLS cannot be used");
    let config = tls::client_config(tls).map_err(unusable)?;
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector.connect(name, stream).await?.into_inner())
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
    pub(super) async fn dial(&self, access: &Access) -> Result<Wire, Fault> {
        match self {
            Target::Server(address) => access.dial(address).await,
            Target::Primary {
                sentinels,
                name,
                access: of_sentinels,
            } => {
                let address = super::sentinel::primary(sentinels, name, of_sentinels).await?;
                let wire = access.dial(&address).await?;
                super::sentinel::check_role(&wire).await?;
                Ok(wire)
            }
        }
    }
}
