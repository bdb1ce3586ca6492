"""The rows of an open file, by the integration's format."""

from __future__ import annotations

from workers.connectors.files.config import FilesConfig, Format
from workers.connectors.files.formats.csv_rows import CsvRows
from workers.connectors.files.formats.elements import ElementReader
from workers.connectors.files.formats.json_rows import JsonRows
from workers.connectors.files.formats.learning import learn_csv, learn_json
from workers.connectors.files.formats.lines import LineReader
from workers.connectors.files.formats.rows import Learned, Rows
from workers.connectors.files.places.files import ExtraMissing
from workers.connectors.files.reading import OpenFile


class _Csv(CsvRows):
    def learn(self) -> Learned:
        return learn_csv(self, self._config)


class _Json(JsonRows):
    def learn(self) -> Learned:
        return learn_json(self, self._config, self._name)


def open_rows(source: OpenFile, config: FilesConfig, name: str) -> Rows:
    """Raises SourceError: what is read first is not of the format, or a library is missing."""
    match config.record_format:
        case Format.JSONL:
            return _Json(LineReader(source, name), config, name)
        case Format.JSON:
            path = config.records.split(".") if config.records else ()
            return _Json(ElementReader(source, name, path), config, name)
        case Format.PARQUET:
            try:
                from workers.connectors.files.formats.parquet import ParquetRows
            except ImportError:
                raise ExtraMissing("reading Parquet", "files-parquet") from None
            return ParquetRows(source.seekable(), config, name, source.stop)
        case Format.EXCEL:
            try:
                from workers.connectors.files.formats.excel import ExcelRows
            except ImportError:
                raise ExtraMissing("reading Excel", "files-excel") from None
            return ExcelRows(source.seekable(), config, name, source.stop)
    return _Csv(LineReader(source, name), config, name)
