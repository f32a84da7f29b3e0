//! Whether this machine is virtual, and its hypervisor. Timings of an emulated CPU are relative only.

use std::arch::x86_64::{__cpuid, CpuidResult};

/// Leaf 1, ECX: a hypervisor is present.
const HYPERVISOR: u32 = 1 << 31;
/// Leaf with the name of the hypervisor.
const VENDOR_LEAF: u32 = 0x4000_0000;

/// Short name of the hypervisor (`tcg` for QEMU's emulation, `kvm`, ...), or the name it reports; `None` on bare metal.
#[must_use]
pub fn hypervisor() -> Option<String> {
    if __cpuid(1).ecx & HYPERVISOR == 0 {
        return None;
    }
    Some(short_name(vendor(__cpuid(VENDOR_LEAF))))
}

fn vendor(leaf: CpuidResult) -> String {
    let bytes: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx].iter().flat_map(|word| word.to_le_bytes()).collect();
    String::from_utf8_lossy(&bytes).trim_end_matches(['\0', ' ']).to_owned()
}

fn short_name(vendor: String) -> String {
    let known = [
        ("TCGTCGTCGTCG", "tcg"),
        ("KVMKVMKVM", "kvm"),
        ("VMwareVMware", "vmware"),
        ("Microsoft Hv", "hyper-v"),
        ("XenVMMXenVMM", "xen"),
    ];
    known.iter().find(|(name, _)| *name == vendor).map_or(vendor, |(_, short)| (*short).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_have_short_names() {
        let leaf = CpuidResult { eax: 0, ebx: 0x5447_4354, ecx: 0x4354_4743, edx: 0x4743_5447 };
        assert_eq!(short_name(vendor(leaf)), "tcg");
        assert_eq!(short_name("Other".into()), "Other");
    }
}
