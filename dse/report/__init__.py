"""Figures and tables of a finished run, and of multipliers: computed first, drawn afterwards."""

from dse.report._draw import save
from dse.report._heat_map import draw_error_maps
from dse.report._power_error import draw_panels, panel
from dse.report._report import Report, write_report
from dse.report._run import RunData, load_run

__all__ = ["Report", "RunData", "draw_error_maps", "draw_panels", "load_run", "panel", "save", "write_report"]
