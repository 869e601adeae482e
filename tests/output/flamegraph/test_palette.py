import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracetools.core.profile import IDLE, SCHEDULED
from tracetools.output.flamegraph.palette import BACKGROUNDS, PALETTES, difference

from .strategies import any_text, relaxed

NAMES = ["all", "all-spans", "main (app.py:1)", "main (app.py:2)", "é\U0001f600", "\ud800", ""]
WORKERS = [f"worker (app.py:{line})" for line in range(200)]

# The colours of NAMES in each palette
FIXED = {
    "hot": "e1905a ed7e54 ec9542 e58b5e dfbf4c f98542 de683a",
    "mem": "5fc8b5 73c2ac 72c98f 66c6bc 5cd69f 88c48f 5abc82",
    "io": "969ff2 a599ee a4a1e1 9b9df5 93afe8 b59be1 9292dc",
    "red": "e48384 ef7c80 ee856f e88188 e39578 f97f6f e27468",
    "green": "7ed388 90ce83 8fd471 85d18c 7ce07b a2d071 7ac869",
    "blue": "78aaf6 8aa4f2 89abe7 7fa8f9 76b8ed 9ca6e7 749ee2",
    "aqua": "70cde1 81c8dd 80ced0 76cbe5 6edad7 92cad0 6cc2ca",
    "yellow": "e1dc7a ecd873 ebdd5b e5db80 dfe668 f7da5b ded450",
    "purple": "c997ee d591e8 d499d5 cd95f2 c7a7e0 e193d5 c68acd",
    "orange": "eda460 f59d58 f4a53e f0a267 ecb44d fda03e eb9632",
    "wakeup": "70cde1 81c8dd 80ced0 76cbe5 6edad7 92cad0 6cc2ca",
    "java": "e48384 ef7c80 ee856f e88188 e39578 f97f6f e27468",
    "js": "e48384 ef7c80 80ced0 76cbe5 e39578 f97f6f e27468",
    "python": "e48384 ef7c80 ee856f e88188 e39578 f97f6f e27468",
    "rust": "e48384 ef7c80 ee856f e88188 e39578 f97f6f e27468",
    "colorblind": "bcf2ed d8743e f2ba2f 55a088 bbf6e9 dc7539 eeb72d",
    "lens": "eda491 f49d8c f3a57d f0a294 ecb485 faa07d ec9676",
}

RULES = {
    "java": {
        "java/lang/Thread.run": "green",
        "Lorg/example/Pool$Worker;::run": "green",
        "com.example.Pool.get": "green",
        "io/netty/a.b": "green",
        "Interpreter:::run": "green",
        "call_stub_[j]": "green",
        "java/util/HashMap.get_[i]": "aqua",
        "JavaThread::run": "yellow",
        "vfs_read_[k]": "orange",
        "std::java/lang_[k]": "orange",
        "start_thread": "red",
        "[libc.so.6]": "red",
        "/usr/lib/libjvm.so": "red",
    },
    "js": {
        "LazyCompile:~read /app/file.js:12": "green",
        "LazyCompile:*read node:fs:12": "green",
        "*read": "green",
        "run file:///app/file.mjs:1": "green",
        "/app/file_[j]": "green",
        "Builtin:ArrayForEach": "aqua",
        "ArrayForEach_[j]": "aqua",
        "node:internal/timers": "aqua",
        "node::Start": "yellow",
        "do_syscall_64 [kernel.kallsyms]": "orange",
        "vfs_read_[k]": "orange",
        "LazyCompile:~odd.js_[k]": "orange",
        "uv_run": "red",
        "app.json": "red",
    },
    "python": {
        "get (/venv/lib/python3.12/site-packages/trio/x.py:12)": "aqua",
        r"get (C:\venv\Lib\site-packages\trio\x.py:12)": "aqua",
        "get (/usr/lib/python3/dist-packages/x.py:12)": "aqua",
        "run (/usr/lib/python3.12/asyncio/runners.py:12)": "yellow",
        "run (/opt/lib/python3.13t/asyncio/runners.py:12)": "yellow",
        r"run (C:\Python312\Lib\asyncio\runners.py:12)": "yellow",
        "run (asyncio/runners.py:12)": "yellow",
        "asyncio/runners.py:12": "yellow",
        "Thread.run (threading.py:12)": "yellow",
        "<frozen runpy>": "yellow",
        "_run_code (<frozen runpy>:88)": "yellow",
        "<built-in method time.sleep>": "yellow",
        "<method 'acquire' of '_thread.lock' objects>": "yellow",
        "main (app.py:12)": "red",
        "main (threading_tools.py:12)": "red",
        "main (app/threading.py:12)": "red",
        "main (my-site-packages/app.py:12)": "red",
        "<module> (app.py:1)": "red",
        "asyncio": "red",
    },
    "rust": {
        "core::ptr::drop_in_place": "yellow",
        "std::rt::lang_start": "yellow",
        "<alloc::vec::Vec<T> as app::Push>::push": "yellow",
        "<&mut core::str::Chars as app::Next>::next": "yellow",
        "<T as core::convert::Into<U>>::into": "yellow",
        "__rust_alloc": "yellow",
        "tokio::runtime::park": "aqua",
        "mycore::run": "aqua",
        "<app::Job as core::fmt::Debug>::fmt": "aqua",
        "vfs_read_[k]": "orange",
        "std::odd_[k]": "orange",
        "memcpy": "red",
        "rust_main": "red",
    },
}

RULED = [(palette, name, family) for palette in RULES for name, family in RULES[palette].items()]

some_name = st.one_of(
    any_text,
    st.sampled_from([name for _, name, _ in RULED]),
    st.sampled_from([IDLE.name, SCHEDULED.name, "-", "--"]),
)

# What is left of light, as linear red, green and blue: Machado, Oliveira and Fernandes 2009, for
# readers who lack one kind of receptor.
VISIONS = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
}

# sRGB to CIE XYZ, each row by the white point D65
TO_XYZ = (
    (0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883),
)

every_palette = pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES.keys())
every_vision = pytest.mark.parametrize("vision", VISIONS.values(), ids=VISIONS.keys())


def linear(colour):
    """Light by channel, from 0 to 1."""
    return [
        channel / 255 / 12.92
        if channel / 255 <= 0.04045
        else ((channel / 255 + 0.055) / 1.055) ** 2.4
        for channel in colour
    ]


def times(matrix, vector):
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def contrast(colour, ink=(0x26, 0x21, 0x1C)):
    """Contrast to the ink of labels as WCAG 2 defines it; any darker ink has more."""
    light, dark = (times(TO_XYZ, linear(each))[1] for each in (colour, ink))
    return (light + 0.05) / (dark + 0.05)


def lab(colour, vision):
    """CIE L*a*b* of a colour as a reader sees it."""
    seen = [min(1, max(0, light)) for light in times(vision, linear(colour))]
    x, y, z = (
        part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
        for part in times(TO_XYZ, seen)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def distance(one, other, vision):
    """Delta E of 1976: below 2 hardly anybody sees it, from 20 on everybody does at a glance."""
    pairs = zip(lab(one, vision), lab(other, vision), strict=True)
    return sum((a - b) ** 2 for a, b in pairs) ** 0.5


def test_the_measure_of_distance_is_right():
    black, white, red, green = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0)
    assert distance(black, white, VISIONS["normal"]) == pytest.approx(100, abs=0.1)
    assert distance(red, green, VISIONS["normal"]) == pytest.approx(170.6, abs=0.1)
    assert contrast(white, ink=black) == pytest.approx(21, abs=0.01)


def test_the_simulation_takes_red_and_green_for_one():
    red, green = (200, 120, 60), (150, 142, 60)
    assert distance(red, green, VISIONS["normal"]) > 30
    assert distance(red, green, VISIONS["deuteranopia"]) < 10


@pytest.mark.parametrize("name", FIXED)
def test_colours_are_the_same_in_every_version(name):
    written = ["{:02x}{:02x}{:02x}".format(*PALETTES[name](each)) for each in NAMES]
    assert " ".join(written) == FIXED[name]


def test_every_palette_has_its_colours_written_down():
    assert FIXED.keys() == PALETTES.keys()


@pytest.mark.parametrize("seed", ["1", "2"])
def test_colours_are_the_same_in_every_process(seed):
    code = (
        "from tracetools.output.flamegraph.palette import PALETTES\n"
        f"print([tuple(paint(name)) for paint in PALETTES.values() for name in {NAMES!a}])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert out.strip() == str([tuple(paint(name)) for paint in PALETTES.values() for name in NAMES])


@every_palette
def test_similar_names_differ(palette):
    assert len({palette(name) for name in WORKERS}) > 190


@every_palette
def test_frames_of_unknown_functions_are_grey(palette):
    assert palette("-") == (200, 200, 200)
    assert palette("--") == (160, 160, 160)


@every_palette
@relaxed
@given(name=some_name)
def test_black_text_is_legible_on_every_colour(palette, name):
    colour = palette(name)
    assert all(0 <= channel <= 255 for channel in colour)
    assert contrast(colour) >= 4.5


@pytest.mark.parametrize(("palette", "name", "family"), RULED)
def test_a_palette_of_rules_tells_kinds_of_frames_apart(palette, name, family):
    assert PALETTES[palette](name) == PALETTES[family](name)


@pytest.mark.parametrize("frame", [IDLE, SCHEDULED])
def test_waiting_is_greyish_among_python_functions(frame):
    colour = PALETTES["python"](frame.name)
    assert max(colour) - min(colour) < 35


def test_wakers_are_aqua():
    assert PALETTES["wakeup"]("try_to_wake_up_[w]") == PALETTES["aqua"]("try_to_wake_up_[w]")


@every_vision
def test_the_states_of_a_task_are_told_apart_at_a_glance(vision):
    lens = PALETTES["lens"]
    idle, scheduled = lens(IDLE.name), lens(SCHEDULED.name)
    assert distance(idle, scheduled, vision) >= 20
    for name in WORKERS:
        assert distance(lens(name), idle, vision) >= 20
        assert distance(lens(name), scheduled, vision) >= 20


def test_only_the_states_themselves_have_their_colours():
    lens = PALETTES["lens"]
    states = {lens(IDLE.name), lens(SCHEDULED.name)}
    others = ["idle", "[idle]x", "x[idle]", "[idle] (app.py:1)", "scheduled", "[scheduled]_[k]"]
    assert states.isdisjoint(lens(name) for name in others)


@every_vision
def test_colour_blind_readers_tell_most_pairs_of_functions_apart(vision):
    colours = [PALETTES["colorblind"](name) for name in WORKERS]
    pairs = list(itertools.combinations(colours, 2))
    alike = sum(distance(one, other, vision) < 15 for one, other in pairs)
    # Of seven tints, a seventh of the pairs has the same one.
    assert alike / len(pairs) < 0.2


@relaxed
@given(delta=st.integers(), largest=st.integers(min_value=1))
def test_black_text_is_legible_on_every_difference(delta, largest):
    colour = difference(delta, largest)
    assert all(0 <= channel <= 255 for channel in colour)
    assert contrast(colour) >= 4.5


@given(largest=st.integers(min_value=1))
def test_no_difference_is_nearly_white(largest):
    assert difference(0, largest) == (250, 250, 250)


@relaxed
@given(one=st.integers(min_value=0), other=st.integers(min_value=0), data=st.data())
def test_a_greater_difference_is_never_paler(one, other, data):
    less, more = sorted((one, other))
    largest = data.draw(st.integers(min_value=1, max_value=2 * more + 1))
    for sign in (1, -1):
        paler, stronger = difference(sign * less, largest), difference(sign * more, largest)
        assert all(a >= b for a, b in zip(paler, stronger, strict=True))


def test_growth_is_red_and_shrinking_blue():
    grown, shrunk = difference(1, 1), difference(-1, 1)
    assert grown.red > 2 * max(grown.green, grown.blue)
    assert shrunk.blue > 1.5 * max(shrunk.green, shrunk.red)


def test_a_difference_is_exact_beyond_the_numbers_that_floats_hold():
    huge = 10**400
    assert difference(huge, huge) == difference(1, 1)
    assert difference(-(huge // 2), huge) == difference(-1, 2)
    assert difference(2 * huge, huge) == difference(1, 1)
    assert difference(huge - 1, huge) != difference(huge, huge)


@every_vision
def test_growth_and_shrinking_are_told_apart_at_a_glance(vision):
    for delta in range(3, 11):
        assert distance(difference(delta, 10), difference(-delta, 10), vision) >= 20
    assert distance(difference(10, 10), difference(0, 10), vision) >= 20
    assert distance(difference(-10, 10), difference(0, 10), vision) >= 20


@pytest.mark.parametrize("name", ["yellow", "blue", "green", "grey"])
def test_headings_are_legible_on_every_background(name):
    assert contrast(BACKGROUNDS[name]) >= 7
