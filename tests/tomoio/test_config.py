"""Strict configuration: unknown keys are named, ranges are drawn reproducibly."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

from tomoio.config import Choice, Drawn, DrawnInt, Strict, Uniform, bounds_of, load_yaml, resolve, within
from tomoio.randomness import generator


class Inner(Strict):
    defocus_um: Drawn = Field(5.0, description="x")
    count: DrawnInt = Field(3, description="x")


class Outer(Strict):
    inner: Inner = Inner()
    steps: tuple[Inner, ...] = ()
    name: str = "a"


def test_fixed_range_and_choice_are_told_apart():
    inner = Inner.model_validate({"defocus_um": [4, 6], "count": {"choice": [2, 3, 5]}})
    assert inner.defocus_um == Uniform(low=4, high=6)
    assert inner.count == Choice(choice=(2, 3, 5))
    assert bounds_of(inner.defocus_um) == (4, 6)
    assert bounds_of(inner.count) == (2, 5)
    assert bounds_of(7.0) == (7.0, 7.0)
    for wrong in (("two", 3), (float("nan"), 3)):
        with pytest.raises(ValueError, match="wanted numbers"):
            bounds_of(Choice(choice=wrong))


def test_every_value_that_can_be_drawn_must_be_within_bounds():
    class Dose(Strict):
        total: Annotated[Drawn | None, within(1, 10)] = None

    for right in (1, [1, 10], {"choice": [2, 10]}, None):
        Dose.model_validate({"total": right})
    for wrong in (0.5, 11, [0, 5], [5, 11], {"choice": [2, 12]}):
        with pytest.raises(ValueError, match="wanted 1 to 10"):
            Dose.model_validate({"total": wrong})


def test_resolve_draws_every_number_once_and_repeats():
    config = Outer.model_validate(
        {"inner": {"defocus_um": [4, 6], "count": [1, 9]}, "steps": [{"defocus_um": [0, 1]}]}
    )
    first = resolve(config, generator(1, "a", "model"))
    assert first == resolve(config, generator(1, "a", "model"))
    assert first != resolve(config, generator(1, "b", "model"))
    assert 4 <= first.inner.defocus_um <= 6
    assert isinstance(first.inner.count, int)
    assert 0 <= first.steps[0].defocus_um <= 1
    assert first.name == "a"


def test_integer_ranges_include_both_bounds():
    rng = np.random.default_rng(0)
    inner = Inner.model_validate({"count": [1, 3]})
    assert {resolve(inner, rng).count for _ in range(60)} == {1, 2, 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner: {defocus: 5}", r"c\.yaml: inner\.defocus: unknown key; wanted one of defocus_um, count"),
        ("nme: b", r"c\.yaml: nme: unknown key; wanted one of inner, steps, name"),
        ("inner: {defocus_um: [6, 4]}", r"wanted \[low, high\]"),
        ("inner: [", "not YAML"),
        ("inner: {defocus_um: .nan}", r"inner\.defocus_um: Input should be a finite number"),
        ("inner: {defocus_um: five}", r"inner\.defocus_um: Input should be a valid number"),
    ],
)
def test_faults_are_one_line_that_names_the_key(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load_yaml(tmp_path / "c.yaml", Outer)
    assert "\n" not in str(caught.value)


def test_a_section_of_a_pipeline_file_is_found(tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 1\ninner: {count: 8}\n")
    assert load_yaml(tmp_path / "c.yaml", Inner, section="inner").count == 8
    (tmp_path / "d.yaml").write_text("count: 8\n")
    assert load_yaml(tmp_path / "d.yaml", Inner, section="inner").count == 8
