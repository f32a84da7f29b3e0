-- Pages migrated, by file, cause and node pair; a folio of order n counts as 2^n pages. Durations are null if the kernel
-- did not show them.
select
    parse_filename(filename) as trace,
    cause,
    src_nid,
    dst_nid,
    coalesce(sum(pages) filter (where result = 'ok'), 0) as moved_pages,
    coalesce(sum(pages) filter (where result = 'failed'), 0) as failed_pages,
    median(latency_ns) / 1e3 as median_us,
    max(latency_ns) / 1e3 as max_us
from read_parquet(getvariable('traces'), filename = true)
where kind = 'migrate'
group by all
order by moved_pages desc, trace, cause;
