"""A real Prometheus, with the shipped configuration, and what Grafana would ask it."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.broker import die_with_parent

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs" / "prometheus"
# Where scripts/need-prometheus.sh puts it.
OWN = Path(sys.prefix) / "prometheus" / "usr" / "bin"
WAIT_S = 20


def binary(name: str) -> str | None:
    """Where a program of Prometheus's is."""
    return shutil.which(name) or shutil.which(name, path=str(OWN))


def needed(name: str) -> str:
    """Where a program of Prometheus's is, which must be there."""
    found = binary(name)
    assert found, f"no {name}: scripts/need-prometheus.sh gets it"
    return found


def is_ci() -> bool:
    """Whether a missing Prometheus is a failure."""
    return os.environ.get("CI") == "true"


class Prometheus:
    """A Prometheus that scrapes each second whom a scaler names."""

    def __init__(self, folder: Path, discovery_url: str) -> None:
        folder.mkdir()
        for path in CONFIGS.glob("*.yml"):
            text = re.sub(r"\b[45]s$", "1s", path.read_text(), flags=re.MULTILINE)
            text = text.replace("http://127.0.0.1:8081/sd/prometheus", discovery_url)
            (folder / path.name).write_text(text)
        command = [
            needed("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
        ]
        alone = {"preexec_fn": die_with_parent}  # no thread of ours holds a lock, see tests.broker
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **alone)
        self.url = self._ready()
        self._client = httpx.Client(base_url=self.url, timeout=10)

    def _ready(self) -> str:
        """Its address, once it serves."""
        address = ""
        seen = []
        for line in self._process.stderr:
            seen.append(line)
            if found := re.search(r'"?Listening on"? address=(\S+)', line):
                address = found[1]
            if "Server is ready to receive web requests" in line:
                return f"http://{address}"
        raise AssertionError("".join(seen))

    def close(self) -> None:
        """End it; harmless if it has ended."""
        if self._client.is_closed:
            return
        self._client.close()
        self._process.terminate()
        self._process.stderr.read()
        self._process.wait(10)
        self._process.stderr.close()

    def _get(self, path: str, **params: str) -> list:
        answer = self._client.get(f"/api/v1/{path}", params=params).json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expr: str) -> list[dict]:
        """The series of an expression now."""
        return self._get("query", query=expr)["result"]

    def values(self, expr: str, span_s: float = 15) -> dict[str, list[float]]:
        """What a chart of the last seconds would draw: points of each series, NaN left out."""
        now = time.time()
        found = self._get("query_range", query=expr, start=now - span_s, end=now, step=1)["result"]
        return {
            str(series["metric"]): [float(value) for _, value in series["values"] if value != "NaN"]
            for series in found
        }

    def label_values(self, label: str, selector: str) -> list[str]:
        """The values of a label, as a variable of Grafana's asks for them."""
        return self._get(f"label/{label}/values", **{"match[]": selector})

    def until(self, expr: str) -> list[dict]:
        """Wait until an expression has a result."""
        deadline = time.monotonic() + WAIT_S
        while not (found := self.query(expr)):
            assert time.monotonic() < deadline, expr
            time.sleep(0.1)  # a foreign server's API has no event for this
        return found
