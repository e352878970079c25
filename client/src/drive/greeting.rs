//! What a new connection begins with: who the client is, the protocol and the database.

use redis::{
    Cmd, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult, ServerError,
    Value,
};

use crate::decide::deadline::Deadline;
use crate::drive::connection::Connection;

/// Sends it in one packet and reads the replies, all by `deadline`.
pub(crate) fn greet(
    connection: &mut Connection,
    info: &RedisConnectionInfo,
    deadline: Deadline,
) -> RedisResult<()> {
    let greeting = greeting(info);
    if greeting.is_empty() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    for (_, command) in &greeting {
        command.write_packed_command(&mut bytes);
    }
    connection.send(&bytes, deadline)?;
    for (part, _) in greeting {
        let reply = connection.receive(deadline)?;
        if let Value::ServerError(error) = reply {
            part.refused(error)?;
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Hello,
    Auth,
    Database,
    /// For `CLIENT LIST`. Servers before 7.2 do not know it.
    Name,
}

fn greeting(info: &RedisConnectionInfo) -> Vec<(Part, Cmd)> {
    let mut greeting = Vec::new();
    let user = info.username();
    if info.protocol() != ProtocolVersion::RESP2 {
        let mut hello = redis::cmd("HELLO");
        hello.arg(3);
        if let Some(password) = info.password() {
            let user = user.unwrap_or("default");
            hello.arg("AUTH").arg(user).arg(password);
        }
        greeting.push((Part::Hello, hello));
    } else if let Some(password) = info.password() {
        let mut auth = redis::cmd("AUTH");
        auth.arg(user).arg(password);
        greeting.push((Part::Auth, auth));
    }
    if info.db() != 0 {
        let mut select = redis::cmd("SELECT");
        select.arg(info.db());
        greeting.push((Part::Database, select));
    }
    if !info.skip_set_lib_name() {
        let name = info.lib_name().unwrap_or(env!("CARGO_PKG_NAME"));
        let version = info.lib_ver().unwrap_or(env!("CARGO_PKG_VERSION"));
        for (what, is) in [("LIB-NAME", name), ("LIB-VER", version)] {
            let mut set = redis::cmd("CLIENT");
            set.arg("SETINFO").arg(what).arg(is);
            greeting.push((Part::Name, set));
        }
    }
    greeting
}

impl Part {
    /// What the server's refusal means for the connection.
    fn refused(self, error: ServerError) -> RedisResult<()> {
        let details = error.details().unwrap_or_default();
        // It is said in place of the first reply, and may be otherwise the next time.
        let is_full = details.starts_with("max number of clients");
        let is_unknown = details.starts_with("unknown command");
        let is_login = matches!(error.code(), "WRONGPASS" | "NOAUTH" | "NOPERM");
        match self {
            Part::Hello if is_unknown || error.code() == "NOPROTO" => {
                let what = "the server does not speak RESP3";
                Err((ErrorKind::RESP3NotSupported, what).into())
            }
            Part::Hello if is_login => Err(not_let_in(&error)),
            Part::Auth if !is_full => Err(not_let_in(&error)),
            Part::Hello | Part::Auth | Part::Database => Err(error.into()),
            Part::Name => Ok(()),
        }
    }
}

fn not_let_in(error: &ServerError) -> RedisError {
    let details = error.details().unwrap_or_default();
    let said = format!("{} {details}", error.code());
    let what = "the server does not accept user and password";
    (ErrorKind::AuthenticationFailed, what, said).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::IntoConnectionInfo;

    fn greeted(url: &str) -> Vec<(Part, String)> {
        let info = url.into_connection_info().unwrap();
        let words = |cmd: &Cmd| {
            let words = cmd.args_iter().filter_map(|arg| match arg {
                redis::Arg::Simple(word) => Some(String::from_utf8_lossy(word).into_owned()),
                _ => None,
            });
            words.collect::<Vec<_>>().join(" ")
        };
        let greeting = greeting(info.redis_settings());
        greeting
            .iter()
            .map(|(part, cmd)| (*part, words(cmd)))
            .filter(|(part, _)| *part != Part::Name)
            .collect()
    }

    fn error(words: &str) -> ServerError {
        match redis::parse_redis_value(format!("-{words}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn user_password_protocol_and_database_are_told_where_they_are_given() {
        assert_eq!(greeted("redis://h"), []);
        let auth = |words: &str| vec![(Part::Auth, words.to_string())];
        assert_eq!(greeted("redis://:pw@h"), auth("AUTH pw"));
        assert_eq!(greeted("redis://app:pw@h"), auth("AUTH app pw"));
        let hello = (Part::Hello, "HELLO 3 AUTH default pw".to_string());
        let select = (Part::Database, "SELECT 2".to_string());
        let found = greeted("redis://:pw@h/2?protocol=resp3");
        assert_eq!(found, [hello, select]);
        let hello = (Part::Hello, "HELLO 3".to_string());
        assert_eq!(greeted("redis://h?protocol=resp3"), [hello]);
    }

    #[test]
    fn a_wrong_password_is_final_and_a_full_or_loading_server_is_not() {
        let kind = |part: Part, words: &str| part.refused(error(words)).unwrap_err().kind();
        for (part, words) in [
            (Part::Auth, "WRONGPASS invalid username-password pair"),
            (Part::Hello, "WRONGPASS invalid username-password pair"),
            (
                Part::Auth,
                "ERR AUTH <password> called without any password",
            ),
        ] {
            assert_eq!(kind(part, words), ErrorKind::AuthenticationFailed);
        }
        let unknown = kind(Part::Hello, "ERR unknown command `HELLO`");
        assert_eq!(unknown, ErrorKind::RESP3NotSupported);
        for part in [Part::Auth, Part::Hello] {
            let full = kind(part, "ERR max number of clients reached");
            assert!(matches!(full, ErrorKind::Server(_)), "{full:?}");
        }
        assert!(Part::Name.refused(error("ERR unknown subcommand")).is_ok());
    }
}
