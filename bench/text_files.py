"""Reads the tables that text_classifier reads, for the scripts that compare it."""

import csv
import gzip

csv.field_size_limit(1 << 30)


def read_rows(path):
    """The label and the text of each row of a CSV with a header, the label in its first column."""
    opened = gzip.open(path, "rt", encoding="utf-8", newline="") if path.endswith(".gz") \
        else open(path, encoding="utf-8", newline="")
    with opened as file:
        rows = list(csv.reader(file))[1:]
    return [(row[0], " ".join(row[1:])) for row in rows]
