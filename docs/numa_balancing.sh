# Sourced by the scripts here: turns automatic NUMA balancing on, and has it scan sooner and faster than by default, since the
# recordings are short.
echo 1 >/proc/sys/kernel/numa_balancing
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
balancing=/sys/kernel/debug/sched/numa_balancing
echo 100 >$balancing/scan_delay_ms
echo 200 >$balancing/scan_period_min_ms
echo 1000 >$balancing/scan_period_max_ms
echo 32 >$balancing/scan_size_mb
