"""Bad settings in the hands of the real engine: all errors, no traceback, nothing registered."""

from pathlib import Path

from tests.e2e.deployment import Deployment
from tests.unit.recording import stack_settings


def test_bad_settings_stop_the_engine_before_anything_is_made(tmp_path: Path) -> None:
    settings = stack_settings("dev")
    settings["engines"][0]["cluster"] = "hoem"
    settings["engines"][1]["replicas"] = "two"
    settings["enginse"] = []
    deployment = Deployment(state=tmp_path)
    deployment.create(settings)
    done = deployment.up(check=False)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "3 problems in Pulumi.dev.yaml:" in printed
    assert '"hoem" is not a cluster; there are: dev' in printed
    assert '"two" must be a whole number' in printed
    assert 'unknown key; did you mean "engines"?' in printed
    assert "Traceback" not in printed
    assert [one["type"] for one in deployment.resources() if one["type"] != "pulumi:pulumi:Stack"] == []
    assert not (tmp_path / "dev" / "dev").exists()


def test_a_missing_secret_names_the_command_that_sets_it(tmp_path: Path) -> None:
    settings = stack_settings("dev")
    settings["store"] = {"kind": "external", "endpoint": "http://s3.lan:9000", "accessKey": "reader"}
    deployment = Deployment(state=tmp_path)
    deployment.create(settings)
    done = deployment.up(check=False)
    assert done.returncode != 0
    assert "pulumi config set --secret inference:storeSecretKey" in done.stdout + done.stderr


def test_settings_of_ten_megabytes_are_refused_in_one_sentence(tmp_path: Path) -> None:
    settings = stack_settings("dev")
    del settings["engines"]
    deployment = Deployment(state=tmp_path)
    deployment.create(settings)
    entry = "    - {name: legal, kind: vllm, model: legal-8b, cluster: dev}\n"
    text = deployment.settings_file.read_text()
    many = "config:\n  inference:engines:\n" + entry * (10_000_000 // len(entry) + 1)
    deployment.settings_file.write_text(text.replace("config:\n", many))
    done = deployment.up(check=False)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "settings have at most 1048576. Is it the right file?" in printed
    assert "Traceback" not in printed
    assert len(printed) < 10_000
    assert [one["type"] for one in deployment.resources() if one["type"] != "pulumi:pulumi:Stack"] == []


def test_names_with_shell_and_terminal_metacharacters_stop_the_engine_and_are_shown_harmless(tmp_path: Path) -> None:
    settings = stack_settings("dev")
    settings["engines"][0]["name"] = "$(touch owned)"
    settings["models"][0]["name"] = "\x1b]0;owned\x07"
    settings["clusters"][0]["simulated"][0]["name"] = "ünïcode"
    deployment = Deployment(state=tmp_path)
    deployment.create(settings)
    done = deployment.up(check=False)
    printed = done.stdout + done.stderr
    assert done.returncode != 0
    assert "3 problems in Pulumi.dev.yaml:" in printed
    assert "\x1b]0" not in printed
    assert "Traceback" not in printed
    assert deployment.resources() == [] or [one["type"] for one in deployment.resources()] == ["pulumi:pulumi:Stack"]
