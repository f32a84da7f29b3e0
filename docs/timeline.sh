#!/bin/sh
# Records the traces behind docs/timeline.svg and the log in docs/lazy-migration.md. The virtual machine's clock counts
# instructions, so that timings do not depend on the host's load:
#
#     cargo xtask vm --kernel patched --counted --cpus 1 -- sh docs/timeline.sh target/timeline
#
# Then, on the host, with migtrace on the PATH and in target/timeline:
#
#     migtrace compare direct.parquet --vs lazy.parquet --comm migtrace --plot timeline.svg
#     migtrace log eight.parquet --comm migtrace
set -e
mkdir -p "$1"
cd "$1"
work=$(mktemp -d)
migtrace=$(command -v migtrace)

# The kernel's caches and lists are warm after some runs under another name.
cp "$migtrace" "$work/warmup"
arm() {
    name=$1 pages=$2 flags=$3
    cat >"$work/$name.memtoy" <<MEMTOY
anon seg ${pages}p
map seg
mbind seg pref 1
touch seg write
mbind seg bind+$flags 2
touch seg read
MEMTOY
    echo "for i in 1 2 3 4; do $work/warmup memtoy $work/$name.memtoy; done; migtrace memtoy $work/$name.memtoy" >"$work/run"
    migtrace record --quiet -o "$name.parquet" -- sh "$work/run" >/dev/null
}
arm direct 32 move
arm lazy 32 move+lazy
arm eight 8 move+lazy

