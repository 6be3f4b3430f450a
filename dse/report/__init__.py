"""Figures and tables of a finished run, and of multipliers: computed first, drawn afterwards."""

from dse.report._heat_map import draw_error_maps
from dse.report._report import Report, write_report
from dse.report._run import RunData, load_run

__all__ = ["Report", "RunData", "draw_error_maps", "load_run", "write_report"]
