//! The filter options of every command. They combine to one [`Filter`].

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt, fs,
    str::FromStr,
};

use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use migtrace::{
    container::Container,
    event::{Cause, Kind, KindSet},
    filter::{Filter, kernel::RootCgroup, predicate::Predicate, ranges::Ranges},
    live::host::cgroups,
    units,
};
use strum::VariantNames;

use super::follow::TreeArgs;

/// Heading of the options in the help.
pub(crate) const HEADING: &str = "Filters (different options: AND; one option repeated: OR)";

/// Which events: different options are combined by AND, one repeated option by OR.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = HEADING)]
pub(crate) struct FilterArgs {
    /// Only events of this process and of its pages, and when tracing live, of children that it forks from then on; repeatable
    #[arg(short, long, value_name = "PID")]
    pub(crate) pid: Vec<u32>,
    /// Only events of tasks with this name, as the kernel stores it (at most 15 bytes), and of their pages; repeatable
    #[arg(long, value_name = "NAME", value_parser = comm)]
    comm: Vec<Filter>,
    /// Only events of tasks in this cgroup and of their pages; a path includes all cgroups below it; repeatable
    #[arg(long, value_name = "PATH|ID")]
    pub(crate) cgroup: Vec<Cgroup>,
    /// Only events of tasks in this container and of their pages, by name or by the start of its ID; repeatable, combined with
    /// --cgroup by OR
    #[arg(long, value_name = "ID")]
    pub(crate) container: Vec<String>,
    /// Only events on these CPUs, such as 0-3,8
    #[arg(long, value_name = "LIST")]
    cpu: Option<Ranges>,
    /// Only events on a CPU of these nodes, or of a page that is on one, or migrates from or to one
    #[arg(long, value_name = "LIST")]
    node: Option<Ranges>,
    /// Only migrations and checks from SRC to DST, such as 0:1 or 0-1:2-3; repeatable
    #[arg(long, value_name = "SRC:DST")]
    node_pair: Vec<NodePair>,
    /// Only events of this kind; repeatable
    #[arg(short, long, value_name = "KIND", value_parser = words::<Kind>(Kind::VARIANTS))]
    kind: Vec<Kind>,
    /// Only migrations and batches with this cause; repeatable
    #[arg(long, value_name = "CAUSE", value_parser = words::<Cause>(Cause::VARIANTS))]
    cause: Vec<Cause>,
    /// Only events at addresses in this range: 0x7f00-0x8000 (without its end) or 0x7f00+4k; repeatable
    #[arg(long, value_name = "RANGE")]
    addr: Vec<AddrRange>,
    /// Only events that took this long or longer, such as 10us or 2ms
    #[arg(long, value_name = "DURATION", value_parser = units::duration_ns)]
    min_latency: Option<u64>,
    /// Only events that match this expression over the trace's columns (docs/filters.md): 'kind == fault && nid != cpu_node'
    #[arg(long, value_name = "EXPR")]
    filter: Option<Filter>,
}

/// The examples in every command's help.
pub(crate) const EXAMPLES: &str = "Filter examples:
  --kind fault --min-latency 100us
  --node-pair 0:1 --cause mbind
  --filter 'kind == fault && nid != cpu_node'
  --filter 'comm.matches(\"^kworker\") || cause in [compaction, demotion]'";

impl FilterArgs {
    /// The filter that the options mean. `cgroups`: paths by id.
    pub(crate) fn filter(&self, cgroups: &BTreeMap<u64, String>) -> Result<Filter> {
        let pids = Ranges::points(self.pid.iter().map(|pid| i128::from(*pid)));
        let pids = (!self.pid.is_empty()).then(|| of_actor_or_owner("pid", &pids).into());
        Ok(Filter::both(pids.into_iter().chain(self.cgroups(cgroups)?).chain([self.but_scope()])))
    }

    /// The same filter as options of another command.
    pub(crate) fn as_options(&self) -> Vec<OsString> {
        let pids = self.pid.iter().map(|pid| ("--pid", pid.to_string()));
        let cgroups = self.cgroup.iter().map(|cgroup| ("--cgroup", cgroup.to_string()));
        let filter = self.but_scope();
        let filter = (!filter.is_all()).then(|| ("--filter", filter.to_string()));
        let containers = self.container.iter().map(|called| ("--container", called.clone()));
        let options = pids.chain(cgroups).chain(containers).chain(filter);
        options.flat_map(|(name, value)| [OsString::from(name), OsString::from(value)]).collect()
    }

    /// The filter without the options that select processes and cgroups.
    pub(crate) fn but_scope(&self) -> Filter {
        let nodes = |within: &Ranges| {
            Predicate::any(
                ["cpu_node", "nid", "src_nid", "dst_nid"].map(|name| Predicate::number(name, within.clone())),
            )
        };
        let pairs = self.node_pair.iter().map(|p| {
            Predicate::all([Predicate::number("src_nid", p.from.clone()), Predicate::number("dst_nid", p.to.clone())])
        });
        let addresses = Ranges::new(self.addr.iter().map(|a| a.first.into()..=i128::from(a.last)));
        let kinds: KindSet = self.kind.iter().copied().collect();
        let given = |is: bool, p: Predicate| is.then_some(p);
        let parts = [
            given(!self.comm.is_empty(), Predicate::any(self.comm.iter().map(|f| f.predicate().clone()))),
            self.cpu.clone().map(|cpus| Predicate::number("cpu", cpus)),
            self.node.as_ref().map(nodes),
            given(!self.node_pair.is_empty(), Predicate::any(pairs)),
            given(!self.kind.is_empty(), Predicate::Kind(kinds)),
            given(!self.cause.is_empty(), Predicate::one_of("cause", self.cause.iter().map(|c| c.word()))),
            given(!self.addr.is_empty(), Predicate::number("addr", addresses)),
            self.min_latency.map(|ns| Predicate::number("latency_ns", Ranges::new([ns.into()..=u64::MAX.into()]))),
            self.filter.as_ref().map(|f| f.predicate().clone()),
        ];
        Predicate::all(parts.into_iter().flatten()).into()
    }

    /// Whether `--kind` names this kind.
    pub(crate) fn names_kind(&self, kind: Kind) -> bool {
        self.kind.contains(&kind)
    }

    /// What is traced, in words: the processes, the filter and the cgroups. `None`: everything.
    pub(crate) fn scope_text(&self, tree: TreeArgs, filter: &Filter) -> Option<String> {
        let cgroups = self.cgroup.iter().map(|cgroup| format!("in cgroup {cgroup}"));
        let containers = self.container.iter().map(|called| format!("in container {called}"));
        let scope: Vec<String> = cgroups.chain(containers).collect();
        let filter = (!filter.is_all()).then(|| filter.to_string());
        let scope = (!scope.is_empty()).then(|| scope.join(" or "));
        let parts: Vec<String> = tree.text(&self.pid).into_iter().chain(filter).chain(scope).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// # Errors
    /// A process of --pid does not exist, or is a thread: threads have entries in /proc, too.
    pub(crate) fn check_pids(&self) -> Result<()> {
        for pid in &self.pid {
            let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
                bail!("--pid {pid}: no such process");
            };
            let process = status.lines().find_map(|line| line.strip_prefix("Tgid:")).map(str::trim);
            if let Some(process) = process.filter(|process| *process != pid.to_string()) {
                bail!("--pid {pid} is a thread of process {process}: use --pid {process} --filter 'tid == {pid}'");
            }
        }
        Ok(())
    }

    /// The cgroups of this machine: tasks in them or below them are traced.
    pub(crate) fn root_cgroups(&self) -> Result<Vec<RootCgroup>> {
        let of_path = |path: &str| cgroups::find(path).map(|(id, level)| RootCgroup { id, level });
        let mut roots = Vec::new();
        for cgroup in &self.cgroup {
            roots.push(match cgroup {
                Cgroup::Id(id) => RootCgroup { id: *id, level: None },
                Cgroup::Path(path) => of_path(path).context("--cgroup")?,
            });
        }
        for called in &self.container {
            for path in cgroups::find_container(called).context("--container")? {
                roots.push(of_path(&path).context("--container")?);
            }
        }
        Ok(roots)
    }

    fn cgroups(&self, known: &BTreeMap<u64, String>) -> Result<Option<Filter>> {
        let mut ids = Vec::new();
        for cgroup in &self.cgroup {
            match cgroup {
                Cgroup::Id(id) => ids.push(*id),
                Cgroup::Path(path) => {
                    let before = ids.len();
                    let below = |path| known.iter().filter(move |(_, its)| is_below(its, path)).map(|(id, _)| *id);
                    ids.extend(
                        paths_of(path)
                            .map(|path| below(path).collect::<Vec<_>>())
                            .find(|ids| !ids.is_empty())
                            .into_iter()
                            .flatten(),
                    );
                    if ids.len() == before {
                        bail!("--cgroup {path}: the trace has no event of a cgroup with this path; try its ID");
                    }
                }
            }
        }
        for called in &self.container {
            let containers = known.iter().filter_map(|(id, path)| Some((*id, Container::of(path)?)));
            let found: BTreeMap<_, _> =
                containers.filter(|(_, container)| container.is_called(called)).map(|(id, c)| (id, c.id)).collect();
            let containers: BTreeSet<_> = found.values().collect();
            match containers.len() {
                0 => bail!("--container {called}: the trace has no event of this container"),
                1 => ids.extend(found.keys()),
                n => bail!("--container {called}: ambiguous ID: {n} containers match"),
            }
        }
        let within = Ranges::points(ids.iter().map(|id| i128::from(*id)));
        Ok((!ids.is_empty()).then(|| of_actor_or_owner("cgroup_id", &within).into()))
    }
}

/// A test of the number in this column, or of the same of the page's owner.
fn of_actor_or_owner(column: &str, within: &Ranges) -> Predicate {
    Predicate::any([column.to_owned(), format!("owner_{column}")].map(|name| Predicate::number(&name, within.clone())))
}

fn words<T: FromStr + Clone + Send + Sync + 'static>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

/// A task's name as a filter.
///
/// # Errors
/// It is longer than the kernel stores; the error has what the kernel would store.
fn comm(name: &str) -> Result<Filter, String> {
    if name.len() > 15 {
        let cut: String = name.char_indices().take_while(|(i, c)| i + c.len_utf8() <= 15).map(|(_, c)| c).collect();
        return Err(format!("the kernel stores only 15 bytes of a task's name: write {cut}"));
    }
    Ok(Predicate::any(["comm", "owner_comm"].map(|column| Predicate::one_of(column, [name]))).into())
}

/// A cgroup as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cgroup {
    Id(u64),
    /// A path in the hierarchy, or the directory where it is mounted. It begins with a slash and ends without.
    Path(String),
}

impl fmt::Display for Cgroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "{id}"),
            Self::Path(path) => f.write_str(path),
        }
    }
}

impl FromStr for Cgroup {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        let path = text.trim_matches('/');
        let is_plain = !path.split('/').any(|part| part == "..");
        if is_plain { Ok(Self::Path(format!("/{path}"))) } else { Err("a cgroup path cannot contain ..".to_owned()) }
    }
}

/// What a path given by the user can mean in a trace: a path in the hierarchy, or a directory below the usual mount point
/// of version 2, or of a hierarchy of version 1.
fn paths_of(path: &str) -> impl Iterator<Item = &str> {
    let below_mounts = path.strip_prefix("/sys/fs/cgroup").filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let below_controller = below_mounts.and_then(|rest| rest.get(1..)?.split_once('/')).map(|(_, rest)| rest);
    [Some(path), below_mounts, below_controller].into_iter().flatten()
}

/// Whether a cgroup is the one at `path` or below it.
fn is_below(cgroup: &str, path: &str) -> bool {
    let path = path.trim_matches('/');
    let rest = cgroup.trim_matches('/').strip_prefix(path);
    rest.is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// `SRC:DST`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NodePair {
    from: Ranges,
    to: Ranges,
}

impl FromStr for NodePair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once(':').ok_or("write SRC:DST, such as 0:1")?;
        Ok(Self { from: from.parse()?, to: to.parse()? })
    }
}

/// A range of addresses with both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AddrRange {
    first: u64,
    last: u64,
}

impl FromStr for AddrRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| units::parse(text.trim()).map(|q| q.value);
        let (first, end) = if let Some((first, end)) = text.split_once('-') {
            (number(first)?, number(end)?)
        } else if let Some((first, size)) = text.split_once('+') {
            let first = number(first)?;
            (first, first.checked_add(number(size)?).ok_or("the range ends beyond the last address")?)
        } else {
            return Err("write a range as 0x7f00-0x8000 or 0x7f00+4k".to_owned());
        };
        match end.checked_sub(1) {
            Some(last) if first <= last => Ok(Self { first, last }),
            _ => Err("the range is empty".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
