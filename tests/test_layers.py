"""The order of the modules: data flow one way, and the engine stands on its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nnmf_topics

PACKAGE = Path(nnmf_topics.__file__).parent

# From the bottom up. A module imports from lower levels only, so that siblings do not import each
# other; a package counts as one module. A new module has to be given its place here.
LEVELS = (
    {"_typing", "_threads", "_files", "_safetensors", "pairs", "options", "random_state", "spool"},
    {"documents"},
    {"_kernels", "_views", "_persistence", "corpus", "grouping", "weighting", "topics", "datasets"},
    {"_backend", "_compiled", "sampling", "rereading"},
    {"_cuda"},
    {
        "batched_systems",
        "coordinate_descent",
        "products",
        "reductions",
        "topic",
        "vocabulary",
        "comparison",
        "likelihood",
        "callbacks",
    },
    {
        "parts",
        "support_systems",
        "supervision",
        "evaluation",
        "losses",
        "hierarchy",
        "layer_view",
    },
    {"truncated_svd", "pivoting", "labels"},
    {"clustering", "nndsvd"},
    {"nnls", "hierarchy_builder", "topic_queries", "document_queries", "label_queries"},
    {"network", "level"},
    {"optimizers", "memory", "queries"},
    {"alternation"},
    {"single_layer"},
    {"upper_layers"},
    {"initializers"},
    {"placement"},
    {"objective"},
    {"online"},
    {"training"},
    {"trained"},
    {"updating", "model_file", "encoder", "rehearsal"},
    {"fitting"},
    {"model", "estimator", "baselines"},
    {"__init__"},
    {"cli"},
    {"__main__"},
)
LEVEL = {module: level for level, modules in enumerate(LEVELS) for module in modules}

# The first levels of the way of the data: they run where gensim is absent.
ENGINE = (
    *("batched_systems", "support_systems", "coordinate_descent", "pivoting", "products", "nnls"),
    *(
        "reductions",
        "losses",
        "network",
        "memory",
        "optimizers",
        "parts",
        "truncated_svd",
        "clustering",
        "nndsvd",
        "alternation",
        "single_layer",
        "upper_layers",
        "initializers",
    ),
    "placement",
    *("supervision", "objective", "online", "training"),
)

OPTIONAL = (
    *("cupy", "cupyx", "numba", "matplotlib", "plotly", "pandas", "networkx", "torch", "NeuralNMF"),
)


def module_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sources():
    return sorted(PACKAGE.rglob("*.py"))


MODULES = {module_of(path) for path in sources()}


def imports_of(path):
    """Modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "nnmf_topics":
                found.add(parts[1] if len(parts) > 1 and parts[1] in MODULES else "__init__")
    return found


def test_every_module_has_a_place_and_every_place_a_module():
    assert set(LEVEL) == MODULES
    assert len(LEVEL) == sum(map(len, LEVELS))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards_only(path):
    module = module_of(path)
    if module == "__init__":
        return
    wrong = {
        name
        for name in imports_of(path)
        if name != module and LEVEL.get(name, len(LEVELS)) >= LEVEL[module]
    }
    assert not wrong, f"{module} (level {LEVEL[module]}) imports {wrong}"


@pytest.mark.parametrize(
    ("package", "door"), [("cupy", "_backend"), ("cupyx", "_backend"), ("numba", "_kernels")]
)
def test_one_module_imports_what_may_be_missing(package, door):
    importing = {
        module_of(path)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
        if name and name.split(".")[0] == package
    }
    assert importing == {door}


def run(code):
    done = subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_the_package_loads_nothing_optional():
    code = "import nnmf_topics, sys; print(*{name.split('.')[0] for name in sys.modules})"
    assert not set(run(code)) & {*OPTIONAL, "gensim"}


def test_importing_the_model_loads_neither_a_gpu_nor_plots_nor_graphs():
    # scikit-learn imports pandas by itself where it is installed.
    code = (
        "from nnmf_topics import NeuralNMFModel, TopicHierarchy; import sys;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    assert not set(run(code)) & (set(OPTIONAL) - {"pandas"})


def test_the_engine_trains_where_gensim_is_absent():
    imports = "; ".join(f"import nnmf_topics.{module}" for module in ENGINE)
    code = f"""
import sys
sys.modules["gensim"] = None
{imports}
import numpy as np
X = np.random.RandomState(0).rand(9, 8)
start = nnmf_topics.initializers.initialize("layerwise", X, (3, 2), np.random.RandomState(0))
print(nnmf_topics.training.train([X], start, passes=2).history.passes)
"""
    assert run(code) == ["2"]
