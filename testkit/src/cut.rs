//! A TCP proxy between a replica and its primary. It can cut their links without the primary
//! noticing.
//!
//! A replica behind a `Cut` looks to its primary like any other, since it announces its own port.
//! After [`Cut::sever`] the replica sees its connection closed and makes a new one, which the proxy
//! forwards. The primary still holds the old connection and sees no fault.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use socket2::SockRef;

use crate::server::Server;

pub struct Cut {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    port: u16,
}

struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frozen: bool,
    closed: bool,
    links: Vec<Arc<Link>>,
}

struct Link {
    /// The connection of the replica to the proxy.
    near: TcpStream,
    /// The connection of the proxy to the primary.
    far: TcpStream,
    severed: Mutex<bool>,
}

impl Cut {
    /// Forwards connections to `server`, also after the server was restarted.
    #[track_caller]
    pub fn to(server: &Server) -> Cut {
        let listener = TcpListener::bind("127.0.0.1:0")
            .unwrap_or_else(|error| panic!("the proxy cannot listen: {error}"));
        let port = match listener.local_addr() {
            Ok(address) => address.port(),
            Err(error) => panic!("the proxy's listener has no address: {error}"),
        };
        let shared = Arc::new(Shared {
            target: SocketAddr::from(([127, 0, 0, 1], server.port())),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let listener = Arc::new(listener);
        let (accepting, accepts) = (Arc::clone(&shared), Arc::clone(&listener));
        thread::spawn(move || {
            // Ends with the first error: Drop shuts the listener down.
            while let Ok((near, _)) = accepts.accept() {
                let shared = Arc::clone(&accepting);
                thread::spawn(move || shared.forward(near));
            }
        });
        Cut {
            shared,
            listener,
            port,
        }
    }

    /// The port for `REPLICAOF 127.0.0.1 <port>`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:<port>`
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Cuts every present link: closes its near side, and keeps its far side open and unread. Later
    /// connections are forwarded.
    pub fn sever(&self) {
        for link in &self.shared.state().links {
            *lock(&link.severed) = true;
            let _ = link.near.shutdown(Shutdown::Both);
        }
    }

    /// Closes the far sides that [`Cut::sever`] left open. Now the primary notices the cut.
    pub fn release(&self) {
        self.shared.state().links.retain(|link| {
            let severed = *lock(&link.severed);
            if severed {
                let _ = link.far.shutdown(Shutdown::Both);
            }
            !severed
        });
    }

    /// Stops forwarding and closes nothing, like a network that drops every packet. New connections
    /// are accepted and not forwarded.
    pub fn freeze(&self) {
        self.shared.state().frozen = true;
    }

    /// Forwards again, first what was held back.
    pub fn thaw(&self) {
        self.shared.state().frozen = false;
        self.shared.changed.notify_all();
    }

    /// The number of links that are forwarded.
    pub fn links(&self) -> usize {
        self.shared
            .state()
            .links
            .iter()
            .filter(|link| !*lock(&link.severed))
            .count()
    }

    /// The number of links that were cut and whose far side is still open.
    pub fn severed_links(&self) -> usize {
        self.shared
            .state()
            .links
            .iter()
            .filter(|link| *lock(&link.severed))
            .count()
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        for link in state.links.drain(..) {
            let _ = link.near.shutdown(Shutdown::Both);
            let _ = link.far.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
        // Ends accept() in the other thread. close() alone does not.
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
    }
}

impl Shared {
    /// Connects a new near side to the target, and copies both ways until one side ends.
    fn forward(self: Arc<Self>, near: TcpStream) {
        if !self.may_pass() {
            return;
        }
        // If the target is down, the near side is closed, like a refused connection.
        let Ok(far) = TcpStream::connect(self.target) else {
            return;
        };
        let _ = near.set_nodelay(true);
        let _ = far.set_nodelay(true);
        let link = Arc::new(Link {
            near,
            far,
            severed: Mutex::new(false),
        });
        {
            let mut state = self.state();
            if state.closed {
                return;
            }
            state.links.push(Arc::clone(&link));
        }
        let back = {
            let (shared, link) = (Arc::clone(&self), Arc::clone(&link));
            thread::spawn(move || shared.copy(&link, &link.far, &link.near))
        };
        self.copy(&link, &link.near, &link.far);
        let _ = back.join();
        // A severed link stays in the list, which keeps its far side open.
        let mut state = self.state();
        state
            .links
            .retain(|other| !Arc::ptr_eq(other, &link) || *lock(&link.severed));
    }

    fn copy(&self, link: &Link, mut from: &TcpStream, mut to: &TcpStream) {
        let mut chunk = [0; 16 * 1024];
        loop {
            let count = from.read(&mut chunk).unwrap_or(0);
            if !self.may_pass() {
                return;
            }
            // Locked during the write: after sever() has returned, no more bytes pass.
            let severed = lock(&link.severed);
            if *severed {
                return;
            }
            if count == 0 || to.write_all(&chunk[..count]).is_err() {
                let _ = link.near.shutdown(Shutdown::Both);
                let _ = link.far.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    /// Waits while frozen. Returns false when the proxy was dropped.
    fn may_pass(&self) -> bool {
        let mut state = self.state();
        while state.frozen && !state.closed {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        !state.closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}
