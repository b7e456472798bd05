"""What waits, who works on it, and what the scaler does about it."""

from __future__ import annotations

from scripts.dashboards.board import Board, Chart, Query, Row, Variable, quantile, rate

HERE = 'endpoint=~"$endpoint"'
BOTH = "endpoint, deployment"
NAME = "{{endpoint}}/{{deployment}}"
RAN = HERE + ',outcome=~"ok|model_error"'
NOT_RUN = HERE + ',outcome!~"ok|model_error"'
DEPTH = f"sum by ({BOTH}) (mesh_queue_depth{{{HERE}}})"


def per_deployment(metric: str, matchers: str = HERE, more: str = "") -> str:
    """Return the rate of a counter by endpoint and deployment, and by more labels."""
    return f"sum by ({BOTH}{more}) ({rate(metric, matchers)})"


QUEUE = (
    Chart(
        "Requests queued, by lane",
        "Waiting or being worked on. interactive: a client waits on HTTP; queued: put onto the "
        "queue by a producer.",
        (
            Query(
                f"sum by ({BOTH}, lane) (mesh_queue_depth{{{HERE}}})", NAME + " {{lane}}"
            ),
        ),
        kind="stack",
    ),
    Chart(
        "Time to work off the queue",
        "What is queued, by how fast workers have ended requests lately: about what a new request"
        " waits.",
        (
            Query(
                f"{DEPTH} / ({per_deployment('mesh_worker_requests_total', RAN)} > 0)", NAME
            ),
        ),
        unit="s", no_value="idle",
    ),
    Chart(
        "Time in the queue, p95",
        "From the broker's timestamp of a request to its start in a slot, copies included.",
        (Query(quantile(0.95, "mesh_worker_queued_seconds", HERE, f"le, {BOTH}"), NAME),),
        unit="s", no_value="idle",
    ),
    Chart(
        "Put onto the queues",
        "The broker's confirmations of what gateways published. ok: stored; full: the lane is "
        "full (429); refused and no_stream: the broker would not, or there is no such queue "
        "(503).",
        (Query(f"sum by (outcome) ({rate('mesh_gateway_pubacks_total')})", "{{outcome}}"),),
        unit="reqps",
    ),
    Chart(
        "Begun",
        "Requests that workers began to run.",
        (Query(per_deployment("mesh_worker_queued_seconds_count"), NAME),),
        unit="reqps",
    ),
    Chart(
        "Not run",
        "expired: past its deadline; cancelled: the client went away; handed_back: a worker "
        "drained or lost a runner; dead: given up after three attempts.",
        (
            Query(
                per_deployment("mesh_worker_requests_total", NOT_RUN, ", outcome"),
                NAME + " {{outcome}}",
            ),
        ),
        unit="reqps",
    ),
    Chart(
        "Delivered again",
        "Requests that came to a worker for a second time: the first one was lost, or gave them "
        "back.",
        (Query(per_deployment("mesh_worker_redelivered_total"), NAME),),
        unit="reqps",
    ),
    Chart(
        "Held by workers",
        "Taken from the queue and not ended yet, against how many they can run at once.",
        (
            Query(f"sum by ({BOTH}) (mesh_worker_held{{{HERE}}})", NAME + " held"),
            Query(f"sum by ({BOTH}) (mesh_worker_slots{{{HERE}}})", NAME + " slots"),
        ),
    ),
    Chart(
        "Enqueued by producers",
        "Requests that were put into an endpoint's inbox, by what became of them at the gateways. "
        "queued: in a deployment's queue; repeated: sent twice, kept once; retried: tried again "
        "later; failed: given up.",
        (Query(f"sum by (outcome) ({rate('mesh_gateway_enqueued_total')})", "{{outcome}}"),),
        unit="reqps",
    ),
    Chart(
        "Invocations dropped",
        "Requests over NATS that no gateway could run or answer: no_reply, bad_reply: they do not "
        "say where the answer goes; unknown_endpoint: there is none of this name.",
        (
            Query(
                f"sum by (reason) ({rate('mesh_gateway_invocations_dropped_total')})",
                "{{reason}}",
            ),
        ),
        unit="reqps",
    ),
    Chart(
        "Late answers",
        "Answers that came when nobody waited any more: after the deadline, or for a second time.",
        (Query(f"sum({rate('mesh_gateway_late_answers_total')})", "late"),),
        unit="reqps",
    ),
)  # fmt: skip

SCALER = (
    Chart(
        "Instances by state, and wanted",
        "ready should be what is wanted. starting for long: the model loads slowly; suspect, "
        "failed: see `mesh deployment show`. elsewhere: those of other hosts, or started by hand.",
        (
            Query(
                f"sum by ({BOTH}, state) (mesh_instances{{{HERE}}})", NAME + " {{state}}"
            ),
            Query(f"sum by ({BOTH}) (mesh_instances_wanted{{{HERE}}})", NAME + " wanted"),
            Query(f"sum by ({BOTH}) (mesh_instances_foreign{{{HERE}}})", NAME + " elsewhere"),
        ),
        width=12,
    ),
    Chart(
        "Wanted, and its limits",
        "What autoscaling may choose from, and what it has chosen.",
        (
            Query(f"sum by ({BOTH}) (mesh_instances_wanted{{{HERE}}})", NAME + " wanted"),
            Query(f"sum by ({BOTH}) (mesh_instances_min{{{HERE}}})", NAME + " min"),
            Query(f"sum by ({BOTH}) (mesh_instances_max{{{HERE}}})", NAME + " max"),
        ),
        width=12, no_value="no autoscaling",
    ),
    Chart(
        "Changes by autoscaling, last 10 minutes",
        "How often the wanted count was raised (out) or lowered (in). Both, again and again: the "
        "policy hunts.",
        (
            Query(
                f"sum by ({BOTH}, direction) (increase(mesh_scale_changes_total{{{HERE}}}[10m]))",
                NAME + " {{direction}}",
            ),
        ),
        no_value="no autoscaling",
    ),
    Chart(
        "Demand, and what is expected",
        "Requests that gateways were asked for, and what earlier weeks let expect, where a "
        "deployment has a forecast.",
        (
            Query(
                f"sum by ({BOTH}) (mesh_forecast_requests_per_second{{{HERE}}})",
                NAME + " expected",
            ),
            Query(per_deployment("mesh_gateway_offered_total"), NAME + " offered"),
        ),
        unit="reqps",
    ),
    Chart(
        "Queries of Prometheus",
        "The values by which deployments scale; a gap is a query without a value, see "
        "`mesh deployment show`.",
        (
            Query(
                f"sum by ({BOTH}, query) (mesh_scale_query_value{{{HERE}}})", NAME + " {{query}}"
            ),
            Query(
                f"sum by ({BOTH}, query) "
                f"(increase(mesh_scale_query_failures_total{{{HERE}}}[10m]))",
                NAME + " {{query}} failures in 10 minutes",
            ),
        ),
        no_value="no queries",
    ),
    Chart(
        "Calls for instances",
        "Words of gateways that requests wait for no ready instance (queued), or were refused for "
        "lack of room (refused).",
        (Query(f"sum by (reason) ({rate('mesh_gateway_demand_events_total')})", "{{reason}}"),),
        unit="reqps",
    ),
    Chart(
        "Spares",
        "Worker programs that wait to become instances, and instances started from one in the last "
        "10 minutes.",
        (
            Query("sum(mesh_spares)", "waiting"),
            Query("sum(increase(mesh_spare_starts_total[10m]))", "used"),
        ),
    ),
    Chart(
        "Starts and crashes, last 10 minutes",
        "Instances that the scaler started, and those that ended by themselves or never came up.",
        (
            Query(
                f"sum by ({BOTH}) (increase(mesh_instance_starts_total{{{HERE}}}[10m]))",
                NAME + " starts",
            ),
            Query(
                f"sum by ({BOTH}) (increase(mesh_instance_crashes_total{{{HERE}}}[10m]))",
                NAME + " crashes",
            ),
        ),
    ),
    Chart(
        "Updates, last 10 minutes",
        "Generations that took over, failed and were taken back, or were overtaken by a newer one.",
        (
            Query(
                f"sum by ({BOTH}, outcome) (increase(mesh_rollouts_total{{{HERE}}}[10m]))",
                NAME + " {{outcome}}",
            ),
        ),
    ),
    Chart(
        "Management calls",
        "What `mesh` commands and programs asked of the management service, by verb and outcome.",
        (
            Query(
                f"sum by (verb, code) ({rate('mesh_management_requests_total')})",
                "{{verb}} {{code}}",
            ),
        ),
        unit="reqps",
    ),
    Chart(
        "Leaders and gateways",
        "Exactly one scaler leads; the others wait. Gateways that live.",
        (
            Query("sum(mesh_scaler_leading)", "leaders"),
            Query("max(mesh_gateways)", "gateways"),
        ),
    ),
    Chart(
        "CPU by deployment",
        "Cores that all instances use.",
        (Query(f"sum by ({BOTH}) (mesh_deployment_cpu_cores{{{HERE}}})", NAME),),
        unit="suffix: cores", kind="stack",
    ),
    Chart(
        "Memory by deployment",
        "Resident memory of all instances.",
        (Query(f"sum by ({BOTH}) (mesh_deployment_memory_bytes{{{HERE}}})", NAME),),
        unit="bytes", kind="stack",
    ),
    Chart(
        "Price per hour",
        "What the instances that are wanted cost, by their instance type; 0 without a price.",
        (Query(f"sum by ({BOTH}) (mesh_deployment_price_per_hour{{{HERE}}})", NAME),),
        kind="stack",
    ),
)  # fmt: skip

BOARD = Board(
    uid="mesh-queues",
    title="Mesh: queues and scaler",
    text="What waits, who works on it, and what the scaler does about it.",
    variables=(
        Variable("endpoint", "label_values(mesh_instances_wanted, endpoint)", "Which endpoints."),
    ),
    rows=(Row("Queues", QUEUE), Row("Instances and scaler", SCALER)),
)
