//! This server's own place in a cluster.

use std::ffi::{c_char, CString};
use std::{ptr, slice};

use redis_module::raw;

use super::Ctx;

/// The length of a node's id, in bytes.
pub const NODE_ID: usize = raw::REDISMODULE_NODE_ID_LEN as usize;

impl Ctx {
    /// The id of the node that this one replicates. `None` for a primary, and outside of a cluster.
    pub fn primary_in_cluster(&self) -> Option<[u8; NODE_ID]> {
        // Outside of cluster mode there is no list of nodes, and the server does not check that.
        if !self.situation().is_cluster() {
            return None;
        }
        // SAFETY: takes nothing. In cluster mode the server returns the id in its own record:
        // `NODE_ID` bytes, without a null byte at the end.
        let own = unsafe {
            let own = api!(RedisModule_GetMyClusterID)();
            if own.is_null() {
                return None;
            }
            slice::from_raw_parts(own.cast::<u8>(), NODE_ID)
        };
        let own = CString::new(own).ok()?;
        let mut primary = [0; NODE_ID];
        // SAFETY: cluster mode is on, and the id ends in a null byte. The server writes `NODE_ID`
        // bytes to `primary`, and nothing where it is given null.
        let status = unsafe {
            api!(RedisModule_GetClusterNodeInfo)(
                self.raw(),
                own.as_ptr(),
                ptr::null_mut(),
                primary.as_mut_ptr().cast::<c_char>(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        let is_known = isize::try_from(status) == Ok(raw::REDISMODULE_OK);
        (is_known && primary != [0; NODE_ID]).then_some(primary)
    }
}
