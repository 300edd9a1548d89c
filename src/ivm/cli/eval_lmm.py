"""`ivm eval lmm`: does masking help a large multimodal model, and would one believe the number."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ivm.cli.completion import listed
from ivm.cli.console import command_line, emit, tables
from ivm.cli.data_options import survey_of
from ivm.cli.options import Debug, FillColor, Json, Model, Preset, Seed, Threshold, style_of, threshold_of
from ivm.cli.progress import Workers, bar
from ivm.core.errors import OptionError

if TYPE_CHECKING:
    from ivm.evaluation.trial.run import Outcome
    from ivm.lmm.budget import Prices


class SuiteName(StrEnum):
    """Benchmarks."""

    vstar = "vstar"
    hr_bench = "hr-bench"
    visualprobe = "visualprobe"
    o3_bench = "o3-bench"
    pope = "pope"
    gqa = "gqa"
    textvqa = "textvqa"
    mme = "mme"


class SentAs(StrEnum):
    """How pictures are sent."""

    jpg = "jpg"
    png = "png"


RENDERED_NOTE = (
    "These tables are rendered by the project, by the renderer that ivm-nano learnt from: the numbers test the harness "
    "and say nothing of the claim that masking helps on real pictures."
)


def _views() -> Iterable[str]:
    from ivm.evaluation.trial.variants import VIEWS

    return VIEWS


def _controls() -> Iterable[str]:
    from ivm.evaluation.trial.variants import CONTROLS

    return (*CONTROLS, "none")


def lmm(
    suite: Annotated[SuiteName, typer.Argument(metavar="SUITE", help="The benchmark.")],
    place: Annotated[Path, typer.Argument(metavar="PLACE", help="Its folder, or its file of questions, as published.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the report; made.")],
    lmm_name: Annotated[str, typer.Option("--lmm", metavar="NAME", help="The model, as its server calls it.")],
    url: Annotated[
        str | None,
        typer.Option(help="Of a server that speaks the OpenAI protocol. Without it --lmm is run here by transformers."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The pictures, where they are not beside the questions.")
    ] = None,
    view: Annotated[
        list[str] | None,
        typer.Option(
            help="How masked pictures are shown; may be repeated: highlight, blur, gray, inpaint, alpha, crop, "
            "crop-highlight, crop-blur, original+crop.",
            show_default="highlight, crop, original+crop",
            autocompletion=listed(_views),
        ),
    ] = None,
    control: Annotated[
        list[str] | None,
        typer.Option(
            help="What each view is held against; may be repeated: oracle, random, shuffled, matched, or none.",
            show_default="oracle, random, shuffled",
            autocompletion=listed(_controls),
        ),
    ] = None,
    model: Model = "ivm-nano",
    threshold: Threshold = "0.5",
    preset: Preset = "paper",
    fill_color: FillColor = None,
    likelihood: Annotated[
        bool, typer.Option("--likelihood", help="Rank options by likelihood; the server must tell it.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only so many questions, spread evenly.")] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Questions on their way at once.")] = 8,
    longest: Annotated[
        int | None, typer.Option(min=32, metavar="PIXELS", help="Make pictures with a longer side smaller.")
    ] = None,
    sent_as: Annotated[SentAs, typer.Option(help="JPEG of quality 95, or PNG without loss.")] = SentAs.jpg,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest reply.")] = 512,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="Spend no more, over all runs into DIR; needs --prices.")
    ] = None,
    prices: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="Prices of a million tokens read and written.")
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="How often a question is sent again after a failure.")] = 6,
    train: Annotated[
        list[Path] | None,
        typer.Option(help="Records that the mask model learnt from, to look for the pictures in; may be repeated."),
    ] = None,
    allow_leaks: Annotated[bool, typer.Option("--allow-leaks", help="Go on where there are some.")] = False,
    seed: Seed = 0,
    workers: Workers = None,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Ask a benchmark's questions with raw pictures, masked ones and controls; write a report as HTML and JSON.

    Each question is asked in every way, so that each is its own control. What is not answered counts as wrong. Run the
    same command again to go on where it stopped: nothing is asked twice. OPENAI_API_KEY is sent where it is set.

    Example: ivm eval lmm vstar vstar_bench --url http://localhost:8000/v1 --lmm Qwen/Qwen3-VL-8B-Instruct -o report
    """
    from ivm.evaluation.outcome.session import PAGE, Run
    from ivm.evaluation.report import weights_of
    from ivm.evaluation.suites.opening import open_suite
    from ivm.evaluation.suites.rendered import is_rendered
    from ivm.evaluation.trial.masking import Masking
    from ivm.evaluation.trial.run import Trial
    from ivm.evaluation.trial.variants import DEFAULT_CONTROLS, DEFAULT_VIEWS, arms_of
    from ivm.inference.zoo import load

    controls = [] if control == ["none"] else control or list(DEFAULT_CONTROLS)
    arms = arms_of(view or list(DEFAULT_VIEWS), controls)
    level, style = threshold_of(threshold), style_of(preset, fill_color, None, None)
    questions = open_suite(suite.value, place, images=images, limit=limit)
    masker = load(model)
    surveys = [survey_of(one, workers) for one in train or ()]
    answering = (
        _endpoint(url, lmm_name, output, concurrency, retries, max_cost, prices, sent_as.value, longest, max_tokens)
        if url
        else _local(lmm_name, max_tokens)
    )
    with answering as (answerer, usage):
        trial = Trial(
            suite=questions,
            arms=arms,
            masking=Masking(masker=masker, threshold=level, style=style, seed=seed),
            answerer=answerer,
            likelihood=likelihood,
            concurrency=concurrency if url else 1,
            mask_model={"name": masker.model.name, "source": model, "weights": weights_of(masker)},
        )
        run = Run(
            trial=trial,
            folder=output,
            place=str(place),
            command=command_line(),
            train=surveys,
            allow_leaks=allow_leaks,
            note=RENDERED_NOTE if is_rendered(place) else "",
            usage=usage,
        )
        total = sum(len(trial.asked_of(one)) for one in questions.questions)
        with bar("asking") as progress:
            done = itertools.count(1)

            def told(outcome: Outcome) -> None:
                progress(next(done), total)

            finished = run.run(told)
    finished.show(tables(as_json=as_json))
    page = str(output / PAGE)
    emit(json.dumps({"page": page, **finished.results.to_json()}, ensure_ascii=False) if as_json else page)


@contextlib.contextmanager
def _endpoint(
    url: str,
    name: str,
    output: Path,
    concurrency: int,
    retries: int,
    max_cost: float | None,
    prices: str | None,
    sent_as: Any,
    longest: int | None,
    max_tokens: int,
) -> Iterator[Any]:
    """Give the answerer, and what tells its usage."""
    from ivm.evaluation.trial.answering import EndpointAnswerer
    from ivm.lmm.blocking import BlockingLmm
    from ivm.lmm.budget import Budget
    from ivm.lmm.client import LmmClient

    if max_cost is not None and prices is None:
        raise OptionError("--max-cost needs --prices IN,OUT: prices of a million tokens read and written")
    client = LmmClient(
        url,
        name,
        cache=output / "answers.sqlite",
        concurrency=concurrency,
        retries=retries,
        prices=_prices(prices),
        budget=None if max_cost is None else Budget(cost=max_cost, lifelong=True),
    )
    with BlockingLmm(client) as lmm:
        answerer = EndpointAnswerer(
            lmm=lmm, model=name, base_url=url, kind=sent_as, longest=longest, max_tokens=max_tokens
        )
        yield answerer, lambda: lmm.report().to_json()


def _local(name: str, max_tokens: int) -> Any:
    """A model of transformers, in this process."""
    from ivm.evaluation.trial.local import LocalAnswerer

    return contextlib.nullcontext((LocalAnswerer.load(name, max_tokens=max_tokens), dict))


def _prices(text: str | None) -> Prices | None:
    from ivm.lmm.budget import Prices

    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(f"--prices must be two numbers such as 0.25,2, not {text!r}") from None
    return Prices(prompt=prompt, completion=completion)
