//! Slot hints: which node serves a key, before a command is sent. `SLOTHINT`, `SLOTHINT.MAP`,
//! `SLOTHINT.SLOTS`, `SLOTHINT.WATCH`.
//!
//! `core/src/topology.rs` reads the topology, and `core/src/slot_map.rs` builds the map for each
//! kind of connection. This folder has the four commands, the calls for a [look at the
//! topology](topology), and the [refresh] for clients that wait for a change. While there are no
//! such clients and no commands, the module takes no looks.

pub mod command;
pub mod connection;
pub mod current_map;
pub mod map;
mod pairs;
pub mod refresh;
mod reply;
pub mod slots;
mod state;
mod topology;
pub mod watch;

pub use state::{load, unload, Figures};

use crate::ffi::ClientInfo;

/// For INFO.
pub fn figures() -> Figures {
    state::with(|hints| hints.figures())
}

/// Whether clients watch or track the map, or a timer is armed for them.
pub fn needs_turns() -> bool {
    state::with(|hints| {
        !hints.watchers.is_empty() || hints.trackers.is_tracked() || hints.timer.is_some()
    })
}

/// A client connected.
pub fn client_connected(client: &ClientInfo) {
    state::with(|hints| {
        if let Some(connections) = &mut hints.connections {
            connections.connected(client.id(), connection::of_info(client));
        }
    });
}

/// A client left.
pub fn client_left(client: u64) {
    state::with(|hints| {
        if let Some(connections) = &mut hints.connections {
            connections.client_left(client);
        }
        hints.trackers.client_left(client);
    });
}
