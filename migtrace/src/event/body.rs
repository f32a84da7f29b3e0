//! What happened, by kind.

use strum::{AsRefStr, Display, EnumDiscriminants, EnumString, IntoStaticStr, VariantArray, VariantNames};

use super::{
    batch::Batch, census::Census, check::Check, fault::Fault, loss::Loss, mark::Mark, migrate::Migrate,
    node::NodeFacts, phase::Phase, place::Place, region::Region, request::Request, task::Task,
};

/// What happened, by kind.
#[derive(Clone, Debug, PartialEq, AsRefStr, IntoStaticStr, EnumDiscriminants)]
#[strum(serialize_all = "snake_case")]
#[strum_discriminants(
    name(Kind),
    derive(Hash, PartialOrd, Ord, Display, EnumString, IntoStaticStr, VariantArray, VariantNames),
    strum(serialize_all = "snake_case"),
    doc = "The kinds of events, without their contents."
)]
pub enum Body {
    Fault(Fault),
    Check(Check),
    Mark(Mark),
    /// Boxed, as the largest: most events are faults, and rings, queues and views hold many.
    Migrate(Box<Migrate>),
    Batch(Box<Batch>),
    Request(Box<Request>),
    Task(Task),
    Region(Region),
    Place(Box<Place>),
    Phase(Phase),
    Node(Box<NodeFacts>),
    Census(Box<Census>),
    Loss(Loss),
}

impl Body {
    /// The kind's name, as in the column `kind`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.into()
    }

    /// Whether it is about a page, which has an owner.
    #[must_use]
    pub const fn has_page(&self) -> bool {
        matches!(
            self,
            Self::Fault(_) | Self::Check(_) | Self::Mark(_) | Self::Migrate(_) | Self::Place(_) | Self::Census(_)
        )
    }
}

impl Kind {
    /// Whether the recorder makes such events, and not a probe: about itself, the machine, or
    /// where the pages of a process are.
    #[must_use]
    pub const fn is_of_recorder(self) -> bool {
        matches!(self, Self::Node | Self::Census | Self::Loss)
    }
}

impl From<Migrate> for Body {
    fn from(migrate: Migrate) -> Self {
        Self::Migrate(Box::new(migrate))
    }
}

impl From<Batch> for Body {
    fn from(batch: Batch) -> Self {
        Self::Batch(Box::new(batch))
    }
}

impl From<Request> for Body {
    fn from(request: Request) -> Self {
        Self::Request(Box::new(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_no_larger_than_a_fault_makes_it() {
        assert!(size_of::<Body>() <= size_of::<Fault>() + size_of::<u64>(), "{}", size_of::<Body>());
    }
}
