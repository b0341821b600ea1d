"""Strict configuration models, reading them from YAML, and values that are drawn from ranges."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Base of every configuration model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Uniform(Strict):
    """A number drawn uniformly between two bounds; written as ``[low, high]`` in YAML."""

    low: float = Field(description="Lower bound")
    high: float = Field(description="Upper bound")


class Choice(Strict):
    """One of several values, drawn with equal chance; written as ``{choice: [a, b]}`` in YAML."""

    choice: tuple[Any, ...] = Field(min_length=1, description="Values to draw from")


def _parse_drawn(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if len(value) != 2 or not value[0] <= value[1]:
            raise ValueError(f"range {list(value)}; wanted [low, high], or {{choice: [...]}}")
        return Uniform(low=value[0], high=value[1])
    return value


_MEMBERS = ("float", "int", "Uniform", "Choice")  # of the unions below; pydantic names them in its errors
Drawn = Annotated[float | Uniform | Choice, BeforeValidator(_parse_drawn)]
DrawnInt = Annotated[int | Uniform | Choice, BeforeValidator(_parse_drawn)]


def bounds_of(value: Any) -> tuple[float, float]:
    """Return the least and greatest value that a `Drawn` field can take: for range checks."""
    if isinstance(value, Uniform):
        return value.low, value.high
    if isinstance(value, Choice):
        if not all(isinstance(one, int | float) and math.isfinite(one) for one in value.choice):
            raise ValueError("wanted numbers to choose from")
        return min(value.choice), max(value.choice)
    return value, value


def within(low: float, high: float) -> AfterValidator:
    """Check every value that a `Drawn` field can take; None, where a field allows it, passes."""

    def check(value: Any) -> Any:
        if value is not None:
            least, greatest = bounds_of(value)
            if not (low <= least and greatest <= high):
                raise ValueError(f"wanted {low:g} to {high:g}")
        return value

    return AfterValidator(check)


def resolve(config: Model, rng: np.random.Generator) -> Model:
    """Return a copy of a configuration in which every drawn field holds one value.

    Fields are visited in the order of their definition, nested models and tuples included, so the same
    generator gives the same draws. Integer fields draw integers, both bounds included.
    """
    values = {}
    for name, field in type(config).model_fields.items():
        is_integer = _accepts_only_int(field.annotation)
        values[name] = _resolve_value(getattr(config, name), rng, is_integer)
    return type(config).model_construct(**values)


def _accepts_only_int(annotation: Any) -> bool:
    members = _flatten(annotation)
    return int in members and float not in members


def _resolve_value(value: Any, rng: np.random.Generator, is_integer: bool) -> Any:
    if isinstance(value, Uniform):
        if is_integer:
            return int(rng.integers(int(value.low), int(value.high) + 1))
        return float(rng.uniform(value.low, value.high))
    if isinstance(value, Choice):
        return value.choice[int(rng.integers(len(value.choice)))]
    if isinstance(value, BaseModel):
        return resolve(value, rng)
    if isinstance(value, tuple):
        return tuple(_resolve_value(item, rng, is_integer) for item in value)
    return value


def load_yaml(path: Path | str, model: type[Model], *, section: str | None = None) -> Model:
    """Read a YAML file into a configuration model.

    Parameters
    ----------
    path
        YAML file.
    model
        Configuration model to build.
    section
        Where the file is a whole pipeline configuration that has this key at its top, only what stands
        below it is read; so ``cts model config/config.yaml`` works as well as a file of its own.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        One line that names the file, the key, what was found and what was wanted.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such configuration file")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())})") from error
    name = str(path)
    if section is not None and isinstance(values, dict) and isinstance(values.get(section), dict):
        values, name = values[section], f"{path}: {section}"
    return parse_config(values if values is not None else {}, model, name)


def parse_config(values: Any, model: type[Model], name: str) -> Model:
    """Build a configuration model; the ValueError is one line that starts with ``name``."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{name}: {describe_validation_error(error, model)}") from None


def describe_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the first fault of a pydantic error as one line: key, what is wrong, what was found."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"] if part not in _MEMBERS) or "configuration"
    if fault["type"] == "extra_forbidden":
        return f"{key}: unknown key; wanted one of {', '.join(_keys_beside(model, fault['loc']))}"
    message = fault["msg"].removeprefix("Value error, ")
    found = "" if isinstance(fault["input"], dict) else f" (found {fault['input']!r})"
    return f"{key}: {message}{found}"


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the field names that are allowed where an unknown key was found."""
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        nested = [a for a in _flatten(field.annotation if field else None) if _is_model(a)]
        if not nested:
            continue
        model = nested[0]
    return list(model.model_fields)


def _flatten(annotation: Any) -> list[Any]:
    members = getattr(annotation, "__args__", ())
    return [annotation] + [inner for member in members for inner in _flatten(member)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
