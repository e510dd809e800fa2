"""Records found in chunks of an object that are scanned independently of each other, and joined exactly.

Where a chunk begins, nobody knows whether the grammar is at a record's start, within a quoted field, after a quote,
after a carriage return, and so on. A chunk is therefore scanned for every state that the grammar can be in. Most
states become one after a few records, so that this costs little more than one scan. To join the chunks is to follow
the states from the first chunk's first byte on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

from sluice.reading.dialect import Dialect
from sluice.reading.dialect_grammar import DialectGrammar
from sluice.reading.record_scanner import BLOCK_BYTES, ByteStream, CsvGrammar, Grammar, JsonLinesGrammar, read_fully

# The first windows are small: where states have become one, the others need to be scanned once only.
_FIRST_WINDOWS = (4 << 10, 64 << 10)
# No grammar here has more than some twenty: a grammar that counts levels would have any number.
_STATES_MAX = 200
AT_RECORD_START = b""


class Step(NamedTuple):
    """What a window of bytes does to a grammar that enters it in some state.

    `end`: the offset after the last record that ends in the window, None where none ends; `rows`: the records that
    end in it; `state`: the state after it.
    """

    end: int | None
    rows: int
    state: bytes


# By the state before the window. It has those states only that a scan of the chunk can have come to.
Window = Mapping[bytes, Step]


class GrammarStates:
    """The states that a grammar can be in between two bytes, each named by the shortest bytes that lead to it.

    They are found by trying: two texts lead to one state if whatever follows them is read alike. `tokens` are the
    texts that mean something to the grammar; they are tried byte by byte.
    """

    def __init__(self, grammar: Grammar, tokens: Sequence[bytes]) -> None:
        self._grammar = grammar
        known = {*b"\r\n \t", *b"".join(tokens)}
        self._other = next(bytes((byte,)) for byte in range(ord("a"), 256) if byte not in known)
        self._symbols = [self._other, *(bytes((byte,)) for byte in sorted(known))]
        endings = {token[cut:] for token in tokens for cut in range(len(token))}
        units = [b"", *sorted({*self._symbols, *endings})]
        runs = [first + second for first, second in product(units, units)]
        self._probes = [*dict.fromkeys(run + after for run in runs for after in (b"", b"\n" + self._other))]
        self._names: dict[tuple[object, ...], bytes] = {}
        # The bytes without which a state stays as it is, None where any byte may end it.
        self._exits: dict[bytes, list[bytes] | None] = {}
        self._explore()
        self._keep_few_probes()

    @cached_property
    def all(self) -> tuple[bytes, ...]:
        """Every state, that of a record's start first."""
        return tuple(self._names.values())

    def step(self, state: bytes, data: bytes, start: int) -> Step:
        """What `data`, at the offset `start`, does to the grammar in a state."""
        exits = self._exits[state]
        if exits is not None and not any(symbol in data for symbol in exits):
            return Step(None, 0, state)
        read = state + data
        end, rows = self._grammar.measure(read, is_last=False)
        return Step(start + end - len(state) if end else None, rows, self._state_after(read[end:]))

    def rows_at_end(self, state: bytes) -> int:
        """The records that the source's end ends: one, or none."""
        return self._grammar.measure(state, is_last=True)[1]

    def is_open_quote(self, state: bytes) -> bool:
        """Whether the state is within a quoted field."""
        return self._grammar.open_quote(state) is not None

    def _explore(self) -> None:
        found = [AT_RECORD_START]
        self._names[self._signature(AT_RECORD_START)] = AT_RECORD_START
        for state in found:
            leaving: list[bytes] = []
            for symbol in self._symbols:
                read = state + symbol
                end, _ = self._grammar.measure(read, is_last=False)
                signature = self._signature(read[end:])
                if signature not in self._names:
                    self._names[signature] = read[end:]
                    found.append(read[end:])
                if end or self._names[signature] != state:
                    leaving.append(symbol)
            self._exits[state] = None if self._other in leaving else leaving
            if len(found) > _STATES_MAX:
                raise ValueError("the grammar has too many states")

    def _keep_few_probes(self) -> None:
        """Of the probes only those that are needed to tell the states apart."""
        states, groups = self.all, [list(self.all)]
        kept: list[bytes] = []
        for probe in self._probes:
            split = [part for group in groups for part in self._split(group, probe)]
            if len(split) > len(groups):
                kept, groups = [*kept, probe], split
            if len(groups) == len(states):
                break
        self._probes = kept
        self._names = {self._signature(state): state for state in states}

    def _split(self, states: list[bytes], probe: bytes) -> list[list[bytes]]:
        parts: dict[object, list[bytes]] = {}
        for state in states:
            parts.setdefault(self._answer(state, probe), []).append(state)
        return [*parts.values()]

    def _state_after(self, tail: bytes) -> bytes:
        """The state after the bytes that follow the last whole record."""
        return self._names[self._signature(tail)]

    def _signature(self, read: bytes) -> tuple[object, ...]:
        return tuple(self._answer(read, probe) for probe in self._probes)

    def _answer(self, read: bytes, probe: bytes) -> object:
        text = read + probe
        end, rows = self._grammar.measure(text, is_last=False)
        is_open = self._grammar.open_quote(text) is not None
        return end and end - len(read), rows, self._grammar.measure(text, is_last=True)[1], is_open


@lru_cache(maxsize=16)
def states_of(dialect: Dialect) -> GrammarStates | None:
    """The states of a dialect's grammar; None for one whose chunks cannot be scanned independently."""
    grammar = dialect.grammar
    if isinstance(grammar, CsvGrammar):
        return GrammarStates(grammar, [grammar.delimiter, *([grammar.quote] if grammar.quote else [])])
    if isinstance(grammar, JsonLinesGrammar):
        return GrammarStates(grammar, [])
    if isinstance(grammar, DialectGrammar):
        return GrammarStates(grammar, grammar.tokens)
    return None


def scan_chunk(
    stream: ByteStream, states: GrammarStates, start: int, window_bytes: int = BLOCK_BYTES
) -> Iterator[Window]:
    """The windows of a chunk, which begins at the offset `start`; the stream ends with it."""
    live = set(states.all) if start else {AT_RECORD_START}
    sizes = iter(_FIRST_WINDOWS)
    while data := read_fully(stream, min(next(sizes, window_bytes), window_bytes)):
        window = {state: states.step(state, data, start) for state in live}
        yield window
        live = {step.state for step in window.values()}
        start += len(data)
