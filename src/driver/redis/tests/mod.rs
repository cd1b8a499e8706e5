//! What the Redis driver does beyond the laws that all drivers keep, by topic; last, it joins the laws.
//!
//! Against a real server: `REDIS_URL`, or the one on this machine. Servers that fail are in `__test__/servers/`.

mod keys;

use std::sync::atomic::{AtomicUsize, Ordering};

use redis::{Commands as _, Connection};

use super::*;
use crate::config::{Address, Redis, Topology};
use crate::driver::conformance::{Fixture, is_listening};
use crate::driver::{Answer, Driver};

const BOUNDS: Bounds = Bounds {
    idle_timeout: Millis(1_000),
    max_payload: 64 * 1024,
    read_patience: Millis(1_900),
    write_patience: Millis(1_900),
};
const NOW: Millis = Millis(1_795_383_066_943);

/// Keys of a prefix of their own on the server, removed at the end, and the means to look at them from outside.
struct Place {
    url: String,
    prefix: String,
}

impl Place {
    fn new() -> Self {
        Self::named("")
    }

    /// The prefix ends in `name`.
    fn named(name: &str) -> Self {
        static PLACES: AtomicUsize = AtomicUsize::new(0);
        let (process, place) = (std::process::id(), PLACES.fetch_add(1, Ordering::Relaxed));
        let url = std::env::var("REDIS_URL");
        Place {
            url: url.unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned()),
            prefix: format!("node-session-test:{process}:{place}:{name}"),
        }
    }

    fn address(&self) -> (String, u16) {
        let url = url::Url::parse(&self.url).unwrap();
        (
            url.host_str().unwrap().to_owned(),
            url.port().unwrap_or(6379),
        )
    }

    fn options(&self) -> Redis {
        let (host, port) = self.address();
        Redis {
            topology: Topology::Single(Address::Tcp(host, port)),
            user: None,
            password: None,
            database: 0,
            tls: None,
            prefix: self.prefix.clone(),
        }
    }

    fn driver(&self) -> Remote<RedisServer> {
        open(&self.options(), BOUNDS).unwrap()
    }

    fn client(&self) -> Connection {
        redis::Client::open(&*self.url)
            .unwrap()
            .get_connection()
            .unwrap()
    }

    fn key(&self, id: SessionId) -> String {
        format!("{}{}", self.prefix, id.as_str())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Ok(mut client) =
            redis::Client::open(&*self.url).and_then(|client| client.get_connection())
        else {
            return;
        };
        let escaped = self
            .prefix
            .replace('\\', "\\\\")
            .replace('*', "\\*")
            .replace('[', "\\[")
            .replace('?', "\\?");
        let keys: Vec<String> = client
            .scan_match(format!("{escaped}*"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        if !keys.is_empty() {
            client.del::<_, ()>(keys).unwrap();
        }
    }
}

fn id(fill: char) -> SessionId {
    SessionId::parse(&fill.to_string().repeat(40)).unwrap()
}

fn wait<T: Unpin>(answer: Answer<T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(answer)
}

impl Fixture for Place {
    fn open(&self, bounds: Bounds) -> Box<dyn Driver> {
        Box::new(super::open(&self.options(), bounds).unwrap())
    }

    fn reopen(&self, bounds: Bounds) -> Option<Box<dyn Driver>> {
        Some(self.open(bounds))
    }

    fn is_available(&self) -> bool {
        let (host, port) = self.address();
        is_listening(&format!("{host}:{port}"))
    }
}

crate::driver::conformance!(Place::new());
