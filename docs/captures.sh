#!/bin/sh
# Makes the screens in docs/top/. Needs tmux. In the virtual machine:
#
#     cargo xtask vm --kernel patched -- sh docs/captures.sh target/captures
set -e
mkdir -p "$1"
cd "$1"
work=$(mktemp -d)
migtrace=$(command -v migtrace)

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
keys 9; screen nodes
keys 1 m; sleep 8
keys m; screen compare
keys m '?'; screen help
keys q
kill "$busy"

cat >"$work/eight.memtoy" <<MEMTOY
anon seg 8p
map seg
mbind seg pref 1
touch seg write
mbind seg bind+move+lazy 2
touch seg read
MEMTOY
migtrace record --quiet -o rec.parquet -- migtrace memtoy "$work/eight.memtoy" >/dev/null
tmux -L captures -f /dev/null new-session -d -x 120 -y 40 "$migtrace top rec.parquet"
sleep 4
screen recording
keys 7 G; screen log
keys q

# Where the program was built says nothing to a reader.
sed -i "s#$(dirname "$(readlink -f "$migtrace")")/#/usr/bin/#" ./*.txt
