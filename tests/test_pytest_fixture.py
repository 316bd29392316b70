"""The fixture `parity_compare` in a project of its own: real pytest, real frameworks."""

import subprocess
import sys
from pathlib import Path

from tests.command_line import surroundings

USER_TESTS = """
def test_twins(parity_compare):
    result = parity_compare("twins:first()", "twins:second()", input=(8,))
    assert result.verdict == "equal"
    result.assert_equal()

def test_live_model(parity_compare):
    import keras
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(3)], name="live")
    result = parity_compare(model, "twins:second()", input="8")
    assert result.first == "keras.Model 'live'"
    result.assert_equal()

def test_other(parity_compare):
    parity_compare("twins:first()", "twins:second('Tanh')", input=(8,)).assert_equal()
"""

TWINS = """
def first():
    from keras import Input, Sequential, layers
    return Sequential([Input((8,)), layers.Dense(4, "relu"), layers.Dense(3)])

def second(activation="ReLU"):
    from paddle import nn
    return nn.Sequential(nn.Linear(8, 4), getattr(nn, activation)(), nn.Linear(4, 3))
"""


def test_a_project_tests_its_own_pair(tmp_path: Path) -> None:
    (tmp_path / "twins.py").write_text(TWINS)
    (tmp_path / "test_migration.py").write_text(USER_TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=surroundings(), timeout=400)
    assert "2 passed, 1 failed" in done.stdout.replace("1 failed, 2 passed", "2 passed, 1 failed"), done.stdout
    assert "AssertionError: different: twins:first() / twins:second('Tanh')" in done.stdout
    assert "activation: TensorFlow has relu, Paddle tanh" in done.stdout
