"""Start: `python <this folder> <socket fd> <cell fd> <script> [<options>]`.

Loads the folder as package `_mesh_runner` and takes it off sys.path, so that the user's modules
may have any name.
"""

import sys

# Said before anything is imported that an older one lacks.
if sys.version_info < (3, 8):  # noqa: UP036  # the interpreter is the user's
    sys.exit("scoring scripts need Python 3.8 or newer, this is " + sys.version.split()[0])

import importlib.util
import os

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.util.spec_from_file_location(
        "_mesh_runner", os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    sys.modules["_mesh_runner"] = importlib.util.module_from_spec(spec)
    importlib.import_module("_mesh_runner.life").live(
        int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5]
    )
