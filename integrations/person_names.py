"""Splitting a full name into first and last name, for names in any script.

A guess that loses nothing: first and last together always hold every word of the name.
"""

import re
import unicodedata
from functools import lru_cache

_SPACES = re.compile(r"\s+")
_HAN_OR_HANGUL = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003134f]+")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]+")
_EAST_ASIAN = re.compile(
    r"[\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003134f]+"
)
_SURNAMES = (
    "欧阳 歐陽 司马 司馬 上官 诸葛 諸葛 东方 東方 皇甫 尉迟 尉遲 公孙 公孫 慕容 令狐 司徒 夏侯 "
    "南宫 南宮 长孙 長孫 宇文 端木 남궁 황보 제갈 사공 선우 서문 독고"
)
_TWO_SIGN_SURNAMES = frozenset(_SURNAMES.split())
_LONGEST_SURNAME = 2
_PARTICLE_WORDS = (
    "van von vom der den dem de del della delle dello di da dos das do du des af av zu zum zur ter "
    "ten te bint ibn abu y e"
)
_PARTICLES = frozenset(_PARTICLE_WORDS.split())
_LOWER_CASE_PARTICLES = frozenset(
    {"al", "el", "ben", "bin", "la", "le", "les", "lo", "st", "d", "t"}
)
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv", "v", "phd", "md", "esq", "mba", "cpa"})
_LENGTH_WITH_TWO_SIGN_SURNAME = 4


@lru_cache(maxsize=64)
def split_name(full: str) -> tuple[str | None, str | None]:
    """Give (first name, last name); either may be None where the name has only one part."""
    name = _SPACES.sub(" ", unicodedata.normalize("NFC", full)).strip(" ,")
    if not name:
        return None, None
    before, comma, after = name.partition(",")
    if comma and not all(_is_suffix(word) for word in after.split()):
        return after.strip() or None, before.strip() or None
    words = name.split(" ")
    if len(words) == 1:
        return _split_unspaced(name)
    if all(_EAST_ASIAN.fullmatch(word) for word in words):
        return " ".join(words[1:]), words[0]
    begin = _last_name_begins(words)
    return " ".join(words[:begin]), " ".join(words[begin:])


def _split_unspaced(name: str) -> tuple[str | None, str | None]:
    """Chinese and Korean names are written without a space, the family name first."""
    if len(name) < _LONGEST_SURNAME or _KANA.search(name) or not _HAN_OR_HANGUL.fullmatch(name):
        return name, None
    surname = 2 if name[:2] in _TWO_SIGN_SURNAMES and len(name) > _LONGEST_SURNAME else 1
    if len(name) == _LENGTH_WITH_TWO_SIGN_SURNAME and not _HANGUL.fullmatch(name):
        surname = 2
    if len(name) > _LENGTH_WITH_TWO_SIGN_SURNAME:
        return name, None
    return name[surname:], name[:surname]


def _last_name_begins(words: list[str]) -> int:
    """Give the index of the word with which the last name begins, at least 1."""
    last = len(words) - 1
    while last > 1 and _is_suffix(words[last]):
        last -= 1
    begin = last
    while begin > 1 and _is_particle(words[begin - 1]):
        begin -= 1
    return begin


def _is_particle(word: str) -> bool:
    bare = word.strip("'’.")
    return bare.casefold() in _PARTICLES or bare in _LOWER_CASE_PARTICLES


def _is_suffix(word: str) -> bool:
    return word.strip(".,").replace(".", "").casefold() in _SUFFIXES
