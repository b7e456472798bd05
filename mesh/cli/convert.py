"""`mesh scale convert`: an autoscale setting of Azure's as `scale_settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from mesh.cli.options import Options, common_options
from mesh.cli.output import show
from mesh.errors import SpecError
from mesh.spec.azure_autoscale import scale_settings_of
from mesh.spec.load import deployment_from_values
from mesh.spec.scale import ScaleSettings


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@common_options
def convert(options: Options, file: Path) -> None:
    """Write Azure's autoscale setting as scale_settings.

    FILE is what 'az monitor autoscale show' prints, or a template with such a resource.
    """
    settings = {"scale_settings": msgspec.to_builtins(_read(file))}
    if options.is_for_people:
        options = msgspec.structs.replace(options, output="yaml")
    show(settings, options, lambda: "")


def _read(file: Path) -> ScaleSettings:
    """Read a setting, and hold it against the rules.

    Raises:
        SpecError: the file cannot be read or breaks a rule.
    """
    try:
        printed: Any = msgspec.json.decode(file.read_bytes())
        values = scale_settings_of(printed)
    except OSError as exc:
        raise SpecError(f"{file}: cannot be read: {exc.strerror or exc}") from exc
    except msgspec.DecodeError as exc:
        raise SpecError(f"{file}: not JSON: {exc}") from exc
    except RecursionError as exc:
        raise SpecError(f"{file}: nested too deeply") from exc
    except SpecError as exc:
        raise SpecError(f"{file}: {exc}") from exc
    stand_ins = {
        "name": "converted",
        "endpoint_name": "converted",
        "code_configuration": {"code": ".", "scoring_script": "score.py"},
    }
    loaded = deployment_from_values(stand_ins | {"scale_settings": values}, source=str(file))
    scale = loaded.spec.scale_settings
    assert scale is not None
    return scale
