//! Processes that share marked pages because of fork: a page is gone when the last of them exits.

use hashbrown::HashMap;

/// Families by member. A process that has not forked since its pages were marked is in none.
#[derive(Debug, Default)]
pub(crate) struct ForkFamilies {
    of: HashMap<u32, u32>,
    families: HashMap<u32, ForkFamily>,
}

#[derive(Debug, Default)]
struct ForkFamily {
    alive: u32,
    /// Processes whose marked pages the others may share.
    owners: Vec<u32>,
}

impl ForkFamilies {
    /// Records a fork. It matters if the parent has marked pages or is in a family.
    pub(crate) fn fork(&mut self, parent: u32, child: u32, parent_owns: bool) {
        if !parent_owns && !self.of.contains_key(&parent) {
            return;
        }
        let root = *self.of.entry(parent).or_insert(parent);
        let family = self.families.entry(root).or_insert_with(|| ForkFamily { alive: 1, owners: Vec::new() });
        if parent_owns && !family.owners.contains(&parent) {
            family.owners.push(parent);
        }
        if self.of.insert(child, root).is_none() {
            family.alive += 1;
        }
    }

    /// Whether another process may have the same pages.
    pub(crate) fn shares(&self, pid: u32) -> bool {
        self.of.get(&pid).and_then(|root| self.families.get(root)).is_some_and(|family| family.alive > 1)
    }

    /// Records that a process dropped its address space. Returns the processes whose pages are not shared any more.
    pub(crate) fn leave(&mut self, pid: u32, owns: bool) -> Vec<u32> {
        let Some(root) = self.of.remove(&pid) else { return vec![pid] };
        let Some(family) = self.families.get_mut(&root) else { return vec![pid] };
        family.alive -= 1;
        if owns && !family.owners.contains(&pid) {
            family.owners.push(pid);
        }
        if family.alive > 0 {
            return Vec::new();
        }
        self.families.remove(&root).map(|f| f.owners).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_gone_with_the_last_that_has_them() {
        let mut families = ForkFamilies::default();
        assert_eq!(families.leave(1, true), [1], "without children");
        families.fork(2, 3, true);
        assert!(families.shares(2) && families.shares(3) && !families.shares(1));
        families.fork(3, 4, false);
        assert_eq!(families.leave(2, true), [] as [u32; 0]);
        assert_eq!(families.leave(3, false), [] as [u32; 0]);
        assert_eq!(families.leave(4, false), [2]);
        assert!(families.of.is_empty() && families.families.is_empty());
    }

    #[test]
    fn children_of_processes_without_marks_are_not_kept() {
        let mut families = ForkFamilies::default();
        families.fork(2, 3, false);
        assert!(families.of.is_empty() && families.families.is_empty());
    }
}
