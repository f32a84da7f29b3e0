"""Reads traces with other engines, and compares what they find with `migtrace summary --json`.

Usage:
    engines.py count ENGINE TRACE SUMMARY.json    count a trace
    engines.py rewrite ENGINE TRACE OUT           write a trace anew, as a user of the engine would
    engines.py same SUMMARY.json SUMMARY.json     compare the summaries of a trace and of one that was rewritten
    engines.py iceberg|delta TRACE                take a trace with addresses of the kernel's half into a table
"""

import json
import os
import pathlib
import shutil
import sys
import tempfile


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


def with_polars(path):
    import polars as pl

    frame = pl.read_parquet(path)
    group_by = getattr(frame, "group_by", None) and "group_by" or "groupby"  # the name before 0.19
    faults, moves = frame.filter(pl.col("kind") == "fault"), frame.filter(pl.col("kind") == "migrate")
    moved = moves.filter(pl.col("result") == "ok")

    def by(of, keys, *values):
        return getattr(of, group_by)(keys).agg(list(values)).rows()

    rows = pl.col("ts_ns").count()
    groups = by(faults, ["class"], rows.alias("n"), pl.col("latency_ns").sum(), pl.col("latency_ns").max().alias("max"))
    return {
        "rows": frame.height,
        "kinds": dict(by(frame, ["kind"], rows.alias("n"))),
        "faults": {group[0]: list(group[1:]) for group in groups},
        "remote": faults.filter(pl.col("nid") != pl.col("cpu_node")).height,
        "moves": {tuple(m[:3]): m[3] for m in by(moved, ["cause", "src_nid", "dst_nid"], pl.col("pages").sum())},
        "failed": moves.filter(pl.col("result") == "failed")["pages"].sum() or 0,
        "processes": frame["pid"].n_unique(),
        "first_ns": frame["ts_ns"].min(),
    }


def of_summary(path):
    s = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
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


def compare(who, found, expected):
    wrong = [key for key in expected if expected[key] != found[key]]
    for key in wrong:
        print(f"{who}, {key}: {found[key]}, but migtrace counts {expected[key]}")
    return not wrong and expected["rows"] > 0


def count(engine, trace, summary):
    return compare(engine, {"pyarrow": with_pyarrow, "duckdb": with_duckdb, "polars": with_polars}[engine](trace), of_summary(summary))


def rewrite(engine, trace, out):
    if engine == "pyarrow":
        import pyarrow.parquet as pq

        pq.write_table(pq.read_table(trace), out)
    elif engine == "duckdb":
        import duckdb

        duckdb.execute("SET VARIABLE trace = ?", [trace])
        [(meta,)] = duckdb.execute(
            "SELECT decode(value) FROM parquet_kv_metadata(getvariable('trace')) WHERE decode(key) = 'migtrace'"
        ).fetchall()
        duckdb.execute("SET VARIABLE meta = ?", [meta])
        to = "(FORMAT parquet, KV_METADATA {migtrace: getvariable('meta')})"
        duckdb.execute(f"COPY (FROM read_parquet(getvariable('trace'))) TO '{out}' {to}")
    else:
        import polars as pl

        meta = pl.read_parquet_metadata(trace)
        pl.read_parquet(trace).reverse().write_parquet(out, metadata={"migtrace": meta["migtrace"]})
    return True


def iceberg(trace):
    import pyarrow.parquet as pq
    from pyiceberg.catalog.sql import SqlCatalog

    with tempfile.TemporaryDirectory() as place:
        catalog = SqlCatalog("traces", uri=f"sqlite:///{place}/catalog.db", warehouse=f"file://{place}")
        catalog.create_namespace("migtrace")
        table = catalog.create_table("migtrace.events", schema=pq.read_schema(trace))
        table.add_files([trace])
        return same_table("Iceberg", table.scan().to_arrow(), table.scan(row_filter="addr < 0").to_arrow(), pq.read_table(trace))


def delta(trace):
    import pyarrow.parquet as pq
    from deltalake import DeltaTable, convert_to_deltalake, write_deltalake

    with tempfile.TemporaryDirectory() as converted, tempfile.TemporaryDirectory() as written:
        shutil.copy(trace, converted)
        convert_to_deltalake(converted)
        write_deltalake(written, pq.read_table(trace))
        tables = [DeltaTable(place).to_pyarrow_dataset() for place in (converted, written)]
        import pyarrow.compute as pc

        negative = pc.field("addr") < 0
        return all(
            same_table("Delta Lake", table.to_table(), table.to_table(filter=negative), pq.read_table(trace)) for table in tables
        )


def same_table(who, table, negative, trace):
    """Whether a table has the trace's rows, and finds addresses of the kernel's half by their statistics."""
    found = (table.num_rows, sorted(filter(None, table["addr"].to_pylist())), negative.num_rows)
    addresses = sorted(filter(None, trace["addr"].to_pylist()))
    expected = (trace.num_rows, addresses, len([addr for addr in addresses if addr < 0]))
    if found != expected:
        print(f"{who}: rows, addresses and rows with negative ones: {found}, but the trace has {expected}")
    return found == expected and expected[2] > 0


task, *arguments = sys.argv[1:]
if task == "same":
    fine = compare("rewritten", of_summary(arguments[1]), of_summary(arguments[0]))
else:
    fine = {"count": count, "rewrite": rewrite, "iceberg": iceberg, "delta": delta}[task](*arguments)
sys.stdout.flush()
# Not sys.exit: deltalake 1.6.6 can abort when the interpreter ends its threads.
os._exit(0 if fine else 1)
