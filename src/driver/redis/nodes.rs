//! The servers: one, the one that sentinels name, or those of a cluster; and what is done when one refuses.
//!
//! Waits out what passes within a moment; a connection that broke is asked again by `remote.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call::{Call, Form, Key};
use super::cluster::{Cluster, Slot};
use super::dial::Target;
use super::fault::Fault;
use super::link::{Common, Link};
use super::resp::{Outgoing, Value};
use crate::config::Topology;
use crate::worker;

/// How long a server is asked again that says that it cannot answer yet.
const MOST_WAIT: Duration = Duration::from_millis(500);
/// The first pause before it is. It doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// How often a command is sent elsewhere, or in another form.
const MOST_DETOURS: usize = 8;

/// Where the records are.
#[derive(Debug)]
pub(super) enum Nodes {
    /// On one server.
    One(Arc<Link>),
    /// Divided among the primaries of a cluster.
    Many(Cluster),
}

/// What a refusal asks for.
enum Remedy {
    /// The same once more.
    Again,
    /// The same, with the script's text.
    Text,
    /// The same, of the server that takes over the key.
    Ask(Arc<Link>),
    /// The same, after a pause.
    Wait,
    /// None.
    Nothing,
}

impl Nodes {
    pub(super) fn new(topology: &Topology, common: Common) -> Self {
        let common = Arc::new(common);
        match topology {
            Topology::Single(address) => {
                Nodes::One(Link::new(Target::Server(address.clone()), common))
            }
            Topology::Cluster(seeds) => Nodes::Many(Cluster::new(seeds.clone(), common)),
            Topology::Sentinel {
                sentinels,
                name,
                password,
            } => {
                let mut access = common.access.clone();
                access.user = None;
                access.password.clone_from(password);
                access.database = 0;
                access.patience /= 2;
                let target = Target::Primary {
                    sentinels: sentinels.clone(),
                    name: name.clone(),
                    access,
                };
                Nodes::One(Link::new(target, common))
            }
        }
    }

    /// What a call gives. What is seldom needed stands in boxes: every call has room for all of it otherwise.
    pub(super) async fn run(&self, call: &Call<'_>) -> Result<Value, Fault> {
        match self.send(call.key, &call.in_form(Form::Digest)).await {
            Ok(value) => Ok(value),
            Err(fault) => Box::pin(self.insist(call, fault)).await,
        }
    }

    /// The same after a fault, in whatever way that asks for.
    async fn insist(&self, call: &Call<'_>, mut fault: Fault) -> Result<Value, Fault> {
        let key = call.key;
        let since = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut form = Form::Digest;
        for detours in 1.. {
            let mut asked = None;
            match self.remedy(key, form, &fault) {
                Remedy::Again if detours < MOST_DETOURS => {}
                Remedy::Text if detours < MOST_DETOURS => form = Form::Text,
                Remedy::Ask(link) if detours < MOST_DETOURS => asked = Some(link),
                Remedy::Wait if since.elapsed() + pause < MOST_WAIT => {
                    worker::inside(async { tokio::time::sleep(pause).await })
                        .await
                        .ok();
                    pause *= 2;
                }
                _ => break,
            }
            let formed = call.in_form(form);
            let answer = match asked {
                Some(link) => {
                    let formed = formed.asking();
                    let answer = link.send(&formed).await;
                    answer.map(|answer| formed.essence(answer))
                }
                None => self.send(key, &formed).await,
            };
            match answer {
                Ok(value) => return Ok(value),
                Err(another) => fault = another,
            }
        }
        Err(fault)
    }

    async fn send(&self, key: Key<'_>, question: &impl Outgoing) -> Result<Value, Fault> {
        let link = match self {
            Nodes::One(link) => link.clone(),
            Nodes::Many(cluster) => Box::pin(cluster.link(Slot::of(&key.whole()))).await?,
        };
        link.send(question).await
    }

    fn remedy(&self, key: Key<'_>, form: Form, fault: &Fault) -> Remedy {
        let Fault::Said(said) = fault else {
            if let Nodes::Many(cluster) = self {
                cluster.doubt();
            }
            return Remedy::Nothing;
        };
        match (said.code.as_str(), self) {
            ("NOSCRIPT", _) if form == Form::Digest => Remedy::Text,
            ("LOADING" | "MASTERDOWN" | "BUSY" | "TRYAGAIN", _) => Remedy::Wait,
            // A primary that has become a replica: there is another primary, or will be in a moment.
            ("READONLY", Nodes::One(link)) => {
                link.renew();
                Remedy::Wait
            }
            ("READONLY" | "CLUSTERDOWN", Nodes::Many(cluster)) => {
                cluster.doubt();
                Remedy::Wait
            }
            ("MOVED", Nodes::Many(cluster)) if cluster.moved(Slot::of(&key.whole()), said) => {
                Remedy::Again
            }
            ("ASK", Nodes::Many(cluster)) => match cluster.asked(said) {
                Some(link) => Remedy::Ask(link),
                None => Remedy::Nothing,
            },
            _ => Remedy::Nothing,
        }
    }

    /// Every server with records, by a name that orders them.
    pub(super) async fn primaries(&self) -> Result<Vec<(String, Arc<Link>)>, Fault> {
        match self {
            Nodes::One(link) => Ok(vec![(String::new(), link.clone())]),
            Nodes::Many(cluster) => cluster.primaries().await,
        }
    }
}
