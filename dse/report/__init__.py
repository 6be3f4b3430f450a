"""Figures and tables of a finished run: computed from its files first, drawn afterwards."""

from dse.report._report import Report, write_report
from dse.report._run import RunData, load_run

__all__ = ["Report", "RunData", "load_run", "write_report"]
