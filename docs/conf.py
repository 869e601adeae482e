"""Sphinx configuration. Built with warnings as errors: `make docs`."""

from importlib.metadata import version as _version

project = "tracetools"
author = "the tracetools authors"
copyright = "2026, the tracetools authors"
version = release = _version("trio-tracetools")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "tracetools"
html_static_path = []
html_extra_path = ["images/demo.svg"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
default_role = "literal"
nitpicky = False
