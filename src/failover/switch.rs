//! Turns `durable.failover` on and off, reads the file, and guards settings that belong to the
//! group.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use durable_failover::{Act, NodeId, Record, ServerSettings, Shard, BUS_TYPE};

use super::bus::Bus;
use super::disk::{self, Disk, Found};
use super::{acts, links, state, view, ON};
use crate::config;
use crate::events::Events;
use crate::ffi::Ctx;

/// Applies the setting while the module is being loaded: a primary that has restarted is closed
/// before it serves anybody.
///
/// A server that has the file of a group is a member, whatever the setting says: it may have been set
/// by CONFIG SET and lost in the restart. Open and perhaps empty, it would be copied by the others.
pub fn load(ctx: &Ctx) {
    let is_off = !config::read(|config| config.failover);
    if is_off && ctx.own_node().is_some() && !matches!(disk::read(&path(ctx)), Found::Nothing) {
        config::turn_failover_on();
        ctx.log_warning(&format!(
            "failover: durable.failover is no, but {} says that this server is a member of a group: \
             it is one. Put durable.failover yes into its configuration, or delete the file on all \
             members",
            path(ctx).display()
        ));
    }
    apply(ctx);
}

/// The module is unloaded, or its load has failed.
pub fn unload() {
    ON.store(false, Ordering::Relaxed);
    state::unload();
}

/// Applies the setting if it has changed.
pub fn apply(ctx: &Ctx) {
    let wanted = config::read(|config| config.failover);
    if wanted == ON.load(Ordering::Relaxed) {
        return;
    }
    if wanted {
        turn_on(ctx);
    } else {
        turn_off(ctx);
    }
}

fn turn_on(ctx: &Ctx) {
    ON.store(true, Ordering::Relaxed);
    // The settings may not have been given back yet.
    state::with(|state| state.before = state.leaving.take().map(|(before, _)| before));
    let node = ctx.own_node().and_then(|id| NodeId::parse(&id));
    let Some(node) = node else {
        ctx.log_warning(
            "failover: durable.failover yes has no effect: it needs cluster mode (cluster-enabled yes)",
        );
        return;
    };
    if let Err(why) = ctx.hear_data_changes::<Events>() {
        ctx.log_warning(&why);
        // It could not tell when its data are gone.
        state::with(|state| state.problem = Some(why));
        return;
    }
    ctx.hear_bus::<Bus>(BUS_TYPE);
    state::with(|state| state.node = Some(node));
    let path = path(ctx);
    match disk::read(&path) {
        Found::Nothing => ctx.log_notice(
            "failover: this server belongs to no group yet; DURABLE.FAILOVER START on the primary \
             forms one",
        ),
        Found::Record(record) => join(ctx, &path, *record),
        Found::Unreadable(why) => unreadable(ctx, &path, &why),
    }
}

fn unreadable(ctx: &Ctx, path: &Path, why: &str) {
    let text = format!("{}: {why}", path.display());
    ctx.log_warning(&format!(
        "failover: {text}. What this member has promised is unknown, so it does not vote, and as a \
         primary it is closed. See docs/failover.md"
    ));
    // The server must not promote it either: it may lack what the others have acknowledged. What
    // the settings were before the group is in the file.
    let before = current(ctx);
    state::with(|state| {
        state.problem = Some(text);
        state.before.get_or_insert(before);
    });
    set(ctx, ServerSettings::NEEDED);
}

/// This server is the member that the file says.
fn join(ctx: &Ctx, path: &Path, record: Record) {
    let me = record.definition.place(record.node);
    let own = state::with(|state| state.node);
    let shard = me.and_then(|me| Shard::new(record.definition, me, record.kept, view::start(ctx)));
    let (Some(shard), true) = (shard, own == Some(record.node)) else {
        let other = format!("it is the file of node {}", record.node);
        return unreadable(ctx, path, &other);
    };
    let is_primary = view::is_primary(ctx);
    begin(ctx, path, shard, record.sequence, record.before);
    if is_primary {
        acts::role_changed(ctx, true);
    }
    acts::carry_out(
        ctx,
        vec![Act::Log(
            "is a member of its group again, and votes as a witness until its primary has confirmed its \
             data"
                .into(),
        )],
    );
}

/// This server is a member from now on.
pub fn begin(ctx: &Ctx, path: &Path, shard: Shard, sequence: u64, before: ServerSettings) {
    state::with(|state| {
        if state.disk.is_none() {
            state.disk = Disk::new(path.to_owned());
        }
        state.sequence = sequence;
        state.before = Some(before);
        state.shard = Some(shard);
        state.problem = None;
        state.is_beside = false;
    });
    set(ctx, ServerSettings::NEEDED);
    links::count(ctx);
}

fn turn_off(ctx: &Ctx) {
    ON.store(false, Ordering::Relaxed);
    if ctx.own_node().is_none() {
        return;
    }
    super::founding::give_up(ctx, "durable.failover was turned off");
    super::replace::give_up(ctx);
    let (before, timer) = state::with(|state| {
        let has_settings = state.shard.is_some() || state.is_beside || state.problem.is_some();
        let before = state.before.filter(|_| has_settings);
        (before, state.timer.take())
    });
    if let Some(timer) = timer {
        ctx.stop_timer(timer);
    }
    let now = view::now();
    state::with(|state| {
        *state = state::State::default();
        state.leaving = before.map(|before| (before, now));
    });
    crate::durable::state::restrict_to(None);
    if before.is_some() {
        ctx.log_warning(
            "failover: durable.failover is off: this server does not vote any more. Turn it off on \
             all members of the group. Until then the server holds no elections of its own, because \
             it may lack what the others have acknowledged",
        );
    }
}

/// A member that was turned off gives the server its settings back once no other member is heard.
pub fn restore_settings(ctx: &Ctx) {
    let now = view::now();
    let before = state::with(|state| {
        let is_quiet =
            |&mut (_, heard): &mut (ServerSettings, u64)| now.saturating_sub(heard) >= QUIET;
        state.leaving.take_if(is_quiet)
    });
    if let Some((before, _)) = before {
        set(ctx, before);
        ctx.log_notice(
            "failover: no member of the group is heard: the server's settings are as before",
        );
    }
}

/// After this time without a message nobody takes part in the group any more, in milliseconds.
/// Members tell their state once a second.
const QUIET: u64 = 4000;

/// The settings of the server that a group needs otherwise, as they are.
pub fn current(ctx: &Ctx) -> ServerSettings {
    let is_yes = |name: &CStr| ctx.setting(name).is_some_and(|value| value == b"yes");
    ServerSettings {
        no_failover: is_yes(NO_FAILOVER),
        migration: is_yes(MIGRATION),
    }
}

const NO_FAILOVER: &CStr = c"cluster-replica-no-failover";
const MIGRATION: &CStr = c"cluster-allow-replica-migration";

/// Sets them.
pub fn set(ctx: &Ctx, settings: ServerSettings) {
    let word = |on: bool| if on { c"yes" } else { c"no" };
    for (name, value) in [
        (NO_FAILOVER, word(settings.no_failover)),
        (MIGRATION, word(settings.migration)),
    ] {
        let reply = ctx.ask(c"CONFIG", &[c"SET", name, value]);
        if reply.is_none_or(|reply| reply.error().is_some()) {
            ctx.log_warning(&format!(
                "failover: {} could not be set to {}: set it in redis.conf",
                name.to_string_lossy(),
                value.to_string_lossy()
            ));
        }
    }
}

/// The file: beside the cluster's own, whose name no two servers share.
pub fn path(ctx: &Ctx) -> PathBuf {
    let setting = |name, otherwise: &[u8]| {
        let value = ctx.setting(name).filter(|value| !value.is_empty());
        value.unwrap_or_else(|| otherwise.to_vec())
    };
    let folder = setting(c"dir", b".");
    let mut name = setting(c"cluster-config-file", b"nodes.conf");
    name.extend_from_slice(b".durable");
    Path::new(OsStr::from_bytes(&folder)).join(OsStr::from_bytes(&name))
}

/// Whether a number may be set. R and K are the group's once there is one.
///
/// # Errors
/// Why not.
pub fn may_set_number(name: &[u8], value: i64) -> Result<(), String> {
    let group = state::read(|state| state.shard.as_ref().map(Shard::group)).flatten();
    let Some(group) = group else { return Ok(()) };
    let is = |setting: &CStr| name.eq_ignore_ascii_case(setting.to_bytes());
    let agreed = if is(config::EXPECTED_REPLICAS) {
        group.members().saturating_sub(1)
    } else if is(config::FAILOVER_REPLICAS) {
        group.acknowledgements()
    } else {
        return Ok(());
    };
    if value == i64::from(agreed) {
        return Ok(());
    }
    Err(format!(
        "the failover group of this server has agreed on {agreed}; set durable.failover no first"
    ))
}

/// Whether a text may be set: `durable.failover yes` needs cluster mode.
///
/// # Errors
/// Why not.
pub fn may_set_text(name: &[u8], value: &[u8]) -> Result<(), String> {
    let is_failover = name.eq_ignore_ascii_case(config::FAILOVER.to_bytes());
    if !is_failover || config::switch(value) != Some(true) {
        return Ok(());
    }
    let is_cluster = Ctx::detached(|ctx| ctx.situation().is_cluster());
    if is_cluster == Some(false) {
        return Err("durable.failover needs cluster mode (cluster-enabled yes)".into());
    }
    Ok(())
}
