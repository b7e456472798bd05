"""`mesh nats user` where the broker is somebody else's."""

import pytest


@pytest.mark.parametrize(
    "args",
    [
        pytest.param(("create", "-e", "iris", "-n", "flowers"), id="create"),
        pytest.param(("list",), id="list"),
        pytest.param(("delete", "-n", "flowers", "--yes"), id="delete"),
    ],
)
async def test_users_of_another_broker_are_made_there(mesh, args):
    """The error says what the user needs."""
    result = await mesh("nats", "user", *args)

    assert result.exit_code == 2
    assert "mesh.invoke." in result.stderr
    assert "_INBOX_producer." in result.stderr
