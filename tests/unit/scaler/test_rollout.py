"""Rollouts case by case, and what holds whatever happens while they go on."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mesh.records import DeploymentRecord, DeploymentState
from mesh.spec.deployment import DeploymentSpec, MeshOptions, ScaleSettings
from mesh.spec.rollout import RolloutOptions
from scaler.crashes import Crashes, Ending
from scaler.reconcile import decide
from scaler.situation import Drain, Instance, Kill, Launch, Replace, Situation, wanted

NEW = DeploymentState(state="Creating")
OLD = DeploymentState(state="Succeeded", generation=1, serving=1, settled=4, ready=4)
FOUR = ("a", "b", "c", "d")


SCALE = ScaleSettings(type="target_utilization", min_instances=0, max_instances=6)


def record(generation=2, count=4, scale=None, **options):
    spec = DeploymentSpec(
        name="blue",
        endpoint_name="iris",
        instance_count=count,
        scale_settings=scale,
        mesh=MeshOptions(rollout=RolloutOptions(**options)),
    )
    return DeploymentRecord(spec=spec, generation=generation)


def instances(phase, *names, generation=1, **changes):
    return tuple(
        Instance(instance=name, generation=generation, phase=phase, **changes) for name in names
    )


def started(plan):
    """The generations that instances are started of."""
    return [action.generation for action in plan.actions if isinstance(action, Launch)]


def drained(plan):
    """The instances that are drained."""
    return {action.instance for action in plan.actions if isinstance(action, Drain)}


@pytest.mark.parametrize(
    ("options", "launched", "gone"),
    [
        pytest.param({}, 1, 0, id="20 % of 4, rounded up"),
        pytest.param({"max_surge": 3}, 3, 0, id="a number"),
        pytest.param({"max_surge": "100%"}, 4, 0, id="all at once"),
        pytest.param({"max_surge": 0, "max_unavailable": 1}, 1, 1, id="in the place of an old one"),
        pytest.param({"max_surge": 1, "max_unavailable": "25%"}, 2, 1, id="both"),
        pytest.param({"max_surge": 0, "max_unavailable": "20%"}, 1, 1, id="never nothing at all"),
    ],
)
def test_the_first_wave(options, launched, gone):
    """As many new ones as the surge and what may be unavailable allow, as many old ones go."""
    seen = Situation(record=record(**options), state=OLD, instances=instances("ready", *FOUR))

    plan = decide(seen, 0.0)

    assert (len(started(plan)), len(drained(plan))) == (launched, gone)


@pytest.mark.parametrize("phase", ["starting", "probation", "unready", "silent", "failed"])
def test_the_next_wave_waits_for_the_last(phase):
    """What is not ready yet is no reason for an old one to go, nor for another to start."""
    seen = Situation(
        record=record(),
        state=OLD,
        instances=instances("ready", *FOUR) + instances(phase, "e", generation=2),
    )

    assert decide(seen, 0.0).actions == ()


def test_a_suspect_ends_the_rollout():
    """It fails with the instance and its figures; the new ones that are not ready go at once."""
    seen = Situation(
        record=record(max_surge=2),
        state=OLD,
        instances=instances("ready", *FOUR)
        + instances("suspect", "e", generation=2, reason="20 of 20 answers failed")
        + instances("probation", "f", generation=2),
    )

    plan = decide(seen, 0.0)

    assert drained(plan) == {"e", "f"}
    assert (plan.state.state, plan.state.serving, plan.state.failed_generation) == ("Failed", 1, 2)
    assert plan.state.reason == "instance e is suspect: 20 of 20 answers failed"
    assert plan.state.failures == {2: plan.state.reason}


def test_a_rollout_that_fails_midway_goes_back_in_waves():
    """New ones that are ready stay until an old one is in their place."""
    state = replace(OLD, state="Failed", failed_generation=2, reason="suspect")
    seen = Situation(
        record=record(),
        state=state,
        instances=instances("ready", "a") + instances("ready", "e", "f", "g", generation=2),
    )

    begun = decide(seen, 0.0)
    on = decide(replace(seen, instances=(*seen.instances, *instances("ready", "h"))), 0.0)

    assert (started(begun), drained(begun)) == ([1], set())
    assert (started(on), drained(on)) == ([1], {"e"})


@pytest.mark.parametrize(
    ("phase", "for_s", "has_failed"),
    [("starting", 61, True), ("unready", 61, True), ("unready", 59, False), ("ready", 99, False)],
)
def test_an_instance_that_does_not_become_ready_in_time(phase, for_s, has_failed):
    """After `progress_deadline_s` the rollout has failed, and says which instance and how long."""
    seen = Situation(
        record=record(progress_deadline_s=60),
        state=OLD,
        instances=instances("ready", *FOUR) + instances(phase, "e", generation=2, for_s=for_s),
    )

    state = decide(seen, 0.0).state

    assert (state.state == "Failed") is has_failed
    assert ("instance e is" in state.reason and "60 s are given" in state.reason) is has_failed


def test_the_count_is_changed_before_the_rest():
    """Of an update of both, first the old generation gets the new count."""
    short = Situation(
        record=record(max_surge=2), state=OLD, instances=instances("ready", "a", "b", "c")
    )
    coming = replace(short, instances=short.instances + instances("starting", "d"))
    whole = replace(short, instances=short.instances + instances("ready", "d"))

    assert started(decide(short, 0.0)) == [1]
    assert started(decide(coming, 0.0)) == []
    assert started(decide(whole, 0.0)) == [2, 2]


def test_an_old_generation_that_crashes_does_not_stop_its_remedy():
    """It is made up for when it is due; the new one starts beside it."""
    seen = Situation(
        record=record(),
        state=OLD,
        instances=instances("starting", "a", "b", "c"),
        crashes={1: Crashes(count=4, retry_at_s=10.0)},
    )

    assert started(decide(seen, 5.0)) == [2]


def test_an_update_during_an_update():
    """The generation in between gives way first, its ready instances only for those of the next."""
    seen = Situation(
        record=record(generation=3),
        state=OLD,
        instances=instances("ready", "a", "b")
        + instances("ready", "e", "f", generation=2)
        + instances("starting", "g", generation=2),
    )

    begun = decide(seen, 0.0)
    on = decide(
        replace(seen, instances=seen.instances[:4] + instances("ready", "h", generation=3)), 0.0
    )

    assert (started(begun), drained(begun)) == ([3], {"g"})
    assert drained(on) == {"e"}


def test_suspects_of_what_serves_are_replaced_one_after_the_other():
    """Never all at once: the next one's turn comes when the last one's successor is ready."""
    suspects = instances("suspect", "a", "b", "c", reason="9 of 10 failed")
    seen = Situation(record=record(1), state=OLD, instances=suspects + instances("ready", "d"))
    going = instances("draining", "a") + suspects[1:] + instances("starting", "e", "d")

    assert decide(seen, 0.0).actions == (Replace("a", 1, "9 of 10 failed"),)
    assert decide(replace(seen, instances=going), 0.0).actions == ()


def test_a_suspect_is_not_replaced_before_its_back_off():
    """The wait after a crash holds for suspects; the reason is shown meanwhile."""
    seen = Situation(
        record=record(1),
        state=OLD,
        instances=instances("suspect", "a") + instances("ready", "b", "c", "d"),
        crashes={1: Crashes(count=2, retry_at_s=10.0, reason="9 of 10 failed")},
    )

    early, due = decide(seen, 5.0), decide(seen, 10.0)

    assert (early.actions, early.state.reason) == ((), "9 of 10 failed (crash 2 in a row)")
    assert due.actions == (Replace("a", 1, "suspect"),)


def test_an_unready_instance_is_left_alone():
    """It comes back by itself: neither ended nor made up for, and the reason says which it is."""
    seen = Situation(
        record=record(1),
        state=OLD,
        instances=instances("ready", "a", "b", "c")
        + instances("unready", "d", reason="no database", for_s=9999),
    )

    plan = decide(seen, 0.0)

    assert (plan.actions, plan.state.ready) == ((), 3)
    assert plan.state.reason == "instance d is unready: no database"


def test_one_instance_proves_the_new_generation_of_what_sleeps():
    """Of the old one nothing is woken."""
    seen = Situation(record=record(scale=SCALE), state=replace(OLD, settled=0, target=1))

    plan = decide(seen, 0.0)
    proven = decide(replace(seen, instances=instances("ready", "e", generation=2)), 0.0)

    assert started(plan) == [2]
    assert proven.state.serving == 2


class World:
    """A deployment's processes as a launcher would have them, driven by plans."""

    def __init__(self, options):
        self.options = options
        self.seen = Situation(record=record(1, 2, **options), state=NEW)
        self.now_s = 0.0
        self.started = 0

    @property
    def count(self):
        return wanted(self.seen.record, self.seen.state)

    @property
    def ready(self):
        return sum(i.phase == "ready" for i in self.seen.instances)

    @property
    def living(self):
        return [i for i in self.seen.instances if i.phase != "draining"]

    @property
    def rollout(self):
        return self.seen.record.spec.mesh.rollout

    def step(self):
        plan = decide(self.seen, self.now_s)
        living = {i.instance: i for i in self.seen.instances}
        for action in plan.actions:
            if isinstance(action, Launch):
                self.started += 1
                name = f"i{self.started:04}"
                living[name] = instances("starting", name, generation=action.generation)[0]
            elif isinstance(action, Drain | Replace):
                chosen = living[action.instance]
                living[action.instance] = replace(chosen, phase="draining")
                if isinstance(action, Replace):
                    self.remember(chosen.generation)
            elif isinstance(action, Kill):
                del living[action.instance]
        self.seen = replace(self.seen, state=plan.state, instances=tuple(living.values()))

    def turn(self, event, pick):
        """One thing that may happen to the world."""
        now = self.seen.record
        if event == "load":
            self.seen = replace(self.seen, state=replace(self.seen.state, target=pick % 7))
        elif event == "scale":
            self.seen = replace(
                self.seen, record=record(now.generation, pick % 6 + 1, **self.options)
            )
        elif event == "update":
            count = now.spec.instance_count + pick % 2
            self.seen = replace(self.seen, record=record(now.generation + 1, count, **self.options))
        elif event == "wait":
            self.now_s += pick
        elif event == "takeover":  # what crashed is forgotten
            self.seen = replace(self.seen, crashes={})
        elif self.seen.instances:
            self.happen(event, pick)

    def happen(self, event, pick):
        """Something happens to one instance."""
        living = list(self.seen.instances)
        chosen = living.pop(pick % len(living))
        if event == "gone":
            if chosen.phase != "draining":
                self.remember(chosen.generation)
        elif chosen.phase in ("draining", "suspect"):
            living.append(chosen)
        else:
            living.append(replace(chosen, phase=event))
        self.seen = replace(self.seen, instances=tuple(living))

    def remember(self, generation):
        served = self.seen.state.serving == generation
        memory = self.seen.crashes.get(generation, Crashes())
        memory = memory.after(Ending(reason="crash"), self.now_s, has_served=served)
        self.seen = replace(self.seen, crashes={**self.seen.crashes, generation: memory})

    def rest(self):
        """Nothing goes wrong any more: what starts becomes ready, what is to go goes."""
        for _ in range(40):
            self.now_s += 60
            living = [i for i in self.seen.instances if i.phase != "draining"]
            self.seen = replace(
                self.seen,
                instances=tuple(
                    i if i.phase == "suspect" else replace(i, phase="ready") for i in living
                ),
            )
            self.step()


PHASES = ["ready", "ready", "ready", "probation", "unready", "suspect", "gone"]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([*PHASES, "scale", "load", "update", "wait", "takeover"]),
        st.integers(0, 11),
    ),
    max_size=60,
)
AMOUNTS = st.integers(0, 3) | st.sampled_from(["0%", "20%", "50%", "100%"])
OPTIONS = st.fixed_dictionaries(
    {"max_surge": AMOUNTS, "max_unavailable": AMOUNTS, "scale": st.sampled_from([None, SCALE])}
)


def worlds(options, events):
    """Each state of a world, with the one before the last step."""
    world = World(options)
    for event, pick in events:
        world.turn(event, pick)
        before = replace(world.seen)
        world.step()
        yield before, world


@given(OPTIONS, EVENTS)
@settings(max_examples=300, deadline=None)
def test_never_more_are_alive_than_the_surge_allows(options, events):
    """All generations together, whatever happens; of none more than are wanted."""
    for _, world in worlds(options, events):
        generations = [i.generation for i in world.living]

        assert len(world.living) <= world.count + world.rollout.surge(world.count)
        assert all(generations.count(one) <= world.count for one in set(generations))


@given(OPTIONS, EVENTS)
@settings(max_examples=300, deadline=None)
def test_no_plan_takes_more_than_may_be_unavailable(options, events):
    """Ready ones are retired only while enough others are ready; the last one never."""
    for before, world in worlds(options, events):
        unavailable = world.rollout.unavailable(world.count)
        was = sum(i.phase == "ready" for i in before.instances)

        assert world.ready >= min(was, world.count - unavailable)
        assert world.ready >= min(was, 1) or unavailable >= world.count


@given(OPTIONS, EVENTS)
@settings(max_examples=300, deadline=None)
def test_what_is_not_proven_is_no_more_than_a_wave(options, events):
    """At most the surge and what may be unavailable, as long as something else serves."""
    for _, world in worlds(options, events):
        state, newest = world.seen.state, world.seen.record.generation
        launched = {i.instance for i in world.living if i.phase == "starting"}
        proving = state.serving and newest not in (state.serving, state.failed_generation)
        own = [i for i in world.living if i.generation == newest and i.instance in launched]
        most = world.rollout.surge(world.count) + world.rollout.unavailable(world.count)

        assert not proving or len(own) <= max(most, 1)


@given(OPTIONS, EVENTS)
@example(  # a suspect beside an older one that answers: there is no room for a third
    {"max_surge": 0, "max_unavailable": 0, "scale": None},
    [("ready", 0), ("ready", 0), ("update", 0), ("ready", 0), ("suspect", 1)],
)
@settings(max_examples=300, deadline=None)
def test_a_world_left_alone_settles(options, events):
    """When nothing more goes wrong it ends Succeeded, or Failed with a reason, and whole."""
    world = World(options)
    for event, pick in events:
        world.turn(event, pick)
        world.step()
    world.rest()

    state, newest = world.seen.state, world.seen.record.generation
    assert state.state in ("Succeeded", "Failed")
    if state.serving:
        assert [i.generation for i in world.living] == [state.serving] * world.count
    assert state.reason if state.state == "Failed" else state.serving == newest
