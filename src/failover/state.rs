//! What this server knows of its group. It is on the main thread only.

use std::collections::VecDeque;

use durable_failover::{Act, Envelope, NodeId, ServerSettings, Shard};
use lazy_static::lazy_static;

use super::disk::Disk;
use super::founding::Founding;
use super::links::{Address, MemberAddress};
use super::others::Others;
use super::replace::Exchange;
use super::show;
use crate::ffi::cluster::NODE_ID;
use crate::ffi::main_thread::MainThread;
use crate::ffi::TimerId;

/// The state.
#[derive(Default)]
pub struct State {
    /// This node.
    pub node: Option<NodeId>,
    /// Its group, if it belongs to one.
    pub shard: Option<Shard>,
    /// Why the file cannot be used.
    pub problem: Option<String>,
    /// The file's writer.
    pub disk: Option<Disk>,
    /// Counts the writes to the file.
    pub sequence: u64,
    /// A promise is being written.
    pub is_writing: bool,
    /// When a promise that could not be written is written again, in milliseconds.
    pub write_again_at: u64,
    /// The server's settings before the group changed them.
    pub before: Option<ServerSettings>,
    /// Messages that have arrived and were not looked at.
    pub inbox: VecDeque<([u8; NODE_ID], Envelope)>,
    /// The timer in which they are.
    pub timer: Option<TimerId>,
    /// What is to be done once there is a context.
    pub later: Vec<Act>,
    /// The online links at the last look, by host and port.
    pub links: Vec<Address>,
    /// The addresses of the members at the last look.
    pub addresses: Vec<MemberAddress>,
    /// The addresses that may count, as they were passed on.
    pub confirmed: Option<Vec<Address>>,
    /// This server was a member and was turned off: the settings to give back, and when another
    /// member was heard last, in milliseconds.
    pub leaving: Option<(ServerSettings, u64)>,
    /// A group that is being formed.
    pub founding: Option<Founding>,
    /// A member that is being exchanged for another node.
    pub exchange: Option<Exchange>,
    /// This server is no member of the group that its primary belongs to, and so holds no
    /// elections.
    pub is_beside: bool,
    /// When a member said that there is one, in milliseconds.
    pub heard_of_group_at: u64,
    /// When nodes beside the group were told of it last, in milliseconds.
    pub told_beside_at: u64,
    /// The server's `cluster-node-timeout`, in milliseconds. `None` until it is looked up.
    pub node_timeout: Option<u64>,
    /// Nodes that send messages of another version.
    pub others: Others,
    /// Messages that could not be read, or were of another group.
    pub ignored: u64,
    /// Messages for which there was no room.
    pub dropped: u64,
}

lazy_static! {
    static ref STATE: MainThread<State> = MainThread::new();
}

/// Starts without a group.
pub fn load() {
    STATE.set(State::default());
}

/// Frees the memory.
pub(super) fn unload() {
    STATE.clear();
    show(&State::default());
}

/// Works with the state. `work` must not call into the server.
pub fn with<R>(work: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| {
        let result = work(state);
        show(state);
        result
    })
}

/// Reads the state. `None` if there is none, and within [`with`].
pub fn read<R>(work: impl FnOnce(&State) -> R) -> Option<R> {
    STATE.get(work)
}
