"""Bulk listing: check a file against the catalog, then write what is new or changed. See `plan.py`."""

from catalog.importing.apply import apply_import, check_import
from catalog.importing.report import ImportReport, report_document

__all__ = ["ImportReport", "apply_import", "check_import", "report_document"]
