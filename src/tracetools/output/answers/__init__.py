"""The answers of a profile in words: what blocks, what is waited for, what computes, what is late.

One entry for each line of the program's own code. `data` has the types, `of_profile` makes them.
"""
