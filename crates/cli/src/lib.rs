//! What the commands `fisherlens` and `cargo xtask` share: arguments, the terminal, signals, and the code of `explain`.

pub mod arguments;
pub mod console;
pub mod device;
pub mod explain;
#[cfg(feature = "cnn")]
mod explain_networks;
pub mod lookup;
pub mod signals;
pub mod terminal;
