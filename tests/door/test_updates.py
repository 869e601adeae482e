"""Updates as they go through the door."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.door.doors import ask, refused
from tracetools.core.errors import DoorError
from tracetools.door.protocol import RefusedError
from tracetools.door.tasks import dump_of_json, tasks_and_cost
from tracetools.door.updates import wanted_of
from tracetools.live.updates import Update
from tracetools.live.updating import Wanted


def in_a_loop(look):
    """Return what `look` does in a loop in which a task waits."""

    async def main():
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        found = look()
        task.cancel()
        return found

    return asyncio.run(main())


def test_an_update_says_what_it_has_cost(asks):
    ask(asks, "start", options={"functions": False})
    answer = in_a_loop(lambda: ask(asks, "update"))
    update = Update.from_json(answer.body)
    assert update.is_first
    assert [loop.tasks for loop in update.loops] == [2]
    assert type(answer.values["cost"]) is int
    assert not Update.from_json(ask(asks, "update").body).is_first


def test_each_client_gets_what_is_new_to_it(asks):
    ask(asks, "start")
    ask(asks, "update")
    assert Update.from_json(ask(asks, "update", "other").body).is_first


def test_nothing_of_a_client_is_kept_that_has_left(asks):
    ask(asks, "start", "one")
    ask(asks, "update", "other")
    asks.leave("other")
    assert asks._updaters == {}
    ask(asks, "update", "other")
    asks.leave("one")
    assert asks._updaters == {}


def test_another_recording_has_other_updates(asks):
    ask(asks, "start")
    ask(asks, "update")
    ask(asks, "stop")
    ask(asks, "start")
    assert Update.from_json(ask(asks, "update").body).is_first


def test_without_a_recording_there_is_no_update(asks):
    assert refused(asks, "update") == "nothing"
    assert refused(asks, "histogram", stack=1) == "nothing"


def test_errors_and_loops_that_are_missing_are_told(asks):
    ask(asks, "start")
    asks._started.errors.append("something went wrong")
    update = Update.from_json(ask(asks, "update").body)
    assert (update.errors, update.missing) == (("something went wrong",), 0)


def test_the_histogram_of_a_stack_can_be_had(asks):
    ask(asks, "start")
    in_a_loop(bool)
    update = Update.from_json(ask(asks, "update").body)
    [number] = [each.number for each in update.stacks if each.frame.name.endswith("main")]
    total, most, buckets = json.loads(ask(asks, "histogram", stack=number).body)
    assert total == most > 0
    assert sum(count for _, count in buckets) == 1
    assert json.loads(ask(asks, "histogram", stack=0).body) == [0, 0, []]


@pytest.mark.parametrize("stack", [None, "1", True, 1.0])
def test_a_stack_is_a_number(asks, stack):
    ask(asks, "start")
    assert refused(asks, "histogram", stack=stack) == "options"


def test_what_is_wanted_has_defaults():
    assert wanted_of({}) == Wanted()
    given = {"most": 7, "sort": "p99", "inverted": True, "matching": "x"}
    assert wanted_of(given | {"other": 1}) == Wanted(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"most": 0},
        {"most": 1001},
        {"most": True},
        {"most": "7"},
        {"sort": "size"},
        {"sort": ["busy"]},
        {"inverted": 1},
        {"matching": None},
        {"matching": "x" * 201},
    ],
)
def test_what_cannot_be_wanted_is_refused(given):
    with pytest.raises(RefusedError):
        wanted_of(given)


def test_a_dump_says_what_it_has_cost(asks):
    answer = in_a_loop(lambda: ask(asks, "tasks"))
    assert type(answer.values["cost"]) is int
    assert len(dump_of_json(answer.body).loops[0].tasks) == 2
    text, cost = tasks_and_cost()
    assert cost >= dump_of_json(text).cost > 0


def test_an_answer_that_is_no_dump_is_an_error():
    with pytest.raises(DoorError, match="cannot be read"):
        dump_of_json(b"[]")
