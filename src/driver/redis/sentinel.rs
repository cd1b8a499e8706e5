//! Which server is the primary, as sentinels have it.
//!
//! Asks anew for every connection; keeps nothing.

use futures_util::FutureExt as _;
use futures_util::future::select_ok;

use super::dial::Access;
use super::fault::Fault;
use super::resp::{Command, Value};
use super::value::{number_of, text_of};
use super::wire::Wire;
use crate::config::Address;

/// The primary of that name. All sentinels are asked at once, and the first that knows it is believed.
pub(super) async fn primary(
    sentinels: &[Address],
    name: &str,
    access: &Access,
) -> Result<Address, Fault> {
    let each = sentinels
        .iter()
        .map(|sentinel| told_by(sentinel, name, access).boxed());
    select_ok(each).await.map(|(address, _)| address)
}

async fn told_by(sentinel: &Address, name: &str, access: &Access) -> Result<Address, Fault> {
    let asked = async {
        let question = Command::of(&["SENTINEL", "get-master-addr-by-name", name]);
        access.dial(sentinel).await?.ask(&question).await
    };
    let late = |_| Fault::unsent("no sentinel answers", Some("ETIMEDOUT"));
    let told = tokio::time::timeout(access.patience, asked).await;
    let told = told.map_err(late)?.map_err(Fault::before_sending)?;
    let address = match &told {
        Value::List(parts) => match parts.as_slice() {
            [host, port] => text_of(host).zip(number_of(port)),
            _ => None,
        },
        _ => None,
    };
    let unknown = || Fault::unsent("the sentinels know no primary of that name", None);
    let (host, port) = address.ok_or_else(unknown)?;
    Ok(Address::Tcp(
        host.to_owned(),
        u16::try_from(port).unwrap_or_default(),
    ))
}

/// Refuses a server that is no primary, or no longer. One that does not let us ask is believed.
pub(super) async fn check_role(wire: &Wire) -> Result<(), Fault> {
    let told = match wire.ask(&Command::of(&["ROLE"])).await {
        Ok(told) => told,
        Err(Fault::Said(_)) => return Ok(()),
        Err(fault) => return Err(fault.before_sending()),
    };
    let role = match &told {
        Value::List(parts) => parts.first().and_then(text_of),
        _ => None,
    };
    match role {
        Some("slave" | "replica") => {
            let message = "the server that the sentinels name is no primary yet";
            Err(Fault::unsent(message, Some("READONLY")))
        }
        _ => Ok(()),
    }
}
