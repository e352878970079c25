//! The first write to each counter. What is wrong with the servers or the options shows here, and
//! is said in plain words.

use std::collections::HashMap;
use std::time::Duration;

use redis::cmd;

use crate::address::Address;
use crate::caller::Caller;
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
    let place = system.locate().map_err(|error| match system.kind() {
        Kind::Cluster if error.contains("cluster support disabled") => {
            format!("{error}: leave --cluster (CLUSTER=1) out")
        }
        _ => error,
    })?;
    let mut caller = Caller::new(system);
    for counter in 0..increments.keys().len() {
        let created: Result<(), _> = caller.call(counter, &increments.create(counter));
        created.map_err(|failure| explained(failure.text(), &place, system, increments.form()))?;
    }
    let mut settings = cmd("CONFIG");
    settings.arg("GET").arg("durable.once-ttl-ms");
    let settings: Result<HashMap<String, String>, _> = caller.call(0, &settings);
    let window = settings
        .ok()
        .and_then(|settings| settings.get("durable.once-ttl-ms")?.parse().ok())
        .map_or(USUAL_WINDOW, Duration::from_millis);
    let primary = caller.owner(0).cloned().unwrap_or(place);
    Ok(Begun { primary, window })
}

/// An error at the first write, with what to do about it.
fn explained(error: &str, place: &Address, system: &System, form: Form) -> String {
    let code = error.split(' ').next().unwrap_or_default();
    // The error of a connection already names the address.
    let named = if error.contains(&place.to_string()) {
        error.to_string()
    } else {
        format!("{place} answers: {error}")
    };
    let advice = match code {
        "NOREPLICAS" => "wait until its replicas are connected (DURABLE.REPLICAS lists them)",
        "UNACKED" => "its replicas are connected but do not acknowledge in time",
        "READONLY" if *system.kind() == Kind::Plain => {
            "this is a replica: name the primary, or use --sentinel NAME (SENTINEL=name)"
        }
        "MOVED" => "this is a node of a cluster: add --cluster (CLUSTER=1)",
        "NOPERM" => "the user needs DURABLE.SET, DURABLE.ONCE, DURABLE.GET, SET, INCR, GET, DEL",
        _ if error.contains("unknown command") && form != Form::Plain => {
            "the redis-durable module is not loaded there (--command plain counts without it)"
        }
        _ if ["WRONGPASS", "NOAUTH"]
            .iter()
            .any(|code| error.contains(code))
            || error.contains("without any password configured")
            || error.contains("Password authentication failed") =>
        {
            "set PASSWORD to the right password, and --user to the ACL user if there is one"
        }
        _ => return named,
    };
    format!("{named}\n{advice}")
}
