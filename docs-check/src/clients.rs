//! The clients of an example: their connections, and the words of their commands.

use std::collections::HashMap;

use anyhow::{anyhow, bail, ensure, Context, Result};
use testkit::{eventually, RawConn};

use crate::reply;
use crate::setup::Setup;

/// In commands, what the last reply had in this place.
pub const TOKEN: &str = "<token>";

/// The clients of one block. Each keeps its connection.
pub struct Clients<'s> {
    pub setup: &'s Setup,
    resp3: bool,
    open: HashMap<String, RawConn>,
    /// What the last reply had for `<token>`.
    pub token: String,
}

impl<'s> Clients<'s> {
    pub fn new(setup: &'s Setup, resp3: bool) -> Clients<'s> {
        Clients {
            setup,
            resp3,
            open: HashMap::new(),
            token: String::new(),
        }
    }

    pub fn connection(&mut self, client: &str) -> Result<&mut RawConn> {
        if !self.open.contains_key(client) {
            let server = match self.setup.server(client) {
                Some(server) => server,
                None if client.len() == 1 => self.setup.first(),
                None => bail!("there is no server called {client} here"),
            };
            let mut connection = server.raw();
            if self.resp3 {
                connection.hello3();
            }
            self.open.insert(client.to_owned(), connection);
        }
        self.open
            .get_mut(client)
            .ok_or_else(|| anyhow!("no connection of {client}"))
    }

    pub fn words(&self, line: &str) -> Result<Vec<Vec<u8>>> {
        words_of(&self.setup.to_real(&line.replace(TOKEN, &self.token)))
    }

    /// redis-cli prints the reply to INFO as it is.
    pub fn read_text(&mut self, client: &str) -> Result<String> {
        let bytes = self.connection(client)?.read_reply_bytes();
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        let (_, text) = text.split_once('\n').context("a reply in one line")?;
        Ok(self.setup.to_page(text.trim_end()))
    }

    pub fn read(&mut self, client: &str) -> Result<String> {
        let bytes = self.connection(client)?.read_reply_bytes();
        let shown = reply::shown(&bytes)?;
        Ok(self.setup.to_page(&shown))
    }

    /// Sends a command, and returns once the server has blocked its client.
    pub fn send_and_wait(&mut self, client: &str, words: &str) -> Result<()> {
        let command = self.words(words)?;
        let server = self
            .setup
            .server(client)
            .unwrap_or_else(|| self.setup.first());
        let blocked = || -> usize {
            let info: String = server.run(&["INFO", "clients"]);
            let field = info
                .lines()
                .find_map(|line| line.strip_prefix("blocked_clients:"));
            field
                .and_then(|digits| digits.trim().parse().ok())
                .unwrap_or(0)
        };
        let before = blocked();
        self.connection(client)?.send(&command);
        eventually("the client to be blocked", || blocked() > before);
        ensure!(
            !self.connection(client)?.is_readable_now(),
            "{client} got a reply: {}",
            self.read(client)?
        );
        Ok(())
    }
}

/// The words of a command as redis-cli splits them: quoted words may contain spaces and escapes.
fn words_of(line: &str) -> Result<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            words.push(word.as_bytes().to_vec());
            rest = after.trim_start();
            continue;
        };
        let mut word = Vec::new();
        let mut characters = quoted.char_indices();
        let end = loop {
            let (at, c) = characters.next().context("a quote is not closed")?;
            let mut encoded = [0; 4];
            match c {
                '"' => break at,
                '\\' => match characters.next().map(|(_, c)| c) {
                    Some('n') => word.push(b'\n'),
                    Some('r') => word.push(b'\r'),
                    Some('t') => word.push(b'\t'),
                    Some(c) => word.extend(c.encode_utf8(&mut encoded).bytes()),
                    None => bail!("a quote is not closed"),
                },
                c => word.extend(c.encode_utf8(&mut encoded).bytes()),
            }
        };
        words.push(word);
        rest = quoted[end + 1..].trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::words_of;

    #[test]
    fn words_are_split_as_redis_cli_splits_them() {
        let words = words_of(r#"EVAL "return \"a b\"" 1  k"#).expect("four words");
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        assert_eq!(words, [&b"EVAL"[..], b"return \"a b\"", b"1", b"k"]);
        assert!(words_of("GET \"k").is_err());
    }
}
