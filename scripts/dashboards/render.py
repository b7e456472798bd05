"""From a board to Grafana's JSON, by Grafana's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from scripts.dashboards.board import Board, Chart, Query, Variable

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "serving-mesh"
NUMBER_HEIGHT = 4
CHART_HEIGHT = 8
# Deployments with the usual names are drawn in their colour on every chart.
COLORS = {"blue": "blue", "green": "green"}

Panel = timeseries.Panel | stat.Panel


def to_json(board: Board) -> str:
    """Return the dashboard as Grafana reads it from a file."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags([TAG])
        .editable()
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(_link_to_others())
        .with_variable(_source())
    )
    for variable in board.variables:
        builder.with_variable(_variable(variable))
    numbers = iter(range(1, 1000))
    for row in board.rows:
        builder.with_row(dashboard.Row(row.title).id(next(numbers)))
        for chart in row.charts:
            builder.with_panel(_panel(chart).id(next(numbers)))
    return JSONEncoder(sort_keys=True, indent=2).encode(builder.build()) + "\n"


def _link_to_others() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Mesh")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _source() -> dashboard.DatasourceVariable:
    return dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")


def _variable(variable: Variable) -> dashboard.QueryVariable:
    builder = (
        dashboard.QueryVariable(variable.name)
        .label(variable.name.capitalize())
        .description(variable.text)
        .query(variable.query)
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    if variable.many:
        everything = VariableOption(selected=True, text=["All"], value=["$__all"])
        builder.multi(True).include_all(True).current(everything)
    return builder


def _panel(chart: Chart) -> Panel:
    panel = _number() if chart.kind == "number" else _lines(chart)
    panel.title(chart.title).description(chart.text).unit(chart.unit).min(0)
    panel.datasource(SOURCE).span(chart.width).thresholds(_thresholds(chart))
    if chart.words:
        panel.mappings([ValueMap({v: ValueMappingResult(t, c) for v, t, c in chart.words})])
    if chart.top is not None:
        panel.max(chart.top)
    if chart.no_value:
        panel.no_value(chart.no_value)
    if chart.each:
        panel.repeat(chart.each).repeat_direction("h").max_per_row(2)
    for letter, query in zip(ascii_uppercase, chart.queries, strict=False):
        panel.with_target(_target(query, letter, chart))
    return panel


def _target(query: Query, letter: str, chart: Chart) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter)
    return target.instant() if chart.kind == "number" else target.range()


def _number() -> stat.Panel:
    return (
        stat.Panel()
        .height(NUMBER_HEIGHT)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def _lines(chart: Chart) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .height(CHART_HEIGHT)
        .line_width(1)
        .fill_opacity(30 if chart.kind == "stack" else 5)
        .show_points(VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
    )
    if chart.kind == "stack":
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if chart.warn is not None or chart.bad is not None:
        style = common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(style)
    for name, color in COLORS.items():
        fixed = {"mode": FieldColorModeId.FIXED, "fixedColor": color}
        panel.override_by_regexp(rf"/(^|\/){name}$/", [DynamicConfigValue("color", fixed)])
    return panel


def _thresholds(chart: Chart) -> dashboard.ThresholdsConfig:
    steps = list(_steps(chart))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _steps(chart: Chart) -> Iterator[Threshold]:
    yield Threshold(None, "green" if chart.good is None else "red")
    for value, color in ((chart.good, "green"), (chart.warn, "yellow"), (chart.bad, "red")):
        if value is not None:
            yield Threshold(value, color)
