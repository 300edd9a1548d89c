"""Benchmarks without options: VisualProbe, POPE, GQA, TextVQA, MME."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ivm.core.errors import RecordError
from ivm.evaluation.suites.item import FilePicture, VisualQuestion
from ivm.evaluation.suites.reading import as_rows, first_there, json_of, needed, rows_of, text_of


def load_visualprobe(folder: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """VisualProbe (Mini-o3, arXiv 2509.07969): a list of problem, solution and images, as `val.json` or JSON lines.

    Its authors let a model judge the answers; here the solution's words must stand in the reply, which is stricter.

    Raises:
        RecordError: a file is missing, or not what it must be.
    """
    path = needed(first_there(folder, "val.json", "*.json", "*.jsonl"), folder, "val.json")
    for number, row in enumerate(rows_of(path), start=1):
        where = f"'{path}', entry {number}"
        listed = row.get("images") or [text_of(row, "image", "image_path", where=where)]
        problem = text_of(row, "problem", "question", "prompt", where=where)
        yield VisualQuestion(
            id=str(row.get("doc_id", number)),
            category=str(row.get("data_source") or row.get("category") or path.parent.name),
            picture=FilePicture(_picture(images or path.parent, str(listed[0]))),
            question=problem.replace("<image>", "").strip(),
            answers=(text_of(row, "solution", "answer", "ground_truth", where=where),),
            scoring="words",
        )


def load_pope(place: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """POPE (Li et al., arXiv 2305.10355): `coco_pope_random.json`, `..._popular`, `..._adversarial`, JSON lines.

    Raises:
        RecordError: a file is missing, or not what it must be.
    """
    files = [place] if place.is_file() else sorted(place.glob("*pope*.json*"))
    if not files:
        raise RecordError(f"'{place}' has no coco_pope_*.json: give the folder with POPE's files")
    for path in files:
        for number, row in enumerate(rows_of(path), start=1):
            where = f"'{path}', line {number}"
            yield VisualQuestion(
                id=f"{path.stem}/{text_of(row, 'question_id', where=where)}",
                category=path.stem.rpartition("_")[2],
                picture=FilePicture((images or path.parent) / text_of(row, "image", where=where)),
                question=text_of(row, "text", "question", where=where),
                answers=(_yes_no(text_of(row, "label", "answer", where=where), where),),
                scoring="yes-no",
            )


def load_gqa(place: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """GQA (Hudson and Manning, arXiv 1902.09506): `testdev_balanced_questions.json`, pictures in `images/`.

    Raises:
        RecordError: a file is missing, or not what it must be.
    """
    path = needed(first_there(place, "testdev_balanced_questions.json", "*questions*.json"), place, "*_questions.json")
    told = json_of(path)
    if not isinstance(told, dict) or not all(isinstance(row, dict) for row in told.values()):
        raise RecordError(f"'{path}' must be an object of questions by number")
    root = images or path.parent / "images"
    for number, row in told.items():
        where = f"'{path}', question {number}"
        yield VisualQuestion(
            id=str(number),
            category=str((row.get("types") or {}).get("structural", "all")),
            picture=FilePicture(root / f"{text_of(row, 'imageId', where=where)}.jpg"),
            question=text_of(row, "question", where=where),
            answers=(text_of(row, "answer", where=where),),
            scoring="exact",
        )


def load_textvqa(place: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """TextVQA (Singh et al., arXiv 1904.08920): `TextVQA_0.5.1_val.json`, pictures in `train_images/`.

    Raises:
        RecordError: a file is missing, or not what it must be.
    """
    path = needed(first_there(place, "TextVQA*val.json", "TextVQA*.json"), place, "TextVQA_0.5.1_val.json")
    told = json_of(path)
    rows = told.get("data") if isinstance(told, dict) else None
    root = images or path.parent / "train_images"
    for number, row in enumerate(as_rows(rows, path), start=1):
        where = f"'{path}', entry {number}"
        answers = row.get("answers")
        if not isinstance(answers, list) or not answers:
            raise RecordError(f"{where}: expected the answers of ten people, found {answers!r}: use the val split")
        yield VisualQuestion(
            id=text_of(row, "question_id", where=where),
            category="all",
            picture=FilePicture(root / f"{text_of(row, 'image_id', where=where)}.jpg"),
            question=text_of(row, "question", where=where),
            answers=tuple(map(str, answers)),
            scoring="vqa",
        )


def load_mme(folder: Path, images: Path | None = None) -> Iterator[VisualQuestion]:
    """MME (Fu et al., arXiv 2306.13394): a folder a category, NAME.txt with two lines "question<tab>Yes" a picture.

    Texts lie beside the pictures, or in `questions_answers_YN/` with the pictures in `images/`.

    Raises:
        RecordError: there is no such file, or a line is not of that kind.
    """
    files = [path for path in sorted(folder.rglob("*.txt")) if "readme" not in path.stem.lower()]
    if not files:
        raise RecordError(f"'{folder}' has no NAME.txt: give the folder MME_Benchmark_release_version")
    for file in files:
        apart = file.parent.name == "questions_answers_YN"
        category = file.parent.parent if apart else file.parent
        pictures = category / "images" if apart else file.parent
        picture = next(iter(sorted(pictures.glob(f"{file.stem}.[jpJP][pnPN]*"))), pictures / f"{file.stem}.jpg")
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if not line.strip():
                continue
            question, tab, answer = line.rpartition("\t")
            where = f"'{file}', line {number}"
            if not tab:
                raise RecordError(f"{where}: expected a question, a tab, and Yes or No")
            yield VisualQuestion(
                id=f"{category.name}/{file.stem}/{number}",
                category=category.name,
                picture=FilePicture(picture),
                question=question.replace("Please answer yes or no.", "").strip(),
                answers=(_yes_no(answer, where),),
                scoring="yes-no",
            )


def _yes_no(answer: str, where: str) -> str:
    word = answer.strip().strip(".").lower()
    if word not in ("yes", "no"):
        raise RecordError(f"{where}: the answer must be yes or no, not {answer!r}")
    return word


def _picture(root: Path, name: str) -> Path:
    """The named picture; also where its path begins with the folder's own name, as in Mini-o3's files."""
    inside = Path(name)
    if not (root / inside).is_file() and inside.parts[0] == root.name:
        return root.parent / inside
    return root / inside
