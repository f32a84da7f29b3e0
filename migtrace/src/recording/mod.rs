//! What a recording reports about itself: metadata, coverage by probe, and the account of every event seen.

pub mod account;
pub mod coverage;
pub mod describe;
mod meta;

pub use self::{
    account::{Account, ProbeAccount},
    coverage::{Coverage, Fidelity, ProbeInfo, Why},
    meta::{META_KEY, Meta, Node, OwnCost, ProcessDetails, ProgramCost, Topology, WallStep},
};
