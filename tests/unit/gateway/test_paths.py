import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import paths
from mesh import v2
from mesh.errors import RequestError


@pytest.mark.parametrize(
    ("url", "place"),
    [
        pytest.param(b"/endpoints/iris/score", (None, b"iris", b"/score", b""), id="plain"),
        pytest.param(b"/endpoints/iris/v2?a=/b", (None, b"iris", b"/v2", b"?a=/b"), id="query"),
        pytest.param(b"http://h:1/v2/x", (b"h:1", None, b"/v2/x", b""), id="absolute"),
        pytest.param(b"https://h/endpoints/a/v2", (b"h", b"a", b"/v2", b""), id="both"),
        pytest.param(b"/endpoints//score", (None, b"", b"/score", b""), id="no name"),
        pytest.param(b"/endpoints/iris", (None, b"iris", b"", b""), id="no path"),
        pytest.param(b"http://h?x=/score", (b"h", None, b"", b"?x=/score"), id="path in query"),
        pytest.param(b"", (None, None, b"", b""), id="nothing"),
    ],
)
def test_url_is_taken_apart(url, place):
    """Host and endpoint are told from the path that the model is asked."""
    assert paths.read(url) == place


@given(st.binary())
def test_any_bytes_are_taken_apart(url):
    """No URL makes it fail, and the model's path is a part of it, byte for byte."""
    assert url.endswith(paths.read(url).model_path.encode("latin-1"))


@pytest.mark.parametrize(
    ("path", "is_scoring"),
    [
        *((path, True) for path in (b"/score", b"/v2", b"/v2/", b"/v2/models/a/infer")),
        *((path, False) for path in (b"", b"/", b"/v20", b"/v2x/a", b"/score/", b"v2", b"/V2")),
    ],
)
def test_model_is_asked_two_kinds_of_path(path, is_scoring):
    """`/score` alone, and `/v2` with all that is below it."""
    assert paths.read(b"/endpoints/iris" + path).is_scoring is is_scoring


@pytest.mark.parametrize("path", ["/v2", "/v2?a=b", "/v2/health/live", "/v2/"])
def test_v2_is_told_from_score(path):
    """The query does not count."""
    assert v2.is_v2(path)
    assert not v2.is_v2("/score?x=/v2/")


@pytest.mark.parametrize(
    "path",
    [
        *("/v2", "/v2/health/ready", "/v2/models/a-b_c.d~e/versions/1/infer"),
        *("/v2/models/my%20model/ready", "/v2/models/%C3%A9", "/v2/models/...", "/v2/models/%25"),
        *("/v2?", "/v2/models/a?b=c&d=/e?%20", "/v2/" + "x" * (v2.PATH_CHARS - 4)),
    ],
)
def test_path_in_order_passes(path):
    """Segments of what a URL may hold, percent-encoded where it may not."""
    v2.check_v2(path)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/v2/",
            "/v2//a",
            "/v2/a/",
            "/v2/./a",
            "/v2/../a",
            "/v2/a/..",
            "/v2/%2e%2E/a",
            "/v2/.%2e",
        ),
        *("/v2/a%2Fb", "/v2/a%5cb", "/v2/a%00", "/v2/a%0d%0A", "/v2/a\\b", "/v2/a b", "/v2/a%7f"),
        *("/v2/%", "/v2/%zz", "/v2/%2", "/v2/é", "/v2/a?%", "/v2/a?b#c", "/v2/a\n", "/v2/a?\n"),
        "/v2/" + "x" * (v2.PATH_CHARS - 3),
    ],
)
def test_path_that_two_readers_may_take_for_two_is_refused(path):
    """Dots, empty segments, hidden slashes, broken encodings and endless paths are 400."""
    with pytest.raises(RequestError):
        v2.check_v2(path)
