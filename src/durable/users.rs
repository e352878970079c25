//! `durable.max-waiters-per-user`: the greatest number of waits of one user at once.
//!
//! While the setting is 0, nothing is counted. When it is set to another value, the next command
//! that has to wait attributes all present waits to their users.

use super::state::{coordinator, coordinator_and_settings};
use crate::ffi::Ctx;

/// Refuses a command if its user has too many waits already.
///
/// # Errors
/// The number of waiting clients of that user.
pub fn admit(ctx: &Ctx, client: u64) -> Result<(), usize> {
    let limit = coordinator_and_settings(|_, settings| settings.max_waiters_per_user);
    if limit == 0 {
        return Ok(());
    }
    for client in coordinator(|coordinator| coordinator.unattributed()) {
        attribute(ctx, client);
    }
    let user = ctx.user_name(client);
    coordinator(|coordinator| coordinator.check_share(&user, limit))
}

/// Counts a wait that has begun as one of its user. To be called while there is a limit.
pub fn attribute(ctx: &Ctx, client: u64) {
    let user = ctx.user_name(client);
    coordinator(|coordinator| coordinator.attribute(client, &user));
}
