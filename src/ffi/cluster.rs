//! The nodes of a cluster, as this server knows them, and its bus.

use std::ffi::{c_char, c_int, CString};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

use redis_module::raw;

use super::{guard, Ctx};

/// The length of a node's id, in bytes.
pub const NODE_ID: usize = raw::REDISMODULE_NODE_ID_LEN as usize;

/// The bytes that the server writes for an address (`NET_IP_STR_LEN` in `server.h`: 46), and some.
/// The constant of the API's header, 40, is too small.
const ADDRESS: usize = 64;

/// What the server knows of a node.
#[derive(Clone, Debug)]
pub struct ClusterNode {
    /// Its address on the cluster's network.
    pub ip: Vec<u8>,
    /// Its port for clients.
    pub port: u16,
    /// The node that it replicates.
    pub primary: Option<[u8; NODE_ID]>,
    /// It is a primary.
    pub is_primary: bool,
    /// The cluster has agreed that it has failed.
    pub has_failed: bool,
}

/// The module hears the bus.
static HEARS: AtomicBool = AtomicBool::new(false);

/// Whether the module hears the cluster's bus, and so must not be unloaded.
pub fn hears_bus() -> bool {
    HEARS.load(Ordering::Relaxed)
}

/// Who gets the messages of the cluster's bus.
pub trait BusReceiver {
    /// A node has sent these bytes. May run while data are loaded and while a script is busy.
    fn received(ctx: &Ctx, from: [u8; NODE_ID], bytes: &[u8]);
}

impl Ctx {
    /// The id of the node that this one replicates. `None` for a primary, and outside of a cluster.
    pub fn primary_in_cluster(&self) -> Option<[u8; NODE_ID]> {
        self.cluster_node(&self.own_node()?)?.primary
    }

    /// The id of this node. `None` outside of a cluster.
    pub fn own_node(&self) -> Option<[u8; NODE_ID]> {
        // Outside of cluster mode there is no list of nodes, and the server does not check that.
        if !self.situation().is_cluster() {
            return None;
        }
        // SAFETY: takes nothing. In cluster mode the server returns the id in its own record:
        // `NODE_ID` bytes, without a null byte at the end.
        unsafe {
            let own = api!(RedisModule_GetMyClusterID)();
            read_id(own)
        }
    }

    /// What the server knows of a node. `None` if it does not know the node, or outside of a
    /// cluster.
    pub fn cluster_node(&self, id: &[u8; NODE_ID]) -> Option<ClusterNode> {
        if !self.situation().is_cluster() {
            return None;
        }
        let id = CString::new(id).ok()?;
        let (mut ip, mut primary) = ([0_u8; ADDRESS], [0_u8; NODE_ID]);
        let (mut port, mut flags): (c_int, c_int) = (0, 0);
        // SAFETY: cluster mode is on, and the id ends in a null byte. The server writes `NODE_ID`
        // bytes to `primary`, less than `ADDRESS` bytes to `ip`, and a number each to the others.
        let status = unsafe {
            api!(RedisModule_GetClusterNodeInfo)(
                self.raw(),
                id.as_ptr(),
                ip.as_mut_ptr().cast::<c_char>(),
                primary.as_mut_ptr().cast::<c_char>(),
                &raw mut port,
                &raw mut flags,
            )
        };
        if isize::try_from(status) != Ok(raw::REDISMODULE_OK) {
            return None;
        }
        let has = |flag: u32| flags.cast_unsigned() & flag != 0;
        let ip = ip.iter().copied().take_while(|&byte| byte != 0).collect();
        Some(ClusterNode {
            ip,
            port: u16::try_from(port).unwrap_or(0),
            primary: (primary != [0; NODE_ID]).then_some(primary),
            is_primary: has(raw::REDISMODULE_NODE_MASTER),
            has_failed: has(raw::REDISMODULE_NODE_FAIL),
        })
    }

    /// The ids of all nodes that the server knows. Empty outside of a cluster.
    pub fn cluster_nodes(&self) -> Vec<[u8; NODE_ID]> {
        if !self.situation().is_cluster() {
            return Vec::new();
        }
        let mut count = 0;
        // SAFETY: cluster mode is on. The server writes the number of ids to `count`, and returns
        // an array with a null pointer at its end, which is freed below.
        unsafe {
            let ids = api!(RedisModule_GetClusterNodesList)(self.raw(), &raw mut count);
            if ids.is_null() {
                return Vec::new();
            }
            let found = (0..count).filter_map(|index| read_id(*ids.add(index)));
            let found = found.collect();
            api!(RedisModule_FreeClusterNodesList)(ids);
            found
        }
    }

    /// Sends bytes to a node over the cluster's bus. False if there is no link to it now. Possible
    /// only in a context that the server gave to the module.
    pub fn send_to_node(&self, node: &[u8; NODE_ID], kind: u8, bytes: &[u8]) -> bool {
        let (Ok(node), Ok(length)) = (CString::new(node), u32::try_from(bytes.len())) else {
            return false;
        };
        // SAFETY: the context is valid and belongs to the module. The id ends in a null byte, and
        // the server copies `length` bytes.
        let status = unsafe {
            api!(RedisModule_SendClusterMessage)(
                self.raw(),
                node.as_ptr(),
                kind,
                bytes.as_ptr().cast(),
                length,
            )
        };
        isize::try_from(status) == Ok(raw::REDISMODULE_OK)
    }

    /// Hears messages of this kind from now on. Possible only in a context that the server gave to
    /// the module, in cluster mode.
    ///
    /// There is no way back. To end it, the server unlinks a receiver that is the first of its list
    /// from nothing and frees it, and later reads it (`RM_RegisterClusterMessageReceiver` in
    /// `module.c`). Nor does it forget the receiver when the module is unloaded. So a module that
    /// hears the bus stays loaded (`unload.rs`).
    pub fn hear_bus<R: BusReceiver>(&self, kind: u8) {
        HEARS.store(true, Ordering::Relaxed);
        // SAFETY: the context is valid and belongs to the module. The function stays, because the
        // module does.
        unsafe {
            api!(RedisModule_RegisterClusterMessageReceiver)(
                self.raw(),
                kind,
                Some(on_message::<R>),
            );
        }
    }

    /// Random hexadecimal digits.
    pub fn random_hex<const N: usize>(&self) -> [u8; N] {
        let mut digits = [0; N];
        // SAFETY: the server writes `N` bytes.
        unsafe {
            api!(RedisModule_GetRandomHexChars)(digits.as_mut_ptr().cast::<c_char>(), N);
        }
        digits
    }
}

/// # Safety
/// `id` is null or the address of `NODE_ID` bytes.
unsafe fn read_id(id: *const c_char) -> Option<[u8; NODE_ID]> {
    if id.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    let bytes = unsafe { slice::from_raw_parts(id.cast::<u8>(), NODE_ID) };
    bytes.try_into().ok()
}

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_message<R: BusReceiver>(
    ctx: *mut raw::RedisModuleCtx,
    sender: *const c_char,
    _kind: u8,
    payload: *const u8,
    length: u32,
) {
    // SAFETY: the sender's id is in the server's record of the node, without a null byte at the
    // end. The payload has `length` bytes and is valid until this returns.
    let (from, bytes) = unsafe {
        let length = usize::try_from(length).unwrap_or(0);
        let bytes = if payload.is_null() {
            &[]
        } else {
            slice::from_raw_parts(payload, length)
        };
        (read_id(sender), bytes)
    };
    let Some(from) = from else { return };
    // SAFETY: the context is the one that the server gave to this callback.
    unsafe { guard::callback(ctx, |ctx| R::received(ctx, from, bytes)) };
}
