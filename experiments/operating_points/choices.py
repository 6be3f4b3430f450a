"""What a study of operating points is to choose: its file, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dse.exceptions import InputError, under
from dse.operating_points import PointsRequest, Scheme
from dse.toml_files import read_toml


class Table(BaseModel):
    """A table in which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Choices(Table):
    """One request, for several numbers of instances, methods and schemes of fine-tuning."""

    name: str
    methods: list[Literal["ours", "published", "published, mixed"]] = Field(default=["ours"], min_length=1)
    instances: list[int] = Field(default=[4], min_length=1)
    points: int = 3
    loss_budgets_pp: list[float] | None = None
    up_to_pp: float | None = Field(default=None, gt=0, allow_inf_nan=False)  # what is lost by points worth nothing
    schemes: list[Scheme] = Field(default=["none"], min_length=1)
    evaluations: int = 300
    seeds: int | None = Field(default=None, ge=1)  # the study's when absent

    def request(self, instances: int, seed: int) -> PointsRequest:
        """Return what is asked of a choice. Raises InputError where that contradicts itself."""
        return PointsRequest(instances, self.points, self.loss_budgets_pp, None, self.evaluations, seed)


class Study(Table):
    """What a file of choices says."""

    run: str  # configuration of the run, beside the file
    set: list[str] = []  # KEY=VALUE that differ from it
    seeds: int = Field(default=5, ge=1)
    choices: list[Choices] = Field(min_length=1)
    fine_tuning_images: int | None = Field(default=None, ge=1)  # the first of the training part; all when absent


def read_study(path: Path) -> Study:
    """Read a file of choices. Raises InputError where it is not one, or asks for what contradicts itself."""
    try:
        study = Study.model_validate(read_toml(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    with under(f"{path}: "):
        _require_distinct("choices: names", [choices.name for choices in study.choices])
        for choices in study.choices:
            with under(f"choices '{choices.name}': "):
                for name in ("methods", "instances", "schemes"):
                    _require_distinct(name, getattr(choices, name))
                for instances in choices.instances:
                    choices.request(instances, seed=0)
    return study


def require_circuits(study: Study, circuits: int) -> None:
    """Raise InputError where more instances are asked for than a library has circuits."""
    for choices in study.choices:
        if (most := max(choices.instances)) > circuits:
            raise InputError(
                f"choices '{choices.name}': instances: expected at most {circuits}, the circuits of the library, got {most}"
            )


def _require_distinct(what: str, values: Sequence[Hashable]) -> None:
    if len(set(values)) < len(values):
        raise InputError(f"{what}: expected each once, got {', '.join(map(str, values))}")
