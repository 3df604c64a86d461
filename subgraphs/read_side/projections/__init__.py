"""The projections that compute the read models from the local log, one module for each model.

Events of one aggregate come in their order, those of different aggregates in any order. So the statements
lead to the same rows in every order: columns of one aggregate are replaced by newer values, counts and sums
are added up, times are set to the greatest, and a row that needs several aggregates is completed by the last
of them.
"""
