//! Other programs that do the same work: VLFeat through its C interface, numpy and scikit-learn through a Python script.

use std::rc::Rc;

pub(crate) mod python;
pub(crate) mod vlfeat;

/// A peer, or the reason why it is not available.
#[derive(Debug)]
pub(crate) enum Availability<P> {
    /// It can be measured.
    Available(P),
    /// It cannot be measured; the sentence says why and what to install.
    Missing(String),
}

impl<P> Availability<P> {
    /// The peer, if it is available.
    pub(crate) fn available(&self) -> Option<&P> {
        match self {
            Self::Available(peer) => Some(peer),
            Self::Missing(_) => None,
        }
    }

    /// Why it is not available.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Available(_) => None,
            Self::Missing(reason) => Some(reason),
        }
    }

    /// The same with a reference-counted pointer to the peer.
    pub(crate) fn shared(self) -> Availability<Rc<P>> {
        match self {
            Self::Available(peer) => Availability::Available(Rc::new(peer)),
            Self::Missing(reason) => Availability::Missing(reason),
        }
    }
}
