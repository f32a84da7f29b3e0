//! Which processes a live command follows: options and messages.

use anyhow::{Result, bail};
use migtrace::{live::session::Session, text};

use super::stop::EndArgs;

/// The processes that --pid lists, and how far below them.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = super::filter::HEADING)]
pub(crate) struct TreeArgs {
    /// With --pid: also the children that these processes have already, and the children of those
    #[arg(long, requires = "pid")]
    pub(crate) tree: bool,
}

impl TreeArgs {
    /// `process 4711 with its future children`; `None` without --pid.
    pub(crate) fn text(self, pids: &[u32]) -> Option<String> {
        let (first, others) = pids.split_first()?;
        let named = others.iter().fold(format!("process {first}"), |text, pid| format!("{text} or {pid}"));
        let children = if self.tree { "all its descendants" } else { "its future children" };
        Some(format!("{named} with {children}"))
    }
}

/// Checks that no option needs the running kernel, because the events come from a recording.
///
/// # Errors
/// One does.
pub(crate) fn check_recorded(tree: TreeArgs, end: EndArgs) -> Result<()> {
    if tree.tree || end.is_given() {
        bail!("--tree and --duration are for the running kernel: a recording has its processes and its end already");
    }
    Ok(())
}

/// Says which children of the requested processes are not traced; `None` if all are.
pub(crate) fn not_followed(session: &Session) -> Option<String> {
    let of = |(pid, count): &(u32, usize)| {
        format!("process {pid} has {} not followed", text::count(*count as u64, "descendant"))
    };
    let found: Vec<String> = session.untraced_descendants().iter().map(of).collect();
    (!found.is_empty()).then(|| format!("{}; --tree follows them too", found.join(", ")))
}

/// Says that the requested processes are no more.
pub(crate) fn have_exited(pids: &[u32]) -> String {
    match pids {
        [pid] => format!("process {pid} has exited"),
        _ => "all traced processes have exited".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_names_processes_and_children() {
        let (alone, tree) = (TreeArgs { tree: false }, TreeArgs { tree: true });
        assert_eq!(alone.text(&[]), None);
        assert_eq!(alone.text(&[7]).as_deref(), Some("process 7 with its future children"));
        assert_eq!(tree.text(&[7, 8]).as_deref(), Some("process 7 or 8 with all its descendants"));
    }
}
