//! Function names for stacks: which file was mapped where, and its symbols.

mod debug_files;
mod elf_symbols;
mod frame;
mod functions;
mod mapping_history;
pub mod mappings;
mod mini_debug_info;
pub mod object_file;
mod perf_map;
pub mod perf_maps;
pub mod stacks;
mod symbolizing;
mod vdso;
