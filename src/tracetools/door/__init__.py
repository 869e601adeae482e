"""The door into a running program: a Unix socket on which its owner asks for recordings.

`folder` says where sockets are, `protocol` what goes through them, `asks` what is done, `server`
has the thread that does it, `serving` opens the door, `client` is the other side. No code runs from
what comes in.
"""
