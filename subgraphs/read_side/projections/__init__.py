"""The projections that compute the read models from the local log, one module for each model.

Events of one aggregate come in their order, those of different aggregates in any order. So the statements
lead to the same rows in every order: newer values of an aggregate replace older ones, counts and sums are
added up, times are set to the greatest, and a row that needs several aggregates is complete, and visible,
when the last of them has arrived. Example: a review can arrive before the profile of its musician; it creates
a row with the rating only, which queries see when the profile has filled the other columns.
"""
