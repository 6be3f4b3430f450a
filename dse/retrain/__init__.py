"""Approximate retraining: the weights of a quantised network learn to live with the multipliers of a design.

`retrain` trains a network through a design's tables, or with predicted noise in their place; `Retrainer` does so for designs
of a prepared run and says what it gained on the test images; `retrain_run` for one design of a finished run's folder.
"""

from dse.paired import Difference, paired_difference
from dse.retrain._choose import designs_within, knee
from dse.retrain._course import Epoch, best_of, course_trainer, require_course, run_course, validated
from dse.retrain._design import RetrainedDesign, Retrainer, retrain_parts, retrain_settings
from dse.retrain._distillation import distillation
from dse.retrain._files import write_retrained
from dse.retrain._key import content_hash
from dse.retrain._noise import InjectedError, OutputError, inject, predicted_errors
from dse.retrain._retrain import Retrained, held_out, retrain
from dse.retrain._run import require_same, retrain_run
from dse.retrain._settings import RetrainSettings
from dse.retrain._stage import front_name, retrain_stage, write_retrained_table
from dse.retrain._verify import RetrainingVerifier, VerifiedRetraining

__all__ = [
    "Difference",
    "Epoch",
    "InjectedError",
    "OutputError",
    "RetrainSettings",
    "Retrained",
    "RetrainedDesign",
    "Retrainer",
    "RetrainingVerifier",
    "VerifiedRetraining",
    "best_of",
    "content_hash",
    "course_trainer",
    "designs_within",
    "distillation",
    "front_name",
    "held_out",
    "inject",
    "knee",
    "paired_difference",
    "predicted_errors",
    "require_course",
    "require_same",
    "retrain",
    "retrain_parts",
    "retrain_run",
    "retrain_settings",
    "retrain_stage",
    "write_retrained_table",
    "run_course",
    "validated",
    "write_retrained",
]
