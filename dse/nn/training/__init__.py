"""Training and accuracy of a network, and a cache of trained weights."""

from dse.nn.training._cache import cached_training, default_cache_dir
from dse.nn.training._evaluate import accuracy, device_of, evaluating, logits
from dse.nn.training._settings import DEFAULT_SETTINGS, TrainingSettings
from dse.nn.training._threads import threads_for
from dse.nn.training._train import Progress, require_fit, train

__all__ = [
    "DEFAULT_SETTINGS",
    "Progress",
    "TrainingSettings",
    "accuracy",
    "cached_training",
    "default_cache_dir",
    "device_of",
    "evaluating",
    "logits",
    "require_fit",
    "threads_for",
    "train",
]
