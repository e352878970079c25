//! The first commands on a new connection: user and password, protocol, database, and the name of
//! the client. Pure.

use redis::{
    Cmd, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult, ServerError,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum GreetingPart {
    Hello,
    Auth,
    Database,
    /// The name and version in `CLIENT LIST`. Servers before 7.2 do not know the command.
    Name,
}

/// The commands of the greeting. They are sent in one packet.
pub(crate) fn greeting(info: &RedisConnectionInfo) -> Vec<(GreetingPart, Cmd)> {
    let mut greeting = Vec::new();
    let user = info.username();
    if info.protocol() != ProtocolVersion::RESP2 {
        let mut hello = redis::cmd("HELLO");
        hello.arg(3);
        if let Some(password) = info.password() {
            let user = user.unwrap_or("default");
            hello.arg("AUTH").arg(user).arg(password);
        }
        greeting.push((GreetingPart::Hello, hello));
    } else if let Some(password) = info.password() {
        let mut auth = redis::cmd("AUTH");
        auth.arg(user).arg(password);
        greeting.push((GreetingPart::Auth, auth));
    }
    if info.db() != 0 {
        let mut select = redis::cmd("SELECT");
        select.arg(info.db());
        greeting.push((GreetingPart::Database, select));
    }
    if !info.skip_set_lib_name() {
        let name = info.lib_name().unwrap_or(env!("CARGO_PKG_NAME"));
        let version = info.lib_ver().unwrap_or(env!("CARGO_PKG_VERSION"));
        for (what, is) in [("LIB-NAME", name), ("LIB-VER", version)] {
            let mut set = redis::cmd("CLIENT");
            set.arg("SETINFO").arg(what).arg(is);
            greeting.push((GreetingPart::Name, set));
        }
    }
    greeting
}

impl GreetingPart {
    /// What an error reply to this part means for the connection.
    pub(crate) fn refused(self, error: ServerError) -> RedisResult<()> {
        let details = error.details().unwrap_or_default();
        // A full server sends this instead of the first reply. The next attempt may succeed.
        let is_full = details.starts_with("max number of clients");
        let is_unknown = details.starts_with("unknown command");
        let is_login = matches!(error.code(), "WRONGPASS" | "NOAUTH" | "NOPERM");
        match self {
            GreetingPart::Hello if is_unknown || error.code() == "NOPROTO" => {
                let what = "the server does not speak RESP3";
                Err((ErrorKind::RESP3NotSupported, what).into())
            }
            GreetingPart::Hello if is_login => Err(login_refused(&error)),
            GreetingPart::Auth if !is_full => Err(login_refused(&error)),
            GreetingPart::Hello | GreetingPart::Auth | GreetingPart::Database => Err(error.into()),
            GreetingPart::Name => Ok(()),
        }
    }
}

fn login_refused(error: &ServerError) -> RedisError {
    let details = error.details().unwrap_or_default();
    let said = format!("{} {details}", error.code());
    let what = "the server does not accept user and password";
    (ErrorKind::AuthenticationFailed, what, said).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::{IntoConnectionInfo, Value};

    fn greeted(url: &str) -> Vec<(GreetingPart, String)> {
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
            .filter(|(part, _)| *part != GreetingPart::Name)
            .collect()
    }

    fn error(words: &str) -> ServerError {
        match redis::parse_redis_value(format!("-{words}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn user_password_protocol_and_database_are_sent_where_they_are_given() {
        assert_eq!(greeted("redis://h"), []);
        let auth = |words: &str| vec![(GreetingPart::Auth, words.to_string())];
        assert_eq!(greeted("redis://:pw@h"), auth("AUTH pw"));
        assert_eq!(greeted("redis://app:pw@h"), auth("AUTH app pw"));
        let hello = (GreetingPart::Hello, "HELLO 3 AUTH default pw".to_string());
        let select = (GreetingPart::Database, "SELECT 2".to_string());
        let found = greeted("redis://:pw@h/2?protocol=resp3");
        assert_eq!(found, [hello, select]);
        let hello = (GreetingPart::Hello, "HELLO 3".to_string());
        assert_eq!(greeted("redis://h?protocol=resp3"), [hello]);
    }

    #[test]
    fn a_wrong_password_is_final_and_a_full_or_loading_server_is_not() {
        let kind = |part: GreetingPart, words: &str| part.refused(error(words)).unwrap_err().kind();
        for (part, words) in [
            (
                GreetingPart::Auth,
                "WRONGPASS invalid username-password pair",
            ),
            (
                GreetingPart::Hello,
                "WRONGPASS invalid username-password pair",
            ),
            (
                GreetingPart::Auth,
                "ERR AUTH <password> called without any password",
            ),
        ] {
            assert_eq!(kind(part, words), ErrorKind::AuthenticationFailed);
        }
        let unknown = kind(GreetingPart::Hello, "ERR unknown command `HELLO`");
        assert_eq!(unknown, ErrorKind::RESP3NotSupported);
        for part in [GreetingPart::Auth, GreetingPart::Hello] {
            let full = kind(part, "ERR max number of clients reached");
            assert!(matches!(full, ErrorKind::Server(_)), "{full:?}");
        }
        assert!(GreetingPart::Name
            .refused(error("ERR unknown subcommand"))
            .is_ok());
    }
}
