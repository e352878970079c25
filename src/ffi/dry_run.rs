//! What the server would say to a call, without executing it.

use std::ffi::{c_char, CStr};

use redis_module::raw;

use super::{Args, CallReply, Ctx};

impl Ctx {
    /// The error with which the server would refuse such a call; none where it would execute it. `D` ends the call
    /// after all checks, that of the cluster among them, and before anything is executed. Redis 7.2 and later, Valkey.
    pub fn would_refuse(&self, command: &CStr, args: Args<'_>) -> Option<CallReply<'_>> {
        let args = args.as_raw();
        let call = api!(RedisModule_Call);
        // SAFETY: the context and the arguments belong to the running handler; `v` takes an array and its length.
        self.refusal(unsafe {
            call(
                self.raw(),
                command.as_ptr(),
                c"CDE0v".as_ptr(),
                args.as_ptr(),
                args.len(),
            )
        })
    }

    /// Whether the server would refuse to look for a key of this name, because it does not serve its slot.
    pub fn would_refuse_key(&self, name: &[u8]) -> bool {
        let call = api!(RedisModule_Call);
        // SAFETY: the context is valid; `b` takes a pointer and a length, and nothing is executed.
        let refusal = self.refusal(unsafe {
            let (key, len) = (name.as_ptr().cast::<c_char>(), name.len());
            call(self.raw(), c"EXISTS".as_ptr(), c"DE0b".as_ptr(), key, len)
        });
        refusal.is_some()
    }

    /// Valkey 9 answers a dry run that passes with an empty reply, others with none.
    fn refusal(&self, reply: *mut raw::RedisModuleCallReply) -> Option<CallReply<'_>> {
        self.owned(reply).filter(|reply| reply.error().is_some())
    }
}
