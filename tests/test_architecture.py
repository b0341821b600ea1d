"""The import directions and the thinness of scripts, held as tests."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FORBIDDEN = {
    "tomoio": {"cts", "segnet", "snakemake", "workflow"},
    "cts": {"segnet", "snakemake", "workflow"},
    "segnet": {"cts", "snakemake", "workflow"},
}


def _imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_packages_import_only_in_the_allowed_direction(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {str(path): _imports(path) & FORBIDDEN[package] for path in files}
    assert not {path: names for path, names in wrong.items() if names}


def test_configuration_modules_do_not_import_torch():
    files = [path for package in FORBIDDEN for path in (ROOT / package).rglob("config/*.py")]
    assert not [path for path in files if "torch" in _imports(path)]


def test_scripts_are_thin():
    scripts = sorted((ROOT / "workflow" / "scripts").glob("*.py"))
    assert scripts
    for path in scripts:
        source = path.read_text(encoding="utf-8")
        assert len(source.splitlines()) <= 40, path
        forbidden = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While)
        assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, forbidden)], path


def test_modules_stay_short():
    files = [path for package in FORBIDDEN for path in (ROOT / package).rglob("*.py")]
    long = {str(path): n for path in files if (n := len(path.read_text(encoding="utf-8").splitlines())) > 450}
    assert not long
