"""Folded text of other tools: what it is taken for, and that names stay as they are."""

import pytest

from tests.output.formats.mutations import read_bytes
from tracetools.output.formats.collapsed import bare, has_three_values, kind_and_unit
from tracetools.output.formats.folded import pack

PY_SPY = b"""\
process 7:"python app.py";thread (20589): MainThread;<module> (app.py:3);work (lib/a.py:12) 40
process 7:"python app.py";<module> (app.py:3) 2
"""
AUSTIN = b"""\
# austin: 3.7.0
# mode: wall
P42;T0:7;app:<module>:3;app:work:12 1500
P42;T0:7;:GC: 20
"""
AUSTIN_FULL = b"""\
# austin: 3.7.0
P42;T0:7;app:<module>:3;app:work:12 1500,0,4096
P42;T0:7;app:<module>:3;app:work:12 500,1,-512
P42;T0:7;app:<module>:3 20,0,0
"""
TACHYON = b"tid:99;app.py:main:3;app.py:work:12 40\ntid:99;<GC> 2\n"


@pytest.mark.parametrize(
    ("text", "kind", "unit"),
    [
        (PY_SPY, "py-spy's raw stacks", "samples"),
        (b"main (app.py:3);work (a.py:2) 4\n", "py-spy's raw stacks", "samples"),
        (AUSTIN, "austin's collapsed stacks", "microseconds"),
        (AUSTIN_FULL, "austin's collapsed stacks, the first of three values", "microseconds"),
        (TACHYON, "Tachyon's collapsed stacks", "samples"),
        (b"all-spans;a (b.py:1) 4\nall-spans 3\n", "folded stacks of tracetools", "microseconds"),
        (b"all-spans;a 4\nother 3\n", "folded stacks", ""),
        (b"main;work 4\n", "folded stacks", ""),
        (b"tid:99;a 1\nmain 2\n", "folded stacks", ""),
    ],
)
def test_a_file_is_taken_for_what_all_its_stacks_are(text, kind, unit):
    content = read_bytes(text)
    assert (content.description, content.unit) == (kind, unit)


def test_names_stay_as_they_are():
    assert sorted(read_bytes(PY_SPY).content.packed) == [
        (b'process 7:"python app.py"\0<module> (app.py:3)', 2),
        (
            pack(
                (
                    'process 7:"python app.py"',
                    "thread (20589): MainThread",
                    "<module> (app.py:3)",
                    "work (lib/a.py:12)",
                )
            ),
            40,
        ),
    ]
    assert sorted(read_bytes(AUSTIN).content.packed) == [
        (b"P42\0T0:7\0:GC:", 20),
        (b"P42\0T0:7\0app:<module>:3\0app:work:12", 1500),
    ]


def test_the_first_of_three_values_is_read():
    assert sorted(read_bytes(AUSTIN_FULL).content.packed) == [
        (b"P42\0T0:7\0app:<module>:3", 20),
        (b"P42\0T0:7\0app:<module>:3\0app:work:12", 2000),
    ]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"# mode: full\na;b 1,0,-3\n", True),
        (b"a 1,2\n", False),
        (b"a 1,2,3 4\n", False),
        (b"# a 1,2,3\nb 1\n", False),
        (b"a 5\nb 1,2,3\n", False),
        (b"", False),
    ],
)
def test_three_values_are_seen_in_the_first_line(start, expected):
    assert has_three_values(start) is expected


def test_nothing_is_known_of_no_stacks_but_that_they_are_ours():
    assert kind_and_unit([(b"x", 1)]) == ("folded stacks", "")


@pytest.mark.parametrize(
    ("stack", "without"),
    [
        (("all-spans", "a (b.py:7)"), ("all-spans", "a (b.py)")),
        (("await to_thread (f) (b.py:7)",), ("await to_thread (f) (b.py)",)),
        (("b.py:7",), ("b.py:7",)),
        (("a (b:8) c",), ("a (b:8) c",)),
        (("P42", "T0:7", "app:work:12"), ("P", "T", "app:work")),
        (("tid:99", "app.py:main:3", "<GC>"), ("tid", "app.py:main", "<GC>")),
        (("task 7", "GET /x"), ("task 7", "GET /x")),
    ],
)
def test_what_differs_from_run_to_run_is_left_out(stack, without):
    assert bare(pack(stack)) == pack(without)


def test_numbers_of_processes_and_threads_are_left_out():
    one = pack(('process 7:"x"', "thread (1)", "main (app.py:3)"))
    two = pack(('process 8:"x"', "thread (2)", "main (app.py:4)"))
    assert bare(one) == bare(two)
