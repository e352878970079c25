//! A context of this module that lives as long as the module is loaded, for callbacks that get
//! none: a command filter. Unlike [`Ctx::detached`] it belongs to the module, so events can be
//! subscribed to in it.

use lazy_static::lazy_static;

use super::context::Detached;
use super::main_thread::MainThread;
use super::Ctx;

lazy_static! {
    static ref OWN: MainThread<Detached> = MainThread::new();
}

/// Makes the context. `ctx` is that of the load.
pub fn load(ctx: &Ctx) {
    if let Some(own) = Detached::of_module(ctx) {
        OWN.set(own);
    }
}

/// Frees the context.
pub fn unload() {
    OWN.clear();
}

/// Works in the context. `None` before it is made.
pub fn with<R>(work: impl FnOnce(&Ctx) -> R) -> Option<R> {
    OWN.get(|own| work(own.ctx()))
}
