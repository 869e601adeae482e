"""python uvicorn_run.py PORT: uvicorn in the program itself."""

import sys

import uvicorn
from asgi import app

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]))
