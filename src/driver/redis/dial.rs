//! Making a connection to one server: the address, TLS, and who we are.
//!
//! Makes one attempt. When there is another, and what is sent then, is `link.rs`'s matter.

use std::net::SocketAddr;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::AsyncDNSResolver;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, IntoConnectionInfo,
    ProtocolVersion, RedisConnectionInfo, RedisFuture, TlsCertificates, Value, cmd,
};

use super::fault::{Fault, answered};
use crate::config::{Address, Password, Tls};
use crate::error::Error;

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
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let verified = self.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
        let address = match (address, &self.tls, verified) {
            (Address::Tcp(host, port), Some(_), Some(name)) => {
                config = config.set_dns_resolver(Behind(host.clone()));
                Address::Tcp(name.clone(), *port)
            }
            _ => address.clone(),
        };
        let client = client(&address, self.tls.as_ref())?;
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

fn client(address: &Address, tls: Option<&Tls>) -> Result<Client, Fault> {
    let unusable = |_| Fault::unsent("the options of the connection cannot be used", None);
    let settings = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP2)
        .set_skip_set_lib_name();
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keep_alive);
    let to = match (address, tls) {
        (Address::Tcp(host, port), None) => ConnectionAddr::Tcp(host.clone(), *port),
        (Address::Tcp(host, port), Some(tls)) => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: !tls.is_verified,
            tls_params: None,
        },
        (Address::Socket(path, _), _) => ConnectionAddr::Unix(path.clone()),
    };
    let is_encrypted = matches!(to, ConnectionAddr::TcpTls { .. });
    let info = to.into_connection_info().map_err(unusable)?;
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
    match tls {
        Some(tls) if is_encrypted => {
            Client::build_with_tls(info, certificates(tls)).map_err(unusable)
        }
        _ => Client::open(info).map_err(unusable),
    }
}

fn certificates(tls: &Tls) -> TlsCertificates {
    let client_tls = tls.identity.clone().map(|(cert, key)| ClientTlsConfig {
        client_cert: cert,
        client_key: key,
    });
    TlsCertificates {
        client_tls,
        root_cert: tls.authorities.clone(),
    }
}

/// Tells at once whether certificates can be used, rather than at the first connection.
///
/// # Errors
///
/// `ERR_SESSION_CONFIG`.
pub(super) fn check(tls: &Tls) -> crate::error::Result<()> {
    let anywhere = Address::Tcp("localhost".to_owned(), 1);
    let refused = |_| {
        let allowed =
            "true, false, or {ca, cert, key, …} with PEM text that holds certificates and a key";
        Error::config("connection.ssl", allowed)
    };
    client(&anywhere, Some(tls)).map(|_| ()).map_err(refused)
}

/// Finds the host that is meant behind the name that its certificate has.
struct Behind(String);

impl AsyncDNSResolver for Behind {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        _name: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((self.0.as_str(), port))
                .await?
                .collect();
            Ok(Box::new(found.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
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
