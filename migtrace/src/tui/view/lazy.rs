//! Lazy: what became of the pages that were marked for lazy migration.

use crate::{
    event::escape_control,
    model::live::fidelity::Level,
    tui::{
        app::App,
        canvas::{Piece, dim, plain},
    },
};

pub(super) fn lines(app: &App) -> Vec<Vec<Piece>> {
    let state = app.shown();
    if let Level::Unavailable(why) = &state.fidelity.marks {
        return vec![
            vec![plain("Lazy marks cannot be seen here: ".to_owned() + &escape_control(why))],
            vec![dim(
                "migrate-on-fault needs the patched kernel; NUMA balancing's hinting faults are in 6 Latency and 1 Overview",
            )],
        ];
    }
    vec![vec![dim("no page was marked yet: mbind with MPOL_MF_MOVE and MPOL_MF_LAZY marks pages")]]
}
