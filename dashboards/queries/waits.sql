-- Wait time for placement by process: in placement syscalls, and in the faults that touch lazily marked pages (class swap,
-- without a device read).
select
    parse_filename(filename) as trace,
    pid,
    any_value(comm) as comm,
    count(*) filter (where kind = 'request') as requests,
    coalesce(sum(latency_ns) filter (where kind = 'request'), 0) / 1e3 as request_us,
    count(*) filter (where kind = 'fault') as faults,
    coalesce(sum(latency_ns) filter (where kind = 'fault'), 0) / 1e3 as fault_us
from read_parquet(getvariable('traces'), filename = true)
where kind = 'request' or (kind = 'fault' and class = 'swap' and not major)
group by all
order by request_us + fault_us desc;
