"""What comes along with the NATS client library, and what does not."""

import subprocess
import sys

PROGRAM = """
import sys
import mesh.bus
print("aiohttp" in sys.modules, "nats.js" in sys.modules)
import aiohttp
print(aiohttp.__name__)
"""


def test_the_library_comes_without_websockets():
    """They take a quarter of a second to import; whoever wants aiohttp can have it afterwards."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["False", "True", "aiohttp"]
