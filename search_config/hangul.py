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
    *("으로부터", "에서부터", "이랑은"),
    *("에서는", "에서도", "입니다", "이라는", "으로는", "까지는"),
    *("에서", "에게", "부터", "까지", "으로", "하고", "이나", "이랑", "처럼", "보다", "라는", "짜리", "마다"),
    *("용", "를", "을", "은", "는", "이", "가", "의", "에", "와", "과", "로", "도", "만", "나", "랑", "인"),
)
"""Endings a Korean noun carries in a sentence, longest first; 용 (`for`) joins products to accessories."""

VERB_ENDINGS = (
    *("하고싶은", "해주는", "시켜주는", "해드리는", "하기위한", "하십시오"),
    *(
        "하려고",
        "하려면",
        "하면서",
        "합니다",
        "시키는",
        "해주는",
        "하여",
        "해서",
        "하는",
        "되는",
        "하기",
        "하고",
    ),
    *("하게", "한", "할", "된", "될"),
)
"""Endings that make a verb of a noun, longest first: 측정하는 is what 측정 does."""

LETTER_NAMES = (
    *(
        ("더블유", "w"),
        ("에이치", "h"),
        ("에이", "a"),
        ("에치", "h"),
        ("에프", "f"),
        ("에스", "s"),
        ("엑스", "x"),
    ),
    *(("와이", "y"), ("아이", "i"), ("제이", "j"), ("케이", "k"), ("브이", "v"), ("제트", "z"), ("비", "b")),
    *(("씨", "c"), ("시", "c"), ("디", "d"), ("이", "e"), ("지", "g"), ("쥐", "g"), ("엘", "l"), ("엠", "m")),
    *(("엔", "n"), ("오", "o"), ("피", "p"), ("큐", "q"), ("알", "r"), ("티", "t"), ("유", "u"), ("에", "a")),
)
"""How Koreans say Latin letters, longest first."""
_SAID = {letter: name for name, letter in reversed(LETTER_NAMES)} | {"a": "에이", "c": "씨", "g": "지"}


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


def particle_stems(word: str) -> list[str]:
    """The word without each ending that it may carry, two syllables or more: `센서를` gives `센서`."""
    stems = [word.removesuffix(particle) for particle in PARTICLES if word.endswith(particle)]
    stems += [stem.removesuffix("용") for stem in stems if stem.endswith("용")]
    return [stem for stem in stems if len(stem) >= 2]


def verb_stem(word: str) -> str | None:
    """The noun inside a verb: `측정하는` gives `측정`; None when there is none of two syllables."""
    found = (word.removesuffix(ending) for ending in VERB_ENDINGS if word.endswith(ending))
    return next((stem for stem in found if len(stem) >= 2), None)


def spelled_letters(word: str) -> tuple[str, str]:
    """Latin letters said in Hangul and what follows them: `엘에스일렉트릭` gives `ls` and `일렉트릭`."""
    letters: list[str] = []
    rest = word
    while found := next((pair for pair in LETTER_NAMES if rest.startswith(pair[0])), None):
        letters.append(found[1])
        rest = rest.removeprefix(found[0])
    return "".join(letters), rest


def say_letters(letters: str) -> str:
    """Latin letters as they are said: `ts` gives `티에스`."""
    return "".join(_SAID.get(letter, letter) for letter in letters)


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
