"""Data files with some cells changed. Every other cell, quotes, spaces and line breaks included, stays byte for byte."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Final, TypeAlias

from leanplum_sync.kinds.rows.source import Compression, DataFormat, FileSource
from leanplum_sync.sources.reading import header
from leanplum_sync.wire.action import Json

Cells: TypeAlias = Mapping[str, Json]  # by column

_BOM: Final = "\ufeff"
_BREAKS: Final = "\r\n"
_SCANNER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def can_edit(source: FileSource) -> bool:
    """Whether cells of the file can be changed in place."""
    return source.compression is Compression.NONE and source.format is not DataFormat.PARQUET


def write_edited(source: FileSource, root: Path, edits: Mapping[int, Cells], out: IO[str]) -> None:
    """
    Write the file to *out* with *edits*, by row number (see ``Row``). *out* must not convert line breaks.

    Raises:
        SourceError: the file can't be read.
    """
    with (root / source.path).open("r", encoding="utf-8", errors="surrogateescape", newline="") as file:
        match source.format:
            case DataFormat.CSV:
                head = header(source, root)
                columns = {name: place for place, name in enumerate(head.columns or ())}
                out.writelines(_csv(file, head.delimiter or ",", head.lines_before, columns, edits))
            case DataFormat.NDJSON:
                out.writelines(_ndjson(file, edits))
            case DataFormat.PARQUET:
                raise AssertionError(source.path)


def write_csv(columns: Iterable[str], rows: Iterable[Cells], out: IO[str]) -> None:
    """Write *rows* as a new CSV file. What is not text is written as JSON, and None as an empty cell."""
    names = list(columns)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for cells in rows:
        writer.writerow([_as_text(cells.get(name)) for name in names])


def _as_text(value: Json) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def _csv(
    lines: Iterator[str], delimiter: str, before: int, columns: Mapping[str, int], edits: Mapping[int, Cells]
) -> Iterator[str]:
    number = -1  # the header's is 0
    for index, record in enumerate(_records(lines, delimiter, before)):
        if index >= before and record.lstrip(_BOM).rstrip(_BREAKS):
            number += 1
        cells = edits.get(number) if number > 0 and record.rstrip(_BREAKS) else None
        if cells is None:
            yield record
            continue
        fields, end = _fields(record, delimiter)
        for column, value in cells.items():
            place = columns[column]
            fields[place] = _field(str(value), delimiter, is_quoted=fields[place].startswith('"'))
        yield delimiter.join(fields) + end


def _records(lines: Iterator[str], delimiter: str, before: int) -> Iterator[str]:
    """Yield the lines of each row together. The first *before* lines are not CSV."""
    for index, line in enumerate(lines):
        record = line
        while index >= before and '"' in record and not _is_whole(record.lstrip(_BOM), delimiter):
            more = next(lines, "")
            if not more:
                break
            record += more
        yield record


def _is_whole(record: str, delimiter: str) -> bool:
    return _fields(record, delimiter)[1] is not _OPEN


_OPEN: Final = "\0open"


def _fields(record: str, delimiter: str) -> tuple[list[str], str]:
    """Return the cells as they are written, quotes included, and the line break; ``_OPEN`` if a quote is not closed."""
    fields: list[str] = []
    start = 0
    while True:
        end = _end_of_field(record, start, delimiter)
        if end is None:
            return fields, _OPEN
        fields.append(record[start:end])
        if record[end : end + 1] != delimiter:
            return fields, record[end:]
        start = end + 1


def _end_of_field(record: str, start: int, delimiter: str) -> int | None:
    if record[start : start + 1] == '"':
        position = start + 1
        while (position := record.find('"', position)) >= 0:
            if record[position + 1 : position + 2] != '"':
                return position + 1
            position += 2
        return None
    end = record.find(delimiter, start)
    return end if end >= 0 else len(record.rstrip(_BREAKS))


def _field(text: str, delimiter: str, *, is_quoted: bool) -> str:
    if is_quoted or any(sign in text for sign in (delimiter, '"', "\r", "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


def _ndjson(lines: Iterable[str], edits: Mapping[int, Cells]) -> Iterator[str]:
    number = 0
    for line in lines:
        number += bool(line.lstrip(_BOM).strip())
        cells = edits.get(number) if line.strip() else None
        yield line if cells is None else _edited_object(line, cells)


def _edited_object(line: str, cells: Cells) -> str:
    """Return the line of a JSON object with the values of *cells*; a key that it lacks is added at its end."""
    spans, end = _spans(line)
    pieces: list[str] = []
    done = 0
    for name, (start, stop) in spans.items():
        if name in cells:
            pieces += [line[done:start], json.dumps(cells[name], ensure_ascii=False)]
            done = stop
    comma, colon = (", ", ": ") if '": ' in line else (",", ":")
    added = [
        f"{json.dumps(name, ensure_ascii=False)}{colon}{json.dumps(value, ensure_ascii=False)}"
        for name, value in cells.items()
        if name not in spans
    ]
    last = max((stop for _, stop in spans.values()), default=end)
    return "".join([*pieces, line[done:last], *(comma + text for text in added), line[last:]])


def _spans(line: str) -> tuple[dict[str, tuple[int, int]], int]:
    """Return where the value of each key is, and where the object ends. Source: RFC 8259, section 4."""
    spans: dict[str, tuple[int, int]] = {}
    position = _after_blanks(line, line.index("{") + 1)
    while line[position] != "}":
        name, position = _SCANNER.raw_decode(line, position)
        start = _after_blanks(line, _after_blanks(line, position) + 1)  # behind the colon
        _, stop = _SCANNER.raw_decode(line, start)
        spans[name] = start, stop
        position = _after_blanks(line, stop)
        if line[position] == ",":
            position = _after_blanks(line, position + 1)
    return spans, position


def _after_blanks(line: str, position: int) -> int:
    while line[position] in " \t\r\n":
        position += 1
    return position
