"""Characters that every text format takes."""

import re
from typing import Final

__all__ = ["legal_text"]

# The characters that XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets), such as NUL and lone surrogates.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def legal_text(text: str) -> str:
    r"""Replace each character that neither XML nor UTF-8 can hold by U+FFFD.

    >>> legal_text("a\x00b") == "a\ufffdb"
    True
    """
    return _ILLEGAL.sub("\ufffd", text)
