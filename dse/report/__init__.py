"""Figures and tables of finished runs, and of multipliers: computed first, drawn afterwards.

What reads a run's files and makes names safe to print is public for whatever else shows runs.
"""

from dse.report._attainment import Difference, DifferenceInfo, Surface, SurfaceInfo, draw_differences, draw_surfaces
from dse.report._bands import Band, BandInfo, draw_bands
from dse.report._draw import Drawing, save
from dse.report._files import CsvFile, JsonFile, read_csv, read_json
from dse.report._governor import GovernorInfo, ServedLine, draw_governor
from dse.report._heat_map import draw_error_maps
from dse.report._power_error import draw_panels, panel
from dse.report._predicted import PredictedPanel, draw_predicted, predicted_panel
from dse.report._profiles import ProfilesInfo, draw_profiles, profiles_info, profiles_text
from dse.report._report import Report, write_report
from dse.report._retraining import Retraining, exact_beside, loss_against, retraining_info
from dse.report._run import Designs, RunData, load_run, loss_bound, objective_names
from dse.report._savings import LOSS_LEVELS_PP, UNIFORM, Choice, choices
from dse.report._strips import Strip, StripInfo, draw_strips
from dse.report._text import KNOWN_METHODS, markdown, method_label, plain
from dse.report._tradeoffs import Tradeoff, draw_tradeoffs
from dse.report._trajectories import TrajectoryInfo, draw_trajectories

__all__ = [
    "Band",
    "BandInfo",
    "Choice",
    "CsvFile",
    "Designs",
    "Difference",
    "DifferenceInfo",
    "Drawing",
    "GovernorInfo",
    "JsonFile",
    "LOSS_LEVELS_PP",
    "KNOWN_METHODS",
    "PredictedPanel",
    "ProfilesInfo",
    "Report",
    "Retraining",
    "RunData",
    "ServedLine",
    "Strip",
    "StripInfo",
    "Surface",
    "SurfaceInfo",
    "Tradeoff",
    "TrajectoryInfo",
    "UNIFORM",
    "choices",
    "draw_bands",
    "draw_differences",
    "draw_error_maps",
    "draw_governor",
    "draw_panels",
    "draw_predicted",
    "draw_profiles",
    "draw_strips",
    "draw_surfaces",
    "draw_tradeoffs",
    "draw_trajectories",
    "exact_beside",
    "load_run",
    "loss_against",
    "loss_bound",
    "markdown",
    "method_label",
    "objective_names",
    "panel",
    "plain",
    "predicted_panel",
    "profiles_info",
    "profiles_text",
    "read_csv",
    "read_json",
    "retraining_info",
    "save",
    "write_report",
]
