"""python notebook.py NAMES: executes a notebook whose cells have `await` at their top level."""

import sys

import nbformat
from nbclient import NotebookClient

if __name__ == "__main__":
    cells = ["import handlers", *(f"await handlers.{name}()" for name in sys.argv[1].split(","))]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3").execute()
    print([output["data"]["text/plain"] for cell in notebook.cells for output in cell.outputs])
