//! Ending the waits of clients in the server's own way, by `CLIENT UNBLOCK`.
//!
//! The server gives another module's call the id of some client that was blocked before. So a call
//! can wait under the id of a client that waits for something else, and `CLIENT UNBLOCK` would hit
//! that client. If `CLIENT PAUSE` holds that client back, the server aborts. So a client is
//! unblocked only if the server itself lists it as waiting in a command of this module.

use std::collections::HashSet;
use std::ffi::{c_longlong, CStr};

use durable_core::callable::is_own_command;
use durable_core::client_list::ClientLine;

use super::call::Calling;
use super::Ctx;

/// Clients that wait in commands of this module, by the server's own list.
pub struct WaitingHere<'ctx> {
    ctx: &'ctx Ctx,
    clients: HashSet<u64>,
}

impl Ctx {
    /// Which of these clients wait in a command of this module. One call serves all of them,
    /// because Valkey searches all connected clients in each such call.
    pub fn waiting_here(&self, clients: &[u64]) -> WaitingHere<'_> {
        let list = match clients {
            [] => None,
            _ => self.ask_for_clients(clients),
        };
        let list = list.as_ref().and_then(|list| list.root().bytes());
        let waiting = ClientLine::all(list.unwrap_or_default())
            .filter(|client| client.is_blocked() && client.command().is_some_and(is_own_command))
            .filter_map(ClientLine::id);
        WaitingHere {
            ctx: self,
            clients: waiting.collect(),
        }
    }
}

impl WaitingHere<'_> {
    /// `CLIENT UNBLOCK id TIMEOUT`: true if that client was waiting. Its timeout callback has
    /// run when this returns.
    pub fn end_as_timed_out(&self, client: u64) -> bool {
        self.end(client, c"TIMEOUT")
    }

    /// `CLIENT UNBLOCK id ERROR`: true if that client was waiting. The server has replied
    /// UNBLOCKED, and the client's disconnect callback has run, when this returns.
    pub fn end_with_error(&self, client: u64) -> bool {
        self.end(client, c"ERROR")
    }

    fn end(&self, client: u64, how: &CStr) -> bool {
        if !self.clients.contains(&client) {
            return false;
        }
        let Ok(id) = c_longlong::try_from(client) else {
            return false;
        };
        let _calling = Calling::begin();
        // SAFETY: the context is valid, each `c` takes a string that ends in a null byte, and `l` a
        // long long. The reply was just made in this context.
        let reply = unsafe {
            self.ctx.owned(api!(RedisModule_Call)(
                self.ctx.raw(),
                c"CLIENT".as_ptr(),
                c"Eclc".as_ptr(),
                c"UNBLOCK".as_ptr(),
                id,
                how.as_ptr(),
            ))
        };
        reply.and_then(|reply| reply.root().integer()) == Some(1)
    }
}
