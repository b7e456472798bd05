"""What differs between two generations."""

from msgspec.structs import replace

from mesh.differences import Version, differences, summary, unified
from mesh.records import Artifact
from mesh.spec.deployment import DeploymentSpec

SPEC = DeploymentSpec(name="blue", endpoint_name="iris", environment_variables={"A": "1"})
CODE = Artifact(digest="0123456789abcdef", size_bytes=1, files=1)


def test_each_key_that_differs_is_told():
    """By its path, with both values; what is not set is a default."""
    after = replace(SPEC, environment_variables={"A": "2"}, instance_count=3)

    found = differences(Version.of(SPEC), Version.of(after))

    assert summary(found) == "environment_variables.A: 1 -> 2, instance_count: (default) -> 3"


def test_a_folder_differs_by_its_digest():
    """Enough of it to tell them apart."""
    after = replace(CODE, digest="fedcba9876543210")

    found = differences(Version.of(SPEC, CODE), Version.of(SPEC, after))

    assert summary(found) == "stored.code: 0123456789ab -> fedcba987654"


def test_what_is_long_is_cut():
    """A change stays on one line."""
    after = replace(SPEC, description="x\n" * 100)

    text = summary(differences(Version.of(SPEC), Version.of(after)))

    assert text.startswith("description: (default) -> x x x")
    assert text.endswith("...")
    assert len(text) < 100


def test_the_same_does_not_differ():
    """Neither by key nor by line."""
    assert differences(Version.of(SPEC, CODE), Version.of(SPEC, CODE)) == []
    assert unified("a\n", "a\n", ("one", "two")) == []
