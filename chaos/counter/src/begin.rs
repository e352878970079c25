//! The first write to each counter. What is wrong with the servers or the options shows here, and
//! is said in plain words.

use std::collections::HashMap;
use std::time::Duration;

use redis::cmd;
use uuid::Uuid;

use crate::address::Address;
use crate::caller::Caller;
use crate::failure::Failure;
use crate::increments::Increments;
use crate::options::Form;
use crate::system::{Kind, System};

/// The default of `durable.once-ttl-ms`, for users who may not read the setting.
const USUAL_WINDOW: Duration = Duration::from_secs(600);

/// What the test has to know about the servers.
pub struct Begun {
    pub primary: Address,
    /// How long an id of DURABLE.ONCE may be sent again.
    pub window: Duration,
}

pub fn begin(system: &System, increments: &Increments) -> Result<Begun, String> {
    let form = increments.form();
    let place = system
        .locate()
        .map_err(|error| match advice(&error, system, form) {
            Some(advice) => format!("{error}\n{advice}"),
            None => error,
        })?;
    let mut caller = Caller::at(system, place.clone());
    for counter in 0..increments.keys().len() {
        let created: Result<(), _> = caller.call(counter, &increments.create(counter));
        created.map_err(|failure| explained(&failure, caller.asked(), system, form))?;
    }
    // The last read is a command of its own. A missing permission must not show after the test.
    let read: Result<i64, _> = caller.call(0, &increments.read(0, &Uuid::new_v4()));
    read.map_err(|failure| explained(&failure, caller.asked(), system, form))?;
    let primary = caller.asked().cloned().unwrap_or(place);
    let mut settings = cmd("CONFIG");
    settings.arg("GET").arg("durable.once-ttl-ms");
    let settings: Result<HashMap<String, String>, _> = caller.call(0, &settings);
    let window = settings
        .ok()
        .and_then(|settings| settings.get("durable.once-ttl-ms")?.parse().ok())
        .map_or(USUAL_WINDOW, Duration::from_millis);
    Ok(Begun { primary, window })
}

/// An error of a server, with what to do about it.
fn explained(failure: &Failure, place: Option<&Address>, system: &System, form: Form) -> String {
    let error = failure.text();
    let mut text = match place.map(Address::to_string) {
        // The error of a connection already names the address.
        Some(place) if !error.contains(&place) => format!("{place}: {error}"),
        _ => error.to_string(),
    };
    if let Some(advice) = advice(error, system, form) {
        text += &format!("\n{advice}");
    }
    text
}

fn advice(error: &str, system: &System, form: Form) -> Option<&'static str> {
    let kind = system.kind();
    let says = |part: &str| error.contains(part);
    let advice = if says("NOREPLICAS") {
        "wait until its replicas are connected (DURABLE.REPLICAS lists them)"
    } else if says("UNACKED") {
        "its replicas are connected but do not acknowledge in time"
    } else if says("READONLY") && *kind == Kind::Plain {
        "this is a replica: name the primary, or use --sentinel NAME (SENTINEL=name)"
    } else if says("MOVED") && *kind == Kind::Cluster {
        "the nodes do not agree about who owns the key: wait until CLUSTER INFO says ok"
    } else if says("MOVED") {
        "this is a node of a cluster: add --cluster (CLUSTER=1)"
    } else if says("cluster support disabled") {
        "this is not a cluster: leave --cluster (CLUSTER=1) out"
    } else if says("NOPERM") {
        "the user needs the commands DURABLE.SET, DURABLE.ONCE, DURABLE.INCR, SET, INCR, INCRBY, \
         DEL and EXPIRE for the keys durable-counter-test:*"
    } else if says("unknown command") && form != Form::Plain {
        "the redis-durable module is not loaded there (--command plain counts without it)"
    } else if says("WRONGPASS") || says("NOAUTH") || says("Password authentication failed") {
        "set PASSWORD to the right password (SENTINEL_PASSWORD where the Sentinels have another), \
         and --user to the ACL user if there is one"
    } else if system.tls() && (says("no answer within") || says("InvalidContentType")) {
        // A server without TLS waits for the rest of the line, or answers in plain text.
        "is this a TLS port? --tls (TLS=1) needs one"
    } else {
        return None;
    };
    Some(advice)
}
