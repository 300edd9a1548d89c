"""A planner that needs no model: grammar of robot commands and simple questions in English."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ivm.core.errors import InstructionError, IvmError
from ivm.core.instruction import check_instruction
from ivm.labeling.plan import Plan, Role, Target, distinct
from ivm.labeling.task import Task

VERSION = 1

_PREFACES = re.compile(
    r"^(?:(?:hey|ok|okay|now|then|first|next|please|robot)[ ,]+"
    r"|(?:can|could|would|will) you (?:please )?(?!see)"
    r"|i(?:'d| would)? (?:want|need|like) (?:you )?(?:to )?|let's |you (?:should|must|need to) |try to )+"
)
_ENDINGS = re.compile(r"(?:[ ,]+(?:please|now|for me|thanks|thank you|again|carefully|slowly|gently))+$")
_WHERE_ALL_IS = re.compile(r" (?:on|from|off) the (?:table|desk|counter|floor|ground|worktop)$")
_IN_THE_PICTURE = re.compile(r" (?:in|from) (?:the|this) (?:image|picture|photo|scene|frame)$")

_PICK = (
    r"(?:pick(?: up)?|grab|take|get(?: me)?|grasp|lift(?: up)?|fetch|hold|find|show(?: me)?|give(?: me)?|hand(?: me)?"
    r"|bring(?: me)?|pass(?: me)?|look at|point (?:to|at)|touch|locate|segment|highlight|mask|keep(?: only)?"
    r"|go to|reach(?: for)?|open|close|shut|press|push|pull|move|turn (?:on|off)|switch (?:on|off)|slide|rotate"
    r"|flip|tilt|shake|remove|clean|wipe|wash|cut|slice|peel|stir|fold|unfold|water|describe|read|count|see|where)"
)
_PLACE = (
    r"(?:put|place|move|drop|stack|set|bring|take|push|slide|insert|hang|lay|throw|return|transfer|pour|carry"
    r"|stick|plug|screw|drag|position|leave|rest|store|dump)(?: down| up)?"
)
_TO = (
    r"(?:on top of|onto|on|upon|into|inside of|inside|in front of|in between|between|in|next to|beside|near to|near"
    r"|close to|behind|under|underneath|below|above|over|against|at|towards?|to|across|around)"
)
_FROM = r"(?:from|off|off of|out of)"
_WITH = r"(?:cut|slice|stir|wipe|clean|hit|scoop|sweep|turn|write on|poke|push|press|scrub|spread|mix|paint|open|peel)"
_SIDE = (
    r"(?:to|towards?|on|in|at) (?:the |its |your )?(?:far |very )?"
    r"(?:left|right|front|back|rear|side|middle|center|centre|top|bottom|edge|corner|end)"
)
_PLAIN_SIDE = re.compile(rf"^(?P<a>.+?) (?:{_SIDE}|forwards?|backwards?|away|up|down|left|right)$")
_LOCATED = re.compile(
    rf"^(?P<a>.+?) (?:(?:that|which) (?:is|are) |lying |standing |sitting |placed |located )?"
    rf"(?:{_SIDE} of|on top of|on|in front of|inside|in|next to|beside|near(?:est)?(?: to)?|close(?:st)? to|behind"
    r"|under(?:neath)?|below|above|between|against) (?P<b>(?:the|a|an|this|that|its) .+)$"
)
_LIST = re.compile(r",? and (?=(?:the|a|an|all|every|both|any|this|that|two|three|one) )|, (?=(?:the|a|an) )")
_US = frozenset({"the camera", "the robot", "the viewer"})
"""Whoever looks is in no picture."""
_DETERMINER = re.compile(r"^(?:the|a|an|all|any|some|every|each|both|this|that|these|those|my|your)\b ?")

_FORMS: tuple[tuple[str, tuple[tuple[str, Role], ...]], ...] = (
    # commands: what, where to, with what
    (rf"use (?P<a>.+?) (?:to|and) {_WITH} (?P<b>.+)", (("b", "target"), ("a", "tool"))),
    (rf"{_WITH} (?P<a>.+?) (?:with|using) (?P<b>.+)", (("a", "target"), ("b", "tool"))),
    (
        rf"{_PLACE} (?P<a>.+?) {_FROM} (?P<c>(?:the|a|an) .+?) {_TO} (?P<b>.+)",
        (("a", "target"), ("c", "relation"), ("b", "container")),
    ),
    (
        rf"{_PICK} (?P<a>.+?)(?: up)?(?:,| and| then)+ {_PLACE} (?:it|them|that|this) {_TO} (?P<b>.+)",
        (("a", "target"), ("b", "container")),
    ),
    (r"(?:fill|cover|load) (?P<b>.+?) with (?P<a>.+)", (("a", "target"), ("b", "container"))),
    (rf"{_PLACE} (?P<a>.+?) {_SIDE} of (?P<b>.+)", (("a", "target"), ("b", "container"))),
    (rf"{_PLACE} (?P<a>.+?) {_SIDE}", (("a", "target"),)),
    (
        rf"(?:put|place|drop|stack|set|insert|hang|lay|throw|return|transfer|pour|move|bring|take|push|slide|carry"
        rf"|drag|position|leave|rest|store|dump|stick|plug)(?: down| up)? (?P<a>.+?) {_TO} (?P<b>.+)",
        (("a", "target"), ("b", "container")),
    ),
    (
        rf"(?:take|remove|pick(?: up)?|lift|pull|get|grab) (?P<a>.+?) {_FROM} (?P<b>.+)",
        (("a", "target"), ("b", "relation")),
    ),
    # questions
    (r"how far (?:is|are) (?P<a>.+?) (?:away )?from (?P<b>.+)", (("a", "target"), ("b", "target"))),
    (r"how (?:many|much) (?P<a>.+?)(?: (?:are|is|do|does|can|could|have|has)\b.*)?", (("a", "target"),)),
    (
        r"what (?:colou?r|kind|shape|size|material|brand|type|sort)s? of (?P<a>.+?) (?:is|are|do|does|can)\b.*",
        (("a", "target"),),
    ),
    (r"what (?:colou?r|shape|size|material|brand)s? (?:is|are) (?P<a>.+)", (("a", "target"),)),
    (r"what (?:is|are) (?P<a>.+?) (?:made (?:of|from)|doing|called|for|used for|holding|wearing)", (("a", "target"),)),
    (r"what(?:'s| is| are| lies| stands) (?:on top of|on|in front of|inside|in|next to|beside|near|behind|under|above"
     rf"|{_SIDE} of) (?P<a>.+)", (("a", "relation"),)),
    (r"what(?:'s| is| are) (?P<a>(?:the|this|that|these|those|my|your) .+)", (("a", "target"),)),
    (r"(?:is|are) there (?P<a>.+)", (("a", "target"),)),
    (r"(?:where|which|who|what)(?:'s| is| are| can i (?:find|see)| do you see) (?P<a>.+)", (("a", "target"),)),
    (r"(?:can|do|could) (?:you|i|we) see (?P<a>.+)", (("a", "target"),)),
    (
        r"(?:which|what|whose) (?P<a>[a-z' -]+?) (?:is|are|has|have|can|could|would|should|do|does)\b.*",
        (("a", "target"),),
    ),
    (
        rf"(?:is|are) (?P<a>(?:the|this|that|these|those|my|your) .+?) {_TO} (?P<b>(?:the|a|an) .+)",
        (("a", "target"), ("b", "relation")),
    ),
    (
        r"(?:is|are|does|do|has|have) (?P<a>(?:the|this|that|these|those|my|your) [a-z' -]+?) (?:\w+)",
        (("a", "target"),),
    ),
    # one thing
    (rf"{_PICK} (?P<a>.+?)(?: up)?", (("a", "target"),)),
    (r"(?:i )?(?:want|need|would like|like) (?P<a>.+)", (("a", "target"),)),
)  # fmt: skip
_COMPILED = tuple((re.compile(form), parts) for form, parts in _FORMS)


class RulePlanner:
    """Finds targets, containers, relations and tools by grammar; what it does not understand it asks for whole."""

    name = f"rules-v{VERSION}"

    def plan(self, tasks: Sequence[Task]) -> list[Plan | IvmError]:
        """Plan the first instruction of each task."""
        return [self._one(task.instructions[0]) for task in tasks]

    def _one(self, instruction: str) -> Plan | IvmError:
        try:
            targets, understood = parse(instruction)
            return Plan(targets=targets, maker=self.name, understood=understood)
        except InstructionError as error:
            return error


def parse(instruction: str) -> tuple[tuple[Target, ...], bool]:
    """Find what an English instruction speaks of.

    Returns:
        The targets, and whether the instruction was understood; else the only target is the whole of it.

    Raises:
        InstructionError: it is empty or too long.
    """
    clean = check_instruction(instruction)
    text = _bare(clean.lower())
    if _DETERMINER.match(text) or _is_noun_phrase(text):
        return distinct(_things(text, "target")), True
    for form, parts in _COMPILED:
        match = form.fullmatch(text)
        if match is None:
            continue
        found = [thing for group, role in parts if match[group] for thing in _things(match[group], role)]
        if found:
            return distinct(found), True
    return (Target(phrase=clean),), False


def _bare(text: str) -> str:
    """The text without politeness, the place where all things are, and its last mark."""
    for _ in range(3):  # they come in any order
        text = text.strip(" .?!,;:")
        text = _IN_THE_PICTURE.sub("", _WHERE_ALL_IS.sub("", _ENDINGS.sub("", _PREFACES.sub("", text))))
    return text


def _is_noun_phrase(text: str) -> bool:
    """Whether a text without an article is a thing by itself: "red cup"."""
    starts = re.match(
        rf"(?:{_PICK}|{_PLACE}|{_WITH}|use|fill|cover|load|is|are|does|do|has|have|can|could|what|which|who|whose|how"
        r"|want|need|like|i|if|when|something|anything)\b",
        text,
    )
    return starts is None and len(text.split()) <= 4


def _things(text: str, role: Role) -> list[Target]:
    """The things that a noun phrase names; what only says which one is meant stays in it, and is a relation besides."""
    found = []
    for piece in _LIST.split(text):
        phrase = _bare(piece)
        if not re.search(r"[^\W_]", phrase) or phrase in ("it", "them", "there", "here", "you", "me"):
            continue
        found.append(Target(phrase=phrase, role=role))
        located = None if _PLAIN_SIDE.match(phrase) else _LOCATED.match(phrase)
        if located is not None and role != "relation" and located["b"] not in _US:
            found.append(Target(phrase=located["b"], role="relation"))
    return found
