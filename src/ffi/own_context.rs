//! A context of this module that lives as long as the module is loaded, for callbacks that get
//! none: a command filter. Unlike [`Ctx::detached`] it belongs to the module, so events can be
//! subscribed to in it.

use lazy_static::lazy_static;

use super::main_thread::MainThread;
use super::Ctx;

struct OwnContext(Ctx);

impl Drop for OwnContext {
    fn drop(&mut self) {
        // SAFETY: made by `load`, freed once, and nothing refers to it any more. The module is still
        // loaded.
        unsafe { api!(RedisModule_FreeThreadSafeContext)(self.0.raw()) };
    }
}

lazy_static! {
    static ref OWN: MainThread<OwnContext> = MainThread::new();
}

/// Makes the context. `ctx` is that of the load.
pub fn load(ctx: &Ctx) {
    // SAFETY: the context is valid, and belongs to this module. Only the main thread uses the new
    // one, so no lock is needed.
    let raw = unsafe { api!(RedisModule_GetDetachedThreadSafeContext)(ctx.raw()) };
    // SAFETY: null or just made. It is valid until it is dropped.
    if let Some(own) = unsafe { Ctx::new(raw) } {
        OWN.set(OwnContext(own));
    }
}

/// Frees the context.
pub fn unload() {
    OWN.clear();
}

/// Works in the context. `None` before it is made.
pub fn with<R>(work: impl FnOnce(&Ctx) -> R) -> Option<R> {
    OWN.get(|own| work(&own.0))
}
