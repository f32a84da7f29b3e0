//! Names of places and regions, as text.

use super::{model::Region, place::Place};
use crate::text::escape_control;

/// `node 2`, `in swap`.
pub(super) fn place_name(place: Place) -> String {
    match place {
        Place::Node(nid) => format!("node {nid}"),
        Place::UnknownNode => "unknown node".to_owned(),
        Place::Zero => "page of zeros".to_owned(),
        Place::Swap => "in swap".to_owned(),
        Place::Special => "special entry".to_owned(),
    }
}

/// Its file, or its kind.
pub(super) fn region_name(region: &Region) -> String {
    if region.name.is_empty() { region.kind.to_owned() } else { escape_control(&region.name) }
}
