use super::*;

#[test]
fn hidden_and_module_symbols_are_left_out() {
    let text = b"ffffffff81000000 T handle_mm_fault\n0000000000000000 D vmemmap_base\nffffffffc0000000 d shmem_vm_ops\t[x]\nffffffff82000000 T other\n";
    let symbols = parse_kallsyms(text);
    assert_eq!(symbols.len(), 1);
    assert_eq!(symbols["handle_mm_fault"], 0xffff_ffff_8100_0000);
}

/// Type information as the kernel stores it (Documentation/bpf/btf.rst): types are numbered from 1.
#[derive(Default)]
struct BtfBytes {
    types: Vec<u32>,
    strings: Vec<u8>,
}

impl BtfBytes {
    /// Offset of a new string; the first string is empty.
    fn string(&mut self, text: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        let at = self.strings.len();
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at as u32
    }

    fn int(&mut self, name: &str, bytes: u32) {
        let name = self.string(name);
        self.types.extend([name, 1 << 24, bytes, bytes * 8]);
    }

    /// Fields: name, type, and offset in bytes.
    fn structure(&mut self, name: &str, bytes: u32, fields: &[(&str, u32, u32)]) {
        let name = self.string(name);
        self.types.extend([name, 4 << 24 | fields.len() as u32, bytes]);
        for (name, of_type, at) in fields {
            let name = self.string(name);
            self.types.extend([name, *of_type, at * 8]);
        }
    }

    fn constant(&mut self, of_type: u32) {
        self.types.extend([0, 10 << 24, of_type]);
    }

    fn kernel(self) -> Kernel {
        let types: Vec<u8> = self.types.iter().flat_map(|word| word.to_le_bytes()).collect();
        // The header: magic, version and flags, its own size, and the places of both sections behind it.
        let header = [0x0001_eb9f, 24, 0, types.len() as u32, types.len() as u32, self.strings.len() as u32];
        let header = header.into_iter().flat_map(u32::to_le_bytes);
        let bytes: Vec<u8> = header.chain(types).chain(self.strings).collect();
        let btf = Btf::from_bytes(&bytes).expect("type information");
        Kernel { release: String::new(), btf, symbols: HashMap::new() }
    }
}

#[test]
fn fields_of_anonymous_structs_are_found_also_in_constant_ones() {
    let (long, inner, constant) = (1, 2, 3);
    let mut btf = BtfBytes::default();
    btf.int("long unsigned int", 8);
    btf.structure("", 16, &[("vma", long, 0), ("pgoff", long, 8)]);
    btf.constant(inner);
    btf.structure("vm_fault", 40, &[("first", long, 0), ("", constant, 8), ("", inner, 24)]);
    btf.structure("other", 24, &[("first", long, 0), ("", inner, 8)]);
    let kernel = btf.kernel();
    assert_eq!(kernel.offset("vm_fault", "pgoff"), Some(16));
    assert_eq!(kernel.offset("other", "vma"), Some(8));
}

/// The kernels of RHEL 8 and 9 have one more field in the common part of trace events, preempt_lazy_count. It moves
/// the fields of every event.
#[test]
fn fields_of_trace_events_are_found_behind_a_longer_common_part() {
    let (long, int, short, char, entry) = (1, 2, 3, 4, 5);
    let mut btf = BtfBytes::default();
    btf.int("long unsigned int", 8);
    btf.int("int", 4);
    btf.int("short unsigned int", 2);
    btf.int("unsigned char", 1);
    let common = [
        ("type", short, 0),
        ("flags", char, 2),
        ("preempt_count", char, 3),
        ("pid", int, 4),
        ("preempt_lazy_count", char, 8),
    ];
    btf.structure("trace_entry", 12, &common);
    let of_event = [("ent", entry, 0), ("succeeded", long, 16), ("failed", long, 24)];
    btf.structure("trace_event_raw_mm_migrate_pages", 32, &of_event);
    btf.structure("syscall_trace_enter", 16, &[("ent", entry, 0), ("nr", int, 12), ("args", long, 16)]);
    let kernel = btf.kernel();
    assert_eq!(kernel.offset("trace_event_raw_mm_migrate_pages", "succeeded"), Some(16));
    assert_eq!(kernel.offset("trace_event_raw_mm_migrate_pages", "failed"), Some(24));
    // On RHEL 9.3 a program gets the arguments at 24. Trace events of system calls are not used then.
    assert_eq!(kernel.offset("syscall_trace_enter", "args"), Some(16));
    assert!(!kernel.describes_syscall_events());
    assert_eq!(kernel.offset("trace_event_raw_mm_migrate_pages", "thp_split"), None);
}
