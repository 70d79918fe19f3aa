//! The commands, one file each.

pub mod bench;
pub mod clean;
pub mod conservation;
pub mod explain;
pub mod export;
pub mod reproduce;
pub mod status;
pub mod traces;
