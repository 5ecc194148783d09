"""Print the oldest version of each dependency that pyproject.toml claims, for pip to install.

Run: pip install $(python scripts/oldest_requirements.py test)
"""

import sys
import tomllib
from pathlib import Path


def main(extras: list[str]) -> None:
    """Print the requirements of the package and of the extras with ``==`` for ``>=``."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    print("\n".join(requirement.replace(">=", "==") for requirement in requirements))


if __name__ == "__main__":
    main(sys.argv[1:])
