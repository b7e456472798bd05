"""Every example of docs/autoscaling.md is one that the mesh takes."""

import re
from pathlib import Path

import pytest

from mesh.scaling.policies import policies_of
from mesh.spec.document import read_document
from mesh.spec.load import deployment_from_values

PAGE = (Path(__file__).parents[4] / "docs" / "autoscaling.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(scale_settings:.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
HEAD = """\
name: blue
endpoint_name: iris
code_configuration: {code: ., scoring_script: score.py}
"""


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_taken(example):
    """It breaks no rule, and policies can be made of it."""
    loaded = deployment_from_values(read_document(HEAD + example, "blue.yml").values)

    assert loaded.spec.autoscale is not None
    assert policies_of(loaded.spec.autoscale)


def test_the_page_has_examples_of_profiles_and_schedules():
    """Who renames them here finds them gone."""
    keys = {key for example in EXAMPLES for key in re.findall(r"^  (\w+):", example, re.MULTILINE)}

    assert {"profiles", "schedules"} <= keys
