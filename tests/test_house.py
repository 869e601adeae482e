"""The script that measures the layout."""

from __future__ import annotations

import ast
import textwrap

import pytest

from tests import house
from tests.house import Imported, back_up, circles


@pytest.fixture
def checkout(tmp_path):
    """Return what writes a package of some modules, and reads it as a house."""

    def write(files: dict[str, str]) -> house.House:
        for name, text in files.items():
            file = tmp_path / "src" / "tracetools" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(text))
        return house.House(tmp_path)

    return write


def test_imports_are_found_wherever_they_stand():
    tree = ast.parse(
        "import a.b\n"
        "if TYPE_CHECKING:\n    from c import d\nelse:\n    import e\n"
        "def f():\n    from g.h import i as j, k"
    )
    assert house.imported(tree) == [
        Imported("a.b", for_types=False),
        Imported("c.d", for_types=True),
        Imported("e", for_types=False),
        Imported("g.h.i", for_types=False),
        Imported("g.h.k", for_types=False),
    ]


def test_relative_imports_are_refused():
    with pytest.raises(ValueError, match="relative import of near"):
        house.imported(ast.parse("from .near import far"))


def test_arrows_lead_to_modules_and_to_folders(checkout):
    found = checkout(
        {
            "__init__.py": "from tracetools.low import NAME",
            "low.py": "import time",
            "room/__init__.py": "",
            "room/up.py": "from tracetools import low, face\nfrom tracetools.room import other",
            "room/other.py": "from tracetools.room import NAME\nimport tracetools.low",
        }
    )
    assert found.arrows == {
        "__init__": {"low"},
        "low": set(),
        "room": set(),
        "room.up": {"low", "__init__", "room.other"},
        "room.other": {"room", "low"},
    }
    assert found.rooms() == {"__init__": {"low"}, "low": set(), "room": {"low", "__init__"}}
    assert len(found.crossing()) == 4
    assert found.packages("low") == {"time"}


def test_a_circle_is_all_that_import_each_other():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set(), "e": {"a", "f"}, "f": {"e"}}
    assert circles(graph) == [["a", "b", "c"], ["e", "f"]]


@pytest.mark.parametrize(
    ("graph", "fewest"),
    [
        ({"a": {"b"}, "b": set()}, []),
        ({"a": {"b", "c"}, "b": {"a"}, "c": {"a"}}, [("a", "b"), ("a", "c")]),
        ({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"a"}}, [("a", "b")]),
    ],
)
def test_what_leads_back_up_is_the_fewest_arrows_that_break_all_circles(graph, fewest):
    assert back_up(graph) == fewest


def test_a_copy_of_the_step_starts_the_clock_of_a_task_and_makes_it_the_current_one(checkout):
    found = checkout(
        {
            "a.py": """
                def makes_hooks():
                    def starts(account):
                        account.busy -= now
                        loop.began = now
                        loop.current = account

                    def ends(account):
                        account.busy += now
                        loop.began, loop.current = 0, None
            """,
        }
    )
    assert house.copies_of_the_step(found) == ["a.starts"]


def test_switched_off_rules_are_counted(checkout):
    found = checkout({"a.py": "import b  # " + "noqa: F401\nname = 'noqa'\n#" + "noqa\n"})
    assert house.noqa([found.source]) == 2
    assert house.lines(found) == 3


def test_a_wait_that_is_known_takes_fewer_moves():
    found = house._run_one_wait(house.HERE.parent)
    assert found["first"] > found["later"] > (0, 0)


def test_the_table_has_a_column_for_each_checkout():
    assert list(house.table([{"rooms": 36, "circles": 2}, {"rooms": 12, "circles": 0}])) == [
        f"rooms{' ' * 35}        36        12",
        f"circles{' ' * 33}         2         0",
    ]
