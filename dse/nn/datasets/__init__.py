"""Data sets by name or from the caller's own data, and the parts that an exploration keeps apart."""

from dse.nn.datasets._arrays import arrays_dataset, loaders_dataset
from dse.nn.datasets._registry import DATASETS, DatasetInfo, load_dataset
from dse.nn.datasets._split import split_dataset
from dse.nn.datasets._types import DataParts, Dataset, Part

__all__ = [
    "DATASETS",
    "DataParts",
    "Dataset",
    "DatasetInfo",
    "Part",
    "arrays_dataset",
    "load_dataset",
    "loaders_dataset",
    "split_dataset",
]
