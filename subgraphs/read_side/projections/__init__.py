"""What events do to the tables of the read models: one module for each model.

Events of one aggregate come in their order, those of different ones in any. So each statement leads to the
same rows in every order: columns of one aggregate are replaced by newer ones, counts and sums are added,
times rise, and what belongs to several aggregates is put together by whichever comes last.
"""
