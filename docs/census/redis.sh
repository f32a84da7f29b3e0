#!/bin/sh
# Checks the books of a database: a redis server under load whose CPU changes every few seconds, with automatic NUMA
# balancing, and snapshots by fork. Prints what the censuses say: no page may be unexplained. Needs redis-server and
# redis-tools from Debian. In the virtual machine, for 60 seconds:
#
#     cargo xtask vm --kernel stock-6.12 -- sh docs/census/redis.sh redis.parquet 60
set -e
trace=$1
seconds=${2:-60}
dir=$(mktemp -d)
socket=$dir/socket
. "$(dirname "$0")/../numa_balancing.sh"

taskset -c 1 redis-server --port 0 --unixsocket "$socket" --save "" --dir "$dir" >/dev/null 2>&1 &
server=$!
sleep 2
timeout 60 redis-benchmark -s "$socket" -d 1024 -P 16 -t set -r 20000 -n 20000 -q >/dev/null 2>&1

migtrace record --census-every 10s --pid "$server" --quiet -o "$trace" &
record=$!
sleep 8
timeout "$seconds" redis-benchmark -s "$socket" -d 1024 -P 16 -t set,get -r 20000 -l -q >/dev/null 2>&1 &
end=$(($(date +%s) + seconds))
cpu=1
while [ "$(date +%s)" -lt "$end" ]; do
    cpu=$(((cpu + 2) % 4))
    taskset -acp "$cpu" "$server" >/dev/null
    sleep 5
    redis-cli -s "$socket" bgsave >/dev/null || true
    sleep 3
done
kill -INT "$record"
wait "$record"
kill "$server"
rm -r "$dir"
migtrace summary "$trace" | grep -A20 -E "census:"
