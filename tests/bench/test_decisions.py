"""The measurement of what deciding costs measures something."""

from tests.bench.decisions import measured


def test_every_figure_is_there():
    """With few alerts, so that nobody waits; what the figures are is for `python tests/bench/decisions.py` to say."""
    figures = measured(60, samples=5)
    assert figures["alerts"] == 60
    assert min(value for name, value in figures.items() if name != "restart_s") > 0
