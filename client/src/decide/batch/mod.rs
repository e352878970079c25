//! The rules for the commands of a batch.

pub(crate) mod fences;
pub(crate) mod lanes;
pub(crate) mod pending;
pub(crate) mod verdict;
pub(crate) mod window;
