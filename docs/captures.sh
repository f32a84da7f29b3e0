#!/bin/sh
# Makes the screens in docs/top/ and the traces behind the pictures and captures of docs/. Needs tmux. In the virtual machine:
#
#     cargo xtask vm --kernel patched -- sh docs/captures.sh target/captures
#
# Then, on the host, with $m for target/release/migtrace and in target/captures:
#
#     $m compare direct.parquet --vs lazy.parquet --comm migtrace --plot timeline.svg    # docs/timeline.svg
#     $m log eight.parquet --comm migtrace                                              # docs/lazy-migration.md
set -e
mkdir -p "$1"
cd "$1"
work=$(mktemp -d)
migtrace=$(command -v migtrace)

# Timings of the first run include the emulator's translation of code: four runs under another name come before.
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

# One process whose pages migrate lazily from node 0 to 2, directly to 3, and back.
{
    echo "cpu 2"
    echo "anon seg 200p"
    echo "map seg"
    echo "mbind seg bind 0"
    echo "touch seg write"
    for _ in $(seq 2000); do
        echo "mbind seg bind+move+lazy 2"
        echo "touch seg 0 150p read"
        echo "sleep 300"
        echo "touch seg 100p 100p write"
        echo "mbind seg bind+move 3"
        echo "touch seg read"
        echo "sleep 300"
        echo "mbind seg bind+move+lazy 0"
        echo "touch seg 0 180p read"
        echo "sleep 300"
    done
} >"$work/busy.memtoy"
taskset -c 2 migtrace memtoy "$work/busy.memtoy" >/dev/null &
busy=$!
export NO_COLOR=1
screen() {
    tmux -L captures capture-pane -p >"$1.txt"
}
keys() {
    for key in "$@"; do
        tmux -L captures send-keys "$key"
        sleep 2
    done
}
tmux -L captures -f /dev/null new-session -d -x 120 -y 40 "$migtrace top"
sleep 20
screen overview
keys 2; screen processes
keys g Enter; sleep 2; screen regions
keys T; screen threads
keys 4; screen pages
keys g Enter; screen page
keys 5; screen lazy
keys 6; screen latency
keys 8; screen probes
keys 1 m; sleep 8
keys m; screen compare
keys m 9; screen help
keys q
kill "$busy"

migtrace record --quiet -o rec.parquet -- migtrace memtoy "$work/eight.memtoy" >/dev/null
tmux -L captures -f /dev/null new-session -d -x 120 -y 40 "$migtrace top rec.parquet"
sleep 4
screen recording
keys 7 G; screen log
keys q
