"""Hangul as it is typed: keystrokes of the two-set keyboard, initial consonants, particles. Pure.

Layout: two-set (dubeolsik) keyboard of KS X 5002. Syllable arithmetic: The Unicode Standard, chapter 3.12.
"""

import functools

INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
SYLLABLE_FIRST = 0xAC00

_SIMPLE_KEYS = dict(
    zip("ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ", "qwertyuiopasdfghjklzxcvbnm", strict=True)
)
_SHIFTED_KEYS = dict(zip("ㅃㅉㄸㄲㅆㅒㅖ", "qwertop", strict=True))
_COMPOUNDS = {
    "ㅘ": "ㅗㅏ", "ㅙ": "ㅗㅐ", "ㅚ": "ㅗㅣ", "ㅝ": "ㅜㅓ", "ㅞ": "ㅜㅔ", "ㅟ": "ㅜㅣ", "ㅢ": "ㅡㅣ",
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄶ": "ㄴㅎ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅅ",
    "ㄾ": "ㄹㅌ", "ㄿ": "ㄹㅍ", "ㅀ": "ㄹㅎ", "ㅄ": "ㅂㅅ",
}  # fmt: skip
_KEYS = (
    _SIMPLE_KEYS
    | _SHIFTED_KEYS
    | {jamo: "".join(_SIMPLE_KEYS[part] for part in parts) for jamo, parts in _COMPOUNDS.items()}
)
_JAMO_OF_KEY = {key: jamo for jamo, key in _SIMPLE_KEYS.items()}
_JOINED = {parts: jamo for jamo, parts in _COMPOUNDS.items()}

PARTICLES = (
    *("으로부터", "에서는", "입니다"),
    *("에서", "에게", "부터", "까지", "으로", "하는", "되는", "하기", "이나"),
    *("용", "를", "을", "은", "는", "이", "가", "의", "에", "와", "과", "로", "도", "한", "할", "된", "인"),
)
"""Endings a Korean noun carries in a sentence, longest first; 용 (`for`) joins products to accessories."""


def is_syllable(character: str) -> bool:
    return "가" <= character <= "힣"


def is_jamo(character: str) -> bool:
    """A consonant or vowel on its own, as a half-typed word has."""
    return "ㄱ" <= character <= "ㅣ"


def is_hangul(character: str) -> bool:
    return is_syllable(character) or is_jamo(character)


def split_syllable(syllable: str) -> tuple[str, str, str]:
    """Initial, vowel and final ("" for none) of one syllable."""
    number = ord(syllable) - SYLLABLE_FIRST
    return INITIALS[number // 588], VOWELS[number % 588 // 28], FINALS[number % 28]


@functools.lru_cache(maxsize=50_000)
def keystrokes(text: str) -> str:
    """The keys that type this text, without Shift: `협동로봇` is `guqehdfhqht`, half of it is a prefix."""
    keys: list[str] = []
    for character in text:
        if is_syllable(character):
            keys.extend(_KEYS[jamo] for jamo in split_syllable(character) if jamo)
        else:
            keys.append(_KEYS.get(character, character))
    return "".join(keys)


def initials(text: str) -> str:
    """Initial consonants of the syllables: `협동로봇` gives `ㅎㄷㄹㅂ`."""
    return "".join(split_syllable(character)[0] for character in text if is_syllable(character))


def strip_particle(word: str) -> str:
    """The word without its ending when two syllables or more remain: `센서를` gives `센서`."""
    for particle in PARTICLES:
        if word.endswith(particle) and len(word) - len(particle) >= 2:
            return word.removesuffix(particle)
    return word


def compose(keys: str) -> str | None:
    """The Hangul that these lower-case keys type, or None when they do not make whole syllables.

    `tpstj` (센서 typed with the keyboard left in English) gives `센서`.
    """
    jamos = [_JAMO_OF_KEY.get(key, "") for key in keys]
    if not all(jamos):
        return None
    syllables: list[str] = []
    position = 0
    while position < len(jamos):
        taken = _take_syllable(jamos, position)
        if taken is None:
            return None
        syllable, position = taken
        syllables.append(syllable)
    return "".join(syllables)


def _take_syllable(jamos: list[str], position: int) -> tuple[str, int] | None:
    def at(index: int) -> str:
        return jamos[index] if index < len(jamos) else ""

    initial, vowel = at(position), at(position + 1)
    if initial not in INITIALS or not vowel or vowel not in VOWELS:
        return None
    position += 2
    if joined := _JOINED.get(vowel + at(position)):
        vowel, position = joined, position + 1
    final = ""
    for _ in range(2):  # a final consonant is one key or two, unless the next vowel needs it
        is_taken_by_vowel = bool(at(position + 1)) and at(position + 1) in VOWELS
        longer = _JOINED.get(final + at(position), "") if final else at(position)
        if not longer or longer not in FINALS or is_taken_by_vowel:
            break
        final, position = longer, position + 1
    number = INITIALS.index(initial) * 588 + VOWELS.index(vowel) * 28 + FINALS.index(final)
    return chr(SYLLABLE_FIRST + number), position
