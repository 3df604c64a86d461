"""Running a plan, on the exact path (here) and on the compiled path (`compile`).

A fetch is sent as soon as its predecessors have ended. The objects at its targets become representations, and
the entities of the reply are merged into these objects. `loader` batches the calls of concurrent requests.
"""
