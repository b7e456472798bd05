"""`mesh deployment history`, `diff`, `rollback`, and what `update` tells, over a real broker."""

import pytest

CREATE = ("deployment", "create", "-f", "blue.yml")
BLUE = ("-e", "iris", "-n", "blue")
UPDATE = ("deployment", "update", *BLUE)


@pytest.fixture
async def two(mesh, folder):
    """The current folder, and a deployment of two generations."""
    await mesh("endpoint", "create", "-n", "iris")
    await mesh(*CREATE)
    await mesh(*UPDATE, "--set", "request_settings.request_timeout_ms=3000")
    return folder


async def test_history_shows_each_generation(mesh, two):
    """A row each, oldest first; for machines with their specs."""
    shown = await mesh("deployment", "history", *BLUE)
    views = await mesh.json("deployment", "history", *BLUE)

    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["Generation", "1", "2"]
    assert views[1]["spec"]["request_settings"] == {"request_timeout_ms": 3000}


async def test_diff_compares_the_last_two(mesh, two):
    """As a unified diff of YAML; for machines by key as well."""
    shown = await mesh("deployment", "diff", *BLUE)
    compared = await mesh.json("deployment", "diff", *BLUE)

    assert shown.stdout.startswith("--- generation 1\n+++ generation 2\n")
    assert "+  request_timeout_ms: 3000\n" in shown.stdout
    [change] = compared["changes"]
    assert (change["key"], change["after"]) == ("request_settings.request_timeout_ms", 3000)
    assert (compared["before"], compared["after"]) == (1, 2)


async def test_diff_shows_that_a_folder_has_changed(mesh, two):
    """By the digest of what is stored."""
    (two / "model.txt").write_text("a better model")
    await mesh("deployment", "update", "-f", "blue.yml")

    shown = await mesh("deployment", "diff", *BLUE, "1", "3")

    assert "-  model: " in shown.stdout
    assert "+  model: " in shown.stdout


async def test_generations_that_do_not_differ(mesh, two):
    """It is said, and no error."""
    shown = await mesh("deployment", "diff", *BLUE, "2", "2")

    assert (shown.exit_code, shown.stdout) == (0, "generations 2 and 2 do not differ\n")


@pytest.mark.parametrize(
    ("numbers", "code", "text"),
    [
        (["7"], 4, "there is no generation 7; there are 1, 2"),
        (["1", "9"], 4, "there is no generation 9"),
        (["0"], 2, "0 is not in the range x>=1"),
        (["x"], 2, "'x' is not a valid integer"),
    ],
)
async def test_diff_of_what_is_not_there(mesh, two, numbers, code, text):
    """With what there is."""
    result = await mesh("deployment", "diff", *BLUE, *numbers)

    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr


async def test_diff_needs_two(mesh, folder):
    """Of the first generation there is nothing to compare."""
    await mesh("endpoint", "create", "-n", "iris")
    await mesh(*CREATE)

    result = await mesh("deployment", "diff", *BLUE)

    assert result.exit_code == 5
    assert "no generation before 1" in result.stderr


async def test_update_says_what_it_changes(mesh, service, two):
    """Before it is done, on stderr: each key, and the digests of folders."""
    (two / "src" / "score.py").write_text("def init(): ...\ndef run(data): return 2\n")
    sets = ("code_configuration.code=src", "request_settings.request_timeout_ms=4000")

    result = await mesh(*UPDATE, "--set", *sets)

    told = result.stderr.partition("changes:\n")[2].splitlines()
    assert told[0] == "  request_settings.request_timeout_ms: 3000 -> 4000"
    assert told[1].startswith("  stored.code: ")


async def test_update_says_that_it_changes_nothing(mesh, two):
    """It is done all the same: after a failure it is another try."""
    result = await mesh(*UPDATE, "--set", "request_settings.request_timeout_ms=3000")

    assert result.exit_code == 0
    assert "changes nothing\n" in result.stderr


async def test_update_takes_the_size_of_waves(mesh, two):
    """A number or a percentage, as `mesh.rollout` has them."""
    after = await mesh.json(*UPDATE, "--max-surge", "2", "--max-unavailable", "25%")

    assert after["spec"]["mesh"] == {"rollout": {"max_surge": 2, "max_unavailable": "25%"}}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--max-surge", "many"], "mesh.rollout.max_surge: 'many': must be a whole number"),
        (["--max-surge", ""], "'--max-surge': '': must be a whole number"),
        (["--max-surge", "-1"], "mesh.rollout.max_surge: -1: must be a whole number"),
        (["--max-unavailable", "101%"], "must be at most 100%"),
        (["--max-surge", "0"], "must not be 0 while max_surge is 0"),
    ],
)
async def test_a_size_that_cannot_be(mesh, two, options, text):
    """Exit code 2, and nothing is changed."""
    result = await mesh(*UPDATE, *options)

    assert result.exit_code == 2
    assert text in result.stderr


async def test_rollback_waits_for_its_end(mesh, service, two):
    """It takes what it was given, and shows the outcome."""
    after = await mesh.json("deployment", "rollback", *BLUE, "--to", "1", "--max-surge", "50%")

    assert (after["generation"], after["provisioning_state"]) == (3, "Succeeded")
    assert (service.rollback.to, service.rollback.max_surge) == (1, "50%")
    assert service.rollback.max_unavailable is None


async def test_a_rollback_that_fails_is_an_error(mesh, service, two):
    """Exit code 6 with the reason."""
    service.outcomes = [[("Failed", "instance g3-ab is suspect: 20 of 20 answers failed")]]

    result = await mesh("deployment", "rollback", *BLUE)

    assert result.exit_code == 6
    assert "20 of 20 answers failed" in result.stderr
