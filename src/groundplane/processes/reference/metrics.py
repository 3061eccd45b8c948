"""The figures for Prometheus: every family that the source declares.

They are found in the source itself, since gauges are made only when somebody asks for them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import groundplane
from groundplane.processes.reference.markdown import code, page, table

_SUFFIXES = {"Counter": "_total", "Histogram": "", "Gauge": "", "GaugeMetricFamily": "", "CounterMetricFamily": "_total"}


def metrics_page() -> str:
    """The page."""
    root = Path(groundplane.__file__).parent
    found = [row for path in sorted(root.rglob("*.py")) for row in _declared(ast.parse(path.read_text()))]
    return page(
        "Metrics",
        "Each api, worker and agent serves `/metrics` in Prometheus' format on a port of its own: "
        "`GROUNDPLANE_METRICS_PORT`, on loopback unless `GROUNDPLANE_METRICS_HOST` says otherwise. `groundplane up` "
        "picks the ports and writes them to `endpoints.json` in the data directory. Beside these, each tells what "
        "Prometheus' own client does of its process.",
        table(("Metric", "Sort", "Labels", "Meaning"), sorted(found)),
        "`jobs_past_deadline` has one healthy value, 0: wake somebody for any other. `jobs_seconds_behind` rises when "
        "workers do not keep up. A figure that cannot be read within two seconds is left out of the page.",
    )


def _declared(tree: ast.Module) -> Iterator[tuple[str, str, str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SUFFIXES:
            texts = [each.value for each in node.args[:2] if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if len(texts) == 2:
                sort = "gauge" if "Gauge" in node.func.id else "counter" if "Counter" in node.func.id else "histogram"
                yield code(texts[0] + _SUFFIXES[node.func.id]), sort, _labels(node), texts[1]


def _labels(call: ast.Call) -> str:
    given = [*call.args[2:3], *(each.value for each in call.keywords if each.arg == "labels")]
    names = [
        each.value
        for tuple_ in given
        if isinstance(tuple_, ast.Tuple)
        for each in tuple_.elts
        if isinstance(each, ast.Constant)
    ]
    return ", ".join(code(str(name)) for name in names)
