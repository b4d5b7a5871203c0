"""`python -m desk` is `ombud`."""

from desk.entry import main

main()
