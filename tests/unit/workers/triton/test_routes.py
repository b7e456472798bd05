"""The paths of the v2 protocol."""

import pytest

from workers.triton.errors import V2Error
from workers.triton.routes import Asked, read_path


@pytest.mark.parametrize(
    ("method", "path", "asked"),
    [
        ("GET", "/v2", Asked("server")),
        ("GET", "/v2/health/live", Asked("live")),
        ("GET", "/v2/models/m", Asked("model", "m")),
        ("GET", "/v2/models/m/ready?x=1", Asked("model_ready", "m")),
        ("GET", "/v2/models/a%20b/versions/3/config", Asked("config", "a b", "3")),
        ("GET", "/v2/models/stats", Asked("stats")),
        ("GET", "/v2/models/stats/stats", Asked("stats", "stats")),
        ("POST", "/v2/models/m/versions/2/infer", Asked("infer", "m", "2")),
        ("POST", "/v2/repository/index", Asked("index")),
        ("POST", "/score", Asked("infer")),
    ],
)
def test_a_path_says_what_is_asked(method: str, path: str, asked: Asked) -> None:
    """As Triton's own HTTP server reads it."""
    assert read_path(method, path) == asked


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/", 404),
        ("GET", "/v2/models//ready", 404),
        ("GET", "/metrics", 404),
        ("POST", "/v2", 405),
        ("GET", "/score", 405),
        ("POST", "/v2/repository/models/m/load", 400),
        ("POST", "/v2/cudasharedmemory/region/r/register", 400),
        ("POST", "/v2/models/m/generate_stream", 400),
    ],
)
def test_what_is_not_asked_of_a_model_is_refused(method: str, path: str, status: int) -> None:
    """No such path, another method, or something that is not the callers' business."""
    with pytest.raises(V2Error) as refused:
        read_path(method, path)

    assert refused.value.status == status
