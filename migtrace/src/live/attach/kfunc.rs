//! The kernel function that the programs call: whether this kernel allows it, and patching the calls in the object.

use aya::{
    programs::ProgramType,
    sys::{BpfHelper, is_helper_supported},
};
use aya_obj::generated::{BPF_CALL, BPF_JMP, BPF_PSEUDO_KFUNC_CALL};
use migtrace_common::{
    config::Config,
    kfunc::{RDONLY_CAST, STAND_IN},
};
use object::{Object, ObjectSection, SectionKind};

use crate::live::host::kernel::Kernel;

/// Bytes of an instruction: opcode, registers (destination in the low bits, source in the high bits), offset,
/// immediate.
const INSTRUCTION: usize = 8;
/// A struct of one word that every x86-64 kernel has.
const ONE_WORD: &str = "pgd_t";

/// Whether programs can read kernel memory by plain loads on this kernel.
#[must_use]
pub fn is_offered(kernel: &Kernel) -> bool {
    kernel.compiles_programs() && kernel.function_id(RDONLY_CAST).is_some()
}

/// Sets in `config` how the programs read kernel memory.
pub(crate) fn offer(config: &mut Config, kernel: &Kernel) {
    if is_offered(kernel) {
        config.word_type = kernel.struct_id_of_typedef(ONE_WORD).unwrap_or(0);
    }
    let reads = is_helper_supported(ProgramType::TracePoint, BpfHelper::BPF_FUNC_probe_read_kernel);
    // If this is unknown, the kernel rejects programs that may not use the helper, and doctor reports why.
    config.no_read_helpers = u32::from(!reads.unwrap_or(true));
}

/// Turns calls of the placeholder into calls of the kernel function. If this kernel does not have it, the placeholders
/// stay: no program reaches them. A kernel without a JIT rejects every program that names a kernel function, reached or
/// not.
///
/// # Errors
/// If `object` is no ELF file.
pub(crate) fn link(object: &mut [u8], kernel: &Kernel) -> Result<(), object::Error> {
    let Some(function) = kernel.function_id(RDONLY_CAST).filter(|_| is_offered(kernel)) else { return Ok(()) };
    let code: Vec<_> = {
        let file = object::File::parse(&*object)?;
        let code = file.sections().filter(|section| section.kind() == SectionKind::Text);
        code.filter_map(|section| section.file_range()).collect()
    };
    for (start, len) in code {
        for instruction in object[start as usize..(start + len) as usize].chunks_exact_mut(INSTRUCTION) {
            if is_stand_in(instruction) {
                instruction[1] = (BPF_PSEUDO_KFUNC_CALL as u8) << 4;
                instruction[4..].copy_from_slice(&function.to_le_bytes());
            }
        }
    }
    Ok(())
}

/// Whether an instruction calls the placeholder helper.
fn is_stand_in(instruction: &[u8]) -> bool {
    instruction[..2] == [(BPF_JMP | BPF_CALL) as u8, 0] && instruction[4..] == STAND_IN.to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_of_the_helper_stand_for_the_function() {
        let is =
            |code, registers, number: i32| is_stand_in(&[&[code, registers, 0, 0], &number.to_le_bytes()[..]].concat());
        assert!(is(0x85, 0, STAND_IN));
        assert!(!is(0x85, 0, 113));
        // A constant of the same value, and a call within the object.
        assert!(!is(0xb7, 0, STAND_IN) && !is(0x85, 0x10, STAND_IN));
    }
}
