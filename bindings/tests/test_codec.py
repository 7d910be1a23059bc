"""The codec: properties over any text and any split, and what a view of an instruction can do."""

from __future__ import annotations

import copy
import pickle

import guac
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
INSTRUCTIONS = st.lists(st.lists(TEXT, min_size=1, max_size=6), min_size=1, max_size=20)


def encoded(instructions: list[list[str]]) -> bytes:
    return b"".join(guac.encode(opcode, *args) for opcode, *args in instructions)


@given(INSTRUCTIONS)
def test_decoding_what_was_encoded_gives_the_same(instructions: list[list[str]]) -> None:
    assert [list(found) for found in guac.parse(encoded(instructions))] == instructions


@given(INSTRUCTIONS, st.data())
def test_any_split_gives_the_same_instructions(instructions: list[list[str]], data: st.DataObject) -> None:
    stream = encoded(instructions)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    decoder = guac.Decoder()
    found: list[guac.Instruction] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)]):
        found.extend(decoder.feed(stream[start:end]))
    assert [list(instruction) for instruction in found] == instructions
    assert b"".join(instruction.raw for instruction in found) == stream
    assert decoder.buffered == 0


@given(INSTRUCTIONS)
def test_bytes_one_at_a_time_give_the_same_instructions(instructions: list[list[str]]) -> None:
    stream = encoded(instructions)[:2000]
    decoder = guac.Decoder()
    one_by_one = [found for at in range(len(stream)) for found in decoder.feed(stream[at : at + 1])]
    assert one_by_one == list(guac.Decoder().feed(stream))


@given(st.binary(max_size=300), st.integers(0, 300))
@example(b"\xf5", 1)
@example(b"1.\xe0\x80", 3)
def test_any_bytes_give_the_same_instructions_and_error_whatever_the_split(data: bytes, cut: int) -> None:
    def outcome(*chunks: bytes) -> tuple[list[guac.Instruction], guac.Status | None]:
        decoder, found = guac.Decoder(), []
        try:
            for chunk in chunks:
                found.extend(decoder.feed(chunk))
        except guac.PeerError as error:
            return [*found, *error.instructions], error.status
        return found, None

    assert outcome(data) == outcome(data[:cut], data[cut:])


@given(TEXT)
def test_text_is_measured_right_wherever_it_stands(text: str) -> None:
    for before in range(9):
        stream = guac.encode("x" * before, text, "end")
        assert [list(found) for found in guac.parse(stream)] == [["x" * before, text, "end"]]


def test_lengths_are_code_points() -> None:
    (instruction,) = guac.parse("4.name,3.a😀é;".encode())
    assert instruction.args == ("a😀é",)
    assert guac.encode("name", "a😀é") == "4.name,3.a😀é;".encode()


def test_an_instruction_is_like_a_tuple() -> None:
    (instruction,) = guac.parse(b"4.size,1.0,4.1024,3.768;")
    opcode, *args = instruction
    assert (opcode, args) == ("size", ["0", "1024", "768"])
    assert instruction == ("size", "0", "1024", "768")
    assert instruction == guac.parse(instruction.raw)[0]
    assert instruction != ("size", "0") and instruction != "size"
    assert len(instruction) == 4
    assert (instruction[0], instruction[-1], instruction[1:3]) == ("size", "768", ("0", "1024"))
    assert "768" in instruction and "769" not in instruction and 768 not in instruction
    assert hash(instruction) == hash(("size", "0", "1024", "768"))
    assert instruction.args is instruction.args
    with pytest.raises(IndexError):
        instruction[4]
    with pytest.raises(IndexError):
        instruction[-5]


def test_an_instruction_matches_a_pattern() -> None:
    match guac.parse(b"4.sync,3.123,1.1;")[0]:
        case guac.Instruction("sync", (timestamp, *_)):
            assert timestamp == "123"
        case _:
            raise AssertionError("sync matches")


def test_an_instruction_shows_no_argument() -> None:
    (instruction,) = guac.parse(b"7.connect,6.s3cret;")
    assert repr(instruction) == "<Instruction 'connect' with 1 argument>"
    assert "s3cret" not in str(instruction)


def test_an_instruction_is_copied_and_pickled() -> None:
    (instruction,) = guac.parse(b"3.key,2.65,1.1;")
    assert copy.deepcopy(instruction) == instruction
    assert pickle.loads(pickle.dumps(instruction)) == instruction
    assert bytes(instruction) == instruction.raw == b"3.key,2.65,1.1;"


def test_a_view_of_the_whole_chunk_is_the_chunk() -> None:
    chunk = b"3.nop;"
    assert guac.parse(chunk)[0].raw is chunk


def test_any_buffer_is_taken_and_text_is_not() -> None:
    for buffer in (bytearray(b"3.nop;"), memoryview(b"3.nop;"), memoryview(b"xx3.nop;")[2:]):
        assert guac.parse(buffer)[0].opcode == "nop"
    for other in ("3.nop;", 6, None):
        with pytest.raises(TypeError):
            guac.parse(other)  # type: ignore[arg-type]


def test_a_changed_buffer_changes_no_instruction() -> None:
    buffer = bytearray(b"3.nop;")
    (instruction,) = guac.parse(buffer)
    buffer[2:5] = b"xxx"
    assert instruction.opcode == "nop"


def test_instructions_before_an_error_are_told_and_the_decoder_stays_failed() -> None:
    decoder = guac.Decoder()
    with pytest.raises(guac.PeerError) as caught:
        decoder.feed(b"3.nop;4.sync,1.5;x")
    assert caught.value.status is guac.Status.CLIENT_BAD_REQUEST
    assert [instruction.opcode for instruction in caught.value.instructions] == ["nop", "sync"]
    with pytest.raises(guac.PeerError):
        decoder.feed(b"3.nop;")


def test_what_is_held_is_one_partial_instruction() -> None:
    decoder = guac.Decoder()
    assert [found.opcode for found in decoder.feed(b"3.nop;4.sy")] == ["nop"]
    assert decoder.buffered == 4
    assert repr(decoder) == "<Decoder open, 4 bytes buffered>"
    assert decoder.feed(b"") == []
    (instruction,) = decoder.feed(b"nc,1.5;")
    assert (instruction.raw, decoder.buffered) == (b"4.sync,1.5;", 0)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"3.nop!", guac.Status.CLIENT_BAD_REQUEST),
        (b".;", guac.Status.CLIENT_BAD_REQUEST),
        (b"2.\xff\xff;", guac.Status.CLIENT_BAD_REQUEST),
        (b"3.nop;4.sync", guac.Status.CLIENT_BAD_REQUEST),
        (b"8193.", guac.Status.CLIENT_OVERRUN),
        (b"100000.", guac.Status.CLIENT_OVERRUN),
        (b"1.x" + b",0." * 128 + b";", guac.Status.CLIENT_OVERRUN),
        (b"1.x" + b",8192." * 1 + b"a" * 8192 + (b",8192." + b"a" * 8192) * 3 + b";", guac.Status.CLIENT_OVERRUN),
    ],
)
def test_bad_bytes_are_the_peers_fault(data: bytes, status: guac.Status) -> None:
    with pytest.raises(guac.PeerError) as caught:
        guac.parse(data)
    assert caught.value.status is status


def test_the_longest_element_and_the_most_elements_pass() -> None:
    assert guac.parse(guac.encode("x", "é" * 8192))[0].args == ("é" * 8192,)
    assert len(guac.parse(guac.encode("x", *["0"] * 127))[0]) == 128


def test_arguments_of_other_types_are_written_as_the_protocol_does() -> None:
    assert guac.encode("key", 65293, True) == b"3.key,5.65293,1.1;"
    assert guac.encode("blob", 3, b"\x00\x01") == b"4.blob,1.3,4.AAE=;"
    assert guac.encode("transform", 0, 0.5, -1.0) == b"9.transform,1.0,3.0.5,2.-1;"
    assert guac.encode("") == b"0.;"


@pytest.mark.parametrize(
    "args", [("a" * 8193,), ("0",) * 128, ("a" * 8192,) * 4, (b"a" * 6145,), (float("nan"),)], ids=lambda args: str(len(args))
)
def test_what_no_peer_accepts_is_not_written(args: tuple[str | float | bytes, ...]) -> None:
    with pytest.raises(guac.CallerError):
        guac.encode("x", *args)


def test_only_known_types_are_written() -> None:
    with pytest.raises(TypeError, match="not list"):
        guac.encode("x", [])  # type: ignore[arg-type]


def test_every_status_is_the_protocols() -> None:
    from guac import _guac

    table = {name: (code, http, websocket) for name, code, http, websocket in _guac._statuses()}
    assert {status.name: (status.value, status.http, status.websocket) for status in guac.Status} == table


def test_errors_are_pickled_and_sorted_by_blame() -> None:
    error = guac.PeerError("no", guac.Status.CLIENT_OVERRUN)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.status) == (guac.PeerError, "no", guac.Status.CLIENT_OVERRUN)
    assert issubclass(guac.CallerError, ValueError) and issubclass(guac.WaitTimeout, TimeoutError)
    assert issubclass(guac.LocalError, OSError)
    assert str(guac.LocalError("no such file")) == "no such file"
