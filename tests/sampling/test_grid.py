"""The moments at which samples are due: all of them are as likely as each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tracetools.sampling.grid import Grid

GRIDS = st.builds(
    Grid, st.integers(0, 10**15), st.integers(1, 10**10), st.integers(0, (1 << 64) - 1)
)
TIMES = st.integers(0, 10**11)


def moments_of(grid: Grid, count: int) -> list[int]:
    found, now = list[int](), grid.start - 1
    for _ in range(count):
        now = grid.following(now)
        found.append(now)
    return found


@given(GRIDS)
def test_each_cell_has_one_moment(grid):
    cells = [(moment - grid.start) // grid.interval for moment in moments_of(grid, 50)]
    assert cells == list(range(50))


@given(GRIDS, TIMES, TIMES)
def test_the_moments_between_two_times_are_those_that_follow_each_other(grid, passed, more):
    since = grid.start + passed % (50 * grid.interval)
    until = since + more % (50 * grid.interval)
    between = [moment for moment in moments_of(grid, 101) if since < moment <= until]
    assert grid.between(since, until) == len(between)


@given(GRIDS, TIMES, TIMES, TIMES)
def test_times_add_up(grid, first, second, third):
    one, two, three = sorted(grid.start + passed for passed in (first, second, third))
    assert grid.between(one, two) + grid.between(two, three) == grid.between(one, three)


@given(GRIDS, TIMES)
def test_nothing_is_due_before_the_grid_begins(grid, passed):
    assert grid.between(grid.start - passed - 1, grid.start - 1) == 0
    assert grid.following(grid.start - passed - 1) == grid.following(grid.start - 1)


def test_a_part_of_each_cell_has_its_share_whatever_its_period():
    """A program that does the same in each cell is told without bias."""
    grid = Grid(10**12, 1000, 7)
    found = sum(
        grid.between(grid.start + 1000 * cell - 1, grid.start + 1000 * cell + 249)
        for cell in range(100_000)
    )
    assert abs(found - 25_000) < 700  # five times what chance does
    assert grid.between(grid.start - 1, grid.start + 1000 * 100_000 - 1) == 100_000
