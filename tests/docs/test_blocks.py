"""Blocks of pages are found, and run, as their pages mean it."""

from __future__ import annotations

import pytest

from tests.docs.blocks import Command, blocks_of, commands_of, file_name, says
from tests.docs.running import Page, PageError, check_install

PAGE = """\
Words.

<!-- not run: needs a
 daemon -->
<!-- exit: 1 -->
```console
$ ls
```

```{literalinclude} ../a.py
:language: python
```
"""


def test_a_block_has_what_the_comments_before_it_say():
    first, second = blocks_of(PAGE)
    assert first.notes == {"not run": "needs a\n daemon", "exit": "1"}
    assert (first.language, first.text, first.line) == ("console", "$ ls", 6)
    assert (second.language, second.argument, second.text) == ("{literalinclude}", "../a.py", "")
    assert second.notes == {}


def test_a_block_without_an_end_is_refused():
    with pytest.raises(ValueError, match="line 2: the block has no end"):
        list(blocks_of("\n```console\n$ ls"))


def test_a_command_goes_on_after_a_backslash_and_has_no_remark():
    text = "$ a \\\n    b  # why\nshown\n$ c"
    assert commands_of(text) == [Command("a b", ["shown"]), Command("c", [])]


@pytest.mark.parametrize(
    ("shown", "is_said"),
    [
        ("a  12.5 ms b", True),
        ("a 3 ms b", True),
        ("a ... b", True),
        ("a 3 ms", False),
        ("a 3 s b", False),
        ("  a 3 ms b", True),
    ],
)
def test_a_line_is_said_with_any_numbers(shown, is_said):
    assert says("x\n  a 1,234.0 ms b\ny", shown) == is_said


def test_a_program_may_have_the_name_of_its_file():
    assert file_name("# app.py\nx = 1") == "app.py"
    assert file_name("x = 1") is None


def page(folder, text):
    path = folder / "page.md"
    path.write_text(text)
    return Page(path, folder)


def run(folder, monkeypatch, text):
    monkeypatch.setattr("tests.docs.running.CHECKOUT", folder)
    page(folder, text).run()


def test_a_page_keeps_its_files_from_block_to_block(tmp_path, monkeypatch):
    text = "```python\n# app.py\nprint(6 * 7)\n```\n```console\n$ python app.py\n42\n```\n"
    run(tmp_path, monkeypatch, text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```console\n$ python -c 'print(1)'\none\n```", "page.md:1: .* does not write 'one'"),
        ("```console\n$ false\n```", "page.md:1: .* ended with 1"),
        ("```python\nassert False\n```", "page.md:1: .*AssertionError"),
        ("```\n$ ls\n```", "nothing runs a block of 'no language'"),
        ("```console\n$ pip install nothing-known\n```", "does not know 'nothing-known'"),
        ("<!-- meanwhile: true -->\n```console\n$ echo over\n```", "does not answer:\nover"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(tmp_path, monkeypatch, text, fault):
    (tmp_path / "pyproject.toml").write_text(
        "[project]\nname = 'a'\n[project.optional-dependencies]\nb = ['c']\n"
    )
    with pytest.raises(PageError, match=f"(?s){fault}"):
        run(tmp_path, monkeypatch, text)


def test_a_server_is_asked_and_interrupted(tmp_path, monkeypatch):
    text = """\
<!-- meanwhile: python -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8000")' -->
```console
$ python -m http.server 8000
...GET / HTTP/1.1" 200 -
```
"""
    run(tmp_path, monkeypatch, text)


def test_a_server_in_the_background_goes_on_to_the_end_of_the_page(tmp_path, monkeypatch):
    ask = """python -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8000")'"""
    run(tmp_path, monkeypatch, f"```console\n$ python -m http.server 8000 &\n$ {ask}\n$ {ask}\n```")


def test_code_may_await_and_need_what_a_reader_does_not_see(tmp_path, monkeypatch):
    text = "<!-- before:\nimport asyncio\n-->\n```python\nawait asyncio.sleep(0)\n```"
    run(tmp_path, monkeypatch, text)


def test_what_is_installed_has_the_extras_that_there_are():
    check_install("pip install 'trio-tracetools[demo]'")
    with pytest.raises(PageError, match="does not know"):
        check_install("pip install 'trio-tracetools[everything]'")
