//! Kernel configuration: adds fragments to allnoconfig, and checks that every wanted option is set.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use xtask_common::exit::Failure;

/// A fragment's name and text.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub(super) name: String,
    pub(super) text: String,
}

/// Reads fragments from `directory`, in order.
pub(super) fn read(directory: &Path, names: &[String]) -> Result<Vec<Fragment>> {
    let read = |name: &String| {
        let file = directory.join(name);
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Fragment { name: name.clone(), text })
    };
    names.iter().map(read).collect()
}

/// Merges the fragments. The last setting of an option counts.
pub(super) fn merged(fragments: &[Fragment]) -> String {
    let wanted: BTreeMap<_, _> = fragments.iter().flat_map(|fragment| settings(&fragment.text)).collect();
    wanted.iter().map(|(option, value)| line(option, *value)).collect()
}

/// Fails if the resolved configuration lacks wanted settings, and lists them.
pub(super) fn check(fragments: &[Fragment], resolved: &str) -> Result<()> {
    let resolved: BTreeMap<_, _> = settings(resolved).collect();
    let mut wanted = BTreeMap::new();
    for fragment in fragments {
        wanted.extend(settings(&fragment.text).map(|(option, value)| (option, (value, fragment.name.as_str()))));
    }
    let got = |option: &str| resolved.get(option).copied().flatten();
    let lost: Vec<_> = wanted.into_iter().filter(|(option, (value, _))| got(option) != *value).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let describe = |(option, (value, file)): &(&str, (Option<&str>, &str))| {
        format!("  {file}: {} became {}", line(option, *value).trim_end(), line(option, got(option)).trim_end())
    };
    let lost: Vec<_> = lost.iter().map(describe).collect();
    let text = format!("{} options are not in the resulting configuration:\n{}", lost.len(), lost.join("\n"));
    Err(Failure::Finding(text).into())
}

/// Parses options with their values; `None` for "is not set" and for `=n`.
fn settings(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.lines().filter_map(|line| {
        let line = line.trim();
        if let Some(option) = line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set")) {
            return Some((option, None));
        }
        let (option, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
        Some((option, (value != "n").then_some(value)))
    })
}

fn line(option: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("CONFIG_{option}={value}\n"),
        None => format!("# CONFIG_{option} is not set\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(name: &str, text: &str) -> Fragment {
        Fragment { name: name.into(), text: text.into() }
    }

    #[test]
    fn the_last_setting_of_an_option_wins() {
        let base = fragment("base", "# about\nCONFIG_NUMA=y\nCONFIG_KSM=y\n# CONFIG_SMT is not set\n");
        let top = fragment("top", "# CONFIG_KSM is not set\nCONFIG_LOCALVERSION=\"-mof\"\n");
        assert_eq!(
            merged(&[base, top]),
            "# CONFIG_KSM is not set\nCONFIG_LOCALVERSION=\"-mof\"\nCONFIG_NUMA=y\n# CONFIG_SMT is not set\n"
        );
    }

    #[test]
    fn every_lost_option_is_named_with_its_fragment() {
        let base = fragment("base.config", "CONFIG_NUMA=y\nCONFIG_NR_CPUS=16\n# CONFIG_EXPERT is not set\n");
        let top = fragment("top.config", "CONFIG_KASAN=y\nCONFIG_GONE=n\n");
        let resolved = "CONFIG_NUMA=y\nCONFIG_NR_CPUS=64\nCONFIG_EXPERT=y\n# CONFIG_KASAN is not set\n";
        let error = check(&[base, top], resolved).expect_err("three are lost").to_string();
        assert_eq!(
            error,
            "3 options are not in the resulting configuration:\n  \
             base.config: # CONFIG_EXPERT is not set became CONFIG_EXPERT=y\n  \
             top.config: CONFIG_KASAN=y became # CONFIG_KASAN is not set\n  \
             base.config: CONFIG_NR_CPUS=16 became CONFIG_NR_CPUS=64"
        );
    }

    #[test]
    fn an_option_that_does_not_exist_counts_as_unset() {
        let fragments = [fragment("f", "# CONFIG_OLD is not set\nCONFIG_NUMA=y\n")];
        assert!(check(&fragments, "CONFIG_NUMA=y\n").is_ok());
        assert!(check(&fragments, "CONFIG_SMP=y\n").is_err());
    }
}
