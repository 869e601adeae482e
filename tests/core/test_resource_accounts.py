"""Who waits for what, who has it, and for how long: with `==`, by moments that are given."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.resource_accounts import (
    Growth,
    QueueAccount,
    TokenAccount,
    Totals,
    Want,
)
from tracetools.core.resources import COULD_STEP, ITSELF, UNKNOWN_HOLDER, Holds, Waits
from tracetools.core.stacks import OTHER, ROOT, Frame, StackTree

TREE = StackTree()
AWAITS = Frame("await something", "app.py", 9)


def task(name):
    """Return a task that rests all the time."""
    stack = TREE.child(TREE.root, Frame(name))
    return SimpleNamespace(name=name, stack=stack, busy=0, loop=SimpleNamespace(current=None))


A, B, C = map(task, "abc")


def path(one, *more):
    return ROOT, one.stack.frame, Frame("f", "app.py", 1), *more


class Tokens:
    """An account of tokens, and what tasks have asked for."""

    def __init__(self, size=1, free=None, ahead=0):
        self.totals = Totals()
        self.totals.add_resource(size)
        self.account = TokenAccount(
            self.totals, size, 0, free=free, ahead=ahead, awaited=lambda _: AWAITS
        )

    def asks(self, one, now, key=None):
        want = Want(one, one.stack, (Frame("f", "app.py", 1),), now, key)
        self.account.want(want, now)
        return want

    def gets(self, one, now):
        want = self.asks(one, now)
        want.is_back = True
        self.account.got(want, now)
        return want

    def use(self, now=None):
        totals = self.totals.opened()
        if now is not None:
            self.account.add_open(totals, now)
        return totals.use(lambda frame: frame)


def test_a_token_is_held_until_it_is_released():
    tokens = Tokens()
    tokens.gets(A, 10)
    tokens.account.release(A, 17)
    use = tokens.use(20)
    assert use.holds == {path(A): Holds(1, 7, 7, 7)}
    assert (use.waits, use.most_waiting) == ({}, 0)
    assert (use.lived, use.saturated) == (20, 7)


def test_a_token_that_is_released_belongs_to_who_waited_first():
    tokens = Tokens()
    tokens.gets(A, 0)
    first, second = tokens.asks(B, 2), tokens.asks(C, 3)
    tokens.account.release(A, 10)
    tokens.account.got(first, 12)  # it steps only now
    tokens.account.release(B, 15)
    tokens.account.got(second, 15)
    tokens.account.release(C, 16)
    use = tokens.use(20)
    assert use.holds == {
        path(A): Holds(1, 10, 10, 10),
        path(B): Holds(1, 5, 5, 5),
        path(C): Holds(1, 1, 1, 1),
    }
    assert use.waits == {path(B): Waits(1, 8, 8, 0), path(C): Waits(1, 12, 12, 0)}
    assert use.blockers == {path(A, AWAITS): Waits(2, 20, 12, 0)}
    assert (use.lived, use.saturated, use.most_waiting) == (20, 16, 2)


def test_what_goes_on_is_told_as_well_and_stays_as_it_is():
    tokens = Tokens()
    tokens.gets(A, 0)
    tokens.asks(B, 4)
    for _ in range(2):
        use = tokens.use(10)
        assert use.holds == {path(A): Holds(1, 10, 10, 10)}
        assert use.waits == {path(B): Waits(1, 6, 6, 0)}
        assert (use.lived, use.saturated) == (10, 10)
    assert tokens.use().holds == {}


def test_what_is_over_at_the_end_was_given_up():
    tokens = Tokens()
    tokens.gets(A, 0)
    want = tokens.asks(B, 4)
    tokens.account.finish(10)
    tokens.account.got(want, 12)
    tokens.account.failed(want, 12)
    use = tokens.use()
    assert use.holds == {path(A): Holds(1, 10, 10, 10)}
    assert use.waits == {path(B): Waits(1, 6, 6, 1)}
    assert (use.lived, use.saturated) == (10, 10)


def test_a_wait_that_is_given_up_is_one():
    tokens = Tokens()
    tokens.gets(A, 0)
    want = tokens.asks(B, 1)
    tokens.account.failed(want, 5)
    tokens.account.release(A, 6)
    use = tokens.use(10)
    assert use.waits == {path(B): Waits(1, 4, 4, 1)}
    assert (use.saturated, tokens.account.free) == (6, 1)


def test_who_gives_up_with_a_token_passes_it_on():
    tokens = Tokens()
    tokens.gets(A, 0)
    first, second = tokens.asks(B, 1), tokens.asks(C, 2)
    tokens.account.release(A, 5)
    tokens.account.failed(first, 7)
    tokens.account.got(second, 7)
    use = tokens.use(9)
    assert use.waits == {path(B): Waits(1, 6, 6, 1), path(C): Waits(1, 5, 5, 0)}
    assert use.holds == {path(A): Holds(1, 5, 5, 5), path(C): Holds(1, 2, 2, 2)}


def test_who_releases_before_it_returns_has_given_up():
    tokens = Tokens()
    want = tokens.asks(A, 0)
    tokens.account.release(A, 0)
    tokens.account.failed(want, 1)
    use = tokens.use(5)
    assert (use.holds, use.waits, tokens.account.free) == ({}, {}, 1)


def test_who_returns_out_of_its_turn_has_the_token_all_the_same():
    tokens = Tokens()
    tokens.gets(A, 0)
    first, second = tokens.asks(B, 1), tokens.asks(C, 2)
    tokens.account.release(A, 5)
    tokens.account.got(second, 6)  # the library has its own order
    tokens.account.release(C, 8)
    tokens.account.got(first, 9)
    use = tokens.use(10)
    assert use.holds == {
        path(A): Holds(1, 5, 5, 5),
        path(C): Holds(1, 3, 3, 3),
        path(B): Holds(1, 2, 2, 2),
    }
    assert use.waits == {path(C): Waits(1, 3, 3, 0), path(B): Waits(1, 7, 7, 0)}
    assert use.saturated == 10


def test_each_task_releases_its_own_token():
    tokens = Tokens(2)
    tokens.gets(A, 0)
    tokens.gets(B, 1)
    tokens.account.release(B, 3)
    tokens.account.release(A, 7)
    use = tokens.use(10)
    assert use.holds == {path(A): Holds(1, 7, 7, 7), path(B): Holds(1, 2, 2, 2)}
    assert use.saturated == 2


def test_whoever_releases_the_token_of_another_task_ends_the_oldest_hold():
    tokens = Tokens(2)
    tokens.gets(A, 0)
    tokens.gets(B, 1)
    tokens.account.release(C, 3)
    assert tokens.use().holds == {path(A): Holds(1, 3, 3, 3)}


def test_a_token_may_be_released_by_a_key():
    tokens = Tokens(2)
    for key in (1, 2):
        tokens.account.got(tokens.asks(A, key, key), key)
    tokens.account.release(None, 5, 1)
    tokens.account.release(None, 5, 3)  # taken before anybody could see it
    assert tokens.use().holds == {path(A): Holds(1, 4, 4, 4)}
    assert tokens.account.free == 2


def test_a_token_that_nobody_has_may_be_released():
    tokens = Tokens(0)
    want = tokens.asks(A, 1)
    tokens.account.release(B, 4)
    tokens.account.got(want, 4)
    use = tokens.use(9)
    assert use.waits == {path(A): Waits(1, 3, 3, 0)}
    assert use.blockers == {(ROOT, A.stack.frame, UNKNOWN_HOLDER): Waits(1, 3, 3, 0)}
    assert use.saturated == 0  # as there is no limit that makes sense


def test_tokens_that_were_taken_before_are_not_free():
    tokens = Tokens(1, free=0)
    tokens.asks(A, 2)
    use = tokens.use(5)
    assert (use.saturated, use.waits) == (5, {path(A): Waits(1, 3, 3, 0)})


def test_those_that_wait_already_come_first():
    tokens = Tokens(1, free=0, ahead=2)
    want = tokens.asks(A, 1)
    for now in (2, 4, 6):  # whoever had it, and the two
        assert want.got is None
        tokens.account.release(B, now)
    tokens.account.got(want, 7)
    tokens.account.release(A, 9)
    use = tokens.use(10)
    assert use.waits == {path(A): Waits(1, 5, 5, 0)}
    assert use.holds == {path(A): Holds(1, 3, 3, 3)}
    assert (use.saturated, tokens.account.free) == (9, 1)


def test_those_that_wait_already_may_give_up_unseen():
    tokens = Tokens(1, free=0, ahead=2)
    first, second = tokens.asks(A, 1), tokens.asks(B, 2)
    tokens.account.release(C, 5)
    tokens.account.got(first, 6)
    tokens.account.release(A, 8)
    tokens.account.got(second, 9)
    tokens.account.release(B, 11)
    use = tokens.use(12)
    assert use.waits == {path(A): Waits(1, 5, 5, 0), path(B): Waits(1, 6, 6, 0)}
    assert use.holds == {path(A): Holds(1, 2, 2, 2), path(B): Holds(1, 3, 3, 3)}
    assert (use.saturated, tokens.account.free) == (11, 1)


def test_tokens_that_were_taken_before_are_released_by_others_than_who_is_known():
    tokens = Tokens(2, free=1)
    tokens.gets(A, 1)
    waits = tokens.asks(C, 2)
    tokens.account.release(B, 4)
    assert waits.got == 4
    assert next(iter(tokens.account.holders)).task is A


def test_there_are_as_many_tokens_as_were_free_once():
    tokens = Tokens(1, free=0)
    tokens.account.release(A, 2)
    tokens.account.release(B, 3)
    use = tokens.use(4)
    assert (use.size, use.saturated, tokens.account.free) == (2, 2, 2)


def test_what_is_free_may_be_taken_while_another_task_is_about_to_return():
    tokens = Tokens(2)
    tokens.gets(A, 0)
    tokens.gets(B, 0)
    waits = tokens.asks(C, 1)
    tokens.account.release(A, 2)
    tokens.account.release(B, 3)
    late = Want(A, A.stack, (), 4)
    tokens.account.got(late, 4)
    assert (waits.got, late.got, tokens.account.free) == (2, 4, 0)


def released_by(turns, size):
    """Play tokens that are given in turn; yield who asks, gets and releases, and the moment."""
    free, waiting, has = size, [], []
    for now, (who, is_release) in enumerate(turns):
        if is_release and has:
            one = has.pop(who % len(has))
            yield now, "release", one
            free += 1
            if waiting:
                free -= 1
                has.append(waiting.pop(0))
                yield now, "get", has[-1]
        elif not is_release:
            yield now, "ask", now
            if free and not waiting:
                free -= 1
                has.append(now)
                yield now, "get", now
            else:
                waiting.append(now)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40), st.integers(0, 40))
def test_a_lock_that_is_seen_late_is_seen_as_it_is(turns, begins):
    asked, gets, releases = {}, {}, {}
    events = list(released_by(turns, 1))
    for now, what, number in events:
        {"ask": asked, "get": gets, "release": releases}[what][number] = now
    before = [number for number in asked if number < begins]
    has = [n for n in before if gets.get(n, begins) < begins <= releases.get(n, begins)]
    ahead = [n for n in before if gets.get(n, begins) >= begins]
    tokens = Tokens(1, free=1 - len(has), ahead=len(ahead))
    wants, tasks = {}, {number: task(f"t{number}") for number in asked}
    for now, what, number in events:
        if now < begins:
            continue
        if what == "ask":
            wants[number] = tokens.asks(tasks[number], now)
        elif what == "get" and number in wants:
            assert wants[number].got == now
            tokens.account.got(wants[number], now)
        elif what == "release":
            tokens.account.release(tasks[number], now)
        assert {*tokens.account.holders} <= {*wants.values()}
    for number, want in wants.items():
        assert want.got == gets.get(number)


def test_a_task_that_waits_for_itself_is_found():
    tokens = Tokens()
    tokens.gets(A, 0)
    tokens.asks(A, 1)
    assert tokens.use(5).blockers == {path(A, ITSELF): Waits(1, 4, 4, 0)}


def test_more_tokens_are_given_at_once():
    tokens = Tokens(1)
    tokens.gets(A, 0)
    wants = [tokens.asks(one, 1) for one in (B, C)]
    tokens.account.resize(2, 4)
    assert [want.got for want in wants] == [4, None]
    tokens.account.resize(None, 5)
    assert [want.got for want in wants] == [4, 5]
    assert tokens.use(9).saturated == 5


def test_fewer_tokens_are_not_taken_away():
    tokens = Tokens(2)
    tokens.gets(A, 0)
    tokens.gets(B, 0)
    want = tokens.asks(C, 1)
    tokens.account.resize(1, 2)
    tokens.account.release(A, 3)
    assert want.got is None
    tokens.account.release(B, 5)
    assert want.got == 5


def test_without_a_limit_nobody_waits():
    tokens = Tokens(None)
    for one in (A, B, C):
        tokens.gets(one, 1)
    use = tokens.use(9)
    assert (use.size, use.saturated, use.waits) == (None, 0, {})


def test_there_are_as_many_rows_as_there_may_be():
    tokens = Tokens(None)
    for number in range(500):
        tokens.gets(task(f"task {number}"), 0)
    use = tokens.use(1)
    assert len(use.holds) == 201
    assert use.holds[ROOT, OTHER] == Holds(300, 300, 1, 300)


def test_a_clock_that_goes_back_makes_no_time_negative():
    tokens = Tokens()
    tokens.gets(A, 10)
    tokens.account.release(A, 5)
    use = tokens.use(3)
    assert use.holds == {path(A): Holds(1, 0, 0, 0)}
    assert min(use.saturated, use.lived) >= 0


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["ask", "release", "fail", "back"]), st.integers(0, 5)), max_size=60
)


@given(ACTIONS, st.integers(1, 3))
def test_no_token_is_lost_and_none_is_made(actions, size):
    tokens, asked, held = Tokens(size), [], []
    account = tokens.account
    for now, (action, number) in enumerate(actions):
        if action == "ask":
            asked.append(tokens.asks(task(f"t{now}"), now))
        elif action == "fail" and asked:
            account.failed(asked.pop(number % len(asked)), now)
        elif action == "back":
            got = [want for want in asked if want.got is not None]
            for want in got[:1]:
                asked.remove(want)
                held.append(want)
                account.got(want, now)
        elif action == "release" and held:
            account.release(held.pop(number % len(held)).task, now)
        assert account.free + len(account.holders) == size
        assert len(account.holders) <= size
        assert not account.waiting or account.free == 0
    use = tokens.use(len(actions))
    waited = sum(row.total for row in use.waits.values())
    assert waited == sum(row.total for row in use.blockers.values())
    assert use.saturated <= use.lived == len(actions)
    assert sum(row.total for row in use.holds.values()) <= size * use.lived


# -- queues --------------------------------------------------------------------------------------


class Items:
    """An account of a queue, and its real length."""

    def __init__(self, size, *, hands_over):
        self.totals = Totals()
        self.account = QueueAccount(self.totals, size, 0, hands_over=hands_over)

    def puts(self, one, now, length=None):
        want = Want(one, one.stack, (Frame("f", "app.py", 1),), now)
        self.account.want_place(want, now)
        if length is not None:
            self.account.put(want, now, length)
        return want

    def takes(self, one, now, length=None):
        want = Want(one, one.stack, (Frame("f", "app.py", 1),), now)
        self.account.want_item(want, now)
        if length is not None:
            self.account.take(want, now, length)
        return want

    def use(self, now):
        totals = self.totals.opened()
        self.account.add_open(totals, now)
        return totals.use(lambda frame: frame)


def test_the_length_of_a_queue_is_known_over_time():
    items = Items(None, hands_over=False)
    items.puts(A, 0, 1)
    items.puts(A, 10, 2)
    items.takes(B, 15, 1)
    use = items.use(20)
    assert use.length_time == 10 * 1 + 5 * 2 + 5 * 1
    assert use.lengths.buckets == {1: 2, 2: 1}
    assert (use.items, use.taken, use.lived) == (2, 1, 20)
    assert (use.waits, use.getters, use.holds) == ({}, {}, {})


@pytest.mark.parametrize("hands_over", [True, False])
def test_a_full_queue_lets_tasks_wait(hands_over):
    items = Items(1, hands_over=hands_over)
    items.puts(A, 0, 1)
    late = items.puts(B, 3)
    items.takes(C, 10, 1 if hands_over else 0)
    items.account.put(late, 12, 1)
    items.takes(C, 15, 0)
    use = items.use(20)
    assert use.waits == {path(B): Waits(1, 7, 7, 0)}
    assert (use.saturated, use.most_waiting, use.items, use.taken) == (15, 1, 2, 2)
    assert use.getters == {}


def test_an_empty_queue_lets_tasks_wait():
    items = Items(2, hands_over=True)
    late = items.takes(A, 2)
    items.puts(B, 9, 0)
    items.account.take(late, 11, 0)
    use = items.use(20)
    assert use.getters == {path(A): Waits(1, 7, 7, 0)}
    assert (use.waits, use.saturated) == ({}, 0)


def test_a_channel_without_places_hands_items_from_task_to_task():
    items = Items(0, hands_over=True)
    sender = items.puts(A, 0)
    items.takes(B, 5, 0)
    items.account.put(sender, 6, 0)
    receiver = items.takes(B, 10)
    items.puts(A, 12, 0)
    items.account.take(receiver, 12, 0)
    use = items.use(20)
    assert use.waits == {path(A): Waits(1, 5, 5, 0)}
    assert use.getters == {path(B): Waits(1, 2, 2, 0)}
    assert (use.items, use.taken, use.saturated) == (2, 2, 0)


def test_who_gives_up_puts_and_takes_nothing():
    items = Items(1, hands_over=True)
    items.puts(A, 0, 1)
    items.account.cannot_put(items.puts(B, 1), 4)
    items.takes(C, 5, 0)
    items.account.cannot_take(items.takes(C, 6), 8)
    use = items.use(10)
    assert use.waits == {path(B): Waits(1, 3, 3, 1)}
    assert use.getters == {path(C): Waits(1, 2, 2, 1)}
    assert (use.items, use.taken) == (1, 1)


def test_a_queue_that_is_over_is_counted_once():
    items = Items(1, hands_over=False)
    items.puts(A, 0, 1)
    items.puts(B, 2)
    items.account.finish(5)
    use = items.totals.opened().use(lambda frame: frame)
    assert (use.lived, use.saturated, use.length_time) == (5, 5, 5)
    assert use.waits == {path(B): Waits(1, 3, 3, 1)}


# -- what a holder awaits once it goes on --------------------------------------------------------


def rests(one, frame, ns):
    """Let a task have rested in an await."""
    TREE.child(one.stack, frame).rest += ns


def test_what_a_holder_awaits_later_is_found_by_where_it_has_rested():
    holder, tokens = task("holder"), Tokens()
    rests(holder, AWAITS, 100)
    want = tokens.asks(holder, 0)
    other = tokens.asks(B, 0)  # it has not returned with its token
    tokens.account.got(want, 1)
    tokens.account.is_back(want)
    assert list(tokens.use(2).blockers) == [path(holder, COULD_STEP)]
    rests(holder, Frame("await less", "app.py", 3), 2)
    rests(holder, Frame("await more", "app.py", 4), 5)
    rests(holder, Frame("a function", "app.py", 5), 9)
    assert list(tokens.use(2).blockers) == [path(holder, Frame("await more", "app.py", 4))]
    tokens.account.release(holder, 8)
    rests(holder, AWAITS, 1000)  # that is for something else
    tokens.account.got(other, 9)
    assert tokens.use(9).blockers == {
        path(holder, Frame("await more", "app.py", 4)): Waits(1, 8, 8, 0)
    }


def test_a_holder_that_never_rests_could_step():
    holder, tokens = task("other holder"), Tokens()
    want = tokens.asks(holder, 0)
    tokens.asks(B, 0)
    tokens.account.got(want, 1)
    tokens.account.is_back(want)
    tokens.account.release(holder, 8)
    assert list(tokens.use(9).blockers) == [path(holder, COULD_STEP)]


def test_only_some_stacks_are_looked_at():
    tree = StackTree()
    for number in range(500):
        tree.child(tree.root, Frame(f"await {number}")).rest = number
    growth = Growth(tree.root)
    for stack in tree.root.children.values():
        stack.rest += 1
    assert growth.most() == Frame("await 0")


def test_waits_for_the_thing_itself_are_no_reason():
    one = task("of many")
    growth = Growth(one.stack, "Lock")
    rests(one, Frame("await Lock"), 9)
    rests(one, Frame("await Lock.acquire"), 9)
    rests(one, Frame("await LockedDoor.open"), 3)
    assert growth.most() == Frame("await LockedDoor.open")


def test_what_is_awaited_outside_of_the_function_that_has_acquired_does_not_count():
    one, line = task("with functions"), Frame("f", "app.py", 7)
    growth = Growth(one.stack, "", (line,))
    rests(one, Frame("await outside"), 9)
    assert growth.most() == Frame("await outside")
    function = TREE.child(one.stack, Frame("Class.f", "app.py", 1))
    TREE.child(function, Frame("await inside")).rest += 3
    assert growth.most() == Frame("await inside")
