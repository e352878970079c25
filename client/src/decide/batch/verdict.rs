//! What a reply means for routing: the command is done, goes to another node, waits, or has an
//! error for the caller. Pure.

use redis::{ServerError, Value};

use crate::decide::command::Command;
use crate::decide::redirect::Redirect;

/// What follows from a reply.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The value is the result.
    Done(Value),
    /// The caller gets the error.
    Failed(ServerError),
    /// The slot is at another node.
    Moved(Redirect),
    /// This one command goes to another node. The slot stays where it is.
    Ask(Redirect),
    /// The command is to be sent again: nothing was executed, or it may be executed twice.
    Later(Why, ServerError),
    /// A command that is executed once has been executed, and too few replicas have acknowledged in
    /// time. Sent again, it waits for them again.
    Unacked(ServerError),
    /// Something may have been executed.
    Unknown(ServerError),
}

/// Why a command is to be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The slot is being moved, and the node does not have all keys of the command.
    TryAgain,
    /// The cluster does not serve the slot now.
    ClusterDown,
    /// The node is loading its data, and may have another role afterwards.
    Loading,
    /// The node is a replica now, or has lost its primary.
    NotPrimary,
}

impl Verdict {
    pub(crate) fn of(command: &Command, reply: Value) -> Verdict {
        let error = match reply {
            Value::ServerError(error) => error,
            reply => return Verdict::Done(reply),
        };
        let details = error.details().unwrap_or_default();
        // MOVED and ASK of a script are followed: the server redirects scripts by them.
        let redirect = match error.code() {
            "MOVED" => Redirect::parse(details).map(Verdict::Moved),
            "ASK" => Redirect::parse(details).map(Verdict::Ask),
            _ => None,
        };
        if let Some(redirect) = redirect {
            return redirect;
        }
        if error.code() == "UNACKED" && command.is_once() {
            return Verdict::Unacked(error);
        }
        let Some(why) = Why::of(command, &error) else {
            return Verdict::Failed(error);
        };
        // The server gives these errors also to a durable command that has been executed and waits
        // for replicas. A fence has no meaning on another server.
        let while_waiting = matches!(error.code(), "CLUSTERDOWN" | "UNBLOCKED")
            && command.is_durable()
            && !command.is_repeatable();
        if command.is_fence() || while_waiting {
            Verdict::Unknown(error)
        } else if command.has_errors_of_its_own() {
            Verdict::Failed(error)
        } else {
            Verdict::Later(why, error)
        }
    }

    /// Whether this is the result of the command, so that it is not sent again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(
            self,
            Verdict::Done(_) | Verdict::Failed(_) | Verdict::Unknown(_)
        )
    }
}

impl Why {
    fn of(command: &Command, error: &ServerError) -> Option<Why> {
        let on_replica = || {
            let details = error.details().unwrap_or_default();
            command.is_durable() && details.ends_with("needs a primary, this is a replica")
        };
        match error.code() {
            "TRYAGAIN" => Some(Why::TryAgain),
            "CLUSTERDOWN" => Some(Why::ClusterDown),
            "LOADING" => Some(Why::Loading),
            "READONLY" | "MASTERDOWN" => Some(Why::NotPrimary),
            "UNBLOCKED" if command.is_durable() => Some(Why::NotPrimary),
            "ERR" if on_replica() => Some(Why::NotPrimary),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(command: &Command, error: &str) -> Verdict {
        let reply = redis::parse_redis_value(format!("-{error}\r\n").as_bytes()).unwrap();
        Verdict::of(command, reply)
    }

    #[test]
    fn redirections_are_followed_and_unreadable_ones_are_errors_for_the_caller() {
        let get = Command::get("k");
        let to = Redirect {
            slot: 3999,
            host: Some("fd00::3".into()),
            port: 6381,
        };
        assert_eq!(
            verdict(&get, "MOVED 3999 fd00::3:6381"),
            Verdict::Moved(to.clone())
        );
        assert_eq!(verdict(&get, "ASK 3999 fd00::3:6381"), Verdict::Ask(to));
        for error in ["MOVED 3999 host:0", "MOVED", "ASK 1"] {
            assert!(
                matches!(verdict(&get, error), Verdict::Failed(_)),
                "{error}"
            );
        }
    }

    #[test]
    fn a_command_that_was_turned_away_before_it_ran_is_tried_later() {
        let set = Command::set("k", "v");
        for (error, why) in [
            (
                "TRYAGAIN Multiple keys request during rehashing of slot",
                Why::TryAgain,
            ),
            ("CLUSTERDOWN Hash slot not served", Why::ClusterDown),
            (
                "LOADING Redis is loading the dataset in memory",
                Why::Loading,
            ),
            (
                "READONLY You can't write against a read only replica.",
                Why::NotPrimary,
            ),
            ("MASTERDOWN Link with MASTER is down", Why::NotPrimary),
        ] {
            let verdict = verdict(&set, error);
            assert!(
                matches!(verdict, Verdict::Later(met, _) if met == why),
                "{error}: {verdict:?}"
            );
        }
    }

    #[test]
    fn a_durable_write_that_is_turned_away_while_it_waits_has_been_executed() {
        let set = Command::new("DURABLE.SET").key("k").arg("v");
        for error in ["CLUSTERDOWN The cluster is down", "UNBLOCKED force unblock"] {
            assert!(
                matches!(verdict(&set, error), Verdict::Unknown(_)),
                "{error}"
            );
            let again = set.clone().repeatable();
            assert!(
                matches!(verdict(&again, error), Verdict::Later(..)),
                "{error}"
            );
        }
        let replica = "ERR DURABLE.SET needs a primary, this is a replica";
        assert!(matches!(
            verdict(&set, replica),
            Verdict::Later(Why::NotPrimary, _)
        ));
    }

    #[test]
    fn a_command_that_is_executed_once_is_sent_again_whenever_its_outcome_is_open() {
        let once = Command::new("INCR").key("k").once("order-7");
        for (error, why) in [
            ("UNBLOCKED force unblock", Why::NotPrimary),
            ("CLUSTERDOWN The cluster is down", Why::ClusterDown),
            ("TRYAGAIN the record may be on another node", Why::TryAgain),
            (
                "ERR DURABLE.ONCE needs a primary, this is a replica",
                Why::NotPrimary,
            ),
        ] {
            let verdict = verdict(&once, error);
            assert!(
                matches!(verdict, Verdict::Later(met, _) if met == why),
                "{error}: {verdict:?}"
            );
        }
        let unacked = verdict(&once, "UNACKED 0 of 1");
        assert!(matches!(unacked, Verdict::Unacked(_)) && !unacked.is_final());
        let twice = Command::new("DURABLE.INCR").key("k").repeatable();
        let unacked = verdict(&twice, "UNACKED 0 of 1");
        assert!(matches!(unacked, Verdict::Failed(_)), "{unacked:?}");
    }

    #[test]
    fn a_fence_that_is_turned_away_is_not_sent_to_another_node() {
        let fence = Command::new("DURABLE.WAIT").routed_by("k");
        for fence in [fence.clone(), fence.repeatable()] {
            for error in [
                "CLUSTERDOWN The cluster is down",
                "UNBLOCKED force unblock",
                "LOADING Redis is loading the dataset in memory",
                "READONLY You can't write against a read only replica.",
                "MASTERDOWN Link with MASTER is down",
                "TRYAGAIN x",
                "ERR DURABLE.WAIT needs a primary, this is a replica",
            ] {
                let verdict = verdict(&fence, error);
                assert!(matches!(verdict, Verdict::Unknown(_)), "{error}");
            }
            let verdict = verdict(&fence, "UNACKED 0 of 1");
            assert!(matches!(verdict, Verdict::Failed(_)));
        }
    }

    #[test]
    fn an_error_of_a_script_is_for_the_caller_unless_the_script_may_be_repeated() {
        let words = [
            "TRYAGAIN come back",
            "CLUSTERDOWN x",
            "LOADING x",
            "READONLY x",
            "MASTERDOWN x",
        ];
        for name in ["EVAL", "EVALSHA_RO", "FCALL"] {
            let script = Command::new(name).arg("x").arg(1).key("k");
            for error in words {
                let first = verdict(&script, error);
                assert!(matches!(first, Verdict::Failed(_)), "{name}: {error}");
                let again = verdict(&script.clone().repeatable(), error);
                assert!(matches!(again, Verdict::Later(..)), "{name}: {error}");
            }
            let moved = verdict(&script, "MOVED 1 a:1");
            assert!(matches!(moved, Verdict::Moved(_)), "{name}");
        }
    }

    #[test]
    fn all_other_errors_are_for_the_caller() {
        let set = Command::new("DURABLE.SET").key("k").arg("v");
        for error in [
            "WRONGTYPE x",
            "ERR unknown command 'X'",
            "UNACKED 0 of 1",
            "NOREPLICAS x",
            "CROSSSLOT x",
        ] {
            assert!(
                matches!(verdict(&set, error), Verdict::Failed(_)),
                "{error}"
            );
        }
        // BLPOP is unblocked before anything has happened. The caller has to know.
        let blpop = Command::new("BLPOP").key("k").arg(0);
        assert!(matches!(verdict(&blpop, "UNBLOCKED x"), Verdict::Failed(_)));
    }
}
