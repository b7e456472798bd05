"""The figures of `make bench`: ratios are taken within a round, then their median."""

import pytest

from benchmarks.figures import Sample, Samples, is_met, ratios
from benchmarks.processes import role
from benchmarks.report import nested


def sample(server: str, turn: int, connections: int, rate: float, p50_ms: float = 1.0) -> Sample:
    return Sample(
        server=server,
        round=turn,
        connections=connections,
        requests_per_s=rate,
        p50_ms=p50_ms,
        p99_ms=9.0,
        failed=0,
        cpu_us_per_request={},
    )


def test_ratio_is_taken_within_each_round() -> None:
    """A slow round slows both servers and leaves their ratio alone."""
    rounds = enumerate([1000.0, 500.0, 900.0])
    samples = [
        pair
        for turn, rate in rounds
        for pair in (sample("floor", turn, 32, rate), sample("mesh", turn, 32, rate * 0.5))
    ]

    found = ratios(Samples(samples))["c32.floor"]

    assert (found.low, found.median, found.high) == (0.5, 0.5, 0.5)


def test_best_peer_is_the_fastest_at_that_load() -> None:
    """Each number of connections is compared with whichever peer is best there."""
    samples = [
        sample("mesh", 0, 32, 400.0),
        sample("azureml", 0, 32, 100.0),
        sample("kserve", 0, 32, 200.0),
    ]

    assert ratios(Samples(samples))["c32.best_peer"].median == 2.0


def test_one_connection_is_judged_by_added_latency() -> None:
    """With one connection the figure is what the mesh adds to the floor's median."""
    samples = [
        sample("floor", 0, 1, 5000.0, p50_ms=0.2),
        sample("mesh", 0, 1, 900.0, p50_ms=1.0),
    ]

    found = ratios(Samples(samples))

    assert found["c1.added_p50_ms"].median == pytest.approx(0.8)
    assert "c1.floor" not in found


def test_triton_is_a_pair_of_its_own() -> None:
    """The same repository without and with the mesh; it is no peer of the others."""
    samples = [
        sample("mesh", 0, 32, 400.0),
        sample("kserve", 0, 32, 200.0),
        sample("triton", 0, 1, 1000.0, p50_ms=0.5),
        sample("triton", 0, 32, 4000.0),
        sample("mesh-triton", 0, 1, 500.0, p50_ms=1.5),
        sample("mesh-triton", 0, 32, 1000.0),
    ]

    found = {name: value.median for name, value in ratios(Samples(samples)).items()}

    assert found == {
        "c32.best_peer": 2.0,
        "triton.added_p50_ms": 1.0,
        "triton.c32_throughput": 0.25,
    }


def test_nothing_is_claimed_without_our_own_figures() -> None:
    """A run of the floor alone has no ratios."""
    assert ratios(Samples([sample("floor", 0, 32, 1000.0)])) == {}


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [
        pytest.param("c32.floor", 0.42, True, id="at the bound"),
        pytest.param("c32.floor", 0.41, False, id="too few requests"),
        pytest.param("c1.added_p50_ms", 1.0, False, id="too slow"),
        pytest.param("c2.floor", 1.0, None, id="no target"),
    ],
)
def test_target_is_met(name: str, value: float, met: bool | None) -> None:
    """Throughput must reach its bound, latency stay under it."""
    assert is_met(name, value) is met


def test_nested_groups_by_connections() -> None:
    """The file has one object per number of connections."""
    assert nested({"c1.a": 1, "c32.b": 2, "c32.c": 3}) == {"c1": {"a": 1}, "c32": {"b": 2, "c": 3}}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        pytest.param(["python", "-m", "gateway", "--settings", "x"], "gateway", id="module"),
        pytest.param(["python", "/somewhere/bin/mesh", "up"], "mesh", id="script"),
        pytest.param(["nats-server", "-c", "x"], "nats-server", id="executable"),
        pytest.param(["/bin/tritonserver", "--repository=/a/b"], "tritonserver", id="option"),
        pytest.param([], "gone", id="ended"),
    ],
)
def test_role_names_what_a_process_runs(words: list[str], name: str) -> None:
    """Memory is reported by what runs, not by process id."""
    assert role(words) == name
