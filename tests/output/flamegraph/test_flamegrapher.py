from pathlib import Path

import pytest

from tracetools.core.errors import GraphFileError, NoStacksError, StackFileError
from tracetools.core.profile import Profile
from tracetools.core.stacks import ROOT, Blocks, Frame, Times
from tracetools.output.flamegraph import Flamegrapher
from tracetools.output.flamegraph.options import GraphOptions

from .reading import parse, read_frames


@pytest.fixture
def stack_file(tmp_path):
    path = tmp_path / "stack.folded"
    path.write_text("all-spans;a 5\nall-spans;b 7\n")
    return path


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_graph_is_written_beside_the_stack_file(stack_file, tmp_path):
    path = Flamegrapher(stack_file).write_flamegraph()
    assert path == tmp_path / "stack.svg"
    assert [frame.title for frame in read_frames(path.read_text(encoding="utf-8"))] == [
        "all (12 µs, 100%)",
        "all-spans (12 µs, 100.00%)",
        "a (5 µs, 41.67%)",
        "b (7 µs, 58.33%)",
    ]
    assert files_in(tmp_path) == ["stack.folded", "stack.svg"]


@pytest.mark.parametrize("chained", [True, False])
def test_steps_may_be_chained_or_not(stack_file, tmp_path, chained):
    if chained:
        grapher = Flamegrapher().with_stack_file(stack_file).with_graph_file(tmp_path / "x.png")
    else:
        grapher = Flamegrapher()
        grapher.with_stack_file(str(stack_file))
        grapher.with_graph_file(str(tmp_path / "x"))
    assert grapher.write_flamegraph() == tmp_path / "x.svg"


def test_subclass_stays_one_through_the_steps():
    class Mine(Flamegrapher):
        pass

    assert type(Mine().with_stack_file("a").with_graph_file("b")) is Mine


@pytest.mark.parametrize("given", ["stack", "stack.folded", "stack.txt"])
def test_stack_file_is_found_by_what_the_instrument_was_given(stack_file, tmp_path, given):
    assert Flamegrapher(tmp_path / given).stack_file == stack_file


def test_stack_file_with_any_suffix_is_taken_as_it_is(stack_file, tmp_path):
    other = tmp_path / "stack.txt"
    other.write_text("c 1\n")
    assert Flamegrapher(other).stack_file == other
    assert Flamegrapher(other).graph_file == tmp_path / "stack.svg"


def test_stack_file_is_found_beside_a_folder_of_its_name(stack_file, tmp_path):
    (tmp_path / "stack").mkdir()
    assert Flamegrapher(tmp_path / "stack").stack_file == stack_file


def test_nothing_is_looked_up_before_it_is_needed(tmp_path):
    grapher = Flamegrapher(tmp_path / "later")
    (tmp_path / "later.folded").write_text("a 1\n")
    assert grapher.write_flamegraph() == tmp_path / "later.svg"


def test_without_files_the_paths_are_none():
    assert (Flamegrapher().stack_file, Flamegrapher().graph_file) == (None, None)
    assert repr(Flamegrapher("a", "b")) == f"Flamegrapher({Path('a')}, {Path('b.svg')})"


# -- marks -------------------------------------------------------------------------------------


def test_frames_are_marked_by_the_blocking_steps_of_a_profile(tmp_path):
    (tmp_path / "stack.folded").write_text("all-spans;a (app.py:1) 5\n")
    task = (ROOT, Frame("a", "app.py", 1))
    profile = Profile({task: Times(busy=5)}, blocking={(*task, Frame("b")): Blocks(1, 7, 7)})
    grapher = Flamegrapher(tmp_path / "stack")
    assert grapher.with_marks_of(profile) is grapher
    assert "within, the loop was blocked once, for 7 ns" in grapher.write_flamegraph().read_text()
    assert "loop was blocked once" in grapher._repr_html_()
    grapher.with_marks_of(profile, lens="idle")
    assert ">\u26a0" not in grapher.write_flamegraph().read_text()


def test_labels_of_marks_are_those_of_the_stack_file(tmp_path):
    (tmp_path / "stack.folded").write_text("all-spans;app.py:1 5\n")
    task = (ROOT, Frame("a", "app.py", 1))
    profile = Profile({task: Times(busy=5)}, blocking={task: Blocks(1, 7, 7)})
    grapher = Flamegrapher(tmp_path / "stack").with_marks_of(profile, labels="location")
    assert "app.py:1 (5 \u00b5s, 100.00%; blocked" in grapher.write_flamegraph().read_text()


# -- files that make no graph ------------------------------------------------------------------


def test_stack_file_must_be_given():
    with pytest.raises(StackFileError, match=r"call with_stack_file\(path\) first"):
        Flamegrapher(graph_file="x").write_flamegraph()


@pytest.mark.parametrize("name", ["missing.folded", "missing/stack.txt"])
def test_missing_stack_file_is_an_error(tmp_path, name):
    with pytest.raises(StackFileError) as caught:
        Flamegrapher(tmp_path / name).write_flamegraph()
    assert str(caught.value) == (
        f"no stack file {tmp_path / name}: record one first, or check the path"
    )
    assert files_in(tmp_path) == []


def test_missing_stack_file_without_a_suffix_is_named_as_it_would_be_written(tmp_path):
    with pytest.raises(StackFileError, match=r"no stack file .*missing\.folded"):
        Flamegrapher(tmp_path / "missing").write_flamegraph()


@pytest.mark.parametrize(
    ("name", "remedy"), [("x" * 300, "choose a shorter name"), ("nul\0", "choose another one")]
)
def test_stack_file_that_cannot_be_looked_up_is_an_error(tmp_path, name, remedy):
    with pytest.raises(StackFileError, match=f"cannot read stack file .*{remedy}"):
        Flamegrapher(tmp_path / name).write_flamegraph()


def test_folder_as_stack_file_is_an_error(tmp_path):
    (tmp_path / "some.d").mkdir()
    with pytest.raises(StackFileError, match="is a folder: give the path of a file"):
        Flamegrapher(tmp_path / "some.d").write_flamegraph()


@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_path_without_a_name_is_an_error(name):
    with pytest.raises(StackFileError, match="names no file"):
        Flamegrapher(name)
    with pytest.raises(GraphFileError, match="names no file"):
        Flamegrapher("a", name)


def test_missing_folder_is_an_error_before_the_stack_file_is_read(tmp_path):
    (tmp_path / "empty.folded").touch()
    with pytest.raises(GraphFileError, match=r"no folder .*missing for the graph x\.svg: create"):
        Flamegrapher(tmp_path / "empty", tmp_path / "missing" / "x").write_flamegraph()
    assert files_in(tmp_path) == ["empty.folded"]


def test_stack_file_without_stacks_leaves_an_older_graph_as_it_was(tmp_path):
    (tmp_path / "stack.folded").write_text("nonsense\n")
    (tmp_path / "stack.svg").write_text("older")
    with pytest.raises(NoStacksError, match=r"stack\.folded: no folded stacks, 1 bad line"):
        Flamegrapher(tmp_path / "stack").write_flamegraph()
    assert (tmp_path / "stack.svg").read_text() == "older"


def test_graph_that_cannot_be_written_is_an_error(stack_file, tmp_path):
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(GraphFileError, match=r"cannot write graph .*taken\.svg: Is a directory"):
        Flamegrapher(stack_file, tmp_path / "taken").write_flamegraph()
    assert files_in(tmp_path) == ["stack.folded", "taken.svg"]


def test_graph_does_not_replace_its_stack_file(tmp_path):
    (tmp_path / "stack.svg").write_text("a 1\n")
    with pytest.raises(GraphFileError, match="would replace its stack file"):
        Flamegrapher(tmp_path / "stack.svg").write_flamegraph()
    assert (tmp_path / "stack.svg").read_text() == "a 1\n"


# -- options -----------------------------------------------------------------------------------


def test_options_are_those_given_and_the_defaults():
    options = Flamegrapher(title="T", min_width=1).options
    assert options == GraphOptions(title="T", min_width=1)
    assert (options.colors, options.count_name, options.image_width) == (None, None, None)


def test_options_reach_the_graph(stack_file):
    path = Flamegrapher(stack_file, title="Mine", count_name="µs").write_flamegraph()
    text = path.read_text(encoding="utf-8")
    assert parse(text).find("{*}title").text == "Mine"
    assert "b (7 µs, 58.33%)" in text


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match=r"no option titel; there are title, subtitle, image_width"):
        Flamegrapher(titel="x")


def test_the_unit_is_that_of_the_file_unless_one_is_given(tmp_path):
    ours, others = tmp_path / "ours.folded", tmp_path / "others.folded"
    ours.write_text("all-spans;main 5\n")
    others.write_text("main 5\n")
    assert "(5 µs, " in Flamegrapher(ours).write_flamegraph().read_text()
    assert "(5 samples, " in Flamegrapher(others).write_flamegraph().read_text()
    assert "(5 ms, " in Flamegrapher(ours, count_name="ms").write_flamegraph().read_text()


# -- differences, policies, notebooks ----------------------------------------------------------


def test_before_file_makes_a_difference(tmp_path):
    (tmp_path / "now.folded").write_text("a 3\nb 1\n")
    (tmp_path / "then.folded").write_text("a 1\nc 5\n")
    maker = Flamegrapher(tmp_path / "now.folded", before_file=tmp_path / "then.folded")
    text = maker.write_flamegraph().read_text()
    assert "a (3 samples, 75.00%; +50.00%)" in text
    assert "b (1 samples, 25.00%; +25.00%)" in text


def test_before_file_that_is_a_difference_itself_is_refused(tmp_path):
    (tmp_path / "now.folded").write_text("a 3\n")
    (tmp_path / "then.folded").write_text("a 1 2\n")
    maker = Flamegrapher(tmp_path / "now.folded").with_before_file(tmp_path / "then.folded")
    with pytest.raises(StackFileError, match="two counts in each line"):
        maker.write_flamegraph()
    assert not (tmp_path / "now.svg").exists()


def test_notebook_shows_the_graph_or_says_that_there_is_none(tmp_path):
    (tmp_path / "now.folded").write_text("a 3\n")
    shown = Flamegrapher(tmp_path / "now.folded")._repr_html_()
    assert "<iframe" in shown
    assert "a (3 samples, 100.00%)" in shown
    assert not (tmp_path / "now.svg").exists()
    assert Flamegrapher()._repr_html_() is None
    assert Flamegrapher(tmp_path / "gone")._repr_html_() is None
