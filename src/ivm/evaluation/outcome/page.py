"""The report as one HTML file that needs no other, no network and no script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from ivm.evaluation.outcome.charts import forest
from ivm.evaluation.outcome.examples import CHANGES, Example
from ivm.evaluation.outcome.paired import Comparison
from ivm.evaluation.outcome.results import TrialResults
from ivm.evaluation.outcome.verdict import sentences, told_p
from ivm.evaluation.trial.marking import STATES
from ivm.evaluation.trial.variants import MASK_FROM, VIEWS, Arm

_HEADINGS = {
    "helped": "Helped: wrong with the raw picture, right with the masked one",
    "hurt": "Hurt: right with the raw picture, wrong with the masked one",
    "unchanged": "Unchanged",
}


def page(results: TrialResults, origin: Mapping[str, Any], shown: Iterable[Example]) -> str:
    """Write the page.

    Args:
        results: of the trial.
        origin: what was run, see `session.origin_of`.
        shown: examples.
    """
    suite, lmm = str(origin["suite"]["name"]), str(origin["lmm"].get("model", "?"))
    title = f"Does masking help? {suite}, {lmm}"
    style = files("ivm.evaluation.outcome").joinpath("report.css").read_text(encoding="utf-8")
    sections = [
        _lead(results, origin),
        _section("Accuracy", forest(results.arm_results), "Share of right answers, with 95 % intervals."),
        _section("Each way of asking", _arms(results)),
        _section("Compared with the raw picture", _comparisons(results.against_raw), _PAIRED),
        _section("The model's mask compared with its controls", _comparisons(results.against_controls), _CONTROLS),
        _section("By category", _categories(results)),
        _section("What became of every question", _states(results), _STATES),
        _section("Examples", _examples(shown)),
        _section("Time and cost", _effort(origin)),
        _section("To have these numbers again", _origin(origin)),
    ]
    if results.suite_metrics:
        sections.insert(6, _section("As the benchmark reports", _suite_metrics(results)))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{style}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{''.join(sections)}</main></body></html>\n"
    )


_PAIRED = (
    "Every question is its own control: helped and hurt are the questions that changed. Intervals are from resampling "
    "pictures. Holm: corrected for the number of views."
)
_CONTROLS = "Here the second column is the model's mask, the first a control of the same view."
_STATES = "Whatever is not answered counts as wrong and stays in every denominator."


def _lead(results: TrialResults, origin: Mapping[str, Any]) -> str:
    told = "".join(
        f'<li class="{"control" if one.of_control else "main"}">{escape(one.text)}</li>' for one in sentences(results)
    )
    note = origin["suite"].get("note", "")
    warning = f'<p class="note">{escape(note)}</p>' if note else ""
    leaks = escape(str(origin["leaks"]["told"]))
    about = (
        f"{len(results.questions)} questions about {len(set(results.group_of.values()))} pictures, "
        f"masks by {origin['mask_model'].get('name', '?')}, ivm {origin['version']}, {origin['date']}"
    )
    return f'<p class="quiet">{escape(about)}</p>{warning}<ul class="lead">{told}</ul><p class="quiet">{leaks}</p>'


def _section(title: str, body: str, note: str = "") -> str:
    quiet = f'<p class="quiet">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(title)}</h2>{quiet}{body}</section>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, texts: bool = False) -> str:
    """A table that scrolls sideways by itself where the screen is narrow; cells, numbers or texts, are escaped here."""
    kind = ' class="wraps"' if texts else ""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(head[0])}"><table{kind}>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _arms(results: TrialResults) -> str:
    head = ("Shown", "n", "accuracy", "95 % interval", "kept", "whole", "megapixels", "tokens", "median s", "p95 s")
    rows = []
    for one in results.arm_results:
        arm = Arm.named(one.arm)
        low, high = one.accuracy.low, one.accuracy.high
        rows.append(
            (
                one.arm,
                str(one.questions),
                f"{one.accuracy.mean:.3f}",
                "" if low is None else f"{low:.3f} to {high:.3f}",
                f"{one.coverage:.1%}",
                str(one.kept_whole) if arm.view != "raw" else "",
                f"{one.megapixels:.2f}",
                f"{one.prompt_tokens + one.completion_tokens:,}",
                "" if one.latency_s is None else f"{one.latency_s:.3f}",
                "" if one.latency_p95_s is None else f"{one.latency_p95_s:.3f}",
            )
        )
    views = {arm.view: VIEWS[arm.view] for arm in results.arms}
    masks = {f"/{arm.mask}": MASK_FROM[arm.mask] for arm in results.arms if arm.mask != "model"}
    legend = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in (views | masks).items())
    return f"{table(head, rows)}<dl>{legend}</dl>"


def _comparisons(found: Sequence[Comparison]) -> str:
    if not found:
        return "<p>No such arm was asked.</p>"
    head = ("Second", "first", "n", "first", "second", "change", "95 % interval", "helped", "hurt", "p", "Holm", "test")
    return table(
        head,
        [
            (
                one.second,
                one.first,
                str(one.questions),
                f"{one.first_mean:.3f}",
                f"{one.second_mean:.3f}",
                f"{one.difference.mean:+.3f}",
                "" if one.difference.low is None else f"{one.difference.low:+.3f} to {one.difference.high:+.3f}",
                str(one.helped),
                str(one.hurt),
                told_p(one.p),
                "" if one.adjusted_p is None else told_p(one.adjusted_p),
                one.test,
            )
            for one in found
        ],
    )


def _categories(results: TrialResults) -> str:
    names = sorted(set(results.categories.values()))
    counts = {name: sum(own == name for own in results.categories.values()) for name in names}
    rows = [
        (one.arm, *(f"{one.by_category[name]:.3f}" if name in one.by_category else "" for name in names))
        for one in results.arm_results
    ]
    return table(("Shown", *(f"{name} ({counts[name]})" for name in names)), rows)


def _states(results: TrialResults) -> str:
    present = [state for state in STATES if any(state in one.states for one in results.arm_results)]
    return table(
        ("Shown", *present),
        [(one.arm, *(str(one.states.get(state, 0)) for state in present)) for one in results.arm_results],
    )


def _suite_metrics(results: TrialResults) -> str:
    metrics = results.suite_metrics
    names = list(next(iter(metrics.values())))
    rows = [(arm, *(f"{values[name]:.3f}" for name in names)) for arm, values in metrics.items()]
    return table(("Shown", *names), rows)


def _examples(shown: Iterable[Example]) -> str:
    kept = list(shown)
    parts = []
    for change in CHANGES:
        cards = "".join(_card(one) for one in kept if one.change == change)
        count = sum(one.change == change for one in kept)
        parts.append(f'<h3>{_HEADINGS[change]} ({count} shown)</h3><div class="cards">{cards or "<p>None.</p>"}</div>')
    return "".join(parts)


def _card(example: Example) -> str:
    question = example.question
    options = " ".join(f"({a}) {text}" for a, text in zip(question.letters, question.options, strict=True))
    right = ", ".join(dict.fromkeys(question.answers))
    sides = []
    for outcome, pictures in ((example.first, example.first_pictures), (example.second, example.second_pictures)):
        said = outcome.said or outcome.state
        verdict = "right" if outcome.score >= 1 else "wrong" if outcome.score == 0 else f"{outcome.score:.2f}"
        images = "".join(
            f'<img src="{one.url}" width="{one.width}" height="{one.height}" decoding="sync" '
            f'alt="{escape(outcome.arm)}: {escape(question.question)}">'
            for one in pictures
        )
        sides.append(
            f'<figure>{images}<figcaption><b>{escape(outcome.arm)}</b>: <span class="{verdict}">{escape(said[:80])}, '
            f"{verdict}</span></figcaption></figure>"
        )
    return (
        f'<article><p><b>{escape(question.question)}</b> {escape(options)}<br><span class="quiet">right: '
        f'{escape(right[:80])} · {escape(question.id)}</span></p><div class="pair">{"".join(sides)}</div></article>'
    )


def _effort(origin: Mapping[str, Any]) -> str:
    times, usage = origin["times"], origin["usage"]
    rows = [(name.replace("_", " "), f"{value:.1f} s") for name, value in times.items() if name.endswith("_s")]
    ratio = times.get("ratio")
    if ratio is not None:
        rows.append(("whole run over masking and answering one after the other", f"{ratio:.2f}"))
    rows += [(name.replace("_", " "), str(value)) for name, value in usage.items() if value is not None]
    return table(("Stage", "took"), rows)


def _origin(origin: Mapping[str, Any]) -> str:
    rows = [("command", str(origin["command"])), ("ivm", str(origin["version"])), ("date", str(origin["date"]))]
    rows += [(name, str(value)) for name, value in origin["packages"].items()]
    rows += [(f"benchmark, {name}", str(value)) for name, value in origin["suite"].items()]
    rows += [(f"LMM, {name}", str(value)) for name, value in origin["lmm"].items()]
    weights = origin["mask_model"].get("weights", {})
    rows += [
        ("mask model", str(origin["mask_model"].get("name"))),
        *((f"sha256 of {k}", v) for k, v in weights.items()),
    ]
    rows += [(name, str(value)) for name, value in origin["settings"].items()]
    rows.append(("leak check", str(origin["leaks"]["told"])))
    return table(("What", "value"), rows, texts=True)
