"""`python -m parity`: the command, by the interpreter that is to run it."""

from parity.cli.main import main

main()
