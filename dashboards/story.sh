#!/bin/sh
# Five steps of migtrace serve under Prometheus, for dashboards/host.svg. Needs redis-server, redis-tools and numactl from
# Debian, and Prometheus as `cargo xtask setup` fetches it. In the virtual machine:
#
#     cargo xtask vm --kernel stock-6.12 -- sh dashboards/story.sh target/story
#
# target/story/data then holds Prometheus' database, target/story/times its first and last second. The second argument is the
# length of a step in seconds, 120 by default.
#
#     step 1  a redis server under load, on node 0
#     step 2  it is bound to node 2's CPU: NUMA balancing migrates its pages
#     step 3  a second server starts on node 1 and allocates on node 3: remote faults
#     step 4  the first server is bound to node 0's CPU again
#     step 5  migratepages(8) moves the second server to node 1: placement syscalls
set -e
dir=$1
step=${2:-120}
prometheus=${PROMETHEUS:-$HOME/.cache/migtrace/prometheus/usr/bin/prometheus}
rm -rf "$dir"
mkdir -p "$dir"
dir=$(realpath "$dir")
run=$(mktemp -d)
echo 1 >/proc/sys/kernel/numa_balancing
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug

cat >"$run/prometheus.yml" <<YML
global: {scrape_interval: 5s, scrape_timeout: 5s}
scrape_configs: [{job_name: migtrace, static_configs: [{targets: ['127.0.0.1:9435']}]}]
YML
server() {
    "$@" --port 0 --save "" --appendonly no --dir "$run" >/dev/null 2>&1 &
}
# Some load only: one emulated CPU shares the host's.
load() {
    cpu=$1 socket=$2
    taskset -c "$cpu" redis-benchmark -s "$socket" -d 1024 -c 4 -P 4 -t set -r 60000 -l -q >/dev/null 2>&1 &
}

migtrace serve &
serve=$!
"$prometheus" --config.file="$run/prometheus.yml" --storage.tsdb.path="$dir/data" >"$dir/log" 2>&1 &
database=$!
server taskset -c 0 redis-server --unixsocket "$run/first"
first=$!
sleep 10
from=$(date +%s)
load 3 "$run/first"
sleep "$step"
taskset -acp 2 "$first" >/dev/null
sleep "$step"
server numactl --cpunodebind=1 --preferred=3 redis-server --unixsocket "$run/second"
second=$!
sleep 1
load 1 "$run/second"
sleep "$step"
taskset -acp 0 "$first" >/dev/null
sleep "$step"
for _ in 1 2 3 4; do
    migratepages "$second" 3 1
    sleep $((step / 8))
    migratepages "$second" 1 3
    sleep $((step / 8))
done
echo "$from $(date +%s)" >"$dir/times"
kill "$serve" "$database" "$first" "$second"
wait "$serve" "$database" || true
