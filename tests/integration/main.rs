//! The module on real servers.
