"""Names of what was handed in, as text: harmless, each different, in the letters they had."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath

SAMPLE = 50_000  # bytes of names that are looked at to find their encoding
MAX_NAME = 1_000  # characters
FREQUENT_HANGUL = set(
    "김이박최정강조윤장임한오서신권황안송류전홍유고문양손배백허남심노하곽성차주우구민진지나엄채원천방공현"
    "함변염여추도소석선설마길연위표명기반라왕금옥육인맹제은수영준호재희경미혜숙순철상동승태규훈혁빈아온린"
    "다솔슬찬건형욱환섭식종중대학교과출실습보복사본월일회번호답안최종결고파일"
)
FREQUENT_HANZI = set(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    "沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛段雷侯龙史陶黎贺顾毛郝龚邵万钱严武戴莫孔向汤"
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文华建国红志小晓玲飞鑫宇浩欣怡佳雨子轩梓涵思琪"
    "作业提交第次实验报告副本学号姓名最终班组"
)
WESTERN = set("äöüßÄÖÜéèêëàâçîïôûùæøåÉÈÊËÀÂÇÎÏÔÛñÑáíóúÁÍÓÚÅÆØãõÃÕìòÌÒ")
CENTRAL = set("ąćęłńóśźżĄĆĘŁŃÓŚŹŻáčďéěíňřšťúůýžÁČĎÉĚÍŇŘŠŤÚŮÝŽäöüßőűÄÖÜŐŰ")
LATIN_LETTER = re.compile(r"[A-Za-z]")


def readable(text: str) -> str:
    """Return a text as it can be written and sent: a file's name need not be text at all."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def plain_path(name: str) -> str:
    """Return a path that leads nowhere else: relative, with "/", its letters composed.

    It is never empty: what leaves nothing is called "a file without a name".
    """
    text = unicodedata.normalize("NFC", readable(name)).replace("\\", "/")
    text = re.sub(r"\A[A-Za-z]:(?=/)", "", text)  # a drive
    parts = [part for part in text.split("/") if part.strip(". ")]
    return "/".join(parts)[-MAX_NAME:] or "a file without a name"


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, each different: the second ``a.txt`` becomes ``a (2).txt``."""
    found: dict[str, int] = {}
    for name in names:
        own, path = name, PurePosixPath(name)
        while own in found:
            found[name] += 1
            own = str(path.with_name(f"{path.stem} ({found[name]}){path.suffix}"))
        found[own] = 1
    return list(found)


def decoded(raw: Sequence[bytes]) -> list[str]:
    """Return the names of an archive as text. It does not say their encoding: all have the same.

    They are UTF-8 if they can be. Windows writes them in the code page of its language: that one
    is taken which gives the most usual letters.
    """
    telling = [name for name in dict.fromkeys(raw) if not name.isascii()]
    if _is_utf8(telling):
        return [name.decode("utf-8") for name in raw]
    sample = b"\n".join(telling)[:SAMPLE]
    best = max(USUAL, key=lambda codec: _likeness(sample.decode(codec, "replace"), USUAL[codec]))
    return [name.decode(best, "replace") for name in raw]


def _is_utf8(names: Iterable[bytes]) -> bool:
    try:
        return bool(b"\n".join(names).decode("utf-8")) or True
    except UnicodeDecodeError:
        return False


def _likeness(text: str, usual: Callable[[str], int]) -> float:
    """Return how much a text looks like names: the mean over its letters beyond ASCII."""
    score = count = 0
    for before, char, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if char.isascii():
            continue
        count += 1
        # A letter of two bytes that has swallowed a Latin one stands among Latin ones.
        is_swallowed = char >= "\u1100" and (
            LATIN_LETTER.match(before) or LATIN_LETTER.match(after)
        )
        score += -1 if is_swallowed else usual(char)
    return score / max(count, 1)


def _korean(char: str) -> int:
    """Return 2 for a frequent letter, 1 for a usual one and -1 for any other, as all these do."""
    if char in FREQUENT_HANGUL:
        return 2
    return 1 if 0xB0 <= _first_byte(char, "euc_kr") <= 0xC8 else -1


def _japanese(char: str) -> int:
    is_kana = "ぁ" <= char <= "ヿ"
    return 1 if is_kana or 0x88 <= _first_byte(char, "shift_jis") <= 0x98 else -1


def _chinese(char: str) -> int:
    if char in FREQUENT_HANZI:
        return 2
    return 1 if 0xB0 <= _first_byte(char, "gb2312") <= 0xD7 else -1


def _western(char: str) -> int:
    return 1 if char in WESTERN else -1


def _central(char: str) -> int:
    return 1 if char in CENTRAL else -1


def _first_byte(char: str, codec: str) -> int:
    """Return the first byte of a letter in an encoding that has the usual ones only; 0 if none."""
    return char.encode(codec, "ignore")[:1].ljust(1, b"\0")[0]


# Of several that fit equally well the first counts: what is 2 letters in one is 4 in another.
USUAL: dict[str, Callable[[str], int]] = {
    "cp949": _korean,
    "cp932": _japanese,
    "gbk": _chinese,
    "cp437": _western,
    "cp850": _western,
    "cp852": _central,
}
