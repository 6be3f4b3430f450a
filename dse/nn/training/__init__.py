"""Training and accuracy of a network, and a cache of trained weights."""

from dse.nn.training._cache import cached_training, default_cache_dir
from dse.nn.training._evaluate import accuracy, device_of, evaluating, logits, right_answers
from dse.nn.training._kept import read_kept, write_kept
from dse.nn.training._settings import DEFAULT_SETTINGS, Augment, TrainingSettings
from dse.nn.training._threads import threads_for
from dse.nn.training._train import Progress, TrainingLog, train
from dse.nn.training._trainer import Loss, Rate, Trainer, cosine, require_fit

__all__ = [
    "Augment",
    "DEFAULT_SETTINGS",
    "Loss",
    "Progress",
    "Rate",
    "Trainer",
    "TrainingLog",
    "TrainingSettings",
    "accuracy",
    "cached_training",
    "cosine",
    "default_cache_dir",
    "device_of",
    "evaluating",
    "logits",
    "read_kept",
    "require_fit",
    "right_answers",
    "threads_for",
    "train",
    "write_kept",
]
