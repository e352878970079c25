//! A TCP proxy between two servers, whose links can be cut behind the primary's back.
//!
//! A replica that replicates through a `Cut` looks to its primary like any other, since it announces
//! its own port. After [`Cut::sever`] the replica sees its connection closed and makes a new one,
//! which is forwarded, while the primary still holds the old one and sees nothing wrong with it.

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
    /// The side that connected to us: a replica.
    near: TcpStream,
    /// The side that we connected to: the primary.
    far: TcpStream,
    severed: Mutex<bool>,
}

impl Cut {
    /// Forwards connections to `server`, also when it is restarted meanwhile.
    #[track_caller]
    pub fn to(server: &Server) -> Cut {
        let listener = TcpListener::bind("127.0.0.1:0")
            .unwrap_or_else(|error| panic!("the proxy cannot listen: {error}"));
        let port = match listener.local_addr() {
            Ok(address) => address.port(),
            Err(error) => panic!("a listener has an address: {error}"),
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

    /// Where a replica is to find its primary: `REPLICAOF 127.0.0.1 <port>`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:<port>`
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Cuts every link there is: the near side is closed, the far side is held open and left unread.
    /// Later connections are forwarded again.
    pub fn sever(&self) {
        for link in &self.shared.state().links {
            *lock(&link.severed) = true;
            let _ = link.near.shutdown(Shutdown::Both);
        }
    }

    /// Closes the far sides that [`Cut::sever`] left open: now the primary notices.
    pub fn release(&self) {
        self.shared.state().links.retain(|link| {
            let severed = *lock(&link.severed);
            if severed {
                let _ = link.far.shutdown(Shutdown::Both);
            }
            !severed
        });
    }

    /// Stops forwarding without closing anything, as a network does that drops every packet. New
    /// connections are accepted and stand still as well.
    pub fn freeze(&self) {
        self.shared.state().frozen = true;
    }

    /// Forwards again, beginning with what was held back.
    pub fn thaw(&self) {
        self.shared.state().frozen = false;
        self.shared.changed.notify_all();
    }

    /// How many links are being forwarded.
    pub fn links(&self) -> usize {
        self.shared
            .state()
            .links
            .iter()
            .filter(|link| !*lock(&link.severed))
            .count()
    }

    /// How many far sides are held open after a cut.
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
        // Wakes the accepting thread, as close() alone would not.
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
    }
}

impl Shared {
    /// Connects a new near side to the target, and copies until one of them ends.
    fn forward(self: Arc<Self>, near: TcpStream) {
        if !self.may_pass() {
            return;
        }
        // A target that is down closes the near side, as a refused connection would.
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
        // A severed link stays in the list, which is what holds its far side open.
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
            // Held over the write: after sever() has returned, nothing more gets through.
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

    /// Waits while frozen. False when the proxy is gone.
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
