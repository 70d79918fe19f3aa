//! Downloads known files: data sets and the weights of networks.
//!
//! A [`Package`] says which files belong together, at which addresses they are, and what is known about them: size, digest, form. [`fetch()`]
//! tries the addresses in their order, continues where a broken download ended, checks the whole file before it gets its name, and unpacks
//! archives so that nothing is written outside of the target. [`packages`] lists the packages that are known.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use fisherlens_fetch::{Options, Request, Silent, fetch, package};
//!
//! let package = package("voc2007").expect("the catalogue has it");
//! let request = Request {
//!     package: &package,
//!     folder: Path::new("downloads"),
//!     given: &["VOCtest_06-Nov-2007.tar".into()],
//!     mirrors: &["https://files.example.org/voc".to_owned()],
//!     keep_archives: false,
//!     options: Options::default(),
//! };
//! let fetched = fetch(&request, &Silent)?;
//! println!("everything was there already: {}", fetched.was_there);
//! # Ok::<(), fisherlens_fetch::FetchError>(())
//! ```
//!
//! The crate prints nothing and knows no terminal: it reports to an [`Observer`], and asks it whether to stop.

mod address;
mod catalogue;
mod client;
mod digest;
mod download;
mod error;
mod fetch;
mod form;
mod given;
mod names;
mod observer;
mod options;
mod package;
mod part;
mod place;
mod problem;
mod record;
mod reply;
mod unpack;

pub use catalogue::{NAMES, package, packages};
pub use digest::Digest;
pub use error::FetchError;
pub use fetch::{Fetched, Request, fetch};
pub use observer::{Bar, Observer, Silent, Work};
pub use options::Options;
pub use package::{Content, Expected, Form, Limits, Member, Package, Packing, RemoteFile, Size};
pub use problem::{Failure, Problem};
