"""Label while killing actors, readers, nodes and drivers, and check every output."""

import json
import random
import re
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, get_args

from tests.crash.job import Job, contents, fill, inspect
from tests.crash.nodes import Nodes, raylet
from tests.made.cluster.processes import send
from tests.made.servers.fault_proxy import Faults, Moment, faulty
from tests.made.servers.s3 import Bucket, create_bucket, serve_s3, storage_at

Kind = Literal["actor", "reader", "node", "driver", "pause"]
KINDS: tuple[Kind, ...] = get_args(Kind)
COMMITS: tuple[Moment, ...] = ("before", "after")

PAUSE_S = 20.0  # until Ray has given a paused node up and another actor has begun its unit
RACE_S = 3.0  # for a woken actor to finish its unit, while its node is still asleep


@dataclass(frozen=True)
class Settings:
    """How much to label and how often to kill."""

    seed: int
    images: int
    kills: int
    kinds: Sequence[Kind] = KINDS
    in_order: bool = False
    """Take the kinds in order, not at random."""
    wait_s: tuple[float, float] = (0.5, 6.0)
    """Between kills, from a driver's first unit on."""
    say: Callable[[str], None] = lambda _: None


@dataclass
class Tally:
    """What was done, and what was found afterwards."""

    kills: Counter[str] = field(default_factory=Counter)
    reruns: int = 0
    images: int = 0
    duplicates: int = 0
    losses: int = 0
    extra_units: int = 0
    faults: list[str] = field(default_factory=list)

    def as_json(self, seed: int) -> str:
        """Return the last line of the suite's output."""
        return json.dumps(
            {
                "seed": seed,
                "kills": self.kills.total(),
                "kills_by_kind": dict(self.kills),
                "reruns": self.reruns,
                "images": self.images,
                "duplicates": self.duplicates,
                "losses": self.losses,
                "extra_units": self.extra_units,
                "faults": self.faults[:10],
            }
        )


@dataclass
class Watch:
    """Sees every request to the storage: counts units begun and parts, and kills at commits."""

    driver: BaseProcess | None = None
    commits_to_kill: list[Moment] = field(default_factory=list)
    killed_at_commit: int = 0
    begun: int = 0
    parts: int = 0

    def __call__(self, method: str, path: str, body: bytes, moment: Moment) -> None:
        """Be told of a request, before the storage acts and after."""
        path = path.partition("?")[0]
        if method != "PUT":
            return
        if path.endswith("/commit.json") and moment in self.commits_to_kill[:1]:
            self.commits_to_kill.pop(0)
            self.killed_at_commit += 1
            assert self.driver is not None
            self.driver.kill()
        elif moment == "after" and "/labels/" in path:
            self.parts += 1
        elif moment == "after" and re.search(r"/attempts/[^/]+\.json", path):
            note = json.loads(body)
            at_work = [note["batch_at_work"], note["image_at_work"]]
            self.begun += at_work == [None, None] and not note["labelled"]


@dataclass(frozen=True)
class Killer:
    """Kills one thing at a time; says whether there was something to kill."""

    nodes: Nodes
    random: random.Random

    def kill(self, kind: Kind, driver: BaseProcess) -> bool:
        """Kill something of a kind."""
        match kind:
            case "actor":
                return self._worker("SegmentUnits", driver)
            case "reader":
                return self._worker("_read_shards", driver)
            case "node":
                self.nodes.replace(self.random.choice(self.nodes.nodes))
                return True
            case "driver":
                driver.kill()
                driver.join()
                return True
            case "pause":
                return self._pause()

    def _worker(self, title: str, driver: BaseProcess) -> bool:
        # A reader's title names its task only while it reads: look for it for a while.
        for _ in range(200):
            if found := self.nodes.workers(title):
                send(self.random.choice(found)[1], signal.SIGKILL)
                return True
            if driver.exitcode is not None:
                return False
            time.sleep(0.02)
        return False

    def _pause(self) -> bool:
        """Stop an actor and its node until its unit is tried elsewhere; then let both write."""
        found = self.nodes.workers("SegmentUnits")
        if not found:
            return False
        node, actor = self.random.choice(found)
        for pid in (raylet(node), actor):
            send(pid, signal.SIGSTOP)
        time.sleep(PAUSE_S)
        send(actor, signal.SIGCONT)
        time.sleep(RACE_S)
        send(raylet(node), signal.SIGCONT)
        self.nodes.replace(node)
        return True


def run(settings: Settings, folder: Path) -> Tally:
    """Label once undisturbed, then with kills until there were enough; check each output."""
    tally, watch = Tally(), Watch()
    with ExitStack() as stack:
        server = stack.enter_context(serve_s3())
        proxy = stack.enter_context(faulty(server, Faults({}, settings.seed, watch)))
        nodes = stack.enter_context(_cluster())
        bucket = create_bucket(server, f"crash-{uuid.uuid4().hex[:12]}")
        bucket = Bucket(bucket.name, storage_at(proxy))
        fill(bucket, folder, settings.images)
        job = Job(bucket, folder, nodes.address)
        _finish(job, "calm")
        calm = contents(bucket, "calm")
        units = sum(name.startswith("labels/") for name in calm)
        settings.say(f"undisturbed: {settings.images} images in {units} units")
        disturb = Disturbance(settings, Killer(nodes, random.Random(settings.seed)), watch, tally)  # noqa: S311 - what is killed is no secret
        for turn in range(1, settings.kills + 1):
            name, begun = f"run-{turn}", watch.begun
            disturb.run(job, name)
            tally.images += settings.images
            tally.extra_units += watch.begun - begun - units
            remains = inspect(bucket, name, calm, settings.images)
            tally.duplicates += remains.duplicates
            tally.losses += remains.losses
            tally.faults += remains.faults
            if tally.kills.total() >= settings.kills:
                break
    return tally


@contextmanager
def _cluster() -> Iterator[Nodes]:
    nodes = Nodes()
    try:
        yield nodes
    finally:
        nodes.cluster.shutdown()


def _finish(job: Job, output: str) -> None:
    driver = job.start(output)
    driver.join()
    if code := driver.exitcode:
        raise RuntimeError(f"a plain run ended with {code}:\n{job.log(output).read_text()[-4000:]}")


@dataclass(frozen=True)
class Disturbance:
    """Labels one output after the other, with kills on the way."""

    settings: Settings
    killer: Killer
    watch: Watch
    tally: Tally

    def run(self, job: Job, name: str) -> None:
        """Start drivers until one ends well; then once more, which must do nothing and end well."""
        self.watch.commits_to_kill.extend(COMMITS)
        while self._drive(job, name) != 0:
            self.tally.reruns += 1
        self.tally.reruns += 1
        _finish(job, name)

    def _drive(self, job: Job, name: str) -> int:
        """Run one driver, killing until there were enough kills; return its exit code."""
        parts, at_commit = self.watch.parts, self.watch.killed_at_commit
        driver = self.watch.driver = job.start(name)
        while driver.exitcode is None:
            if self.tally.kills.total() >= self.settings.kills:
                driver.join()
            elif self.watch.parts == parts:
                time.sleep(0.05)  # not at work yet: nothing would be lost
            else:
                time.sleep(self.killer.random.uniform(*self.settings.wait_s))
                kind = self._next_kind()
                if driver.exitcode is None and self.killer.kill(kind, driver):
                    self._count(kind, name)
                    # Half of the time strike once work goes on, else while it still recovers.
                    parts = self.watch.parts if self.killer.random.random() < 0.5 else -1
        if self.watch.killed_at_commit > at_commit:
            self._count("driver at its commit", name)
        driver.join()
        assert driver.exitcode is not None, "it has ended"
        return driver.exitcode

    def _next_kind(self) -> Kind:
        kinds = self.settings.kinds
        if self.settings.in_order:
            return kinds[self.tally.kills.total() % len(kinds)]
        return self.killer.random.choice(kinds)

    def _count(self, kind: str, name: str) -> None:
        self.tally.kills[kind] += 1
        self.settings.say(f"{name}: kill {self.tally.kills.total()}: {kind}")
