"""Running a plan: fetches as soon as what they wait for is there, entities collected and merged.

Here meaning meets bytes.
"""
