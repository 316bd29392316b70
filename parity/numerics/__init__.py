"""Numbers: named arrays, how far they lie apart, limits derived from rounding, references in plain numpy."""
