"""The types that `instance_type` may name."""

import pytest

from mesh.errors import SpecError
from mesh.instance_types import load_instance_types


def own(tmp_path, text):
    path = tmp_path / "types.yaml"
    path.write_text(text)
    return str(path)


def test_azures_names_are_there_and_capitals_do_not_matter():
    """A file written for Azure needs no change."""
    types = load_instance_types()

    ds3 = types.find("standard_ds3_V2")
    assert ds3 is types.find("Standard_DS3_v2")
    assert (ds3.cores, ds3.memory_gib, ds3.family) == (4, 14, "standardDSv2Family")
    assert types.find("Standard_NC6s_v3").gpus == 1


def test_an_unknown_type_is_told_with_those_that_are_near():
    """A slip of the pen is found at once."""
    assert "did you mean Standard_DS3_v2" in load_instance_types().unknown("Standard_D3_v2")
    assert "there are small, medium" in load_instance_types().unknown("xyz")


def test_ones_own_file_is_laid_over_the_packaged_one(tmp_path):
    """It adds types, and changes single keys of those there are."""
    path = own(
        tmp_path, "box: {cores: 8, memory_gib: 32}\nStandard_DS3_v2: {price_per_hour: 0.1}\n"
    )

    types = load_instance_types(path)

    assert types.find("box").memory_bytes == 32 << 30
    assert (types.find("Standard_DS3_v2").cores, types.find("Standard_DS3_v2").price_per_hour) == (
        4,
        0.1,
    )
    assert types.find("small") is not None


def test_capitals_do_not_matter_in_ones_own_file_either(tmp_path):
    """It changes the type that is meant, and does not make another beside it."""
    types = load_instance_types(own(tmp_path, "standard_ds3_V2: {price_per_hour: 0.1}\n"))

    changed = types.find("Standard_DS3_v2")
    assert (changed.cores, changed.price_per_hour) == (4, 0.1)
    assert "standard_ds3_V2" not in dict(types.items())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("box: {cores: 8}", "box: object missing required field `memory_gib`"),
        ("box: {cores: 8, memory_gib: 1, gpu: 1}", "box: object contains unknown field `gpu`"),
        ("box: {cores: 0, memory_gib: 1}", "box: expected `float` > 0"),
        ("box: {cores: 1, memory_gib: 1, gpus: 1.5}", "gpus: 1.5: must be a whole number"),
        ("box: {cores: 1, memory_gib: .inf}", "box: expected `float` <= 1000000"),
        ("box: {cores: 1, memory_gib: 1, gpus: .inf}", "box: expected `float` <= 1000000"),
        ("box: {cores: 1, memory_gib: 1, gpu_memory_gib: 4}", "gpu_memory_gib: needs gpus"),
        ("box: 3", "box: expected a mapping"),
        ("- box", "expected types by name, got list"),
        ("box: {", "not YAML"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path, text, said):
    """The file, the type, the key and the rule."""
    path = own(tmp_path, text)

    with pytest.raises(SpecError) as refused:
        load_instance_types(path)

    assert str(refused.value).startswith(path)
    assert said in str(refused.value)


def test_a_file_that_is_not_there_is_refused():
    """Not taken for an empty one."""
    with pytest.raises(SpecError, match=r"/no/such\.yaml: No such file"):
        load_instance_types("/no/such.yaml")
