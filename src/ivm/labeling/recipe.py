"""A run as a file: one YAML that says everything, read strictly."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from ivm.core.errors import IvmError, OptionError, RecipeError
from ivm.core.recipe import check_keys, read_values
from ivm.inference.catalogue import ZOO
from ivm.labeling.asking import prompt_of
from ivm.labeling.building import Verifying, invent_stage, label_stages
from ivm.labeling.calibration import Calibration
from ivm.labeling.desk import Desk, LmmSettings
from ivm.labeling.expert import ExpertSpec
from ivm.labeling.on_ray import RayEngine, RaySettings, workers_cpus
from ivm.labeling.opening import open_tasks
from ivm.labeling.plan import KEPT_ROLES, ROLES, Role
from ivm.labeling.run import RECORDS_A_SHARD, Engine, HereEngine, LabelRun, StageSpec
from ivm.labeling.stages import Limits
from ivm.labeling.task import TaskSource
from ivm.labeling.verify import JudgeOpener, MaskJudge
from ivm.lmm.prompts import Prompt

Direction = Literal["label", "invent"]
Choice = Literal["rules", "lmm"]
EngineChoice = Literal["ray", "here"]
_LMM_KEYS = {
    "base_url", "model", "api_key_env", "concurrency", "retries", "reasks", "timeout_s", "first_wait_s", "structured",
    "limit_field", "budget_tokens", "budget_cost", "prices", "cache",
}  # fmt: skip
_OWN_LMM_KEYS = {"base_url", "model", "budget_tokens", "budget_cost", "prices", "cache"}
_PROMPTS = ("plan", "verify", "invent")
_EXPERT_KEYS = {"name", "model", "workers", "cpus", "gpus", "batch"}


@dataclass(frozen=True, kw_only=True)
class LabelRecipe:
    """Everything that decides a run of `ivm label`.

    Attributes:
        source: what to label: `path` (a .jsonl of pictures and instructions, or any data set that `ivm data` reads,
            with `layout` and `images` where it needs them), or `scenes` with the arguments of `SceneSource`.
        output: folder for the shards.
        name: what files' names begin with.
        direction: "label" draws masks for instructions, "invent" makes instructions for known masks.
        records: about how many tasks become one shard.
        planner: "rules" or "lmm"; of "invent", the inventor.
        keep: roles whose masks are joined.
        experts: each with `model` and, if wished, `name`, `workers`, `cpus`, `gpus`, `batch` and arguments of
            `ivm.load`.
        calibration: file of `ivm label calibrate`; None believes all experts alike.
        verifier: "none", "lmm", "again" (the first expert, asked once more in the masked picture), or "judge".
        judge: checkpoint of `ivm train` whose discriminator verifies.
        limits: see `stages.Limits`.
        lmm: `base_url`, `model`, budgets, prices and options of `LmmClient`; the key is named by `api_key_env` only.
        prompts: own files by name: plan, verify, invent.
        engine: "ray", or "here" for this process alone.
        ray: see `on_ray.RaySettings`.
    """

    source: dict[str, Any]
    output: str
    name: str = "labels"
    direction: Direction = "label"
    records: int = RECORDS_A_SHARD
    planner: Choice = "rules"
    keep: list[Role] = field(default_factory=lambda: list(KEPT_ROLES))
    experts: list[dict[str, Any]] = field(default_factory=lambda: [{"model": "ivm-nano"}])
    calibration: str | None = None
    verifier: Verifying = "none"
    judge: str | None = None
    limits: dict[str, float] = field(default_factory=dict)
    lmm: dict[str, Any] | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    engine: EngineChoice = "ray"
    ray: dict[str, Any] = field(default_factory=dict)
    base: Path = field(default_factory=Path)
    """Folder that relative paths begin at: the recipe's own."""

    def __post_init__(self) -> None:
        """Check keys and values, those of the parts too.

        Raises:
            RecipeError: a value is impossible; the message names it.
        """
        for key, known in (
            ("direction", Direction), ("planner", Choice), ("verifier", Verifying), ("engine", EngineChoice)
        ):  # fmt: skip
            if getattr(self, key) not in get_args(known):
                raise RecipeError(
                    f"The recipe's {key} must be one of {', '.join(get_args(known))}, not {getattr(self, key)!r}"
                )
        if not isinstance(self.output, str) or not self.output or type(self.records) is not int or self.records < 1:
            raise RecipeError("The recipe's output must be a folder, and records a whole number of 1 or more")
        if not isinstance(self.keep, list) or not self.keep or not set(self.keep) <= set(ROLES):
            raise RecipeError(f"The recipe's keep must list some of {', '.join(ROLES)}, not {self.keep!r}")
        check_keys("limits", self.limits, {one.name for one in dataclasses.fields(Limits)})
        check_keys("prompts", self.prompts, set(_PROMPTS))
        check_keys("ray", self.ray, {one.name for one in dataclasses.fields(RaySettings)})
        if self.lmm is not None:
            check_keys("lmm", self.lmm, _LMM_KEYS)
        if self.lmm is None and "lmm" in (self.planner, self.verifier):
            raise RecipeError("The recipe's planner or verifier asks an LMM: give lmm with base_url and model")
        if self.verifier == "judge" and (not isinstance(self.judge, str) or not self.judge):
            raise RecipeError("The recipe's verifier is a judge: give judge, such as runs/nano/last.ckpt of ivm train")
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in self.limits.values()):
            raise RecipeError(f"The recipe's limits must be numbers, not {self.limits!r}")
        if not 0 <= self.limits.get("human", 0) <= 1:
            raise RecipeError(f"The recipe's limit human must be from 0 to 1, not {self.limits['human']!r}")
        self.expert_specs()
        self.lmm_settings()

    def expert_specs(self) -> tuple[ExpertSpec, ...]:
        """The experts.

        Raises:
            RecipeError: one has no model, or two have one name.
        """
        if not isinstance(self.experts, list) or not all(isinstance(one, dict) for one in self.experts):
            raise RecipeError("The recipe's experts must be a list such as '- model: ivm-nano'")
        specs = []
        for one in self.experts:
            model = str(one.get("model", ""))
            if model and model not in {known.name for known in ZOO} and (self.base / model).exists():
                model = str((self.base / model).resolve())
            own = {key: value for key, value in one.items() if key in _EXPERT_KEYS - {"name", "model"}}
            others = {key: value for key, value in one.items() if key not in _EXPERT_KEYS}
            try:
                name = str(one.get("name", Path(model).name))
                specs.append(ExpertSpec(name=name, model=model, options=others, **own))
            except (OptionError, TypeError) as error:
                raise RecipeError(f"The recipe's experts: {error}") from None
        if len({spec.name for spec in specs}) < len(specs) or not specs:
            raise RecipeError("The recipe's experts must be one or more, each of another name: give them names")
        return tuple(specs)

    def lmm_settings(self) -> LmmSettings | None:
        """How the LMM is reached, if there is one.

        Raises:
            RecipeError: address or model lack.
        """
        if self.lmm is None:
            return None
        if not isinstance(self.lmm.get("base_url"), str) or not isinstance(self.lmm.get("model"), str):
            raise RecipeError("The recipe's lmm needs base_url, such as http://localhost:8000/v1, and model")
        cache = self.lmm.get("cache")
        return LmmSettings(
            base_url=self.lmm["base_url"],
            model=self.lmm["model"],
            cache=self.base / cache if cache else self.folder() / f".{self.name}.lmm.sqlite",
            options={key: value for key, value in self.lmm.items() if key not in _OWN_LMM_KEYS},
            budget_tokens=self.lmm.get("budget_tokens"),
            budget_cost=self.lmm.get("budget_cost"),
            prices=self.lmm.get("prices"),
        )

    def folder(self) -> Path:
        """Where the shards go."""
        return (self.base / self.output).resolve()

    def task_source(self) -> TaskSource:
        """Open what is to be labelled.

        Raises:
            RecipeError: the keys are no source.
            RecordError: the data set cannot be read.
        """
        return open_tasks(self.source, self.base)

    def stages(self, open_judge: JudgeOpener | None = None) -> tuple[StageSpec, ...]:
        """The stages of the run.

        Args:
            open_judge: opens the recipe's judge, where it has one, such as `ivm.training.judge.open_judge`.

        Raises:
            OptionError: a prompt or the calibration cannot be read, or a judge verifies and nothing opens it.
        """
        prompts = self._prompts()
        if self.direction == "invent":
            inventor = prompts["invent"] if self.planner == "lmm" else None
            return (StageSpec(name="invent", make=partial(invent_stage, inventor), cpus=0.5),)
        return label_stages(
            plan=prompts["plan"] if self.planner == "lmm" else None,
            roles=tuple(self.keep),
            experts=self.expert_specs(),
            calibration=self.calibrated(),
            limits=Limits(**self.limits),
            verifier=self.verifier,
            verify=prompts["verify"],
            judge=self._judge(open_judge),
        )

    def calibrated(self) -> Calibration:
        """The calibration.

        Raises:
            OptionError: it cannot be read, or lacks an expert of the recipe.
        """
        if self.calibration is None:
            return Calibration()
        calibration = Calibration.read(self.base / self.calibration)
        if missing := [spec.name for spec in self.expert_specs() if not calibration.knows(spec.name)]:
            raise OptionError(f"The calibration '{self.calibration}' lacks {', '.join(missing)}: calibrate again")
        return calibration

    def run(self, open_judge: JudgeOpener | None = None) -> LabelRun:
        """The run that this recipe describes; raises as `task_source`, `stages` and `open_judge` do."""
        return LabelRun(
            source=self.task_source(),
            folder=self.folder(),
            name=self.name,
            stages=self.stages(open_judge),
            records=self.records,
            settings=self._settings(open_judge),
        )

    @contextmanager
    def engine_for(self, stages: Sequence[StageSpec]) -> Iterator[Engine]:
        """Start what does the work, and end it; raises as `RayEngine` and `Desk` do."""
        lmm = self.lmm_settings()
        engine: Engine
        if self.engine == "here":
            engine = HereEngine((lambda: Desk(lmm)) if lmm is not None else None)
        else:
            engine = RayEngine(RaySettings(**self.ray), lmm, cpus=workers_cpus(stages))
        with closing(engine):
            yield engine

    def at(self, address: str) -> LabelRecipe:
        """This recipe on another Ray cluster."""
        return dataclasses.replace(self, engine="ray", ray={**self.ray, "address": address})

    def _prompts(self) -> dict[str, Prompt]:
        own = {name: self.base / path for name, path in self.prompts.items() if path is not None}
        return {name: prompt_of(name, own.get(name)) for name in _PROMPTS}

    def _judge(self, open_judge: JudgeOpener | None) -> Callable[[], MaskJudge] | None:
        if self.verifier != "judge" or self.direction != "label":
            return None
        if open_judge is None:
            raise OptionError(
                "The recipe's verifier is a judge, and nothing opens it: pass ivm.training.judge.open_judge to run()"
            )
        return partial(open_judge, self.base / str(self.judge))

    def _settings(self, open_judge: JudgeOpener | None) -> dict[str, Any]:
        """All that the records depend on: not the number of workers, nor where they run."""
        lmm, judge = self.lmm_settings(), self._judge(open_judge)
        prompts = {name: prompt.id for name, prompt in self._prompts().items()}
        told: dict[str, Any] = {
            "direction": self.direction,
            "planner": self.planner,
            "keep": list(self.keep),
            "experts": [{"name": one.name, "model": one.model, **one.options} for one in self.expert_specs()],
            "calibration": dataclasses.asdict(self.calibrated()),
            "verifier": self.verifier,
            "limits": dataclasses.asdict(Limits(**self.limits)),
            "lmm": lmm.described() if lmm is not None else None,
            "prompts": prompts if "lmm" in (self.planner, self.verifier) else None,
        }
        if judge is None:
            del told["limits"]["human"]
        else:  # opened here once, so that a mistake is told before workers start
            told["judge"] = judge().name
        return told


def read_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> LabelRecipe:
    """Read a recipe from YAML; unknown keys are errors.

    Args:
        path: of the file.
        overrides: values that replace those of the file, by top-level key.

    Raises:
        RecipeError: the file is missing, no YAML, or holds an unknown key or an impossible value.
        MissingExtraError: PyYAML is not installed.
    """
    values = read_values(path, example="output: labels", extra="label")
    values |= overrides or {}
    known = {one.name for one in dataclasses.fields(LabelRecipe)} - {"base"}
    if unknown := sorted(map(str, set(values) - known)):
        raise RecipeError(f"{path} holds unknown keys {unknown}; known are {sorted(known)}")
    if missing := sorted({"source", "output"} - set(values)):
        raise RecipeError(f"{path} lacks {' and '.join(missing)}")
    try:
        return LabelRecipe(**values, base=Path(path).resolve().parent)
    except RecipeError:
        raise
    except IvmError as error:
        raise RecipeError(f"{path}: {error}") from None
