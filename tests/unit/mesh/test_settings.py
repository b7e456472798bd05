"""Settings: layers, and refusals that name the key and what would be right."""

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mesh import layers
from mesh.errors import SpecError
from mesh.settings import (
    NatsUser,
    Settings,
    default_file,
    inbox_prefix,
    load_settings,
    read_settings,
    state_dir,
)

KEYS = sorted(layers.known_keys(Settings))
WORDS = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=12)


def test_the_default_file_has_every_default():
    """What the file says is what holds without it: no key is missing, none differs."""
    tree = yaml.safe_load(default_file().read_text())

    assert msgspec.convert(tree, Settings) == Settings()
    assert sorted(layers.from_tree(tree, Settings, source="file")) == KEYS


def test_later_layers_win(tmp_path):
    """Defaults, then the file, then the environment, then flags."""
    (tmp_path / "own.yaml").write_text("gateway: {port: 1, domain: file, count: 2}")
    environ = {"MESH_GATEWAY__PORT": "2", "MESH_GATEWAY__DOMAIN": "env"}

    gateway = load_settings(tmp_path / "own.yaml", {"gateway.port": "3"}, environ).gateway

    assert (gateway.port, gateway.domain, gateway.count) == (3, "env", 2)
    assert gateway.host == "127.0.0.1"


def test_a_file_can_be_named_by_the_environment(tmp_path):
    """MESH_CONFIG stands for --config."""
    (tmp_path / "own.yaml").write_text("log: {level: debug}")

    assert load_settings(environ={"MESH_CONFIG": str(tmp_path / "own.yaml")}).log.level == "debug"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        pytest.param("gateway.access_log", "false", False, id="bool"),
        pytest.param("scaler.restart_min_s", "0.25", 0.25, id="float"),
        pytest.param("gateway.cors_origins", "a, b", ["a", "b"], id="list"),
        pytest.param("gateway.cors_origins", '["a"]', ["a"], id="json"),
        pytest.param("gateway.domain", "123", "123", id="text"),
    ],
)
def test_variables_are_read_by_type(key, text, value):
    """A variable is text; the setting's type says what it means."""
    name = "MESH_" + key.replace(".", "__").upper()

    assert layers.from_environ({name: text}, Settings) == {key: value}


def test_the_usual_variables_are_known():
    """NATS_URL and MESH_STATE_DIR have names of their own; the full names win over them."""
    environ = {"NATS_URL": "nats://a:1", "MESH_STATE_DIR": "/srv/mesh"}

    settings = load_settings(environ=environ)
    over = load_settings(environ=environ | {"MESH_NATS__URL": "nats://b:2"})

    assert (settings.nats.url, settings.state_dir) == ("nats://a:1", "/srv/mesh")
    assert over.nats.url == "nats://b:2"


def test_users_come_by_role():
    """Each role of an existing server can be given by variables."""
    environ = {"MESH_NATS__USERS__GATEWAY__USER": "g", "MESH_NATS__USERS__GATEWAY__PASSWORD": "42"}

    access = load_settings(environ=environ).access("gateway")

    assert (access.user, access.password) == ("g", "42")
    assert access.inbox_prefix == inbox_prefix("gateway") != inbox_prefix("worker")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        pytest.param(
            {"MESH_GATEWAY__PROT": "1"},
            "MESH_GATEWAY__PROT: no such setting; did you mean MESH_GATEWAY__PORT?",
            id="typo",
        ),
        pytest.param(
            {"MESH_GATEWAY_PORT": "1"},
            "MESH_GATEWAY_PORT: no such setting; did you mean MESH_GATEWAY__PORT?",
            id="one-underscore",
        ),
        pytest.param({"MESH_QUUX__A": "1"}, "MESH_QUUX__A: no such section; there are", id="none"),
        pytest.param(
            {"MESH_LOG__ZZZZZZ": "1"},
            "MESH_LOG__ZZZZZZ: no such setting; there are MESH_LOG__LEVEL",
            id="section",
        ),
        pytest.param(
            {"MESH_GATEWAY__PORT": "ten"},
            "MESH_GATEWAY__PORT: gateway.port: value 'ten': expected `int`",
            id="type",
        ),
        pytest.param(
            {"MESH_GATEWAY__PORT": "70000"}, "value '70000': expected `int` <= 65535", id="range"
        ),
        pytest.param({"MESH_LOG__LEVEL": "loud"}, "log.level: value 'loud': invalid", id="choice"),
        pytest.param(
            {"MESH_NATS__USERS__BOSS__USER": "x"}, "nats.users: invalid enum value", id="role"
        ),
    ],
)
def test_wrong_variables_are_refused_by_name(environ, said):
    """A variable that would be ignored or misread is refused, with what would be right."""
    with pytest.raises(SpecError) as caught:
        load_settings(environ=environ)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("gateway: {prot: 1}", "gateway.prot: no such setting", id="key"),
        pytest.param("gatway: {port: 1}", "gatway: no such", id="section"),
        pytest.param("gateway: 8080", "gateway: value 8080: expected a section", id="scalar"),
        pytest.param("gateway: {port: '1'}", "gateway.port: value '1': expected `int`", id="type"),
        pytest.param("- a", "expected sections with keys, got list", id="list"),
        pytest.param("a: [", "not YAML", id="broken"),
        pytest.param("1: 2", "1: no such section", id="number"),
    ],
)
def test_wrong_files_are_refused_with_their_name(tmp_path, text, said):
    """The file, the key and what is wrong with it, on one line."""
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(SpecError) as caught:
        load_settings(path, environ={})

    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    """A file that was named must be there."""
    with pytest.raises(SpecError, match=r"none\.yaml: No such file"):
        load_settings(tmp_path / "none.yaml", environ={})


def test_passwords_are_not_shown_in_refusals():
    """What is wrong is said without the value that may hold a password."""
    with pytest.raises(SpecError) as caught:
        load_settings(environ={"MESH_NATS__USERS__ADMIN__PASSWORD": "secret"})

    assert "secret" not in str(caught.value)


@given(section=WORDS, key=WORDS)
def test_no_unknown_key_is_accepted(section, key):
    """Whatever the key, it is known or refused by its name, from every source."""
    dotted = f"{section}.{key}"
    for load in (
        lambda: layers.from_tree({section: {key: 1}}, Settings, source="f"),
        lambda: layers.from_environ({f"MESH_{section}__{key}".upper(): "1"}, Settings),
        lambda: layers.from_flags({dotted: "1"}, Settings),
    ):
        if dotted not in KEYS:
            with pytest.raises(SpecError, match="no such"):
                load()


def test_the_resolved_value_survives_its_file(tmp_path):
    """The programs read exactly what was resolved, users included."""
    settings = load_settings(environ={}, flags={"state_dir": str(tmp_path)})
    users = {"gateway": NatsUser(user="g", password="p")}
    nats = msgspec.structs.replace(settings.nats, users=users)
    settings = msgspec.structs.replace(settings, nats=nats)
    (tmp_path / "settings.json").write_bytes(settings.to_json())

    assert read_settings(tmp_path / "settings.json") == settings


def test_a_broken_settings_file_is_refused(tmp_path):
    """A program that is started with something else says so."""
    (tmp_path / "settings.json").write_bytes(b'{"gateway": {"prot": 1}}')

    for path in (tmp_path / "settings.json", tmp_path / "none.json"):
        with pytest.raises(SpecError, match=path.name):
            read_settings(path)


def test_the_state_folder_is_absolute(monkeypatch, tmp_path):
    """A relative folder counts from where one stands; none is the platform's own."""
    monkeypatch.chdir(tmp_path)

    assert state_dir("mesh") == tmp_path.resolve() / "mesh"
    assert state_dir().is_absolute()
