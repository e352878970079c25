//! What the server tells of its own place in a cluster.

use std::ffi::{c_char, CString};
use std::ptr;

use redis_module::raw;

use super::Ctx;

/// How long a node's id is.
pub const NODE_ID: usize = raw::REDISMODULE_NODE_ID_LEN as usize;

impl Ctx {
    /// The id of the node that this one replicates; none for a primary, and outside a cluster.
    pub fn primary_in_cluster(&self) -> Option<[u8; NODE_ID]> {
        // The server looks for the list of nodes without asking whether there is one.
        if !self.situation().is_cluster() {
            return None;
        }
        // SAFETY: takes nothing. In cluster mode the server answers with the id in its own record,
        // which is so long and has no null byte at its end.
        let own = unsafe {
            let own = api!(RedisModule_GetMyClusterID)();
            if own.is_null() {
                return None;
            }
            std::slice::from_raw_parts(own.cast::<u8>(), NODE_ID)
        };
        let own = CString::new(own).ok()?;
        let mut primary = [0; NODE_ID];
        // SAFETY: cluster mode is on. The id ends in a null byte, so many bytes are written to
        // `primary`, and the server writes nothing where it is given null.
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
