//! A server that answers whatever a test wants.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redis::{Parser, Value};
use redis_durable_client::{Client, ClientBuilder};

/// The time between two drops, far below any limit for a single read.
const DROP: Duration = Duration::from_millis(20);

pub struct Fake {
    port: u16,
}

/// A connection, with or without TLS.
pub trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// A connection of a client, the first one being number 0.
pub struct Caller<'c> {
    pub number: usize,
    pub stream: &'c mut dyn Stream,
}

impl Caller<'_> {
    /// Sends this. The client may have closed the connection.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
        let _ = self.stream.flush();
    }

    pub fn wait_until_gone(&mut self) {
        let mut bytes = [0; 1024];
        while self.stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
    }

    /// Sends `begin`, and then `drop` again and again, until the client closes the connection.
    pub fn say_without_end(&mut self, begin: &[u8], drop: &[u8]) {
        self.say(begin);
        while self.stream.write_all(drop).is_ok() && self.stream.flush().is_ok() {
            thread::sleep(DROP);
        }
    }
}

impl Fake {
    /// `answer` gets each command, with its name in capitals, except `CLIENT`: by that, this crate
    /// and the redis crate send their names.
    pub fn start(
        answer: impl Fn(&[String], &mut Caller<'_>) + Clone + Send + Sync + 'static,
    ) -> Fake {
        Fake::accept(move |number, stream| serve(number, stream, &answer))
    }

    /// The same over TLS, and the settings of a client that trusts it.
    pub fn start_with_tls(
        answer: impl Fn(&[String], &mut Caller<'_>) + Clone + Send + Sync + 'static,
    ) -> (Fake, Arc<rustls::ClientConfig>) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(own.cert.der().clone()).unwrap();
        let trust = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = own.signing_key.serialize_der().try_into().unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let fake = Fake::accept(move |number, stream| {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            serve(number, rustls::StreamOwned::new(session, stream), &answer);
        });
        (fake, Arc::new(trust))
    }

    /// `serve` gets each connection.
    pub fn accept(serve: impl Fn(usize, TcpStream) + Clone + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (serve, stream) = (serve.clone(), stream.unwrap());
                stream.set_nodelay(true).unwrap();
                thread::spawn(move || serve(number, stream));
            }
        });
        Fake { port }
    }

    pub fn client(&self) -> ClientBuilder {
        Client::builder([self.url()]).unwrap()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A map in which the node that gives it has all slots.
pub fn whole_map(token: u64, own_port: u16) -> String {
    let node = format!("*1\r\n*4\r\n$-1\r\n:{own_port}\r\n$2\r\nid\r\n*0\r\n");
    format!("*3\r\n:{token}\r\n{node}*1\r\n*3\r\n:0\r\n:16383\r\n:0\r\n")
}

fn serve(number: usize, mut stream: impl Stream, answer: &impl Fn(&[String], &mut Caller<'_>)) {
    let mut parser = Parser::new();
    while let Ok(Value::Array(words)) = parser.parse_value(&mut stream) {
        let word = |word: Value| redis::from_redis_value::<String>(word).unwrap();
        let mut words: Vec<String> = words.into_iter().map(word).collect();
        words[0].make_ascii_uppercase();
        let mut caller = Caller {
            number,
            stream: &mut stream,
        };
        match words[0].as_str() {
            "CLIENT" => caller.say("+OK\r\n"),
            _ => answer(&words, &mut caller),
        }
    }
}
