//! What the commands `fisherlens` and `cargo xtask` share: arguments, the terminal, signals, and the code of `explain`.
//!
//! ```no_run
//! use fisherlens_cli::arguments::Explain;
//! use fisherlens_cli::caller::Caller;
//! use fisherlens_cli::{explain, signals};
//! use fisherlens_experiment::program::Program;
//!
//! /// A command of your own that explains photographs as `fisherlens explain` does.
//! fn my_command(arguments: &Explain) -> std::process::ExitCode {
//!     let caller = Caller { folder: "data".into(), program: Program::default() };
//!     signals::run(|interrupt| explain::run(arguments, &caller, interrupt))
//! }
//! ```

pub mod arguments;
pub mod caller;
pub mod console;
#[cfg(feature = "cnn")]
pub mod device;
pub mod division;
pub mod explain;
#[cfg(feature = "cnn")]
mod explain_networks;
mod failures;
pub mod fetch;
mod file_names;
pub mod info;
pub mod lookup;
pub mod own_data;
pub mod predict;
mod quality;
pub mod report;
pub mod signals;
pub mod terminal;
pub mod train;
