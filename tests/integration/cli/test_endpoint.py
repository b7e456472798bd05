"""`mesh endpoint`, over a real broker."""

from mesh.errors import MeshError


async def test_create_from_a_file(mesh, folder):
    """The file's endpoint is created, and shown."""
    created = await mesh.json("endpoint", "create", "-f", "endpoint.yml")

    assert (created["name"], created["provisioning_state"]) == ("iris", "Succeeded")


async def test_create_lets_options_win_over_the_file(mesh, folder):
    """`-n` and `--set` change what the file says."""
    args = ("-f", "endpoint.yml", "-n", "rose", "--set", "description=hi", "tags.team=a")

    created = await mesh.json("endpoint", "create", *args)

    assert (created["name"], created["description"]) == ("rose", "hi")
    assert created["spec"]["tags"] == {"team": "a"}


async def test_create_needs_no_file(mesh):
    """A name is enough."""
    assert (await mesh.json("endpoint", "create", "-n", "iris"))["auth_mode"] == "key"


async def test_create_twice_is_a_conflict(mesh):
    """Exit code 5, one line that says so, nothing on stdout."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh("endpoint", "create", "-n", "iris")

    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr == "error: endpoint 'iris' exists already\n"


async def test_create_refuses_a_bad_file(mesh, folder):
    """Exit code 2, with file, line, key, value and the rule; the mesh is not asked."""
    (folder / "endpoint.yml").write_text("name: iris\nauth_mode: none\n")

    result = await mesh("endpoint", "create", "-f", "endpoint.yml")

    assert result.exit_code == 2
    assert result.stderr.startswith("error: endpoint.yml:2: auth_mode: 'none': must be one of ")


async def test_create_warns_of_what_is_not_enforced(mesh, folder):
    """Keys that are accepted and not acted on are named on stderr."""
    (folder / "endpoint.yml").write_text("name: iris\npublic_network_access: disabled\n")

    result = await mesh("endpoint", "create", "-f", "endpoint.yml", "-o", "none")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "warning: endpoint.yml:2: public_network_access" in result.stderr


async def test_an_absent_endpoint_is_not_found(mesh):
    """Exit code 4, one line."""
    result = await mesh("endpoint", "show", "-n", "nope")

    assert result.exit_code == 4
    assert result.stderr == "error: endpoint 'nope' does not exist\n"


async def test_show_gives_people_the_scoring_uri(mesh):
    """Laid out for reading, without a colour code when piped."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh("endpoint", "show", "-n", "iris")

    assert "Scoring URI" in result.stdout
    assert "\x1b" not in result.stdout


async def test_list_has_a_row_per_endpoint(mesh):
    """`list` with a query and tsv is what scripts use."""
    for name in ("iris", "rose"):
        await mesh("endpoint", "create", "-n", name)

    result = await mesh("endpoint", "list", "--query", "[].name", "-o", "tsv")

    assert result.stdout == "iris\nrose\n"


async def test_update_traffic_replaces_the_split(mesh):
    """`--traffic` is the whole split; the rest of the spec stays."""
    await mesh("endpoint", "create", "-n", "iris", "--set", "description=hi")

    updated = await mesh.json("endpoint", "update", "-n", "iris", "--traffic", "blue=90 green=10")

    assert updated["traffic"] == {"blue": 90, "green": 10}
    assert updated["description"] == "hi"


async def test_update_mirror_traffic_leaves_the_split(mesh):
    """Mirroring is changed by itself."""
    await mesh("endpoint", "create", "-n", "iris")
    await mesh("endpoint", "update", "-n", "iris", "--traffic", "blue=100")

    updated = await mesh.json("endpoint", "update", "-n", "iris", "--mirror-traffic", "green=10")

    assert updated["traffic"] == {"blue": 100}
    assert updated["mirror_traffic"] == {"green": 10}


async def test_update_from_a_file_keeps_the_traffic(mesh, folder):
    """A file that names no traffic does not take the endpoint off the air."""
    await mesh("endpoint", "create", "-f", "endpoint.yml")
    await mesh("endpoint", "update", "-n", "iris", "--traffic", "blue=100")

    updated = await mesh.json("endpoint", "update", "-f", "endpoint.yml", "--set", "description=x")

    assert (updated["traffic"], updated["description"]) == ({"blue": 100}, "x")


async def test_update_is_repeated_when_somebody_else_was_faster(mesh, service):
    """A change in between is kept: ours is made again on top of it."""
    await mesh("endpoint", "create", "-n", "iris")
    update, service.endpoint_update = service.endpoint_update, None

    def faster(data):
        service.endpoint_update = update
        theirs = service.endpoints["iris"]
        service.revision += 1
        spec = {**theirs.spec, "description": "theirs"}
        service.endpoints["iris"] = type(theirs)(
            name="iris",
            kind="managed",
            auth_mode="key",
            provisioning_state="Succeeded",
            spec=spec,
            revision=service.revision,
        )
        return update(data)

    service.endpoint_update = faster
    updated = await mesh.json("endpoint", "update", "-n", "iris", "--traffic", "blue=100")

    assert (updated["description"], updated["traffic"]) == ("theirs", {"blue": 100})


async def test_update_refuses_traffic_that_does_not_add_up(mesh, service):
    """The rule is checked before the mesh is asked."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh("endpoint", "update", "-n", "iris", "--traffic", "blue=90")

    assert result.exit_code == 2
    assert "traffic" in result.stderr
    assert "endpoint.update" not in service.asked


async def test_update_renames_nothing(mesh, service):
    """`--set name=...` does not reach another endpoint."""
    for name in ("iris", "rose"):
        await mesh("endpoint", "create", "-n", name)

    result = await mesh("endpoint", "update", "-n", "iris", "--set", "name=rose")

    assert result.exit_code == 2
    assert result.stderr == "error: name: 'rose': cannot be changed, it is 'iris'\n"
    assert "endpoint.update" not in service.asked


async def test_an_empty_split_is_a_slip(mesh, service):
    """An unset variable of a script does not take the endpoint off the air."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh("endpoint", "update", "-n", "iris", "--traffic", "")

    assert result.exit_code == 2
    assert "endpoint.update" not in service.asked


async def test_nobody_there_to_ask(mesh, service):
    """Without a person and without --yes nothing is deleted, and the option is named."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh("endpoint", "delete", "-n", "iris", stdin="")

    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert "iris" in service.endpoints


async def test_delete_asks_first(mesh, service):
    """Without --yes and without a yes nothing is deleted."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh("endpoint", "delete", "-n", "iris", stdin="n\n")

    assert result.exit_code == 1
    assert "iris" in service.endpoints


async def test_delete_returns_when_it_is_gone(mesh, service):
    """`--yes` deletes at once."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh("endpoint", "delete", "-n", "iris", "--yes")

    assert result.exit_code == 0, result.stderr
    assert not service.endpoints


async def test_credentials_go_into_a_variable(mesh):
    """`--query primaryKey -o tsv` prints the bare key, as az does."""
    await mesh("endpoint", "create", "-n", "iris")

    result = await mesh(
        "endpoint", "get-credentials", "-n", "iris", "--query", "primaryKey", "-o", "tsv"
    )

    assert result.stdout == "first\n"


async def test_regenerate_keys_replaces_one(mesh):
    """The other key stays."""
    await mesh("endpoint", "create", "-n", "iris")
    args = ("--key-type", "secondary", "--key-value", "mine")

    keys = await mesh.json("endpoint", "regenerate-keys", "-n", "iris", *args)

    assert (keys["primaryKey"], keys["secondaryKey"]) == ("first", "mine")


async def test_an_unexpected_error_is_one_line(mesh, service):
    """A bug of the service is told as it says it, with exit code 1; no traceback."""

    def broken(_):
        raise MeshError("a bug")

    service.endpoint_list = broken

    result = await mesh("endpoint", "list")

    assert (result.exit_code, result.stderr) == (1, "error: a bug\n")
