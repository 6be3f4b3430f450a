"""Operating points: one network, a handful of multipliers, several assignments to switch between."""

from dse.operating_points._choice import choose_points
from dse.operating_points._choice_points import OperatingPoints
from dse.operating_points._choice_request import PointsRequest
from dse.operating_points._choice_run import SearchFigures, choose_run
from dse.operating_points._governor import Designs, Policy, Served, best_static, request_images, serve, serve_static
from dse.operating_points._governor_run import Setting, simulate_folder
from dse.operating_points._points_file import StoredPoints, read_points
from dse.operating_points._published import published_points
from dse.operating_points._published_choice import choose_published
from dse.operating_points._traces import BudgetTrace, battery, daily, steps

__all__ = [
    "BudgetTrace",
    "Designs",
    "OperatingPoints",
    "PointsRequest",
    "Policy",
    "SearchFigures",
    "Served",
    "Setting",
    "StoredPoints",
    "battery",
    "best_static",
    "choose_points",
    "choose_published",
    "choose_run",
    "daily",
    "published_points",
    "read_points",
    "request_images",
    "serve",
    "serve_static",
    "simulate_folder",
    "steps",
]
