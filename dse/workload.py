"""A workload: the trained network and the images of its disjoint parts."""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from dse.config import DatasetConfig, ModelConfig, SpaceConfig
from dse.exceptions import InputError, under, unknown_name
from dse.nn.datasets import DATASETS, DataParts, Dataset, arrays_dataset, load_dataset, loaders_dataset, split_dataset
from dse.nn.models import MODELS, build_model, check_finite, load_weights
from dse.nn.training import (
    DEFAULT_SETTINGS,
    Progress,
    TrainingSettings,
    cached_training,
    default_cache_dir,
    require_fit,
)


@dataclass(frozen=True)
class Workload:
    """What is approximated, and the images that decide."""

    model: nn.Module  # trained, in evaluation mode
    parts: DataParts
    model_name: str
    dataset_name: str


@dataclass(frozen=True)
class Untrained:
    """A workload whose network may still have to be trained."""

    workload: Workload
    settings: TrainingSettings | None  # None: the weights are given
    seed: int
    device: str = "cpu"  # that trains


def open_workload(
    config: SpaceConfig, *, seed: int, model: nn.Module | None = None, dataset: Dataset | None = None
) -> Untrained:
    """Load data and network and check them, without training.

    Args:
        config: The space.
        seed: Of the split, and of weights and training unless the space fixes that seed.
        model, dataset: The caller's own objects, instead of those that the space names.

    Raises:
        InputError: For a missing file, an unknown name, a part without images, weights that do not fit or are not finite.
    """
    dataset = dataset if dataset is not None else _dataset(config.dataset, seed)
    with under("space."):
        parts = split_dataset(
            dataset,
            train=config.dataset.train_images,
            calibration=config.dataset.calibration_images,
            search=config.dataset.search_images,
            validation=config.dataset.validation_images,
            test=config.dataset.test_images,
            seed=seed,
        )
    model_seed = seed if config.model.seed is None else config.model.seed
    given = model is not None
    network = _copied(model) if model is not None else _model(config.model, dataset, model_seed)
    with under("space.model.weights: "):
        if config.model.weights is not None and not given:
            load_weights(network, config.model.weights)
        check_finite(network)
    with under("space.model: "):
        for part in parts.by_name.values():
            require_fit(network, part)
    trained = (
        given or config.model.weights is not None or (config.model.factory is not None and config.training is None)
    )
    settings = None if trained else _training_settings(config)
    model_name = type(network).__name__ if given else config.model.name or _short(str(config.model.factory))
    workload = Workload(network.eval(), parts, model_name, dataset.name)
    return Untrained(workload, settings, model_seed, "cpu" if config.training is None else config.training.device)


def train_workload(untrained: Untrained, *, progress: Progress | None = None) -> Workload:
    """Train the network if its weights are not given; a training with equal inputs is read from the cache.

    Raises:
        InputError: As `cached_training`.
    """
    workload = untrained.workload
    if untrained.settings is None:
        return workload
    cached_training(
        workload.model,
        workload.parts.train,
        untrained.settings,
        seed=untrained.seed,
        key={"model": workload.model_name},
        cache_dir=default_cache_dir(),
        device=untrained.device,
        progress=progress,
    )
    return workload


def model_hash(model: nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers with their names."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_factory(path: str, key: str) -> Callable[..., Any]:
    """Return the function that an import path names: `package.module:function` or `file.py:function`.

    Modules are looked up in the current folder as well.

    Raises:
        InputError: If there is no such module or function; `key` is the configuration key it stands under.
    """
    module_name, colon, attribute = path.rpartition(":")
    if not colon or not module_name or not attribute:
        raise InputError(f"{key}: expected 'package.module:function' or 'file.py:function', got '{path}'")
    try:
        module = _import_file(Path(module_name)) if module_name.endswith(".py") else _import_module(module_name)
    except Exception as error:  # the file is the caller's: it may raise anything
        hint = "" if module_name.endswith(".py") else "; a file is named with its ending, such as 'my_network.py:build'"
        raise InputError(f"{key}: cannot import '{module_name}': {_one_line(error)}{hint}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise InputError(f"{key}: '{module_name}' has no function '{attribute}'")
    return factory


def _import_module(name: str) -> Any:
    with _current_folder_importable():
        return importlib.import_module(name)


def _import_file(path: Path) -> Any:
    # a name of its own: the file may be called like a module of the standard library
    spec = importlib.util.spec_from_file_location(f"dse_user_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    _send_whole(module)
    return module


def _send_whole(module: Any) -> None:
    """Let what the module defines travel to worker processes whole: they cannot import it by its name."""
    for name in ("joblib.externals.cloudpickle", "cloudpickle"):  # of this machine's workers, and of Dask's
        with suppress(ImportError):
            importlib.import_module(name).register_pickle_by_value(module)


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.remove(str(Path.cwd()))


def _call(factory: str, arguments: dict[str, Any], key: str) -> Any:
    function = load_factory(factory, key)
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise InputError(f"{key}: '{factory}' cannot be called with arguments {sorted(arguments)}: {error}") from None
    try:
        return function(**arguments)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{key}: '{factory}' failed: {_one_line(error)}") from error


def _short(factory: str) -> str:
    """Return an import path without the folders of its file: results should not show where on a machine it lay."""
    return factory.rpartition("/")[2]


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:  # locks, open files and the like among its attributes
        raise InputError(f"model: cannot be copied ({_one_line(error)}); keep such attributes out of it") from error


def _model(config: ModelConfig, dataset: Dataset, seed: int) -> nn.Module:
    if config.name is None and config.factory is None:
        raise InputError(
            "space.model: expected the key name or factory, or model= from Python (also to open a run that had one); "
            "see `dse list models`"
        )
    if config.name is not None:
        if config.name not in MODELS:
            raise InputError(f"space.model.name: {unknown_name('model', config.name, MODELS)}")
        return build_model(config.name, in_shape=dataset.in_shape, n_classes=dataset.n_classes, seed=seed)
    model = _call(str(config.factory), config.arguments, "space.model.factory")
    if not isinstance(model, nn.Module):
        raise InputError(
            f"space.model.factory: expected '{config.factory}' to return a torch.nn.Module, got {type(model).__name__}"
        )
    return model


def _dataset(config: DatasetConfig, seed: int) -> Dataset:
    if config.name is None and config.factory is None:
        raise InputError(
            "space.dataset: expected the key name or factory, or dataset= from Python (also to open a run that had one); "
            "see `dse list datasets`"
        )
    if config.name is not None:
        if config.name not in DATASETS:
            raise InputError(f"space.dataset.name: {unknown_name('data set', config.name, DATASETS)}")
        with under("space: "):
            return load_dataset(
                config.name,
                data_root=config.data_root,
                path=config.path,
                download=config.download,
                seed=seed,
                image_size=config.image_size,
            )
    made = _call(str(config.factory), config.arguments, "space.dataset.factory")
    name = str(config.factory).rpartition(":")[2]
    if isinstance(made, Dataset):
        return made
    if isinstance(made, tuple) and len(made) == 4:
        return arrays_dataset(*made, name=name)
    if isinstance(made, tuple) and len(made) == 2:
        return loaders_dataset(*made, name=name)
    raise InputError(
        f"space.dataset.factory: expected '{config.factory}' to return (x_train, y_train, x_test, y_test) arrays, "
        f"(train, test) data loaders or a dse Dataset, got {type(made).__name__}"
    )


def _training_settings(config: SpaceConfig) -> TrainingSettings:
    base = DEFAULT_SETTINGS.get(config.model.name or "", DEFAULT_SETTINGS["lenet5"])
    given = config.training.model_dump(exclude_none=True, exclude={"device"}) if config.training is not None else {}
    return replace(base, **given)
