"""`mesh scale simulate` and `traces`, as a person and as a program see them."""

import json

import pytest
from click.testing import CliRunner

from mesh.cli import main

POLICY = """
scale_settings:
  type: target_utilization
  min_instances: 0
  max_instances: 9
request_settings:
  request_timeout_ms: 2000
  max_concurrent_requests_per_instance: 2
"""
TRACE = "# Mine.\nat_s,requests_per_s\n0,0\n20,30\n40,0\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a policy and a demand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yml").write_text(POLICY)
    (tmp_path / "mine.csv").write_text(TRACE)
    return tmp_path


def run(*args):
    """What the command prints, on both streams."""
    return CliRunner().invoke(main, ["scale", *args])


def simulate(*args):
    return run("simulate", "--policy", "policy.yml", "--trace", "mine.csv", *args)


@pytest.mark.usefixtures("folder")
def test_simulate_tells_people_what_came_of_it():
    """The demand, the service, and the figures beside the ideal."""
    done = simulate("--warm-up", "1")

    assert done.exit_code == 0, done.output
    for text in ("mine: Mine.", "0 to 9 instances", "2 at once", "1 s to start", "Worker-seconds"):
        assert text in done.output


@pytest.mark.usefixtures("folder")
def test_simulate_tells_programs_everything():
    """The settings of the file count, and each change comes with its reason."""
    done = simulate("-o", "json", "--slo", "0.25", "--seed", "7")

    told = json.loads(done.output)
    assert (told["service"]["slots"], told["service"]["timeout_s"]) == (2, 2.0)
    assert (told["outcome"]["seed"], told["service"]["slo_s"]) == (7, 0.25)
    assert told["outcome"]["changes"][0]["before"] == 1
    assert "need" in told["outcome"]["changes"][0]["reason"]
    assert len(told["ideal"]["counts"]) == 6


@pytest.mark.usefixtures("folder")
def test_simulate_gives_the_same_for_a_seed():
    """To the last digit."""
    assert simulate("-o", "json").output == simulate("-o", "json").output


@pytest.mark.usefixtures("folder")
def test_set_changes_the_policy():
    """As it does for a deployment."""
    done = simulate("--set", "scale_settings.max_instances=3", "--query", "outcome.most_instances")

    assert done.output.strip() == "3"


@pytest.mark.timeout(60)  # the library takes seconds to begin
@pytest.mark.parametrize("name", ["picture.svg", "picture.png"])
def test_plot_draws_the_same_picture_each_time(folder, name):
    """The file is what its ending says, to the last byte."""
    simulate("--plot", name)
    first = (folder / name).read_bytes()
    simulate("--plot", name)

    assert first == (folder / name).read_bytes()
    assert first.startswith(b"<?xml" if name.endswith("svg") else b"\x89PNG")


@pytest.mark.usefixtures("folder")
def test_changes_are_shown_if_asked_for():
    """Each with its time and reason."""
    done = simulate("--changes")

    assert "1 -> " in done.output
    assert "1 -> " not in simulate().output


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(("--plot", "picture.pdf"), "must end in .png or .svg", id="no picture"),
        pytest.param(("--plot", "no/p.svg"), "no/p.svg: cannot be written", id="no folder"),
        pytest.param(("--trace", "none.csv"), "none.csv: there is no such file", id="no trace"),
        pytest.param(("--trace", "policy.yml"), "policy.yml:2: ", id="not a trace"),
        pytest.param(("--policy", "none.yml"), "none.yml: cannot be read", id="no policy"),
        pytest.param(("--policy", "mine.csv"), "mine.csv:1: must be a mapping", id="not a policy"),
        pytest.param(
            ("--set", "scale_settings.min_instances=20"),
            "--set scale_settings.min_instances: 20: must be at most max_instances, 9",
            id="a rule",
        ),
        pytest.param(
            ("--service-distribution", "constant", "--service-cv", "1"),
            "only lognormal takes one",
            id="no effect",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_is_wrong_is_said(args, told):
    """With the file, the line and the rule; the exit code is that of wrong usage."""
    done = simulate(*args)

    assert done.exit_code == 2
    assert told in done.output


def test_what_is_not_simulated_is_said(folder):
    """A policy that looks at a GPU would seem to do nothing."""
    (folder / "policy.yml").write_text(
        POLICY.replace("  max_i", "  target_gpu_percentage: 60\n  max_i")
    )

    done = simulate()

    assert "scale_settings.target_gpu_percentage: a GPU is not simulated" in done.output


def test_schedules_go_by_the_time_it_begins_at(folder):
    """The calendar is that of `--begin`."""
    schedule = "{start: 0 8 * * *, end: 0 9 * * *, instances: 7}"
    more = f"  min_instances: 1\n  schedules: [{schedule}]"
    (folder / "policy.yml").write_text(POLICY.replace("  min_instances: 0", more))

    def at_least(begin):
        told = json.loads(simulate("-o", "json", "--begin", begin).output)
        return min(sample["wanted"] for sample in told["outcome"]["samples"][1:])

    assert at_least("2026-03-02T08:10") == 7
    assert at_least("2026-03-02T10:00") < 7


def test_a_file_that_says_nothing_of_scaling_is_refused(folder):
    """There would be nothing to simulate."""
    (folder / "policy.yml").write_text("description: x\n")

    done = simulate()

    assert (done.exit_code, "scale_settings: missing" in done.output) == (2, True)


def test_a_fixed_count_can_be_simulated(folder):
    """To see what autoscaling would bring."""
    (folder / "policy.yml").write_text("instance_count: 3\n")

    done = simulate("--query", "outcome.worker_s")

    assert done.output.strip() == "180.0"


def test_traces_are_listed():
    """Name, length and what each is."""
    done = run("traces", "-o", "json")

    assert [one["name"] for one in json.loads(done.output)] == ["bursts", "growth", "office"]
