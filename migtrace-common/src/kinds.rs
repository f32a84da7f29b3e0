//! Small numbers on the wire, as newtypes: an unknown number is still a value, and prints as its number.

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident($repr:ty) { $($(#[$vmeta:meta])* $variant:ident = $value:literal),* $(,)? })*) => {$(
        $(#[$meta])*
        #[repr(transparent)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub $repr);

        impl $name {
            $($(#[$vmeta])* pub const $variant: Self = Self($value);)*
        }
    )*};
}

kinds! {
    /// The record that follows a header.
    RecordKind(u8) {
        FAULT = 1,
        CHECK = 2,
        MARK = 3,
        MIGRATE = 4,
        BATCH = 5,
        REQUEST = 6,
        TASK = 7,
        PHASE = 8,
        REGION = 9,
        /// A fault with what few faults have.
        FAULT_DETAILS = 10,
        PLACE = 11,
    }

    /// The hook that saw a fault. It determines the meaning of `flags`, and which fields are unknown.
    FaultHook(u8) {
        /// handle_mm_fault(): `flags` are FAULT_FLAG_* bits; class, latency, result and node are known.
        HANDLE_MM_FAULT = 1,
        /// The exception: `flags` are the CPU's error code; the outcome is not known yet.
        EXCEPTION = 2,
    }

    /// The kernel's code that checked a folio against policy.
    CheckPath(u8) {
        /// migrate-on-fault: `reason` is the kernel's enum mof_reason.
        LAZY_FAULT = 1,
        /// A NUMA hinting fault, in mpol_misplaced(): no reason, and a target node if the kernel wants to migrate the
        /// folio.
        HINTING = 2,
    }

    /// What a mapping maps.
    RegionClass(u8) {
        OTHER = 0,
        ANON = 1,
        FILE = 2,
        SHMEM = 3,
        HUGETLB = 4,
        STACK = 5,
        HEAP = 6,
    }

    /// Why a page fault happened.
    FaultClass(u8) {
        OTHER = 0,
        ANON = 1,
        FILE = 2,
        SHMEM = 3,
        SWAP = 4,
        HINTING = 5,
        COW = 6,
        HUGE = 7,
        /// The page was being migrated: the fault waited for the end of it, or for the folio's lock.
        MIGRATION_WAIT = 8,
        /// A userfaultfd handled it.
        USERFAULT = 9,
        HUGETLB = 10,
        /// The page was in the memory of a device.
        DEVICE = 11,
    }

    /// The kernel's code that migrated a folio.
    MigratePath(u8) {
        /// The kernel's migrate_pages(), whose reason is the cause.
        DIRECT = 1,
        /// migrate-on-fault, in the fault path.
        LAZY_FAULT = 2,
    }

    /// Placement syscalls.
    RequestName(u8) {
        MBIND = 1,
        SET_MEMPOLICY = 2,
        GET_MEMPOLICY = 3,
        MOVE_PAGES = 4,
        MIGRATE_PAGES = 5,
        SET_MEMPOLICY_HOME_NODE = 6,
        /// No syscall: a worker thread migrates the pages of a process whose cpuset's memory nodes changed. It makes no
        /// record of its own.
        CPUSET = 7,
    }

    /// How virtual pages changed their place.
    PlaceChange(u8) {
        COLLAPSE = 1,
        COW = 2,
        SWAP_IN = 3,
        KSM = 4,
        REMAP = 5,
        UNMAP = 6,
        MIGRATE = 7,
        MAP_AROUND = 8,
        UFFD = 9,
    }

    /// What happened to a task.
    TaskEvent(u8) {
        FORK = 1,
        EXEC = 2,
        EXIT = 3,
        /// It now runs on a CPU of another node.
        CHANGED_NODE = 4,
        /// NUMA balancing made a part of its memory inaccessible, to see by hinting faults where it is used.
        SCANNED = 5,
    }
}
