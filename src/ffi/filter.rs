//! Command filters: a look at every command before it is executed, and the chance to change it.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use redis_module::raw;

use super::{args, call, guard, script, Args, Ctx, OwnString};

/// What the module does with commands before they are executed.
pub trait CommandFilter {
    /// False if [`sent`](Self::sent) does nothing with this command. Runs for every command of
    /// every client, on any thread that holds the server's lock. So it must be cheap, reach no
    /// state of the module, and be free of panics.
    fn may_act_on(command: &IncomingCommand) -> bool;
    /// False if [`called`](Self::called) does nothing.
    fn acts_on_calls() -> bool;
    /// A client, a script or another module has sent this command.
    fn sent(command: &mut IncomingCommand);
    /// The module itself calls this command.
    fn called(command: &mut IncomingCommand);
}

/// A command that is about to be executed.
pub struct IncomingCommand(NonNull<raw::RedisModuleCommandFilterCtx>);

/// All words of a command.
pub struct Words<'a> {
    strings: Vec<*mut raw::RedisModuleString>,
    // The strings are valid until a word is replaced or deleted, which borrows the command mutably.
    _command: PhantomData<&'a IncomingCommand>,
}

impl Words<'_> {
    /// As a handler would get them.
    pub fn args(&self) -> Args<'_> {
        // SAFETY: the strings are valid while the command is borrowed, which outlives `self`.
        unsafe { Args::of(&self.strings) }
    }
}

impl IncomingCommand {
    /// How many words it has, its name included.
    pub fn len(&self) -> c_int {
        // SAFETY: the context is valid.
        unsafe { api!(RedisModule_CommandFilterArgsCount)(self.0.as_ptr()) }
    }

    /// One of its words.
    pub fn word(&self, index: c_int) -> Option<&[u8]> {
        let word = self.string(index);
        // SAFETY: a string of the command is valid until one of its words is replaced or deleted,
        // which borrows the command mutably.
        (!word.is_null()).then(|| unsafe { args::bytes(word) })
    }

    /// All of its words.
    pub fn words(&self) -> Words<'_> {
        Words {
            strings: (0..self.len()).map(|index| self.string(index)).collect(),
            _command: PhantomData,
        }
    }

    /// Null for an index that is out of range.
    fn string(&self, index: c_int) -> *mut raw::RedisModuleString {
        // SAFETY: the context is valid, and the server checks the index.
        unsafe { api!(RedisModule_CommandFilterArgGet)(self.0.as_ptr(), index) }
    }

    /// Replaces a word, if there is one at that index.
    pub fn replace_word(&mut self, index: usize, word: &[u8]) {
        if let Some(index) = self.index(index) {
            let word = OwnString::new(word).into_raw();
            // SAFETY: the context is valid, there is such a word, and the server takes the string
            // over.
            unsafe { api!(RedisModule_CommandFilterArgReplace)(self.0.as_ptr(), index, word) };
        }
    }

    /// Inserts a word before another one, if there is one at that index.
    pub fn insert_word(&mut self, index: usize, word: OwnString) {
        if let Some(index) = self.index(index) {
            let word = word.into_raw();
            // SAFETY: the context is valid, there is such a word, and the server takes the string
            // over.
            unsafe { api!(RedisModule_CommandFilterArgInsert)(self.0.as_ptr(), index, word) };
        }
    }

    /// Deletes a word, if there is one at that index.
    pub fn delete_word(&mut self, index: usize) {
        if let Some(index) = self.index(index) {
            // SAFETY: the context is valid, and there is such a word.
            unsafe { api!(RedisModule_CommandFilterArgDelete)(self.0.as_ptr(), index) };
        }
    }

    /// `None` if there is no such word.
    fn index(&self, index: usize) -> Option<c_int> {
        let index = c_int::try_from(index).ok()?;
        (index < self.len()).then_some(index)
    }

    /// The id of the client that sent it. 0 before Redis 7.2, where the server does not tell.
    pub fn client_id(&self) -> u64 {
        // SAFETY: as in `api!`, and this call is optional; the context is valid.
        unsafe { raw::RedisModule_CommandFilterGetClientId.map_or(0, |get| get(self.0.as_ptr())) }
    }
}

impl Ctx {
    /// Registers a filter. False if the server does not accept it.
    ///
    /// The flag NOSELF is not set. With it, while a script of the module runs, the server would
    /// hide the commands of the script, and those of other clients that it serves meanwhile.
    pub fn register_filter<F: CommandFilter>(&self) -> bool {
        // SAFETY: the context is valid. The server drops the filter when it unloads the module.
        let filter = unsafe {
            api!(RedisModule_RegisterCommandFilter)(self.raw(), Some(on_command::<F>), 0)
        };
        !filter.is_null()
    }
}

/// How many commands the filter was called for, apart from those that the module calls. It only
/// grows, and starts again from 0.
pub fn commands_heard() -> u64 {
    COMMANDS.load(Ordering::Relaxed)
}

/// Written by whoever holds the server's lock.
static COMMANDS: AtomicU64 = AtomicU64::new(0);

/// # Safety
/// Called by the server alone.
unsafe extern "C" fn on_command<F: CommandFilter>(command: *mut raw::RedisModuleCommandFilterCtx) {
    // The context of the server is valid until this returns, and cannot leave `F`.
    let Some(command) = NonNull::new(command) else {
        return;
    };
    let command = IncomingCommand(command);
    // Nearly all commands end here.
    if call::is_under_way() {
        if !F::acts_on_calls() {
            return;
        }
    } else {
        // Not an addition in one instruction, which would lock the memory.
        let commands = COMMANDS.load(Ordering::Relaxed).wrapping_add(1);
        COMMANDS.store(commands, Ordering::Relaxed);
        if !script::awaits_commands() && !F::may_act_on(&command) {
            return;
        }
    }
    act_on::<F>(command);
}

/// Apart from [`on_command`], so that the way of most commands is short.
#[inline(never)]
fn act_on<F: CommandFilter>(mut command: IncomingCommand) {
    guard::plain((), || {
        if call::is_under_way() || script::is_own_call() {
            F::called(&mut command);
        } else {
            F::sent(&mut command);
        }
    });
}
