"""Valid texts, damaged: truncated after each token, with tokens replaced, or with random bytes."""

import random
from collections.abc import Callable, Iterable, Iterator

from graphql import Lexer, Source, TokenKind

from gateway.core.errors import GatewayError

SURVIVED = "survived"
_EXTRA = """
null true 3 1.5 "" "id" "__typename" "{id}" "$a{b}" __schema __typename _entities _Any Query Mutation Int
extend schema $ ... ! @deprecated(reason:1) @link @core @extends @external @shareable @inaccessible
@interfaceObject @oneOf join__Graph link__Purpose
"""
EXTRA = tuple(_EXTRA.split())


def tokens(text: str) -> list[str]:
    """Return the tokens of a GraphQL text."""
    lexer = Lexer(Source(text))
    found = []
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        found.append(text[token.start : token.end])
    return found


def kind_of(token: str) -> str:
    """Return a rough kind of a token: name, text, or other."""
    return "text" if token.startswith('"') else "name" if token[0].isalpha() or token[0] == "_" else "sign"


def cut_off(words: list[str]) -> Iterator[str]:
    """Yield the text truncated before each of its tokens."""
    return (" ".join(words[:index]) for index in range(1, len(words)))


def spoiled(words: list[str], chance: random.Random) -> str:
    """Return a text with one to three tokens removed, doubled, or replaced.

    Most replacements have the same kind as the token, so that many results still parse.
    """
    words = list(words)
    for _ in range(chance.randint(1, 3)):
        index = chance.randrange(len(words))
        deed = chance.random()
        if deed < 0.1:
            del words[index]
        elif deed < 0.2:
            words.insert(index, chance.choice((*words, *EXTRA)))
        else:
            alike = [one for one in (*words, *EXTRA) if kind_of(one) == kind_of(words[index])]
            words[index] = chance.choice(alike)
    return " ".join(words)


def damaged(text: str, *, seed: int, count: int) -> Iterator[tuple[str, list[str]]]:
    """Yield (kind of damage, damaged texts); the seed makes them reproducible."""
    chance = random.Random(seed)
    words = tokens(text)
    yield "cut off at every token", list(cut_off(words))
    yield "tokens taken for others", [spoiled(words, chance) for _ in range(count)]
    yield "noise", [chance.randbytes(chance.randint(1, 400)).decode("latin-1") for _ in range(100)]
    yield "noise of names and signs", [" ".join(chance.choices((*words, *EXTRA), k=60)) for _ in range(100)]


def survive(texts: Iterable[str], read: Callable[[str], object]) -> str:
    """Process each text with `read`; return the word for success. Raises AssertionError with the first text
    on which `read`

    raises anything but a GatewayError.
    """
    for text in texts:
        try:
            read(text)
        except GatewayError:
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}\n{text}") from error
    return SURVIVED
