"""The platform as a state machine: any order of requests, of what agents do with them, and of what goes wrong.

Each request is answered as `beliefs` expects, and after each step the platform holds exactly what its users believe.
"""

import copy
import functools
import itertools
import json
import sys
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Literal, get_args
from urllib.parse import quote

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from tests.controlplane.cloud import KINDS_BY_NAME
from tests.model import invariants
from tests.model.beliefs import PLURALS, Answered, Codes, JobBelief, Project, Room, Thing
from tests.model.world import PROJECTS, Stage

from groundplane.contracts.specs import SpecKind
from groundplane.controlplane.gateway.idempotency import HEADER, REPLAYED_HEADER
from groundplane.controlplane.gateway.views import JOB_PREFIX
from groundplane.controlplane.resources.manager import CORRECTION
from groundplane.controlplane.resources.pages import Sort
from groundplane.controlplane.resources.project import PROJECT
from groundplane.controlplane.resources.quota import dimensions
from groundplane.dataplane.providers.simulated import Injection
from groundplane.kernel.database import Row
from groundplane.kernel.ids import format_id, parse_id

NAMES = ("a", "b", "c", "d")
"""What is made is called so, or NAME-1, NAME-2 …"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDGY0KZlLWzJtV0nSsRzWQcYb1xQ0aVt7ylQ2mE0v5mH somebody"
REFERENCES = {
    "network": "network", "subnet": "subnet", "security_groups": "security_group", "image": "image", "volume": "volume",
    "volumes": "volume", "port": "port", "ssh_keys": "ssh_key",
}  # fmt: skip
"""The fields of requests that name another resource, and its kind."""

How = Literal["plainly", "dry", "with key 1", "with key 2"]
Json = dict[str, Any]

projects = st.sampled_from(("red", "red", "red", "blue"))
names = st.sampled_from(NAMES)
hows = st.sampled_from(("plainly", "plainly", "plainly", "plainly", "with key 1", "with key 2", "dry"))
counts = st.sampled_from((None, None, None, None, 1, 2, 3))
labels = st.sampled_from(({}, {}, {"env": "prod"}, {"env": "test", "tier": "web"}))
kinds = st.sampled_from((*PLURALS, "vm", "vm", "vm", "volume", "volume", "port", "port"))
WHICH = ("newest", "newest", "id/newest", "second", "id/oldest", "oldest", "nobody", "other/newest")
whiches = st.sampled_from(WHICH)


def one_of_these(*usual: str) -> st.SearchStrategy[str]:
    """A reference, mostly to what is there: see Platform._reference."""
    return st.sampled_from((*usual * 3, *WHICH))


networks, subnets, images = one_of_these("lan"), one_of_these("lan"), one_of_these("image", "large")
groups = st.lists(whiches, max_size=2)
addresses = st.sampled_from(("10.0.0.1", "10.0.0.5", "10.0.0.6", "10.0.0.7", "10.1.0.3"))
sizes = st.integers(1, 5)


def spec_of(required: Mapping[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """A spec with these fields, the optional ones now and then."""
    return st.fixed_dictionaries(dict(required), optional=optional)


ports = spec_of({"network": networks}, subnet=subnets, address=addresses, security_groups=groups)
volumes = spec_of({"size_gib": sizes}, image=images)
new_nics = spec_of({"network": networks}, address=addresses, security_groups=groups)
given_ports = spec_of({"port": whiches})
vms = spec_of(
    {
        "vcpus": st.integers(1, 4),
        "memory_mib": st.sampled_from((512, 1024, 3000)),
        "root_volume": st.one_of(spec_of({"image": images, "size_gib": sizes}), spec_of({"volume": whiches})),
    },
    nics=st.lists(st.one_of(new_nics, given_ports), max_size=2),
    volumes=st.lists(whiches, max_size=2),
    ssh_keys=st.lists(whiches, max_size=1),
    user_data=st.just("#cloud-config"),
)
plain_vms = spec_of(
    {
        "vcpus": st.just(1),
        "memory_mib": st.just(512),
        "root_volume": spec_of({"image": st.just("image"), "size_gib": st.just(1)}),
        "nics": st.sampled_from(([], [{"network": "lan"}])),
    }
)
rules_of_groups = st.sampled_from(([], [{"direction": "ingress"}], [{"direction": "egress", "remote": "self"}]))
others: st.SearchStrategy[tuple[str, Json]] = st.one_of(
    st.tuples(st.just("network"), st.just({})),
    st.tuples(st.just("security_group"), spec_of({"rules": rules_of_groups})),
    st.tuples(st.just("ssh_key"), spec_of({"public_key": st.sampled_from((KEY, KEY, "this is not a public key at all"))})),
    st.tuples(
        st.just("subnet"),
        spec_of({"network": networks, "cidr": st.sampled_from(("10.0.0.0/29", "10.0.0.0/24", "10.1.0.0/29"))}),
    ),
)
changes: st.SearchStrategy[tuple[str, Json]] = st.one_of(
    st.tuples(st.just("volume"), spec_of({"size_gib": sizes})),
    st.tuples(st.just("port"), spec_of({"security_groups": groups})),
    st.tuples(st.just("security_group"), spec_of({"rules": rules_of_groups})),
)
limits = st.dictionaries(st.sampled_from(dimensions(KINDS_BY_NAME.values())), st.integers(0, 6), max_size=3)


@functools.cache
def furniture(stage: Stage) -> Mapping[str, dict[str, Thing]]:
    """What every world begins with, by project and id."""
    world = stage.run(stage.make())
    found: dict[str, dict[str, Thing]] = {}
    for project, kind in itertools.product(PROJECTS, PLURALS):
        answer = stage.run(world.call(project, "GET", f"{world.below(project)}/{PLURALS[kind]}"))
        found.setdefault(project, {}).update({view["id"]: _thing(view) for view in answer.json()["items"]})
    stage.run(stage.strike())
    return found


class Platform(RuleBasedStateMachine):
    """One example: a fresh world, what its users believe of it, and what happens."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.projects = {name: Project(name, copy.deepcopy(things)) for name, things in furniture(stage).items()}
        self.world = stage.run(stage.make())
        self.cloud = self.world.cloud
        self.held: dict[str, tuple[str, str]] = {}
        """Whose change which job holds, and that job's reason."""
        self.reached: dict[str, Json | None] = {}
        """What an engine confirmed last of each spec."""
        stage.run(self._check())

    def teardown(self) -> None:
        """All comes to rest; then whatever was accepted has ended as it should."""
        try:
            if sys.exc_info()[0] is None:
                self.stage.run(self._end())
        finally:
            self.stage.run(self.stage.strike())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        """One step; after it the platform holds what its users believe, and its own sums are right."""
        self.stage.run(work)
        self.stage.run(self._check())

    # What users ask.

    @rule(project=projects, name=names, spec=plain_vms, how=hows)
    def create_plain_vm(self, project: str, name: str, spec: Json, how: How) -> None:
        """One that mostly fits."""
        self._do(self._create(project, "vm", name, spec, how))

    @rule(project=projects, name=names, spec=vms, count=counts, labels=labels, how=hows)
    def create_vm(self, project: str, name: str, spec: Json, count: int | None, labels: Json, how: How) -> None:
        """Any machine."""
        self._do(self._create(project, "vm", name, spec, how, count=count, labels=labels))

    @rule(project=projects, name=names, spec=volumes, count=counts, labels=labels, how=hows)
    def create_volume(self, project: str, name: str, spec: Json, count: int | None, labels: Json, how: How) -> None:
        """Any volume."""
        self._do(self._create(project, "volume", name, spec, how, count=count, labels=labels))

    @rule(project=projects, name=names, spec=ports, count=counts, how=hows)
    def create_port(self, project: str, name: str, spec: Json, count: int | None, how: How) -> None:
        """Any port."""
        self._do(self._create(project, "port", name, spec, how, count=count))

    @rule(project=projects, name=names, other=others, count=counts, labels=labels, how=hows)
    def create(self, project: str, name: str, other: tuple[str, Json], count: int | None, labels: Json, how: How) -> None:
        """Anything else."""
        self._do(self._create(project, *(other[0], name, other[1]), how, count=count, labels=labels))

    @rule(project=projects, kind=kinds, which=whiches, to=st.none() | names, labels=st.none() | labels, how=hows)
    def rename(self, project: str, kind: str, which: str, to: str | None, labels: Json | None, how: How) -> None:
        """Another name, other labels, or neither."""
        body = {key: value for key, value in (("name", to), ("labels", labels)) if value is not None}
        self._do(self._update(project, kind, which, body, how))

    @rule(project=projects, which=whiches, change=changes, how=hows)
    def change(self, project: str, which: str, change: tuple[str, Json], how: How) -> None:
        """Another size, other groups, other rules."""
        self._do(self._update(project, change[0], which, {"spec": change[1]}, how))

    @rule(project=projects, which=whiches, verb=st.sampled_from(("start", "stop", "reboot")), how=hows)
    def power(self, project: str, which: str, verb: str, how: How) -> None:
        """Another power."""
        self._do(self._act(project, which, verb, how))

    @rule(project=projects, kind=kinds, which=whiches, how=hows)
    def delete(self, project: str, kind: str, which: str, how: How) -> None:
        """Anything."""
        self._do(self._delete(project, kind, which, how))

    @rule(project=projects, kind=st.sampled_from(("vm", "vm", "volume", "port")), which=whiches)
    def delete_plainly(self, project: str, kind: str, which: str) -> None:
        """What agents must remove."""
        self._do(self._delete(project, kind, which, "plainly"))

    @rule(project=projects, number=st.integers(0, 2), how=hows)
    def cancel(self, project: str, number: int, how: How) -> None:
        """One of the newest jobs, of those that run if any does."""
        self._do(self._change_job(project, number, "cancel", how))

    @rule(project=projects, number=st.integers(0, 2), how=hows)
    def retry(self, project: str, number: int, how: How) -> None:
        """One of the newest jobs, of those that failed or wait if any did."""
        self._do(self._change_job(project, number, "retry", how))

    @rule(project=projects, limits=limits)
    def limit(self, project: str, limits: dict[str, int]) -> None:
        """Operators set a project's quota; what is used already stays."""
        self._do(self._limit(project, limits))

    @rule(project=projects, number=st.integers(0, 3), same=st.booleans())
    def send_again(self, project: str, number: int, same: bool) -> None:
        """A granted request comes again with its key: the same, or another."""
        self._do(self._send_again(project, number, same))

    @rule(
        project=projects,
        kind=kinds,
        limit=st.sampled_from((1, 2, 50)),
        name=st.none() | names,
        whole=st.booleans(),
        labels=labels,
        sort=st.sampled_from(get_args(Sort)),
    )
    def read(self, project: str, kind: str, limit: int, name: str | None, whole: bool, labels: Json, sort: Sort) -> None:
        """A list, page by page, of what filters let through, in an order; and each of it."""
        self._do(self._read(project, kind, limit, name, labels, sort, whole=whole))

    @rule(project=projects, kind=kinds, which=whiches)
    def look_at_the_links(self, project: str, kind: str, which: str) -> None:
        """What one resource uses and is used by; and the project as a picture."""
        self._do(self._look_at_the_links(project, kind, which))

    @rule(project=projects, kind=kinds, which=whiches, name=names)
    def look_for_something(self, project: str, kind: str, which: str, name: str) -> None:
        """By id, by the beginning of a name, by label; and how much there is of all."""
        self._do(self._look_for_something(project, kind, which, name))

    @rule(project=projects, kind=kinds, which=whiches)
    def others_try(self, project: str, kind: str, which: str) -> None:
        """Another tenant sees nothing and does nothing; a viewer sees all and does nothing."""
        self._do(self._others_try(project, kind, which))

    # What happens to it.

    @rule(fault=st.sampled_from((None, None, None, "transient", "permanent")), after=st.booleans())
    def agents_work(self, fault: Any, after: bool) -> None:
        """All tasks are carried out and reported; the first call may fail, before or after it did something."""
        if fault:
            self.cloud.engine.injections.add(Injection("error_after" if after else "error", fault_class=fault, count=1))
        self._do(self.cloud.run())

    @rule(project=projects, meanwhile=st.sampled_from(("cancel", "delete", "nothing")), which=whiches)
    def an_agent_is_late(self, project: str, meanwhile: str, which: str) -> None:
        """It took the newest task; its report arrives when workers asked anew, or what it did is not wanted any more."""
        self._do(self.world.take_task(-1, "is told late"))
        if meanwhile == "cancel":
            self._do(self._change_job(project, 0, "cancel", "plainly"))
        elif meanwhile == "delete":
            self._do(self._delete(project, "volume", which, "plainly"))
        self._do(self._time_passes(31))
        self._do(self.world.deliver_late_reports())

    @rule(
        number=st.integers(0, 3),
        fate=st.sampled_from(("is told", "is told twice", "is told late", "comes again", "is lost")),
    )
    def an_agent_takes_a_task(self, number: int, fate: str) -> None:
        """One task, in any order."""
        self._do(self.world.take_task(number, fate))

    @rule(number=st.integers(0, 1), fate=st.sampled_from(("is told late", "is lost")), seconds=st.sampled_from((16, 31, 61)))
    def an_agent_says_nothing(self, number: int, fate: str, seconds: int) -> None:
        """One task goes unanswered until workers look what became of it."""
        self._do(self._say_nothing(number, fate, seconds))

    @rule()
    def late_reports_arrive(self) -> None:
        """What agents found earlier."""
        self._do(self.world.deliver_late_reports())

    @rule()
    def late_tasks_arrive(self) -> None:
        """What was carried out before is carried out again."""
        self._do(self.world.deliver_late_tasks())

    @rule(
        effect=st.sampled_from(("error", "error_after")),
        fault_class=st.sampled_from(("transient", "permanent")),
        verb=st.sampled_from((None, "ensure", "remove", "remove")),
        count=st.integers(1, 7),
    )
    def engines_will_fail(self, effect: Any, fault_class: Any, verb: Any, count: int) -> None:
        """So many of the next calls go wrong, before or after they did something."""
        self.cloud.engine.injections.add(Injection(effect, verb=verb, fault_class=fault_class, count=count))

    @rule(seconds=st.sampled_from((1, 31, 61, 700, 2000)))
    def time_passes(self, seconds: int) -> None:
        """Workers look at what is due."""
        self._do(self._time_passes(seconds))

    @rule()
    def workers_settle_it(self) -> None:
        """No job runs any more."""
        self._do(self.cloud.settle())

    @rule(
        project=projects,
        which=whiches,
        what=st.sampled_from(("destroy", "shutdown", "crash", "start", "delete")),
        told=st.booleans(),
    )
    def somebody_tampers_with_a_vm(self, project: str, which: str, what: str, told: bool) -> None:
        """Behind the platform's back; the engine's event arrives, or is lost."""
        self._do(self._tamper(project, "vm", which, what, told))

    @rule(project=projects, kind=st.sampled_from(("port", "security_group")), which=whiches, told=st.booleans())
    def somebody_deletes(self, project: str, kind: SpecKind, which: str, told: bool) -> None:
        """Behind the platform's back."""
        self._do(self._tamper(project, kind, which, "delete", told))

    @rule()
    def workers_look_and_correct(self) -> None:
        """An inventory of everything arrives, and what differs is corrected as far as that is due."""
        self._do(self._look_and_correct())

    # Requests.

    async def _create(
        self, project: str, kind: str, name: str, spec: Json, how: How, *, count: int | None = None, labels: Json | None = None
    ) -> None:
        belief = self.projects[project]
        spec = self._resolved(project, spec)
        body = {"name": name, "labels": labels or {}, "spec": spec, **({"count": count} if count else {})}
        wanted = [name] if count is None else [f"{name}-{number}" for number in range(1, count + 1)]
        made = list(belief._made_with(kind, wanted, spec))
        codes = belief.create(kind, wanted, spec, await self._room())
        status = 201 if kind == "ssh_key" else 202
        answer = await self._send(project, "POST", PLURALS[kind], body, how, codes, status)
        if answer is not None and how == "dry":
            amounts: Counter[str] = Counter()
            for each in made:
                amounts.update(each.amounts)
            effect = {name: each["after"] - each["used"] for name, each in answer["quota"].items()}
            assert effect == dict(+amounts), f"the plan's effect on the quota is {effect}, and not {dict(amounts)}"
            assert answer["created_count"] == len(made), f"{answer['created_count']} are planned, and not {len(made)}"
        elif answer is not None:
            items = [answer] if count is None else answer["items"]
            told = [item["name"] for item in items]
            assert told == wanted, f"{told} were made, and not {wanted}"
            for item in items:
                await self._adopt(project, item, body)

    async def _adopt(self, project: str, view: Json, asked: Json) -> None:
        """Believe what a request was granted, if that is what was asked."""
        spec = asked["spec"]
        for name in ("size_gib", "vcpus", "memory_mib", "cidr", "mtu", "address"):
            got = view["spec"].get(name)
            assert got == spec.get(name, got), f"{name} is {got}, and not {spec[name]}"
        assert view["labels"] == asked["labels"], f"labels are {view['labels']}, and not {asked['labels']}"
        thing = _thing(view)
        self.projects[project].things[thing.id] = thing
        for part in thing.parts:
            kind = "volume" if part.startswith(KINDS_BY_NAME["volume"].prefix) else "port"
            await self._learn(project, kind, part)

    async def _learn(self, project: str, kind: str, reference: str) -> Thing:
        """Read what cannot be foretold."""
        answer = await self.world.call(project, "GET", f"{self.world.below(project)}/{PLURALS[kind]}/{reference}")
        assert answer.status_code == 200, f"{kind} {reference} was granted and is not there: {answer.text}"
        thing = _thing(answer.json())
        self.projects[project].things[thing.id] = thing
        return thing

    async def _update(self, project: str, kind: str, which: str, body: Json, how: How) -> None:
        belief, reference = self.projects[project], self._reference(project, kind, which)
        if "spec" in body:
            body = {**body, "spec": self._resolved(project, body["spec"])}
        thing = belief.named(kind, reference)
        codes = {"not_found"}
        if thing is not None:
            busy = self.held.get(thing.id, ("", CORRECTION))[1] != CORRECTION
            codes = belief.update(thing, body.get("name"), body.get("spec"), await self._room(), busy=busy)
        path, status = f"{PLURALS[kind]}/{reference}", 202 if "spec" in body else 200
        answer = await self._send(project, "PATCH", path, body, how, codes, status)
        if answer is None or thing is None or how == "dry":
            return
        thing.name, thing.labels = body.get("name", thing.name), body.get("labels", thing.labels)
        if "spec" in body:
            thing.spec, thing.uses = answer["spec"], _uses(kind, answer["spec"])
            size = body["spec"].get("size_gib")
            assert thing.spec.get("size_gib") == size, f"the size is {thing.spec.get('size_gib')}, and not {size}"

    async def _act(self, project: str, which: str, verb: str, how: How) -> None:
        belief, reference = self.projects[project], self._reference(project, "vm", which)
        vm = belief.named("vm", reference)
        codes = {"not_found"}
        if vm is not None:
            codes = {"being_deleted"} if vm.leaving else set()
            if not codes and self.held.get(vm.id, ("", CORRECTION))[1] != CORRECTION:
                codes = {"change_in_progress"}
        answer = await self._send(project, "POST", f"vms/{reference}/{verb}", None, how, codes, 202)
        if answer is None or vm is None or how == "dry":
            return
        vm.spec = {**vm.spec, "power": "stopped" if verb == "stop" else "running",
                   "reboots": vm.spec["reboots"] + (verb == "reboot")}  # fmt: skip
        assert answer["spec"] == vm.spec, f"{verb} made {answer['spec']}, and not {vm.spec}"

    async def _delete(self, project: str, kind: str, which: str, how: How) -> None:
        belief, reference = self.projects[project], self._reference(project, kind, which)
        thing = belief.named(kind, reference)
        codes = {"not_found"} if thing is None else belief.delete(thing)
        status = 200 if kind == "ssh_key" else 202
        answer = await self._send(project, "DELETE", f"{PLURALS[kind]}/{reference}", None, how, codes, status)
        if answer is not None and thing is not None and how != "dry":
            belief.leave(thing)

    async def _change_job(self, project: str, number: int, verb: Literal["cancel", "retry"], how: How) -> None:
        belief = self.projects[project]
        fitting = [job for job in belief.jobs if (not job.ended if verb == "cancel" else job.state in {"FAILED", "RETRYING"})]
        jobs = fitting or belief.jobs
        if number >= len(jobs):
            await self._send(project, "POST", f"jobs/{format_id(JOB_PREFIX, self.cloud.agent_id)}/{verb}", None, how,
                             {"not_found"}, 202)  # fmt: skip
            return
        job = jobs[-1 - number]
        codes = self._against_cancel(belief, job) if verb == "cancel" else self._against_retry(belief, job)
        answer = await self._send(project, "POST", f"jobs/{job.id}/{verb}", None, how, codes, 202)
        if answer is None or how == "dry" or verb == "retry" or job.cancelled:
            return
        for each in self._open(belief, job):
            thing = belief.things.get(each.thing_id)
            if thing is None or each.cancelled:
                continue
            if each.verb == "create":
                belief.leave(thing)
            else:
                leaving = thing.leaving
                (await self._learn(project, thing.kind, thing.id)).leaving = leaving

    def _open(self, belief: Project, job: JobBelief) -> list[JobBelief]:
        family = [child for child in belief.jobs if child.parent_id == job.id] if job.verb == "bulk" else [job]
        return [each for each in family if not each.ended]

    def _against_cancel(self, belief: Project, job: JobBelief) -> Codes:
        if job.ended:
            return {"job_ended"}
        if job.cancelled:
            return set()
        family = [each for each in self._open(belief, job) if not each.cancelled]
        return set() if all(self._can_be_undone(belief, each) for each in family) else {"not_cancellable"}

    def _can_be_undone(self, belief: Project, job: JobBelief) -> bool:
        thing = belief.things.get(job.thing_id)
        if thing is None or job.verb not in {"create", "update"}:
            return False
        if job.verb == "create":
            whole = {thing.id, *thing.parts}
            users = [user for each in whole if each in belief.things for user in belief.users_of(belief.things[each])]
            return all(user.id in whole for user in users)
        reached = self.reached.get(thing.id)
        return reached is not None and (thing.kind != "volume" or reached["size_gib"] == thing.spec["size_gib"])

    def _against_retry(self, belief: Project, job: JobBelief) -> Codes:
        if not job.ended:
            return set() if job.state == "RETRYING" else {"not_retryable"}
        thing = belief.things.get(job.thing_id)
        if job.state == "SUCCEEDED" or job.verb == "bulk" or thing is None or thing.leaving != (job.verb == "delete"):
            return {"not_retryable"}
        touched = [thing.id, *(thing.parts if job.verb in {"create", "delete"} else ())]
        return {"change_in_progress"} if any(each in self.held for each in touched) else set()

    async def _limit(self, project: str, limits: dict[str, int]) -> None:
        path = f"ops/v1/projects/{PROJECT.public_id(self.world.projects[project])}/quota"
        answer = await self.world.call("operator", "PUT", path, body=limits)
        assert answer.status_code == 200, answer.text
        await self._is_audited(answer, "allowed", None)
        belief = self.projects[project]
        belief.limits = limits
        used = {name: each["used"] for name, each in answer.json()["dimensions"].items() if each["used"]}
        assert used == dict(+belief.used()), f"{used} is used, and not {dict(belief.used())}"
        refused = await self.world.call(project, "PUT", path, body={})
        assert refused.status_code in {403, 404}, refused.text
        await self._is_audited(refused, "denied", refused.json()["code"])

    async def _send(
        self, project: str, method: str, path: str, body: Json | None, how: How, codes: Codes, status: int
    ) -> Json | None:
        """Send a request and see that it is answered as expected; its body if it was granted (dry: the plan)."""
        belief, path = self.projects[project], f"{self.world.below(project)}/{path}"
        key = how.removeprefix("with ").replace(" ", "-") if how.startswith("with") else None
        before = next((each for each in belief.answered if (each.method, each.path, each.key) == (method, path, key)), None)
        if before is not None:
            await self._replay(project, before, body)
            return None
        if how == "dry":
            return await self._try(project, method, path, body, codes, status)
        answer = await self.world.call(project, method, path, body=body, key=key)
        if _refusable(answer, codes):
            await self._is_refused(answer, codes)
            return None
        assert answer.status_code == status, f"{answer.status_code} and not {status}: {answer.text}"
        await self._is_audited(answer, "allowed", None)
        if key is not None:
            granted = Answered(method, path, "", key, body, status, answer.text, answer.headers.get("Location"))
            belief.answered.append(granted)
        granted_body: Json = answer.json()
        return granted_body

    async def _try(self, project: str, method: str, path: str, body: Json | None, codes: Codes, status: int) -> Json | None:
        before = await self._fingerprint()
        answer = await self.world.call(project, method, path, body=body, query="?dry_run=true")
        after = await self._fingerprint()
        changed = [name for name in before if before[name] != after[name]]
        assert not changed, f"a dry run changed {changed}"
        if _refusable(answer, codes):
            assert answer.json().get("code") in _plain(codes), f"{answer.status_code} and none of {codes}: {answer.text}"
            return None
        assert answer.status_code == 200, f"{answer.status_code}: {answer.text}"
        plan: Json = answer.json()
        assert plan["status"] == status, f"the plan says {plan['status']}, and not {status}"
        return plan

    async def _replay(self, project: str, before: Answered, body: Json | None) -> None:
        answer = await self.world.call(project, before.method, before.path, body=body, key=before.key)
        if json.dumps(body) != json.dumps(before.body):
            if before.body is None:  # none belongs there: what cannot be read is refused before it is known whose it is
                assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
                assert not await self._audited(answer), "what cannot be read has an audit row"
            else:
                await self._is_refused(answer, {"idempotency_key_reused"})
            return
        told = (answer.status_code, answer.text, answer.headers.get("Location"), answer.headers.get(REPLAYED_HEADER))
        assert told == (before.status, before.text, before.location, "true"), f"{HEADER} {before.key}: {told}"
        assert not await self._audited(answer), "a replay has an audit row of its own"

    async def _send_again(self, project: str, number: int, same: bool) -> None:
        answered = self.projects[project].answered
        if answered:
            before = answered[-1 - number % len(answered)]
            another = {**(before.body or {}), "labels": {"sent": "again"}}
            await self._replay(project, before, before.body if same else another)

    async def _is_refused(self, answer: httpx.Response, codes: Codes) -> None:
        assert answer.status_code in {403, 404, 409, 422}, f"{answer.status_code} and none of {codes}: {answer.text}"
        code = answer.json()["code"]
        assert code in _plain(codes), f"refused as {code} and not as {codes}: {answer.text}"
        await self._is_audited(answer, "failed", code)

    async def _is_audited(self, answer: httpx.Response, outcome: str, code: str | None) -> None:
        rows = await self._audited(answer)
        assert rows == [(outcome, code)], f"the audit log has {rows}, and not one row {(outcome, code)}"

    async def _audited(self, answer: httpx.Response) -> list[tuple[str, str | None]]:
        request_id = answer.headers["X-Request-Id"]
        rows = await self.cloud.fetch("SELECT outcome, code FROM audit_event WHERE request_id = $1", request_id)
        return [(row["outcome"], row["code"]) for row in rows]

    async def _read(
        self, project: str, kind: str, limit: int, name: str | None, labels: Json, sort: Sort, *, whole: bool
    ) -> None:
        query, found = f"?limit={limit}&sort={sort}", []
        prefix = (name or "")[:1] if not whole else ""
        query += f"&name_prefix={prefix}" if prefix else f"&name={name}" if name else ""
        query += "&label=" + ",".join(f"{key}={value}" for key, value in labels.items()) if labels else ""
        path, cursor = f"{self.world.below(project)}/{PLURALS[kind]}", ""
        while cursor is not None:
            page = await self.world.call(project, "GET", path, query=query + (f"&cursor={cursor}" if cursor else ""))
            assert page.status_code == 200, page.text
            body = page.json()
            assert len(body["items"]) <= limit
            found += [_shown(view) for view in body["items"]]
            cursor = body["next"]
        things = [thing for thing in self.projects[project].living(kind)
                  if (thing.name.startswith(prefix) if prefix else name in {None, thing.name})
                  and labels.items() <= thing.labels.items()]  # fmt: skip
        believed = sorted((thing.id, thing.name, thing.labels, thing.leaving) for thing in things)
        assert sorted(found) == believed, f"the list has {found}, and not {believed}"
        in_order = sorted(found, key=lambda shown: shown[1 if sort.endswith("name") else 0], reverse=sort.startswith("-"))
        assert found == in_order, f"the list has {found}, which is not by {sort}"
        for thing in things[:1]:
            one = await self.world.call(project, "GET", f"{path}/{thing.id}")
            assert one.status_code == 200, one.text
            assert _shown(one.json()) == (thing.id, thing.name, thing.labels, thing.leaving), one.text

    async def _look_at_the_links(self, project: str, kind: str, which: str) -> None:
        believed, below = self.projects[project], self.world.below(project)
        if thing := believed.named(kind, self._reference(project, kind, which)):
            answer = await self.world.call(project, "GET", f"{below}/{PLURALS[kind]}/{thing.id}/links")
            assert answer.status_code == 200, answer.text
            ends = {side: {link["resource"]["id"] for link in answer.json()[side]} for side in ("uses", "used_by")}
            assert ends == {"uses": thing.uses, "used_by": {other.id for other in believed.users_of(thing)}}
        answer = await self.world.call(project, "GET", f"{below}/topology")
        assert answer.status_code == 200, answer.text
        picture, things = answer.json(), list(itertools.chain.from_iterable(map(believed.living, PLURALS)))
        assert {node["id"] for node in picture["nodes"]} == {each.id for each in things}
        links = {(link["from"], link["to"]) for link in picture["links"]}
        assert links == {(each.id, used) for each in things for used in each.uses}

    async def _look_for_something(self, project: str, kind: str, which: str, name: str) -> None:
        believed, below = self.projects[project], self.world.below(project)
        things = list(itertools.chain.from_iterable(map(believed.living, PLURALS)))
        thing = believed.named(kind, self._reference(project, kind, which))
        asked = {name: {each.id for each in things if each.name.startswith(name)},
                 "env=prod": {each.id for each in things if each.labels.get("env") == "prod"}}  # fmt: skip
        for words, ids in (asked | ({thing.id: {thing.id}} if thing else {})).items():
            answer = await self.world.call(project, "GET", f"{below}/search", query=f"?limit=50&q={quote(words)}")
            assert answer.status_code == 200, answer.text
            found = {item["id"] for item in answer.json()["items"]}
            assert found == ids or (len(found) == 50 and found < ids), f"{words!r} finds {found}, and not {ids}"
        answer = await self.world.call(project, "GET", f"{below}/summary")
        assert answer.status_code == 200, answer.text
        totals = {each["kind"]: each["total"] for each in answer.json()["kinds"] if each["kind"] in PLURALS}
        assert totals == {kind: len(believed.living(kind)) for kind in PLURALS}

    async def _others_try(self, project: str, kind: str, which: str) -> None:
        stranger = next(other for other in PROJECTS if other != project)
        path = f"{self.world.below(project)}/{PLURALS[kind]}"
        reference = self._reference(project, kind, which)
        thing = self.projects[project].named(kind, reference)
        item = f"{path}/{thing.id if thing else reference}"
        for method, where in (("GET", path), ("GET", item), ("DELETE", item), ("PATCH", item)):
            body: Json | None = {} if method == "PATCH" else None
            hidden = await self.world.call(stranger, method, where, body=body)
            assert (hidden.status_code, hidden.json()["code"]) == (404, "not_found"), hidden.text
            await self._is_audited(hidden, "denied", "not_found")
        theirs = f"{self.world.below(stranger)}/{PLURALS[kind]}/{thing.id if thing else 'nothing'}"
        not_here = await self.world.call(stranger, "GET", theirs)
        assert not_here.status_code == 404, not_here.text
        viewer = f"viewer of {project}"
        assert (await self.world.call(viewer, "GET", path)).status_code == 200
        refused = await self.world.call(viewer, "DELETE", item)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden"), refused.text
        await self._is_audited(refused, "denied", "forbidden")

    # What happens.

    async def _say_nothing(self, number: int, fate: str, seconds: int) -> None:
        await self.world.take_task(number, fate)
        await self._time_passes(seconds)

    async def _time_passes(self, seconds: int) -> None:
        await self.cloud.pass_time(seconds)
        await self.cloud.resume()

    async def _tamper(self, project: str, kind: SpecKind, which: str, what: str, told: bool) -> None:
        thing = self.projects[project].named(kind, self._reference(project, kind, which))
        uuid = thing and parse_id(KINDS_BY_NAME[kind].prefix, thing.id)
        if thing is None or uuid is None or not self.cloud.holds(kind, uuid):
            return
        engine = self.cloud.engine
        if what == "delete":
            engine.outside_delete(kind, uuid)
        else:
            {"destroy": engine.outside_destroy, "shutdown": engine.outside_shutdown, "crash": engine.outside_crash,
             "start": engine.outside_start}[what](uuid)  # fmt: skip
        thing.may_stop_itself |= what == "shutdown"
        if told:
            await self.cloud.sees(kind, uuid)

    async def _look_and_correct(self) -> None:
        await self.cloud.look()
        await self.cloud.reconciler.record_failures(self.cloud.database)
        await self.cloud.correct()

    # What is compared.

    async def _check(self) -> None:
        wrong: list[str] = []
        async with self.cloud.database.transaction() as tx:
            for check in invariants.ALWAYS:
                wrong += await check(tx)
            wrong += await invariants.nothing_gone_is_held(tx, self.cloud.engine)
            resources = await tx.fetch("SELECT * FROM resource WHERE project_id = ANY($1) AND kind <> 'project'",
                                       list(self.world.projects.values()))  # fmt: skip
            jobs = await tx.fetch("SELECT * FROM job ORDER BY id")
            held = await tx.fetch(
                """SELECT kind, change_claim.resource_id, job.id, job.reason FROM change_claim
                   JOIN job ON job.id = job_id JOIN resource ON resource.id = change_claim.resource_id"""
            )
        self.held = {
            _public(row["kind"], row["resource_id"]): (format_id(JOB_PREFIX, row["id"]), row["reason"]) for row in held
        }
        self.reached = {_public(row["kind"], row["id"]): row["converged_spec"] for row in resources}
        for name, project_id in self.world.projects.items():
            belief = self.projects[name]
            wrong += _things_apart(belief, [row for row in resources if row["project_id"] == project_id])
            wrong += _jobs_apart(belief, [row for row in jobs if row["project_id"] == project_id])
        assert not wrong, "\n".join(wrong)

    async def _end(self) -> None:
        await self.world.come_to_rest()
        await self._check()
        wrong: list[str] = []
        async with self.cloud.database.transaction() as tx:
            for check in invariants.AT_REST:
                wrong += await check(tx)
            wrong += await invariants.engines_hold_what_is_wanted(tx, self.cloud.engine)
            kept = await tx.value("SELECT count(*) FROM idempotency_key")
        granted = sum(len(belief.answered) for belief in self.projects.values())
        wrong += [f"{kept} answers are kept, and {granted} were given under a key"] if kept != granted else []
        assert not wrong, "\n".join(wrong)

    async def _room(self) -> Room:
        hosts = await self.cloud.fetch(
            """SELECT host_id, vcpus - vcpus_used AS vcpus, memory_mib - memory_used AS memory_mib,
                      (SELECT gib - gib_used FROM pool_capacity WHERE pool_capacity.host_id = host_capacity.host_id) AS gib
               FROM host_capacity"""
        )
        volumes = await self.cloud.fetch("SELECT id, host_id FROM resource WHERE kind = 'volume' AND deleted_at IS NULL")
        return Room(
            {str(row["host_id"]): (row["vcpus"], row["memory_mib"], row["gib"]) for row in hosts},
            {_public("volume", row["id"]): str(row["host_id"]) for row in volumes},
        )

    async def _fingerprint(self) -> Mapping[str, object]:
        tables = await self.cloud.fetch(
            """SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname"""
        )
        sql = " UNION ALL ".join(
            f"SELECT '{row['relname']}' AS name, md5(string_agg(it::text, ' ' ORDER BY it::text)) AS content "  # noqa: S608
            f"FROM {row['relname']} AS it"
            for row in tables
        )
        return {row["name"]: row["content"] for row in await self.cloud.fetch(sql)} | {"tasks": len(self.cloud.tasks)}

    # References.

    def _reference(self, project: str, kind: str, text: str) -> str:
        """`newest`, `second`, `oldest` of the kind here, by name, or by `id/…`; `other/…` in the other project; or a name."""
        where, _, which = text.rpartition("/")
        owner = next(other for other in PROJECTS if other != project) if where == "other" else project
        things = self.projects[owner].living(kind)
        place = {"newest": -1, "second": -2, "oldest": 0}.get(which)
        if place is None:
            return which
        if len(things) < abs(place) or not things:
            return "nobody"
        return things[place].id if where else things[place].name

    def _resolved(self, project: str, spec: Json) -> Json:
        resolved: Json = {}
        for field, value in spec.items():
            if field in REFERENCES and isinstance(value, str):
                resolved[field] = self._reference(project, REFERENCES[field], value)
            elif field in REFERENCES:
                resolved[field] = [self._reference(project, REFERENCES[field], each) for each in value]
            elif isinstance(value, dict):
                resolved[field] = self._resolved(project, value)
            elif field == "nics":
                resolved[field] = [self._resolved(project, each) for each in value]
            else:
                resolved[field] = value
        return resolved


def _plain(codes: Codes) -> Codes:
    return {code.removesuffix("?") for code in codes}


def _refusable(answer: httpx.Response, codes: Codes) -> bool:
    """Must it be refused; or may it be, and was?"""
    return any(not code.endswith("?") for code in codes) or (bool(codes) and not answer.is_success)


def _public(kind: str, resource_id: Any) -> str:
    return KINDS_BY_NAME[kind].public_id(resource_id)


def _shown(view: Json) -> tuple[str, str, Json, bool]:
    return view["id"], view["name"], view["labels"], view["wanted"] == "absent"


def _thing(view: Json) -> Thing:
    kind, spec = view["kind"], view["spec"]
    parts = [each["volume"] for each in spec.get("disks", []) if each["owned"]]
    parts += [each["port"] for each in spec.get("nics", []) if each["owned"]]
    return Thing(kind, view["id"], view["name"], view["labels"], spec, _uses(kind, spec), parts, view["wanted"] == "absent")


def _uses(kind: str, spec: Json) -> set[str]:
    if kind == "vm":
        return {*(each["volume"] for each in spec["disks"]), *(each["port"] for each in spec["nics"])}
    named = [spec[field] for field in ("network", "subnet", "image") if spec.get(field)]
    return {*named, *spec.get("security_groups", [])}


def _things_apart(belief: Project, rows: Sequence[Row]) -> list[str]:
    """Where the project's resources are not those that its users believe in; what was to go may be gone, and is forgotten."""
    there = {_public(row["kind"], row["id"]): row for row in rows if row["deleted_at"] is None}
    wrong = [f"Nobody asked for {row['kind']} {row['name']}" for key, row in there.items() if key not in belief.things]
    for thing in list(belief.things.values()):
        row = there.get(thing.id)
        if row is None:
            del belief.things[thing.id]
            wrong += [] if thing.leaving else [f"The {thing.kind} {thing.name} is gone, and nobody deleted it"]
            continue
        if thing.may_stop_itself and row["spec"]["power"] == "stopped":
            thing.spec = {**thing.spec, "power": "stopped"}
        wanted = "absent" if thing.leaving else "present"
        told = {"name": thing.name, "labels": thing.labels, "wanted": wanted, "spec": _comparable(thing)}
        held = {name: row[name] for name in ("name", "labels", "wanted")} | {"spec": {
            name: row["spec"].get(name) for name in told["spec"]}}  # fmt: skip
        wrong += [] if told == held else [f"The {thing.kind} {thing.name} is {held}, and should be {told}"]
    return wrong


def _comparable(thing: Thing) -> Json:
    return {name: value for name, value in thing.spec.items() if value is not None}


def _jobs_apart(belief: Project, rows: Sequence[Row]) -> list[str]:
    """What became of the project's jobs; those that are new are believed in, but for the reconciler's own."""
    wrong = []
    for row in rows:
        if row["verb"] == "correct":
            continue
        job_id = format_id(JOB_PREFIX, row["id"])
        job = belief.job(job_id)
        if job is None:
            job = JobBelief(job_id, row["verb"], _public(row["resource_kind"], row["resource_id"]))
            job.parent_id = format_id(JOB_PREFIX, row["parent_id"]) if row["parent_id"] else None
            belief.jobs.append(job)
        if job.ended and row["state"] != job.state:
            wrong.append(f"Job {row['workflow']} had ended as {job.state} and is {row['state']} now")
        job.state, job.cancelled = row["state"], row["cancel_requested_at"] is not None
    return wrong
