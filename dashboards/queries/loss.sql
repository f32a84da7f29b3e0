-- Events that probes saw and that are not in the file. No row means that nothing was lost.
select parse_filename(filename) as trace, probe, cause, sum(count) as lost_events
from read_parquet(getvariable('traces'), filename = true)
where kind = 'loss'
group by all
order by lost_events desc;
