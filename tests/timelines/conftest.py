"""Properties of timelines are checked on one Python: they are arithmetic, and take long."""

import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]) and hasattr(
            getattr(item, "obj", None), "hypothesis"
        ):
            item.add_marker(pytest.mark.once)
