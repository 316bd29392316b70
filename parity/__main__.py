"""`python -m parity`: the command, by the interpreter that is to run it."""

from parity.cli import main

main()
