//! Other people's programs for the same work: VLFeat through its C interface, numpy and scikit-learn through a Python script.

use std::rc::Rc;

mod python;
mod vlfeat;

pub(crate) use python::Python;
pub(crate) use vlfeat::VlFeat;

/// A peer, or why it is not here.
#[derive(Debug)]
pub(crate) enum Found<P> {
    /// It can be measured.
    Here(P),
    /// It cannot, for this reason; the words say what to install.
    Missing(String),
}

impl<P> Found<P> {
    /// The peer, where it is here.
    pub(crate) fn here(&self) -> Option<&P> {
        match self {
            Self::Here(peer) => Some(peer),
            Self::Missing(_) => None,
        }
    }

    /// Why it is not here.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::Missing(reason) => Some(reason),
        }
    }

    /// The same behind a counted reference.
    pub(crate) fn shared(self) -> Found<Rc<P>> {
        match self {
            Self::Here(peer) => Found::Here(Rc::new(peer)),
            Self::Missing(reason) => Found::Missing(reason),
        }
    }
}
