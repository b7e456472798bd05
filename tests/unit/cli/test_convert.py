"""`mesh scale convert`: Azure's settings, as the CLI prints them and as templates have them."""

import json

import pytest
import yaml
from click.testing import CliRunner

from mesh.cli import main
from mesh.spec.document import read_document
from mesh.spec.load import deployment_from_values

OUT = {
    "metricTrigger": {
        "metricName": "CpuUtilizationPercentage",
        "metricNamespace": "",
        "metricResourceUri": "/subscriptions/0/onlineEndpoints/iris/deployments/blue",
        "timeGrain": "PT1M",
        "statistic": "Average",
        "timeWindow": "PT5M",
        "timeAggregation": "Average",
        "operator": "GreaterThan",
        "threshold": 70,
        "dividePerInstance": False,
        "dimensions": [],
    },
    "scaleAction": {
        "direction": "Increase",
        "type": "ChangeCount",
        "value": "2",
        "cooldown": "PT1H",
    },
}
USUAL = {
    "name": "default",
    "capacity": {"minimum": "2", "maximum": "5", "default": "2"},
    "rules": [OUT],
    "fixedDate": None,
    "recurrence": None,
}
WEEKEND = {
    "name": "weekend",
    "capacity": {"minimum": "1", "maximum": "1", "default": "1"},
    "rules": [],
    "recurrence": {
        "frequency": "Week",
        "schedule": {
            "timeZone": "Pacific Standard Time",
            "days": ["Saturday"],
            "hours": [0],
            "minutes": [1],
        },
    },
}
FAIR = {
    "name": "fair",
    "capacity": {"minimum": "5", "maximum": "9", "default": "5"},
    "rules": [],
    "fixedDate": {
        "timeZone": "W. Europe Standard Time",
        "start": "2026-12-05T08:00:00+00:00",
        "end": "2026-12-06T20:00:00Z",
    },
}
SETTING = {
    "name": "iris",
    "enabled": True,
    "location": "westus",
    "profiles": [USUAL, WEEKEND, FAIR],
}


@pytest.fixture
def convert(tmp_path):
    """What becomes of a value in a file."""

    def run(printed, *options):
        path = tmp_path / "setting.json"
        path.write_text(printed if isinstance(printed, str) else json.dumps(printed))
        return CliRunner().invoke(main, ["scale", "convert", str(path), *options])

    return run


def settings(result):
    """The settings that were written."""
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout)["scale_settings"]


def test_a_setting_says_the_same_here(convert):
    """Bounds around all profiles, rules without the names of Azure's resources, local times."""
    found = settings(convert(SETTING))

    usual, weekend, fair = found["profiles"]
    assert (found["type"], found["max_instances"]) == ("target_utilization", 9)
    assert usual["capacity"] == {"min": 2, "max": 5, "default": 2}
    assert usual["rules"][0]["scale_action"]["value"] == 2
    assert weekend["recurrence"]["hours"] == [0]
    assert fair["fixed_date"]["start"] == "2026-12-05T08:00:00"


def test_what_is_written_is_what_a_deployment_takes(convert):
    """The YAML as it stands."""
    head = "{name: blue, endpoint_name: iris, code_configuration: {code: ., scoring_script: s.py}}"
    values = read_document(head, "a").values | {"scale_settings": settings(convert(SETTING))}

    assert len(deployment_from_values(values).spec.scale_settings.profiles) == 3


def test_a_template_has_the_setting_among_its_resources(convert):
    """The first of its type."""
    resource = {"type": "Microsoft.Insights/autoscaleSettings", "properties": SETTING}
    template = {"resources": [{"type": "Microsoft.Compute/disks"}, resource]}

    assert settings(convert(template)) == settings(convert(SETTING))


def test_who_is_told_of_a_change_is_left_out(convert):
    """Azure's CLI prints a notification in every setting, and a policy that is disabled."""
    more = {
        "notifications": [{"email": {"customEmails": []}, "operation": "Scale", "webhooks": []}],
        "predictiveAutoscalePolicy": {"scaleMode": "Disabled"},
    }

    assert settings(convert(SETTING | more)) == settings(convert(SETTING))


def test_spans_of_time_as_older_releases_print_them(convert):
    """Hours, minutes and seconds, days before them."""
    trigger = OUT["metricTrigger"] | {"timeWindow": "0:05:00", "timeGrain": "0:01:00"}
    action = OUT["scaleAction"] | {"cooldown": "1 day, 0:00:00"}
    rule = {"metricTrigger": trigger, "scaleAction": action}

    found = settings(convert({"profiles": [USUAL | {"rules": [rule]}]}))

    made = found["profiles"][0]["rules"][0]
    assert made["metric_trigger"]["time_window"] == "P0DT0H5M0S"
    assert made["scale_action"]["cooldown"] == "P1DT0H0M0S"


def of_rule(**trigger):
    """A setting whose one rule has another trigger."""
    rule = OUT | {"metricTrigger": OUT["metricTrigger"] | trigger}
    return {"profiles": [USUAL | {"rules": [rule]}]}


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        pytest.param("{", "not JSON", id="no JSON"),
        pytest.param([], "an autoscale setting: must be a mapping", id="a list"),
        pytest.param({"profiles": []}, "profiles: must be a list", id="no profiles"),
        pytest.param(
            {"profiles": [USUAL | {"capacity": {"minimum": "x"}}]},
            "minimum: 'x': must be a whole number",
            id="no number",
        ),
        pytest.param(
            of_rule(metricName="Percentage CPU"),
            "profiles[0].rules[0].metric_trigger.metric_name: 'Percentage CPU': must be one of",
            id="a metric of virtual machines",
        ),
        pytest.param(
            of_rule(dimensions=[{"DimensionName": "instanceId"}]),
            "are not supported",
            id="dimensions",
        ),
        pytest.param(
            of_rule(statistic="Count"),
            "metric_trigger.statistic: 'Count': must be one of",
            id="a statistic there is not",
        ),
        pytest.param(
            SETTING | {"enabled": False}, "enabled: false: has no words here", id="disabled"
        ),
        pytest.param(
            SETTING | {"predictiveAutoscalePolicy": {"scaleMode": "ForecastOnly"}},
            "predictiveAutoscalePolicy: has no words here",
            id="predictive",
        ),
        pytest.param(
            {"profiles": [USUAL | {"rules": 5}]}, "rules: must be a list", id="rules are no list"
        ),
        pytest.param({"resources": 5}, "resources: must be a list", id="resources are no list"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
    ],
)
def test_what_has_no_words_here_is_refused(convert, printed, said):
    """The message names the key; the exit code is that of a bad file."""
    result = convert(printed)

    assert result.exit_code == 2
    assert said in result.output


def test_a_file_that_is_not_there(tmp_path):
    """It is named."""
    result = CliRunner().invoke(main, ["scale", "convert", str(tmp_path / "none.json")])

    assert result.exit_code == 2
    assert "none.json: cannot be read" in result.output
