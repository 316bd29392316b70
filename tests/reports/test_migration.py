"""The report on two models of a user: its verdict, that nothing found is left out, whole files."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from parity.catalogue.traps import TRAPS
from parity.records.migrations import Impact, LoneArray, MatchedLayer, Migration, OwnArray, OwnWeights
from parity.records.records import Diagnosis, OwnGap, Proof
from parity.records.validation import RecordError
from reports import write_migration_report
from tests.reports.report_records import row, rows, section

FIRST, SECOND = "mine.models:tf_net(weights=None)", "mine.models:PaddleNet"

DATA = "CIFAR-10 (official files)"

CHANGE = "in features.1: nn.BatchNorm2D(64, epsilon=0.001)"

FIX = "def fix(model):\n    layers = dict(model.named_sublayers())\n    layers['features.1']._epsilon = 0.001\n"

UNSEEN = "activation: TensorFlow has relu6, Paddle relu; these inputs do not show it"


def stage(index: int, gap: float | None, **changes: Any) -> MatchedLayer:
    """One matched layer."""
    names = (f"conv{index}", f"features.{index}", "conv", "the only such pair")
    return replace(MatchedLayer(*names, gap, 1e-12), **changes)


def proof(level: int, title: str, gap: float | None, limit: float | None, worst: str | None) -> Proof:
    """A proof that holds where its gap is within its limit."""
    passed = level == 1 or (gap is not None and limit is not None and gap <= limit)
    made = Proof(f"{FIRST} / {SECOND}", level, title, passed, DATA, {"stages": 4, "elements": 123_456}, gap, limit)
    problems = [] if passed else ["2 of 4 stages differ; the first is 'conv3'"]
    own = OwnGap(gap, limit, worst)
    frameworks = {"paddle": own, "tensorflow": own} if level == 3 else {}
    return replace(made, worst=worst, frameworks=frameworks, problems=problems)


def proofs(gap: float | None) -> list[Proof]:
    """Levels 1 to 3; `gap` is that of level 2."""
    return [
        proof(1, "transfer certificate", None, None, None),
        proof(2, "float64 forward", gap, 1e-12, "conv4"),
        proof(3, "float32 forward", 3e-7, 2e-6, "conv2"),
    ]


def cause(name: str, trap: str, text: str, before: float, after: float) -> Diagnosis:
    """One cause in the Paddle model, as the diagnosis of pairs words it."""
    change = text.partition(": ")[2].partition(";")[0]
    return Diagnosis("paddle", name, trap, text, before, after, change=change)


def record(**changes: Any) -> Migration:
    """A small pair of models, equal unless changed."""
    equal = Migration(
        first=FIRST,
        second=SECOND,
        input=[32, 32, 3],
        inputs=DATA,
        verdict="equal",
        fixed=False,
        parameters={"paddle": 4_253_864, "tensorflow": 4_253_865},
        proofs=proofs(2e-15),
        stages=[stage(index, gap) for index, gap in enumerate((3e-16, 0.0, 9e-16, 2e-15), 1)],
        unmatched={"tensorflow": ["dropout: dropout; rate 0.5"], "paddle": []},
        ambiguous=[],
        causes=[],
        remarks=["'predictions' (softmax) ends the tensorflow model only: the models are compared before it"],
        training=["dropout 0.5 in TensorFlow only (dropout)"],
        fix="",
        by_hand=[],
        impact=Impact(200, DATA, 0, 2e-6, []),
        seconds=12.6,
        peak_memory=2_263_474_176,
    )
    return replace(equal, **changes)


def different(**changes: Any) -> Migration:
    """The same pair with an epsilon in two places, a ReLU6 that is not seen, and a layer that nobody understands."""
    epsilon = "batch norm epsilon: TensorFlow has 0.001, Paddle 1e-05; with 0.001 the gap falls from 6.1e-04 to 1.2e-16"
    causes = [
        cause("conv3", "bn-epsilon", f"conv3 / features.3: {epsilon}", 6.1e-4, 1.2e-16),
        cause("conv4", "bn-epsilon", f"conv4 / features.4: {epsilon}", 7.3e-4, 0.0),
        cause("conv2", "act-other", f"conv2 / features.2: {UNSEEN}", 0.0, 0.0),
        cause("extra", "", "extra (conv) exists in TensorFlow only", math.inf, math.inf),
    ]
    fields: dict[str, Any] = {
        "verdict": "different",
        "proofs": proofs(0.8),
        "stages": [stage(index, gap) for index, gap in enumerate((3e-16, 0.0, 6.1e-4, 0.8), 1)],
        "causes": causes,
        "fix": FIX,
        "changes": [CHANGE],
        "fixed_verdict": "different",
        "by_hand": ["extra (conv) exists in TensorFlow only: change the model by hand"],
        "impact": Impact(200, DATA, 3, 0.04, [0.01, 0.0002, 0.05]),
    }
    return record(**(fields | changes))


def written(folder: Path, comparison: Migration) -> str:
    """The Markdown of the report."""
    return write_migration_report(comparison, folder / "out" / "report.md").read_text(encoding="utf-8")


def verdict(text: str) -> str:
    """The bold sentence that is signed."""
    match = re.search(r"^\*\*(.*)\*\*$", section(text, "Verdict"), re.MULTILINE)
    assert match is not None
    return match[1]


def test_equal_says_what_was_compared_and_what_was_not(tmp_path: Path) -> None:
    text = written(tmp_path, record())
    same = (
        f"`{SECOND}` computes what `{FIRST}` computes, given the same weights; in float64 all outputs agree, and 4 "
        "of 4 compared layers."
    )
    assert verdict(text) == f"Equal: {same}"
    assert text.startswith(f"# Migration report: `{FIRST}` to `{SECOND}`\n")
    part = section(text, "Verdict")
    assert f"inputs of 32x32x3, {DATA}" in part
    assert "4 layers and functions, 123,456 elements. The largest gap is 2.0e-15, the limit 1e-12." in part
    assert "Nothing is said of training: levels 4 and 5 were not run." in part
    assert section(text, "Causes").endswith("None was found.\n")
    assert "There is nothing to change." in text


def test_layers_that_were_not_compared_speak_neither_for_nor_against(tmp_path: Path) -> None:
    stages = [stage(1, 1e-16), stage(2, None, limit=None)]
    text = written(tmp_path, record(stages=stages))
    assert verdict(text).startswith("Equal: ")
    assert verdict(text).endswith("in float64 all outputs agree, and 1 of 1 compared layers.")
    assert row(section(text, "Layers"), "2")[4] == "-"


def test_models_without_float64_are_equal_in_what_they_have(tmp_path: Path) -> None:
    levels = [replace(one, frameworks={}) for one in proofs(2e-15) if one.level != 2]
    text = written(tmp_path, record(proofs=levels))
    assert verdict(text).endswith("in the precision that they have all outputs agree, and 4 of 4 compared layers.")
    assert "Compared in the precision that they have on inputs of 32x32x3" in text


def test_equal_after_changes_says_so(tmp_path: Path) -> None:
    text = written(tmp_path, different(fixed=True, fixed_verdict="equal", by_hand=[]))
    assert verdict(text).startswith(f"Different: `{SECOND}` does not compute what `{FIRST}` computes")
    assert verdict(text).endswith("With the changes below the two agree.")
    fix = section(text, "The fix")
    assert "changes of the PaddlePaddle model were made in memory and proven: with them the two models agree" in fix
    assert CHANGE in fix.replace("\\", "")
    assert f"```python\n{FIX}```" in text


def test_different_counts_layers_and_causes(tmp_path: Path) -> None:
    text = written(tmp_path, different())
    assert verdict(text).startswith(f"Different: `{SECOND}` does not compute what `{FIRST}` computes")
    assert verdict(text).endswith("level 2 failed and 2 of 4 compared layers differ in float64.")
    assert "4 causes found: `bn-epsilon` (2), `act-other` (1) and no known trap (1)." in text
    assert "the models still differ elsewhere" in section(text, "The fix")


def test_difference_that_the_inputs_do_not_show(tmp_path: Path) -> None:
    hidden = [cause for cause in different().causes if cause.trap == "act-other"]
    text = written(tmp_path, record(verdict="different", causes=hidden))
    assert verdict(text).endswith("they differ in 1 setting of layers, which these inputs do not show.")


def test_weights_that_could_not_be_transferred_leave_it_undecided(tmp_path: Path) -> None:
    lone = [cause for cause in different().causes if cause.stage == "extra"]
    text = written(tmp_path, different(verdict="undecided", causes=lone, impact=None))
    assert verdict(text).startswith(f"Undecided: whether `{SECOND}` computes what `{FIRST}` computes was not proven.")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"proofs": proofs(2e-15)[:1]}, "nothing is on record of levels 2 and 3"),
        ({"proofs": proofs(None)}, "level 2 failed"),
        ({"proofs": [replace(one, frameworks={}) for one in proofs(2e-15)]}, "level 3 failed"),
        (
            {"proofs": [replace(level_proof, compared={"stages": 0}) for level_proof in proofs(2e-15)]},
            "levels 1, 2 and 3 failed",
        ),
        ({"stages": [stage(1, None)]}, "1 of 1 compared layers differ in float64"),
    ],
)
def test_a_record_is_not_believed_beyond_its_proofs(tmp_path: Path, broken: dict[str, Any], reason: str) -> None:
    sentence = verdict(written(tmp_path, record(**broken)))
    assert sentence.startswith("Not proven: the record says equal, but ")
    assert reason in sentence


def test_every_level_has_its_row(tmp_path: Path) -> None:
    text = section(written(tmp_path, different()), "Evidence")
    assert row(text, "1") == ["1", "transfer certificate", "passed", "-", "-", "-", "4 stages, 123,456 elements"]
    assert row(text, "2")[2:6] == ["**FAILED**", "**8.0e-01**", "1e-12", "`conv4`"]
    assert row(text, "3")[2:6] == ["passed", "3.0e-07", "2.0e-06", "`conv2`"]
    assert "- **Level 2 failed:** 2 of 4 stages differ; the first is 'conv3'." in text
    training = proof(4, "train-mode forward", 1e-13, 1e-12, "output")
    text = written(tmp_path, record(proofs=[*proofs(2e-15), training]))
    assert "Of training, one pass was compared, with the same masks of dropout" in text
    assert row(section(text, "Evidence"), "4")[2] == "passed"


def test_every_cause_is_named_with_what_to_do(tmp_path: Path) -> None:
    comparison = different()
    text = section(written(tmp_path, comparison), "Causes")
    assert "### 1. `bn-epsilon` in 2 places, first at `conv3`" in text
    assert row(text, "`conv3`") == ["`conv3`", "`features.3`", "6.1e-04", "1.2e-16"]
    assert row(text, "`conv4`") == ["`conv4`", "`features.4`", "7.3e-04", "0"]
    assert "### 2. `act-other` at `conv2`" in text
    assert "### 3. no known trap at `extra`" in text
    for trap in ("bn-epsilon", "act-other"):
        assert f"**What to do:** {TRAPS[trap].fix}." in text
    assert UNSEEN in text
    assert all(f"`{cause.stage}`" in text for cause in comparison.causes)
    assert "1 cause without a place in the picture" in written(tmp_path, comparison)
    assert "- extra (conv) exists in TensorFlow only: change the model by hand" in written(tmp_path, comparison)


def test_layers_that_are_not_seen_or_no_number(tmp_path: Path) -> None:
    causes = [
        cause(name, "act-other", f"{name} / x: {UNSEEN}", before, before)
        for name, before in (("conv1", 0.0), ("conv2", math.nan), ("lone", math.inf))
    ]
    text = section(written(tmp_path, record(verdict="different", causes=causes)), "Causes")
    assert row(text, "`conv1`")[2:] == ["not seen", "not seen"]
    assert row(text, "`conv2`")[2:] == ["**not a number**"] * 2
    assert row(text, "`lone`")[1:] == ["-", "-", "-"]


def test_decision_impact(tmp_path: Path) -> None:
    text = section(written(tmp_path, different()), "Decision impact")
    assert f"**3 of 200 inputs change their class**, in float32. The inputs: {DATA}." in text
    assert "is 4.0e-02." in text
    assert "it is 0.0200 to 5.00 % of the largest output, the median 1.00 %" in text
    assert "Where those are random, as with `weights=None`" in text
    assert "Not measured" in section(written(tmp_path, record(impact=None)), "Decision impact")
    odd = record(impact=Impact(200, DATA, 0, None, []))
    assert "**not a number**" in section(written(tmp_path, odd), "Decision impact")


def own_weights(**changes: Any) -> OwnWeights:
    """Two arrays with the same bits, and one that only TensorFlow has."""
    arrays = [OwnArray(f"fc.{kind}", [f"fc/{kind}"], 30, "same bits") for kind in ("weight", "bias")]
    alone = [LoneArray("tensorflow", "conv/bias", 6, True, "all 0: the models are equal with it as it is")]
    whole = OwnWeights("equal", "equal", arrays, alone, DATA, 200, 9, 2_000, 2e-15, 1e-12, 200, 199, [])
    return replace(whole, **changes)


def test_own_weights_are_listed_and_the_sentence_is_about_them(tmp_path: Path) -> None:
    text = written(tmp_path, record(own=own_weights()))
    assert verdict(text).startswith(
        f"Equal, with the weights that both have: `{SECOND}` computes what `{FIRST}` computes. 2 arrays with the same "
        "bits"
    )
    part = section(text, "Own weights")
    assert "on 200 inputs (CIFAR-10 (official files)) and on designed ones, 9 sets and 2,000 numbers in all" in part
    assert "largest gap 2.0e-15, the limit 1e-12. Top-1 agreement 200 of 200 and top-5 agreement 199 of 200." in part
    assert "<summary>All 2 arrays</summary>" in part
    assert row(part, "`fc.weight`")[1:] == ["`fc/weight`", "30", "same bits", "-", "-"]
    assert row(part, "TensorFlow")[1:4] == ["`conv/bias`", "6", "yes"]
    assert "converted correctly is another question" not in text
    assert "`--weights own` answers it" in written(tmp_path, record())
    assert "## Own weights" not in written(tmp_path, record())


def test_own_weights_that_differ_are_bold_and_first(tmp_path: Path) -> None:
    rounded = OwnArray("a", ["b"], 3, "rounded", "float16")
    other = OwnArray("conv.weight", ["x", "y"], 12, "other", gap=0.25, index=[0, 3], holds="last.weight")
    nan = OwnArray("last.weight", ["z"], 12, "other", index=[1])
    own = own_weights(
        verdict="different", arrays=[rounded, other, nan], gap=None, top5=None, reasons=["conv.weight holds *others*"]
    )
    text = written(tmp_path, record(verdict="different", own=own))
    assert verdict(text).startswith("Different, with the weights that both have: ")
    part = section(text, "Own weights")
    assert [columns[0] for columns in rows(part)][:4] == ["Paddle array", "`conv.weight`", "`last.weight`", "`a`"]
    assert row(part, "`conv.weight`")[1:] == ["`x`, `y`", "12", "**other**, holds `last.weight`", "2.5e-01", "0, 3"]
    assert row(part, "`last.weight`")[3:5] == ["**other**", "**not a number**"]
    assert row(part, "`a`")[3] == "rounded to float16"
    assert "0 arrays with the same bits, 1 rounded to float16 and 2 other" in part
    assert "largest gap **not a number**" in part
    assert r"- conv.weight holds \*others\*." in part
    assert "top-5" not in part


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"arrays": [OwnArray("w", ["k"], 3, "other")]}, "other numbers are in 1 array"),
        ({"arrays": []}, "no array was compared"),
        ({"elements": 0}, "no output was compared"),
        ({"gap": 0.5}, "the outputs with own weights differ"),
        ({"gap": None}, "the outputs with own weights differ"),
        ({"drawn": "different"}, "the models are not equal with drawn weights"),
        ({"alone": [LoneArray("paddle", "b", 3, False, "all 1")]}, "no counterpart is known of 1 array"),
    ],
)
def test_equal_own_weights_that_the_record_does_not_show_are_not_reported(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    text = written(tmp_path, record(own=own_weights(**changes)))
    assert verdict(text) == f"Not proven: the record says equal, but {says}."


def test_rounded_own_weights_are_equal_up_to_that(tmp_path: Path) -> None:
    arrays = [OwnArray(name, ["k"], 3, "rounded", "bfloat16") for name in ("a", "b")]
    text = written(tmp_path, record(own=own_weights(arrays=arrays)))
    assert verdict(text).startswith("Equal up to bfloat16 rounding of 2 arrays, with the weights that both have: ")


def test_a_record_of_own_weights_is_read_and_an_older_one_lacks_it() -> None:
    own = record(own=own_weights())
    values = json.loads(json.dumps(own.as_dict()))
    assert Migration.from_dict(values) == own
    del values["own"]
    assert Migration.from_dict(values) == record()
    values = json.loads(json.dumps(own.as_dict()))
    values["own"]["arrays"][0]["state"] = "similar"
    with pytest.raises(RecordError, match="own"):
        Migration.from_dict(values)


def test_layers_and_how_it_was_made(tmp_path: Path) -> None:
    text = written(tmp_path, different(ambiguous=["a, b / c, d: alike in all that was looked at"]))
    layers = section(text, "Layers")
    assert "<summary>All 4 matched layers</summary>" in layers
    assert row(layers, "2") == ["2", "`conv2`", "`features.2`", "conv", "0", "the only such pair"]
    assert row(layers, "3")[4] == "**6.1e-04**"
    assert "- dropout: dropout; rate 0.5" in section(layers, "In TensorFlow only")
    assert section(layers, "In PaddlePaddle only").strip().endswith("None.")
    assert "- a, b / c, d: alike" in section(layers, "Ambiguous matches")
    assert "1 group of layers could be matched by their order only" in section(text, "Verdict")
    assert "- 'predictions' (softmax) ends" in section(layers, "Remarks")
    assert "- dropout 0.5 in TensorFlow only (dropout)" in section(text, "In training only")
    made = section(text, "How it was made")
    assert row(made, "parameters, PaddlePaddle")[1] == "4,253,864"
    assert row(made, "time")[1] == "12.6 s"
    assert row(made, "peak memory of all processes, added up")[1] == "2,159 MiB"


def test_gaps_that_are_no_number_read_well(tmp_path: Path) -> None:
    """As a live record has them, and as one that was JSON has them."""
    for value in (None, math.nan, math.inf):
        failed = proof(2, "float64 forward", value, 1e-12, "conv1")
        never = proof(3, "float32 forward", None, None, None)
        stages = [stage(1, value), stage(2, 1.0)]
        comparison = different(first="net", proofs=[*proofs(0.8)[:1], failed, never], stages=stages)
        text = written(tmp_path, comparison)
        assert row(section(text, "Evidence"), "2")[3] == "**not a number**"
        assert row(section(text, "Evidence"), "3")[3] == "**not measured**"
        assert row(section(text, "Layers"), "1")[4] == "**not a number**"
        assert verdict(text).endswith("levels 2 and 3 failed and 2 of 2 compared layers differ in float64.")
        assert not re.search(r"\b(nan|NaN|inf)\b|\bNone\b(?!\.)", text.replace("weights=None", ""))


def test_markup_in_names_survives(tmp_path: Path) -> None:
    name, second, target = "a|b_`c`_$x$_", "_blocks.0|<b>*", "mine:net(pick='a|b')"
    text = "conv padding: TensorFlow has [0, 1], Paddle *1*"
    comparison = different(
        first=target,
        stages=[stage(1, 0.5, first=name, second=second), stage(2, 0.5)],
        causes=[cause(layer, "same-pad", f"{layer} / {second}: {text}", 0.5, 0.0) for layer in (name, "conv2")],
        remarks=[f"'{name}' and __init__"],
    )
    page = written(tmp_path, comparison)
    assert f"# Migration report: `{target}` to" in page
    matched = [columns for columns in rows(section(page, "Layers")) if columns[0] == "1"]
    assert matched == [["1", "`a\\|b_'c'_$x$_`", "`_blocks.0\\|<b>*`", "conv", "**5.0e-01**", "the only such pair"]]
    assert row(section(page, "Causes"), "`a\\|b_'c'_$x$_`")[2:] == ["5.0e-01", "0"]
    assert r"'a|b\_\`c\`\_\$x\$\_' and \_\_init\_\_" in page
    assert r"TensorFlow has \[0, 1\], Paddle \*1\*" in page


def test_no_directory_of_the_machine_is_in_the_text(tmp_path: Path) -> None:
    text = written(tmp_path, record(first="/home/someone/models/net.keras"))
    assert "/home" not in text
    assert "`net.keras`" in text


def test_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    """A record that was JSON in between too."""
    again = Migration.from_dict(json.loads(json.dumps(different().as_dict())))
    folders = [
        write_migration_report(comparison, tmp_path / name / "report.md").parent
        for name, comparison in (("a", different()), ("b", again))
    ]
    files = sorted(path.relative_to(folders[0]) for path in folders[0].rglob("*") if path.is_file())
    assert [str(path) for path in files] == ["report.md", "report_files/migration_gaps.png"]
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in files)


@pytest.mark.parametrize("layers", [1, 4, 90])
def test_picture_of_few_and_many_layers(tmp_path: Path, layers: int) -> None:
    stages = [stage(index, (0.0, 1e-15, None, math.inf)[index % 4], first="long" * 20) for index in range(layers)]
    text = written(tmp_path, different(stages=stages))
    assert re.findall(r"!\[[^\]]*\]\(<([^>]*)>\)", text) == ["report_files/migration_gaps.png"]
    picture = (tmp_path / "out" / "report_files" / "migration_gaps.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert 2000 < len(picture) < 100_000


def test_nothing_compared_has_no_picture(tmp_path: Path) -> None:
    text = written(tmp_path, different(stages=[]))
    assert "![" not in text
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.md"]


@pytest.mark.parametrize("broken", ["write_bytes", "replace"])
def test_failure_leaves_no_half_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    old = written(tmp_path, record(stages=[]))

    def fail(self: Path, *_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, broken, fail)
    with pytest.raises(OSError, match="no space left"):
        write_migration_report(different(), tmp_path / "out" / "report.md")
    assert (tmp_path / "out" / "report.md").read_bytes() == old.encode()
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.endswith(".part")]


def test_failure_while_composing_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("cannot draw")

    monkeypatch.setattr("reports.plots.migration.gaps_along_depth", fail)
    with pytest.raises(ValueError, match="cannot draw"):
        written(tmp_path, different())
    assert not (tmp_path / "out").exists()


def test_a_proof_of_another_form_is_a_record_error() -> None:
    values = record().as_dict()
    values["proofs"][1]["depth"] = 3
    with pytest.raises(RecordError, match=r"^proofs\[1\]\.depth: expected no field of this name, found 3"):
        Migration.from_dict(values)


def test_a_cause_at_no_matched_layer_is_marked_at_the_next_one(tmp_path: Path) -> None:
    text = section(written(tmp_path, different(marks={"extra": "conv4"})), "Gaps along depth")
    assert "or the next one where it is at none of these layers" in text
    assert "without a place" not in text


def test_another_shape_is_said_in_the_place_of_a_gap(tmp_path: Path) -> None:
    problem = "other shape: 2x2x4 in TensorFlow, 4x3x3 in Paddle"
    comparison = record(stages=[stage(1, 0.5), stage(2, None, problem=problem)])
    assert row(section(written(tmp_path, comparison), "Layers"), "2")[4] == f"**{problem}**"
