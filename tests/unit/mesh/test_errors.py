"""The tree of errors."""

import pytest

from mesh.bus import ApiError
from mesh.errors import (
    BusError,
    MeshError,
    NotFoundError,
    QueueFullError,
    SpecError,
    error_class,
    translate,
)


def all_errors() -> list[type[MeshError]]:
    found, pending = [], [MeshError]
    while pending:
        one = pending.pop()
        found.append(one)
        pending.extend(
            cls for cls in one.__subclasses__() if cls.__module__ == MeshError.__module__
        )
    return found


def test_codes_are_unique():
    """A code names one class: it is a metric label and a wire field."""
    codes = [cls.code for cls in all_errors()]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)
def test_the_docstring_is_the_default_message(cls):
    """Errors document themselves."""
    assert cls().message == cls.__doc__.strip().splitlines()[0]


@pytest.mark.parametrize("cls", [NotFoundError, QueueFullError, SpecError, ApiError])
def test_a_code_leads_back_to_its_class(cls):
    """What was refused over the wire is raised as itself."""
    assert error_class(cls.code) is cls
    assert error_class(cls.code)("what was said").message == "what was said"


def test_foreign_errors_come_in_as_ours():
    """The first entry that matches wins; the cause is kept."""
    table = {KeyError: NotFoundError, LookupError: BusError}

    with pytest.raises(NotFoundError, match="gone") as caught, translate(table):
        raise KeyError("gone")

    assert isinstance(caught.value.__cause__, KeyError)
