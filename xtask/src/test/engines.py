"""Counts a trace with another engine, and compares the counts with `migtrace summary --json`.

Usage: engines.py ENGINE TRACE SUMMARY.json
"""

import json
import sys


def with_pyarrow(path):
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(path)

    def of(kind):
        return table.filter(pc.field("kind") == kind)

    faults, moves = of("fault"), of("migrate")
    groups = faults.group_by("class").aggregate([("kind", "count"), ("latency_ns", "sum"), ("latency_ns", "max")])
    pairs = moves.filter(pc.field("result") == "ok").group_by(["cause", "src_nid", "dst_nid"]).aggregate([("pages", "sum")])
    return {
        "rows": table.num_rows,
        "kinds": {v["values"]: v["counts"] for v in table["kind"].value_counts().to_pylist()},
        "faults": {g["class"]: [g["kind_count"], g["latency_ns_sum"], g["latency_ns_max"]] for g in groups.to_pylist()},
        "remote": faults.filter(pc.field("nid") != pc.field("cpu_node")).num_rows,
        "moves": {(p["cause"], p["src_nid"], p["dst_nid"]): p["pages_sum"] for p in pairs.to_pylist()},
        "failed": pc.sum(moves.filter(pc.field("result") == "failed")["pages"]).as_py() or 0,
        "processes": pc.count_distinct(table["pid"]).as_py(),
        "first_ns": pc.min(table["ts_ns"]).as_py(),
    }


def with_duckdb(path):
    import duckdb

    def rows(query):
        return duckdb.execute(query.replace("TRACE", "read_parquet(?)"), [path]).fetchall()

    return {
        "rows": rows("SELECT count(*) FROM TRACE")[0][0],
        "kinds": dict(rows("SELECT kind, count(*) FROM TRACE GROUP BY kind")),
        "faults": {
            c: [n, int(total), longest]
            for c, n, total, longest in rows(
                "SELECT class, count(*), sum(latency_ns), max(latency_ns) FROM TRACE WHERE kind = 'fault' GROUP BY class"
            )
        },
        "remote": rows("SELECT count(*) FROM TRACE WHERE kind = 'fault' AND nid != cpu_node")[0][0],
        "moves": {
            (cause, src, dst): int(pages)
            for cause, src, dst, pages in rows(
                "SELECT cause, src_nid, dst_nid, sum(pages) FROM TRACE WHERE kind = 'migrate' AND result = 'ok' GROUP BY ALL"
            )
        },
        "failed": int(rows("SELECT coalesce(sum(pages), 0) FROM TRACE WHERE kind = 'migrate' AND result = 'failed'")[0][0]),
        "processes": rows("SELECT count(DISTINCT pid) FROM TRACE")[0][0],
        "first_ns": rows("SELECT min(ts_ns) FROM TRACE")[0][0],
    }


def of_summary(s):
    return {
        "rows": s["rows"],
        "kinds": s["kinds"],
        "faults": {f["class"]: [f["faults"], f["latency"]["total_ns"], f["latency"]["max_ns"]] for f in s["faults"]},
        "remote": sum(f["remote"] for f in s["faults"]),
        "moves": {(m["cause"], m["src_nid"], m["dst_nid"]): m["moved_pages"] for m in s["moves"] if m["moved_pages"]},
        "failed": s["failed_pages"],
        "processes": s["process_count"],
        "first_ns": s["first_ns"],
    }


engine, trace, summary = sys.argv[1:]
with open(summary, encoding="utf-8") as file:
    expected = of_summary(json.load(file))
found = {"pyarrow": with_pyarrow, "duckdb": with_duckdb}[engine](trace)
wrong = [key for key in expected if expected[key] != found[key]]
for key in wrong:
    print(f"{engine}, {key}: {found[key]}, but migtrace counts {expected[key]}")
sys.exit(1 if wrong or not expected["rows"] else 0)
