"""What pytest collects: proofs, speeds, curves and trainings of all networks."""
