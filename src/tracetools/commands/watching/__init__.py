"""`tracetools top`: asks a program for updates, and shows them.

`feed` asks, `watch` is what is known, `rows` orders it, `page` makes the lines of the screen, `app`
shows them in a terminal and takes keys. All but `feed` and `app` is arithmetic on values.
"""
