"""Chat requests are changed in their pictures and nowhere else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivm.core.errors import InstructionError
from ivm.serving.proxy_chat import Change, first_words, read_chat
from ivm.serving.proxy_json import MAX_DEPTH, Edit, Node, scan, splice

NEW = "data:image/png;base64,AAAA"
SPACE = st.text(alphabet=" \n\t\r", max_size=2)
NUMBERS = ["0", "-0", "1.0", "1.00", "1e5", "1E+05", "-0.0e-0", "123456789012345678901234567890", "0.1000", "1e999"]


@st.composite
def strings(draw):
    """A string in JSON, each character as it is or escaped in one way or another."""
    parts = []
    for letter in draw(st.text(max_size=8)):
        plain = json.dumps(letter, ensure_ascii=False)[1:-1]
        escaped = "".join(f"\\u{unit:04{draw(st.sampled_from('xX'))}}" for unit in utf16(letter))
        parts.append(draw(st.sampled_from([plain, escaped, "\\/" if letter == "/" else plain])))
    return f'"{"".join(parts)}"'


def utf16(letter: str) -> list[int]:
    raw = letter.encode("utf-16-be")
    return [int.from_bytes(raw[place : place + 2], "big") for place in range(0, len(raw), 2)]


def lists(items):
    return st.tuples(st.lists(st.tuples(SPACE, items, SPACE).map("".join), max_size=3).map(",".join), SPACE).map(
        lambda parts: f"[{parts[0] or parts[1]}]"
    )


def objects(values):
    member = st.tuples(SPACE, strings(), SPACE, st.just(":"), SPACE, values, SPACE).map("".join)
    return st.tuples(st.lists(member, max_size=3).map(",".join), SPACE).map(lambda parts: f"{{{parts[0] or parts[1]}}}")


SCALARS = st.one_of(st.sampled_from([*NUMBERS, "true", "false", "null"]), strings())
TEXTS = st.recursive(SCALARS, lambda inner: lists(inner) | objects(inner), max_leaves=8)


def plain(node: Node):
    """What a JSON library would give; numbers and words are None."""
    if isinstance(node.value, tuple):
        return {name: plain(value) for name, value in node.value}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def strip(value):
    if isinstance(value, dict):
        return {name: strip(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [strip(inner) for inner in value]
    return value if isinstance(value, str) else None


@given(TEXTS, SPACE)
def test_json_is_read_as_any_library_reads_it(text, space):
    node = scan(f"{space}{text}{space}")
    assert plain(node) == strip(json.loads(text))
    assert f"{space}{text}{space}"[node.start : node.end] == text


@given(st.text(alphabet='{}[]",:\\u0e1tn- ', max_size=12))
def test_what_is_not_json_is_told(text):
    try:
        json.loads(text)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            scan(text)
    else:
        scan(text)


@pytest.mark.parametrize(
    "text", ["", " ", "[1,]", '{"a":1,}', "[1 2]", '{"a" 1}', "{1:2}", "[", '"a', "1 2", '"\n"', "[}"]
)
def test_broken_json_is_told(text):
    with pytest.raises(ValueError, match=r"."):
        scan(text)


def test_nesting_has_an_end():
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    scan(deep)
    with pytest.raises(ValueError, match="nested deeper"):
        scan(f"[[{deep}]]")
    with pytest.raises(ValueError, match="nested deeper"):
        scan("[" * 1_000_000)


def test_edits_at_one_place_keep_their_order():
    assert splice("ab", [Edit(1, 1, "2"), Edit(0, 1, "1"), Edit(1, 1, "3")]) == "123b"


PARTS = {
    "as OpenAI has it": '{"type":"image_url","image_url":{"url":@,"detail":"low"}}',
    "the address alone": '{ "type" : "image_url", "image_url" : @ }',
    "without a type": '{"image_url":{"url":@}}',
    "with escapes in its keys": '{"type":"image_url","image\\u005furl":{"\\u0075rl":@}}',
    "twice": '{"image_url":{"url":@},"image_url":{"url":@}}',
}
"""Ways to put a picture into a message; @ stands for its address."""
OTHERS = [
    '{"type":"text","text":"the red cup"}',
    '{"type":"input_audio","input_audio":{"data":"AAAA"}}',
    "1.0",
    "null",
    '"text"',
]


@st.composite
def requests(draw):
    """The text of a chat request, cut where the addresses of its pictures are."""

    def message():
        parts = draw(st.lists(st.sampled_from([*PARTS.values(), *OTHERS]), max_size=4))
        gap, end = draw(SPACE), draw(SPACE)
        role = draw(st.sampled_from(["user", "assistant", "tool", "system"]))
        return f'{{"role":"{role}",{gap}"content":[{f"{end},{gap}".join(parts)}]{end}}}'

    messages = ",".join(message() for _ in range(draw(st.integers(1, 3))))
    before, after = draw(TEXTS), draw(TEXTS)
    pieces = messages.split("@")
    pieces[0] = f'{draw(SPACE)}{{"a":{before},"messages":[{pieces[0]}'
    pieces[-1] += f']{draw(SPACE)},"temperature":1.0,"b":{after}}}'
    return pieces


def joined(pieces, addresses) -> bytes:
    return "".join([pieces[0], *(a + b for a, b in zip(addresses, pieces[1:], strict=True))]).encode()


@given(requests(), st.data())
def test_only_the_addresses_of_pictures_change(pieces, data):
    count = len(pieces) - 1
    old = data.draw(st.lists(strings(), min_size=count, max_size=count))
    chosen = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    chat = read_chat(joined(pieces, old))
    assert [picture.url for picture in chat.pictures] == [json.loads(one) for one in old]
    changes = [Change(instead=NEW) if one else Change() for one in chosen]
    wanted = [f'"{NEW}"' if one else was for one, was in zip(chosen, old, strict=True)]
    assert chat.with_pictures(changes).encode() == joined(pieces, wanted)


def test_a_picture_beside_another_is_a_part_of_its_own():
    part = '{ "type":"image_url", "image_url":{"url":"http:\\/\\/a.example\\/1", "detail":"low"} }'
    chat = read_chat(f'{{"messages":[{{"role":"user","content":[{part} , {part}]}}]}}'.encode())
    changed = chat.with_pictures([Change(beside=NEW), Change()])
    copy = part.replace('"http:\\/\\/a.example\\/1"', f'"{NEW}"')
    assert changed == f'{{"messages":[{{"role":"user","content":[{part},{copy} , {part}]}}]}}'


def test_pictures_are_named_as_openai_names_them():
    body = {"messages": [{"content": "hello"}, {"content": [{"type": "text"}, {"image_url": {"url": "a"}}]}]}
    assert [picture.path for picture in read_chat(json.dumps(body).encode()).pictures] == [
        "messages[1].content[1].image_url"
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'"messages"', b"{}", b'{"messages":null}', b'{"messages":{"content":[{"image_url":"a"}]}}',
     b'{"messages":[null,1,[],{"content":null},{"content":[{"image_url":null},{"image_url":{"url":7}}]}]}'],
)  # fmt: skip
def test_a_request_without_pictures_has_none(body):
    try:
        assert list(read_chat(body).pictures) == []
    except ValueError:
        assert body == b""


def test_half_a_picture_beyond_utf8_is_no_request():
    with pytest.raises(ValueError, match="utf-8"):
        read_chat(b'{"messages":"\xff"}')


def message(role, content):
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("messages", "instruction"),
    [
        ([message("user", "the red cup")], "the red cup"),
        ([message("user", "the red cup"), message("user", "the pan")], "the pan"),
        ([message("user", "the pan"), message("assistant", "here"), message("tool", "[1]")], "the pan"),
        ([message("user", "the pan"), message("user", [{"type": "image_url", "image_url": {"url": "a"}}])], "the pan"),
        ([message("user", [{"type": "text", "text": "the"}, {"type": "text", "text": "cup"}])], "the\ncup"),
        ([message("user", ["the", "cup"])], "the\ncup"),
        ([message("user", "the pan"), message("user", " \n")], "the pan"),
        ([message("user", None), message("system", "be kind")], None),
        ([], None),
        ([message("user", "half a \ud83d letter")], "half a ? letter"),
    ],
)
def test_the_last_text_of_a_user_is_the_instruction(messages, instruction):
    assert read_chat(json.dumps({"messages": messages}).encode()).instruction == instruction


def test_a_long_text_is_cut_to_what_a_model_can_be_asked():
    assert first_words("the red cup") == ("the red cup", False)
    assert first_words(" ".join(["word"] * 64)) == (" ".join(["word"] * 64), False)
    assert first_words(" ".join(["word"] * 65)) == (" ".join(["word"] * 64), True)
    assert first_words(" ".join(["up/down"] * 40)) == (" ".join(["up/down"] * 32), True)


@pytest.mark.parametrize("text", ["", "?!", " ".join(["?"] * 100)])
def test_a_text_without_a_word_is_no_instruction(text):
    with pytest.raises(InstructionError, match="holds no word"):
        first_words(text)
