#!/bin/sh
# Records the trace behind docs/top.svg: two redis servers on four nodes, with automatic NUMA balancing. Needs redis-server,
# redis-tools and numactl from Debian. In the virtual machine:
#
#     cargo xtask vm --kernel stock-6.12 -- sh docs/top/redis.sh redis.parquet
#
# One server is loaded on node 0 and then bound to node 2's CPU, so the kernel migrates its pages. The other one runs on
# node 1 and allocates on node 3, so its faults are remote.
set -e
trace=$1
dir=$(mktemp -d)
. "$(dirname "$0")/../numa_balancing.sh"

server() {
    "$@" --port 0 --save "" --appendonly no --dir "$dir" >/dev/null 2>&1 &
}
load() {
    cpu=$1 socket=$2 seconds=$3
    shift 3
    timeout "$seconds" taskset -c "$cpu" redis-benchmark -s "$socket" -d 1024 -P 16 -q "$@" >/dev/null 2>&1
}

server taskset -c 0 redis-server --unixsocket "$dir/moving"
moving=$!
server numactl --cpunodebind=1 --preferred=3 redis-server --unixsocket "$dir/remote"
remote=$!
sleep 2
load 0 "$dir/moving" 60 -t set -r 60000 -n 60000

migtrace record --quiet -o "$trace" &
record=$!
sleep 8
load 3 "$dir/moving" 30 -t get -r 60000 -n 3000000 &
load 1 "$dir/remote" 30 -t set -r 60000 -n 3000000 &
sleep 2
taskset -acp 2 "$moving" >/dev/null
sleep 14
taskset -acp 0 "$moving" >/dev/null
# Both loads end before the recording does.
sleep 18
kill -INT "$record"
wait "$record"
kill "$moving" "$remote"
