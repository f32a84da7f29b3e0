//! Small numbers on the wire, as newtypes: a value that is not in a list is still a value, and prints as such.

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
    /// Which record follows a header.
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
    }

    /// Where a fault was seen, which says what its record's `flags` are and what it lacks.
    FaultWay(u8) {
        /// handle_mm_fault(): FAULT_FLAG_* bits; class, latency, result and node are there.
        HANDLED = 1,
        /// The exception: the CPU's error code; it is not known yet what will become of it.
        EXCEPTION = 2,
    }

    /// Who checked a folio against policy.
    CheckPath(u8) {
        /// migrate-on-fault: `reason` is the kernel's enum mof_reason.
        LAZY_FAULT = 1,
        /// A NUMA hinting fault, in mpol_misplaced(): no reason, a target where the kernel wants it to move.
        HINTING = 2,
    }

    /// What a mapping is.
    RegionClass(u8) {
        OTHER = 0,
        ANON = 1,
        FILE = 2,
        SHMEM = 3,
        HUGETLB = 4,
        STACK = 5,
        HEAP = 6,
    }

    /// What a fault was about.
    FaultClass(u8) {
        OTHER = 0,
        ANON = 1,
        FILE = 2,
        SHMEM = 3,
        SWAP = 4,
        HINTING = 5,
        COW = 6,
        HUGE = 7,
    }

    /// The way that moved a folio.
    MigratePath(u8) {
        /// The kernel's migrate_pages(), whose reason tells the cause.
        DIRECT = 1,
        /// migrate-on-fault, in the fault path.
        LAZY_FAULT = 2,
    }

    /// Placement system calls.
    RequestName(u8) {
        MBIND = 1,
        SET_MEMPOLICY = 2,
        GET_MEMPOLICY = 3,
        MOVE_PAGES = 4,
        MIGRATE_PAGES = 5,
        SET_MEMPOLICY_HOME_NODE = 6,
    }

    /// What happened to a task.
    TaskEvent(u8) {
        FORK = 1,
        EXEC = 2,
        EXIT = 3,
        /// It runs on a CPU of another node than before.
        MOVED = 4,
    }
}
