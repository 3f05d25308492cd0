"""Reads one .hlog and one .hgrm with HdrHistogram_py and tells what is in them.

    read.py latency.hlog latency.hgrm

Prints JSON: the intervals of the log, the percentiles of their sum, and which rows of
the .hgrm say anything else than that sum. The test `foreign` of the harness judges it.
"""

import json
import re
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

PERCENTILES = [50, 90, 99, 99.9, 99.99, 100]

# The log holds microseconds, the text shows milliseconds.
MICROS_PER_VALUE = 1000.0


def empty():
    return HdrHistogram(1, 3_600_000_000, 3)


def facts(histogram):
    return {
        "samples": histogram.get_total_count(),
        "min": histogram.get_min_value(),
        "max": histogram.get_max_value(),
        "mean": histogram.get_mean_value(),
        "percentiles": [histogram.get_value_at_percentile(p) for p in PERCENTILES],
    }


def counts_up_to(histogram):
    """By each recorded value: the samples below it, and those up to it."""
    counts = {}
    before = 0
    for item in histogram.get_recorded_iterator():
        up_to = item.total_count_to_this_value
        counts[histogram.get_highest_equivalent_value(item.value_iterated_to)] = (before, up_to)
        before = up_to
    return counts


def wrong_rows(rows, histogram):
    """Rows whose value is not the least one that reaches their percentile, or whose
    count is not that of the samples up to it."""
    total = histogram.get_total_count()
    counts = counts_up_to(histogram)
    wrong = []
    for row in rows:
        value = round(float(row[0]) * MICROS_PER_VALUE)
        wanted = float(row[1]) * total
        before, up_to = counts.get(value, (-1, -1))
        # Percentiles are written with twelve digits.
        reaches = before < wanted + 0.001 and wanted <= up_to + 0.001
        if not reaches or int(row[2]) != up_to:
            wrong.append(row)
    return wrong


def footer(text):
    """The numbers behind the rows, by name."""
    pairs = re.findall(r"([A-Z][A-Za-z ]*?) *= *([0-9.]+)", text)
    return {name: float(number) for name, number in pairs}


def main(log_path, text_path):
    reader = HistogramLogReader(log_path, empty())
    intervals = []
    total = empty()
    while (histogram := reader.get_next_interval_histogram()) is not None:
        start, end = histogram.get_start_time_stamp(), histogram.get_end_time_stamp()
        intervals.append({"start": start, "length": end - start, **facts(histogram)})
        total.add(histogram)
    start_time = reader.get_start_time_sec()
    reader.close()

    with open(text_path, encoding="utf-8") as file:
        text = file.read()
    lines = [line.split() for line in text.splitlines()]
    rows = [line for line in lines if line and line[0][0].isdigit()]
    print(
        json.dumps(
            {
                "start_time": start_time,
                "intervals": intervals,
                "total": facts(total),
                "deviation": total.get_stddev(),
                "rows": len(rows),
                "wrong_rows": wrong_rows(rows, total),
                "footer": footer(text),
            }
        )
    )


main(*sys.argv[1:])
