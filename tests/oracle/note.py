"""`python -m tests.oracle.note`: ask the oracle about every set of the pages and write its verdicts after the
sets' names.
"""

from tests.oracle.sets import ask_oracle, read_pages, write_notes

if __name__ == "__main__":
    every = read_pages()
    write_notes(every, ask_oracle(every))
