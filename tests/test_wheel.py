"""What is installed is what the tests have seen."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_wheel_holds_every_file_of_the_package(tmp_path):
    source = tmp_path / "source"
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "nnmf_topics", source / "nnmf_topics", ignore=without)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "nnmf_topics").rglob("*")
        if path.is_file()
    }
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    command += ["--wheel-dir", tmp_path, source]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    found = zipfile.ZipFile(wheel).namelist()
    assert {"nnmf_topics/py.typed", "nnmf_topics/_cuda/columns.cu"} <= expected
    assert expected <= set(found)
