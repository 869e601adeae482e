"""The resources of a profile, as part of its JSON; see `profile_json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tracetools.core.resources import Holds, Resource, ResourceUse, Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from tracetools.core.histogram import Histogram
    from tracetools.core.stacks import Frame, StackPath

__all__ = ["parse_resources", "resource_paths", "resource_rows"]

_COUNTS: Final = ("count", "lived", "saturated", "most_waiting", "length_time", "items", "taken")
_TABLES: Final[dict[str, Any]] = {
    "holds": Holds,
    "waits": Waits,
    "blockers": Waits,
    "getters": Waits,
}


def resource_paths(resources: Mapping[Resource, ResourceUse]) -> Iterator[StackPath]:
    """Yield paths that have all frames of resources."""
    for resource, use in resources.items():
        yield (resource.place,)
        for name in _TABLES:
            yield from getattr(use, name)


def resource_rows(
    resources: Mapping[Resource, ResourceUse],
    index_of: Mapping[Frame, int],
    path_rows: Callable[[Any, Mapping[Frame, int]], list[Any]],
    histogram_row: Callable[[Histogram], list[Any]],
) -> list[dict[str, Any]]:
    """Return a row for each resource, sorted by what it is known by.

    Args:
        resources: the resources.
        index_of: the indexes of all frames.
        path_rows: returns the rows of numbers by path.
        histogram_row: returns the row of a histogram.
    """
    rows = []
    for resource, use in sorted(resources.items(), key=lambda item: _order(item[0], index_of)):
        tables = {name: path_rows(getattr(use, name), index_of) for name in _TABLES}
        rows.append(
            {
                "kind": resource.kind,
                "place": index_of[resource.place],
                "is_made": resource.is_made,
                "size": use.size,
                **{name: getattr(use, name) for name in _COUNTS},
                "lengths": histogram_row(use.lengths),
                **tables,
            }
        )
    return rows


def _order(resource: Resource, index_of: Mapping[Frame, int]) -> tuple[str, int, bool]:
    return resource.kind, index_of[resource.place], resource.is_made


def parse_resources(
    rows: Iterable[Any],
    frames: list[Frame],
    by_path: Callable[[list[Any], list[Frame], str, Any], Any],
    histogram: Callable[[Mapping[str, Any], str], Histogram],
) -> dict[Resource, ResourceUse]:
    """Return the resources that rows stand for.

    Args:
        rows: the rows.
        frames: all frames.
        by_path: returns the numbers of rows by path.
        histogram: returns a histogram that a row has by a name.

    Raises:
        ValueError: a row is none, or there twice.
    """
    found: dict[Resource, ResourceUse] = {}
    for index, row in enumerate(rows):
        what = f"resource {index}"
        if not isinstance(row, dict) or not _is_whole(row):
            raise ValueError(f"{what} has not all keys, or one of another type")
        if not row["place"] < len(frames):
            raise ValueError(f"{what} refers to a frame that is not there")
        resource = Resource(row["kind"], frames[row["place"]], row["is_made"])
        if resource in found:
            raise ValueError(f"{what} is there twice")
        tables = {
            name: by_path(row[name], frames, f"{name} of {what}, row", kind)
            for name, kind in _TABLES.items()
        }
        numbers = {name: row[name] for name in _COUNTS}
        lengths = histogram(row, "lengths")
        found[resource] = ResourceUse(size=row["size"], lengths=lengths, **numbers, **tables)
    return found


def _is_whole(row: dict[str, Any]) -> bool:
    """Whether a row has all keys, with values of the right types, but for the rows in it."""
    return (
        isinstance(row.get("kind"), str)
        and isinstance(row.get("is_made"), bool)
        and all(_is_count(row.get(name)) for name in ("place", *_COUNTS))
        and ("size" in row and (row["size"] is None or _is_count(row["size"])))
        and all(isinstance(row.get(name), list) for name in ("lengths", *_TABLES))
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
