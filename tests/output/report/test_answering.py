"""The answers of a profile as a page shows them."""

from dataclasses import replace

from tracetools.core.profile import Profile
from tracetools.core.stacks import BLOCKS_THE_LOOP, ROOT, Frame, Times
from tracetools.output.answers.data import NOTHING, Answer
from tracetools.output.report.answering import MOST_LISTED, MOST_SHOWN, answer_groups

SERVE = Frame("serve", "app.py", 3)
READ = Frame("read", "app.py", 8)
LINE = Frame(BLOCKS_THE_LOOP, "app.py", 9)
PROFILE = Profile({(ROOT, SERVE): Times(busy=5)})


def answered(**groups):
    answers = NOTHING._replace(
        **{name: replace(getattr(NOTHING, name), **what) for name, what in groups.items()}
    )
    return answer_groups(answers, PROFILE, lambda path: path[1:])


def test_an_answer_is_how_much_where_what_and_for_whom():
    answer = Answer(
        "blocking-call",
        "app.py",
        9,
        "read",
        what="time.sleep(1)",
        for_whom=("GET /a", "GET /b", "GET /c", "GET /d"),
        total=3_000_000_000,
        max=1_500_000_000,
        count=2,
        share=0.126,
        paths=((ROOT, SERVE, READ, LINE),),
        sentence="All of it.",
    )
    [entry] = answered(blocks={"answers": (answer,)})[0].entries
    assert entry == (
        *("3 s", "13 %", "read", "app.py:9"),
        "time.sleep(1), 2 times, at most 1.5 s",
        "GET /a, GET /b, GET /c",
        "serve (app.py:3)",
        "All of it.",
    )


def test_what_happened_once_has_no_count():
    answer = Answer("sleep", "app.py", 9, "read", total=5, max=5, count=1, share=0.001)
    [entry] = answered(waits={"answers": (answer,)})[1].entries
    assert (entry.details, entry.share, entry.frame) == ("", "< 1 %", "")


def test_each_group_belongs_to_a_graph():
    assert [group.lens for group in answered()] == ["busy", "idle", "busy", "scheduled"]


def test_a_group_without_answers_says_so():
    assert all(group.note for group in answered())
    assert answered(late={"note": "Not measured."})[3].note == "Not measured."
    assert answered(late={"quiet": (Answer("task", None, 0, "x", total=1),)})[3].note == ""


def test_the_heaviest_are_in_sight_and_the_others_can_be_opened():
    many = tuple(Answer("task", "a.py", line, "f", total=1, share=0.01) for line in range(100))
    group = answered(waits={"answers": many, "quiet": many[:1]})[1]
    assert (len(group.entries), len(group.others)) == (MOST_SHOWN, MOST_LISTED)
    assert group.left_out == 101 - MOST_SHOWN - MOST_LISTED


def test_small_parts_are_not_in_sight_at_once_but_for_the_heaviest():
    answers = tuple(
        Answer("sleep", "app.py", line, "read", total=9, share=share)
        for line, share in enumerate([0.004, 0.003, 0.9, 0.005])
    )
    group = answered(waits={"answers": answers})[1]
    assert [entry.location for entry in group.entries] == ["app.py", "app.py:2", "app.py:3"]
    assert [entry.location for entry in group.others] == ["app.py:1"]


def test_a_group_says_what_its_shares_are_parts_of():
    answer = Answer("sleep", "app.py", 9, "read", total=5, share=0.5)
    whole = {"whole": 2_000_000_000, "of_what": "that loops ran"}
    assert (
        answered(blocks={"answers": (answer,), **whole})[0].parts == "parts of 2 s that loops ran"
    )
    assert answered(blocks=whole)[0].parts == ""
