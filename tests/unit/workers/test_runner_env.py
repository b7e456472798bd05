"""What the user's code sees of the worker's environment."""

from workers.launch import RunnerConfig, runner_env

CONFIG = RunnerConfig(
    python="/usr/bin/python3",
    script="/code/src/score.py",
    code_dir="/code",
    model_dir="/models/iris/1",
    env={"GREETING": "hello", "PATH": "/mine"},
)


def test_nothing_of_the_meshs_own_leaks():
    """Only harmless names of the host pass; secrets and settings of the mesh do not."""
    host = {"MESH_NATS__PASSWORD": "x", "NATS_URL": "nats://u:p@h", "AWS_SECRET": "x", "HOME": "/h"}

    assert runner_env(CONFIG, host).keys() & host.keys() == {"HOME"}


def test_the_deployment_has_the_last_word():
    """Its variables win over the host's; the script's place and the model's are always told."""
    env = runner_env(CONFIG, {"PATH": "/bin", "LC_ALL": "C.UTF-8", "CUDA_VISIBLE_DEVICES": "0"})

    assert env == {
        "PATH": "/mine",
        "LC_ALL": "C.UTF-8",
        "CUDA_VISIBLE_DEVICES": "0",
        "GREETING": "hello",
        "AZUREML_ENTRY_SCRIPT": "/code/src/score.py",
        "AZUREML_MODEL_DIR": "/models/iris/1",
        "AML_APP_ROOT": "/code",
    }
