"""Is the mesh well? One page for everything."""

from __future__ import annotations

from scripts.dashboards.board import Board, Chart, Query, Row, quantile, rate

REQUESTS = "mesh_gateway_requests_total"
LATENCY = "mesh_gateway_latency_seconds"
FAILED = 'status=~"5..|424|429"'
TOTAL = 'part="total"'
OURS = 'job=~"gateway|worker|scaler"'
PROGRAMS = 'job=~"gateway|scaler"'
UNROUTED = 'deployment=""'
NO_TRAFFIC = "no traffic"

NOW = (
    Chart(
        "Requests per second",
        "Answers that gateways gave to scoring requests, of any status.",
        (Query(f"sum({rate(REQUESTS)})", "requests"),),
        unit="reqps", kind="number", width=3,
    ),
    Chart(
        "Failed",
        "Share of the requests that were answered with 424 (the model), 429 (a full queue) or 5xx "
        "(nobody there, too late).",
        (
            Query(
                f"(sum({rate(REQUESTS, FAILED)}) or vector(0)) / (sum({rate(REQUESTS)}) > 0)",
                "failed",
            ),
        ),
        unit="percentunit", kind="number", width=3, warn=0.01, bad=0.05, no_value=NO_TRAFFIC,
    ),
    Chart(
        "p99 latency",
        "99 of 100 requests were answered faster, from the last byte of the request on.",
        (Query(quantile(0.99, LATENCY, TOTAL), "p99"),),
        unit="s", kind="number", width=3, no_value=NO_TRAFFIC,
    ),
    Chart(
        "Instances missing",
        "Instances asked for that are not ready. More than none for long: see the dashboard of "
        "queues and scaler.",
        (
            Query(
                'clamp_min(sum(mesh_instances_wanted) - sum(mesh_instances{state="ready"}), 0)',
                "missing",
            ),
        ),
        kind="number", width=3, warn=1, bad=2, no_value="no scaler",
    ),
    Chart(
        "Requests queued",
        "Requests that wait in a queue or are being worked on, of all deployments.",
        (Query("sum(mesh_queue_depth)", "queued"),),
        kind="number", width=3, warn=100, bad=1000, no_value="no scaler",
    ),
    Chart(
        "Gateways",
        "Gateways that said within three seconds that they live.",
        (Query("max(mesh_gateways)", "gateways"),),
        kind="number", width=3, good=1, no_value="no scaler",
    ),
    Chart(
        "Broker",
        "Whether every gateway, worker and scaler is connected to nats-server. Without it "
        "gateways answer 503; what is queued is kept.",
        (Query("min(mesh_broker_connected)", "broker"),),
        kind="number", width=3, good=1,
        words=(("1", "connected", "green"), ("0", "away", "red")), no_value="unknown",
    ),
    Chart(
        "Alerts",
        "Alerts of configs/prometheus/alerts.yml that fire now.",
        (Query('count(ALERTS{alertname=~"Mesh.*",alertstate="firing"}) or vector(0)', "alerts"),),
        kind="number", width=3, bad=1,
    ),
)  # fmt: skip

REQUESTS_ROW = (
    Chart(
        "Requests per second by endpoint",
        "What clients were answered, of any status.",
        (Query(f"sum by (endpoint) ({rate(REQUESTS)})", "{{endpoint}}"),),
        unit="reqps",
    ),
    Chart(
        "Requests per second by status class",
        "2xx: answered. 4xx: a wrong key or request, an error of the model (424), a full queue "
        "(429). 5xx: no instance or no broker (503), or the deadline passed (504).",
        (
            Query(
                f'sum by (class) (label_replace({rate(REQUESTS)}, "class", "${{1}}xx", "status", '
                '"(.).*"))',
                "{{class}}",
            ),
        ),
        unit="reqps", kind="stack",
    ),
    Chart(
        "Failed, by endpoint",
        "Share of 424, 429 and 5xx. The alert MeshErrors fires at 5 % for a minute.",
        (
            Query(
                f"(sum by (endpoint) ({rate(REQUESTS, FAILED)}) "
                f"or 0 * sum by (endpoint) ({rate(REQUESTS)})) "
                f"/ (sum by (endpoint) ({rate(REQUESTS)}) > 0)",
                "{{endpoint}}",
            ),
        ),
        unit="percentunit", warn=0.01, bad=0.05,
    ),
    Chart(
        "Latency of all requests",
        "Time at the gateway, from the request's last byte to the answer.",
        tuple(
            Query(quantile(part, LATENCY, TOTAL), f"p{part * 100:g}") for part in (0.5, 0.95, 0.99)
        ),
        unit="s",
    ),
    Chart(
        "p95 latency by endpoint",
        "Which endpoint is slow. The dashboard of the endpoint tells whether it waits or runs.",
        (Query(quantile(0.95, LATENCY, TOTAL, "le, endpoint"), "{{endpoint}}"),),
        unit="s",
    ),
    Chart(
        "Answered before any deployment was chosen",
        "Requests that a gateway answered by itself, by status: wrong keys (401), endpoints "
        "without traffic (404), bodies too large (413).",
        (
            Query(
                f"sum by (endpoint, status) ({rate(REQUESTS, UNROUTED)})",
                "{{endpoint}} {{status}}",
            ),
        ),
        unit="reqps", no_value="none",
    ),
)  # fmt: skip

CAPACITY_ROW = (
    Chart(
        "Instances ready and wanted",
        "Dips are normal while a generation is replaced.",
        (
            Query(
                'sum by (endpoint, deployment) (mesh_instances{state="ready"})',
                "{{endpoint}}/{{deployment}} ready",
            ),
            Query(
                "sum by (endpoint, deployment) (mesh_instances_wanted)",
                "{{endpoint}}/{{deployment}} wanted",
            ),
        ),
    ),
    Chart(
        "Requests queued, by deployment",
        "Waiting or being worked on. A line that keeps rising: more comes in than is answered.",
        (
            Query(
                "sum by (endpoint, deployment) (mesh_queue_depth)", "{{endpoint}}/{{deployment}}"
            ),
        ),
        kind="stack",
    ),
    Chart(
        "Requests out and connections, by gateway",
        "Requests that a gateway has published and waits for, and its open HTTP connections.",
        (
            Query("sum by (instance) (mesh_gateway_in_flight)", "{{instance}} requests"),
            Query("sum by (instance) (mesh_gateway_connections)", "{{instance}} connections"),
        ),
    ),
    Chart(
        "CPU",
        "Cores in use: gateways and scaler by their processes, workers with their runners.",
        (
            Query(
                f"sum by (job) ({rate('process_cpu_seconds_total', PROGRAMS)})",
                "{{job}}",
            ),
            Query("sum(mesh_deployment_cpu_cores)", "workers"),
        ),
        unit="suffix: cores", kind="stack",
    ),
    Chart(
        "Memory",
        "Resident memory: gateways and scaler by their processes, workers with their runners.",
        (
            Query(
                f"sum by (job) (process_resident_memory_bytes{{{PROGRAMS}}})", "{{job}}"
            ),
            Query("sum(mesh_deployment_memory_bytes)", "workers"),
        ),
        unit="bytes", kind="stack",
    ),
    Chart(
        "Connected to the broker, and scraped",
        "Share of the processes that have nats-server, and of those that answer Prometheus. Less "
        "than 100 %: an alert follows.",
        (
            Query("avg by (job) (mesh_broker_connected)", "{{job}} broker"),
            Query(f"avg by (job) (up{{{OURS}}})", "{{job}} scraped"),
        ),
        unit="percentunit", top=1.0,
    ),
)  # fmt: skip

BOARD = Board(
    uid="mesh-overview",
    title="Mesh: overview",
    text="Is the mesh well: traffic, failures, latency, capacity, and the broker beneath.",
    variables=(),
    rows=(
        Row("Now", NOW),
        Row("Requests", REQUESTS_ROW),
        Row("Capacity", CAPACITY_ROW),
    ),
)
