"""What goes wrong between this machine and a host: every fault is recovered from, or ends in a clear error."""

import subprocess
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import small_stacks
from tests.e2e.small_stacks import Outcome, SmallStack
from tests.hosts.machine import Machine
from tests.unit.recording import REPOSITORY
from tests.waiting import until

SLOW = """#!/usr/bin/env bash
STEP=${STEP:-slow}
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"
state() {
    echo begun >>/root/journal
    for second in $(seq "${SECONDS_TO_TAKE:-4}"); do
        say "second $second"
        [ "$second" != 2 ] || reached second-two
        sleep 1
    done
    while [ -e /root/hold ]; do sleep 0.2; done
    file /etc/slow.conf 600 <<<"$SETTING"
    echo ended >>/root/journal
}
main "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stack of one step on one host, driven by the real engine."""

    stack: SmallStack
    machine: Machine
    script: Path
    key: Path

    def write(self, *, seconds: int = 4, setting: str = "one", until: str = "", **connection: Any) -> None:
        """The program; `connection` overrides how the host is reached, and `until` ends the step's resource early."""
        reached = {"host": self.machine.address, "user": "ops", "host_key": self.machine.host_key} | connection
        rest = "finish_step('rest', step, reached, begun, opts=pulumi.ResourceOptions())\n" if until else ""
        self.stack.write(
            f"sys.path.insert(0, {str(REPOSITORY)!r})\n"
            "from pathlib import Path\n"
            "from components.node.step import Step, finish_step, run_step\n"
            f"key = Path({str(self.key)!r}).read_text()\n"
            f"step = Step(name='slow', script=Path({str(self.script)!r}), "
            f"variables={{'SECONDS_TO_TAKE': '{seconds}', 'SETTING': {setting!r}}})\n"
            f"reached = {{**{reached!r}, 'private_key': key}}\n"
            f"begun = run_step('slow', step, reached, until={until!r}, opts=pulumi.ResourceOptions())\n" + rest
        )

    def begin(self) -> "subprocess.Popen[str]":
        """`pulumi up` in the background, once the step has begun on the host."""
        process = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "-c", "generation=1"],
            cwd=self.stack.directory,
            env=self.stack.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        until(lambda: "begun" in self.journal())
        return process

    def repaired(self) -> Outcome:
        """What the runbook says after a killed `up`, and another one."""
        self.stack.cancel()
        self.stack.pulumi("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
        return self.stack.up()

    def journal(self) -> list[str]:
        """When the script began and ended."""
        return self.machine.run("cat /root/journal 2>/dev/null || true").splitlines()


@contextmanager
def _silence(machine: Machine) -> Generator[None]:
    """No packet to or from the host, and nobody tells either side."""
    port = f"vb-{machine.name}"
    subprocess.run(["ip", "link", "set", port, "down"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "set", port, "up"], check=True)


@pytest.fixture
def step(host: Machine, tmp_path: Path) -> Iterator[Step]:
    script = tmp_path / "slow.sh"
    script.write_text(SLOW)
    made = Step(stack=small_stacks.made(tmp_path / "stack"), machine=host, script=script, key=host.private_key)
    made.write()
    yield made
    host.run("systemctl stop 'inference-step-*' 2>/dev/null; rm -rf /var/lib/inference /root/journal /etc/slow.conf")


def test_a_step_lets_others_go_on_at_a_mark_and_its_rest_is_waited_for(step: Step) -> None:
    step.write(seconds=5, until="second-two")
    done = step.stack.up()
    assert done.status == 0, done.text
    first, rest = done.messages("slow"), done.messages("rest")
    assert "second 2" in first
    assert "second 5" not in first
    told = [line for line in (*first, *rest) if line.startswith("second")]
    assert told == [f"second {number}" for number in range(1, 6)], "each line once"
    assert step.journal() == ["begun", "ended"]
    assert step.stack.up(generation=2).operations() == {}


def test_what_fails_after_a_mark_fails_whoever_waits_for_the_rest_and_is_done_again(step: Step) -> None:
    step.machine.run("mkdir /etc/slow.conf")
    step.write(until="second-two")
    failed = step.stack.up()
    assert failed.status != 0
    assert "second 2" in failed.messages("slow")
    assert "/etc/slow.conf is a directory" in failed.text
    step.machine.run("rmdir /etc/slow.conf")
    again = step.stack.up()
    assert again.status == 0, again.text
    assert step.journal() == ["begun", "begun", "ended"]


def test_a_step_that_lost_its_connection_goes_on_and_the_next_up_joins_it(step: Step) -> None:
    step.write(seconds=8)
    up = step.begin()
    step.machine.run("pkill -KILL -f 'sshd: ops'")
    assert up.wait() != 0
    joined = step.stack.up()
    assert joined.status == 0, joined.text
    assert "slow: is at work already: joins it" in joined.messages("slow")
    assert "second 1" in joined.messages("slow"), "what it said before is told again"
    assert step.journal() == ["begun", "ended"]


def test_a_connection_that_goes_silent_is_given_up_while_the_step_goes_on_and_the_next_up_joins_it(step: Step) -> None:
    step.write(seconds=185)
    up = step.begin()
    silent_since = time.monotonic()
    with _silence(step.machine):
        said, _ = up.communicate(timeout=200)
        waited = time.monotonic() - silent_since
    assert up.returncode != 0
    assert "lost connection" in said or "without exit status" in said or "timed out" in said.lower()
    assert 120 < waited < 200, "15 seconds, and nine probes in as many"
    joined = step.stack.up()
    assert joined.status == 0, joined.text
    assert "slow: is at work already: joins it" in joined.messages("slow")
    assert step.journal() == ["begun", "ended"]


def test_a_step_whose_pulumi_was_killed_goes_on_and_is_not_done_twice(step: Step) -> None:
    up = step.begin()
    subprocess.run(["pkill", "-KILL", "--session", str(up.pid)], check=False)
    up.wait()
    until(lambda: "ended" in step.journal())
    repaired = step.repaired()
    assert repaired.status == 0, repaired.text
    assert "slow: done already" in repaired.messages("slow")
    assert step.journal() == ["begun", "ended"]


def test_a_step_that_a_reboot_interrupted_is_begun_again(step: Step) -> None:
    step.write(seconds=30)
    up = step.begin()
    step.machine.kill()
    step.machine.boot()
    assert up.wait() != 0
    step.write(seconds=1)
    again = step.stack.up()
    assert again.status == 0, again.text
    assert step.journal() == ["begun", "begun", "ended"]


def test_two_at_once_take_turns(step: Step, tmp_path: Path) -> None:
    other = replace(step, stack=small_stacks.made(tmp_path / "other"))
    other.write(seconds=1, setting="two")
    step.machine.run("touch /root/hold")
    first = step.begin()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(other.stack.up)
        try:
            until(lambda: "waits" in other.stack.told_so_far())
        finally:
            step.machine.run("rm /root/hold")
        second = waiting.result()
    assert second.status == 0, second.text
    assert first.wait() == 0
    assert step.journal() == ["begun", "ended", "begun", "ended"]


def test_what_was_made_is_taken_back_and_nothing_of_ours_stays(step: Step) -> None:
    step.write(seconds=0)
    assert step.stack.up().status == 0
    assert step.machine.run("stat --format=%a /etc/slow.conf; cat /etc/slow.conf") == "600\none"
    assert step.stack.destroy().status == 0
    assert step.machine.run("ls /etc/slow.conf /var/lib/inference 2>&1 || true").count("No such file") == 2


def test_a_file_that_was_there_before_comes_back(step: Step) -> None:
    step.machine.run("echo mine >/etc/slow.conf; chmod 640 /etc/slow.conf")
    step.write(seconds=0)
    assert step.stack.up().status == 0
    assert step.stack.up(generation=2).operations() == {}
    assert step.stack.destroy().status == 0
    assert step.machine.run("stat --format=%a /etc/slow.conf; cat /etc/slow.conf") == "640\nmine"


def test_a_step_that_fails_says_why_and_is_tried_again(step: Step) -> None:
    step.machine.run("mkdir /etc/slow.conf")
    step.write(seconds=0)
    failed = step.stack.up()
    assert failed.status != 0
    assert "/etc/slow.conf is a directory" in failed.text
    step.machine.run("rmdir /etc/slow.conf")
    assert step.stack.up().status == 0


@pytest.mark.parametrize(
    ("connection", "reason"),
    [
        ({"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLEE"}, "host key"),
        ({"user": "nobody"}, "unable to authenticate"),
        ({"host": "192.0.2.1"}, "dial tcp 192.0.2.1:22"),
        ({"port": 2222}, "refused"),
    ],
)
def test_a_host_that_cannot_be_reached_is_given_up_with_the_reason(
    step: Step, connection: dict[str, Any], reason: str
) -> None:
    step.write(**connection, dial_error_limit=2, per_dial_timeout=2)
    failed = step.stack.up()
    assert failed.status != 0
    assert reason in failed.text
    assert step.journal() == []


def test_a_host_that_is_down_at_destroy_is_given_up_and_destroyed_later(step: Step) -> None:
    step.write(seconds=0, dial_error_limit=2, per_dial_timeout=2)
    assert step.stack.up().status == 0
    step.machine.kill()
    failed = step.stack.destroy()
    step.machine.boot()
    assert failed.status != 0
    assert step.stack.destroy().status == 0
    assert step.machine.run("ls /etc/slow.conf 2>&1 || true").count("No such file") == 1
