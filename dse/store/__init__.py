"""The study file: every evaluation of a study in one SQLite file that survives crashes and is shared by processes."""

from dse.store._evaluation import Evaluation
from dse.store._export import to_csv, to_json_lines
from dse.store._process import LEASE_S
from dse.store._salvage import Salvaged, salvage
from dse.store._study_file import StudyFile, Tally

__all__ = ["LEASE_S", "Evaluation", "Salvaged", "StudyFile", "Tally", "salvage", "to_csv", "to_json_lines"]
